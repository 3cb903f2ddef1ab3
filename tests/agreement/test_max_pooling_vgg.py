"""VGG-16 with five max pools under the schedule exact: every count is that of the integer network without time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from spikec.compiler.compilation import compile_model
from spikec.compiler.options import CompileOptions
from spikec.models.checkpoint import onnx_bytes
from spikec.models.networks.activation import Activation
from spikec.models.networks.networks import NetworkSpec
from spikec.models.shipped import shipped_samples
from spikec.models.training.thresholds import set_thresholds
from spikec.runtime.agreement import compare
from spikec.runtime.encoding import encode
from spikec.runtime.execution import Execution
from spikec.runtime.lava import availability, run_lava
from spikec.runtime.program import (
    INPUT,
    ConvSynapses,
    DenseSynapses,
    IntArray,
    Population,
    Program,
    Projection,
    SparseSynapses,
)
from spikec.runtime.reference.network import run_reference
from spikec.runtime.samples import Samples
from spikec.runtime.simulator import simulate

needs_lava = pytest.mark.skipif(not availability().available, reason=availability().detail)
pytestmark = pytest.mark.slow

TIMESTEPS = 4


def images(count: int) -> npt.NDArray[np.uint8]:
    """Garments in the middle of three channels of 32x32."""
    with np.load(shipped_samples()) as file:
        return np.pad(file["test_inputs"][:count], ((0, 0), (0, 0), (2, 2), (2, 2))).repeat(3, axis=1)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """Random weights; batch norms and thresholds from images, so that neurons fire as trained ones do."""
    torch.manual_seed(0)
    spec = NetworkSpec("vgg16", 3, 32, 10, pooling="max")
    seen = torch.from_numpy(images(64).astype(np.float32) / 255)
    relu = spec.build(Activation("relu"))
    with torch.no_grad():
        relu.train()(seen)
    network = spec.build(Activation("round", TIMESTEPS))
    network.load_state_dict(relu.eval().state_dict(), strict=False)
    set_thresholds(relu, network.eval(), seen, "mmse")
    file: Path = tmp_path_factory.mktemp("vgg") / "vgg16.onnx"
    file.write_bytes(onnx_bytes(network, spec))
    calibration = Samples(images(64), None)
    return compile_model(file, CompileOptions(timesteps=TIMESTEPS, schedule="exact", calibration=calibration)).program


# Every number is an integer below 2^53, so doubles are exact in any order.
def sums(projection: Projection, counts: torch.Tensor, target: Population) -> torch.Tensor:
    synapses = projection.synapses
    weight = torch.from_numpy(projection.effective_weight.astype(np.float64))
    if isinstance(synapses, ConvSynapses):
        geometry = synapses.geometry
        top, left, bottom, right = geometry.padding
        padded = torch.nn.functional.pad(counts, (left, right, top, bottom))
        return torch.nn.functional.conv2d(
            padded, weight, stride=geometry.stride, dilation=geometry.dilation, groups=geometry.groups
        )
    flat = counts.reshape(len(counts), -1)
    if isinstance(synapses, DenseSynapses):
        return (flat @ weight.T).reshape(-1, *target.shape)
    assert isinstance(synapses, SparseSynapses)
    summed = torch.zeros((len(flat), target.neurons), dtype=torch.float64)
    summed.index_add_(1, torch.tensor(synapses.target), flat[:, torch.tensor(synapses.source)] * weight)
    return summed.reshape(-1, *target.shape)


def counts_of_sums(program: Program, samples: IntArray) -> dict[str, IntArray]:
    """Counts (N, *shape) of each firing population, and the scores, by sums and one division per layer."""
    repeats = 1 if program.input.spread else program.timesteps
    sent = {INPUT: torch.from_numpy(samples.astype(np.float64)) * repeats}
    for population in program.populations:
        offset = population.initial_potential + program.timesteps * population.bias
        if population.gated:
            offset = offset + sum(p.potential for p in program.pulses if p.target == population.name)
        total = torch.zeros((len(samples), *population.shape), dtype=torch.float64) + torch.from_numpy(
            np.asarray(offset, dtype=np.float64)
        )
        for projection in program.incoming(population.name):
            total += sums(projection, sent[projection.source], population)
        if population.threshold is not None:
            threshold = torch.from_numpy(population.threshold.astype(np.float64))
            total = torch.clamp(torch.floor(total / threshold), 0, program.timesteps)
        sent[population.name] = total
    return {name: values.numpy().astype(np.int64) for name, values in sent.items() if name != INPUT}


def assert_counts(program: Program, samples: IntArray, execution: Execution) -> None:
    wanted = counts_of_sums(program, samples)
    assert execution.spike_trains is not None
    for name, trains in execution.spike_trains.items():
        counts = trains.sum(axis=1, dtype=np.int64)
        np.testing.assert_array_equal(counts, wanted[name].reshape(len(samples), -1), err_msg=name)
        assert counts.any(), f"{name} is silent, which proves nothing"
    readout = program.populations[-1]
    np.testing.assert_array_equal(execution.readout, wanted[readout.name].reshape(len(samples), -1))


def test_counts_of_a_thousand_images(program: Program) -> None:
    samples = encode(program.input, images(1000))[0]
    for first in range(0, len(samples), 50):
        some = samples[first : first + 50]
        assert_counts(program, some, simulate(program, some, record=True))


def test_counts_of_the_reference(program: Program) -> None:
    samples = encode(program.input, images(10))[0]
    assert_counts(program, samples, run_reference(program, samples, record=True))


@needs_lava
def test_lava_agrees(program: Program) -> None:
    samples = encode(program.input, images(2))[0]
    executions = [simulate(program, samples, record=True), run_lava(program, samples, record=True, deadline=3000.0)]
    agreement = compare(program, executions)
    assert agreement.equal, agreement.first_difference
    for execution in executions:
        assert_counts(program, samples, execution)
