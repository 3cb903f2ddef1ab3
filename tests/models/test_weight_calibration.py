from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spikec.models.activation import Activation
from spikec.models.checkpoint import Checkpoint
from spikec.models.layers import INPUT, layers_of
from spikec.models.networks import NetworkSpec
from spikec.models.spiking import IntegrateAndFire
from spikec.models.weight_calibration import WeightCalibration, calibrate_weights
from spikec.targets.diagnostic import UnusableInput

CONVNET = NetworkSpec("convnet", 1, 8, 10, width=2)
SPECS = (CONVNET, NetworkSpec("resnet20", 1, 8, 3, width=2), NetworkSpec("vgg16", 1, 8, 3, width=1))


@pytest.mark.parametrize("spec", SPECS)
def test_layers_together_are_the_network(spec: NetworkSpec) -> None:
    torch.manual_seed(0)
    network = spec.build(Activation("relu")).eval()
    images = torch.rand(3, 1, 8, 8)
    values = {INPUT: images}
    with torch.no_grad():
        for layer in layers_of(network):
            current = layer.linear(*(values[source] for source in layer.sources))
            values[layer.activation] = network.get_submodule(layer.activation)(current) if layer.activation else current
        torch.testing.assert_close(values[""], network(images))


def neuron_gradients(
    weight: list[float], trains: list[list[int]], target: float, *, printed: bool
) -> tuple[list[float], list[int]]:
    """Gradient of (phi - target)^2 by one neuron's weights, in plain Python; theta 1, v0 1/2; and its spikes."""
    steps = len(trains)
    v, potentials, spikes = 0.5, [], []
    for train in trains:
        u = v + sum(w * x for w, x in zip(weight, train, strict=True))
        potentials.append(u)
        spikes.append(int(u >= 1))
        v = u - spikes[-1]
    slope = [max(0.0, 1 - abs(u - 1)) for u in potentials]
    error = 2 * (sum(spikes) / steps - target)
    gradient = [0.0] * len(weight)
    for t in range(steps):
        for earlier in range(t + 1):
            # ds(t)/du(t'): the surrogate at t, through the resets in between; as printed that at t', where s(t) = 1.
            through = float(np.prod([1 - slope[k] for k in range(earlier, t)]))
            each = slope[earlier] * spikes[t] if printed else slope[t] * through
            for j, x in enumerate(trains[earlier]):
                gradient[j] += error / steps * each * x
    return gradient, spikes


def gradient_in_torch(weight: list[float], trains: list[list[int]], target: float, *, printed: bool) -> list[float]:
    linear = nn.Linear(len(weight), 1, bias=False).double()
    linear.weight.data = torch.tensor([weight], dtype=torch.float64)
    neuron = IntegrateAndFire(4, 0.5, len(trains), printed=printed).double()
    neuron.threshold.data.fill_(1.0)
    sent = neuron(linear(torch.tensor(trains, dtype=torch.float64)))
    (sent.mean() - target).square().backward()
    assert linear.weight.grad is not None
    return [float(value) for value in linear.weight.grad[0]]


