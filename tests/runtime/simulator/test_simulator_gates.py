"""Random programs with gates, residual sums and folded pooling: every way to run them equals the stepped reference."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec.runtime.agreement import compare
from spikec.runtime.program import (
    INPUT,
    ConvSynapses,
    DenseSynapses,
    InputEncoding,
    Population,
    Program,
    Projection,
    Pulse,
    Shape,
    SparseSynapses,
    Synapses,
)
from spikec.runtime.program.geometry import ConvGeometry
from spikec.runtime.program.rules import problems
from spikec.runtime.program.synapses import summed_input_range
from spikec.runtime.reference.network import run_reference
from spikec.runtime.simulator import PopulationSimulator, encoded_input, loops, simulate
from spikec.runtime.simulator.native import CHOICE
from spikec.runtime.simulator.plan import plan_layer
from spikec.runtime.simulator.results import joined_results
from spikec.runtime.simulator.tensors import TensorSimulator

Ints = npt.NDArray[np.int64]
SEEDS = st.integers(0, 2**32 - 1)
GATES = {"all": 1.0, "some": 0.5, "none": 0.0}


@dataclass
class Growing:
    """A program under construction, whose depths, delays, gates and pulses follow from what is added."""

    random: np.random.Generator
    timesteps: int
    gate_probability: float
    shapes: dict[str, Shape]
    populations: list[Population] = field(default_factory=list)
    projections: list[Projection] = field(default_factory=list)

    def weights(self, *shape: int) -> Ints:
        return self.random.integers(-9, 10, size=shape).astype(np.int64)

    def matrix(self, targets: int, sources: int) -> Synapses:
        """All-to-all or sparse, from a few weights to half of them."""
        weight = self.weights(targets, sources)
        if self.random.random() < 0.5:
            return DenseSynapses(weight)
        return SparseSynapses.of_matrix(weight * (self.random.random(weight.shape) < self.random.choice([0.02, 0.5])))

    def sends_at(self, source: str) -> int:
        if source == INPUT:
            return 0
        population = next(p for p in self.populations if p.name == source)
        return population.depth + (self.timesteps if population.gated else 0)

    def add(self, name: str, shape: Shape, *incoming: tuple[str, Synapses, int]) -> str:
        depth = max(self.sends_at(source) for source, _, _ in incoming) + 1
        for source, synapses, exponent in incoming:
            delay = depth - self.sends_at(source) - 1
            self.projections.append(
                Projection(f"{source}-{name}-{len(self.projections)}", source, name, synapses, exponent, delay)
            )
        wide = [shape, (shape[0], *(1,) * (len(shape) - 1)), (1,) * len(shape)][int(self.random.integers(0, 3))]
        gated = bool(self.random.random() < self.gate_probability)
        threshold = self.random.integers(5, 60, size=wide).astype(np.int64)
        bias = np.zeros(1, dtype=np.int64) if gated else self.random.integers(-4, 3, size=wide).astype(np.int64)
        initial = self.random.integers(-9, 30, size=wide).astype(np.int64)
        self.populations.append(Population(name, shape, threshold, initial, bias, depth, gated))
        self.shapes[name] = shape
        return name

    def conv(self, name: str, source: str, outputs: int, kernel: tuple[int, int], geometry: ConvGeometry) -> Shape:
        return (outputs, *geometry.output_size((self.shapes[source][1], self.shapes[source][2]), kernel))

    def finished(self, largest: int) -> Program:
        readout = replace(self.populations[-1], threshold=None, gated=False)
        program = Program(
            "random", "lava", "pipelined", self.timesteps, -(1 << 30), (1 << 30) - 1,
            InputEncoding(
                (2, 6, 7), (0, 1, 2), (2, 6, 7), 1.0, -largest, largest, spread=bool(self.random.integers(2))
            ),
            (*self.populations[:-1], readout), tuple(self.projections),
        )  # fmt: skip
        return with_gates(program)


def with_gates(program: Program) -> Program:
    """Keep gated populations below threshold by a potential that a pulse gives back, the others silent afterwards."""
    gated = [p.gated for p in program.populations[:-1]]
    if not any(gated):
        return program
    held: list[Population] = []
    pulses: list[Pulse] = []
    for population in program.populations:
        low, high = summed_input_range(program, population)
        reach = program.timesteps * int(np.abs(np.stack(np.broadcast_arrays(low, high))).max()) + 100
        reach += program.timesteps * int(np.abs(population.bias).max())
        step = program.timesteps + 1
        if population.gated:
            held.append(replace(population, initial_potential=population.initial_potential - reach))
            for part in (reach // 2, reach - reach // 2):
                pulses.append(Pulse(f"{population.name}-{part}-{len(pulses)}", population.name, step, np.array([part])))
            continue
        held.append(population)
        if population.threshold is not None:
            silence = np.array([-2 * reach], dtype=np.int64)
            pulses.append(Pulse(f"{population.name}-end", population.name, step, silence, axons=0))
            pulses.append(Pulse(f"{population.name}-first", population.name, 1, np.array([3]), exponent=1, axons=2))
    schedule = "exact" if all(gated) else "mixed"
    return replace(program, populations=tuple(held), pulses=tuple(pulses), schedule=schedule)


def random_program(seed: int, gate_probability: float) -> Program:
    """Convolution, pooling folded into one, sums with identity, sparse and graded input, dense, read-out."""
    random = np.random.default_rng(seed)
    grow = Growing(random, int(random.integers(1, 9)), gate_probability, {INPUT: (2, 6, 7)})

    def draw(*shape: int) -> Ints:
        return grow.weights(*shape)

    padding: tuple[int, int, int, int] = tuple(int(p) for p in random.integers(-1, 3, size=4))  # type: ignore[assignment]
    first = ConvGeometry((int(random.integers(1, 3)), 1), padding, (1, int(random.integers(1, 3))))
    a = grow.add(
        "a", grow.conv("a", INPUT, 4, (2, 3), first), (INPUT, ConvSynapses(draw(4, 2, 2, 3), first), 0)
    )  # fmt: skip
    pool = (int(random.integers(1, 3)), int(random.integers(1, 4)))
    small = draw(4, 4, *random.integers(1, 3, size=2).tolist())
    folded = np.kron(small, np.ones(pool, dtype=np.int64))
    above = tuple(int(k * random.integers(0, 2)) for k in pool)
    # Below and right any part of a kernel more than the least that gives an output.
    below = tuple(int(k + random.integers(0, 3)) for k in folded.shape[2:])
    geometry = ConvGeometry(pool, (*above, *below))  # type: ignore[arg-type]
    b_shape = grow.conv("b", a, 4, folded.shape[2:], geometry)  # type: ignore[arg-type]
    b = grow.add("b", b_shape, (a, ConvSynapses(folded, geometry), int(random.integers(0, 3))))
    same = ConvGeometry(padding=(1, 1, 1, 1), groups=int(random.choice([1, 2])))
    c = grow.add("c", b_shape, (b, ConvSynapses(draw(4, 4 // same.groups, 3, 3), same), 0))
    identity = ConvSynapses(draw(4, 1, 1, 1), ConvGeometry(groups=4))
    onto_b = grow.matrix(int(np.prod(b_shape)), 2 * 6 * 7)
    d = grow.add(
        "d",
        b_shape,
        (c, ConvSynapses(draw(4, 4, 3, 3), replace(same, groups=1)), 0),
        (b, identity, 2),
        (c, ConvSynapses(draw(4, 1, 1, 1), ConvGeometry(groups=4)), 1),
        (b, grow.matrix(int(np.prod(b_shape)), int(np.prod(b_shape))), 0),
        (INPUT, onto_b, 0),
    )
    averaged = np.kron(draw(5, 4).reshape(5, 4, 1, 1), np.ones(b_shape[1:], dtype=np.int64)).reshape(5, -1)
    e = grow.add("e", (5,), (d, DenseSynapses(averaged), 0))
    grow.add("out", (3,), (e, DenseSynapses(draw(3, 5)), 1), (d, grow.matrix(3, int(np.prod(b_shape))), 0))
    return grow.finished(largest=5)


def random_samples(seed: int, count: int) -> Ints:
    return np.random.default_rng(seed).integers(-5, 6, size=(count, 2, 6, 7)).astype(np.int64)


@contextmanager
def libraries(kernel: bool, numba: bool) -> Iterator[None]:
    """Leave the kernel in C or numba out, or take the compiled loops whatever the size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CHOICE, "" if kernel else "none")
        patch.setattr(loops, "_WORTH_CALLING", 0 if numba else 1 << 60)
        patch.setattr(loops, "_WORTH_LOADING", 0 if numba else 1 << 60)
        yield


