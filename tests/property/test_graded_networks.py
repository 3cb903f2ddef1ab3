"""Graded neurons compute the quantised ANN: every neuron of every layer, judged by an evaluation of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec import targets
from spikec.compiler.ir.maxima import Maximum, MaxPool
from spikec.compiler.ir.network import INPUT, Network, Node, evaluate
from spikec.compiler.ir.operators import (
    Add,
    AveragePool,
    Conv,
    Dense,
    Offset,
    Operator,
    QuantizeClip,
    Reshape,
    Shape,
    Slice,
)
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes.contract import Context
from spikec.compiler.pipeline import Pipeline, passes_for, run_passes
from spikec.runtime.encoding import encode
from spikec.runtime.execution import Execution
from spikec.runtime.program import ConvSynapses, DenseSynapses, IntArray, Population, Program, Projection
from spikec.runtime.program.geometry import ConvGeometry
from spikec.runtime.program.neuron_models import GRADED
from spikec.runtime.program.neuron_range import neuron_range, stays_in_range
from spikec.runtime.program.rules import problems
from spikec.runtime.reference.network import run_reference
from spikec.runtime.simulator import simulate
from spikec.targets.diagnostic import UnusableInput

SEEDS = st.integers(0, 2**32 - 1)
SAME = ConvGeometry(padding=(1, 1, 1, 1))


def compiled(network: Network, context: Context) -> Pipeline | None:
    """None where the state is too narrow for the weights, which a diagnostic says of a layer."""
    try:
        return run_passes(network, context, passes_for(CompileOptions(calibrate=False)))
    except UnusableInput as refusal:
        found = refusal.diagnostics
    assert {d.code for d in found} <= {"E210", "E221", "E222"}
    assert all(d.place.layer and d.hint for d in found)
    return None


def program_of(pipeline: Pipeline) -> Program:
    assert pipeline.state.program is not None
    return pipeline.state.program


def drive(projection: Projection, codes: IntArray, target: Population) -> IntArray:
    """Sum of integer weights times codes (N, *source), in 64-bit floats that hold it exactly."""
    weight = projection.synapses.weight.astype(np.float64) * 2.0**projection.exponent
    if isinstance(projection.synapses, ConvSynapses):
        geometry = projection.synapses.geometry
        top, left, bottom, right = geometry.padding
        padded = torch.nn.functional.pad(torch.from_numpy(codes.astype(np.float64)), (left, right, top, bottom))
        maps = torch.nn.functional.conv2d(
            padded,
            torch.from_numpy(weight),
            stride=geometry.stride,
            dilation=geometry.dilation,
            groups=geometry.groups,
        )
        return np.asarray(maps.numpy()).astype(np.int64)
    if isinstance(projection.synapses, DenseSynapses):
        matrix = weight
    else:
        matrix = np.zeros((target.neurons, int(np.prod(codes.shape[1:]))))
        matrix[projection.synapses.target, projection.synapses.source] = weight
    return np.asarray(codes.reshape(len(codes), -1) @ matrix.T).astype(np.int64).reshape(-1, *target.shape)


def quantised_ann(program: Program, encoded: IntArray) -> tuple[dict[str, IntArray], dict[str, IntArray]]:
    """Codes N = clip(floor(x / u + s), low, high) of every layer, x and u in weight units, and the drives x + s u."""
    codes, drives = {"input": encoded}, {}
    for layer in program.populations:
        total = np.broadcast_to(layer.bias + layer.initial_potential, (len(encoded), *layer.shape)).astype(np.int64)
        for projection in program.incoming(layer.name):
            total = total + drive(projection, codes[projection.source], layer)
        drives[layer.name] = total
        if layer.threshold is not None:
            codes[layer.name] = np.clip(np.floor_divide(total, layer.threshold), *layer.payloads)
    return codes, drives


def assert_every_neuron_equal(program: Program, encoded: IntArray, execution: Execution) -> None:
    codes, drives = quantised_ann(program, encoded)
    assert execution.spike_trains is not None
    for layer in program.firing:
        wanted = codes[layer.name].reshape(len(encoded), 1, -1)
        np.testing.assert_array_equal(execution.spike_trains[layer.name], wanted, err_msg=layer.name)
        assert execution.spike_counts[layer.name] == np.count_nonzero(wanted)
    for layer in program.readouts:
        np.testing.assert_array_equal(execution.readouts[layer.name], drives[layer.name].reshape(len(encoded), -1))
    for layer in program.populations:
        low, high = neuron_range(program, layer)
        assert (drives[layer.name] >= low).all()
        assert (drives[layer.name] <= high).all()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=SEEDS,
    name=st.sampled_from(("lava", "loihi2", "programmable")),
    weight_bits=st.sampled_from((None, 2, 4)),
    calibrated=st.booleans(),
    levels=st.sampled_from((1, 5, 300)),
)
def test_every_neuron_is_that_of_the_quantised_network(
    random_network: Callable[[int], Any], seed: int, name: str, weight_bits: int | None, calibrated: bool, levels: int
) -> None:
    drawn = random_network(seed)
    images = drawn.images if calibrated else None
    context = Context(targets.load(name), 1, images, weight_bits, neuron=GRADED, payload_levels=levels)
    pipeline = compiled(drawn.network, context)
    if pipeline is None:
        return
    program = program_of(pipeline)
    assert not list(problems(program))
    assert stays_in_range(program)
    assert program.neuron.name == GRADED
    encoded, _ = encode(program.input, drawn.images.first(4).inputs)
    assert_every_neuron_equal(program, encoded, simulate(program, encoded, record=True))
    assert_every_neuron_equal(program, encoded[:1], run_reference(program, encoded[:1], record=True))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=SEEDS)
def test_payloads_are_the_layers_own_levels_from_their_own_shift(
    random_network: Callable[[int], Any], seed: int
) -> None:
    drawn = random_network(seed)
    pipeline = compiled(drawn.network, Context(targets.load("lava"), 1, drawn.images, neuron=GRADED))
    if pipeline is None:
        return
    network, spiking = pipeline.state.network, pipeline.state.spiking
    assert spiking is not None
    for population in program_of(pipeline).firing:
        activation = network.node(spiking.population(population.name).activation).operator
        assert isinstance(activation, QuantizeClip)
        assert population.payloads == (0, activation.levels)
        assert population.threshold is not None
        off = population.initial_potential - activation.shift * population.threshold
        assert np.abs(off).max() <= 0.5


class OnGrid:
    """A network whose weights, levels and biases are multiples of small powers of two, so that nothing is rounded."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list[Node] = []
        self.shapes: dict[str, Shape] = {INPUT: (2, 6, 6)}

    def add(self, operator: Operator, *inputs: str) -> str:
        name = f"n{len(self.nodes)}"
        self.shapes[name] = operator.result_shape(tuple(self.shapes[i] for i in inputs))
        self.nodes.append(Node(name, operator, inputs, self.shapes[name]))
        return name

    def convolved(self, source: str, outputs: int) -> str:
        weight = self.random.integers(-4, 5, (outputs, self.shapes[source][0], 3, 3)) / 4
        return self.add(Conv(weight, self.random.integers(-3, 4, outputs) / 4, SAME), source)

    def quantised(self, source: str, unit: float) -> str:
        levels = int(self.random.choice([1, 3, 8, 20]))
        return self.add(QuantizeClip(levels * unit, levels, float(self.random.choice([0.0, 0.5]))), source)

    def signed(self, source: str, unit: float) -> str:
        below, above = int(self.random.choice([1, 4, 8])), int(self.random.choice([1, 3, 7]))
        moved = self.add(Offset(np.array(below * unit)), source)
        codes = self.add(QuantizeClip((below + above) * unit, below + above, 0.5), moved)
        return self.add(Offset(np.array(-below * unit)), codes)

    def pooled(self) -> Network:
        """Maxima of windows, signed and not, and of two values; those that are compared have a common grid."""
        first = self.add(MaxPool((2, 2), (2, 2)), self.quantised(self.convolved(INPUT, 3), 2.0))
        signed = self.signed(self.convolved(first, 2), 4.0)
        windows = self.add(MaxPool((3, 3), (1, 1), (1, 1, 1, 1)), signed)
        second = self.quantised(self.convolved(windows, 2), 1.0)
        larger = self.add(Maximum(), second, self.add(Slice((0, 0, 0), (2, 3, 3), (1, 1, 1)), second))
        last = self.quantised(self.convolved(larger, 2), 0.5)
        scores = self.add(Dense(self.random.integers(-4, 5, (3, 18)) / 4, np.zeros(3)), self.add(Reshape((18,)), last))
        return Network("maxima", self.shapes[INPUT], tuple(self.nodes), scores, integers=(0, 15))

    def network(self, *, has_signs: bool) -> Network:
        first = (self.signed if has_signs else self.quantised)(self.convolved(INPUT, 3), 2.0)
        second = self.quantised(self.convolved(first, 3), 4.0)
        added = self.add(Add(), self.convolved(second, 3), first)
        joined = (self.signed if has_signs else self.quantised)(added, 4.0)
        pooled = self.quantised(self.add(AveragePool((2, 2), (2, 2)), joined), 1.0)
        flat = self.add(Reshape((27,)), pooled)
        weight = self.random.integers(-4, 5, (4, 27)) / 4
        scores = self.add(Dense(weight, self.random.integers(-3, 4, 4) / 4), flat)
        return Network("on-grid", self.shapes[INPUT], tuple(self.nodes), scores, integers=(0, 15))


