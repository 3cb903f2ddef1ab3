"""Which kernel the simulator takes, that its exactness is proven first, and what a run leaves as it was."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from spikec.runtime.program import (
    INPUT,
    ConvSynapses,
    DenseSynapses,
    InputEncoding,
    Population,
    Program,
    Projection,
)
from spikec.runtime.program.geometry import ConvGeometry
from spikec.runtime.reference.network import run_reference
from spikec.runtime.simulator import Simulator, batches, native, simulate, tensors
from spikec.runtime.simulator.batches import BatchSizes
from spikec.runtime.simulator.convolution import MatrixKernel, NumpyKernel, choose_kernel
from spikec.runtime.simulator.loops import simulator_threads
from spikec.runtime.simulator.native import CHOICE
from spikec.runtime.simulator.packing import PackedWeights
from spikec.runtime.simulator.reduction import Identity, MapConvolution, Matrix, reduce_synapses
from spikec.targets.diagnostic import UnusableInput

Ints = npt.NDArray[np.int64]


def ints(*shape: int, largest: int = 127) -> Ints:
    drawn = np.random.default_rng(0).integers(-largest, largest + 1, size=shape)
    drawn.flat[0] = largest
    return np.asarray(drawn, dtype=np.int64)


def same(weight: Ints) -> MapConvolution:
    return MapConvolution(weight, ConvGeometry(padding=(1, 1, 1, 1)), (6, 5))


def exact(form: MapConvolution | Matrix, maps: npt.NDArray[np.int64]) -> Ints:
    if isinstance(form, Matrix):
        product: Ints = maps.reshape(len(maps), -1) @ form.weight.T
        return product[:, None, None, :]
    wide = NumpyKernel(form.weight.astype(np.float64), form.geometry)(maps)
    return wide.astype(np.int64)


@pytest.mark.parametrize(
    ("form", "largest", "expected"),
    [
        (same(ints(8, 16, 3, 3)), 1, NumpyKernel),
        (Matrix(ints(8, 64)), 4, MatrixKernel),
        (Matrix(ints(8, 64, largest=1 << 22)), 1, MatrixKernel),
        (Matrix(ints(8, 64, largest=1 << 28)), 1, MatrixKernel),
        (Matrix(np.zeros((8, 64), dtype=np.int64)), 1, MatrixKernel),
    ],
)
def test_numpy_is_exact_where_there_is_no_kernel(
    form: MapConvolution | Matrix, largest: int, expected: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CHOICE, "none")
    kernel = choose_kernel(form, 3, largest)
    assert type(kernel) is expected
    shape = (3, 6, 5, 16) if isinstance(form, MapConvolution) else (3, 1, 1, 64)
    maps = np.random.default_rng(1).integers(0, largest + 1, size=shape).astype(np.uint8)
    maps[0] = largest
    found = kernel(maps)
    assert np.array_equal(found, exact(form, maps.astype(np.int64)) * 8)


def test_sums_that_32_bits_do_not_hold_are_left_to_numpy() -> None:
    form = Matrix(ints(8, 64, largest=1 << 28))
    assert type(choose_kernel(form, 3, 1)) is MatrixKernel
    assert type(choose_kernel(Matrix(ints(8, 64)), 3, 1)) is PackedWeights


def test_single_precision_ends_where_sums_stop_being_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CHOICE, "none")
    below = Matrix(np.full((1, 2), (1 << 22) - 1, dtype=np.int64))
    for largest, kind in ((2, np.float32), (3, np.float64)):
        kernel = choose_kernel(below, 0, largest, graded=True)
        assert isinstance(kernel, MatrixKernel)
        assert kernel.weight.dtype == kind
    with pytest.raises(OverflowError):
        choose_kernel(Matrix(np.full((1, 4), (1 << 52) + 1, dtype=np.int64)), 0, 1)


def test_folded_pooling_is_found_exactly() -> None:
    small = ints(6, 4, 3, 3)
    geometry = ConvGeometry(stride=(2, 2), padding=(2, 2, 2, 2))
    folded = np.kron(small, np.ones((2, 2), dtype=np.int64))
    reduced = reduce_synapses(ConvSynapses(folded, geometry), (4, 8, 8), (6, 4, 4))
    assert reduced.pool == (2, 2)
    assert isinstance(reduced.form, MapConvolution)
    assert np.array_equal(reduced.form.weight, small)
    assert reduced.form.geometry == ConvGeometry(padding=(1, 1, 1, 1))
    almost = folded.copy()
    almost[-1, -1, -1, -1] += 1
    assert reduce_synapses(ConvSynapses(almost, geometry), (4, 8, 8), (6, 4, 4)).pool == (1, 1)
    for other in (replace(geometry, stride=(2, 1)), replace(geometry, padding=(2, 1, 2, 1))):
        rows, columns = other.output_size((8, 8), (6, 6))
        assert reduce_synapses(ConvSynapses(folded, other), (4, 8, 8), (6, rows, columns)).pool == (2, 1)


def test_global_average_pooling_before_a_dense_layer_is_found() -> None:
    small = ints(5, 4)
    weight = np.repeat(small, 64, axis=1)
    reduced = reduce_synapses(DenseSynapses(weight), (4, 8, 8), (5,))
    assert reduced.pool == (8, 8)
    assert isinstance(reduced.form, Matrix)
    assert np.array_equal(reduced.form.weight, small)


def test_small_maps_are_multiplied_as_matrices_and_identities_as_factors() -> None:
    padded = ConvGeometry(padding=(1, 1, 1, 1))
    on_small = reduce_synapses(ConvSynapses(ints(8, 4, 3, 3), padded), (4, 2, 2), (8, 2, 2))
    assert isinstance(on_small.form, Matrix)
    assert on_small.form.weight.shape == (32, 16)
    on_large = reduce_synapses(ConvSynapses(ints(8, 4, 3, 3), padded), (4, 4, 4), (8, 4, 4))
    assert isinstance(on_large.form, MapConvolution)
    shortcut = ConvSynapses(ints(4, 1, 1, 1), ConvGeometry(groups=4))
    assert isinstance(reduce_synapses(shortcut, (4, 4, 4), (4, 4, 4)).form, Identity)
    strided = ConvSynapses(ints(4, 1, 1, 1), ConvGeometry(stride=(2, 2), groups=4))
    assert isinstance(reduce_synapses(strided, (4, 4, 4), (4, 2, 2)).form, MapConvolution)


def plain_program(timesteps: int = 3, threshold: int = 400) -> Program:
    """Graded input onto a map, byte kernels behind it, a vector, the read-out."""
    geometry = ConvGeometry(padding=(1, 1, 1, 1))
    return Program(
        "plain", "lava", "pipelined", timesteps, -(1 << 30), (1 << 30) - 1,
        InputEncoding((3, 5, 4), (0, 1, 2), (3, 5, 4), 1.0, 0, 255),
        (
            Population("a", (8, 5, 4), np.array([threshold * 50]), np.array([0]), np.array([0]), 1),
            Population("b", (8, 5, 4), np.array([threshold]), np.array([0]), np.array([0]), 2),
            Population("out", (3,), None, np.array([0]), np.array([0]), 3),
        ),
        (
            Projection("1", INPUT, "a", ConvSynapses(ints(8, 3, 3, 3), geometry)),
            Projection("2", "a", "b", ConvSynapses(ints(8, 8, 3, 3), geometry)),
            Projection("3", "b", "out", DenseSynapses(ints(3, 160))),
        ),
    )  # fmt: skip


def plain_samples(count: int) -> Ints:
    return np.random.default_rng(2).integers(0, 256, size=(count, 3, 5, 4)).astype(np.int64)


@pytest.mark.parametrize(("minimum", "maximum"), [(-150, 1 << 30), (-(1 << 30), 900), (-500, 700)])
def test_a_saturating_readout_is_stepped(minimum: int, maximum: int) -> None:
    """Its final potential depends on the order of the steps, so the sum over the window would be wrong."""
    program = replace(plain_program(), state_minimum=minimum, state_maximum=maximum)
    program = replace(program, populations=tuple(replace(p, bias=np.array([-40])) for p in program.populations))
    slow, fast = run_reference(program, plain_samples(4)), simulate(program, plain_samples(4))
    assert np.array_equal(slow.readout, fast.readout)
    assert slow.spike_counts == fast.spike_counts
    wide = replace(program, state_minimum=-(1 << 30), state_maximum=1 << 30)
    assert not np.array_equal(simulate(wide, plain_samples(4)).readout, fast.readout)


def test_a_long_window_counts_beyond_a_byte() -> None:
    program = plain_program(timesteps=300, threshold=20)
    slow, fast = run_reference(program, plain_samples(1)), simulate(program, plain_samples(1))
    assert max(slow.spike_counts.values()) > 8 * 255
    assert np.array_equal(slow.readout, fast.readout)
    assert slow.spike_counts == fast.spike_counts


@pytest.mark.parametrize(
    ("options", "named"),
    [({"batch": 0}, "batch is 0"), ({"threads": -1}, "threads is -1"), ({"device": "tpu"}, "no device 'tpu'")],
)
def test_what_the_simulator_cannot_do_is_e511(options: dict[str, object], named: str) -> None:
    with pytest.raises(UnusableInput, match=named) as caught:
        simulate(plain_program(), plain_samples(1), **options)  # type: ignore[arg-type]
    assert [d.code for d in caught.value.diagnostics] == ["E511"]


def test_a_gpu_that_is_not_there_is_e511(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert Simulator(plain_program()).device == "cpu"
    with pytest.raises(UnusableInput, match="E511 torch finds no GPU"):
        Simulator(plain_program(), device="cuda")
    monkeypatch.setattr(tensors, "loaded_torch", lambda: None)
    with pytest.raises(UnusableInput, match="E511 torch finds no GPU"):
        Simulator(plain_program(), device="cuda")


def test_samples_of_another_program_are_e506() -> None:
    for samples, named in (
        (np.zeros((2, 3, 4, 5), dtype=np.int64), "are not some of"),
        (np.full((1, 3, 5, 4), 256), "256 is outside 0..255"),
        (np.full((1, 3, 5, 4), -1), "-1 is outside"),
    ):
        with pytest.raises(UnusableInput, match=f"E506.*{named}"):
            simulate(plain_program(), samples)


def test_threads_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before, seen = native.threads_in_use(), list[int]()

    def fails() -> None:
        with simulator_threads(3):
            seen.append(native.threads_in_use())
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert seen == [3]
    assert native.threads_in_use() == before
    for asked, expected in (("1", 1), ("no number", None), ("0", 1)):
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
        assert native.default_threads() == (expected or len(os.sched_getaffinity(0)))


def test_a_gpu_multiplies_32_bit_floats_as_such_and_precision_comes_back() -> None:
    matmul: Any = torch.backends.cuda.matmul
    before = matmul.fp32_precision
    matmul.fp32_precision = "tf32"
    try:
        with tensors.full_precision(torch):
            assert matmul.fp32_precision == "ieee"
        assert matmul.fp32_precision == "tf32"
    finally:
        matmul.fp32_precision = before


def test_batches_grow_while_that_is_faster_and_step_back_after() -> None:
    sizes = BatchSizes(plain_program())
    tried = []
    for _ in range(12):
        size = sizes.next()
        tried.append(size)
        sizes.measured(size, size * (1.0 if size < 256 else 2.0) / min(size, 256))
    assert tried == [64, 64, 128, 128, 256, 256, *[128] * 6]


def test_batches_stay_within_memory_and_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    program = plain_program()
    monkeypatch.setattr(batches, "_LARGEST_BYTES", 40 * 4 * 3 * 160)
    sizes, tried = BatchSizes(program), []
    for done in range(12):
        tried.append(sizes.next())
        sizes.measured(sizes.next(), sizes.next() / (done + 1))
    assert max(tried) == tried[-1] == 40
    assert BatchSizes(program, None, 2).next() == 64
    assert BatchSizes(program, None, 8).next() == 20
    fixed = BatchSizes(program, 7)
    fixed.measured(7, 1.0)
    assert fixed.next() == 7


def test_a_run_in_many_batches_gives_the_same_and_reports_progress() -> None:
    program, samples = plain_program(), plain_samples(150)
    whole, told = simulate(program, samples, record=True, batch=150), []
    parts = simulate(program, samples, record=True, progress=lambda done, total: told.append((done, total)))
    assert told[0] == (64, 150)
    assert told[-1] == (150, 150)
    assert np.array_equal(whole.readout, parts.readout)
    assert whole.spike_trains is not None
    assert parts.spike_trains is not None
    for name, trains in whole.spike_trains.items():
        assert np.array_equal(trains, parts.spike_trains[name])
