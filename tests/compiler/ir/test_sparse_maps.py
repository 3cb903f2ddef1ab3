"""Linear maps by their coordinates: any two of the three kinds compose and add up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from spikec import targets
from spikec.compiler.ir import composition
from spikec.compiler.ir.composition import (
    MappedValue,
    as_map,
    as_matrix,
    as_sparse,
    identity,
    reshaped,
    summed,
    then_conv,
    then_dense,
    then_scale,
    then_sparse,
    transposed,
)
from spikec.compiler.ir.network import INPUT, Network, Node, evaluate
from spikec.compiler.ir.operators import Add, QuantizeClip, Scale, Transpose
from spikec.compiler.ir.rates import evaluate_rates
from spikec.compiler.ir.sparse_maps import _entries_by_place, _entries_by_tap, sparse_map, to_matrix
from spikec.compiler.ir.spiking import ConvMap, DenseMap, SparseMap
from spikec.compiler.passes.compose_linear_maps import ComposeLinearMaps
from spikec.compiler.passes.contract import Compilation, Context
from spikec.runtime.program.geometry import ConvGeometry


def random_value(random: np.random.Generator, kind: str) -> tuple[MappedValue, np.ndarray]:  # type: ignore[type-arg]
    """A value of shape (2, 3, 4) by each kind of map from (2, 5, 3), and its matrix."""
    matrix = random.normal(size=(24, 30))
    if kind == "conv":
        conv = ConvMap(random.normal(size=(2, 2, 3, 2)), ConvGeometry(padding=(0, 1, 0, 1)))
        value = then_conv(identity("a", (2, 5, 3)), conv, (2, 3, 4))
        return value, as_matrix(value)
    if kind == "dense":
        return reshaped(then_dense(identity("a", (2, 5, 3)), matrix), (2, 3, 4)), matrix
    matrix *= random.random(matrix.shape) < 0.15
    target, source = np.nonzero(matrix)
    entries = sparse_map(matrix[target, source], source, target, 30)
    return then_sparse(identity("a", (2, 5, 3)), entries, (2, 3, 4)), matrix


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    first=st.sampled_from(["conv", "dense", "sparse"]),
    after=st.sampled_from(["conv", "dense", "sparse", "scale"]),
    turned=st.booleans(),
)
def test_any_two_maps_compose(seed: int, first: str, after: str, turned: bool) -> None:
    random = np.random.default_rng(seed)
    value, matrix = random_value(random, first)
    if turned:
        value = transposed(value, (2, 0, 1))
        matrix = matrix.reshape(2, 3, 4, 30).transpose(2, 0, 1, 3).reshape(24, 30)
    shape = value.shape
    if after == "conv":
        conv = ConvMap(random.normal(size=(3, shape[0], 2, 2)), ConvGeometry(padding=(1, 1, 1, 1)))
        result, second = (3, shape[1] + 1, shape[2] + 1), identity("b", shape)
        found, applied = then_conv(value, conv, result), as_matrix(then_conv(second, conv, result))
    elif after == "scale":
        factor = random.normal(size=shape)
        found, applied = then_scale(value, factor), np.diag(factor.ravel())
    else:
        applied = random.normal(size=(7, 24))
        if after == "sparse":
            applied *= random.random((7, 24)) < 0.2
            target, source = np.nonzero(applied)
            found = then_sparse(value, sparse_map(applied[target, source], source, target, 24), (7,))
        else:
            found = then_dense(value, applied)
    expected = applied @ matrix
    assert (isinstance(found.map, DenseMap)) == ("dense" in (first, after))
    np.testing.assert_allclose(as_matrix(found), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(to_matrix(as_sparse(found), len(expected), 30), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("most", [1, 64])
@pytest.mark.parametrize("kinds", [("sparse", "sparse"), ("sparse", "conv"), ("sparse", "dense"), ("conv", "turned")])
def test_sums_of_maps(kinds: tuple[str, str], most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sparse maps of one source become one, whatever their weights; too many forms become one map."""
    monkeypatch.setattr(composition, "_MOST_FORMS", most)
    random = np.random.default_rng(4)
    values, matrices = [], []
    for kind in kinds:
        value, matrix = random_value(random, "sparse" if kind == "turned" else kind)
        if kind == "turned":
            value = transposed(value, (0, 1, 2))
            value = replace(value, order=np.arange(24)[::-1].copy())
            matrix = matrix[::-1]
        values.append(value)
        matrices.append(matrix)
    found = summed(values)
    expected = 1 if most == 1 or kinds == ("sparse", "sparse") else 2
    assert len(found) == expected
    total = sum(as_matrix(value) for value in found)
    np.testing.assert_allclose(total, matrices[0] + matrices[1], rtol=0, atol=1e-12)
    if most == 1:
        assert isinstance(found[0].map, DenseMap if "dense" in kinds else SparseMap)


