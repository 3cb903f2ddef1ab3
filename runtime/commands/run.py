"""``spikec run`` and ``spikec verify``."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...targets.diagnostic import Diagnostic, Place, refuse
from ...targets.terminal.choice import Names
from ...targets.terminal.completion import several_of
from ...targets.terminal.findings import tell_findings
from ...targets.terminal.help_page import command, json_option, option
from ...targets.terminal.streams import remark, tell, tell_json
from ...targets.terminal.verbosity import Verbosity, verbosity, verbosity_options
from ..progress import progress_bar

if TYPE_CHECKING:
    from ..agreement import Agreement
    from ..execution import Execution, Way
    from ..program import IntArray, Program
    from ..samples import Samples
    from ..self_test import Unexpected

BACKEND_NAMES = ("reference", "simulator", "lava", "lava-stock", "loihi2", "sanafe", "sinabs", "brian2")

_DATA = option("--data", required=True, metavar="FILE.npz", type=click.Path(), help="Inputs and optional labels.")
_LIMIT = option("--limit", type=click.IntRange(min=1), help="Use at most this many samples.")


@command()
@click.argument("directory", metavar="DIR", type=click.Path())
@_DATA
@option(
    "--backend",
    type=Names(BACKEND_NAMES),
    metavar="NAME",
    default="simulator",
    show_default=True,
    help=f"Where it runs: {', '.join(BACKEND_NAMES)}.",
)
@_LIMIT
@option("--output", metavar="FILE.npz", type=click.Path(), help="Write predictions and read-out potentials here.")
@option(
    "--scores",
    type=click.Choice(("integer", "float")),
    default="integer",
    show_default=True,
    help="Units of what --output and --json say of scores; float: the network's own, with a bound on their error.",
)
@option("--batch", type=click.IntRange(min=1), help="Samples at a time on the simulator; measured if not given.")
@option("--threads", type=click.IntRange(min=1), help="Threads of the simulator.")
@option("--device", type=click.Choice(("cpu", "cuda")), help="Where the simulator runs; cuda takes torch and a GPU.")
@option(
    "--way",
    type=click.Choice(("auto", "events", "dense")),
    help="How the simulator meets spikes with weights; auto, by measured rates, if not given. Results are the same.",
)
@json_option
@verbosity_options
def run(
    directory: str,
    data: str,
    backend: str,
    limit: int | None,
    output: str | None,
    scores: str,
    batch: int | None,
    threads: int | None,
    device: str | None,
    way: str | None,
    as_json: bool,
) -> None:
    """Run the compiled program in DIR on the samples of a data file."""
    import numpy as np

    from ..program.artefact import write_file
    from ..running import run_program
    from .output_scores import score_arrays, score_document, score_lines, scores_by_name

    given = {"batch": batch, "threads": threads, "device": device, "way": way}
    settings = {name: value for name, value in given.items() if value is not None}
    if settings and backend != "simulator":
        hint = "leave it out, or give --backend simulator"
        raise refuse("E630", f"--{next(iter(settings))} does not apply to the backend '{backend}'", hint=hint)
    program = read_program(directory)
    with progress_bar(f"running on {backend}") as progress:
        done = run_program(program, data, backend=backend, limit=limit, progress=progress, settings=settings)
    _tell_of(done.remarks, data)
    execution = done.execution
    in_units = scores_by_name(program, execution) if scores == "float" else {}
    if output is not None:
        buffer = io.BytesIO()
        np.savez(buffer, **score_arrays(program, execution, in_units))
        write_file(output, buffer.getvalue())
    document = done.document()
    if verbosity() is Verbosity.VERBOSE:
        remark(*_way_lines(program, execution, len(done.samples)))
    if as_json:
        tell_json(document | score_document(program, execution, in_units))
    else:
        tell(*_run_lines(document), *score_lines(program, execution, in_units))


@command()
@click.argument("directory", metavar="DIR", type=click.Path())
@option(
    "--data",
    metavar="FILE.npz",
    type=click.Path(),
    help="Inputs; without it those that the artefact carries, with the counts that it expects.",
)
@option(
    "--backends",
    default="reference,simulator,lava",
    show_default=True,
    shell_complete=several_of(lambda: BACKEND_NAMES),
    help="Two or more, separated by commas; without --data one is enough.",
)
@_LIMIT
@json_option
@verbosity_options
def verify(directory: str, data: str | None, backends: str, limit: int | None, as_json: bool) -> int:
    """Run the program in DIR on several backends and compare every spike train with zero tolerance.

    Without data it runs the samples that the artefact carries, and compares with the counts that it expects as well.
    """
    from ..running import compare_backends

    program = read_program(directory)
    names = tuple(name.strip() for name in backends.split(",") if name.strip())
    if data is None:
        return _verify_itself(program, directory, names, limit, as_json=as_json)
    _, encoded = load_encoded(program, data, limit)
    agreement = compare_backends(program, encoded, names)
    tell_json(agreement.document()) if as_json else tell(*agreement.lines())
    return 0 if agreement.equal else 1


def _verify_itself(program: Program, directory: str, names: Sequence[str], limit: int | None, *, as_json: bool) -> int:
    from ..agreement import compare
    from ..encoding import encode
    from ..running import run_recorded
    from ..self_test import first_unexpected, load_self_test

    if limit is not None:
        hint = "leave --limit out, or give --data FILE.npz"
        raise refuse("E630", "--limit does not apply to the samples that an artefact carries", hint=hint)
    expected = load_self_test(directory, program)
    executions = run_recorded(program, encode(program.input, expected.inputs)[0], names, fewest=1)
    agreement = compare(program, executions)
    unexpected = next((u for e in executions if (u := first_unexpected(program, expected, e)) is not None), None)
    told = None if unexpected is None else asdict(unexpected)
    if as_json:
        tell_json({**agreement.document(), "as_expected": unexpected is None, "unexpected": told})
    else:
        tell(*(agreement.lines() if len(executions) > 1 else ()), *_expectation_lines(agreement, unexpected))
    return 0 if agreement.equal and unexpected is None else 1


def _expectation_lines(agreement: Agreement, unexpected: Unexpected | None) -> tuple[str, ...]:
    if unexpected is None:
        samples, names = agreement.samples, ", ".join(agreement.backends)
        return (f"as expected: {names} give on the {samples} samples of the artefact what it was compiled with",)
    where = f"layer '{unexpected.layer}' on {unexpected.backend}"
    counted = f"{unexpected.found} in place of {unexpected.expected}"
    if unexpected.found == unexpected.expected:
        counted = f"{unexpected.found} as expected, at other places"
    return (
        f"not as expected: {where} counts {counted}",
        "the files are those that were compiled: this machine, a library or this version computes something else",
    )


def read_program(directory: str | Path) -> Program:
    """Read an artefact's program as ``load_program`` does; on a terminal a bar moves where that takes long."""
    from ..program.storage import load_program

    with progress_bar("reading the program"):
        return load_program(directory)


