"""Counts of the integrate-and-fire neuron, in plain integers: the lemmas that conversion rests on."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec.compiler.passes.intervals import potential_range
from spikec.runtime.program import INPUT, DenseSynapses, InputEncoding, Population, Program, Projection
from spikec.runtime.simulator import simulate

THRESHOLDS = st.integers(1, 60)
CURRENTS = st.lists(st.integers(-90, 130), min_size=1, max_size=12)
FAST = settings(max_examples=150, deadline=None, derandomize=True)


def run(currents: list[int], threshold: int, initial: int) -> tuple[int, int]:
    """Number of spikes and final potential."""
    v, count = initial, 0
    for current in currents:
        u = v + current
        fired = u >= threshold
        v, count = u - threshold * fired, count + fired
    return count, v


def simulated(current: int, threshold: int, initial: int, timesteps: int) -> int:
    """Count of the simulator for one neuron under a constant current, which comes half from input, half from bias."""
    sent = current // 2
    neuron = Population("n", (1,), np.array([threshold]), np.array([initial]), np.array([current - sent]), 1)
    readout = Population("out", (1,), None, np.zeros(1, np.int64), np.zeros(1, np.int64), 2)
    program = Program(
        "lemma",
        "lava",
        "pipelined",
        timesteps,
        -(1 << 31),
        (1 << 31) - 1,
        InputEncoding((1,), (0,), (1,), 1.0, -(1 << 20), 1 << 20),
        (neuron, readout),
        (
            Projection("in", INPUT, "n", DenseSynapses(np.array([[1]]))),
            Projection("up", "n", "out", DenseSynapses(np.array([[1]])), 0, 0),
        ),
    )
    execution = simulate(program, np.array([[sent]], dtype=np.int64))
    assert execution.readout[0, 0] == execution.spike_counts["n"]
    return execution.spike_counts["n"]


def clipped_floor(value: Fraction, steps: int) -> int:
    return int(min(max(value.numerator // value.denominator, 0), steps))


@FAST
@given(CURRENTS, THRESHOLDS, st.integers(-60, 60))
def test_charge_is_conserved(currents: list[int], threshold: int, initial: int) -> None:
    count, final = run(currents, threshold, initial)
    assert sum(currents) == final - initial + threshold * count


@FAST
@given(CURRENTS, THRESHOLDS, st.integers(-60, 60))
def test_count_is_the_quotient_where_the_rest_is_within_a_threshold(
    currents: list[int], threshold: int, initial: int
) -> None:
    """L1: the count is floor((sum I + v0) / theta) exactly when 0 <= v(T) < theta; else it says which way it errs."""
    count, final = run(currents, threshold, initial)
    quotient = (sum(currents) + initial) // threshold
    wanted = min(max(quotient, 0), len(currents))
    assert (0 <= final < threshold) == (count == quotient)
    if final < 0 and count > 0:
        assert count > wanted
    if final >= threshold and count < len(currents):
        assert count < wanted
    if (final < 0 and count == 0) or (final >= threshold and count == len(currents)):
        assert count == wanted


@FAST
@given(CURRENTS, THRESHOLDS, st.integers(-60, 60), st.integers(0, 200))
def test_initial_potential_moves_the_count_by_at_most_one_per_threshold(
    currents: list[int], threshold: int, initial: int, more: int
) -> None:
    """L2."""
    fewer, _ = run(currents, threshold, initial)
    greater, _ = run(currents, threshold, initial + more)
    assert 0 <= greater - fewer <= -(-more // threshold)


@FAST
@given(st.integers(-80, 300), st.integers(1, 100), st.integers(1, 8))
def test_constant_current_is_quantised_exactly(current: int, half: int, timesteps: int) -> None:
    """L3: v0 = 0 is the floor of eq. 8, theta/2 QCFS, theta - 1 the ceiling, with as many levels as steps."""
    threshold = 2 * half
    per_step = Fraction(current * timesteps, threshold)
    assert simulated(current, threshold, 0, timesteps) == clipped_floor(per_step, timesteps)
    assert simulated(current, threshold, half, timesteps) == clipped_floor(per_step + Fraction(1, 2), timesteps)
    ceiling = -((-per_step.numerator) // per_step.denominator)
    assert simulated(current, threshold, threshold - 1, timesteps) == min(max(ceiling, 0), timesteps)


@FAST
@given(st.integers(-200, 300), st.integers(1, 100))
def test_one_step_is_a_network_of_one_level(current: int, half: int) -> None:
    """L4: nothing is uneven in one step, so the neuron is QCFS with L = 1."""
    threshold = 2 * half
    assert simulated(current, threshold, half, 1) == clipped_floor(Fraction(current, threshold) + Fraction(1, 2), 1)


@FAST
@given(CURRENTS, THRESHOLDS, st.integers(-60, 60), st.integers(1, 9))
def test_scaling_everything_changes_no_spike(currents: list[int], threshold: int, initial: int, factor: int) -> None:
    """L5."""
    count, final = run(currents, threshold, initial)
    scaled = run([factor * c for c in currents], factor * threshold, factor * initial)
    assert scaled == (count, factor * final)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.integers(-40, 10),
    st.integers(0, 60),
    st.one_of(st.none(), THRESHOLDS),
    st.integers(-60, 60),
    st.data(),
)
def test_interval_analysis_holds_every_potential(
    low: int, width: int, threshold: int | None, initial: int, data: st.DataObject
) -> None:
    currents = data.draw(st.lists(st.integers(low, low + width), min_size=1, max_size=10))
    start = (np.array(initial), np.array(initial))
    limit = None if threshold is None else np.array(threshold)
    lowest, highest = potential_range(np.array(low), np.array(low + width), limit, start, len(currents), unit=1)
    v, reached = initial, []
    for current in currents:
        reached.append(v + current)
        v = v + current - (threshold if threshold is not None and v + current >= threshold else 0)
    assert int(lowest) <= min(reached)
    assert max(reached) <= int(highest)


@FAST
@given(st.integers(-40, 10), st.integers(0, 60), st.integers(-60, 60), st.integers(1, 10))
def test_interval_analysis_of_a_readout_is_exact(low: int, width: int, initial: int, timesteps: int) -> None:
    start = (np.array(initial), np.array(initial))
    lowest, highest = potential_range(np.array(low), np.array(low + width), None, start, timesteps, unit=1)
    assert int(lowest) == initial + min(low, timesteps * low)
    assert int(highest) == initial + max(low + width, timesteps * (low + width))
