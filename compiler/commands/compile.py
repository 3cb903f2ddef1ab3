"""``spikec compile``, ``check``, ``report`` and ``passes``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

import click

from ...runtime.program.artefact import check_destination, write_artefact, write_file
from ...runtime.progress import count_stages, progress_bar
from ...targets.diagnostic import Diagnostic, Severity
from ...targets.schema import NEURON_MODELS
from ..compilation import Compiled, check_model, compile_model
from ..diagnostics import render_line, render_summary
from ..frontend.model import ModelReader
from ..options import SCHEDULES, CompileOptions, Granularity, ThresholdMethod, parse_input_shape
from ..pipeline import PASSES, STAGES
from ..report import Report, report_html, report_json, report_markdown, report_text
from ..report.stored import read_report
from ..report.text import terminal_width
from ..report.verdict import FITS, FITS_WITH_WARNINGS, UNSUPPORTED

_FORMATS: dict[str, Callable[[Report], str]] = {
    "text": lambda report: report_text(report, terminal_width()),
    "json": report_json,
    "html": report_html,
    "markdown": report_markdown,
}
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")


def _names(_context: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(name.strip() for name in text.split(",") if name.strip())


def input_shape(_context: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    """Value of ``--input-shape``."""
    return None if text is None else parse_input_shape(text)


INPUT_SHAPE = click.option(
    "--input-shape",
    metavar="CxHxW",
    callback=input_shape,
    help="Sizes of one sample, without the batch, for those that the model file leaves open.",
)


def _compile_options(command: Callable[..., Any]) -> Callable[..., Any]:
    options = (
        click.option("--target", default="lava", show_default=True, help="Name, or path of a chip description."),
        click.option("--timesteps", type=int, default=4, show_default=True, help="Time steps T per sample."),
        click.option("--schedule", default="pipelined", show_default=True, help=f"One of {', '.join(SCHEDULES)}."),
        click.option("--exact-layers", metavar="NAME,NAME", callback=_names, help="Layers to gate (schedule mixed)."),
        click.option("--latency-budget", type=int, help="Steps that gates may fill, chosen by need (schedule mixed)."),
        click.option("--calibration", metavar="FILE.npz", help="Training inputs, labels optional."),
        click.option("--weight-bits", type=int, help="Lower the target's weight width, sign included."),
        click.option("--strict", is_flag=True, help="Count warnings as errors."),
        click.option(
            "--threshold-method", type=click.Choice(get_args(ThresholdMethod)), default="mse", show_default=True
        ),
        click.option("--percentile", type=float, default=99.9, show_default=True),
        click.option(
            "--calibrate/--no-calibrate", default=True, help="Calibrate initial potentials on the calibration data."
        ),
        click.option(
            "--aim",
            metavar="MODEL",
            help="Network whose activations the calibration aims at, if not MODEL's own: the one that weights were "
            "calibrated from.",
        ),
        click.option("--granularity", type=click.Choice(get_args(Granularity)), default="channel", show_default=True),
        click.option("--iterations", type=int, default=3, show_default=True, help="Of the calibration."),
        click.option(
            "--neuron", default="if", show_default=True, help=f"Neuron model, one of {', '.join(NEURON_MODELS)}."
        ),
        click.option(
            "--first-pass", type=int, default=4, show_default=True, help="Steps that measure (--neuron srp, cos)."
        ),
        INPUT_SHAPE,
        click.option("--output-name", "output", metavar="NAME", help="Which of several ONNX outputs to compile."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command(name="compile")
@click.argument("model", metavar="MODEL")
@click.option("-o", "--output-directory", "directory", required=True, metavar="DIR", help="Where the artefact goes.")
@_compile_options
@_JSON
@click.pass_obj
def compile_command(
    readers: Mapping[str, ModelReader] | None, /, model: str, directory: str, as_json: bool, **options: Any
) -> int:
    """Compile MODEL (.onnx or a .pt checkpoint) and write the artefact to DIR."""
    check_destination(directory)
    with progress_bar("compiling") as progress:
        compiled = compile_model(
            model, CompileOptions(**options), readers=readers, report=count_stages(progress, STAGES)
        )
    write_artefact(directory, compiled.files())
    _print_diagnostics(compiled.report.diagnostics)
    for name, seconds in compiled.seconds.items():
        click.echo(f"{name}: {seconds:.3f} s", err=True)
    click.echo(json.dumps(_summary(compiled, directory), sort_keys=True) if as_json else _text(compiled, directory))
    return _exit_code(compiled.report)


@click.command()
@click.argument("model", metavar="MODEL")
@_compile_options
@click.option("--format", "form", type=click.Choice(tuple(_FORMATS)), default="text", show_default=True)
@click.pass_obj
def check(readers: Mapping[str, ModelReader] | None, /, model: str, form: str, **options: Any) -> int:
    """Say whether MODEL fits a target, layer by layer, without writing anything."""
    with progress_bar("checking") as progress:
        report = check_model(model, CompileOptions(**options), readers=readers, report=count_stages(progress, STAGES))
    _print_diagnostics(report.diagnostics)
    click.echo(_FORMATS[form](report), nl=False)
    return _exit_code(report)


@click.command()
@click.argument("directory", metavar="DIR")
@click.option("--format", "form", type=click.Choice(tuple(_FORMATS)), default="text", show_default=True)
@click.option("-o", "--output", metavar="FILE", help="Write here instead of to stdout.")
def report(directory: str, form: str, output: str | None) -> None:
    """Show the report of the artefact in DIR."""
    rendered = _FORMATS[form](read_report(directory))
    if output is None:
        click.echo(rendered, nl=False)
    else:
        write_file(output, rendered.encode())


@click.command()
@_JSON
def passes(as_json: bool) -> None:
    """List the passes in their order, with the equation that each applies."""
    rows = [{"name": kind().name, "equation": (kind.__doc__ or "").strip().split("\n\n")[0]} for kind in PASSES]
    if as_json:
        click.echo(json.dumps({"passes": rows}, sort_keys=True))
        return
    for number, row in enumerate(rows, 1):
        click.echo(f"{number:2}. {row['name']}\n      {row['equation']}")


def _print_diagnostics(diagnostics: tuple[Diagnostic, ...]) -> None:
    for diagnostic in diagnostics:
        click.echo(render_line(diagnostic), err=True)


def _exit_code(result: Report) -> int:
    if result.verdict == UNSUPPORTED:
        return 2
    return 0 if result.verdict in (FITS, FITS_WITH_WARNINGS) else 1


def _summary(compiled: Compiled, directory: str) -> dict[str, Any]:
    counts = {severity.value: 0 for severity in Severity}
    for diagnostic in compiled.report.diagnostics:
        counts[diagnostic.severity.value] += 1
    return {
        "directory": directory,
        "verdict": compiled.report.verdict,
        "target": compiled.program.target,
        "timesteps": compiled.program.timesteps,
        "depth": compiled.program.depth,
        "neurons": sum(p.neurons for p in compiled.program.populations),
        "diagnostics": counts,
        "seconds": compiled.seconds,
    }


def _text(compiled: Compiled, directory: str) -> str:
    program = compiled.program
    neurons = sum(p.neurons for p in program.populations)
    return (
        f"{compiled.report.verdict}: {program.name} on {program.target}, T = {program.timesteps}, "
        f"{len(program.populations)} populations, {neurons} neurons "
        f"({render_summary(compiled.report.diagnostics)})\n"
        f"program: {Path(directory) / 'program.json'}\nreport: {Path(directory) / 'report.html'}"
    )
