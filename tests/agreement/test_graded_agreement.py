"""The shipped network of graded neurons: the quantised ANN with the same integer weights, on every backend."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch

from spikec.compiler.compilation import compile_model
from spikec.compiler.options import CompileOptions
from spikec.models.commands.demo import load_shipped_samples
from spikec.models.shipped import shipped_model
from spikec.runtime.agreement import compare
from spikec.runtime.encoding import encode
from spikec.runtime.execution import Execution, predicted
from spikec.runtime.lava import availability, run_lava
from spikec.runtime.program import ConvSynapses, IntArray, Program
from spikec.runtime.reference.network import run_reference
from spikec.runtime.samples import Samples
from spikec.runtime.simulator import simulate

needs_lava = pytest.mark.skipif(not availability().available, reason=availability().detail)
_MOST_LOST = 0.003
_AT_ONCE = 100


@functools.cache
def shipped(calibration_samples: int) -> tuple[Program, Samples]:
    images, calibration = load_shipped_samples()
    options = CompileOptions(timesteps=1, neuron="graded", calibration=calibration.first(calibration_samples))
    return compile_model(shipped_model(), options).program, images


def quantised_ann(program: Program, encoded: IntArray) -> dict[str, IntArray]:
    """Codes of every layer and sums of the read-out, of a chain, by torch in doubles that hold every sum."""
    codes, value = {}, torch.from_numpy(encoded.astype(np.float64))
    for layer in program.populations:
        (projection,) = program.incoming(layer.name)
        weight = torch.from_numpy(projection.synapses.weight * 2.0**projection.exponent)
        if isinstance(projection.synapses, ConvSynapses):
            top, left, bottom, right = projection.synapses.geometry.padding
            padded = torch.nn.functional.pad(value, (left, right, top, bottom))
            value = torch.nn.functional.conv2d(padded, weight, stride=projection.synapses.geometry.stride)
        else:
            value = value.flatten(1) @ weight.T
        value = value + torch.from_numpy(layer.bias + layer.initial_potential)
        if layer.threshold is not None:
            value = torch.clamp(torch.floor(value / torch.tensor(layer.threshold)), *layer.payloads)
        codes[layer.name] = value.flatten(1).numpy().astype(np.int64)
    return codes


def assert_is_the_ann(program: Program, encoded: IntArray, execution: Execution) -> None:
    assert execution.spike_trains is not None
    for name, codes in quantised_ann(program, encoded).items():
        is_readout = name in execution.readouts
        found = execution.readouts[name] if is_readout else execution.spike_trains[name][:, 0]
        np.testing.assert_array_equal(found, codes, err_msg=f"{execution.backend}: {name}")
        assert is_readout or codes.max() == program.population(name).payloads[1], "every level is reached"


@needs_lava
def test_every_neuron_is_the_quantised_networks_on_three_backends() -> None:
    program, images = shipped(16)
    encoded = encode(program.input, images.first(3).inputs)[0]
    executions = [
        run_reference(program, encoded[:1], record=True),
        simulate(program, encoded, record=True),
        run_lava(program, encoded, record=True, deadline=300.0),
        run_lava(program, encoded, record=True, fused=False, deadline=300.0),
    ]
    for execution in executions:
        assert_is_the_ann(program, encoded[: len(execution.readout)], execution)
    assert compare(program, executions[1:]).equal


@needs_lava
@pytest.mark.slow
def test_a_thousand_images_on_three_backends() -> None:
    """The reference, which is slow, takes some ten minutes; that it is at most 0.3 points below the ANN is a figure."""
    program, images = shipped(512)
    encoded = encode(program.input, images.inputs)[0]
    assert len(encoded) == 1000
    assert images.labels is not None
    right = 0
    for first in range(0, len(encoded), _AT_ONCE):
        part = encoded[first : first + _AT_ONCE]
        executions = [
            run_reference(program, part, record=True),
            simulate(program, part, record=True),
            run_lava(program, part, record=True, deadline=600.0),
        ]
        assert compare(program, executions).equal
        for execution in executions:
            assert_is_the_ann(program, part, execution)
        right += int(np.count_nonzero(executions[0].predictions == images.labels[first : first + _AT_ONCE]))
    assert right / len(encoded) >= ann_accuracy(images) - _MOST_LOST


def ann_accuracy(images: Samples) -> float:
    from spikec.compiler.analysis.ledger import predictions_of
    from spikec.compiler.frontend.model import read_model

    found = predictions_of(read_model(shipped_model()).network, images.as_float())
    return float(np.count_nonzero(found == images.labels) / len(images))


def test_the_accuracy_of_a_thousand_images_is_the_anns() -> None:
    program, images = shipped(16)
    found = simulate(program, encode(program.input, images.inputs)[0])
    accuracy = np.count_nonzero(predicted(found.readout) == images.labels) / len(images)
    assert accuracy >= ann_accuracy(images) - _MOST_LOST
