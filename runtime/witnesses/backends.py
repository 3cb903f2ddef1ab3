"""The backends ``sinabs`` and ``brian2``: a program run by other people's neurons, in a guarded process of its own."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...targets.diagnostic import Diagnostic, UnusableInput, refuse
from ...targets.libraries import install_command
from ...targets.records import dataclass
from ..encoded_samples import check_samples
from ..execution import Execution
from ..guarded_script import Ended, run_script
from ..program import IntArray, Program
from ..progress import Report
from .files import RESULT, write_network
from .limits import neuron_problems, saturated, synapses_of, unrolled_problems


@dataclass(frozen=True, slots=True)
class Witness:
    """A simulator of other people: the package it comes in, its script, and whether it takes synapses one by one.

    ``start``, ``synapse`` and ``event`` are seconds that a slow machine takes, several times over: to load it, to make
    a synapse, and to send a spike over one.
    """

    package: str
    unrolled: bool
    start: float
    synapse: float
    event: float

    @property
    def script(self) -> Path:
        """The script that runs in a process of its own."""
        return Path(__file__).parent / f"on_{self.package}.py"


SINABS = Witness("sinabs", unrolled=False, start=600.0, synapse=0.0, event=1e-6)
BRIAN2 = Witness("brian2", unrolled=True, start=600.0, synapse=1e-4, event=1e-5)


def run_sinabs(
    program: Program,
    samples: IntArray,
    *,
    record: bool = False,
    progress: Report | None = None,
    deadline: float | None = None,
) -> Execution:
    """Run ``samples`` (N, *input shape), encoded integers, with the neurons of sinabs, layer by layer.

    ``deadline`` in seconds has a generous default. Raises ``UnusableInput``: E760 where sinabs is not installed, E761
    for what its neurons do not compute, E506 for samples that are not the program's, E762 when it fails, E763 at the
    deadline.
    """
    return _run(SINABS, program, samples, record, progress, deadline)


def run_brian2(
    program: Program,
    samples: IntArray,
    *,
    record: bool = False,
    progress: Report | None = None,
    deadline: float | None = None,
) -> Execution:
    """Run ``samples`` (N, *input shape), encoded integers, on brian2, in global time; as ``run_sinabs`` otherwise."""
    return _run(BRIAN2, program, samples, record, progress, deadline)


def _run(
    witness: Witness,
    program: Program,
    samples: IntArray,
    record: bool,
    progress: Report | None,
    deadline: float | None,
) -> Execution:
    require_witness(witness)
    if problems := list(_problems(witness, program)):
        raise UnusableInput(problems)
    check_samples(program, samples)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix=f"spikec-{witness.package}-") as folder:
        directory = Path(folder)
        write_network(directory, program, samples, unrolled=witness.unrolled)
        seconds = _default_deadline(witness, program, len(samples)) if deadline is None else deadline
        ended = run_script(witness.script, directory, seconds)
        if ended.status:
            raise UnusableInput(_failed(witness, ended, seconds))
        with np.load(directory / RESULT) as result:
            found = dict(result)
    names = dict(enumerate(population.name for population in program.populations))
    highest = {name: int(found[f"highest{k}"]) for k, name in names.items() if f"highest{k}" in found}
    if problems := list(saturated(program, highest, witness.package)):
        raise UnusableInput(problems)
    if progress is not None:
        progress(len(samples), len(samples))
    return _execution(witness, program, found, record, time.perf_counter() - began)


def _execution(
    witness: Witness, program: Program, found: dict[str, npt.NDArray[np.int64]], record: bool, seconds: float
) -> Execution:
    names = dict(enumerate(population.name for population in program.populations))
    readouts = {name: found[f"readout{k}"] for k, name in names.items() if f"readout{k}" in found}
    trains = {name: found[f"spikes{k}"] for k, name in names.items() if f"spikes{k}" in found}
    samples = len(next(iter(readouts.values())))
    return Execution(
        backend=witness.package,
        readouts=readouts,
        spike_counts={name: int(train.sum()) for name, train in trains.items()},
        spike_trains=trains if record else None,
        steps=program.steps(samples),
        seconds=seconds,
    )


def require_witness(witness: Witness) -> None:
    """Raise ``UnusableInput`` E760 where ``witness`` cannot run."""
    if sys.platform != "linux":
        raise refuse("E760", f"the guard around {witness.package} needs Linux, this is {sys.platform}")
    if importlib.util.find_spec(witness.package) is None:
        hint = f"'{install_command(witness.package)}' installs it (extra: spikec[witness])"
        raise refuse("E760", f"{witness.package} is not installed", hint=hint)


def _problems(witness: Witness, program: Program) -> Iterator[Diagnostic]:
    yield from neuron_problems(program, witness.package)
    if witness.unrolled:
        yield from unrolled_problems(program, witness.package)


def _default_deadline(witness: Witness, program: Program, samples: int) -> float:
    synapses = sum(synapses_of(program, projection) for projection in program.projections)
    neurons = sum(population.neurons for population in program.populations)
    each_step = (synapses + neurons) * witness.event
    return witness.start + synapses * witness.synapse + program.steps(samples) * each_step


def _failed(witness: Witness, ended: Ended, deadline: float) -> Diagnostic:
    if ended.expired:
        return Diagnostic(
            "E763",
            f"{witness.package} was stopped at its deadline",
            measured=deadline,
            limit=deadline,
            unit="s",
            hint="run fewer samples (--limit), or leave this backend out",
        )
    hint = f"the last lines were:\n{ended.last_lines}"
    return Diagnostic("E762", f"{witness.package} failed (status {ended.status})", hint=hint)
