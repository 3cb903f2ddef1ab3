"""``spikec evaluate`` and ``tradeoff``: what methods and schedules cost and gain on labelled data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

import click
import numpy as np

from ...runtime.program.artefact import write_file
from ...runtime.progress import progress_bar
from ...runtime.samples import Samples, load_samples
from ...targets.diagnostic import refuse
from ..diagnostics import render_line
from ..evaluation.evaluation import ALL, Evaluation, evaluate_models
from ..evaluation.forms import evaluation_markdown, evaluation_plot, evaluation_text
from ..evaluation.picture import require_matplotlib
from ..evaluation.tradeoff import Tradeoff, measure_tradeoff
from ..evaluation.tradeoff_plot import plot_tradeoff
from ..frontend.model import ModelReader, read_model
from ..methods.table import DEFAULT_METHODS
from ..options import CompileOptions
from .compile import INPUT_SHAPE

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")


@click.command()
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@click.option("--data", required=True, metavar="FILE.npz", help="Labelled test data.")
@click.option("--calibration", metavar="FILE.npz", help="Training inputs; never the test data.")
@click.option("--target", default="lava", show_default=True)
@click.option("--timesteps", default="1,2,4,8", show_default=True, help="Time steps, separated by commas.")
@click.option("--methods", default=",".join(DEFAULT_METHODS), show_default=True, help="By commas, or 'all'.")
@click.option("--float", "with_float", is_flag=True, help="Measure every program without rounding too.")
@INPUT_SHAPE
@click.option("--limit", type=click.IntRange(min=1), help="Use this many samples, evenly spaced.")
@click.option(
    "--journal", metavar="FILE.jsonl", help="Keep figures as they come; an interrupted run goes on from them."
)
@click.option("--markdown", metavar="FILE.md", help="Write the table in Markdown.")
@click.option("--plot", metavar="FILE.svg", help="Plot accuracy against T, one line per method.")
@_JSON
@click.pass_obj
def evaluate(
    readers: Mapping[str, ModelReader] | None,
    models: tuple[str, ...],
    data: str,
    calibration: str | None,
    target: str,
    timesteps: str,
    methods: str,
    with_float: bool,
    input_shape: tuple[int, ...] | None,
    limit: int | None,
    journal: str | None,
    markdown: str | None,
    plot: str | None,
    as_json: bool,
) -> None:
    """Measure the accuracy of each MODEL as float network and as integer program for several T.

    Models of one kind of training, as their files tell, share the rows of that kind: seeds are averaged.
    """
    if plot is not None:
        require_matplotlib()
    samples = _samples(models[0], input_shape, data, limit, readers)
    known = None if calibration is None else _samples(models[0], input_shape, calibration, None, readers)
    with progress_bar("evaluating") as progress:
        result = evaluate_models(
            models,
            samples,
            CompileOptions(target=target, calibration=known, input_shape=input_shape),
            _integers(timesteps),
            ALL if methods == ALL else tuple(name.strip() for name in methods.split(",")),
            with_float=with_float,
            journal=journal,
            readers=readers,
            progress=progress,
        )
    for remark in result.remarks:
        click.echo(render_line(remark), err=True)
    if markdown is not None:
        write_file(markdown, evaluation_markdown(result).encode())
    if plot is not None:
        write_file(plot, evaluation_plot(result))
    click.echo(_evaluation_json(result) if as_json else evaluation_text(result))


@click.command()
@click.argument("model", metavar="MODEL")
@click.option("--data", required=True, metavar="FILE.npz", help="Labelled test data.")
@click.option("--calibration", required=True, metavar="FILE.npz", help="Training inputs; never the test data.")
@click.option("--target", default="lava", show_default=True)
@click.option("--timesteps", type=int, default=4, show_default=True, help="Time steps T per sample.")
@INPUT_SHAPE
@click.option("--points", type=click.IntRange(min=2), default=6, show_default=True, help="Programs to measure.")
@click.option("--limit", type=click.IntRange(min=1), help="Use this many samples, evenly spaced.")
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
    input_shape: tuple[int, ...] | None,
    points: int,
    limit: int | None,
    output: str | None,
    as_json: bool,
) -> None:
    """Measure accuracy against latency from the pipelined to the exact schedule, gating layer after layer."""
    if output is not None:
        require_matplotlib()
    samples = _samples(model, input_shape, data, limit, readers)
    options = CompileOptions(target=target, calibration=calibration, timesteps=timesteps, input_shape=input_shape)
    with progress_bar("measuring") as progress:
        result = measure_tradeoff(model, samples, options, points, readers=readers, progress=progress)
    if output is not None:
        write_file(output, plot_tradeoff(result))
    click.echo(json.dumps(asdict(result), sort_keys=True) if as_json else _tradeoff_text(result))


def _samples(
    model: str,
    input_shape: tuple[int, ...] | None,
    data: str,
    limit: int | None,
    readers: Mapping[str, ModelReader] | None,
) -> Samples:
    network = read_model(model, input_shape=input_shape, readers=readers).network
    classes = int(np.prod(network.shape(network.output)))
    return load_samples(data, network.input_shape, classes=classes).evenly(limit)


def _evaluation_json(result: Evaluation) -> str:
    rows = [{**asdict(row), "samples": result.samples} for row in result.rows]
    return json.dumps({"ann_accuracy": result.ann_accuracy, "rows": rows}, sort_keys=True)


def _integers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise refuse("E630", f"timesteps is '{text}'", hint="give whole numbers separated by commas") from error


def _tradeoff_text(result: Tradeoff) -> str:
    width = max(24, *(2 + len(name) for name in result.misfires))
    lines = [
        f"ANN (float): {result.ann_accuracy:.2%}, T = {result.timesteps}",
        f"{'wrong counts, pipelined':{width}}    over   under",
    ]
    lines += [f"{'  ' + name:{width}} {m.over:>7.2%} {m.under:>7.2%}" for name, m in result.misfires.items()]
    lines.append("gates  latency  steps per sample  accuracy")
    lines += [f"{len(p.gated):>5} {p.latency:>8} {p.window:>17} {p.accuracy:>9.2%}" for p in result.points]
    return "\n".join(lines)
