"""The exact schedule on whole test sets: stepped spikes, the integer quantised network and the simulator agree.

Two independent computations in torch stand beside the simulator: one steps every neuron through its window of 2T
steps, gates and all, the other has no time in it and rounds once per layer. Trained networks and data are given by
``SPIKEC_EXACT_RUNS``, a list of folders of ``spikec train`` separated by colons (the shipped network is always among
them, on the Fashion-MNIST test set where that is installed).
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from spikec.compiler.compilation import build_program
from spikec.compiler.options import CompileOptions
from spikec.models.readers import MODEL_READERS
from spikec.models.shipped import shipped_model, shipped_samples
from spikec.runtime.encoding import encode
from spikec.runtime.program import INPUT, ConvSynapses, IntArray, Program, Projection
from spikec.runtime.samples import Samples, load_samples
from spikec.runtime.simulator import Simulator

RUNS = tuple(Path(run) for run in os.environ.get("SPIKEC_EXACT_RUNS", "").split(":") if run)
SAMPLES = int(os.environ.get("SPIKEC_EXACT_SAMPLES", "0")) or None
CHUNK = 100


def received(projection: Projection, messages: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Synaptic input for ``messages`` (N, *source shape); below 2^24 every sum in any order is exact."""
    weight = integers(projection.effective_weight)
    assert float(weight.flatten(1).double().abs().sum(dim=1).max() * messages.abs().max()) < 1 << 24
    if not isinstance(projection.synapses, ConvSynapses):
        return (messages.flatten(1) @ weight.T).reshape(-1, *shape)
    geometry = projection.synapses.geometry
    top, left, bottom, right = geometry.padding
    padded = F.pad(messages, (left, right, top, bottom))
    return F.conv2d(padded, weight, None, geometry.stride, 0, geometry.dilation, geometry.groups)


def integers(values: IntArray) -> Tensor:
    assert int(np.abs(values).max(initial=0)) < 1 << 24
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


def stepped(program: Program, samples: IntArray) -> dict[str, Tensor]:
    """Messages of each population in its T firing steps (T, N, *shape), and the read-out's potential."""
    timesteps = program.timesteps
    sent = {INPUT: integers(samples).expand(timesteps, *samples.shape)}
    for population in program.populations:
        pulses = program.potential_of_pulses(population.name)
        v = integers(population.initial_potential).expand(len(samples), *population.shape).clone()
        fired = []
        steps = program.window if population.threshold is not None else timesteps
        for step in range(1, steps + 1):
            v += integers(population.bias) + integers(pulses.get(step, np.zeros((), dtype=np.int64)))
            if step <= timesteps:
                for projection in program.incoming(population.name):
                    v += received(projection, sent[projection.source][step - 1], population.shape)
            assert float(v.abs().max()) < 1 << 24
            if population.threshold is None:
                continue
            spikes = (v >= integers(population.threshold)).float()
            v -= spikes * integers(population.threshold)
            if (step > timesteps) == population.gated:
                fired.append(spikes)
            else:
                assert not spikes.any(), (population.name, step)
        sent[population.name] = v if population.threshold is None else torch.stack(fired)
    return sent


def quantised(program: Program, samples: IntArray) -> dict[str, Tensor]:
    """Counts of the integer quantised network with T levels, and its scores times T."""
    sent = {INPUT: program.timesteps * integers(samples)}
    for population in program.populations:
        total = integers(population.initial_potential) + program.timesteps * integers(population.bias)
        if population.gated:
            total = total + integers(sum(program.potential_of_pulses(population.name).values(), np.zeros((), np.int64)))
        for projection in program.incoming(population.name):
            total = total + received(projection, sent[projection.source], population.shape)
        if population.threshold is not None:
            total = torch.floor(total / integers(population.threshold)).clamp(0, program.timesteps)
        sent[population.name] = total
    return sent


def images_of(run: Path | None) -> Samples:
    if run is not None:
        return load_samples(run / "test.npz", _shape(run), classes=10)
    fashion = Path("/usr/share/datasets/fashion-mnist")
    if not fashion.is_dir():
        with np.load(shipped_samples()) as arrays:
            return Samples(arrays["test_inputs"], arrays["test_labels"])
    from spikec.models.datasets.library import load_dataset

    data = load_dataset("fashion-mnist").test
    return Samples(data.images[:], data.labels)


def spread_out(data: Samples) -> Samples:
    """As many samples as asked for, evenly spaced: a test set may be sorted by class."""
    chosen = np.linspace(0, len(data) - 1, SAMPLES or len(data)).astype(np.int64)
    return Samples(data.inputs[chosen], None if data.labels is None else data.labels[chosen])


def _shape(run: Path) -> tuple[int, ...]:
    with np.load(run / "test.npz") as arrays:
        return tuple(arrays["inputs"].shape[1:])


@pytest.mark.slow
@pytest.mark.parametrize("timesteps", [1, 2, 4, 8])
@pytest.mark.parametrize("run", [None, *RUNS], ids=lambda run: "shipped" if run is None else run.name)
def test_counts_are_those_of_the_quantised_network(run: Path | None, timesteps: int) -> None:
    model = shipped_model() if run is None else run / "model.onnx"
    calibration = None if run is None or not (run / "calibration.npz").exists() else run / "calibration.npz"
    options = CompileOptions(timesteps=timesteps, schedule="exact", calibration=calibration)
    program = build_program(model, options, readers=MODEL_READERS).program
    data = spread_out(images_of(run))
    encoded, _ = encode(program.input, data.inputs)
    simulator, right = Simulator(program), 0
    for first in range(0, len(encoded), CHUNK):
        part = encoded[first : first + CHUNK]
        spikes, counts = stepped(program, part), quantised(program, part)
        fast = simulator.run(part, record=True)
        assert fast.spike_trains is not None
        for population in program.populations[:-1]:
            assert torch.equal(spikes[population.name].sum(dim=0), counts[population.name]), population.name
            trains = torch.from_numpy(fast.spike_trains[population.name])
            found = trains.transpose(0, 1).reshape(spikes[population.name].shape)
            assert torch.equal(found, spikes[population.name].to(torch.uint8)), population.name
        scores = counts[program.readout.name].flatten(1)
        assert torch.equal(spikes[program.readout.name].flatten(1), scores)
        assert np.array_equal(fast.readout, scores.numpy().astype(np.int64))
        if data.labels is not None:
            right += int((scores.argmax(dim=1).numpy() == data.labels[first : first + CHUNK]).sum())
    print(f"\n{model}: T = {timesteps}, {len(encoded)} images, accuracy {right / len(encoded):.4f}")  # noqa: T201
