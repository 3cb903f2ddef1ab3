"""Residual membrane potential error (RMPE): per layer, what the potentials left after a window say about the counts.

After the last reset, once every input spike of the window has arrived,

    v(T) = v0 + T b + pulses + sum_j w_j N_j - theta N

for a neuron that sent N of at most T spikes and got N_j from source j. Xiong et al. 2025 (figures 4 and 5) count a
neuron as erring where v(T) is outside [0, theta). With q = clip(floor((v(T) + theta N) / theta), 0, T), the count
that the same input gives whatever its timing,

    v(T) < 0 and N > 0  <=>  N > q (over-fired),      v(T) >= theta and N < T  <=>  N < q (under-fired),

so only these are errors of timing. At T = 1 there are none: N = q in every layer. So it is with graded neurons, where
N is the payload and its bounds take the place of 0 and T.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...runtime.encoding import encode
from ...runtime.program import INPUT, ConvSynapses, IntArray, Population, Program, Projection, SparseSynapses
from ...runtime.program.neuron_models import GRADED, IF
from ...runtime.progress import Report as Progress
from ...runtime.samples import Samples
from ...runtime.simulator import Simulator, batch_for_memory
from ...runtime.simulator.kernels import convolve
from ...runtime.simulator.sparse import SparseMatrix
from ...targets.diagnostic import refuse
from ...targets.records import dataclass

_LARGEST_BATCH = 64
"""Samples at a time, at most: the counts of every layer and one layer's sums in 64-bit floats are held at once."""


@dataclass(frozen=True, slots=True)
class Residuals:
    """Shares (0..1) of a layer's neurons, over all samples, by their final potential v(T).

    ``naive``: v(T) outside [0, theta), as printed in Xiong et al. 2025. It counts every neuron that rests under
    negative drive (v(T) < 0, N = 0) and every clipped one (v(T) >= theta, N = T), whose counts are right.
    ``over`` and ``under``: neurons that sent more or fewer spikes than their input adds to.
    """

    naive: float
    over: float
    under: float


@dataclass(frozen=True, slots=True, eq=False)
class Activity:
    """What ``samples`` samples did to each firing population, by name.

    ``spikes``: spikes, or messages with a payload, per neuron, summed over the samples, in the population's shape.
    """

    samples: int
    spikes: dict[str, IntArray]
    residuals: dict[str, Residuals]


def measure_residuals(program: Program, samples: Samples) -> dict[str, Residuals]:
    """Residuals of every firing population on ``samples`` (one at least), simulated."""
    encoded, _ = encode(program.input, samples.inputs)
    return measure_activity(program, encoded).residuals


def measure_activity(program: Program, encoded: IntArray, progress: Progress | None = None) -> Activity:
    """Spikes and residuals on ``encoded`` samples (N, *input shape), N >= 1, a batch at a time.

    ``progress(done, total)`` counts samples. Raises ``UnusableInput``: E506 for samples that are not the program's,
    E639 for a program of other neurons than plain and graded ones, whose potentials follow another identity.
    """
    if program.neuron.name not in (IF, GRADED):
        raise refuse(
            "E639",
            f"residual potentials of the neuron model '{program.neuron.name}' say nothing about its counts",
            hint="profile a program of plain integrate-and-fire neurons",
        )
    firing = program.firing
    spikes = {p.name: np.zeros(p.shape, dtype=np.int64) for p in firing}
    outside = {p.name: np.zeros(3, dtype=np.int64) for p in firing}
    done = 0
    for counts in counts_by_batch(program, encoded):
        for population in firing:
            spikes[population.name] += _spikes(program, counts[population.name])
            outside[population.name] += _neurons_outside(program, population, counts)
        done += len(counts[INPUT])
        if progress is not None:
            progress(done, len(encoded))
    residuals = {p.name: Residuals(*(float(n) / (done * p.neurons) for n in outside[p.name])) for p in firing}
    return Activity(done, spikes, residuals)


def _spikes(program: Program, counts: IntArray) -> IntArray:
    """Spikes, or messages with a payload, of each neuron over all samples."""
    if program.neuron.name == GRADED:
        counts = (counts != 0).astype(np.int64)
    return np.asarray(counts.sum(axis=0, dtype=np.int64))


