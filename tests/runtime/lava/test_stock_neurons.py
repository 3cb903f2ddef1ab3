"""Where no limit is broken, the equations of Lava's fixed-point LIF and ATRLIF give the spikes of the reference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec.runtime.lava.stock.limits import find_stock_problems, lava_form
from spikec.runtime.lava.stock.neurons import Kind, StockForm
from spikec.runtime.program import (
    INPUT,
    ConvSynapses,
    DenseSynapses,
    InputEncoding,
    IntArray,
    Population,
    Program,
    Projection,
    Pulse,
    SparseSynapses,
)
from spikec.runtime.program.geometry import ConvGeometry
from spikec.runtime.program.rules import problems
from spikec.runtime.program.synapses import summed_input_range
from spikec.runtime.reference.network import run_reference
from spikec.targets.diagnostic import UnusableInput

UNIT = 64
"""State units of a weight unit in Lava's fixed-point models."""
HALF = 1 << 23


def drawn(
    seed: int, timesteps: int, size: int, *, alike: bool = True, state: int = 1 << 17, spread: bool = False
) -> Program:
    """Dense layers with a skip path that waits; numbers grow with ``size``, thresholds are ``alike`` in a layer."""
    random = np.random.default_rng(seed)

    def numbers(*shape: int) -> IntArray:
        return random.integers(-size, size + 1, shape)

    def dense(name: str, source: str, target: str, shape: tuple[int, int], delay: int = 0) -> Projection:
        return Projection(name, source, target, DenseSynapses(2 * numbers(*shape)), int(random.integers(0, 2)), delay)

    def firing(name: str, neurons: int, depth: int) -> Population:
        threshold = random.integers(1, 4 * size + 2, 1 if alike else neurons)
        return Population(name, (neurons,), threshold, numbers(neurons), numbers(neurons), depth)

    encoding = InputEncoding((3,), (0,), (3,), 1.0, -2, 9, spread=spread)
    readout = Population("out", (2,), None, numbers(2), numbers(2), 3)
    return Program(
        "net",
        "free",
        "pipelined",
        timesteps,
        -state,
        state - 1,
        encoding,
        (firing("a", 5, 1), firing("b", 4, 2), readout),
        (
            dense("in", INPUT, "a", (5, 3)),
            dense("main", "a", "b", (4, 5)),
            dense("skip", INPUT, "b", (4, 3), delay=1),
            dense("last", "b", "out", (2, 4)),
            dense("side", "a", "out", (2, 5), delay=1),
        ),
    )


class LavaEquations:
    """Population by population, what the models of lava-nc 0.10 do at a step, in units of the state."""

    def __init__(self, form: StockForm, population: Population) -> None:
        self.neurons, self.window = form.neurons[population.name], form.program.window
        self.depth = population.depth
        zeros = np.zeros(population.shape, dtype=np.int64)
        self.v, self.r = zeros, zeros
        mantissa, exponent = self.neurons.bias_mantissa_and_exponent
        assert np.abs(mantissa).max() < 1 << 12
        assert exponent.max() <= 7
        self.bias = mantissa << exponent

    def step(self, time_step: int, received: IntArray) -> IntArray:
        """Spikes at ``time_step``, from 1."""
        if self.neurons.kind is Kind.LIF_RESET and time_step % self.window == (self.depth + 1) % self.window:
            self.v = 0 * self.v
        current = received * UNIT
        current = np.where(current > HALF, current - 2 * HALF, current)
        current = np.where(current <= -HALF, current + 2 * HALF, current)
        kept = 0 * self.v if self.neurons.kind is Kind.LIF else self.v
        self.v = np.clip(kept + current + self.bias, -HALF + 1, HALF - 1)
        threshold = self.neurons.threshold * UNIT
        if self.neurons.kind is not Kind.ATRLIF:
            spikes = self.v > threshold
            self.v = np.where(spikes, 0, self.v)
            return spikes.astype(np.int64)
        spikes = self.v - self.r >= threshold
        self.r = self.r + 2 * threshold * spikes
        if (time_step - 1) % self.window == (self.depth - 1) % self.window:
            # Reset processes act once the step is over.
            self.v, self.r = np.full_like(self.v, self.neurons.start), 0 * self.r
        return spikes.astype(np.int64)


