"""Composing linear operators equals evaluating them one after the other, and stays a convolution where it can."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec import targets
from spikec.compiler.ir import composed_kernel, sparse_maps
from spikec.compiler.ir.composition import (
    MappedValue,
    as_map,
    as_matrix,
    as_sparse,
    identity,
    then_conv,
    then_dense,
    then_sparse,
)
from spikec.compiler.ir.network import INPUT, Network, Node, evaluate
from spikec.compiler.ir.operators import (
    AveragePool,
    Conv,
    Dense,
    Operator,
    Pad,
    QuantizeClip,
    Reshape,
    Scale,
    Shape,
    Slice,
    Transpose,
)
from spikec.compiler.ir.rates import evaluate_rates
from spikec.compiler.ir.sparse_maps import TooLargeMap, sparse_map
from spikec.compiler.ir.sparse_operator import along_axes, picking, sparse_linear
from spikec.compiler.ir.spiking import ConvMap, DenseMap, LinearMap, SparseMap
from spikec.compiler.passes.compose_linear_maps import ComposeLinearMaps
from spikec.compiler.passes.contract import Compilation, Context
from spikec.runtime.program.geometry import ConvGeometry
from spikec.targets.diagnostic import UnusableInput


@dataclass
class Chain:
    """Random linear operators, one after the other."""

    random: np.random.Generator
    shape: Shape
    operators: list[Operator]

    def add(self, operator: Operator) -> None:
        try:
            shape = operator.result_shape((self.shape,))
        except ValueError:
            return
        if min(shape) >= 1 and int(np.prod(shape)) <= 600:
            self.operators.append(operator)
            self.shape = shape

    def integers(self, low: int, high: int, count: int) -> Shape:
        return tuple(int(i) for i in self.random.integers(low, high, count))

    def conv(self) -> None:
        channels = self.shape[0]
        groups = int(self.random.choice([g for g in (1, 2, 3, channels) if channels % g == 0]))
        outputs, kernel = groups * int(self.random.integers(1, 3)), self.integers(1, 4, 2)
        top, left, bottom, right = self.integers(-2, 4, 4)
        stride, dilation = self.integers(1, 4, 2), self.integers(1, 3, 2)
        geometry = ConvGeometry((stride[0], stride[1]), (top, left, bottom, right), (dilation[0], dilation[1]), groups)
        weight = self.random.normal(size=(outputs, channels // groups, *kernel))
        self.add(Conv(weight, np.zeros(outputs), geometry))

    def pointwise(self) -> None:
        weight = self.random.normal(size=(3, self.shape[0], 1, 1))
        self.add(Conv(weight, np.zeros(3), ConvGeometry()))

    def pool(self) -> None:
        kernel = self.integers(1, 4, 2)
        padding = tuple(min(p, k - 1) for p, k in zip(self.integers(0, 3, 4), (*kernel, *kernel), strict=True))
        include, ceil = (bool(b) for b in self.random.integers(0, 2, 2))
        self.add(AveragePool(kernel, self.integers(1, 4, 2), padding, include, ceil))  # type: ignore[arg-type]

    def pad(self) -> None:
        self.add(Pad(self.integers(-2, 3, len(self.shape)), self.integers(-2, 3, len(self.shape))))

    def slice(self) -> None:
        starts = tuple(int(self.random.integers(0, n)) for n in self.shape)
        stops = tuple(int(self.random.integers(s + 1, n + 1)) for s, n in zip(starts, self.shape, strict=True))
        self.add(Slice(starts, stops, self.integers(1, 3, len(self.shape))))

    def scale(self) -> None:
        tail = [self.shape, (self.shape[0], *(1,) * (len(self.shape) - 1)), (1,) * len(self.shape)]
        self.add(Scale(self.random.normal(size=tail[int(self.random.integers(3))])))

    def transpose(self) -> None:
        self.add(Transpose(tuple(int(a) for a in self.random.permutation(len(self.shape)))))

    def reshape(self) -> None:
        flat = (int(np.prod(self.shape)),)
        even = flat[0] % 2 == 0 and flat[0] > 2
        shapes = [flat, (1, *flat, 1), (2, flat[0] // 2, 1), (1, 2, flat[0] // 2)] if even else [flat]
        self.add(Reshape(shapes[int(self.random.integers(len(shapes)))]))

    def dense(self) -> None:
        inputs = int(np.prod(self.shape))
        self.add(Reshape((inputs,)))
        self.add(Dense(self.random.normal(size=(6, inputs)), np.zeros(6)))

    def grow(self, length: int) -> None:
        flat = ("pad", "slice", "scale", "transpose", "reshape", "dense")
        maps = ("conv", "conv", "conv", "pointwise", "pool", "pool", "pad", "slice", "scale", "transpose", "reshape")
        while len(self.operators) < length:
            names = maps if len(self.shape) == 3 else flat
            getattr(self, str(self.random.choice(names)))()


def chain_of(seed: int, length: int) -> tuple[Shape, list[Operator]]:
    random = np.random.default_rng(seed)
    shape: Shape = [(2, 6, 7), (4, 5, 5), (3, 1, 8), (6, 4, 3)][int(random.integers(4))]
    chain = Chain(random, shape, [])
    chain.grow(length)
    return shape, chain.operators


def network_of(shape: Shape, operators: list[Operator]) -> Network:
    """An activation first: what follows the input directly may be left to the encoder."""
    nodes = [Node("act", QuantizeClip(1.0, None), (INPUT,), shape)]
    for i, operator in enumerate(operators):
        result = operator.result_shape((nodes[-1].shape,))
        nodes.append(Node(f"op{i}", operator, (nodes[-1].name,), result))
    return Network("chain", shape, tuple(nodes), nodes[-1].name)


def composed(network: Network) -> tuple[LinearMap, dict[str, np.ndarray], np.ndarray]:  # type: ignore[type-arg]
    """The one map of the chain, and its result beside that of the operators."""
    state = ComposeLinearMaps().run(Compilation(network), Context(targets.load("lava"), 4)).state
    assert state.spiking is not None
    samples = np.random.default_rng(0).random((2, *network.input_shape))
    found = evaluate_rates(state.spiking, samples, continuous=True)
    (projection,) = state.spiking.incoming(state.spiking.readout.name)
    return projection.map, found, evaluate(network, samples)[network.output]


@settings(max_examples=250, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), length=st.integers(1, 5))
def test_composition_equals_evaluation(seed: int, length: int) -> None:
    network = network_of(*chain_of(seed, length))
    _, found, expected = composed(network)
    readout = next(reversed(found))
    # Doubles: only the order of sums of at most a few thousand products of normal numbers differs.
    np.testing.assert_allclose(found[readout], expected, rtol=0, atol=1e-11 * max(1.0, float(np.abs(expected).max())))


def even_conv(channels: int, outputs: int, kernel: int, padding: int, groups: int = 1, stride: int = 1) -> Conv:
    weight = np.random.default_rng(1).normal(size=(outputs, channels // groups, kernel, kernel))
    return Conv(weight, np.zeros(outputs), ConvGeometry((stride, stride), (padding,) * 4, (1, 1), groups))


POOL = AveragePool((2, 2), (2, 2))
SHUFFLE: list[Operator] = [Reshape((2, 2, 8, 8)), Transpose((1, 0, 2, 3)), Reshape((4, 8, 8))]
CONVOLUTIONS: dict[str, list[Operator]] = {
    "pool, then a padded convolution": [POOL, even_conv(4, 3, 3, 1)],
    "pool twice, then a padded convolution": [POOL, POOL, even_conv(4, 3, 3, 1)],
    "unpadded convolutions": [even_conv(4, 3, 3, 0), even_conv(3, 5, 3, 0)],
    "padded, then unpadded": [even_conv(4, 3, 3, 1), even_conv(3, 5, 3, 0)],
    "1x1, then padded": [even_conv(4, 3, 1, 0), even_conv(3, 5, 3, 1)],
    "padded, then 1x1": [even_conv(4, 3, 3, 1), even_conv(3, 5, 1, 0)],
    "padded, then a channel's factor": [even_conv(4, 3, 3, 1), Scale(np.arange(1.0, 4).reshape(3, 1, 1))],
    "grouped, then grouped": [even_conv(4, 4, 3, 0, groups=2), even_conv(4, 4, 3, 0, groups=2)],
    "depthwise with a channel multiplier, then depthwise": [
        even_conv(4, 8, 3, 0, groups=4),
        even_conv(8, 8, 3, 0, groups=8),
    ],
    "every second pixel and more channels": [Slice((0, 0, 0), (4, 8, 8), (1, 2, 2)), Pad((2, 0, 0), (2, 0, 0))],
    "a part of the channels": [Slice((1, 0, 0), (4, 8, 8), (2, 1, 1))],
    "crop": [Pad((0, -1, -2), (0, -1, 0))],
    "padding, then an unpadded convolution": [Pad((0, 2, 1), (0, 0, 3)), even_conv(4, 3, 3, 0)],
    "pool that covers the map": [AveragePool((8, 8), (8, 8))],
    "counted padding": [AveragePool((3, 3), (2, 2), (1, 1, 1, 1))],
    "transposed there and back": [Transpose((1, 2, 0)), Transpose((2, 0, 1))],
    "flattened there and back": [Reshape((256,)), Reshape((4, 8, 8))],
    "channels shuffled": SHUFFLE,
    "shuffled between convolutions in groups": [
        even_conv(4, 4, 3, 1, groups=2),
        *SHUFFLE,
        even_conv(4, 4, 1, 0, groups=4),
    ],
    "channels gathered, one twice, one left out, one of zeros": [
        along_axes((4, 8, 8), {0: picking(np.array([2, 0, 2, -1, 1]), 4)}),
        even_conv(5, 3, 3, 1),
    ],
    "scaled, shuffled, cut and shuffled again": [
        Scale(np.array(2.0)),
        *SHUFFLE,
        Slice((1, 0, 0), (4, 8, 8), (2, 1, 1)),
        Pad((2, 0, 0), (0, 0, 0)),
        *SHUFFLE,
        even_conv(4, 3, 3, 1),
    ],
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_stays_a_convolution(name: str) -> None:
    found, rates, expected = composed(network_of((4, 8, 8), CONVOLUTIONS[name]))
    assert isinstance(found, ConvMap)
    readout = next(reversed(rates))
    np.testing.assert_allclose(rates[readout], expected, rtol=0, atol=1e-12)


SPARSE: dict[str, list[Operator]] = {
    "padded after padded": [even_conv(4, 3, 3, 1), even_conv(3, 5, 3, 1)],
    "cropped, then padded": [Pad((0, -1, 0), (0, 0, 0)), Pad((0, 1, 0), (0, 0, 0))],
    "uncounted padding": [AveragePool((3, 3), (2, 2), (1, 1, 1, 1), count_padding=False)],
    "a factor per pixel": [Scale(np.arange(256.0).reshape(4, 8, 8))],
    "transposed": [Transpose((0, 2, 1))],
    "flattened": [Reshape((256,))],
    "rows shuffled with channels": [Reshape((4, 2, 4, 8)), Transpose((1, 0, 2, 3)), Reshape((4, 8, 8))],
    "channels and rows gathered": [
        along_axes((4, 8, 8), {a: picking(np.array([3, 1, 2, 0]), 4 * a + 4) for a in (0, 1)})
    ],
    "some rows of each channel": [along_axes((4, 8, 8), {1: picking(np.array([0, -1, 2, 3, -1, 5, 6, 7]), 8)})],
    "a factor for some pixels": [
        sparse_linear(np.arange(1.0, 257.0), np.arange(256), np.arange(256), (4, 8, 8), (4, 8, 8))
    ],
    "some of many": [Reshape((256,)), Slice((1,), (256,), (3,)), Pad((0,), (7,))],
    "padded after padded, flattened": [even_conv(4, 3, 3, 1), even_conv(3, 5, 3, 1), Reshape((320,))],
    "transposed, then convolved": [Transpose((0, 2, 1)), even_conv(4, 3, 3, 1)],
    "uncounted padding, then a factor per pixel": [
        AveragePool((3, 3), (2, 2), (1, 1, 1, 1), count_padding=False),
        Scale(np.arange(64.0).reshape(4, 4, 4)),
    ],
}
MATRICES: dict[str, list[Operator]] = {
    "pool that leaves pixels over, then padded": [AveragePool((3, 3), (3, 3)), even_conv(4, 3, 3, 1)],
    "sparse, then dense": [
        *SPARSE["uncounted padding"],
        Reshape((64,)),
        Dense(np.random.default_rng(2).normal(size=(5, 64)), np.zeros(5)),
    ],
    "dense, then sparse": [
        Reshape((256,)),
        Dense(np.random.default_rng(2).normal(size=(36, 256)), np.zeros(36)),
        Reshape((1, 6, 6)),
        AveragePool((3, 3), (2, 2), (1, 1, 1, 1), count_padding=False),
        Pad((0, 1, 0), (1, 0, 2)),
    ],
}


@pytest.mark.parametrize("name", [*SPARSE, *MATRICES])
def test_becomes_sparse_or_where_it_is_filled_a_matrix(name: str) -> None:
    found, rates, expected = composed(network_of((4, 8, 8), {**SPARSE, **MATRICES}[name]))
    assert isinstance(found, SparseMap if name in SPARSE else DenseMap)
    readout = next(reversed(rates))
    np.testing.assert_allclose(rates[readout], expected, rtol=0, atol=1e-10)


def test_groups_survive_where_one_side_keeps_channels_apart() -> None:
    cases: tuple[tuple[list[Operator], int], ...] = (
        ([POOL, even_conv(4, 4, 3, 1, groups=2)], 2),
        ([even_conv(4, 4, 3, 0, groups=2), POOL], 2),
        ([even_conv(4, 4, 3, 0, groups=2), even_conv(4, 4, 3, 0, groups=2)], 1),
    )
    for operators, groups in cases:
        found, _, _ = composed(network_of((4, 8, 8), operators))
        assert isinstance(found, ConvMap)
        assert found.geometry.groups == groups


def test_pool_then_conv_is_one_convolution_with_the_repeated_kernel() -> None:
    conv = even_conv(4, 3, 3, 1)
    found, _, _ = composed(network_of((4, 8, 8), [POOL, conv]))
    assert isinstance(found, ConvMap)
    assert np.array_equal(found.weight, np.kron(conv.weight, np.ones((1, 1, 2, 2))) / 4)
    assert found.geometry == ConvGeometry((2, 2), (2, 2, 2, 2))


def test_a_matrix_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dense layer of the user's own is no new matrix, however large."""
    monkeypatch.setattr(sparse_maps, "MATRIX_ENTRIES_LIMIT", 11)
    weight = np.arange(12.0).reshape(3, 4)
    mapped = as_map(then_dense(identity("a", (4,)), weight))
    assert isinstance(mapped, DenseMap)
    assert mapped.weight is weight


