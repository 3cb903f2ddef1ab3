"""Rates of level 2 stand for the activations of level 1."""

from __future__ import annotations

import numpy as np
import pytest

from spikec import targets
from spikec.compiler.ir.network import INPUT, Network, Node, evaluate
from spikec.compiler.ir.operators import Dense, QuantizeClip, Reshape, Transpose
from spikec.compiler.ir.rates import evaluate_rates
from spikec.compiler.ir.spiking import SpikingNetwork
from spikec.compiler.passes.balance_thresholds import BalanceThresholds
from spikec.compiler.passes.compose_linear_maps import ComposeLinearMaps
from spikec.compiler.passes.contract import Compilation, Context

SAMPLES = np.random.default_rng(3).random((5, 1, 4, 4))


def test_rates_times_thresholds_are_the_activations(network: Network, spiking: SpikingNetwork) -> None:
    values = evaluate(network, SAMPLES, frozenset(("act1", "act2", "act3")))
    rates = evaluate_rates(spiking, SAMPLES)
    for population in spiking.populations[:-1]:
        # Doubles; a level is at least a quarter, so equal levels are equal to rounding.
        np.testing.assert_allclose(
            rates[population.name] * population.spike_value, values[population.activation], rtol=0, atol=1e-12
        )
    np.testing.assert_allclose(rates[spiking.readout.name], values["scores"], rtol=0, atol=1e-12)


def test_unit_of_thresholds_does_not_matter(network: Network, spiking: SpikingNetwork) -> None:
    context = Context(targets.load("lava"), 4)
    balanced = BalanceThresholds().run(Compilation(network, spiking), context).state.spiking
    assert balanced is not None
    expected, found = evaluate_rates(spiking, SAMPLES), evaluate_rates(balanced, SAMPLES)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=0, atol=1e-12)


def test_without_levels_rates_only_clip(spiking: SpikingNetwork) -> None:
    rates = evaluate_rates(spiking, SAMPLES, continuous=True)
    firing = spiking.populations[:-1]
    assert all(rates[p.name].min() >= 0 and rates[p.name].max() <= 1 for p in firing)
    steps = rates[firing[0].name] * (firing[0].levels or 1)
    assert np.abs(steps - np.rint(steps)).max() > 1e-3


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_input_is_permuted_and_scaled(kind: type[np.floating]) -> None:  # type: ignore[type-arg]
    weight = np.random.default_rng(0).normal(size=(2, 12))
    nodes = (
        Node("moved", Transpose((2, 0, 1)), (INPUT,), (3, 2, 2)),
        Node("flat", Reshape((12,)), ("moved",), (12,)),
        Node("act", QuantizeClip(1.0, None), ("flat",), (12,)),
        Node("scores", Dense(weight, np.zeros(2)), ("act",), (2,)),
    )
    network = Network("last", (2, 2, 3), nodes, "scores")
    spiking = ComposeLinearMaps().run(Compilation(network), Context(targets.load("lava"), 4)).state.spiking
    assert spiking is not None
    assert spiking.input.axes == (2, 0, 1)
    samples = np.random.default_rng(1).random((4, 2, 2, 3)).astype(kind)
    found = evaluate_rates(spiking, samples)[spiking.readout.name]
    assert found.dtype == kind
    # single precision keeps seven digits, doubles sixteen
    np.testing.assert_allclose(found, evaluate(network, samples)["scores"], atol=1e-6 if kind is np.float32 else 1e-14)
