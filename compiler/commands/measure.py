"""``spikec evaluate`` and ``tradeoff``: what methods and schedules cost and gain on labelled data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from ...runtime.commands.worker_options import CLUSTER, JOBS, workers_for
from ...runtime.progress import row_progress
from ...targets import names as target_names
from ...targets.diagnostic import refuse
from ...targets.terminal.completion import name_or_file, several_of
from ...targets.terminal.findings import tell_findings
from ...targets.terminal.help_page import command, json_option, option
from ...targets.terminal.streams import tell, tell_json
from ...targets.terminal.verbosity import verbosity_options
from .compile_options import INPUT_HELP, INPUT_NAMES, INPUT_SHAPE, OUTPUT

if TYPE_CHECKING:
    from ..evaluation.tradeoff import Tradeoff
    from ..frontend.model import ModelReader

# The names again, so that neither help nor completion imports the methods; a test compares.
METHOD_NAMES = (
    *("max-norm", "robust-norm", "rate-norm", "opt", "opi"),
    *("calibration-bias", "calibration-potential", "calibration-weights", "bias-per-step"),
    *("msat", "qc-ann", "qc-ann-paper", "lmpc", "lmpc-paper", "lwc", "lwc-paper", "lmpc-lwc"),
    *("qcfs", "srp", "cos"),
    *("noise", "local-noise", "hybrid", "deploy", "deploy-from-relu", "deploy-untaught", "deploy-unrounded"),
    *("deploy-gradient-norm", "exact", "mixed", "graded"),
)
DEFAULT_NAMES = ("qc-ann", "lmpc", "exact")
ALL = "all"

_DATA = option("--data", required=True, metavar="FILE.npz", type=click.Path(), help="Labelled test data.")
TARGET = option(
    "--target",
    default="lava",
    show_default=True,
    metavar="NAME|FILE.toml",
    shell_complete=name_or_file(target_names),
    help="Name, or path of a chip description.",
)
LIMIT = option("--limit", type=click.IntRange(min=1), help="Use this many samples, evenly spaced.")
CALIBRATION = "Training inputs; never the test data."


@command()
@click.argument("models", metavar="MODEL...", nargs=-1, required=True, type=click.Path())
@_DATA
@option("--calibration", metavar="FILE.npz", type=click.Path(), help=CALIBRATION)
@TARGET
@option("--timesteps", default="1,2,4,8", show_default=True, help="Time steps, separated by commas.")
@option(
    "--methods",
    default=",".join(DEFAULT_NAMES),
    show_default=True,
    shell_complete=several_of(lambda: (ALL, *METHOD_NAMES)),
    help="By commas, for every MODEL that they apply to; 'all': each for the kinds it is compared on; 'mixed:STEPS': "
    "gates within that latency.",
)
@option("--float", "with_float", is_flag=True, help="Measure every program without rounding too.")
@option("--input", "given_as", type=click.Choice(INPUT_NAMES), metavar="NAME", help=INPUT_HELP)
@INPUT_SHAPE
@OUTPUT
@LIMIT
@option(
    "--journal",
    metavar="FILE.jsonl",
    type=click.Path(),
    help="Keep figures as they come; an interrupted run goes on from them.",
)
@option("--against", metavar="METHOD", help="Tell each row's difference to this method's, on the same samples.")
@option("--markdown", metavar="FILE.md", type=click.Path(), help="Write the table in Markdown.")
@option("--plot", metavar="FILE.svg", type=click.Path(), help="Plot accuracy against T, one line per method.")
@JOBS
@CLUSTER
@json_option
@verbosity_options
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
    given_as: str | None,
    input_shape: tuple[int, ...] | None,
    output: tuple[str, ...] | None,
    limit: int | None,
    journal: str | None,
    against: str | None,
    markdown: str | None,
    plot: str | None,
    jobs: int | None,
    cluster: str | None,
    as_json: bool,
) -> None:
    """Measure the accuracy of each MODEL as float network and as integer program for several T.

    Models of one kind of training, as their files tell, share the rows of that kind: seeds are averaged.

    A method that is named has rows for every kind that it applies to, and a remark for the others; 'all' takes for each
    kind the methods that are compared on it.
    """
    from ...runtime.program.artefact import write_file
    from ..evaluation.evaluate_given import evaluate_given
    from ..evaluation.forms import evaluation_plot
    from ..evaluation.picture import require_matplotlib
    from ..options import CompileOptions

    if plot is not None:
        require_matplotlib()
    workers = workers_for(jobs, cluster)
    chosen = CompileOptions(
        target=target, calibration=calibration, input_shape=input_shape, output=output, input=given_as
    )
    with row_progress("evaluating") as progress:
        result = evaluate_given(
            models,
            data,
            chosen,
            _integers(timesteps),
            tuple(name.strip() for name in methods.split(",")),
            limit=limit,
            with_float=with_float,
            journal=journal,
            against=against,
            readers=readers,
            workers=workers,
            progress=progress,
        )
    tell_findings(result.remarks)
    if markdown is not None:
        write_file(markdown, result.markdown().encode())
    if plot is not None:
        write_file(plot, evaluation_plot(result))
    tell_json(result.document()) if as_json else tell(*result.text().split("\n"))


@command()
@click.argument("model", metavar="MODEL", type=click.Path())
@_DATA
@option("--calibration", required=True, metavar="FILE.npz", type=click.Path(), help=CALIBRATION)
@TARGET
@option("--timesteps", type=int, default=4, show_default=True, help="Time steps T per sample.")
@INPUT_SHAPE
@option("--points", type=click.IntRange(min=2), default=6, show_default=True, help="Programs to measure.")
@LIMIT
@option("-o", "--output", metavar="FILE.svg", type=click.Path(), help="Plot accuracy against latency.")
@JOBS
@CLUSTER
@json_option
@verbosity_options
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
    jobs: int | None,
    cluster: str | None,
    as_json: bool,
) -> None:
    """Measure accuracy against latency from the pipelined to the exact schedule, gating layer after layer."""
    from ...runtime.program.artefact import write_file
    from ..evaluation.model_data import read_given, samples_for
    from ..evaluation.picture import require_matplotlib
    from ..evaluation.tradeoff import measure_tradeoff
    from ..evaluation.tradeoff_plot import plot_tradeoff
    from ..options import CompileOptions

    if output is not None:
        require_matplotlib()
    workers = workers_for(jobs, cluster)
    options = CompileOptions(target=target, timesteps=timesteps, input_shape=input_shape)
    given = read_given(model, options, readers)
    samples = samples_for(given.model, data, limit)
    options = replace(options, calibration=samples_for(given.model, calibration, None))
    with row_progress("measuring") as progress:
        result = measure_tradeoff(given, samples, options, points, workers=workers, progress=progress)
    if output is not None:
        write_file(output, plot_tradeoff(result))
    tell_json(result.document()) if as_json else tell(*_tradeoff_lines(result))


def _integers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise refuse("E630", f"timesteps is '{text}'", hint="give whole numbers separated by commas") from error


def _tradeoff_lines(result: Tradeoff) -> list[str]:
    width = max(24, *(2 + len(name) for name in result.misfires))
    lines = [
        f"ANN (float): {result.ann_accuracy:.2%}, T = {result.timesteps}",
        f"{'wrong counts, pipelined':{width}}    over   under",
    ]
    lines += [f"{'  ' + name:{width}} {m.over:>7.2%} {m.under:>7.2%}" for name, m in result.misfires.items()]
    lines.append("gates  latency  steps per sample  accuracy")
    lines += [f"{len(p.gated):>5} {p.latency:>8} {p.window:>17} {p.accuracy:>9.2%}" for p in result.points]
    return lines
