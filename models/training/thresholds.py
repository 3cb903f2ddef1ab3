"""First thresholds of a network with clipped activations, read from the activations of the trained ReLU network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from ..networks.activation import ThresholdLayer, keep_thresholds_positive, threshold_layers

ThresholdRule = Literal["percentile", "mmse"]

PERCENTILE = 0.999
GRID = 100
SAMPLED_VALUES = 200_000
"""Values looked at per layer and batch; more does not move a threshold that is trained afterwards."""


def percentile_threshold(activations: Tensor, layer: ThresholdLayer) -> float:
    """Return the 99.9 percentile of the activations (Rueckauer et al. 2017)."""
    return float(torch.quantile(activations, PERCENTILE))


def mmse_threshold(activations: Tensor, layer: ThresholdLayer) -> float:
    """Return the threshold on a grid of 100 up to the largest activation with the least mean squared error.

    The error is that of the layer's own quantiser or clip (Li et al. 2021, SNN Calibration, section 4).
    """
    candidates = activations.max() * torch.arange(1, GRID + 1, device=activations.device) / GRID
    errors = [(layer.clipped_at(candidate, activations) - activations).square().mean() for candidate in candidates]
    return float(candidates[torch.stack(errors).argmin()])


RULES: dict[ThresholdRule, Callable[[Tensor, ThresholdLayer], float]] = {
    "percentile": percentile_threshold,
    "mmse": mmse_threshold,
}


@torch.no_grad()
def set_thresholds(relu_network: nn.Module, network: nn.Module, inputs: Tensor, rule: ThresholdRule) -> None:
    """Set every threshold of ``network`` from what its twin ``relu_network`` computes on ``inputs`` (N, C, H, W).

    A layer that is silent on all inputs keeps the smallest threshold.
    """
    layers = threshold_layers(network)
    seen: dict[str, Tensor] = {}

    def remember(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            values = output.flatten()
            seen[name] = values[:: max(1, values.numel() // SAMPLED_VALUES)]

        return hook

    hooks = [relu_network.get_submodule(name).register_forward_hook(remember(name)) for name in layers]
    relu_network.eval()
    relu_network(inputs)
    for hook in hooks:
        hook.remove()
    for name, layer in layers.items():
        layer.threshold.fill_(RULES[rule](seen[name], layer))
    keep_thresholds_positive(network)
