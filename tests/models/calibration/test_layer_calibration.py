from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spikec.models.calibration import layer_calibration
from spikec.models.calibration.layer_calibration import LayerFit, Recorded, straight_through
from spikec.models.calibration.weight_calibration import Gradient, WeightCalibration
from spikec.models.networks.layers import Layer
from spikec.models.networks.spiking import IntegrateAndFire


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


def one_layer(gradient: Gradient, *, timesteps: int = 3) -> tuple[LayerFit, npt.NDArray[np.float64]]:
    """A convolution of 2 to 3 channels with random spikes as input, theta 0.8, v0/theta 0.3; and the spikes."""
    torch.manual_seed(5)
    linear = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1)).double()
    neurons = IntegrateAndFire(timesteps, 0.5, timesteps, printed=gradient == "printed").double()
    neurons.threshold.data.fill_(0.8)
    neurons.requires_grad_(False)
    neurons.initial = torch.full((3, 1, 1), 0.3, dtype=torch.float64)
    trains = torch.rand(timesteps, 10, 2, 5, 5) < 0.4
    target = torch.rand(10, 3, 5, 5, dtype=torch.float64) * 0.8
    theta = torch.tensor(1.7, dtype=torch.float64)
    recorded = Recorded({}, {"before": trains}, {"before": theta})
    options = WeightCalibration(timesteps, gradient=gradient)
    layer = Layer("it", ("before",), linear)
    return LayerFit(layer, neurons, recorded, target, torch.arange(10) % 5 == 0, options), trains.double().numpy()


class Triangle(torch.autograd.Function):
    """Heaviside of u/theta - 1, differentiated as the triangle that it is the step of."""

    @staticmethod
    def forward(ctx: Any, ratio: Tensor) -> Tensor:
        ctx.save_for_backward(ratio)
        return (ratio >= 1).to(ratio.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (ratio,) = ctx.saved_tensors
        return gradients[0] * torch.relu(1 - (ratio - 1).abs())


def loss_of_explicit_loop(fit: LayerFit, trains: npt.NDArray[np.float64], weight: Tensor, chosen: Tensor) -> Tensor:
    """The layer's error by a loop over time that autograd follows, step by step."""
    conv = fit.layer.linear[0]  # type: ignore[index]
    theta = 0.8
    v = torch.full((len(chosen), 3, 5, 5), 0.3 * theta, dtype=torch.float64)
    total = torch.zeros_like(v)
    for train in torch.from_numpy(trains)[:, chosen]:
        u = v + F.conv2d(train * 1.7, weight, conv.bias.detach(), padding=1)
        spike = Triangle.apply(u / theta)
        v = u - theta * spike
        total = total + spike
    missed = total / len(trains) - fit.target[chosen] / theta
    return missed.square().mean((2, 3)).sum(1).mean()


def test_the_mended_gradient_of_a_convolution_is_that_of_an_explicit_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_calibration, "PART_VALUES", 3 * 75 * 3)  # three images at once
    fit, trains = one_layer("mended")
    chosen = torch.tensor([7, 1, 2, 9, 4, 6, 8])
    weight = fit.layer.linear[0].weight  # type: ignore[index]
    fit.gradients(chosen)
    copied = weight.detach().clone().requires_grad_()
    loss_of_explicit_loop(fit, trains, copied, chosen).backward()  # type: ignore[no-untyped-call]
    assert copied.grad is not None
    assert float(copied.grad.abs().max()) > 1e-3
    torch.testing.assert_close(weight.grad, copied.grad, rtol=1e-9, atol=1e-12)
    held = float(loss_of_explicit_loop(fit, trains, copied.detach(), torch.tensor([0, 5])))
    assert fit.held_out_error() == pytest.approx(held, rel=1e-12)


def test_straight_through_by_hand() -> None:
    """T = 4, theta 2, v0 1/2: counts floor((4 I + 1/2) / 2) in 0..4, slopes 1 inside 0..2."""
    current = torch.tensor([-0.3, 0.1, 0.37, 0.5, 1.9, 2.0, 2.6], requires_grad=True)
    values = straight_through(current, torch.tensor(2.0), torch.tensor(0.25), 4)
    assert values.tolist() == [0, 0, 0, 0.5, 2, 2, 2]
    values.sum().backward()  # type: ignore[no-untyped-call]
    assert current.grad is not None
    assert current.grad.tolist() == [0, 1, 1, 1, 1, 0, 0]


