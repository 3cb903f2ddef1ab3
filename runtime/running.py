"""A program on the samples that a user gave: run on one backend, or on several and compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..targets.diagnostic import Diagnostic, refuse
from ..targets.records import dataclass
from ..targets.suggestion import known_names
from .agreement import Agreement, compare
from .backends import BACKENDS, run_backend
from .encoding import encode
from .execution import Execution
from .given_data import Data, samples_of
from .program import IntArray, Program
from .progress import Report, progress_bar
from .samples import Samples


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """Samples that a user gave for a program, the integers that they are sent as, and what is to be said of them."""

    samples: Samples
    encoded: IntArray
    remarks: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What a program did on ``samples``; ``remarks`` say what there is to know about these."""

    execution: Execution
    samples: Samples
    remarks: tuple[Diagnostic, ...] = ()

    @property
    def predictions(self) -> IntArray:
        """Class of each sample (N,) by the first read-out."""
        return self.execution.predictions

    @property
    def accuracy(self) -> float | None:
        """Share (0..1) of predictions that equal the labels; None without labels."""
        return self.samples.accuracy(self.predictions)

    def document(self) -> dict[str, Any]:
        """As ``run --json`` prints it."""
        return {
            "backend": self.execution.backend,
            "samples": len(self.samples),
            "accuracy": self.accuracy,
            "predictions": self.predictions.tolist(),
            "spikes": self.execution.spike_counts,
            "steps": self.execution.steps,
            "seconds": round(self.execution.seconds, 3),
        }


def given_samples(program: Program, data: Data, limit: int | None = None) -> Given:
    """Check and encode at most ``limit`` samples of ``data`` for ``program``; errors as of ``samples_of``.

    Recordings are cut into windows of the program's steps, each a sample.
    """
    encoding = program.input
    checked = samples_of(data, encoding.sample_shape, classes=program.readout.neurons, integers=encoding.integers)
    samples = checked.first(limit).in_windows(program.timesteps).first(limit)
    return Given(samples, *encode(encoding, samples.inputs))


def run_program(
    program: Program,
    data: Data,
    *,
    backend: str = "simulator",
    limit: int | None = None,
    record: bool = False,
    progress: Report | None = None,
    settings: Mapping[str, int | str] | None = None,
) -> Run:
    """Run ``program`` on at most ``limit`` samples of ``data``; ``record`` keeps every spike train.

    Errors: those of ``samples_of``, E640 for a backend that is not known, and the backend's own.
    """
    given = given_samples(program, data, limit)
    execution = run_backend(backend, program, given.encoded, record=record, progress=progress, settings=settings)
    return Run(execution, given.samples, given.remarks)


def compare_backends(program: Program, encoded: IntArray, names: Sequence[str]) -> Agreement:
    """Run ``encoded`` samples on every backend in ``names`` and compare every spike, with zero tolerance.

    Errors: E640 for a backend that is not known, E641 for fewer than two, and the backends' own.
    """
    return compare(program, run_recorded(program, encoded, names))


def run_recorded(program: Program, encoded: IntArray, names: Sequence[str], *, fewest: int = 2) -> list[Execution]:
    """Run ``encoded`` samples on every backend in ``names`` and record them; E641 for fewer than ``fewest``."""
    unknown = [name for name in names if name not in BACKENDS]
    if unknown:
        raise refuse("E640", f"there is no backend '{unknown[0]}'", hint=known_names(unknown[0], BACKENDS))
    if len(set(names)) < fewest:
        raise refuse("E641", "comparing takes two different backends", hint="give --backends reference,simulator,lava")
    executions = []
    for name in names:
        with progress_bar(f"running on {name}") as progress:
            executions.append(run_backend(name, program, encoded, record=True, progress=progress))
    return executions