@pytest.mark.parametrize("gates", GATES)
@settings(max_examples=12, deadline=None)
@given(seed=SEEDS, kernel=st.booleans(), numba=st.booleans(), batch=st.sampled_from([None, 1, 2]))
def test_closed_form_and_kernels_equal_the_stepped_reference(
    gates: str, seed: int, kernel: bool, numba: bool, batch: int | None
) -> None:
    program, samples = random_program(seed, GATES[gates]), random_samples(seed, 3)
    assert not list(problems(program))
    slow = run_reference(program, samples, record=True)
    with libraries(kernel, numba):
        fast = simulate(program, samples, record=True, batch=batch, threads=1)
    assert compare(program, [slow, fast]).first_difference is None
    assert slow.spike_counts == fast.spike_counts
    assert np.array_equal(slow.readout, fast.readout)
    assert slow.steps == fast.steps


@pytest.mark.parametrize("gates", GATES)
@settings(max_examples=12, deadline=None)
@given(seed=SEEDS)
def test_tensors_of_a_device_equal_the_processor(gates: str, seed: int) -> None:
    program, samples = random_program(seed, GATES[gates]), random_samples(seed, 3)
    on_device = TensorSimulator(program, "cpu").run_chunk(samples, record=True)
    found = joined_results(program, [on_device], len(samples), record=True, seconds=0.0)
    expected = simulate(program, samples, record=True)
    assert compare(program, [replace(found, backend="tensors"), expected]).first_difference is None
    assert found.spike_counts == expected.spike_counts


