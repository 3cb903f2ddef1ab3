"""``spikec run`` and ``spikec verify``."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...targets.diagnostic import Place, refuse
from ...targets.suggestion import known_names
from ...targets.terminal.choice import Names
from ...targets.terminal.completion import several_of
from ...targets.terminal.findings import tell_findings
from ...targets.terminal.help_page import command, json_option, option
from ...targets.terminal.streams import tell, tell_json
from ...targets.terminal.verbosity import verbosity_options
from ..progress import progress_bar

if TYPE_CHECKING:
    from ..agreement import Agreement
    from ..execution import Execution
    from ..program import IntArray, Program
    from ..samples import Samples

BACKEND_NAMES = ("reference", "simulator", "lava", "lava-stock", "loihi2", "sanafe")

_DATA = option("--data", required=True, metavar="FILE.npz", type=click.Path(), help="Inputs and optional labels.")
_LIMIT = option("--limit", type=click.IntRange(min=1), help="Use at most this many samples.")


@command()
@click.argument("directory", metavar="DIR", type=click.Path())
@_DATA
@option("--backend", type=Names(BACKEND_NAMES), default="simulator", show_default=True, help="Where it runs.")
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
    as_json: bool,
) -> None:
    """Run the compiled program in DIR on the samples of a data file."""
    import numpy as np

    from ..backends import run_backend
    from ..program.artefact import write_file
    from ..program.storage import load_program
    from .output_scores import score_arrays, score_document, score_lines, scores_by_name

    settings = {name: value for name, value in (("batch", batch), ("threads", threads)) if value is not None}
    if settings and backend != "simulator":
        hint = "leave it out, or give --backend simulator"
        raise refuse("E630", f"--{next(iter(settings))} does not apply to the backend '{backend}'", hint=hint)
    program = load_program(directory)
    samples, encoded = load_encoded(program, data, limit)
    with progress_bar(f"running on {backend}") as progress:
        execution = run_backend(backend, program, encoded, progress=progress, settings=settings)
    in_units = scores_by_name(program, execution) if scores == "float" else {}
    if output is not None:
        buffer = io.BytesIO()
        np.savez(buffer, **score_arrays(program, execution, in_units))
        write_file(output, buffer.getvalue())
    document = _run_document(execution, samples)
    if as_json:
        tell_json(document | score_document(program, execution, in_units))
    else:
        tell(*_run_lines(document), *score_lines(program, execution, in_units))


@command()
@click.argument("directory", metavar="DIR", type=click.Path())
@_DATA
@option(
    "--backends",
    default="reference,simulator,lava",
    show_default=True,
    shell_complete=several_of(lambda: BACKEND_NAMES),
    help="Two or more, separated by commas.",
)
@_LIMIT
@json_option
@verbosity_options
def verify(directory: str, data: str, backends: str, limit: int | None, as_json: bool) -> int:
    """Run the program in DIR on several backends and compare every spike train with zero tolerance."""
    from ..program.storage import load_program

    program = load_program(directory)
    names = tuple(name.strip() for name in backends.split(",") if name.strip())
    _, encoded = load_encoded(program, data, limit)
    agreement = verify_backends(program, encoded, names)
    tell_json(agreement.document()) if as_json else tell(*agreement_lines(agreement))
    return 0 if agreement.equal else 1


def load_encoded(program: Program, data: str | Path, limit: int | None) -> tuple[Samples, IntArray]:
    """Read a data file for ``program`` and encode at most ``limit`` samples; remarks go to stderr.

    Recordings are cut into windows of the program's steps, each a sample.
    """
    from ..encoding import encode
    from ..samples import load_samples

    encoding = program.input
    given = load_samples(data, encoding.sample_shape, classes=program.readout.neurons, integers=encoding.integers)
    samples = given.first(limit).in_windows(program.timesteps).first(limit)
    encoded, remarks = encode(program.input, samples.inputs)
    tell_findings(replace(each, place=Place(file=str(data)), measured=None, limit=None) for each in remarks)
    return samples, encoded


def verify_backends(program: Program, encoded: IntArray, names: Sequence[str]) -> Agreement:
    """Run ``encoded`` samples on every backend in ``names`` and compare; E641 for fewer than two."""
    from ..agreement import compare
    from ..backends import BACKENDS, run_backend

    unknown = [name for name in names if name not in BACKENDS]
    if unknown:
        raise refuse("E640", f"there is no backend '{unknown[0]}'", hint=known_names(unknown[0], BACKENDS))
    if len(set(names)) < 2:
        raise refuse("E641", "comparing takes two different backends", hint="give --backends reference,simulator,lava")
    executions = []
    for name in names:
        with progress_bar(f"running on {name}") as progress:
            executions.append(run_backend(name, program, encoded, record=True, progress=progress))
    return compare(program, executions)


def agreement_lines(agreement: Agreement) -> tuple[str, ...]:
    """One or two lines for a person."""
    names = ", ".join(agreement.backends)
    compared = f"{agreement.samples} samples, {len(agreement.compared)} layers, every neuron and step"
    difference = agreement.first_difference
    if difference is None:
        return (f"equal: {names} ({compared})",)
    values = ", ".join(f"{name} {value}" for name, value in difference.values.items())
    return (
        f"not equal: {names} ({compared})",
        f"first difference: layer '{difference.layer}', neuron {difference.neuron}, step {difference.step}, "
        f"sample {difference.sample}: {values}",
    )


def _run_document(execution: Execution, samples: Samples) -> dict[str, Any]:
    return {
        "backend": execution.backend,
        "samples": len(samples),
        "accuracy": samples.accuracy(execution.predictions),
        "predictions": execution.predictions.tolist(),
        "spikes": execution.spike_counts,
        "steps": execution.steps,
        "seconds": round(execution.seconds, 3),
    }


def _run_lines(document: dict[str, Any]) -> list[str]:
    accuracy = document["accuracy"]
    return [
        f"{document['samples']} samples on {document['backend']}: {document['steps']} steps in {document['seconds']} s",
        "accuracy: " + ("unknown, the data has no labels" if accuracy is None else f"{accuracy:.2%}"),
        *(f"spikes of {layer}: {count}" for layer, count in document["spikes"].items()),
    ]
