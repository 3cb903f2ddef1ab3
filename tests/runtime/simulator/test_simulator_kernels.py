"""Which kernel the simulator takes, that its exactness is proven first, and what a run leaves as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

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
from spikec.runtime.simulator import Simulator, batches, convolution, kernels, simulate
from spikec.runtime.simulator.batches import BatchSizes
from spikec.runtime.simulator.convolution import (
    ByteKernel,
    ByteMatrixKernel,
    FloatKernel,
    MatrixKernel,
    NumpyKernel,
    choose_kernel,
)
from spikec.runtime.simulator.loops import exact_threads
from spikec.runtime.simulator.reduction import Identity, MapConvolution, Matrix, reduce_synapses
from spikec.targets.diagnostic import UnusableInput

Ints = npt.NDArray[np.int64]

needs_byte_kernels = pytest.mark.skipif(
    not convolution._byte_kernels_work(), reason="torch has no 8-bit convolutions here"
)


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


@needs_byte_kernels
@pytest.mark.parametrize(
    ("form", "largest", "expected"),
    [
        (same(ints(8, 16, 3, 3)), 1, ByteKernel),
        (same(ints(8, 16, 3, 3)), 127, ByteKernel),
        (same(ints(8, 16, 3, 3)), 128, FloatKernel),
        (same(np.clip(-ints(8, 16, 3, 3, largest=128), -128, 127)), 127, ByteKernel),
        (same(ints(8, 16, 3, 3, largest=128)), 1, FloatKernel),
        (same(ints(8, 16, 3, 3) * 6), 1, FloatKernel),
        (same(ints(8, 16, 3, 3) * 64), 4, ByteKernel),
        (same(ints(8, 16, 3, 3, largest=1 << 24)), 4, FloatKernel),
        (Matrix(ints(8, 64)), 4, ByteMatrixKernel),
        (Matrix(ints(8, 64, largest=1 << 12)), 4, MatrixKernel),
        (Matrix(ints(8, 64, largest=1 << 22)), 1, MatrixKernel),
        (Matrix(np.zeros((8, 64), dtype=np.int64)), 1, ByteMatrixKernel),
    ],
)
def test_kernel_is_chosen_by_what_is_exact(form: MapConvolution | Matrix, largest: int, expected: type) -> None:
    kernel = choose_kernel(form, 3, largest)
    assert type(kernel) is expected
    channels = form.weight.shape[1] if isinstance(form, MapConvolution) else 64
    shape = (3, 6, 5, channels) if isinstance(form, MapConvolution) else (3, 1, 1, channels)
    maps = np.random.default_rng(1).integers(0, largest + 1, size=shape).astype(np.uint8)
    maps[0] = largest
    found = kernel(maps)
    assert np.array_equal(found, exact(form, maps.astype(np.int64)) * 8)


@needs_byte_kernels
@pytest.mark.parametrize(
    ("channels", "geometry", "kernel"),
    [
        (1, ConvGeometry(stride=(1, 2)), (3, 3)),
        (8, ConvGeometry(groups=2), (3, 3)),
        (8, ConvGeometry(dilation=(2, 1)), (3, 3)),
        (8, ConvGeometry(stride=(1, 3), padding=(0, 2, 0, 2)), (4, 1)),
    ],
)
def test_geometries_that_one_dnn_gets_wrong_are_kept_from_it(
    channels: int, geometry: ConvGeometry, kernel: tuple[int, int]
) -> None:
    """Wrong sums or a crash were seen for each of these; outputs that see padding alone crashed."""
    weight = ints(6, channels // geometry.groups, *kernel)
    chosen = choose_kernel(MapConvolution(weight, geometry, geometry.output_size((9, 7), kernel)), 0, 1)
    assert type(chosen) is FloatKernel


@needs_byte_kernels
@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_byte_convolutions_of_any_plain_geometry_are_exact(seed: int) -> None:
    random = np.random.default_rng(seed)
    kernel = int(random.integers(1, 6)), int(random.integers(1, 6))
    padding = tuple(int(random.integers(0, min(3, kernel[axis]))) for axis in (0, 1, 0, 1))
    geometry = ConvGeometry((int(random.integers(1, 4)), int(random.integers(1, 4))), padding)  # type: ignore[arg-type]
    size, channels = random.integers(5, 13, size=2).tolist(), int(random.integers(4, 40))
    outputs = geometry.output_size((size[0], size[1]), kernel)
    weight = random.integers(-128, 128, size=(int(random.integers(1, 40)), channels, *kernel)).astype(np.int64)
    synapses = ConvSynapses(weight, geometry)
    form = reduce_synapses(synapses, (channels, *size), (len(weight), *outputs)).form
    assert isinstance(form, MapConvolution | Matrix)
    maps = random.integers(0, 128, size=(int(random.integers(1, 5)), *size, channels)).astype(np.uint8)
    chosen = choose_kernel(form, 0, 127)
    assert type(chosen) in (ByteKernel, ByteMatrixKernel)
    assert np.array_equal(chosen(maps), exact(form, maps.astype(np.int64)))


@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_float_convolutions_of_any_geometry_are_exact(precision: type[np.float32]) -> None:
    for seed in range(400):
        random = np.random.default_rng(seed)
        channels, outputs, samples = random.integers(1, 4, 3)
        kernel, stride = random.integers(1, 4, (2, 2))
        above, left = (int(p) for p in random.integers(0, 2, 2))
        geometry = ConvGeometry(stride=(int(stride[0]), int(stride[1])), padding=(above, left, above, left))
        weight = (128 * random.integers(-3, 4, (outputs, channels, *kernel))).astype(precision)
        maps = random.integers(0, 2, (samples, *(kernel + random.integers(0, 8, 2)), channels)).astype(np.uint8)
        torch.full((1 << 14,), 1e30)  # freed at once: what a kernel reads beyond the map is then told by the sums
        found = FloatKernel(torch.from_numpy(weight).to(memory_format=torch.channels_last), geometry)(maps)
        expected = kernels._convolve_numpy(maps.transpose(0, 3, 1, 2).astype(np.float64), weight, geometry)
        np.testing.assert_array_equal(found, expected.transpose(0, 2, 3, 1))


def test_single_precision_ends_where_sums_stop_being_whole() -> None:
    below = Matrix(np.full((1, 2), (1 << 22) - 1, dtype=np.int64))
    for largest, kind in ((2, np.float32), (3, np.float64)):
        kernel = choose_kernel(below, 0, largest, graded=True)
        assert isinstance(kernel, MatrixKernel)
        assert kernel.weight.dtype == kind
    with pytest.raises(OverflowError):
        choose_kernel(Matrix(np.full((1, 4), (1 << 52) + 1, dtype=np.int64)), 0, 1)


@needs_byte_kernels
@pytest.mark.parametrize("missing", [AttributeError, RuntimeError, TypeError])
def test_without_byte_kernels_floats_are_used(missing: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> ByteKernel:
        raise missing("no such operator")

    monkeypatch.setattr(convolution, "_byte_convolution", fails)
    assert not convolution._byte_kernels_sum.__wrapped__()


@needs_byte_kernels
def test_byte_kernels_that_saturate_are_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    def saturating(weight: Ints, form: MapConvolution, scale: float) -> Callable[[Ints], Ints]:
        return lambda maps: np.minimum(exact(replace(form, weight=weight), maps.astype(np.int64)), 1 << 15)

    monkeypatch.setattr(convolution, "_byte_convolution", saturating)
    assert not convolution._byte_kernels_sum.__wrapped__()


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
    monkeypatch.setattr(kernels, "installed_torch", lambda: None)
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


def test_threads_and_precision_come_back() -> None:
    per_operator = getattr(torch.backends.mkldnn, "conv", None)
    threads, before = torch.get_num_threads(), getattr(per_operator, "fp32_precision", None)
    if before is None:
        pytest.skip("this torch has no precision per operator")
    setattr(per_operator, "fp32_precision", "bf16")  # noqa: B010 - mypy knows no such attribute
    try:
        seen = precision_and_threads_inside(per_operator)
        assert seen == ("ieee", 1)
        assert (getattr(per_operator, "fp32_precision", None), torch.get_num_threads()) == ("bf16", threads)
    finally:
        setattr(per_operator, "fp32_precision", before)  # noqa: B010


def precision_and_threads_inside(per_operator: object) -> tuple[object, int]:
    """What a run sees that ends in an error."""
    seen: list[tuple[object, int]] = []

    def fails() -> None:
        with exact_threads(1, 1 << 30):
            seen.append((getattr(per_operator, "fp32_precision", None), torch.get_num_threads()))
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    return seen[0]


def test_batches_grow_while_that_is_faster_and_step_back_after() -> None:
    sizes = BatchSizes(plain_program())
    tried = []
    for _ in range(12):
        size = sizes.next()
        tried.append(size)
        sizes.measured(size, size * (1.0 if size < 64 else 2.0) / min(size, 64))
    assert tried == [16, 16, 32, 32, 64, 64, *[32] * 6]


def test_batches_stay_within_memory_and_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    program = plain_program()
    monkeypatch.setattr(batches, "_LARGEST_BYTES", 40 * 4 * 3 * 160)
    sizes, tried = BatchSizes(program), []
    for done in range(12):
        tried.append(sizes.next())
        sizes.measured(sizes.next(), sizes.next() / (done + 1))
    assert max(tried) == tried[-1] == 40
    fixed = BatchSizes(program, 7)
    fixed.measured(7, 1.0)
    assert fixed.next() == 7


def test_a_run_in_many_batches_gives_the_same_and_reports_progress() -> None:
    program, samples = plain_program(), plain_samples(53)
    whole, told = simulate(program, samples, record=True, batch=53), []
    parts = simulate(program, samples, record=True, progress=lambda done, total: told.append((done, total)))
    assert told[0] == (16, 53)
    assert told[-1] == (53, 53)
    assert np.array_equal(whole.readout, parts.readout)
    assert whole.spike_trains is not None
    assert parts.spike_trains is not None
    for name, trains in whole.spike_trains.items():
        assert np.array_equal(trains, parts.spike_trains[name])