def load_encoded(program: Program, data: str | Path, limit: int | None) -> tuple[Samples, IntArray]:
    """Read a data file for ``program`` and encode at most ``limit`` samples; remarks go to stderr.

    Recordings are cut into windows of the program's steps, each a sample.
    """
    from ..running import given_samples

    given = given_samples(program, data, limit)
    _tell_of(given.remarks, data)
    return given.samples, given.encoded


def _tell_of(remarks: Iterable[Diagnostic], data: str | Path) -> None:
    tell_findings(replace(each, place=Place(file=str(data)), measured=None, limit=None) for each in remarks)


def _way_lines(program: Program, execution: Execution, samples: int) -> list[str]:
    """How each layer was computed: the kernel, the share of neurons of its source that spiked, as events or densely."""

    def told(way: Way) -> str:
        spikes = execution.spike_counts.get(way.source)
        neurons = 0 if spikes is None else program.population(way.source).neurons
        rate = "graded" if spikes is None else f"rate {spikes / max(1, neurons * program.timesteps * samples):.3f}"
        parts = way.events + way.dense
        mixed = f"events in {way.events} of {parts} parts, else dense"
        product = "" if not parts else "dense" if not way.events else "events" if not way.dense else mixed
        if product and way.is_fixed:
            product += ", the only way"
        return ", ".join(part for part in (f"{way.source} {rate}", way.kernel, product) if part)

    return [f"{layer}: {'; '.join(map(told, ways))}" for layer, ways in execution.ways.items()]


def _run_lines(document: dict[str, Any]) -> list[str]:
    accuracy = document["accuracy"]
    return [
        f"{document['samples']} samples on {document['backend']}: {document['steps']} steps in {document['seconds']} s",
        "accuracy: " + ("unknown, the data has no labels" if accuracy is None else f"{accuracy:.2%}"),
        *(f"spikes of {layer}: {count}" for layer, count in document["spikes"].items()),
    ]
