"""Constant neurons become biases: the same function, and no scale that is theirs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spikec import targets
from spikec.compiler.ir.maxima import MaxPool
from spikec.compiler.ir.network import INPUT, Network, evaluate
from spikec.compiler.ir.operators import BatchNorm, Conv, Dense, QuantizeClip
from spikec.compiler.ir.rates import evaluate_rates
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes.contract import Context
from spikec.compiler.pipeline import Pipeline, passes_for, run_passes
from spikec.runtime.program.geometry import ConvGeometry
from spikec.runtime.samples import Samples

from .conftest import NetworkBuilder

THETA = 2.0


def rows(builder: type[NetworkBuilder], bias: float | None, seed: int = 0) -> Network:
    """A dense network; neuron 3 of its first layer has ``bias``, and 300 times the others' weights where it is < 0."""
    net = builder((20,), seed)
    net.dense("fc1", INPUT, 16)
    net.add("act1", QuantizeClip(THETA, 8, 0.5), "fc1")
    net.dense("fc2", "act1", 12)
    net.add("act2", QuantizeClip(THETA, 8, 0.5), "fc2")
    net.dense("fc3", "act2", 5)
    return net.network() if bias is None else with_constant(net.network(), "fc1", "fc2", bias, 3)


def with_constant(network: Network, layer: str, behind: str, bias: float, channel: int) -> Network:
    nodes = []
    for node in network.nodes:
        operator = node.operator
        if isinstance(operator, Conv | Dense) and node.name == layer:
            changed = np.array(operator.bias)
            changed[channel] = bias
            operator = replace(operator, bias=changed)
        if isinstance(operator, Conv | Dense) and node.name == behind and bias < 0:
            weight = np.array(operator.weight)
            weight[:, channel] *= 300
            operator = replace(operator, weight=weight)
        nodes.append(replace(node, operator=operator))
    return network.with_nodes(tuple(nodes))


def compiled(network: Network, target: str, images: Samples | None = None, timesteps: int = 8) -> Pipeline:
    return run_passes(network, Context(targets.load(target), timesteps, images), passes_for(CompileOptions()))


def bits_of(pipeline: Pipeline) -> list[float]:
    (effect,) = [r.effect for r in pipeline.records if r.name == "quantize-weights"]
    return [layer["weight_bits"] for layer in effect["layers"].values()]


def folded(pipeline: Pipeline) -> dict[str, int]:
    (effect,) = [r.effect for r in pipeline.records if r.name == "fold-constants"]
    return dict(effect["channels"])


@pytest.mark.parametrize("target", ["lava", "loihi1", "loihi2"])
@pytest.mark.parametrize("bias", [-100 * THETA, -1e4 * THETA, 100 * THETA])
def test_a_constant_neuron_sets_no_scale(builder: type[NetworkBuilder], target: str, bias: float) -> None:
    plain, network = rows(builder, None), rows(builder, bias)
    without, pipeline = compiled(plain, target), compiled(network, target)
    assert folded(without) == {}
    assert folded(pipeline) == {"fc1": 1}
    assert [d.code for d in pipeline.diagnostics] == ["I032"]
    assert without.state.program is not None
    assert pipeline.state.program is not None
    assert pipeline.state.program.input == without.state.program.input
    assert np.allclose(bits_of(pipeline), bits_of(without), atol=0.25)


@pytest.mark.parametrize("bias", [-100.0, 100.0])
def test_rows_keep_their_function(builder: type[NetworkBuilder], bias: float) -> None:
    network = rows(builder, bias)
    samples = np.random.default_rng(1).random((50, 20))
    state = compiled(network, "lava").stages["fold-constants"]
    assert state.spiking is not None
    np.testing.assert_allclose(
        evaluate_rates(state.spiking, samples)[state.spiking.readout.name],
        evaluate(network, samples)[network.output],
        atol=1e-9,
    )


