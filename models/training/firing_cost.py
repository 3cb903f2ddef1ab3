"""A price on firing: networks whose neurons spike less often, for chips and simulators whose work grows with spikes.

    loss = cross entropy + price * mean over layers of  r_l,   r_l = mean of out / theta  over neurons, images and steps

r_l is the rate of a layer's neurons, 0..1: the mean quantised activation in units of its threshold, of the spiking
network its spikes per neuron and step. Its gradient reaches weights and thresholds alike. After Sorbaro et al. 2020
("Optimizing the energy consumption of spiking neural networks for neuromorphic applications"), who price synaptic
operations; here every layer counts the same, whatever its size.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..networks.activation import ThresholdLayer, threshold_layers


class FiringCost:
    """Follows the rates of all layers of ``network`` that have a threshold; with ``price`` 0 of none."""

    def __init__(self, network: nn.Module, price: float) -> None:
        self._price = price
        self._rates: dict[str, Tensor] = {}
        followed = threshold_layers(network) if price else {}
        for name, layer in followed.items():
            layer.register_forward_hook(self._follow(name))
        self.is_priced = bool(followed)

    def cost(self) -> Tensor | float:
        """Return the price times the mean rate of the last forward pass with gradients; 0 where no rate is followed."""
        if not self._rates:
            return 0.0
        return self._price * torch.stack(list(self._rates.values())).mean()

    def _follow(self, name: str) -> Callable[[ThresholdLayer, tuple[Tensor, ...], Tensor], None]:
        def hook(layer: ThresholdLayer, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if torch.is_grad_enabled():
                self._rates[name] = output.mean() / layer.threshold

        return hook