@pytest.mark.parametrize(
    ("second", "kind"),
    [(Scale(np.arange(1.0, 3).reshape(2, 1, 1)), ConvMap), (Scale(np.arange(1.0, 19).reshape(2, 3, 3)), SparseMap)],
)
def test_terms_that_become_one_form_are_one_projection(second: Scale, kind: type) -> None:
    """An identity becomes a convolution, and one with its axes permuted sparse, only where projections are made."""
    shape = (2, 3, 3)
    first = Transpose((0, 2, 1)) if kind is SparseMap else Scale(np.array(0.5))
    nodes = (
        Node("act", QuantizeClip(1.0, None), (INPUT,), shape),
        Node("first", first, ("act",), shape),
        Node("second", second, ("act",), shape),
        Node("sum", Add(), ("first", "second"), shape),
    )
    network = Network("sum", shape, nodes, "sum")
    spiking = ComposeLinearMaps().run(Compilation(network), Context(targets.load("lava"), 4)).state.spiking
    assert spiking is not None
    (projection,) = spiking.incoming(spiking.readout.name)
    assert isinstance(projection.map, kind)
    samples = np.random.default_rng(0).random((3, *shape))
    found = evaluate_rates(spiking, samples, continuous=True)[spiking.readout.name]
    np.testing.assert_allclose(found, evaluate(network, samples)["sum"], rtol=0, atol=1e-12)


def test_an_identity_keeps_its_gain_by_coordinates() -> None:
    value = transposed(then_scale(identity("a", (2, 2)), np.array(3.0)), (1, 0))
    entries = as_map(value)
    assert isinstance(entries, SparseMap)
    assert to_matrix(entries, 4, 4).tolist() == (3 * np.eye(4)[[0, 2, 1, 3]]).tolist()
    doubled = then_scale(then_sparse(value, entries, (4,)), np.array(2.0))
    assert to_matrix(as_sparse(doubled), 4, 4).tolist() == (18 * np.eye(4)).tolist()


def test_entries_at_one_place_are_summed_and_zeros_left_out() -> None:
    weight, source, target = np.array([1.0, 2.0, 4.0, -4.0, 3.0]), np.array([2, 0, 1, 1, 2]), np.array([1, 3, 0, 0, 1])
    found = sparse_map(weight, source, target, 3)
    assert (found.weight.tolist(), found.source.tolist(), found.target.tolist()) == ([4.0, 2.0], [2, 0], [1, 3])
    none = sparse_map(weight[:0], source[:0], target[:0], 3)
    assert none.weight.shape == none.source.shape == none.target.shape == (0,)


@given(st.data())
def test_synapses_of_a_convolution_are_the_same_by_place_and_by_tap(data: st.DataObject) -> None:
    whole = st.integers
    groups, outputs, inputs = (data.draw(whole(1, 3)) for _ in range(3))
    kernel: Any = tuple(data.draw(whole(1, 4)) for _ in range(2))
    random = np.random.default_rng(data.draw(whole(0, 99)))
    weight = random.integers(-1, 2, (groups * outputs, inputs, *kernel)).astype(float)
    pairs: Any = [tuple(data.draw(whole(1, 2)) for _ in range(2)) for _ in range(2)]
    padding: Any = tuple(data.draw(whole(-1, 2)) for _ in range(4))
    geometry = ConvGeometry(pairs[0], padding, pairs[1], groups)
    source = (groups * inputs, 8, 9)
    size = geometry.output_size(source[1:], kernel)
    assume(min(size) >= 1)
    conv = ConvMap(weight, geometry)

    by_place, by_tap = (entries(conv, source, size) for entries in (_entries_by_place, _entries_by_tap))

    assert listed(by_place) == listed(by_tap)


def listed(entries: Iterable[tuple[Any, Any, Any]]) -> list[Any]:
    return sorted(synapse for part in entries for synapse in zip(*(each.tolist() for each in part), strict=True))
