"""The accuracy bench's command; ``bash tests/bench/accuracy`` sets up what it needs and calls it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from spikec.compiler.options import CompileOptions

from .machine import versions
from .published import CALIBRATION_SEED, NETWORKS, TEST_SEED, Part, Published
from .scores import Nearness, nearness, scores_of_network

SCHEMA = "spikec-accuracy/1"
SCHEDULES = ("pipelined", "exact", "mixed")
HERE = Path(__file__).parent

_WIDTH = 160
"""Of the table at least, in a pipe too, so that no figure is cut off."""


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--only", "parts_of_names", multiple=True, help="files whose path has this in it; may be repeated")
@click.option("--target", "targets", multiple=True, help="instead of each file's own; may be repeated")
@click.option("--timesteps", type=click.IntRange(min=1), multiple=True, help="instead of each file's own; repeatable")
@click.option("--schedule", "schedules", type=click.Choice(SCHEDULES), multiple=True, default=("pipelined",))
@click.option("--latency-budget", type=click.IntRange(min=1), help="steps that the schedule mixed may take")
@click.option("--calibration", type=click.IntRange(min=1), default=250, show_default=True, help="calibration samples")
@click.option("--tests", type=click.IntRange(min=2), help="test samples, instead of each file's own number")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=HERE / "results" / "accuracy.json",
    help="where the figures go",
)
def main(
    folder: Path,
    parts_of_names: tuple[str, ...],
    targets: tuple[str, ...],
    timesteps: tuple[int, ...],
    schedules: tuple[str, ...],
    latency_budget: int | None,
    calibration: int,
    tests: int | None,
    output: Path,
) -> None:
    """Compile published networks in FOLDER and compare their scores with onnxruntime's: a table, and JSON."""
    networks = [n for n in NETWORKS if not parts_of_names or any(part in n.file for part in parts_of_names)]
    missing = [n.file for n in networks if not (folder / n.file).is_file()]
    if missing or not networks:
        raise click.UsageError(f"not in {folder}: {', '.join(missing) or 'any network of that name'}")
    if "mixed" in schedules and latency_budget is None:
        raise click.UsageError("the schedule mixed needs --latency-budget")
    progress, rows = Console(stderr=True), list[Nearness]()
    settings = {"calibration": calibration, "schedules": list(schedules), "versions": versions()}
    try:
        for network in networks:
            given = options_of(network, targets, timesteps, schedules, latency_budget)
            for row in measured(folder, network, given, calibration, tests or network.tests):
                progress.print(f"{row.file} {row.target} T={row.timesteps} {row.schedule}", highlight=False)
                rows.append(row)
    finally:
        # What took an hour to measure is not lost with the network that failed.
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(as_json(settings, rows), encoding="utf-8")
        Console(width=max(Console().width, _WIDTH)).print(table_of(rows))


def options_of(
    network: Published,
    targets: tuple[str, ...],
    timesteps: tuple[int, ...],
    schedules: tuple[str, ...],
    latency_budget: int | None,
) -> list[CompileOptions]:
    """What to compile: the network's own cases that are asked for, or where it has none, all pairs that are."""
    own_targets, own_timesteps = (tuple(dict.fromkeys(each)) for each in zip(*network.cases, strict=True))
    own = [(t, n) for t, n in network.cases if (not targets or t in targets) and (not timesteps or n in timesteps)]
    return [
        CompileOptions(
            target=target,
            timesteps=steps,
            schedule=schedule,
            latency_budget=latency_budget if schedule == "mixed" else None,
        )
        for target, steps in own or product(targets or own_targets, timesteps or own_timesteps)
        for schedule in schedules
    ]


def measured(
    folder: Path, network: Published, cases: list[CompileOptions], calibration: int, tests: int
) -> Iterator[Nearness]:
    """One row for every case; its options get the network's own calibration data."""
    fitted = network.samples(folder, Part("train", calibration, CALIBRATION_SEED))
    tested = network.samples(folder, Part("test", tests, TEST_SEED))
    wanted = scores_of_network(folder / network.file, tested.inputs)
    for options in cases:
        yield nearness(folder / network.file, replace(options, calibration=fitted), tested, wanted, network.file)


def as_json(settings: dict[str, Any], rows: list[Nearness]) -> str:
    """The whole run, keys sorted."""
    content = {"schema": SCHEMA, "settings": settings, "rows": [asdict(row) for row in rows]}
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def table_of(rows: list[Nearness]) -> Table:
    """The rows as a table for the terminal; shares in percent."""
    names = ("file", "target", "T", "schedule", "correlation", "same class", "accuracy", "ANN", "verdict", "latency")
    table = Table(*names, "neurons", "compiled in s", title="scores of programs beside those of their networks")
    for row in rows:
        table.add_row(
            row.file,
            row.target,
            str(row.timesteps),
            row.schedule,
            f"{row.correlation:.4f}",
            _percent(row.agreement),
            _percent(row.accuracy),
            _percent(row.ann_accuracy),
            row.verdict,
            str(row.latency),
            f"{row.neurons:,}",
            f"{row.compile_seconds:.0f}",
        )
    return table


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"


if __name__ == "__main__":
    main(prog_name="bash tests/bench/accuracy")
