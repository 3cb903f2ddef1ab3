"""Compiled networks run alike, spike for spike, on reference, simulator and Lava; a fault in one backend is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spikec.compiler.compilation import compile_model
from spikec.compiler.ir.network import INPUT, Network, Node
from spikec.compiler.ir.operators import Add, AveragePool, Conv, Dense, Operator, QuantizeClip, Reshape, Shape, Slice
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes.contract import Context
from spikec.compiler.pipeline import passes_for, run_passes
from spikec.models.checkpoint import onnx_bytes
from spikec.models.networks.activation import Activation
from spikec.models.networks.networks import NetworkSpec
from spikec.models.shipped import shipped_model, shipped_samples
from spikec.runtime.agreement import Agreement, Difference, compare
from spikec.runtime.encoding import encode
from spikec.runtime.execution import Execution
from spikec.runtime.lava import availability, run_lava
from spikec.runtime.program import IntArray, Program
from spikec.runtime.program.geometry import ConvGeometry
from spikec.runtime.reference.network import run_reference
from spikec.runtime.samples import Samples
from spikec.runtime.simulator import simulate
from spikec.targets import load

needs_lava = pytest.mark.skipif(not availability().available, reason=availability().detail)
SAME = ConvGeometry(padding=(1, 1, 1, 1))


class Builder:
    def __init__(self, shape: Shape) -> None:
        self.random = np.random.default_rng(5)
        self.shapes: dict[str, Shape] = {INPUT: shape}
        self.nodes: list[Node] = []

    def add(self, name: str, operator: Operator, *inputs: str) -> str:
        shape = operator.result_shape(tuple(self.shapes[i] for i in inputs))
        self.nodes.append(Node(name, operator, inputs, shape))
        self.shapes[name] = shape
        return name

    def conv(self, name: str, source: str, outputs: int, kernel: tuple[int, int], geometry: ConvGeometry) -> str:
        inputs = self.shapes[source][0] // geometry.groups
        weight = 2 * self.random.normal(size=(outputs, inputs, *kernel)) / np.sqrt(inputs * np.prod(kernel))
        convolved = self.add(f"{name}_conv", Conv(weight, 0.1 * self.random.normal(size=outputs), geometry), source)
        return self.add(name, QuantizeClip(1.0, 4, 0.5), convolved)

    def finish(self, source: str, name: str) -> Network:
        size = int(np.prod(self.shapes[source]))
        self.add("flat", Reshape((size,)), source)
        self.add("scores", Dense(self.random.normal(size=(4, size)), self.random.normal(size=4)), "flat")
        return Network(name, self.shapes[INPUT], tuple(self.nodes), "scores")


def residual() -> Network:
    """Shortcuts over one and two layers, one of them from the input, one that changes size and channels."""
    net = Builder((2, 6, 6))
    net.conv("a", INPUT, 4, (3, 3), SAME)
    net.conv("b", "a", 4, (3, 3), SAME)
    net.conv("c", "b", 4, (3, 3), SAME)
    net.add("widened", Conv(net.random.normal(size=(4, 2, 1, 1)), np.zeros(4)), INPUT)
    net.add("d", QuantizeClip(2.0, 4, 0.5), net.add("sum", Add(), "c", "a", "widened"))
    net.add("half", Slice((0, 0, 0), (4, 6, 6), (1, 2, 2)), "a")
    net.conv("e", "d", 4, (3, 3), ConvGeometry((2, 2), (1, 1, 1, 1)))
    net.add("f", QuantizeClip(1.5, 2, 0.0), net.add("sum2", Add(), "e", "half"))
    return net.finish("f", "residual")


def grouped() -> Network:
    """Groups, strides, asymmetric and negative padding, dilation, pooling before a convolution and before a matrix."""
    net = Builder((3, 11, 9))
    net.conv("a", INPUT, 6, (3, 2), ConvGeometry((2, 1), (0, 2, 1, 0), (1, 2)))
    net.conv("b", "a", 6, (3, 3), ConvGeometry((1, 1), (1, 1, 1, 1), groups=6))
    net.conv("c", "b", 4, (2, 3), ConvGeometry((1, 2), (-1, 1, 2, -1), (1, 1), groups=2))
    net.add("pooled", AveragePool((2, 2), (2, 2)), "c")
    net.conv("d", "pooled", 4, (2, 2), SAME)
    net.add("uneven", AveragePool((2, 2), (1, 1), (1, 0, 0, 1), count_padding=False), "d")
    return net.finish("uneven", "grouped")


def compiled(network: Network, target: str, timesteps: int, count: int) -> tuple[Program, IntArray]:
    random = np.random.default_rng(1)
    images = Samples(random.integers(0, 256, (24, *network.input_shape)).astype(np.uint8), None)
    pipeline = run_passes(network, Context(load(target), timesteps, images), passes_for(CompileOptions()))
    program = pipeline.state.program
    assert program is not None
    return program, encode(program.input, images.inputs[:count])[0]


def on_all(program: Program, samples: IntArray, *, stock: bool = False) -> tuple[Agreement, list[Execution]]:
    executions = [
        run_reference(program, samples, record=True),
        simulate(program, samples, record=True),
        run_lava(program, samples, record=True, stock=stock, deadline=500.0),
    ]
    return compare(program, executions), executions


def assert_lively(executions: list[Execution]) -> None:
    silent = [name for name, count in executions[0].spike_counts.items() if not count]
    assert not silent, f"agreement on populations without a spike proves nothing: {silent}"


@needs_lava
def test_residual_network_with_delays() -> None:
    program, samples = compiled(residual(), "loihi2", 4, 3)
    assert {p.delay for p in program.projections} == {0, 2, 3, 4}
    agreement, executions = on_all(program, samples)
    assert agreement.equal, agreement.first_difference
    assert_lively(executions)


@needs_lava
def test_grouped_strided_asymmetric_network() -> None:
    program, samples = compiled(grouped(), "lava", 8, 2)
    agreement, executions = on_all(program, samples)
    assert agreement.equal, agreement.first_difference
    assert_lively(executions)


@needs_lava
def test_shipped_network() -> None:
    with np.load(shipped_samples()) as file:
        calibration, images = Samples(file["calibration_inputs"][:16], None), file["test_inputs"][:3]
    program = compile_model(shipped_model(), CompileOptions(timesteps=1, calibration=calibration)).program
    agreement, executions = on_all(program, encode(program.input, images)[0])
    assert agreement.equal, agreement.first_difference
    assert_lively(executions)


def with_projection(program: Program, name: str, **changes: Any) -> Program:
    return replace(
        program, projections=tuple(replace(p, **changes) if p.name == name else p for p in program.projections)
    )


def broken_delay(program: Program) -> tuple[Program, str]:
    delayed = next(p for p in program.projections if p.delay and p.source != INPUT)
    return with_projection(program, delayed.name, delay=delayed.delay - 1), delayed.target


def broken_sign(program: Program) -> tuple[Program, str]:
    chosen = program.projections[1]
    synapses = replace(chosen.synapses, weight=-chosen.synapses.weight)
    return with_projection(program, chosen.name, synapses=synapses), chosen.target


def broken_bias_window(program: Program) -> tuple[Program, str]:
    """Bias that runs from the first step of all, so that a population's window begins with depth * bias."""
    shifted = tuple(replace(p, initial_potential=p.initial_potential + p.depth * p.bias) for p in program.populations)
    return replace(program, populations=shifted), program.populations[0].name


