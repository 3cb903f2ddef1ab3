"""Exponents of many projections: the same numbers as one by one, by work that grows with the candidates alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spikec.compiler.arithmetic import mean
from spikec.compiler.ir.spiking import DenseMap, InputSignal, Population, Projection, SpikingNetwork
from spikec.compiler.passes import scales
from spikec.compiler.passes.contract import Context
from spikec.compiler.passes.drives import drives_of
from spikec.compiler.passes.exponents import choose_exponents
from spikec.compiler.passes.scales import ceiling, expected_error
from spikec.targets import load


def test_all_projections_at_once_are_as_one_by_one() -> None:
    random = np.random.default_rng(0)
    received, largest = random.random((7, 5)) ** 9, random.random((7, 5)) * (random.random((7, 5)) > 0.2)
    exponents, threshold = (0, 3, 1, 7, 0, 2, 5), random.uniform(20, 9000, 5)
    error = 0.0
    for activity, exponent in zip(received, exponents, strict=True):
        error += float(mean(np.square((2 << exponent) / threshold) / 12 * activity))
    assert expected_error(received, exponents, threshold, 2) == error
    allowed = np.full(5, np.inf)
    for values, exponent in zip(largest, exponents, strict=True):
        seen = values > 0
        allowed[seen] = np.minimum(allowed[seen], (254 << exponent) / values[seen])
    found = ceiling({"ceiling": np.full(5, 1e5)}, largest, exponents, 254)
    assert np.array_equal(found.threshold, np.minimum(allowed, 1e5))


@pytest.mark.parametrize("count", [4, 32])
def test_a_candidate_is_measured_by_one_mean_however_many_projections_there_are(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[int] = []

    def counted(values: Any, **options: Any) -> Any:
        called.append(1)
        return mean(values, **options)

    spiking = with_projections(count)
    target = load("loihi2")
    drives = drives_of(spiking, spiking.populations[-1], {f"p{k}": np.ones(3) for k in range(count)}, 4)
    monkeypatch.setattr(scales, "mean", counted)
    choose_exponents(spiking.populations[-1], drives, Context(target, 4))
    largest = target.weights.exponent_maximum.value
    assert 1 + count * largest <= len(called) <= 1 + (count + 1) * largest


def with_projections(count: int) -> SpikingNetwork:
    """A population of two neurons that ``count`` others of three project to."""
    random = np.random.default_rng(count)

    def population(name: str, size: int) -> Population:
        return Population(name, (size,), np.ones(1), np.zeros(1), np.zeros(1), 1.0, name)

    names = [f"p{k}" for k in range(count)]
    return SpikingNetwork(
        "many",
        InputSignal((3,), (0,), (3,), 1 / 255, 0, 255),
        (*(population(name, 3) for name in names), population("last", 2)),
        tuple(Projection(f"{name}-to-last", name, "last", DenseMap(random.normal(size=(2, 3)))) for name in names),
    )
