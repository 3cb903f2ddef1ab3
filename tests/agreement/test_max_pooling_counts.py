"""Under the schedule exact, and at T = 1, the counts behind a maximum are the maximum of the counts in front of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from spikec.compiler.ir.maxima import Maximum, MaxPool
from spikec.compiler.ir.network import INPUT, Network, Node, Origin, evaluate
from spikec.compiler.ir.operators import (
    Add,
    Conv,
    Dense,
    Operator,
    Pad,
    QuantizeClip,
    Relu,
    Reshape,
    Scale,
    Shape,
)
from spikec.compiler.ir.spiking import ConvMap
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes.contract import Context
from spikec.compiler.passes.move_maxima import MAXIMA
from spikec.compiler.pipeline import Pipeline, passes_for, run_passes
from spikec.runtime.agreement import compare
from spikec.runtime.encoding import encode
from spikec.runtime.execution import Execution
from spikec.runtime.lava import availability, run_lava
from spikec.runtime.program.geometry import ConvGeometry
from spikec.runtime.reference.network import run_reference
from spikec.runtime.samples import Samples
from spikec.runtime.simulator import simulate
from spikec.targets import load

needs_lava = pytest.mark.skipif(not availability().available, reason=availability().detail)
SAME = ConvGeometry(padding=(1, 1, 1, 1))


class Builder:
    """Activations of ``levels`` levels, or ReLUs for None."""

    def __init__(self, shape: Shape, levels: int | None) -> None:
        self.random = np.random.default_rng(7)
        self.levels = levels
        self.shapes: dict[str, Shape] = {INPUT: shape}
        self.nodes: list[Node] = []

    def add(self, name: str, operator: Operator, *inputs: str) -> str:
        shape = operator.result_shape(tuple(self.shapes[i] for i in inputs))
        self.nodes.append(Node(name, operator, inputs, shape, (Origin(f"/{name}", type(operator).__name__),)))
        self.shapes[name] = shape
        return name

    def activation(self, name: str, source: str) -> str:
        operator = Relu() if self.levels is None else QuantizeClip(1.0, self.levels, 0.5)
        return self.add(name, operator, source)

    def conv(self, name: str, source: str, outputs: int, geometry: ConvGeometry = SAME) -> str:
        channels = self.shapes[source][0]
        weight = 1.5 * self.random.normal(size=(outputs, channels, 3, 3)) / np.sqrt(channels * 9)
        return self.add(name, Conv(weight, 0.2 + 0.1 * self.random.normal(size=outputs), geometry), source)

    def finish(self, source: str) -> Network:
        size = int(np.prod(self.shapes[source]))
        self.add("flat", Reshape((size,)), source)
        self.add(
            "scores", Dense(self.random.normal(size=(4, size)) / np.sqrt(size), self.random.normal(size=4)), "flat"
        )
        return Network("net", self.shapes[INPUT], tuple(self.nodes), "scores")


def pools(levels: int | None) -> Network:
    """2x2 pools, before and behind their activation, on even and odd maps."""
    net = Builder((2, 10, 9), levels)
    net.add("p1", MaxPool((2, 2), (2, 2)), net.activation("a1", net.conv("c1", INPUT, 4)))
    net.activation("a2", net.add("p2", MaxPool((2, 2), (2, 2)), net.conv("c2", "p1", 4)))
    return net.finish(net.activation("a3", net.conv("c3", "a2", 3)))


def overlapping(levels: int | None) -> Network:
    """3x3 with stride two and padding, 5x5 with stride one, 3x3 over one map as a whole."""
    net = Builder((2, 9, 9), levels)
    net.add("p1", MaxPool((3, 3), (2, 2), (1, 1, 1, 1)), net.activation("a1", net.conv("c1", INPUT, 3)))
    net.add("p2", MaxPool((5, 5), (1, 1), (2, 2, 2, 2)), net.activation("a2", net.conv("c2", "p1", 3)))
    net.activation("a3", net.conv("c3", "p2", 3, ConvGeometry((2, 2))))
    return net.finish(net.add("p3", MaxPool((2, 2), (1, 1)), "a3"))


def branches(levels: int | None) -> Network:
    """Max and Min of two branches, and pools of joined channels, of a leaky activation and of a sum."""
    net = Builder((2, 6, 6), levels)
    net.activation("a1", net.conv("c1", INPUT, 3))
    net.add("falling", Scale(np.array(-1.0)), "c1")
    net.add("leak", Scale(np.array(-1.0)), net.activation("a2", "falling"))
    net.add("signed", Add(), "a1", "leak")
    net.add("p1", MaxPool((2, 2), (1, 1), (0, 0, 1, 1)), "signed")
    net.activation("b1", net.conv("d1", "p1", 3))
    net.activation("b2", net.conv("d2", "p1", 3))
    net.add("larger", Maximum(), "b1", "b2")
    left = net.add("left", Pad((0, 0, 0), (3, 0, 0)), "larger")
    right = net.add("right", Pad((3, 0, 0), (0, 0, 0)), net.activation("b3", net.conv("d3", "p1", 3)))
    net.add("p2", MaxPool((2, 2), (2, 2)), net.add("joined", Add(), left, right))
    net.add("two", Add(), net.activation("e1", net.conv("f1", "p2", 2)), net.activation("e2", net.conv("f2", "p2", 2)))
    return net.finish(net.add("p3", MaxPool((3, 3), (1, 1)), "two"))


NETWORKS = {"pools": pools, "overlapping": overlapping, "branches": branches}


def compiled(network: Network, target: str, timesteps: int, schedule: str) -> tuple[Pipeline, Samples]:
    random = np.random.default_rng(3)
    images = Samples(random.integers(0, 256, (24, *network.input_shape)).astype(np.uint8), None)
    context = Context(load(target), timesteps, images, schedule=schedule)
    # In one step the potentials that come closest to small random activations may leave a layer silent.
    options = CompileOptions(calibrate=timesteps > 1)
    return run_passes(network, context, passes_for(options)), images


class ValuesOfCounts:
    """Values of the expanded network, were its activations what the spikes count."""

    def __init__(self, pipeline: Pipeline, execution: Execution) -> None:
        assert execution.spike_trains is not None
        assert pipeline.state.spiking is not None
        assert pipeline.state.program is not None
        self.network, timesteps = pipeline.state.network, pipeline.state.program.timesteps
        self.known: dict[str, npt.NDArray[np.float64]] = {}
        for population in pipeline.state.spiking.populations[:-1]:
            trains = execution.spike_trains[population.name]
            counts = trains.sum(axis=1, dtype=np.int64).reshape(-1, *population.shape)
            self.known[population.activation] = counts * (population.spike_value / timesteps)

    def of(self, name: str) -> npt.NDArray[np.float64]:
        if name not in self.known:
            node = self.network.node(name)
            self.known[name] = np.asarray(node.operator.evaluate(tuple(self.of(value) for value in node.inputs)))
        return self.known[name]


def assert_maxima(pipeline: Pipeline, execution: Execution) -> None:
    values = ValuesOfCounts(pipeline, execution)
    maxima = [n for n in pipeline.stages["calibrate-thresholds"].network.nodes if isinstance(n.operator, MAXIMA)]
    assert maxima
    for node in maxima:
        wanted = node.operator.evaluate(tuple(values.of(name) for name in node.inputs))
        np.testing.assert_allclose(values.of(node.name), wanted, rtol=0, atol=1e-9 * float(np.abs(wanted).max()))
        assert wanted.any(), f"{node.name} is silent, which proves nothing"


def effects(pipeline: Pipeline) -> list[dict[str, Any]]:
    return list(next(r.effect for r in pipeline.records if r.name == "expand-maxima")["maxima"].values())


CASES = [
    *(
        (name, 4, target, timesteps)
        for name in NETWORKS
        for target, timesteps in (("lava", 1), ("lava", 7), ("loihi2", 4))
    ),
    *((name, None, target, 4) for name in ("pools", "overlapping") for target in ("lava", "loihi2")),
]


@pytest.mark.parametrize(("name", "levels", "target", "timesteps"), CASES)
def test_counts_are_the_maximum_of_counts(name: str, levels: int | None, target: str, timesteps: int) -> None:
    pipeline, images = compiled(NETWORKS[name](levels), target, timesteps, "exact")
    program = pipeline.state.program
    assert program is not None
    assert all(maximum["exact"] for maximum in effects(pipeline))
    samples = encode(program.input, images.inputs[:4])[0]
    assert_maxima(pipeline, simulate(program, samples, record=True))


def test_counts_within_one_level_are_compared_too() -> None:
    """Activations that are 0 by their one level, whatever the input, and count up to three of eight steps."""
    net = Builder((2, 6, 6), 1)
    net.add("less", Scale(np.array(0.4)), net.activation("a1", net.conv("c1", INPUT, 3)))
    net.add("p1", MaxPool((2, 2), (2, 2)), net.activation("a2", "less"))
    pipeline, images = compiled(net.finish("p1"), "lava", 8, "exact")
    program = pipeline.state.program
    assert program is not None
    assert all(maximum["exact"] for maximum in effects(pipeline))
    assert_maxima(pipeline, simulate(program, encode(program.input, images.inputs[:4])[0], record=True))


@needs_lava
@pytest.mark.parametrize("timesteps", [1, 4])
def test_backends_agree_on_maxima(timesteps: int) -> None:
    pipeline, images = compiled(pools(4), "loihi2", timesteps, "exact" if timesteps > 1 else "pipelined")
    program = pipeline.state.program
    assert program is not None
    samples = encode(program.input, images.inputs[:2])[0]
    executions = [
        run_reference(program, samples, record=True),
        simulate(program, samples, record=True),
        run_lava(program, samples, record=True, deadline=300.0),
    ]
    agreement = compare(program, executions)
    assert agreement.equal, agreement.first_difference
    assert_maxima(pipeline, executions[0])


def test_at_one_step_a_maximum_is_one_neuron_and_calibration_leaves_it_alone() -> None:
    pipeline, images = compiled(pools(4), "lava", 1, "pipelined")
    program = pipeline.state.program
    assert program is not None
    assert [(maximum["neurons"], maximum["depth"]) for maximum in effects(pipeline)] == [(4 * 5 * 4, 1), (4 * 2 * 2, 1)]
    assert_maxima(pipeline, simulate(program, encode(program.input, images.inputs)[0], record=True))


def test_a_pool_of_two_by_two_takes_three_quarters_of_its_map_in_neurons_two_deep() -> None:
    pipeline, _ = compiled(pools(4), "lava", 4, "exact")
    assert pipeline.state.spiking is not None
    assert [(maximum["neurons"], maximum["depth"]) for maximum in effects(pipeline)] == [
        (4 * (10 * 4 + 5 * 4), 2),
        (4 * (4 * 2 + 2 * 2), 2),
    ]
    assert all(isinstance(p.map, ConvMap) for p in pipeline.state.spiking.projections[:-4])


@pytest.mark.parametrize("name", NETWORKS)
def test_the_float_network_stays_the_same(name: str) -> None:
    network = NETWORKS[name](4)
    pipeline, images = compiled(network, "lava", 4, "pipelined")
    inputs = images.as_float().astype(np.float64)
    before = evaluate(pipeline.stages["calibrate-thresholds"].network, inputs)["scores"]
    after = evaluate(pipeline.stages["expand-maxima"].network, inputs)["scores"]
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-9 * float(np.abs(before).max()))
    np.testing.assert_allclose(
        before, evaluate(network, inputs)["scores"], rtol=0, atol=1e-9 * float(np.abs(before).max())
    )
