"""What a reader of NIR computes that ignores the metadata, measured against the program on the same samples.

NIR's definition has an IF neuron reset to zero and says nothing of where its potential begins; some readers subtract
the threshold all the same, and start at 0. Both are run here, in integers and layer by layer, windows aligned.
"""

from __future__ import annotations

import numpy as np

from ...targets.diagnostic import Diagnostic
from ...targets.records import dataclass
from ..execution import predicted
from ..program import INPUT, ConvSynapses, IntArray, Population, Program, Projection
from ..program.entries import entries_of
from ..simulator import simulate
from ..simulator.kernels import convolve
from ..simulator.sparse import SparseMatrix
from ..witnesses.files import messages_by_step
from .layout import everywhere


@dataclass(frozen=True, slots=True)
class Difference:
    """How far a reader is from the program: of ``counts`` spike counts, and of ``samples`` classes."""

    different_counts: int
    counts: int
    different_classes: int
    samples: int

    def __str__(self) -> str:
        return (
            f"{self.different_counts} of {self.counts} spike counts differ, "
            f"and {self.different_classes} of {self.samples} classes"
        )


def find_differences(program: Program, samples: IntArray) -> list[Diagnostic]:
    """W760 for readers that reset to zero, W761 for those that start at 0, each where it differs on ``samples``."""
    found = []
    to_zero = measure_reader(program, samples, to_zero=True)
    if to_zero.different_counts:
        found.append(
            Diagnostic(
                "W760",
                f"a reader that resets to zero, as NIR defines, computes another network: {to_zero}",
                hint="use a reader that resets by subtraction; run.py sets what the metadata says and compares",
            )
        )
    from_zero = measure_reader(program, samples, to_zero=False)
    if from_zero.different_counts:
        found.append(
            Diagnostic(
                "W761",
                f"a reader that begins at potential 0 in place of v0 computes another network: {from_zero}",
                hint="set the initial potentials of the metadata before each sample, as run.py does",
            )
        )
    return found


def measure_reader(program: Program, samples: IntArray, *, to_zero: bool) -> Difference:
    """Compare encoded ``samples`` (N, *input shape): a reader that starts at 0, and resets ``to_zero`` or subtracts."""
    execution = simulate(program, samples, record=True)
    trains = execution.spike_trains or {}
    messages = messages_by_step(program, samples)
    sent = {INPUT: np.broadcast_to(messages, (len(samples), program.timesteps, *program.input.shape))}
    different = counts = 0
    readout: IntArray = execution.readout
    for population in program.populations:
        received = _received(program, population, sent)
        if population.threshold is None:
            readout = received.sum(axis=1) + everywhere(population.initial_potential, population).ravel()
            continue
        fired = _fire(received, everywhere(population.threshold, population).ravel(), to_zero)
        sent[population.name] = fired.reshape(*fired.shape[:2], *population.shape)
        count = fired.sum(axis=1)
        different += int(np.count_nonzero(count != trains[population.name].sum(axis=1, dtype=np.int64)))
        counts += count.size
    classes = int(np.count_nonzero(predicted(readout) != execution.predictions))
    return Difference(different, counts, classes, len(samples))


def _fire(received: IntArray, threshold: IntArray, to_zero: bool) -> IntArray:
    """Spikes (N, T, neurons) from what is ``received`` at each step."""
    fired = np.zeros_like(received)
    potential = np.zeros_like(received[:, 0])
    for step in range(received.shape[1]):
        potential = potential + received[:, step]
        spikes = potential >= threshold
        fired[:, step] = spikes
        potential = np.where(spikes, 0 if to_zero else potential - threshold, potential)
    return fired


def _received(program: Program, population: Population, sent: dict[str, IntArray]) -> IntArray:
    """Bias and synaptic input (N, T, neurons)."""
    samples, steps = sent[INPUT].shape[:2]
    total = np.zeros((samples * steps, population.neurons), dtype=np.int64)
    total += everywhere(population.bias, population).ravel()
    for projection in program.incoming(population.name):
        messages = sent[projection.source].reshape(samples * steps, *program.source_shape(projection))
        total += _projected(program, projection, messages)
    return total.reshape(samples, steps, -1)


def _projected(program: Program, projection: Projection, messages: IntArray) -> IntArray:
    """Weighted sums, whole numbers below 2^53 in doubles, of ``messages`` (samples and steps, *source shape)."""
    floats = messages.astype(np.float64)
    if isinstance(projection.synapses, ConvSynapses):
        weight = projection.effective_weight.astype(np.float64)
        return convolve(floats, weight, projection.synapses.geometry).reshape(len(messages), -1).astype(np.int64)
    entries = entries_of(program, projection)
    targets = program.population(projection.target).neurons
    matrix = SparseMatrix(entries.weight.astype(np.float64), entries.source, entries.target, targets)
    return matrix.multiply(floats.reshape(len(messages), -1)).astype(np.int64)