@pytest.mark.parametrize("limit", [255 * 256, 256 * 256])
def test_size_limit(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(sparse_maps, "MATRIX_ENTRIES_LIMIT", limit)
    flat = MappedValue("a", (4, 8, 8), None, (256,))
    if limit == 256 * 256:
        assert as_matrix(flat).shape == (256, 256)
        return
    with pytest.raises(TooLargeMap) as refusal:
        as_matrix(flat)
    assert refusal.value.entries == 256 * 256


@pytest.mark.parametrize(
    "operators",
    [
        SPARSE["padded after padded"],
        SPARSE["a factor per pixel"],
        SPARSE["flattened"],
        SPARSE["transposed"],
        MATRICES["dense, then sparse"],
        [Reshape((256,)), Slice((0,), (256,), (2,))],
        [Reshape((256,)), Pad((1,), (1,))],
    ],
)
def test_too_large_a_matrix_is_refused_at_its_layer(monkeypatch: pytest.MonkeyPatch, operators: list[Operator]) -> None:
    monkeypatch.setattr(sparse_maps, "MATRIX_ENTRIES_LIMIT", 100)
    monkeypatch.setattr(sparse_maps, "SPARSE_ENTRIES_LIMIT", 100)
    network = network_of((4, 8, 8), operators)
    with pytest.raises(UnusableInput) as refusal:
        ComposeLinearMaps().run(Compilation(network), Context(targets.load("lava"), 4))
    (diagnostic,) = refusal.value.diagnostics
    assert diagnostic.code == "E223"
    assert diagnostic.place.layer is not None
    assert diagnostic.limit == 100
    assert diagnostic.measured is not None
    assert diagnostic.measured > 100


def test_then_conv_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    flat = MappedValue("a", (1, 4, 4), None, (1, 4, 4), np.arange(16)[::-1].copy())
    after = ConvMap(np.ones((2, 1, 1, 1)), ConvGeometry())
    monkeypatch.setattr(sparse_maps, "SPARSE_ENTRIES_LIMIT", 32)
    assert len(as_sparse(then_conv(flat, after, (2, 4, 4))).weight) == 32
    monkeypatch.setattr(sparse_maps, "SPARSE_ENTRIES_LIMIT", 31)
    with pytest.raises(TooLargeMap):
        then_conv(flat, after, (2, 4, 4))


def test_a_row_much_longer_than_the_others_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights are rounded in rows, all as long as the longest."""
    source = np.arange(40)
    star = sparse_map(np.ones(49), np.concatenate([source, source[:9]]), np.repeat([0, 1], [40, 9]) * 3, 40)
    value = then_sparse(identity("a", (40,)), star, (60,))
    assert isinstance(as_map(value), SparseMap)
    monkeypatch.setattr(sparse_maps, "MATRIX_ENTRIES_LIMIT", 60 * 40 - 1)
    with pytest.raises(TooLargeMap) as refusal:
        as_map(value)
    assert (refusal.value.entries, refusal.value.limit) == (2400, 2399)


def test_a_kernel_as_large_as_a_map_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    operators: list[Operator] = [even_conv(4, 4, 3, 1, groups=4), AveragePool((8, 8), (1, 1))]
    found, rates, expected = composed(network_of((4, 8, 8), operators))
    assert isinstance(found, ConvMap)
    monkeypatch.setattr(composed_kernel, "_MOST_TAPS", 63)
    listed, rates, expected = composed(network_of((4, 8, 8), operators))
    assert not isinstance(listed, ConvMap)
    np.testing.assert_allclose(rates[next(reversed(rates))], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("taps", [1, 3])
def test_channels_that_are_picked_have_the_kernels_they_had(
    monkeypatch: pytest.MonkeyPatch, groups: int, taps: int
) -> None:
    random = np.random.default_rng(groups)
    first = ConvMap(random.normal(size=(4, 4 // groups, taps, 2)), ConvGeometry((2, 1), dilation=(2, 1), groups=groups))
    factors = np.zeros((5, 4))
    factors[[0, 1, 3, 4], [2, 2, 0, 3]] = 1.0, -0.5, 1.0, 3.0
    after = ConvMap(factors[:, :, None, None], ConvGeometry())
    picked = composed_kernel.composed_kernel(first, after)
    monkeypatch.setattr(composed_kernel, "_picked", lambda first, after: None)
    multiplied = composed_kernel.composed_kernel(first, after)
    assert picked is not None
    assert multiplied is not None
    assert picked[1] == multiplied[1] == 1
    np.testing.assert_allclose(picked[0], multiplied[0], rtol=0, atol=1e-12)
    assert not np.signbit(picked[0][2]).any()