def test_random_programs_fire_and_are_gated() -> None:
    """The drawn programs are not trivial: neurons fire some of the time, in all three kinds of schedule."""
    for gates, schedule in (("all", "exact"), ("some", "mixed"), ("none", "pipelined")):
        rates, schedules = [], set()
        for seed in range(12):
            program = random_program(seed, GATES[gates])
            schedules.add(program.schedule)
            counts = simulate(program, random_samples(seed, 4)).spike_counts
            rates += [counts[p.name] / p.neurons / 4 / program.timesteps for p in program.populations[:-1]]
        assert 0.1 < np.mean(rates) < 0.9
        assert schedule in schedules


def test_a_gated_neuron_counts_the_same_however_its_input_is_spread() -> None:
    """Input 7 per step, threshold 10, v0 = 5: floor((5 + 7 T) / 10) spikes, first in the window."""
    for timesteps in range(1, 9):
        program = Program(
            "one", "lava", "exact", timesteps, -(1 << 20), 1 << 20, InputEncoding((1,), (0,), (1,), 1.0, 0, 7),
            (
                Population("a", (1,), np.array([10]), np.array([5 - 1000]), np.array([0]), 1, gated=True),
                Population("out", (1,), None, np.array([0]), np.array([0]), timesteps + 2),
            ),
            (
                Projection("i", INPUT, "a", DenseSynapses(np.array([[1]]))),
                Projection("o", "a", "out", DenseSynapses(np.array([[1]]))),
            ),
            (Pulse("gate", "a", timesteps + 1, np.array([1000])),),
        )  # fmt: skip
        assert not list(problems(program))
        fired = min((5 + 7 * timesteps) // 10, timesteps)
        execution = simulate(program, np.array([[7]]), record=True)
        assert execution.spike_trains is not None
        assert execution.spike_trains["a"].ravel().tolist() == [1] * fired + [0] * (timesteps - fired)
        assert execution.readout.item() == fired


@pytest.mark.parametrize("gates", ["all", "none"])
def test_populations_run_one_at_a_time_give_what_the_run_gives(gates: str) -> None:
    program, samples = random_program(11, GATES[gates]), random_samples(11, 4)
    expected = simulate(program, samples, record=True)
    assert expected.spike_trains is not None
    sent = {INPUT: encoded_input(program.input, samples, program.timesteps)}
    for population in program.populations[:-1]:
        simulator = PopulationSimulator(program, population)
        sent[population.name] = simulator.fire(simulator.receive(sent, 4), population.initial_potential)
        spikes = sent[population.name]
        assert np.array_equal(spikes.recorded, expected.spike_trains[population.name])
        total = expected.spike_trains[population.name].sum(axis=(0, 1)).reshape(population.shape)
        assert np.array_equal(spikes.per_neuron(population.shape), total)
        assert np.array_equal(spikes.part(1, 3).recorded, spikes.recorded[1:3])


def test_another_initial_potential_widens_the_numbers_that_hold_it() -> None:
    """A potential far beyond 32-bit floats, given to a population whose own is small."""
    program = random_program(5, 0.0)
    first = program.populations[0]
    far = first.initial_potential - (1 << 28) - 1
    assert plan_layer(program, first).bounds.state is np.float32
    simulator = PopulationSimulator(program, first)
    samples = random_samples(5, 2)
    received = simulator.receive({INPUT: encoded_input(program.input, samples, program.timesteps)}, 2)
    moved = replace(program, populations=(replace(first, initial_potential=far), *program.populations[1:]))
    expected = run_reference(moved, samples, record=True).spike_trains
    assert expected is not None
    assert np.array_equal(simulator.fire(received, far).recorded, expected[first.name])