def residual_potentials(program: Program, population: Population, counts: dict[str, IntArray]) -> IntArray:
    """v(T) after the last reset (N, *shape), in weight units, of a firing population.

    ``counts`` (N, *shape), or payloads, of every source and of the population itself; of ``INPUT`` the values that were
    sent, summed over the window. Where a potential saturated it is the charge that the identity leaves, what was cut
    off included.
    """
    assert population.threshold is not None, "a read-out sends no spikes"
    sent = counts[population.name].astype(np.int64)
    return np.asarray(_charge(program, population, counts) - population.threshold * sent)


def timeless_counts(program: Program, population: Population, counts: dict[str, IntArray]) -> IntArray:
    """q (N, *shape), 0..T: the spikes of a firing population if only the sum of what it receives mattered.

    That is the quantise-and-clip activation of T levels in the program's own integers. ``counts`` (N, *shape) of every
    source; of ``INPUT`` the values that were sent, summed over the window.
    """
    assert population.threshold is not None, "a read-out sends no spikes"
    return np.clip(_charge(program, population, counts) // population.threshold, 0, program.timesteps)


def _neurons_outside(program: Program, population: Population, counts: dict[str, IntArray]) -> IntArray:
    assert population.threshold is not None, "a read-out has no residual potential"
    sent = counts[population.name]
    residual = residual_potentials(program, population, counts)
    below, above = residual < 0, residual >= population.threshold
    fewest, most = (times * program.timesteps for times in population.payloads)
    cases = (below | above, below & (sent > fewest), above & (sent < most))
    return np.array([np.count_nonzero(case) for case in cases], dtype=np.int64)


def counts_by_batch(program: Program, encoded: IntArray) -> Iterator[dict[str, IntArray]]:
    """Spikes per neuron (n, *shape) of every firing population, and what ``INPUT`` sent in the window, batch by batch.

    A masked spike is not sent. Raises ``UnusableInput`` (E506) for samples that are not the program's.
    """
    simulator = Simulator(program)
    batch = min(batch_for_memory(program), _LARGEST_BATCH)
    for start in range(0, len(encoded), batch):
        samples = encoded[start : start + batch]
        trains = simulator.run(samples, record=True, batch=batch).spike_trains
        assert trains is not None, "the trains were asked for"
        counts = {INPUT: _sum_over_window(program, samples)}
        for population in program.firing:
            train = trains.pop(population.name)
            counts[population.name] = train.sum(axis=1, dtype=np.int64).reshape(-1, *population.shape)
        yield counts


def _sum_over_window(program: Program, samples: IntArray) -> IntArray:
    if program.input.has_frames(samples):
        return np.asarray(samples.sum(axis=1, dtype=np.int64))
    return samples if program.input.spread else samples * program.timesteps


def _charge(program: Program, population: Population, counts: dict[str, IntArray]) -> IntArray:
    """What a window brings to each neuron (N, *shape), its initial potential included and no spike taken off."""
    charge = population.initial_potential + program.timesteps * population.bias
    # The gate of a gated population comes one step after its input; what comes later closes any other one.
    last = program.timesteps + (1 if population.gated else 0)
    charge = charge + sum(v for step, v in program.potential_of_pulses(population.name).items() if step <= last)
    for projection in program.incoming(population.name):
        charge = charge + _received(projection, counts[projection.source], population)
    return np.asarray(charge)


def _received(projection: Projection, counts: IntArray, target: Population) -> IntArray:
    # Every sum is below 2^53, which a loaded program has been checked for.
    weight = projection.effective_weight.astype(np.float64)
    messages = counts.astype(np.float64)
    if isinstance(projection.synapses, ConvSynapses):
        return convolve(messages, weight, projection.synapses.geometry).astype(np.int64)
    flat = messages.reshape(len(messages), -1)
    if isinstance(projection.synapses, SparseSynapses):
        entries = projection.synapses
        received = SparseMatrix(weight, entries.source, entries.target, target.neurons).multiply(flat)
    else:
        received = flat @ weight.T
    return received.reshape(-1, *target.shape).astype(np.int64)