TRAINS = [[1, 0, 1], [0, 1, 1], [1, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize("printed", [False, True])
@pytest.mark.parametrize("weight", [[0.4, -0.2, 0.3], [0.9, 0.6, 0.5], [0.1, 0.05, -0.3]])
def test_gradient_is_that_of_one_neuron_by_hand(weight: list[float], printed: bool) -> None:
    wanted, _ = neuron_gradients(weight, TRAINS, 0.6, printed=printed)
    assert gradient_in_torch(weight, TRAINS, 0.6, printed=printed) == pytest.approx(wanted, abs=1e-12)


def test_printed_gradient_leaves_silent_neurons_untrained() -> None:
    """Eq. 17 is zero where s(t) = 0: a neuron that should fire and does not would stay silent for ever."""
    silent = [0.1, 0.1, 0.02]
    _, spikes = neuron_gradients(silent, TRAINS, 0.6, printed=False)
    assert sum(spikes) == 0
    assert gradient_in_torch(silent, TRAINS, 0.6, printed=True) == [0, 0, 0]
    mended = gradient_in_torch(silent, TRAINS, 0.6, printed=False)
    assert max(mended) < 0  # descent raises every weight, so the neuron comes closer to firing


def test_eq_16_as_printed_moves_all_weights_of_a_neuron_alike() -> None:
    """Without x_j(t') the weight of a synapse that never got a spike changes as much as any other."""
    trains = [[1, 0], [1, 0], [0, 0], [1, 0]]
    without_input = [[1, 1]] * 4
    as_printed, _ = neuron_gradients([0.5, 0.5], trains, 0.9, printed=True)
    assert as_printed[1] == 0  # x_j(t') restored
    factor_dropped, _ = neuron_gradients([0.25, 0.25], without_input, 0.9, printed=True)
    assert factor_dropped[0] == factor_dropped[1] != 0
    assert gradient_in_torch([0.5, 0.5], trains, 0.9, printed=False)[1] == 0


def checkpoint(spec: NetworkSpec, kind: str = "round") -> Checkpoint:
    torch.manual_seed(3)
    activation = Activation(kind, 4)  # type: ignore[arg-type]
    network = spec.build(activation)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("threshold"):
                parameter.fill_(1.0)
        for _ in range(10):
            network(torch.rand(32, 1, 8, 8))
    return Checkpoint(spec, activation, network.state_dict(), {"seed": 3})


IMAGES = torch.randint(0, 256, (100, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
OPTIONS = WeightCalibration(timesteps=2, epochs=3, learning_rate=1e-2, batch_size=20)


@pytest.mark.parametrize("spec", SPECS[:2])
def test_calibration_lowers_the_error_of_its_layers(spec: NetworkSpec) -> None:
    given = checkpoint(spec)
    result = calibrate_weights(given, IMAGES, OPTIONS)
    record = result.training["weight_calibration"]
    errors = np.array(list(record["errors"].values()))
    assert len(errors) == sum(bool(layer.activation) for layer in layers_of(given.build()))
    assert (errors[:, 1] <= errors[:, 0]).all()
    assert errors[:, 1].sum() < errors[:, 0].sum()
    assert result.training["seed"] == 3
    assert record["kept"] == (record["divergence"][1] < record["divergence"][0])
    result.build()
    again = calibrate_weights(given, IMAGES, OPTIONS)
    assert all(torch.equal(result.weights[name], again.weights[name]) for name in result.weights)


def test_the_first_layers_error_is_the_one_computed_by_itself() -> None:
    """Error of the first layer before its weights change, recomputed neuron by neuron from the float network."""
    given = checkpoint(CONVNET, "floor")
    record = calibrate_weights(given, IMAGES, replace(OPTIONS, epochs=0)).training["weight_calibration"]
    network = given.build()
    with torch.no_grad():
        z = nn.Sequential(*list(network.children())[:2])(IMAGES.float() / 255).double().numpy()
    a = np.clip(np.floor(z * 4) / 4, 0, 1)
    held = np.arange(100) % 5 == 0
    start = np.full((1, 2, 1, 1), 0.5)
    for _ in range(3):
        gap = (a - rates(z, start))[~held].mean(axis=(0, 2, 3), keepdims=True)
        start = np.clip(start + 2 * gap, -1, 1)
    missed = np.square(a - rates(z, start))[held].mean(axis=(2, 3)).sum(axis=1).mean()
    # A potential of float32 next to the threshold may fall to its other side in one of 1,280 neurons.
    assert record["errors"]["2"][0] == pytest.approx(missed, rel=0.02)


def rates(z: np.ndarray, start: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    u = start + z
    first = u >= 1
    return np.asarray((first + ((u - first + z) >= 1)) / 2)


def test_a_calibration_that_does_not_help_leaves_the_weights() -> None:
    given = checkpoint(CONVNET)
    result = calibrate_weights(given, IMAGES, replace(OPTIONS, epochs=0))
    assert result.training["weight_calibration"]["kept"] is False
    assert result.weights is given.weights


def test_the_callers_generator_and_checkpoint_are_left_alone() -> None:
    given = checkpoint(CONVNET)
    before: dict[str, Tensor] = {name: tensor.clone() for name, tensor in given.weights.items()}
    state = torch.get_rng_state()
    calibrate_weights(given, IMAGES, OPTIONS)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], given.weights[name]) for name in before)


def test_everything_impossible_is_told_at_once() -> None:
    with pytest.raises(UnusableInput, match="E705") as caught:
        calibrate_weights(checkpoint(CONVNET, "clip"), IMAGES[:4], WeightCalibration(0, -1, 0.0, 0))
    assert len(caught.value.diagnostics) == 6
    assert {problem.code for problem in caught.value.diagnostics} == {"E705"}
