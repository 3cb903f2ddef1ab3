"""Input that is spread over the window: stored, ruled and bounded as it is sent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spikec.runtime.program import INPUT, DenseSynapses, InputEncoding, Population, Program, Projection
from spikec.runtime.program.artefact import write_artefact
from spikec.runtime.program.neuron_models import srp
from spikec.runtime.program.rules import problems
from spikec.runtime.program.storage import load_program, program_files
from spikec.runtime.program.synapses import summed_input_range, window_input_range
from spikec.runtime.program.window_range import window_range
from spikec.runtime.reference.network import run_reference


def spread(program: Program) -> Program:
    return replace(program, input=replace(program.input, spread=True))


def test_it_is_stored(tmp_path: Path, program: Program) -> None:
    write_artefact(tmp_path / "out", program_files(spread(program)))
    assert load_program(tmp_path / "out").input == spread(program).input
    assert b"spread" not in program_files(program)["program.json"]


def test_only_plain_neurons_take_it(program: Program) -> None:
    plain = replace(program, pulses=())
    assert not list(problems(spread(plain)))
    (problem,) = problems(replace(spread(plain), neuron=srp(4)))
    assert "spread over the window" in problem.message


def two_inputs(timesteps: int, weight: list[int], threshold: int | None) -> Program:
    """One neuron behind two inputs of 0..7, alone or in front of a read-out."""
    zero = np.zeros(1, dtype=np.int64)
    first = Population("n", (1,), None if threshold is None else np.array([threshold]), zero, zero, 1)
    into = Projection("in", INPUT, "n", DenseSynapses(np.array([weight])))
    encoding = InputEncoding((2,), (0,), (2,), 1.0, 0, 7, spread=True)
    program = Program("two", "lava", "pipelined", timesteps, -1000, 1000, encoding, (first,), (into,))
    if threshold is None:
        return program
    out = Population("out", (1,), None, zero, zero, 2)
    behind = Projection("out", "n", "out", DenseSynapses(np.array([[1]])))
    return replace(program, populations=(first, out), projections=(into, behind))


def every_pair() -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.array([(first, second) for first in range(8) for second in range(8)])


@pytest.mark.parametrize("timesteps", [1, 3, 4, 5, 9])
def test_bounds_of_the_sum_are_those_that_are_reached(timesteps: int) -> None:
    """Not T times those of a step, which are rounded away from zero."""
    program = two_inputs(timesteps, [5, -3], None)
    reached = run_reference(program, every_pair()).readout
    bounds = window_range(program, program.readout)
    low, high = window_input_range(program, program.readout)
    assert (int(low[0]), int(high[0])) == (reached.min(), reached.max()) == (-21, 35)
    assert (int(bounds.lowest.min()), int(bounds.highest.max())) == (-21, 35)


def test_bounds_of_a_step_are_those_of_what_is_sent() -> None:
    program = two_inputs(4, [5, -3], None)
    assert [int(bound[0]) for bound in summed_input_range(program, program.readout)] == [-6, 10]


def test_a_count_depends_on_when_the_input_comes() -> None:
    """Excitation of 4 comes as 1, 1, 1, 1, inhibition of 3 as 0, 1, 1, 1: the first step fires, though the sum is -1.

    So the schedule exact needs a gate in front of it.
    """
    program = two_inputs(4, [5, -7], 5)
    trains = run_reference(program, np.array([[4, 3]]), record=True).spike_trains
    assert trains is not None
    assert trains["n"][:, :, 0].tolist() == [[1, 0, 0, 0]]
    (problem,) = problems(replace(program, schedule="exact"))
    assert "depends on timing" in problem.message
    equal = replace(program, input=replace(program.input, spread=False))
    assert not list(problems(replace(equal, schedule="exact")))
