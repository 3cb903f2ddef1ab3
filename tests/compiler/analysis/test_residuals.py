"""Final potentials and the counts that they tell, against neurons stepped one after the other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec import targets
from spikec.compiler.analysis import residuals
from spikec.compiler.analysis.residuals import Residuals, measure_activity, measure_residuals
from spikec.compiler.passes.gates import with_gates
from spikec.compiler.schedule import Misfires, measure_misfires
from spikec.runtime.program import (
    INPUT,
    ConvSynapses,
    DenseSynapses,
    InputEncoding,
    IntArray,
    Population,
    Program,
    Projection,
    Shape,
    SparseSynapses,
    Synapses,
)
from spikec.runtime.program.geometry import ConvGeometry
from spikec.runtime.program.neuron_models import srp
from spikec.runtime.program.rules import problems
from spikec.runtime.reference.network import run_reference, synaptic_input
from spikec.runtime.samples import Samples
from spikec.targets.diagnostic import UnusableInput


def integers(*values: int) -> IntArray:
    return np.array(values, dtype=np.int64)


class Growing:
    """A program under construction; depths and delays follow from what is connected."""

    def __init__(self, shape: Shape, timesteps: int, lowest: int = -9, highest: int = 9) -> None:
        self.timesteps = timesteps
        self.encoding = InputEncoding(shape, tuple(range(len(shape))), shape, 1.0, lowest, highest)
        self.sends_after = {INPUT: 0}
        self.populations: list[Population] = []
        self.projections: list[Projection] = []

    def add(
        self,
        name: str,
        shape: Shape,
        sources: dict[str, Synapses],
        threshold: IntArray | None,
        initial: IntArray,
        bias: IntArray,
        gated: bool = False,
    ) -> None:
        depth = 1 + max(self.sends_after[source] for source in sources)
        for source, synapses in sources.items():
            delay = depth - 1 - self.sends_after[source]
            self.projections.append(Projection(f"{source} to {name}", source, name, synapses, 0, delay))
        self.populations.append(Population(name, shape, threshold, initial, bias, depth, gated))
        self.sends_after[name] = depth + (self.timesteps if gated else 0)

    def program(self) -> Program:
        populations, projections = tuple(self.populations), tuple(self.projections)
        plain = Program(
            "drawn", "lava", "mixed", self.timesteps, -(1 << 30), (1 << 30) - 1, self.encoding, populations, projections
        )
        program = with_gates(plain, targets.load("lava"))
        assert not list(problems(program))
        return program


def by_hand() -> Program:
    """T = 2, every threshold 10, first-layer potentials from 5, second-layer potentials from 0."""
    net = Growing((6,), 2, -30, 30)
    ten, zero = integers(10), integers(0)
    net.add("first", (6,), {INPUT: DenseSynapses(np.eye(6, dtype=np.int64))}, ten, integers(5), zero)
    weight = np.zeros((3, 6), dtype=np.int64)
    weight[:, :2] = [[10, -10], [0, 25], [-10, 25]]
    net.add("second", (3,), {"first": DenseSynapses(weight)}, ten, zero, zero)
    net.add("out", (1,), {"second": DenseSynapses(np.ones((1, 3), dtype=np.int64))}, None, zero, zero)
    return net.program()


def test_shares_by_hand() -> None:
    # First layer: spikes at step 1 and 2, one at step 2, at rest below zero, clipped above the threshold, two inside.
    #   5 + 5 = 10 -> 0, 5        5 + 3 = 8, 11 -> 1       -3, ...     5 + 25 = 30 -> 20, 45 -> 35
    sample = integers(5, 3, -8, 25, 0, 1)[None].astype(np.float32)
    found = measure_residuals(by_hand(), Samples(sample, None))
    assert found["first"] == Residuals(naive=2 / 6, over=0.0, under=0.0)
    # Second layer, spikes of neuron 0 at step 1 and of neuron 1 at step 2:
    #   0 + 10 -> 0, -10: one spike too many;  0, 25 -> 15: one too few;  -10, 15 -> 5: right.
    assert found["second"] == Residuals(naive=2 / 3, over=1 / 3, under=1 / 3)


def drawn(seed: int, timesteps: int, gates: bool) -> tuple[Program, IntArray]:
    random = np.random.default_rng(seed)
    net = Growing((2, 5, 4), timesteps)

    def add(name: str, shape: Shape, sources: dict[str, Synapses]) -> None:
        gated = gates and timesteps > 1 and bool(random.random() < 0.5)
        broadcast = (shape[0], *(1,) * (len(shape) - 1))
        bias = np.zeros(broadcast, dtype=np.int64) if gated else random.integers(-6, 7, broadcast)
        net.add(
            name, shape, sources, random.integers(1, 40, broadcast), random.integers(-20, 40, shape), bias, gated=gated
        )

    def kernel(*shape: int) -> IntArray:
        return np.asarray(random.integers(-20, 21, shape), dtype=np.int64)

    even = ConvSynapses(kernel(4, 2, 3, 2), ConvGeometry((1, 1), (1, 0, 1, 1)))
    strided = ConvSynapses(kernel(2, 2, 2, 2), ConvGeometry((2, 1), (0, 1, 1, 0), (2, 1), groups=2))
    add("even", (4, 5, 4), {INPUT: even})
    add("strided", (2, 2, 4), {"even": strided})
    add("flat", (5,), {"strided": DenseSynapses(kernel(5, 16)), "even": DenseSynapses(kernel(5, 80))})
    few = SparseSynapses.of_matrix(kernel(6, 80) * (random.random((6, 80)) < 0.2))
    add("chosen", (3, 2), {"even": few, "flat": DenseSynapses(kernel(6, 5))})
    outs: dict[str, Synapses] = {"flat": DenseSynapses(kernel(3, 5)), "chosen": SparseSynapses.of_matrix(kernel(3, 6))}
    net.add("out", (3,), outs, None, integers(0), integers(0))
    return net.program(), random.integers(-9, 10, (2, 2, 5, 4)).astype(np.int64)


def stepped(
    program: Program, population: Population, sent: dict[str, IntArray], sample: int
) -> tuple[IntArray, IntArray]:
    """Spike counts and final potentials, one step after the other; ``sent`` (N, T, *shape) of every source."""
    assert population.threshold is not None
    v = np.broadcast_to(population.initial_potential, population.shape)
    count = np.zeros(population.shape, dtype=np.int64)
    pulses = program.potential_of_pulses(population.name)
    for step in range(1, program.timesteps * (2 if population.gated else 1) + 1):
        u = v + population.bias + pulses.get(step, 0)
        if step <= program.timesteps:
            for projection in program.incoming(population.name):
                u = u + synaptic_input(projection, sent[projection.source][sample, step - 1], population.shape)
        spikes = u >= population.threshold
        v, count = u - population.threshold * spikes, count + spikes
    return count, np.asarray(v)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.booleans())
def test_random_programs_agree_with_stepped_neurons(seed: int, timesteps: int, gates: bool) -> None:
    """v(T) is the potential that is left, and by L1 its sign tells on which side of q the count is."""
    program, samples = drawn(seed, timesteps, gates)
    found = measure_residuals(program, Samples(samples.astype(np.float32), None))
    trains = run_reference(program, samples, record=True).spike_trains
    assert trains is not None
    sent = {INPUT: np.repeat(samples[:, None], timesteps, axis=1)}
    for population in program.populations[:-1]:
        name = population.name
        sent[name] = trains[name].astype(np.int64).reshape(len(samples), timesteps, *population.shape)
        assert population.threshold is not None
        naive = over = under = 0
        for sample in range(len(samples)):
            count, v = stepped(program, population, sent, sample)
            assert np.array_equal(count, sent[name][sample].sum(axis=0))
            naive += int(np.count_nonzero((v < 0) | (v >= population.threshold)))
            q = np.clip((v + population.threshold * count) // population.threshold, 0, timesteps)
            over, under = over + int((count > q).sum()), under + int((count < q).sum())
        neurons = len(samples) * population.neurons
        assert found[name] == Residuals(naive / neurons, over / neurons, under / neurons)
        if population.gated or timesteps == 1:
            assert (over, under) == (0, 0)


@pytest.mark.parametrize("seed", range(4))
def test_one_step_has_no_error_of_timing_in_any_layer(seed: int) -> None:
    """L4, whatever share of the neurons the printed measure counts."""
    program, samples = drawn(seed, 1, gates=False)
    found = measure_residuals(program, Samples(samples.astype(np.float32), None))
    assert all((layer.over, layer.under) == (0.0, 0.0) for layer in found.values())
    assert min(layer.naive for layer in found.values()) > 0.1


def test_misfires_are_the_errors_of_timing() -> None:
    program, samples = drawn(15, 4, gates=False)
    images = Samples(samples.astype(np.float32), None)
    found = measure_residuals(program, images)
    assert measure_misfires(program, images) == {name: Misfires(r.over, r.under) for name, r in found.items()}
    assert found["even"].over > found["even"].under > 0


def test_other_neurons_are_refused() -> None:
    """After a second pass, what is left is not what the identity says."""
    program, samples = drawn(1, 4, gates=False)
    other = replace(program, schedule="pipelined", neuron=srp(2))
    assert not list(problems(other))
    with pytest.raises(UnusableInput) as refusal:
        measure_residuals(other, Samples(samples.astype(np.float32), None))
    assert [d.code for d in refusal.value.diagnostics] == ["E639"]
    assert "'srp'" in str(refusal.value)


def test_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    program, samples = drawn(2, 3, gates=True)
    many = np.concatenate([samples, -samples, samples // 2, samples[::-1]])[:7]
    whole = measure_activity(program, many)
    monkeypatch.setattr(residuals, "_LARGEST_BATCH", 3)
    calls: list[tuple[int, int]] = []
    parts = measure_activity(program, many, lambda done, total: calls.append((done, total)))
    assert calls == [(3, 7), (6, 7), (7, 7)]
    assert parts.samples == whole.samples == 7
    assert parts.residuals == whole.residuals
    execution = run_reference(program, many)
    for name, spikes in parts.spikes.items():
        assert np.array_equal(spikes, whole.spikes[name])
        assert spikes.sum() == execution.spike_counts[name]
