from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from spikec.models.networks.activation import ClippedReLU
from spikec.models.training.rate_norm import RateNormClip, measure_running_maximum, regulariser


def test_threshold_is_a_share_of_the_running_maximum() -> None:
    layer = RateNormClip()
    layer.running_maximum.fill_(4.0)
    with torch.no_grad():
        layer.p.fill_(0.0)
    z = torch.tensor([[-1.0, 0.5, 2.0, 3.0]])
    assert layer(z).tolist() == [[0.0, 0.5, 2.0, 2.0]]
    assert layer.rates.tolist() == [[0.0, 0.25, 1.0, 1.0]]


def test_regulariser_is_lambda_times_the_mean_of_l1_over_squared_l2() -> None:
    network = nn.Sequential(RateNormClip(), nn.Flatten(), RateNormClip())
    for layer in (network[0], network[2]):
        assert isinstance(layer, RateNormClip)
        layer.running_maximum.fill_(1.0)
        with torch.no_grad():
            layer.p.fill_(40.0)
    network(torch.tensor([[[0.5, 0.25]], [[0.0, -1.0]]]))
    omega = (0.5 + 0.25) / (0.5**2 + 0.25**2)
    # The second image is silent and counts nothing; the second layer sees the rates of the first.
    assert float(regulariser(network).detach()) == pytest.approx(0.1 * (omega + 0) / 2)


def test_gradient_of_p_pulls_the_threshold_down_by_hand() -> None:
    layer = RateNormClip()
    layer.running_maximum.fill_(2.0)
    with torch.no_grad():
        layer.p.fill_(0.0)
    network = nn.Sequential(layer)
    network(torch.tensor([[0.5, 0.75]]))
    regulariser(network).backward()  # type: ignore[no-untyped-call]
    # Unclipped rates are z / theta, so Omega = theta (z1 + z2) / (z1^2 + z2^2); dtheta/dp = m sigmoid'(0) = 2/4.
    assert layer.p.grad is not None
    assert float(layer.p.grad) == pytest.approx(0.1 * 1.25 / (0.25 + 0.5625) * 0.5)


def test_running_maximum_follows_the_relu_network_with_momentum() -> None:
    relu, network = nn.Sequential(nn.ReLU()), nn.Sequential(RateNormClip())
    batches = tuple(torch.tensor([[value, -9.0]]) for value in (4.0, 2.0, 8.0))
    measure_running_maximum(relu, network, batches)
    maximum = 4.0
    for value in (2.0, 8.0):
        maximum = 0.9 * maximum + 0.1 * value
    assert isinstance(network[0], RateNormClip)
    assert float(network[0].running_maximum) == pytest.approx(maximum)
    assert float(network[0].threshold.detach()) == pytest.approx(maximum / (1 + math.exp(-10)))


def test_clipped_relu_is_trained_at_its_threshold_only_by_what_it_clips() -> None:
    layer = ClippedReLU(2.0)
    z = torch.tensor([-1.0, 1.0, 3.0, 5.0], requires_grad=True)
    layer(z).sum().backward()
    assert z.grad is not None
    assert z.grad.tolist() == [0, 1, 0, 0]
    assert layer.threshold.grad is not None
    assert float(layer.threshold.grad) == pytest.approx(2.0)
