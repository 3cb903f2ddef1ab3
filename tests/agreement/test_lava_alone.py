"""Lava's own processes, neurons included, give every spike and read-out of the reference."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
import torch

from spikec.compiler.compilation import compile_model
from spikec.compiler.options import CompileOptions
from spikec.models.checkpoint import onnx_bytes
from spikec.models.commands.demo import load_shipped_samples
from spikec.models.networks.activation import Activation
from spikec.models.networks.networks import NetworkSpec
from spikec.models.shipped import shipped_model
from spikec.runtime.agreement import compare
from spikec.runtime.backends import run_backend
from spikec.runtime.encoding import encode
from spikec.runtime.execution import Execution
from spikec.runtime.lava import availability, run_lava_alone
from spikec.runtime.lava.stock.limits import lava_form
from spikec.runtime.program import (
    INPUT,
    ConvSynapses,
    DenseSynapses,
    InputEncoding,
    IntArray,
    Population,
    Program,
    Projection,
    SparseSynapses,
    Synapses,
)
from spikec.runtime.program.geometry import ConvGeometry
from spikec.runtime.program.rules import problems
from spikec.runtime.reference.network import run_reference
from spikec.runtime.samples import Samples
from spikec.targets.diagnostic import DiagnosticWarning, UnusableInput

needs_lava = pytest.mark.skipif(not availability().available, reason=availability().detail)


def everything(timesteps: int, threshold: int = 60) -> Program:
    """Folded pooling, uneven padding, groups, paths that wait, synapses with coordinates, potentials that differ."""
    random = np.random.default_rng(3)

    def even(*shape: int) -> IntArray:
        return 2 * random.integers(-12, 17, shape)

    def layer(name: str, channels: int, size: tuple[int, int], depth: int, level: int = threshold) -> Population:
        start, bias = random.integers(-9, 30, (2, channels, 1, 1))
        return Population(name, (channels, *size), np.array(level), start, bias, depth)

    pooling = np.ones((1, 1, 2, 2), dtype=np.int64)
    scattered = even(20, 36) * (random.random((20, 36)) < 0.4)
    connections: tuple[tuple[str, str, Synapses, int], ...] = (
        (INPUT, "stem", ConvSynapses(even(3, 2, 3, 3), ConvGeometry(padding=(1, 1, 1, 1))), 0),
        ("stem", "pooled", ConvSynapses(np.kron(even(4, 3, 1, 1), pooling), ConvGeometry((2, 2))), 0),
        ("pooled", "sum", ConvSynapses(even(4, 2, 3, 2), ConvGeometry(padding=(1, 1, 1, 0), groups=2)), 0),
        ("stem", "sum", ConvSynapses(even(4, 3, 2, 2), ConvGeometry((2, 2))), 1),
        (INPUT, "sum", ConvSynapses(even(4, 2, 1, 1), ConvGeometry((2, 2))), 2),
        ("sum", "row", SparseSynapses.of_matrix(scattered), 0),
        ("pooled", "row", SparseSynapses.of_matrix(scattered[::-1]), 1),
        ("row", "out", DenseSynapses(even(5, 20)), 0),
        ("sum", "out", DenseSynapses(even(5, 36)), 1),
    )
    bias, start = random.integers(-9, 30, 20), random.integers(-9, 90, 20)
    populations = (
        layer("stem", 3, (6, 6), 1, 5 * threshold),
        layer("pooled", 4, (3, 3), 2),
        layer("sum", 4, (3, 3), 3, threshold + 1),
        Population("row", (20,), np.array(threshold), start, bias, 4),
        Population("out", (5,), None, random.integers(-50, 50, 5), random.integers(-9, 9, 5), 5),
    )
    projections = tuple(
        Projection(f"{source}-{target}", source, target, synapses, 0, delay)
        for source, target, synapses, delay in connections
    )
    encoding = InputEncoding((2, 6, 6), (0, 1, 2), (2, 6, 6), 1.0, -2, 5)
    limits = -(1 << 17), (1 << 17) - 1
    return Program("net", "lava-stock", "pipelined", timesteps, *limits, encoding, populations, projections)


def drawn_samples(program: Program, count: int) -> IntArray:
    encoding = program.input
    return np.random.default_rng(1).integers(encoding.minimum, encoding.maximum + 1, (count, *encoding.shape))


def assert_same(program: Program, expected: Execution, execution: Execution) -> None:
    silent = [name for name, count in expected.spike_counts.items() if not count]
    assert not silent, f"agreement on populations without a spike proves nothing: {silent}"
    assert compare(program, (expected, execution)).first_difference is None
    assert execution.spike_counts == expected.spike_counts
    assert (execution.backend, execution.steps) == ("lava-stock", expected.steps)


@needs_lava
@pytest.mark.parametrize(("timesteps", "count"), [(1, 50), pytest.param(3, 4, marks=pytest.mark.slow)])
def test_one_sample_after_the_other(timesteps: int, count: int) -> None:
    program = everything(timesteps)
    assert list(problems(program)) == []
    samples = drawn_samples(program, count)
    expected = run_reference(program, samples, record=True)
    assert_same(program, expected, run_backend("lava-stock", program, samples, record=True))


@needs_lava
def test_soft_reset_and_counts_without_trains() -> None:
    program = replace(everything(2), input=replace(everything(2).input, spread=True))
    samples = drawn_samples(program, 3)
    expected = run_reference(program, samples, record=True)
    seen: list[tuple[int, int]] = []
    execution = run_lava_alone(program, samples, progress=lambda *done: seen.append(done))
    assert execution.spike_trains is None
    assert execution.spike_counts == expected.spike_counts
    np.testing.assert_array_equal(execution.readout, expected.readout)
    assert seen[-1] == (3, 3)


@needs_lava
def test_every_process_is_lavas_own() -> None:
    from lava.magma.core.process.ports.ports import OutPort

    from spikec.runtime.lava.layout import Layout
    from spikec.runtime.lava.stock.graph import connect_lava

    kinds = set()
    for timesteps in (1, 2):
        form = lava_form(everything(timesteps))
        graph = connect_lava(form, OutPort(shape=Layout.of(form.program).port_shape(INPUT)))
        assert all(type(process).__module__.startswith("lava.proc.") for process in graph.processes)
        kinds |= {type(process).__name__ for process in graph.processes}
    assert kinds == {"LIF", "LIFReset", "ATRLIF", "Reset", "Conv", "Dense", "Sparse", "DelaySparse", "RingBuffer"}


@needs_lava
def test_a_program_of_another_target_says_whose_neurons_ran() -> None:
    several = everything(2)
    stem = replace(several.populations[0], threshold=np.array([300, 301, 302]).reshape(3, 1, 1))
    program = replace(several, target="lava", populations=(stem, *several.populations[1:]))
    samples = drawn_samples(program, 1)
    with pytest.warns(DiagnosticWarning, match="W341 .* E344 stem;"):
        execution = run_backend("lava-stock", program, samples, record=True)
    assert_same(program, run_reference(program, samples, record=True), execution)
    with pytest.raises(UnusableInput, match="E344"):
        run_backend("lava-stock", replace(program, target="lava-stock"), samples)


@needs_lava
@pytest.mark.slow
@pytest.mark.parametrize(
    ("timesteps", "schedule", "count"), [(1, "pipelined", 10), (4, "pipelined", 3), (2, "exact", 2)]
)
def test_shipped_network(timesteps: int, schedule: str, count: int) -> None:
    test, calibration = load_shipped_samples()
    options = CompileOptions("lava-stock", timesteps, schedule, calibration=calibration.first(128))
    compiled = compile_model(shipped_model(), options)
    assert compiled.report.verdict in ("fits", "fits-with-warnings")
    assert_runs_alone(compiled.program, test.inputs[:count])


@needs_lava
@pytest.mark.slow
@pytest.mark.parametrize("shortcut", ["projection", "identity"])
def test_resnet20_at_one_step(shortcut: Literal["projection", "identity"], tmp_path: Path) -> None:
    torch.manual_seed(0)
    spec = NetworkSpec("resnet20", 3, 32, 10, shortcut=shortcut)
    file = tmp_path / "resnet20.onnx"
    file.write_bytes(onnx_bytes(spec.build(Activation("relu")).eval(), spec))
    random = np.random.default_rng(0)
    images = Samples(random.integers(0, 256, (24, 3, 32, 32)).astype(np.uint8), None)
    compiled = compile_model(file, CompileOptions("lava-stock", 1, calibration=images))
    assert compiled.report.verdict in ("fits", "fits-with-warnings")
    assert_runs_alone(compiled.program, images.inputs[:2])


def assert_runs_alone(program: Program, images: npt.NDArray[Any]) -> None:
    samples, _ = encode(program.input, images)
    execution = run_backend("lava-stock", program, samples, record=True)
    assert_same(program, run_reference(program, samples, record=True), execution)