@pytest.mark.parametrize("bias", [-50.0, 50.0, 0.3])
@pytest.mark.parametrize("groups", [1, 4])
def test_maps_keep_their_function_at_the_edges(builder: type[NetworkBuilder], bias: float, groups: int) -> None:
    """A channel that always fires is a bias that is smaller where the padding begins."""
    net = builder((2, 6, 6))
    net.conv("conv1", INPUT, 4)
    net.add("act1", QuantizeClip(THETA, 8, 0.5), "conv1")
    geometry = replace(net.nodes[0].operator.geometry, groups=groups)  # type: ignore[attr-defined]
    net.conv("conv2", "act1", 4, geometry=geometry)
    net.add("act2", QuantizeClip(THETA, 8, 0.5), "conv2")
    network = with_constant(net.network(), "conv1", "", bias, 1)
    if bias == 0.3:  # what no input reaches has one value, whatever it is
        first = network.nodes[0]
        assert isinstance(first.operator, Conv)
        weight = np.array(first.operator.weight)
        weight[1] = 0
        network = network.with_nodes(
            (replace(first, operator=replace(first.operator, weight=weight)), *network.nodes[1:])
        )
    samples = np.random.default_rng(1).random((10, 2, 6, 6))
    pipeline = compiled(network, "lava")
    assert folded(pipeline)["conv1"] == 1
    state = pipeline.stages["fold-constants"]
    assert state.spiking is not None
    np.testing.assert_allclose(
        evaluate_rates(state.spiking, samples)[state.spiking.readout.name],
        evaluate(network, samples)[network.output],
        atol=1e-9,
    )


def test_a_channel_that_a_batch_norm_never_saw_change_costs_nothing(builder: type[NetworkBuilder]) -> None:
    """It can never spike, its running variance is 0: the norm multiplies what never comes by 316."""
    net = builder((2, 6, 6))
    net.conv("conv1", INPUT, 4)
    net.add("act1", QuantizeClip(THETA, 8, 0.5), "conv1")
    variance = np.array([0.2, 0.0, 0.3, 0.1])
    net.add("norm", BatchNorm(np.ones(4), np.zeros(4), np.array([0.1, 0, 0.2, 0.1]), variance, 1e-5), "act1")
    net.conv("conv2", "norm", 6, kernel=1, geometry=replace(net.nodes[0].operator.geometry, padding=(0, 0, 0, 0)))  # type: ignore[attr-defined]
    net.add("act2", QuantizeClip(THETA, 8, 0.5), "conv2")
    network = with_constant(net.network(), "conv1", "", -50.0, 1)
    pipeline = compiled(network, "loihi2")
    without = np.array([0.2, 1.0, 0.3, 0.1])
    nodes = [
        replace(n, operator=replace(n.operator, variance=without)) if isinstance(n.operator, BatchNorm) else n
        for n in network.nodes
    ]
    assert bits_of(pipeline) == bits_of(compiled(network.with_nodes(tuple(nodes)), "loihi2"))


def rarely_firing(builder: type[NetworkBuilder]) -> tuple[Network, Samples]:
    """Neuron 3 of the first layer is silent on the images, but not on every image that there can be."""
    network = rows(builder, -4.0)
    images = Samples(np.random.default_rng(2).random((40, 20)).astype(np.float32), None)
    hidden = evaluate(network, images.as_float(), frozenset({"act1"}))["act1"]
    assert not hidden[:, 3].any()
    return network, images


def test_outsized_weights_of_a_source_that_is_silent_on_the_data_are_clipped(builder: type[NetworkBuilder]) -> None:
    network, images = rarely_firing(builder)
    pipeline = compiled(network, "loihi2", images)
    assert folded(pipeline) == {}
    (remark,) = [d for d in pipeline.diagnostics if d.code == "W215"]
    assert remark.place.layer == "fc2"
    assert remark.message.startswith("channels of 'fc1' never changed on calibration data")
    assert remark.measured is not None
    assert 10 < remark.measured < 2000
    before, after = pipeline.stages["fold-constants"].spiking, pipeline.stages["clip-silent-sources"].spiking
    assert before is not None
    assert after is not None
    (large,) = before.incoming("fc2")
    (small,) = after.incoming("fc2")
    others = np.delete(large.map.weight, 3, axis=1)
    np.testing.assert_array_equal(np.delete(small.map.weight, 3, axis=1), others)
    assert (np.abs(small.map.weight[:, 3]) <= np.abs(others).max(axis=1)).all()
    plain = compiled(rows(builder, None), "loihi2", images)
    assert np.allclose(bits_of(pipeline), bits_of(plain), atol=0.5)
    np.testing.assert_allclose(
        evaluate_rates(after, images.as_float())[after.readout.name],
        evaluate(network, images.as_float())[network.output],
        atol=1e-4,
    )