def assert_named(agreement: Agreement, executions: list[Execution], layer: str) -> None:
    found = agreement.first_difference
    assert not agreement.equal
    assert isinstance(found, Difference)
    assert found.layer == layer
    sound, broken = executions
    assert sound.spike_trains is not None
    assert broken.spike_trains is not None
    expected, actual = sound.spike_trains[layer], broken.spike_trains[layer]
    assert not (expected[: found.sample] != actual[: found.sample]).any()
    assert not (expected[found.sample, : found.step - 1] != actual[found.sample, : found.step - 1]).any()
    at = (found.sample, found.step - 1, found.neuron)
    assert found.values == {sound.backend: int(expected[at]), broken.backend: int(actual[at])}
    assert expected[at] != actual[at]


@needs_lava
@pytest.mark.parametrize("fault", [broken_delay, broken_sign])
def test_fault_in_lava_alone_is_named(fault: Any) -> None:
    program, samples = compiled(residual(), "lava", 4, 2)
    broken, layer = fault(program)
    executions = [simulate(program, samples, record=True), run_lava(broken, samples, record=True, deadline=120.0)]
    assert_named(compare(program, executions), executions, layer)


# The simulator takes delays as aligned, which the rules on programs assure, so only the reference can get one wrong.
@pytest.mark.parametrize(
    ("backend", "fault"),
    [
        ("reference", broken_delay),
        ("reference", broken_sign),
        ("reference", broken_bias_window),
        ("simulator", broken_sign),
        ("simulator", broken_bias_window),
    ],
)
def test_fault_in_one_other_backend_is_named(backend: str, fault: Any) -> None:
    program, samples = compiled(residual(), "lava", 4, 2)
    broken, layer = fault(program)
    executions = [
        run_reference(broken if backend == "reference" else program, samples, record=True),
        simulate(broken if backend == "simulator" else program, samples, record=True),
    ]
    assert_named(compare(program, executions), executions, layer)


@needs_lava
@pytest.mark.slow
@pytest.mark.parametrize("network", [residual, grouped])
def test_small_networks_on_stock_lava(network: Any) -> None:
    program, samples = compiled(network(), "lava", 4, 2)
    agreement, _ = on_all(program, samples, stock=True)
    assert agreement.equal, agreement.first_difference


SPECS = {
    "resnet20-projection": NetworkSpec("resnet20", 3, 32, 10),
    "resnet20-identity": NetworkSpec("resnet20", 3, 32, 10, shortcut="identity"),
    "vgg16": NetworkSpec("vgg16", 3, 32, 10),
}


@needs_lava
@pytest.mark.slow
@pytest.mark.parametrize("timesteps", [1, 4, 8])
@pytest.mark.parametrize("name", SPECS)
def test_deep_networks(name: str, timesteps: int, tmp_path: Path) -> None:
    spec = SPECS[name]
    torch.manual_seed(0)
    network = spec.build(Activation("relu")).eval()
    file = tmp_path / f"{name}.onnx"
    file.write_bytes(onnx_bytes(network, spec))
    random = np.random.default_rng(0)
    images = Samples(random.integers(0, 256, (24, spec.channels, spec.size, spec.size)).astype(np.uint8), None)
    program = compile_model(file, CompileOptions(timesteps=timesteps, calibration=images)).program
    agreement, executions = on_all(program, encode(program.input, images.inputs[:2])[0])
    assert agreement.equal, agreement.first_difference
    assert sum(executions[0].spike_counts.values()) > 0
