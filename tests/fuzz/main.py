"""The fuzzer's command: ``bash tests/fuzz/run --help``."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import click

from .campaign import Campaign, Plan
from .networks import NetworkSettings


@click.command()
@click.option("--networks", type=click.IntRange(min=0), default=0, help="Judge networks 0 to N - 1.")
@click.option("--mutants", type=click.IntRange(min=0), default=0, help="Judge mutants 0 to N - 1.")
@click.option("--network", "some_networks", type=int, multiple=True, help="Judge this network; may be given again.")
@click.option("--mutant", "some_mutants", type=int, multiple=True, help="Judge this mutant; may be given again.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed gives other cases.")
@click.option("--jobs", type=click.IntRange(min=1), default=os.cpu_count() or 1, help="Processes at a time.")
@click.option("--minutes", type=float, default=float("inf"), help="Stop after this long; the next run goes on.")
@click.option("--shrink/--no-shrink", default=True, help="Make the files of findings small.")
@click.option("-o", "directory", metavar="DIR", default="out/fuzz", show_default=True, help="Results and findings.")
def main(
    networks: int,
    mutants: int,
    some_networks: tuple[int, ...],
    some_mutants: tuple[int, ...],
    seed: int,
    jobs: int,
    minutes: float,
    shrink: bool,
    directory: str,
) -> None:
    """Judge random networks and damaged files. Exit code 1 if anything is wrong.

    A network is wrong if its float level is not what ONNX Runtime or the reference evaluator computes, if backends
    differ from each other or from the integers stepped through here, or if it is refused although a spiking network
    computes it. A damaged file is wrong if it ends in an internal error, a traceback, 10 seconds or 2 GB.
    Results go to DIR/results.jsonl, from which the same command goes on; findings, made small, to DIR/findings.
    """
    plan = Plan(
        NetworkSettings(seed),
        tuple(sorted({*range(networks), *some_networks})),
        tuple(sorted({*range(mutants), *some_mutants})),
        jobs,
        time.monotonic() + 60 * minutes,
        shrink,
    )
    campaign = Campaign(Path(directory), plan)
    campaign.run()
    click.echo(campaign.table())
    sys.exit(1 if campaign.findings else 0)
