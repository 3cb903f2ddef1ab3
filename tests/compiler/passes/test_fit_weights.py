"""Weights by least squares on what was sent: what earlier layers lost comes back, what is not there stays away."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from spikec.compiler.ir.rates import received
from spikec.compiler.ir.spiking import INPUT, ConvMap, DenseMap, LinearMap, Population, Projection, SparseMap
from spikec.compiler.passes.fit_weights import can_be_fitted, fitted_to_counts, fitted_to_input
from spikec.runtime.program.geometry import ConvGeometry

_SAME = ConvGeometry(padding=(1, 1, 1, 1))


def population(shape: tuple[int, ...]) -> Population:
    ones = (1,) * len(shape)
    return Population("b", shape, np.ones(ones), np.full(ones, 0.5), np.full((shape[0], *ones[1:]), 0.1), 1.0, "act")


def rates(shape: tuple[int, ...], count: int = 300) -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).random((count, *shape)).astype(np.float32)


def projection(linear: LinearMap, source: str = "a") -> Projection:
    return Projection("a-to-b", source, "b", linear)


def maps(groups: int) -> tuple[Population, Projection, tuple[int, ...]]:
    weight = np.random.default_rng(1).normal(size=(4, 4 // groups, 3, 3)) / 4
    geometry = ConvGeometry(padding=(1, 1, 1, 1), groups=groups)
    return population((4, 6, 6)), projection(ConvMap(weight, geometry)), (4, 6, 6)


def dense() -> tuple[Population, Projection, tuple[int, ...]]:
    return population((5,)), projection(DenseMap(np.random.default_rng(1).normal(size=(5, 12)) / 3)), (12,)


CASES = [maps(1), maps(2), maps(4), dense()]


@pytest.mark.parametrize(("target", "incoming", "shape"), CASES, ids=["conv", "groups", "depthwise", "dense"])
def test_what_sources_lost_is_given_back(target: Population, incoming: Projection, shape: tuple[int, ...]) -> None:
    values = rates(shape)
    wanted = received(incoming, values, target) + np.float32(0.1)
    lost = 0.8 * values
    fitted = fitted_to_input(target, (incoming,), {"a": lost, INPUT: values}, wanted)
    (new,) = fitted.incoming
    gap = np.maximum(received(new, lost, target) + fitted.bias, 0) - np.maximum(wanted, 0)
    before = np.maximum(received(incoming, lost, target) + 0.1, 0) - np.maximum(wanted, 0)
    assert np.sqrt(np.mean(gap**2)) < 0.5 * np.sqrt(np.mean(before**2))


def test_what_is_below_zero_on_both_sides_is_no_error() -> None:
    target, incoming, shape = dense()
    values = rates(shape)
    wanted = received(incoming, values, target) - 10
    fitted = fitted_to_input(target, (incoming,), {"a": values, INPUT: values}, np.minimum(wanted, -3.0))
    above = np.maximum(received(fitted.incoming[0], values, target) + fitted.bias, 0)
    before = np.maximum(received(incoming, values, target) + 0.1, 0)
    assert np.mean(above) < 0.1 * np.mean(before)


def test_what_counts_miss_is_added() -> None:
    target, incoming, shape = dense()
    values = rates(shape, 2000)
    extra = np.random.default_rng(3).normal(size=(5, 12)) / 10
    missed = (values @ extra.T + 0.2).astype(np.float32)
    fitted = fitted_to_counts(target, (incoming,), {"a": values, INPUT: values}, missed)
    np.testing.assert_allclose(fitted.incoming[0].map.weight - incoming.map.weight, extra, atol=0.01)


def test_a_projection_with_absent_weights_keeps_them() -> None:
    target, incoming, shape = maps(1)
    identity = Projection("c-to-b", "c", "b", ConvMap(np.eye(4)[:, :, None, None], ConvGeometry()))
    values = rates(shape)
    wanted = received(incoming, values, target) + values
    fitted = fitted_to_input(target, (incoming, identity), {"a": 0.8 * values, "c": values, INPUT: values}, wanted)
    assert np.array_equal(fitted.incoming[1].map.weight, identity.map.weight)
    assert not np.array_equal(fitted.incoming[0].map.weight, incoming.map.weight)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_channels_that_nothing_reaches_or_reads_say_nothing_about_the_others(groups: int) -> None:
    target, full, shape = maps(groups)
    weight = full.map.weight.copy()
    weight[:3] = 0.0
    weight[:, 1:] = 0.0
    values = rates(shape)
    sparse = projection(replace(full.map, weight=weight))
    assert can_be_fitted((sparse,))
    fitted = fitted_to_input(
        target, (sparse,), {"a": 0.8 * values, INPUT: values}, received(sparse, values, target) + np.float32(0.1)
    )
    new = fitted.incoming[0].map.weight
    assert not np.array_equal(new, weight)
    assert np.array_equal(new != 0, weight != 0)
    assert np.array_equal(fitted.bias[:3], target.bias[:3])


def test_what_cannot_be_fitted() -> None:
    sparse = SparseMap(np.ones(1), np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64))
    full = ConvMap(np.ones((4, 4, 3, 3)), _SAME)
    assert can_be_fitted((projection(full),))
    assert not can_be_fitted((projection(sparse),))
    assert not can_be_fitted((projection(full), projection(ConvMap(np.ones((4, 2, 3, 3)), ConvGeometry(groups=2)))))
    assert not can_be_fitted((projection(full, INPUT),))
    within = np.zeros((4, 4, 3, 3))
    within[:, :, 1, 1] = 1.0
    assert not can_be_fitted((projection(ConvMap(within, _SAME)),))
