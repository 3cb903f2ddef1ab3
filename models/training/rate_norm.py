"""RateNorm, stage 2 (Ding et al. 2021, "Optimal ANN-SNN conversion"): thresholds found by training alone.

    out = theta clip(z / theta, 0, 1),   theta = m sigmoid(p)

m, the running maximum of the layer's activations (momentum 0.1), and all weights are fixed; one p per layer is trained:

    loss = cross entropy + lambda mean over layers of  Omega(r),   Omega(r) = ||r||_1 / ||r||_2^2,   r = out / theta

lambda = 0.1, p = 10 at the start. Omega is small where rates are high, so that few steps tell them apart; it pulls
thresholds down until the cross entropy resists. Omega is taken per image and averaged. Stage 1, which trains the
weights with p fixed, is the ReLU round: sigmoid(10) = 0.99995 clips nothing but new maxima.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..networks.activation import SMALLEST_THRESHOLD

LAMBDA = 0.1
FIRST_P = 10.0
MOMENTUM = 0.1


class RateNormClip(nn.Module):
    """Clipped ReLU at running_maximum * sigmoid(p); ``rates`` are those of its last forward pass."""

    running_maximum: Tensor
    rates: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor(FIRST_P))
        self.register_buffer("running_maximum", torch.tensor(0.0))

    @property
    def threshold(self) -> Tensor:
        """Threshold in value units, at least SMALLEST_THRESHOLD."""
        return (self.running_maximum * torch.sigmoid(self.p)).clamp(min=SMALLEST_THRESHOLD)

    def forward(self, z: Tensor) -> Tensor:
        """Activation of ``z``, any shape (N, ...)."""
        threshold = self.threshold
        self.rates = torch.clip(z / threshold, 0.0, 1.0)
        return self.rates * threshold


def rate_norm_layers(network: nn.Module) -> dict[str, RateNormClip]:
    """All RateNorm layers of a network by module name."""
    return {name: module for name, module in network.named_modules() if isinstance(module, RateNormClip)}


def regulariser(network: nn.Module) -> Tensor:
    """Return lambda times the mean of Omega over layers and images of the last forward pass; silent ones count 0."""
    omegas = []
    for layer in rate_norm_layers(network).values():
        rates = layer.rates.flatten(1)
        squares = rates.square().sum(1)
        omegas.append(torch.where(squares > 0, rates.sum(1) / squares.clamp(min=1e-12), 0.0).mean())
    return LAMBDA * torch.stack(omegas).mean()


@torch.no_grad()
def measure_running_maximum(relu_network: nn.Module, network: nn.Module, batches: tuple[Tensor, ...]) -> None:
    """Set every running maximum from what the ReLU twin computes on ``batches`` of inputs, in their order."""
    layers = rate_norm_layers(network)
    for name, layer in layers.items():
        relu_network.get_submodule(name).register_forward_hook(_follow(layer))
    relu_network.eval()
    for batch in batches:
        relu_network(batch)


def _follow(layer: RateNormClip) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        largest, seen = output.max(), bool(layer.running_maximum > 0)
        layer.running_maximum.copy_(torch.lerp(layer.running_maximum, largest, MOMENTUM) if seen else largest)

    return hook