def test_without_calibration_data_nothing_is_clipped(builder: type[NetworkBuilder]) -> None:
    network, _ = rarely_firing(builder)
    pipeline = compiled(network, "loihi2")
    assert "W215" not in {d.code for d in pipeline.diagnostics}
    state = pipeline.stages["clip-silent-sources"]
    assert state is pipeline.stages["fold-constants"]


@pytest.mark.parametrize("timesteps", [1, 8])
def test_what_counts_within_one_level_is_not_constant(builder: type[NetworkBuilder], timesteps: int) -> None:
    """A rate of 0.4 is 0 on the only level, but may be three or four spikes of eight."""
    net = builder((20,))
    net.dense("fc1", INPUT, 16)
    net.add("act1", QuantizeClip(THETA, 1, 0.5), "fc1")
    net.add("fc2", Dense(0.4 * np.eye(16), np.zeros(16)), "act1")
    net.add("act2", QuantizeClip(THETA, 1, 0.5), "fc2")
    net.dense("fc3", "act2", 4)
    net.add("act3", QuantizeClip(THETA, 1, 0.5), "fc3")
    net.dense("fc4", "act3", 5)
    assert folded(compiled(net.network(), "lava", timesteps=timesteps)) == {}


def test_the_largest_of_constants_is_no_sum(builder: type[NetworkBuilder]) -> None:
    """Four rates of a half have a half as their maximum; as a sum they would always fire."""
    net = builder((2, 4, 4))
    bias = np.array([THETA / 2, 0.0, 0.0])
    net.add("conv1", Conv(np.array([0.0, 1.0, 1.0]).reshape(3, 1, 1, 1) * np.ones((1, 2, 1, 1)), bias), INPUT)
    net.add("act1", QuantizeClip(THETA, 2, 0.5), "conv1")
    net.add("pool", MaxPool((2, 2), (2, 2)), "act1")
    net.conv("conv2", "pool", 2)
    network = net.network()
    pipeline = compiled(network, "lava", timesteps=1)
    assert folded(pipeline) == {"conv1": 1, "pool": 1}
    state = pipeline.stages["fold-constants"]
    assert state.spiking is not None
    samples = np.random.default_rng(1).random((10, 2, 4, 4))
    np.testing.assert_allclose(
        evaluate_rates(state.spiking, samples)[state.spiking.readout.name],
        evaluate(network, samples)[network.output],
        atol=1e-9,
    )


def test_a_maximum_of_places_without_input_is_not_constant(builder: type[NetworkBuilder]) -> None:
    """The first row of the map sees padding alone, but rounded weights and biases may let it fire."""
    net = builder((2, 3, 6))
    weight = np.zeros((4, 2, 3, 3))
    weight[:, :, 0] = net.random.random(size=(4, 2, 3))
    net.add("conv1", Conv(weight, np.zeros(4), ConvGeometry(padding=(1, 1, 1, 1))), INPUT)
    net.add("act1", QuantizeClip(THETA, 8, 0.5), "conv1")
    net.add("pool", MaxPool((1, 2), (3, 2)), "act1")
    net.conv("conv2", "pool", 2)
    pipeline = compiled(net.network(), "lava")
    state = pipeline.stages["fold-constants"]
    assert state.spiking is not None
    rates = evaluate_rates(state.spiking, np.random.default_rng(1).random((10, 2, 3, 6)))
    assert rates["conv1"][:, :, 1:].any()
    assert not rates["conv1"][:, :, 0].any()
    assert folded(pipeline) == {}
