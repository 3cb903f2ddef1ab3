"""The folder through which a run and its worker process talk."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np

from ...targets.records import dataclass
from ..execution import SpikeTrains
from ..program import IntArray, Population, Program
from .encoding import smallest_integers
from .layout import Layout
from .recording import Recording, read_counts, read_potentials, read_trains
from .sections import Section
from .stock.neurons import StockNeurons


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One run: ``program`` on ``samples`` samples, whose port-ordered input is ``samples.npy`` in ``directory``.

    The input is one row of values for each sample, or one for each of its frames.

    ``sections`` run as one process each, with ``lanes`` samples side by side. Without any it is the stock graph, one
    sample after the other, with Lava's own models where ``stock``, and with Lava's own neurons where ``stock_neurons``
    says which.
    """

    directory: Path
    program: Program
    samples: int
    stock: bool
    sections: tuple[Section, ...]
    lanes: int
    recordings: dict[str, Recording]
    stock_neurons: dict[str, StockNeurons] | None = None

    @property
    def steps(self) -> int:
        """Time steps of the run: those of one lane."""
        return self.program.steps(-(-self.samples // self.lanes))

    @property
    def input_file(self) -> Path:
        """Encoded samples (N, input values), or frames (N, T, input values), in port order."""
        return self.directory / "samples.npy"

    @property
    def failure_file(self) -> Path:
        """What the worker found wrong: JSON with ``process``, ``error`` and ``traceback``."""
        return self.directory / "failure.json"

    @property
    def log_file(self) -> Path:
        """Everything that the worker and Lava printed."""
        return self.directory / "log.txt"

    def finished_samples(self) -> int:
        """Samples whose result is already written."""
        return min(self._read_out(population) for population in self.program.readouts)

    def _read_out(self, population: Population) -> int:
        potentials = self.recordings[population.name].potentials
        if potentials is None or not potentials.exists():
            return 0
        return potentials.stat().st_size // (8 * population.neurons)


def prepare_job(
    directory: Path,
    program: Program,
    samples: IntArray,
    *,
    record: bool,
    stock: bool = False,
    sections: tuple[Section, ...] = (),
    lanes: int = 1,
    stock_neurons: dict[str, StockNeurons] | None = None,
) -> Job:
    """Write what the worker needs to ``directory``."""
    recordings = {
        population.name: Recording.of(
            program, population, len(samples), directory / f"population{index}", lanes=lanes, trains=record
        )
        for index, population in enumerate(program.populations)
    }
    job = Job(directory, program, len(samples), stock, sections, lanes, recordings, stock_neurons)
    np.save(job.input_file, Layout.of(program).samples_to_port(smallest_integers(samples)))
    with open(directory / "job.pickle", "wb") as file:
        pickle.dump(job, file, protocol=pickle.HIGHEST_PROTOCOL)
    return job


def load_job(directory: Path) -> Job:
    """Read what ``prepare_job`` wrote."""
    with open(directory / "job.pickle", "rb") as file:
        job: Job = pickle.load(file)
    return job


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """What a finished job recorded, in program order; see ``Execution``."""

    readouts: dict[str, IntArray]
    spike_counts: dict[str, int]
    spike_trains: dict[str, SpikeTrains]


def collect(job: Job) -> Recorded:
    """Read what the populations of a finished ``job`` wrote."""
    layout = Layout.of(job.program)
    return Recorded(
        readouts={
            p.name: layout.from_port(p.name, read_potentials(job.recordings[p.name], p.neurons))
            for p in job.program.readouts
        },
        spike_counts={
            name: int(read_counts(recording).sum()) for name, recording in job.recordings.items() if recording.counts
        },
        spike_trains={
            name: layout.from_port(name, read_trains(recording, layout.neurons(name)))
            for name, recording in job.recordings.items()
            if recording.trains
        },
    )
