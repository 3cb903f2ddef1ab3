"""Passes on the float levels: what they print, and that the function stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from spikec import targets
from spikec.compiler.ir.network import Network, evaluate
from spikec.compiler.ir.operators import BatchNorm, QuantizeClip, Relu
from spikec.compiler.ir.rates import evaluate_rates
from spikec.compiler.ir.text import print_network, print_spiking
from spikec.compiler.passes.align_delays import AlignDelays
from spikec.compiler.passes.balance_thresholds import BalanceThresholds
from spikec.compiler.passes.calibrate_thresholds import CalibrateThresholds
from spikec.compiler.passes.compose_linear_maps import ComposeLinearMaps
from spikec.compiler.passes.contract import Compilation, Context, Pass
from spikec.compiler.passes.fold_batch_norm import FoldBatchNorm
from spikec.compiler.pipeline import run_passes
from spikec.runtime.samples import Samples
from spikec.targets.diagnostic import UnusableInput

Golden = Callable[[str, str], None]

# Doubles throughout: only the order of sums differs.
TOLERANCE = 1e-9


def after(network: Network, context: Context, *passes: Pass) -> Compilation:
    return run_passes(network, context, passes).state


def scores(network: Network, images: Samples) -> np.ndarray[tuple[int, ...], np.dtype[np.floating]]:  # type: ignore[type-arg]
    return evaluate(network, images.inputs / 255.0)[network.output]


def test_fold_batch_norm(quantised_network: Network, context: Context, images: Samples, golden: Golden) -> None:
    state = after(quantised_network, context, FoldBatchNorm())
    golden("after.txt", print_network(state.network))
    assert not any(isinstance(n.operator, BatchNorm) for n in state.network.nodes)
    assert np.allclose(scores(quantised_network, images), scores(state.network, images), rtol=0, atol=TOLERANCE)


def test_nothing_to_fold_is_no_change(quantised_network: Network, context: Context) -> None:
    folded = after(quantised_network, context, FoldBatchNorm())
    assert FoldBatchNorm().run(folded, context).state is folded


def test_calibrate_thresholds(relu_network: Network, context: Context, golden: Golden) -> None:
    state = after(relu_network, context, FoldBatchNorm(), CalibrateThresholds())
    golden("after.txt", print_network(state.network))
    assert not any(isinstance(n.operator, Relu) for n in state.network.nodes)


@pytest.mark.parametrize("timesteps", [2, 8, 64])
def test_mse_threshold_is_the_best_of_its_grid(relu_network: Network, images: Samples, timesteps: int) -> None:
    context = Context(targets.load("lava"), timesteps, images)
    state = after(relu_network, context, FoldBatchNorm(), CalibrateThresholds())
    operator = state.network.node("act1").operator
    assert isinstance(operator, QuantizeClip)
    folded = after(relu_network, context, FoldBatchNorm()).network
    values = evaluate(folded, images.as_float(), frozenset({"act1"}))["act1"].astype(np.float64)

    def error(threshold: float) -> float:
        levels = np.floor(values * timesteps / threshold + 0.5).clip(0, timesteps)
        return float(np.square(levels * threshold / timesteps - values).sum())

    grid = [error(values.max() * i / 100) for i in range(6, 101)]
    # float32 activations of the pass against doubles here
    assert error(operator.threshold) <= min(grid) * (1 + 1e-3)


def test_percentile_threshold(relu_network: Network, images: Samples, context: Context) -> None:
    state = after(relu_network, context, FoldBatchNorm(), CalibrateThresholds("percentile", 90.0))
    operator = state.network.node("act1").operator
    assert isinstance(operator, QuantizeClip)
    folded = after(relu_network, context, FoldBatchNorm()).network
    values = evaluate(folded, images.as_float(), frozenset({"act1"}))["act1"]
    # float32 on both sides; batches of another size sum in another order
    assert np.isclose(operator.threshold, np.percentile(values, 90.0), rtol=1e-4)


def test_relu_without_calibration_data_is_refused(relu_network: Network, context: Context) -> None:
    with pytest.raises(UnusableInput) as refusal:
        after(relu_network, replace(context, calibration=None), CalibrateThresholds())
    assert [d.code for d in refusal.value.diagnostics] == ["E221"] * 4
    assert refusal.value.diagnostics[0].place.nodes == ("/act1",)


def test_relu_that_never_fires_is_refused(relu_network: Network, context: Context) -> None:
    dark = tuple(
        replace(n, operator=replace(n.operator, bias=n.operator.bias - 1e3)) if n.name == "conv2" else n  # type: ignore[attr-defined, type-var]
        for n in relu_network.nodes
    )
    with pytest.raises(UnusableInput) as refusal:
        after(relu_network.with_nodes(dark), context, CalibrateThresholds())
    assert [(d.code, d.place.layer) for d in refusal.value.diagnostics] == [("E222", "act2")]


def test_compose_linear_maps(quantised_network: Network, context: Context, images: Samples, golden: Golden) -> None:
    state = after(quantised_network, context, FoldBatchNorm(), ComposeLinearMaps())
    assert state.spiking is not None
    golden("after.txt", print_spiking(state.spiking))
    rates = evaluate_rates(state.spiking, images.inputs / 255.0)
    assert np.allclose(rates["scores"], scores(quantised_network, images), rtol=0, atol=TOLERANCE)


def test_balance_thresholds_and_align_delays(
    quantised_network: Network, context: Context, images: Samples, golden: Golden
) -> None:
    scaled = tuple(
        replace(n, operator=replace(n.operator, threshold=1.7)) if n.name in ("act1", "act3") else n  # type: ignore[type-var]
        for n in quantised_network.nodes
    )
    network = quantised_network.with_nodes(scaled)
    state = after(network, context, FoldBatchNorm(), ComposeLinearMaps(), BalanceThresholds(), AlignDelays())
    assert state.spiking is not None
    golden("after.txt", print_spiking(state.spiking))
    assert [(p.name, p.delay) for p in state.spiking.projections if p.delay] == [("conv1-to-conv3", 1)]
    rates = evaluate_rates(state.spiking, images.inputs / 255.0)
    assert np.allclose(rates["scores"], scores(network, images), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("levels", "shift", "timesteps", "expected"),
    [(4, 0.0, 4, 0.0), (4, 0.5, 4, 0.5), (8, 0.0, 2, 0.375), (4, 0.0, 16, 0.0), (2, 0.5, 8, 0.5)],
)
def test_initial_potential_follows_levels_and_shift(
    quantised_network: Network, context: Context, levels: int, shift: float, timesteps: int, expected: float
) -> None:
    nodes = tuple(
        replace(n, operator=QuantizeClip(1.0, levels, shift)) if isinstance(n.operator, QuantizeClip) else n
        for n in quantised_network.nodes
    )
    network = quantised_network.with_nodes(nodes)
    state = after(network, replace(context, timesteps=timesteps), FoldBatchNorm(), ComposeLinearMaps())
    assert state.spiking is not None
    assert state.spiking.population("conv1").initial_potential.item() == expected


def test_output_that_is_an_activation_gets_a_readout_of_its_spikes(
    quantised_network: Network, context: Context
) -> None:
    network = quantised_network.with_nodes(quantised_network.nodes[:-2], "act4")
    state = after(network, context, FoldBatchNorm(), ComposeLinearMaps())
    assert state.spiking is not None
    assert state.spiking.readout.name == "readout"
    assert [p.source for p in state.spiking.incoming("readout")] == ["conv4"]


def test_operator_that_is_neither_linear_nor_an_activation_is_refused(relu_network: Network, context: Context) -> None:
    with pytest.raises(UnusableInput) as refusal:
        after(relu_network, context, FoldBatchNorm(), ComposeLinearMaps())
    assert [(d.code, d.place.layer) for d in refusal.value.diagnostics] == [("E224", f"act{n}") for n in (1, 2, 3, 4)]