@pytest.mark.parametrize("has_signs", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_a_network_on_a_grid_is_its_own_float_activations_neuron_by_neuron(seed: int, has_signs: bool) -> None:
    network = OnGrid(seed).network(has_signs=has_signs)
    program = assert_is_the_float_network(network, seed)
    assert any(p.payloads[0] < 0 for p in program.firing) == has_signs


@pytest.mark.parametrize("seed", range(3))
def test_maxima_of_levels_lose_nothing(seed: int) -> None:
    network = OnGrid(seed).pooled()
    program = assert_is_the_float_network(network, seed)
    assert len(program.firing) > 4


def assert_is_the_float_network(network: Network, seed: int) -> Program:
    """Every activation that the network had before it was expanded, neuron by neuron."""
    pipeline = compiled(network, Context(targets.load("programmable"), 1, neuron=GRADED))
    assert pipeline is not None
    program, spiking = program_of(pipeline), pipeline.state.spiking
    assert spiking is not None
    images = np.random.default_rng(seed).integers(0, 16, (5, 2, 6, 6)).astype(np.uint8)
    execution = simulate(program, encode(program.input, images)[0], record=True)
    assert execution.spike_trains is not None
    values = evaluate(network, images.astype(np.float64), frozenset(node.name for node in network.nodes))
    named = {population.activation.removesuffix(".signed"): population for population in spiking.firing}
    own = [name for name in named if name in values]
    assert len(own) >= 3
    for name in own:
        population = named[name]
        least, _ = population.payloads
        operator = network.node(name).operator
        assert isinstance(operator, QuantizeClip)
        assert operator.levels is not None
        wanted = values[name] * operator.levels / operator.threshold + least
        assert (wanted.min() < 0) == (least < 0), "codes on both sides of zero, where there are any"
        assert wanted.max() > 0, "a silent layer proves nothing"
        found = execution.spike_trains[population.name].reshape(wanted.shape)
        np.testing.assert_array_equal(found, wanted, err_msg=population.name)
    # A read-out has no threshold, so that its weights are rounded to the units which resolve the largest best.
    assert program.score_unit is not None
    np.testing.assert_allclose(execution.readout * program.score_unit, values[network.output], atol=0.5)
    return program


def test_signs_take_pairs_of_layers_where_messages_have_none() -> None:
    network, lava = OnGrid(0).network(has_signs=True), targets.load("lava")
    unsigned = replace(lava, neuron=replace(lava.neuron, signed_payloads=None))
    signed, pairs = (compiled(network, Context(target, 1, neuron=GRADED)) for target in (lava, unsigned))
    assert signed is not None
    assert pairs is not None
    payloads = [p.payloads for p in program_of(signed).firing]
    assert [low for low, _ in payloads if low < 0] != []
    beside = [p.payloads for p in program_of(pairs).firing]
    assert [low for low, _ in beside if low < 0] == []
    # The range 8 levels below zero and 1 above is one layer with an offset: a second would gain too little.
    assert (sorted(payloads), sorted(beside)) == (
        [(-8, 1), (-8, 7), (0, 8), (0, 20)],
        [(0, 7), (0, 8), (0, 8), (0, 9), (0, 20)],
    )
    records = {record.name: record.effect for record in signed.records}
    assert len(records["expand-activations"]["signed"]) == sum(low < 0 for low, _ in payloads)


def test_a_program_for_graded_neurons_has_one_step() -> None:
    pipeline = compiled(OnGrid(0).network(has_signs=True), Context(targets.load("lava"), 1, neuron=GRADED))
    assert pipeline is not None
    program = program_of(pipeline)
    assert (program.window, program.latency) == (1, program.depth + 1)
    assert any("one step" in d.message for d in problems(replace(program, timesteps=2)))
