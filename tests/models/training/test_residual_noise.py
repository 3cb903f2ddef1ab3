from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from spikec.models.networks.activation import Activation, QuantiseClip, quantise_clip_layers
from spikec.models.networks.networks import NetworkSpec
from spikec.models.networks.spiking import IntegrateAndFire, SpikingNetwork
from spikec.models.training.noise import (
    NoisyActivation,
    NoisyQuantiseClip,
    count_error,
    gaussian_error,
    measure_counts,
    measure_gap,
)

SPEC = NetworkSpec("convnet", 1, 8, 10, width=2)


def chain(timesteps: int, levels: int, weights: tuple[float, ...]) -> tuple[nn.Module, SpikingNetwork]:
    """One neuron after the other, each fed by the one before; thresholds are 1. As an ANN and spiking."""
    spiking = SpikingNetwork(SPEC, Activation("round", levels), timesteps)
    neurons: list[nn.Module] = [nn.Flatten()]
    activations: list[nn.Module] = [nn.Flatten()]
    for number, weight in enumerate(weights):
        linear = nn.Linear(1, 1, bias=False)
        linear.weight.data.fill_(weight)
        neurons += [linear, IntegrateAndFire(levels, 0.5, timesteps, constant_input=number == 0)]
        activations += [linear, QuantiseClip(levels, 0.5)]
    for layer in (*neurons[2::2], *activations[2::2]):
        layer.get_parameter("threshold").data.fill_(1.0)
    spiking.network = nn.Sequential(*neurons)
    return nn.Sequential(*activations), spiking


def fired(weight: float, image: float, timesteps: int) -> list[int]:
    v, spikes = 0.5, []
    for _ in range(timesteps):
        v += weight * image
        spikes.append(int(v >= 1))
        v -= spikes[-1]
    return spikes


BYTES = torch.arange(0, 256, dtype=torch.uint8).reshape(-1, 1, 1, 1)


def test_gap_is_the_deviation_between_both_networks_on_their_own_paths() -> None:
    ann, spiking = chain(3, 4, (1.3, 0.7))
    measured = measure_gap(ann, spiking, BYTES)
    first, second = [], []
    for byte in range(256):
        image = np.float32(byte) / np.float32(255)
        a = min(np.floor(1.3 * image * 4 + 0.5) / 4, 1)
        train = fired(1.3, float(image), 3)
        first.append(a - sum(train) / 3)
        v, count = 0.5, 0
        for spike in train:
            v += 0.7 * spike
            count += v >= 1
            v -= v >= 1
        second.append(min(np.floor(0.7 * a * 4 + 0.5) / 4, 1) - count / 3)
    # Batches hold 250 images, so the last one holds six, and both count alike, as in the published code.
    for name, gaps in (("2", first), ("4", second)):
        wanted = np.sqrt((np.var(gaps[:250], ddof=1) + np.var(gaps[250:], ddof=1)) / 2)
        assert measured[name] == pytest.approx(wanted, rel=1e-5)  # float32


def test_counts_are_compared_on_the_same_input() -> None:
    """A neuron that repeats the spikes it receives has no error of its own; its gap is that of the one before."""
    ann, spiking = chain(4, 4, (0.9, 1.0))
    spiking.network[2].initial = torch.tensor(0.0)  # type: ignore[index]
    tables = measure_counts(spiking, BYTES)
    gaps = measure_gap(ann, spiking, BYTES)
    assert gaps["4"] == pytest.approx(gaps["2"])
    assert gaps["4"] > 0.05
    own = tables["4"].numpy()
    assert own.sum() == 256
    assert (own == np.diag(np.diag(own))).all()
    first = np.zeros((5, 5), int)
    for byte in range(256):
        current = float(np.float32(byte) / np.float32(255) * np.float32(0.9))
        first[int(min(np.floor(current * 4 + 0.5), 4)), int(min(np.floor(current * 4), 4))] += 1
    np.testing.assert_array_equal(tables["2"].numpy(), first)


def test_drawn_counts_have_the_measured_shares_level_by_level() -> None:
    torch.manual_seed(0)
    counts = torch.tensor([[90, 10, 0], [5, 80, 15], [0, 0, 0], [0, 50, 50]])
    draw = count_error(counts)
    threshold = torch.tensor(1.5)
    for level in range(4):
        activation = torch.full((40_000,), level / 3 * 1.5)
        result = activation + draw(activation, threshold)
        for spikes, times in enumerate(counts[level].tolist()):
            share = float(torch.isclose(result, torch.tensor(spikes / 2 * 1.5)).float().mean())
            wanted = times / 100 if level != 2 else 0.0
            assert share == pytest.approx(wanted, abs=0.015)  # six deviations of 40,000 draws
    unseen = torch.tensor([1.0])
    assert draw(unseen, threshold) == 0


def test_gaussian_noise_has_the_measured_deviation_and_no_mean() -> None:
    torch.manual_seed(0)
    drawn = gaussian_error(0.3)(torch.zeros(40_000), torch.tensor(1.0))
    assert float(drawn.std()) == pytest.approx(0.3, rel=0.03)
    assert abs(float(drawn.mean())) < 0.01


def test_noise_is_added_in_training_only_and_has_no_gradient() -> None:
    torch.manual_seed(0)
    layer, clean = NoisyActivation(Activation("round", 4))(), QuantiseClip(4, 0.5)
    assert isinstance(layer, NoisyQuantiseClip)
    layer.error = gaussian_error(0.5)
    z = torch.linspace(-1, 10, 200)
    assert torch.equal(layer.eval()(z), clean(z))
    slopes = []
    for module in (layer.train(), clean):
        own = z.clone().requires_grad_()
        module(own).sum().backward()
        assert own.grad is not None
        threshold = module.get_parameter("threshold").grad
        assert threshold is not None
        slopes.append((own.grad, threshold))
    assert torch.equal(slopes[0][0], slopes[1][0])
    assert torch.equal(slopes[0][1], slopes[1][1])
    noisy = layer(z).detach()
    assert float((noisy - clean(z)).detach().std()) == pytest.approx(0.5, rel=0.2)  # 200 draws
    assert float(noisy.min()) < 0


def test_one_step_of_one_level_has_no_error_at_all() -> None:
    """At T = 1 there is no timing: the spiking network is the quantised one with L = 1 (lemma L4)."""
    torch.manual_seed(0)
    network = SPEC.build(Activation("round", 1)).eval()
    for layer in quantise_clip_layers(network).values():
        layer.threshold.data.fill_(0.3)
    spiking = SpikingNetwork(SPEC, Activation("round", 1), 1)
    spiking.network.load_state_dict(network.state_dict())
    images = torch.randint(0, 256, (100, 1, 8, 8), dtype=torch.uint8)
    assert set(measure_gap(network, spiking, images).values()) == {0.0}
    for table in measure_counts(spiking, images).values():
        assert int(table[0, 1] + table[1, 0]) == 0