def test_straight_through_gradient_of_a_convolution_by_hand() -> None:
    """Mean inputs, counts, slopes and the convolution's gradient in plain numpy."""
    fit, trains = one_layer("straight-through")
    conv = fit.layer.linear[0]  # type: ignore[index]
    weight, bias = (p.detach().numpy() for p in (conv.weight, conv.bias))
    chosen = [3, 1]
    fit.gradients(torch.tensor(chosen))
    mean = np.pad(trains.mean(0)[chosen] * 1.7, ((0, 0), (0, 0), (1, 1), (1, 1)))
    wanted = np.zeros_like(weight)
    for n, o, row, column in np.ndindex(2, 3, 5, 5):
        window = mean[n, :, row : row + 3, column : column + 3]
        current = (window * weight[o]).sum() + bias[o]
        count = min(max(np.floor((3 * current + 0.3 * 0.8) / 0.8), 0), 3)
        missed = 0.8 * count / 3 - float(fit.target[chosen[n], o, row, column])
        if 0 < current < 0.8:
            wanted[o] += 2 * missed / 0.8**2 / 25 / 2 * window
    assert np.abs(wanted).max() > 1e-3
    np.testing.assert_allclose(conv.weight.grad.numpy(), wanted, rtol=1e-9, atol=1e-12)


def test_without_the_shift_straight_through_would_aim_half_a_spike_too_high() -> None:
    """The released code fits floor(T I / theta), though its network adds theta/2 in the window: error theta/2T."""
    current = torch.linspace(0, 1, 100_001, dtype=torch.float64)
    theta = torch.tensor(1.0, dtype=torch.float64)
    error = {v0: float((straight_through(current, theta, torch.tensor(v0), 4) - current).mean()) for v0 in (0.0, 0.5)}
    assert error[0.5] == pytest.approx(0, abs=1e-4)
    assert error[0.0] == pytest.approx(-1 / 8, abs=1e-4)


def test_a_layer_stops_when_its_error_no_longer_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two falling epochs and three others: five are trained, and the weights of the best are taken."""
    fit, _ = one_layer("mended")
    fit = replace(fit, options=replace(fit.options, potentials=False, epochs=20))
    weight = fit.layer.linear[0].weight  # type: ignore[index]
    given = iter([1.0, 0.9, 0.8, 0.7999, 0.85, 0.8])
    weights = []

    def error(_: LayerFit) -> float:
        weights.append(weight.detach().clone())
        return next(given)

    monkeypatch.setattr(LayerFit, "held_out_error", error)
    assert fit.calibrate() == [1.0, 0.7999]
    assert next(given, None) is None
    assert torch.equal(weight, weights[3])


def test_potentials_are_calibrated_again_for_the_trained_weights() -> None:
    """As the compiler does: three signed steps from theta/2 towards the activations of the network that was given."""
    fit, trains = one_layer("mended")
    fit = replace(fit, options=replace(fit.options, epochs=3))
    before, after = fit.calibrate()
    assert after < before
    conv = fit.layer.linear[0]  # type: ignore[index]
    fitted = ~fit.held_out.numpy()
    with torch.no_grad():
        currents = [conv(torch.from_numpy(train[fitted]) * 1.7).numpy() for train in trains]
    wanted = fit.target.numpy()[fitted] / 0.8
    share = np.full((3, 1, 1), 0.5)
    for _ in range(3):
        v, counts = share * 0.8 * np.ones_like(currents[0]), np.zeros_like(currents[0])
        for current in currents:
            fired = v + current >= 0.8
            v, counts = v + current - 0.8 * fired, counts + fired
        gap = wanted - counts / 3
        share = np.clip(share + 3 * gap.mean((0, 2, 3)).reshape(3, 1, 1), -1, 1)
    np.testing.assert_allclose(fit.neurons.initial.numpy(), share, atol=1e-5)  # accumulated in float32
