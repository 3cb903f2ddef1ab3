"""The backend ``sanafe``: a program run by SANA-FE in a guarded process of its own."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from ...targets import load
from ...targets.diagnostic import Diagnostic, UnusableInput, refuse
from ...targets.libraries import install_command
from ..encoded_samples import check_samples
from ..execution import Execution
from ..guarded_script import run_script
from ..program import IntArray, Program
from ..progress import Report
from .files import SCRIPT, cores_in_order, sanafe_files
from .limits import find_problems

_CHIP = "loihi1"
"""Whose figures are written down; spikes do not depend on them."""
_NEURONS_PER_CORE = 1024
_START_SECONDS = 120.0
_SYNAPSE_SECONDS = 1e-4
_NEURON_STEP_SECONDS = 2e-4
"""Several times what a slow machine needs to load a synapse, and to go through a neuron's step."""


def run_sanafe(
    program: Program,
    samples: IntArray,
    *,
    record: bool = False,
    progress: Report | None = None,
    deadline: float | None = None,
) -> Execution:
    """Run encoded ``samples``, constant ones or frames, on SANA-FE; ``deadline`` in seconds has a generous default.

    Raises ``UnusableInput``: E731 where SANA-FE is not installed, E732 for a program that it would compute wrongly,
    E506 for samples that are not the program's, E733 when it fails, E734 at the deadline.
    """
    require_sanafe()
    if problems := find_problems(program):
        raise UnusableInput(problems)
    check_samples(program, samples)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="spikec-sanafe-") as folder:
        directory = Path(folder)
        files = sanafe_files(program, load(_CHIP), cores_in_order(program, _NEURONS_PER_CORE), samples)
        for name, content in files.items():
            (directory / name).write_bytes(content)
        seconds = _default_deadline(program, len(samples)) if deadline is None else deadline
        ended = run_script(directory / SCRIPT, directory, seconds)
        if ended.expired:
            raise UnusableInput(_expired(seconds))
        if ended.status:
            hint = f"the last lines were:\n{ended.last_lines}"
            raise refuse("E733", f"SANA-FE failed (status {ended.status})", hint=hint)
        readouts, trains = _read(program, len(samples), directory)
    if progress is not None:
        progress(len(samples), len(samples))
    return Execution(
        backend="sanafe",
        readouts=readouts,
        spike_counts={name: int(train.sum()) for name, train in trains.items()},
        spike_trains=trains if record else None,
        steps=program.steps(len(samples)),
        seconds=time.perf_counter() - began,
    )


def require_sanafe() -> None:
    """Raise ``UnusableInput`` E731 where SANA-FE cannot run."""
    if sys.platform != "linux":
        raise refuse("E731", f"the guard around SANA-FE needs Linux, this is {sys.platform}")
    if importlib.util.find_spec("sanafe") is None:
        hint = f"'{install_command('sanafe')}' installs it (GPL-3.0); the simulator gives the same spikes without it"
        raise refuse("E731", "SANA-FE is not installed", hint=hint)


def sanafe_version() -> str:
    """Version that is installed, or that none is."""
    try:
        return importlib.metadata.version("sanafe")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _default_deadline(program: Program, samples: int) -> float:
    neurons = sum(population.neurons for population in program.populations)
    synapses = sum(
        projection.synapses.weight.size
        * program.population(projection.target).neurons
        // max(len(projection.synapses.weight), 1)
        for projection in program.projections
    )
    return _START_SECONDS + synapses * _SYNAPSE_SECONDS + program.steps(samples) * neurons * _NEURON_STEP_SECONDS


def _expired(deadline: float) -> Diagnostic:
    return Diagnostic(
        "E734",
        "SANA-FE was stopped at its deadline",
        measured=deadline,
        limit=deadline,
        unit="s",
        hint="run fewer samples (--limit), or use --backend simulator",
    )


def _read(
    program: Program, samples: int, directory: Path
) -> tuple[dict[str, IntArray], dict[str, np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]]:
    readouts, trains = {}, {}
    with np.load(directory / "spikes.npz") as recorded:
        for number, population in enumerate(program.populations):
            if population.threshold is None:
                # Its potentials are whole: nothing with a fraction is ever added to them.
                readouts[population.name] = recorded[f"readout{number}"].astype(np.int64)
                continue
            shape = (samples, program.timesteps, population.neurons)
            bits = np.unpackbits(recorded[f"spikes{number}"])
            trains[population.name] = bits[: int(np.prod(shape))].reshape(shape)
    return readouts, trains
