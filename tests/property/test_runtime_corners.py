"""Programs at the edge of what a user can compile or load."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec.compiler.ir.operators import Pad
from spikec.runtime.agreement import compare
from spikec.runtime.program import INPUT, DenseSynapses, InputEncoding, Population, Program, Projection
from spikec.runtime.program.geometry import ConvGeometry
from spikec.runtime.reference.network import run_reference
from spikec.runtime.simulator import simulate
from spikec.runtime.simulator.kernels import convolve, pad_or_crop


def ints(*values: int) -> npt.NDArray[np.int64]:
    return np.array(values, dtype=np.int64)


def dense(name: str, source: str, target: str, weight: npt.NDArray[np.int64], delay: int = 0) -> Projection:
    return Projection(name, source, target, DenseSynapses(weight), 0, delay)


def oscillator_program() -> Program:
    """Neuron 'clock' has no input but its bias; 'seen' follows the input."""
    return Program(
        "clock",
        "lava",
        "pipelined",
        4,
        -(1 << 31),
        (1 << 31) - 1,
        InputEncoding((2,), (0,), (2,), 1.0, 0, 9),
        (
            Population("clock", (1,), ints(5), ints(0), ints(3), 1),
            Population("seen", (2,), ints(7, 7), ints(1), ints(0), 1),
            Population("out", (1,), None, ints(0), ints(-1), 2),
        ),
        (
            dense("in", INPUT, "seen", np.array([[2, 0], [0, 1]])),
            dense("tick", "clock", "out", np.array([[10]])),
            dense("tell", "seen", "out", np.array([[1, 100]])),
        ),
    )


def test_population_without_input_fires_for_every_sample() -> None:
    program = oscillator_program()
    samples = np.array([[0, 3], [9, 1], [2, 9]])
    slow, fast = run_reference(program, samples, record=True), simulate(program, samples, record=True, batch=2)
    assert compare(program, [slow, fast]).equal
    # floor(4 * 3 / 5) spikes in each of three windows
    assert slow.spike_counts["clock"] == fast.spike_counts["clock"] == 6


def test_readout_without_input_integrates_its_bias() -> None:
    program = oscillator_program()
    alone = replace(program, projections=program.projections[:1])
    samples = np.array([[0, 3], [9, 1]])
    for execution in (run_reference(alone, samples), simulate(alone, samples)):
        assert execution.readout.tolist() == [[-4], [-4]]


@pytest.mark.parametrize("run", [run_reference, simulate])
def test_no_samples(run: object) -> None:
    program = oscillator_program()
    execution = run(program, np.zeros((0, 2), dtype=np.int64), record=True)  # type: ignore[operator]
    assert execution.readout.shape == (0, 1)
    assert execution.steps == program.depth
    assert execution.spike_counts == {"clock": 0, "seen": 0}


def test_sums_of_several_projections_are_exact() -> None:
    """Each projection's sum fits single precision, both together do not."""
    large = (1 << 24) - 1
    sources = Population("a", (1,), ints(1), ints(0), ints(1), 1)
    program = Program(
        "sum",
        "lava",
        "pipelined",
        2,
        -(1 << 31),
        (1 << 31) - 1,
        InputEncoding((1,), (0,), (1,), 1.0, 0, 1),
        (
            sources,
            replace(sources, name="b"),
            replace(sources, name="c"),
            Population("out", (1,), None, ints(0), ints(0), 2),
        ),
        tuple(dense(f"{s}-out", s, "out", np.array([[n]])) for s, n in (("a", large), ("b", large), ("c", 1))),
    )
    samples = np.zeros((1, 1), dtype=np.int64)
    assert simulate(program, samples).readout.item() == run_reference(program, samples).readout.item() == 4 * large + 2


PADDING = st.tuples(*[st.integers(-9, 9)] * 4)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(PADDING, st.integers(1, 5), st.integers(1, 5))
def test_padding_may_crop_into_what_the_other_side_pads(
    padding: tuple[int, int, int, int], rows: int, columns: int
) -> None:
    top, left, bottom, right = padding
    if rows + top + bottom < 1 or columns + left + right < 1:
        return
    maps = np.arange(1.0, 1 + 2 * rows * columns).reshape(1, 2, rows, columns)
    found = pad_or_crop(maps, padding)
    assert found.shape == (1, 2, rows + top + bottom, columns + left + right)
    for y, x in np.ndindex(found.shape[2], found.shape[3]):
        inside = 0 <= y - top < rows and 0 <= x - left < columns
        expected = maps[0, :, y - top, x - left] if inside else np.zeros(2)
        assert np.array_equal(found[0, :, y, x], expected)
    operator = Pad((0, top, left), (0, bottom, right))
    assert operator.result_shape(((2, rows, columns),)) == found.shape[1:]
    assert np.array_equal(operator.evaluate((maps,)), found)


def test_weights_of_a_read_only_array_are_taken_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    weight = np.broadcast_to(np.ones(1), (1, 1, 1, 1))
    convolve(np.ones((1, 1, 2, 2)), weight, ConvGeometry())
    assert not recwarn.list
