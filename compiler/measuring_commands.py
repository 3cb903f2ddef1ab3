"""``spikec evaluate`` and ``tradeoff``: what methods and schedules cost and gain on labelled data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import click
import numpy as np

from ..runtime.artefact import write_file
from ..runtime.progress import progress_bar
from ..runtime.samples import Samples, load_samples
from ..targets.diagnostic import refuse
from .compilation import ModelReader, read_model
from .methods import METHODS, Evaluation, evaluate_model
from .options import CompileOptions
from .tradeoff import Tradeoff, measure_tradeoff
from .tradeoff_plot import plot_tradeoff

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")


@click.command()
@click.argument("model", metavar="MODEL")
@click.option("--data", required=True, metavar="FILE.npz", help="Labelled test data.")
@click.option("--calibration", metavar="FILE.npz", help="Training inputs; never the test data.")
@click.option("--target", default="lava", show_default=True)
@click.option("--timesteps", default="1,2,4,8", show_default=True, help="Time steps, separated by commas.")
@click.option("--methods", default=",".join(METHODS), show_default=True, help="Separated by commas, or 'all'.")
@click.option("--limit", type=click.IntRange(min=1), help="Use at most this many samples.")
@_JSON
@click.pass_obj
def evaluate(
    readers: Mapping[str, ModelReader] | None,
    model: str,
    data: str,
    calibration: str | None,
    target: str,
    timesteps: str,
    methods: str,
    limit: int | None,
    as_json: bool,
) -> None:
    """Measure the accuracy of MODEL as float network and as integer program for several T."""
    samples = _samples(model, data, limit, readers)
    names = tuple(METHODS) if methods == "all" else tuple(name.strip() for name in methods.split(","))
    options = CompileOptions(target=target, calibration=calibration)
    with progress_bar("evaluating") as progress:
        result = evaluate_model(
            model, samples, options, _integers(timesteps), names, readers=readers, progress=progress
        )
    click.echo(json.dumps(_evaluation_document(result), sort_keys=True) if as_json else _evaluation_text(result))


@click.command()
@click.argument("model", metavar="MODEL")
@click.option("--data", required=True, metavar="FILE.npz", help="Labelled test data.")
@click.option("--calibration", required=True, metavar="FILE.npz", help="Training inputs; never the test data.")
@click.option("--target", default="lava", show_default=True)
@click.option("--timesteps", type=int, default=4, show_default=True, help="Time steps T per sample.")
@click.option("--points", type=click.IntRange(min=2), default=6, show_default=True, help="Programs to measure.")
@click.option("--limit", type=click.IntRange(min=1), help="Use at most this many samples.")
@click.option("-o", "--output", metavar="FILE.svg", help="Plot accuracy against latency.")
@_JSON
@click.pass_obj
def tradeoff(
    readers: Mapping[str, ModelReader] | None,
    model: str,
    data: str,
    calibration: str,
    target: str,
    timesteps: int,
    points: int,
    limit: int | None,
    output: str | None,
    as_json: bool,
) -> None:
    """Measure accuracy against latency from the pipelined to the exact schedule, gating layer after layer."""
    samples = _samples(model, data, limit, readers)
    options = CompileOptions(target=target, calibration=calibration, timesteps=timesteps)
    with progress_bar("measuring") as progress:
        result = measure_tradeoff(model, samples, options, points, readers=readers, progress=progress)
    if output is not None:
        write_file(output, plot_tradeoff(result))
    click.echo(json.dumps(asdict(result), sort_keys=True) if as_json else _tradeoff_text(result))


MEASURING_COMMANDS: tuple[click.Command, ...] = (evaluate, tradeoff)


def _samples(model: str, data: str, limit: int | None, readers: Mapping[str, ModelReader] | None) -> Samples:
    network = read_model(model, readers=readers).network
    classes = int(np.prod(network.shape(network.output)))
    return load_samples(data, network.input_shape, classes=classes).first(limit)


def _integers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise refuse("E630", f"timesteps is '{text}'", hint="give whole numbers separated by commas") from error


def _evaluation_document(result: Evaluation) -> dict[str, Any]:
    return {
        "ann_accuracy": result.ann_accuracy,
        "rows": [{"method": r.method, "timesteps": r.timesteps, "accuracy": r.accuracy} for r in result.rows],
    }


def _evaluation_text(result: Evaluation) -> str:
    steps = tuple(dict.fromkeys(r.timesteps for r in result.rows))
    accuracy = {(r.method, r.timesteps): r.accuracy for r in result.rows}
    lines = [f"ANN (float): {result.ann_accuracy:.2%}", "method      " + "".join(f"{f'T={t}':>9}" for t in steps)]
    for method in dict.fromkeys(r.method for r in result.rows):
        lines.append(f"{method:12}" + "".join(f"{accuracy[method, t]:>9.2%}" for t in steps))
    return "\n".join(lines)


def _tradeoff_text(result: Tradeoff) -> str:
    lines = [
        f"ANN (float): {result.ann_accuracy:.2%}, T = {result.timesteps}",
        "wrong counts, pipelined   over    under",
    ]
    lines += [f"  {name:22} {m.over:>6.2%} {m.under:>8.2%}" for name, m in result.misfires.items()]
    lines.append("gates  latency  steps per sample  accuracy")
    lines += [f"{len(p.gated):>5} {p.latency:>8} {p.window:>17} {p.accuracy:>9.2%}" for p in result.points]
    return "\n".join(lines)