def run_equations(form: StockForm, samples: IntArray) -> tuple[dict[str, IntArray], dict[str, IntArray]]:
    """Spike trains (N, T, neurons) and read-outs (N, neurons) of a network of dense and sparse synapses."""
    program, count = form.program, len(samples)
    cells = {p.name: LavaEquations(form, p) for p in program.populations}
    sent: dict[str, list[IntArray]] = {name: [] for name in (INPUT, *cells)}
    potential: dict[str, list[IntArray]] = {name: [] for name in cells}
    for t in range(program.steps(count)):
        sample, step = divmod(t, program.window)
        is_sent = sample < count and step < program.timesteps
        message = program.input.messages(samples[sample], step, program.timesteps) if is_sent else 0 * samples[0]
        sent[INPUT].append(message)
        for population in program.populations:
            received = np.zeros(population.shape, dtype=np.int64)
            for projection in program.incoming(population.name):
                due = t - 1 - projection.delay
                if due >= 0:
                    received = received + matrix_of(program, projection) @ sent[projection.source][due]
            due_step = (t - population.depth) % program.window + 1
            received = received + program.potential_of_pulses(population.name).get(due_step, 0)
            sent[population.name].append(cells[population.name].step(t + 1, received))
            potential[population.name].append(cells[population.name].v >> 6)
    trains, readouts = {}, {}
    for population in program.populations:
        first = [n * program.window + population.depth for n in range(count)]
        ends = [begin + program.timesteps - 1 for begin in first]
        if population.threshold is None:
            readouts[population.name] = np.stack([potential[population.name][end] for end in ends])
        else:
            after = program.fires_after(population.name)
            rows = [sent[population.name][b + after : b + after + program.timesteps] for b in first]
            trains[population.name] = np.stack([np.stack(row) for row in rows])
    return trains, readouts


def matrix_of(program: Program, projection: Projection) -> IntArray:
    synapses = projection.synapses
    if isinstance(synapses, DenseSynapses):
        return projection.effective_weight
    assert isinstance(synapses, SparseSynapses)
    matrix = np.zeros((program.population(projection.target).neurons, program.source_shape(projection)[0]), np.int64)
    matrix[synapses.target, synapses.source] = projection.effective_weight
    return matrix


def assert_equations_agree(program: Program, count: int = 4) -> None:
    assert list(problems(program)) == []
    encoding = program.input
    samples = np.random.default_rng(1).integers(encoding.minimum, encoding.maximum + 1, (count, *encoding.shape))
    expected = run_reference(program, samples, record=True)
    trains, readouts = run_equations(lava_form(program), samples)
    assert expected.spike_trains is not None
    for name, train in expected.spike_trains.items():
        np.testing.assert_array_equal(trains[name], train, err_msg=name)
    np.testing.assert_equal(readouts, expected.readouts)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 9999),
    timesteps=st.integers(1, 5),
    size=st.sampled_from([3, 40, 400, 1000, 2000, 2500, 4000, 8000]),
    alike=st.booleans(),
    state=st.sampled_from([1 << 12, 1 << 17, 1 << 31]),
    spread=st.booleans(),
)
def test_what_is_not_refused_is_exact(
    seed: int, timesteps: int, size: int, alike: bool, state: int, spread: bool
) -> None:
    program = drawn(seed, timesteps, size, alike=alike, state=state, spread=spread)
    if not find_stock_problems(program):
        assert_equations_agree(program)


@pytest.mark.parametrize("timesteps", [1, 4])
@pytest.mark.parametrize("size", [3, 200])
def test_usual_numbers_are_not_refused(timesteps: int, size: int) -> None:
    program = drawn(5, timesteps, size)
    assert find_stock_problems(program) == []
    expected = run_reference(program, program.input.maximum * np.ones((2, 3), dtype=np.int64), record=True)
    assert all(expected.spike_counts.values()), "a test on silent populations proves nothing"
    assert_equations_agree(program, count=10)


def test_thresholds_of_each_neuron_become_biases_at_one_step() -> None:
    program = drawn(2, 1, 900, alike=False)
    form = lava_form(program)
    assert {n.kind for n in form.neurons.values()} == {Kind.LIF}
    assert program.populations[0].threshold is not None
    assert len(np.unique(program.populations[0].threshold)) > 1
    assert_equations_agree(program, count=20)


def test_a_bias_beyond_the_mantissa_comes_by_axons_at_one_step() -> None:
    program = drawn(2, 1, 900)
    wide = replace(program.populations[0], bias=np.array([9001, -9001, 9000, 17, -5]))
    program = replace(program, populations=(wide, *program.populations[1:]))
    form = lava_form(program)
    assert [p.name for p in form.program.pulses] == ["start of a"]
    assert_equations_agree(program, count=20)


def test_odd_thresholds_are_doubled() -> None:
    program = drawn(3, 3, 40)
    odd = replace(program.populations[0], threshold=np.array([61]))
    program = replace(program, populations=(odd, *program.populations[1:]))
    assert lava_form(program).neurons["a"].threshold == 61
    assert_equations_agree(program, count=10)


