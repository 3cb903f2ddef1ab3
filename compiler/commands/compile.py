"""``spikec compile``, ``check`` and ``report``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...runtime.progress import stage_progress
from ...targets.diagnostic import Severity
from ...targets.terminal.findings import tell_findings
from ...targets.terminal.help_page import command, json_option, option
from ...targets.terminal.streams import is_terminal, remark, tell, tell_document, tell_json, text_width
from ...targets.terminal.verbosity import Verbosity, verbosity, verbosity_options
from .compile_options import compile_options

if TYPE_CHECKING:
    from ..compiled import Compiled
    from ..frontend.model import ModelReader
    from ..report import Report

FORMATS = ("text", "json", "html", "markdown")

_FORMAT = option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
_MODEL = click.argument("model", metavar="MODEL", type=click.Path())


@command(name="compile")
@_MODEL
@option(
    "-o",
    "--output-directory",
    "directory",
    required=True,
    metavar="DIR",
    type=click.Path(),
    help="Where the artefact goes.",
)
@compile_options
@json_option
@verbosity_options
@click.pass_obj
def compile_command(
    readers: Mapping[str, ModelReader] | None, /, model: str, directory: str, as_json: bool, **options: Any
) -> int:
    """Compile MODEL (.onnx or a .pt checkpoint) and write the artefact to DIR."""
    from ...runtime.program.artefact import check_destination
    from ..compilation import compile_model
    from ..options import CompileOptions
    from ..pipeline import STAGES

    check_destination(directory)
    with stage_progress("compiling", STAGES) as stages:
        compiled = compile_model(model, CompileOptions(**options), readers=readers, report=stages)
        stages("write")
        compiled.save(directory, stages.part)
    tell_findings(compiled.report.diagnostics)
    if verbosity() is Verbosity.VERBOSE:
        remark(*(f"{name}: {seconds:.3f} s" for name, seconds in compiled.seconds.items()))
    tell_json(_summary(compiled, directory)) if as_json else tell(*_lines(compiled, directory))
    return _exit_code(compiled.report)


@command()
@_MODEL
@compile_options
@_FORMAT
@verbosity_options
@click.pass_obj
def check(readers: Mapping[str, ModelReader] | None, /, model: str, form: str, **options: Any) -> int:
    """Say whether MODEL fits a target, layer by layer, or which of several, without writing anything.

    Several targets between commas, all, or smallest are compared in a table; the answer is no where it fits none.
    """
    from ..compilation import check_model
    from ..options import CompileOptions
    from ..pipeline import STAGES
    from ..target_choice import targets_of

    targets = targets_of(options["target"])
    if len(targets) > 1:
        return _compared(readers, model, targets, form, options)
    with stage_progress("checking", STAGES[:-1]) as stages:
        report = check_model(model, CompileOptions(**options), readers=readers, report=stages)
    if not (form == "text" and is_terminal(sys.stdout)):  # the text tells them, and would be read beside them
        tell_findings(report.diagnostics)
    tell_document(_rendered(report, form))
    return _exit_code(report)


def _compared(
    readers: Mapping[str, ModelReader] | None, model: str, targets: tuple[str, ...], form: str, options: dict[str, Any]
) -> int:
    from ..options import CompileOptions
    from ..pipeline import STAGES
    from ..report.comparison import comparison_json, comparison_markdown, comparison_text
    from ..target_choice import compare_targets

    if form == "html":
        raise click.BadOptionUsage("--format", "a comparison of targets is text, json or markdown")
    with stage_progress("checking", STAGES[:-1]) as stages:
        found = compare_targets(model, targets, CompileOptions(**options), readers=readers, report=stages)
    if form == "text":
        tell_document(comparison_text(found, text_width()))
    else:
        tell_document(comparison_json(found) if form == "json" else comparison_markdown(found))
    return int(found.smallest is None)


@command()
@click.argument("directory", metavar="DIR", type=click.Path())
@_FORMAT
@option("-o", "--output", metavar="FILE", type=click.Path(), help="Write here instead of to stdout.")
@option(
    "--accuracy",
    multiple=True,
    metavar="FILE.json",
    type=click.Path(),
    help="Show accuracies too that evaluate or tradeoff printed with --json.",
)
def report(directory: str, form: str, output: str | None, accuracy: tuple[str, ...]) -> None:
    """Show the report of the artefact in DIR."""
    from ...runtime.program.artefact import write_file
    from ..report.accuracy_file import read_accuracies
    from ..report.stored import read_report

    found = read_report(directory)
    points = [point for file in accuracy for point in read_accuracies(file, found.model.digest)]
    rendered = _rendered(replace(found, accuracies=(*found.accuracies, *points)), form)
    if output is None:
        tell_document(rendered)
    else:
        write_file(output, rendered.encode())


def _rendered(report: Report, form: str) -> str:
    from .. import report as reports

    if form == "text":
        return reports.report_text(report, width=text_width())
    write: Callable[[Report], str] = getattr(reports, f"report_{form}")
    return write(report)


def _exit_code(result: Report) -> int:
    from ..report.verdict import FITS, FITS_WITH_WARNINGS, UNKNOWN, UNSUPPORTED

    if result.verdict == UNSUPPORTED:
        return 2
    if result.verdict == UNKNOWN:
        return int(result.strict)
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


def _lines(compiled: Compiled, directory: str) -> tuple[str, ...]:
    from ..diagnostics import render_summary

    program = compiled.program
    neurons = sum(p.neurons for p in program.populations)
    return (
        f"{compiled.report.verdict}: {program.name} on {program.target}, T = {program.timesteps}, "
        f"{len(program.populations)} populations, {neurons} neurons "
        f"({render_summary(compiled.report.diagnostics)})",
        f"program: {Path(directory) / 'program.json'}",
        f"report: {Path(directory) / 'report.html'}",
    )
