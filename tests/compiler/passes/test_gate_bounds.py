"""Gates and closing pulses of a program whose bounds a person can add up: T = 3, two neurons in a row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from spikec import targets
from spikec.compiler.passes.gates import with_gates
from spikec.runtime.program import INPUT, DenseSynapses, InputEncoding, Population, Program, Projection
from spikec.runtime.program.rules import problems
from spikec.runtime.program.synapses import summed_input_range
from spikec.runtime.program.window_range import window_range

T = 3


def ints(*values: int) -> npt.NDArray[np.int64]:
    return np.array(values, dtype=np.int64)


def ungated(*, initial: int = 3, weights: tuple[int, int] = (2, 0), bias: int = 2) -> Program:
    """``first`` gets 0..12 a step and its bias; ``second``, to be gated, up to 2 from its two neurons."""
    first = Population("first", (2,), ints(10), ints(5), ints(bias), 1)
    second = Population("second", (1,), ints(6), ints(initial), ints(0), 2, gated=True)
    readout = Population("out", (1,), None, ints(0), ints(0), 3 + T)
    return Program(
        "bounds",
        "lava",
        "mixed",
        T,
        -1000,
        1000,
        InputEncoding((1,), (0,), (1,), 1.0, 0, 3),
        (first, second, readout),
        (
            Projection("a", INPUT, "first", DenseSynapses(np.array([[4], [4]]))),
            Projection("b", "first", "second", DenseSynapses(np.array([weights]))),
            Projection("c", "second", "out", DenseSynapses(np.array([[1]]))),
        ),
    )


@pytest.mark.parametrize(
    ("initial", "weights", "gate"),
    [
        (3, (2, 0), 3 + T * 2 - 6 + 1),
        (3, (2, 2), 3 + T * 4 - 6 + 1),
        (3, (2, -9), 3 + T * 2 - 6 + 1),
        (5, (0, -1), 0),
        (6, (0, -1), 1),
    ],
)
def test_a_gate_is_the_largest_potential_above_the_last_silent_one(
    initial: int, weights: tuple[int, int], gate: int
) -> None:
    program = with_gates(ungated(initial=initial, weights=weights), targets.load("lava"))
    assert not list(problems(program))
    assert program.population("second").initial_potential.tolist() == [initial - gate]
    opened = program.potential_of_pulses("second")
    assert opened.keys() == ({T + 1} if gate else set())
    assert all(potential.tolist() == [gate] for potential in opened.values())
    loudest = window_range(program, program.population("second")).loudest
    assert loudest is not None
    assert int(loudest.max()) == -1 or gate == 0


@pytest.mark.parametrize(
    ("bias", "closing"),
    [
        # From v0 = theta, the most that calibration sets: 10 + 14 -> 14, 28 -> 18, 32 -> 22; three more biases follow.
        (2, 22 + T * 2 - 10 + 1),
        # 10 + 12 -> 12, 24 -> 14, 26 -> 16; no bias follows.
        (0, 16 - 10 + 1),
        # 10 + 9 -> 9, 18 -> 8 or 9, 18 -> 9: it stays below its threshold.
        (-3, 0),
    ],
)
def test_a_closing_pulse_covers_what_is_left_and_the_biases_to_come(bias: int, closing: int) -> None:
    program = with_gates(ungated(bias=bias), targets.load("lava"))
    assert not list(problems(program))
    assert program.population("first").initial_potential.tolist() == [5]
    closed = program.potential_of_pulses("first")
    assert closed.keys() == ({T + 1} if closing else set())
    assert all(set(potential.ravel().tolist()) == {-closing} for potential in closed.values())


def test_pulses_are_rounded_up_to_what_the_axons_carry() -> None:
    chip = targets.load("lava")
    wide = ungated(initial=3, weights=(100, 0))
    pulse = next(p for p in with_gates(wide, chip).pulses if p.target == "second")
    needed = 3 + T * 100 - 6 + 1
    grid = (chip.weights.step.value << pulse.exponent) * max(pulse.axons, 1)
    assert needed <= int(pulse.potential.max()) < needed + grid
    assert with_gates(replace(ungated(), schedule="pipelined", populations=_plain()), chip).pulses == ()


def _plain() -> tuple[Population, ...]:
    return tuple(replace(p, gated=False) for p in ungated().populations)


def test_ranges_count_exponents_and_every_step_of_the_window() -> None:
    program = ungated()
    widened = replace(program.projections[2], exponent=3)
    readout = replace(program.readout, bias=ints(5))
    wide = replace(
        program, populations=(*program.populations[:2], readout), projections=(*program.projections[:2], widened)
    )
    low, high = summed_input_range(wide, readout)
    assert (low.tolist(), high.tolist()) == ([0], [8])
    reach = window_range(wide, readout)
    assert (int(reach.lowest.min()), int(reach.highest.max())) == (0, T * (8 + 5))