@pytest.mark.parametrize("timesteps", [1, 3])
def test_gates_run_on_neurons_that_keep_their_state(timesteps: int) -> None:
    """A gated population integrates, fires when its gate opens, and starts anew."""
    program = drawn(4, timesteps, 30)
    a, b, out = program.populations
    plain = tuple(p for p in program.projections if p.name in ("in", "main", "last"))
    gate = np.array(20000)
    none = np.zeros(1, dtype=np.int64)
    gated = tuple(
        replace(p, gated=True, bias=none, initial_potential=p.threshold // 2 - gate, depth=depth)
        for p, depth in ((a, 1), (b, 2 + timesteps))
        if p.threshold is not None
    )
    pulses = tuple(Pulse(f"gate of {p.name}", p.name, timesteps + 1, gate) for p in gated)
    program = replace(
        program,
        schedule="exact",
        populations=(*gated, replace(out, depth=3 + 2 * timesteps)),
        projections=plain,
        pulses=pulses,
    )
    assert {n.kind for n in lava_form(program).neurons.values()} == {Kind.ATRLIF, Kind.LIF_RESET}
    assert_equations_agree(program, count=5)


def closed(bias: int) -> Program:
    """A population that fires as it integrates and is silenced after its window, beside one that is gated."""
    program = drawn(4, 3, 60)
    a, b, out = program.populations
    none, gate = np.zeros(1, dtype=np.int64), np.array(20000)
    assert b.threshold is not None
    gated = replace(b, gated=True, bias=none, initial_potential=b.threshold // 2 - gate)
    pulses = (Pulse("end of a", "a", 4, np.array(-125_000)), Pulse("gate of b", "b", 4, gate))
    return replace(
        program,
        schedule="mixed",
        populations=(replace(a, bias=np.array(bias), threshold=np.array([60])), gated, replace(out, depth=6)),
        projections=tuple(p for p in program.projections if p.name in ("in", "main", "last")),
        pulses=pulses,
    )


def test_what_is_cut_off_in_silence_changes_nothing() -> None:
    program = closed(bias=-300)
    assert_equations_agree(program, count=6)
    samples = np.random.default_rng(1).integers(-2, 10, (6, 3))
    assert run_reference(program, samples).spike_counts["b"]
    population = program.populations[0]
    low = int(summed_input_range(program, population)[0].min()) - 300
    assert 3 * low - 125_000 < -(1 << 17), "the potential has to be cut off for this to prove anything"


def test_a_potential_that_comes_back_from_where_it_was_cut_off_is_refused() -> None:
    program = closed(bias=-300)
    a = program.populations[0]
    rising = replace(a, bias=np.array(8190), threshold=np.array([8000]))
    longer = replace(program, timesteps=20, populations=(rising, *program.populations[1:]))
    assert "E341" in codes(longer)


def codes(program: Program) -> set[str]:
    return {problem.code for problem in find_stock_problems(program)}


def test_every_reason_is_named_at_once() -> None:
    program = drawn(6, 4, 9000, alike=False)
    with pytest.raises(UnusableInput) as refusal:
        lava_form(program)
    found = {(d.code, d.place.layer) for d in refusal.value.diagnostics}
    assert {"E341", "E343", "E344", "E345", "E346", "E347"} <= {code for code, _ in found}
    assert {layer for _, layer in found} == {"a", "b", "out"}
    assert all(d.hint and d.source and d.measured is not None for d in refusal.value.diagnostics)


@pytest.mark.parametrize(
    ("bias", "refused"), [(4095, False), (4097, True), (8190, False), (-8190, False), (8192, True)]
)
def test_biases_of_longer_windows_are_mantissas(bias: int, refused: bool) -> None:
    program = drawn(2, 2, 40)
    even = replace(program.populations[0], threshold=np.array([600]), bias=np.array(bias))
    program = replace(program, populations=(even, *program.populations[1:]))
    assert codes(program) == ({"E343"} if refused else set())
    if not refused:
        assert_equations_agree(program)


def test_long_delays_are_refused() -> None:
    program = drawn(6, 1, 9)
    late = replace(program.projections[2], delay=63)
    program = replace(program, projections=(*program.projections[:2], late, *program.projections[3:]))
    assert codes(program) == {"E348"}


@pytest.mark.parametrize(("weight", "refused"), [(3, True), (256, True), (254, False), (-254, False)])
def test_weights_of_convolutions_are_even_and_have_eight_bits(weight: int, refused: bool) -> None:
    program = convolution(weight)
    assert codes(program) == ({"E342"} if refused else set())
    waiting = replace(program.projections[0], delay=1)
    assert "E342" not in codes(replace(program, projections=(waiting, program.projections[1])))


def test_large_convolutions_do_not_wait() -> None:
    program = convolution(2, size=2300)
    waiting = replace(program.projections[0], delay=1)
    assert codes(replace(program, projections=(waiting, program.projections[1]))) == {"E348"}


def test_groups_that_wrap_are_refused() -> None:
    assert codes(convolution(2, channels=128)) == {"E505"}


def convolution(weight: int, size: int = 4, channels: int = 2) -> Program:
    encoding = InputEncoding((channels, size, size), (0, 1, 2), (channels, size, size), 1.0, 0, 3)
    geometry = ConvGeometry(padding=(1, 1, 1, 1), groups=channels)
    none = np.zeros(1, dtype=np.int64)
    kernel = np.full((channels, 1, 3, 3), weight)
    sparse = SparseSynapses(np.array([1]), np.array([0]), np.array([0]))
    return Program(
        "net",
        "free",
        "pipelined",
        1,
        -(1 << 17),
        (1 << 17) - 1,
        encoding,
        (
            Population("a", (channels, size, size), np.array(9), none, none, 1),
            Population("out", (2,), None, none, none, 2),
        ),
        (
            Projection("in", INPUT, "a", ConvSynapses(kernel, geometry)),
            Projection("last", "a", "out", sparse),
        ),
    )
