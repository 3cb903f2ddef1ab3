"""``spikec run``, ``spikec verify`` and ``spikec doctor``."""

from __future__ import annotations

import io
import json
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click
import numpy as np

from ..targets.diagnostic import refuse
from .agreement import Agreement, compare
from .backends import BACKENDS, run_backend
from .encoding import encode
from .execution import Execution
from .lava import availability, probe_loihi2
from .program import IntArray, Program
from .program.artefact import write_file
from .program.storage import load_program
from .progress import progress_bar
from .samples import Samples, load_samples

_DATA = click.option("--data", "data", required=True, metavar="FILE.npz", help="Inputs and optional labels.")
_LIMIT = click.option("--limit", type=click.IntRange(min=1), help="Use at most this many samples.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")


@click.command()
@click.argument("directory", metavar="DIR")
@_DATA
@click.option("--backend", type=click.Choice(tuple(BACKENDS)), default="simulator", show_default=True)
@_LIMIT
@click.option("--output", metavar="FILE.npz", help="Write predictions and read-out potentials here.")
@click.option("--batch", type=click.IntRange(min=1), help="Samples at a time on the simulator; measured if not given.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of the simulator.")
@_JSON
def run(
    directory: str,
    data: str,
    backend: str,
    limit: int | None,
    output: str | None,
    batch: int | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Run the compiled program in DIR on the samples of a data file."""
    settings = {name: value for name, value in (("batch", batch), ("threads", threads)) if value is not None}
    if settings and backend != "simulator":
        hint = "leave it out, or give --backend simulator"
        raise refuse("E630", f"--{next(iter(settings))} does not apply to the backend '{backend}'", hint=hint)
    program = load_program(directory)
    samples, encoded = load_encoded(program, data, limit)
    with progress_bar(f"running on {backend}") as progress:
        execution = run_backend(backend, program, encoded, progress=progress, settings=settings)
    if output is not None:
        buffer = io.BytesIO()
        np.savez(buffer, predictions=execution.predictions, readout=execution.readout)
        write_file(output, buffer.getvalue())
    document = _run_document(execution, samples)
    click.echo(json.dumps(document, sort_keys=True) if as_json else _run_text(document))


@click.command()
@click.argument("directory", metavar="DIR")
@_DATA
@click.option(
    "--backends", default="reference,simulator,lava", show_default=True, help="Two or more, separated by commas."
)
@_LIMIT
@_JSON
def verify(directory: str, data: str, backends: str, limit: int | None, as_json: bool) -> int:
    """Run the program in DIR on several backends and compare every spike train with zero tolerance."""
    program = load_program(directory)
    names = tuple(name.strip() for name in backends.split(",") if name.strip())
    _, encoded = load_encoded(program, data, limit)
    agreement = verify_backends(program, encoded, names)
    click.echo(json.dumps(agreement.document(), sort_keys=True) if as_json else agreement_text(agreement))
    return 0 if agreement.equal else 1


@click.command()
@_JSON
def doctor(as_json: bool) -> None:
    """Say what this installation can do: Python, libraries, Lava, Loihi 2."""
    document = installation()
    if as_json:
        click.echo(json.dumps(document, sort_keys=True))
        return
    for key, value in document.items():
        click.echo(f"{key}: {value}")


COMMANDS: tuple[click.Command, ...] = (run, verify, doctor)


def load_encoded(program: Program, data: str | Path, limit: int | None) -> tuple[Samples, IntArray]:
    """Read a data file for ``program`` and encode at most ``limit`` samples; remarks go to stderr."""
    samples = load_samples(data, program.input.sample_shape, classes=program.readout.neurons).first(limit)
    encoded, remarks = encode(program.input, samples.inputs)
    for remark in remarks:
        click.echo(f"{remark.severity.value} {remark.code}: {data}: {remark.message}; hint: {remark.hint}", err=True)
    return samples, encoded


def verify_backends(program: Program, encoded: IntArray, names: Sequence[str]) -> Agreement:
    """Run ``encoded`` samples on every backend in ``names`` and compare; E641 for fewer than two."""
    unknown = [name for name in names if name not in BACKENDS]
    if unknown:
        raise refuse("E640", f"there is no backend '{unknown[0]}'", hint=f"choose from {', '.join(BACKENDS)}")
    if len(set(names)) < 2:
        raise refuse("E641", "comparing takes two different backends", hint="give --backends reference,simulator,lava")
    executions = []
    for name in names:
        with progress_bar(f"running on {name}") as progress:
            executions.append(run_backend(name, program, encoded, record=True, progress=progress))
    return compare(program, executions)


def agreement_text(agreement: Agreement) -> str:
    """One or two sentences for a person."""
    names = ", ".join(agreement.backends)
    compared = f"{agreement.samples} samples, {len(agreement.compared)} layers, every neuron and step"
    difference = agreement.first_difference
    if difference is None:
        return f"equal: {names} ({compared})"
    values = ", ".join(f"{name} {value}" for name, value in difference.values.items())
    return (
        f"not equal: {names} ({compared})\n"
        f"first difference: layer '{difference.layer}', neuron {difference.neuron}, step {difference.step}, "
        f"sample {difference.sample}: {values}"
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


def _run_text(document: dict[str, Any]) -> str:
    accuracy = document["accuracy"]
    lines = [
        f"{document['samples']} samples on {document['backend']}: {document['steps']} steps in {document['seconds']} s",
        "accuracy: " + ("unknown, the data has no labels" if accuracy is None else f"{accuracy:.2%}"),
        *(f"spikes of {layer}: {count}" for layer, count in document["spikes"].items()),
    ]
    return "\n".join(lines)


def installation() -> dict[str, str]:
    """What ``doctor`` prints."""
    lava, loihi = availability(), probe_loihi2()
    packages = ("spikec", "numpy", "onnx", "torch", "lava-nc", "lava-dl")
    return {
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        **{name: _version(name) for name in packages},
        "lava backend": str(lava),
        "loihi 2": str(loihi),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
