"""Training with the conversion's residual error in the activations, measured on the spiking network.

``gap`` (Huang et al. 2024, "Noise modelling", arXiv 2404.17456, and its published code):

    out = QCFS(z) - sigma_l n,   n ~ N(0, 1) per element,   sigma_l^2 = mean over batches of var(a_l - phi_l)

with a_l the activation of the ANN and phi_l = theta N / T that of the spiking network, each on its own path. The mean
of the gap is not used. sigma_l = 0 in the first epoch.

``local``: the spiking layer is compared with the quantiser on the SAME input, the mean current of the spikes that it
received, so an error is not counted again in every later layer; the error is the one that was measured, in whole
spikes, for each level of the activation, with its mean:

    out = theta N / T,   N drawn from P(N | k),   k = L QCFS(mean_t I(t)) / theta

Errors have no gradient: that of the activation passes through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn

from ..datasets.device_images import DeviceImages, affordable, consecutive, read_batches
from ..networks.activation import Activation, QuantiseClip, quantise_and_clip
from ..networks.spiking import IntegrateAndFire, SpikingNetwork, spiking_layers
from .evaluation import as_input

NoiseKind = Literal["none", "gap", "local"]
NOISES: tuple[NoiseKind, ...] = ("none", "gap", "local")

ErrorModel = Callable[[Tensor, Tensor], Tensor]
"""From the activation and its threshold to a drawn error, in value units."""

MEASURED_IMAGES = 2000
MEASURING_BATCH = 250
QUANTILES = 4096
"""Resolution of the drawn probabilities, far finer than a count of some thousand images is certain."""


class NoisyQuantiseClip(QuantiseClip):
    """Quantise-and-clip whose activation differs, in training mode, by a drawn error."""

    error: ErrorModel | None = None

    def forward(self, z: Tensor) -> Tensor:
        """Activation of ``z``, any shape; the error may take it out of 0..threshold."""
        activation = super().forward(z)
        if self.error is None or not self.training:
            return activation
        return activation + self.error(activation.detach(), self.threshold.detach())


class NoisyActivation:
    """Builds noisy layers for a network."""

    def __init__(self, activation: Activation) -> None:
        self.activation = activation

    def __call__(self) -> nn.Module:
        """Build one layer's activation."""
        assert self.activation.shift is not None, "only quantise-and-clip activations have residual errors"
        return NoisyQuantiseClip(self.activation.levels, self.activation.shift)


def gaussian_error(sigma: float) -> ErrorModel:
    """Return the error of Huang et al.: -sigma n with sigma in value units."""
    return lambda activation, threshold: -sigma * torch.randn_like(activation)


def count_error(counts: Tensor) -> ErrorModel:
    """Return the error N/T - k/L, times the threshold, with N drawn from row k of ``counts`` (L + 1, T + 1).

    ``counts`` holds how often level k gave N spikes; a level that was never seen has no error.
    """
    levels, timesteps = len(counts) - 1, counts.shape[1] - 1
    shares = counts.double().cumsum(1) / counts.sum(1, keepdim=True).clamp(min=1)
    position = (torch.arange(QUANTILES, device=counts.device, dtype=torch.float64) + 0.5) / QUANTILES
    drawn = torch.searchsorted(shares, position.expand(levels + 1, -1).contiguous()).clamp(max=timesteps)
    level = torch.arange(levels + 1, device=counts.device, dtype=torch.float32)[:, None] / levels
    errors = torch.where(counts.sum(1, keepdim=True) > 0, drawn.float() / timesteps - level, 0.0).flatten()

    def draw(activation: Tensor, threshold: Tensor) -> Tensor:
        row = torch.round(activation * (levels / threshold)).long()
        column = torch.randint(QUANTILES, row.shape, device=row.device)
        return errors[row * QUANTILES + column] * threshold

    return draw


@torch.no_grad()
def measure_gap(network: nn.Module, spiking: SpikingNetwork, images: DeviceImages) -> dict[str, float]:
    """Return sigma per layer: the gap between both networks' activations, each on its own path, in value units.

    ``network`` computes clean activations (evaluation mode); ``images`` uint8 (N, C, H, W).
    """
    firing = spiking_layers(spiking.network)
    variances: dict[str, list[float]] = {name: [] for name in firing}
    for batch in _measured_batches(images):
        with _observed({n: network.get_submodule(n) for n in firing}) as clean, _observed(firing) as spikes:
            network.eval()(as_input(batch))
            spiking.eval()(as_input(batch))
        for name, layer in firing.items():
            gap = clean[name][1] - _per_step(spikes[name][1], layer).mean(0)
            variances[name].append(float(gap.var()))
    return {name: (sum(each) / len(each)) ** 0.5 for name, each in variances.items()}


@torch.no_grad()
def measure_counts(spiking: SpikingNetwork, images: DeviceImages) -> dict[str, Tensor]:
    """Return per layer how often level k of the quantised mean current gave N spikes, int64 (L + 1, T + 1)."""
    firing = spiking_layers(spiking.network)
    steps = spiking.timesteps
    counts: dict[str, Tensor] = {}
    for batch in _measured_batches(images):
        with _observed(firing) as seen:
            spiking.eval()(as_input(batch))
        for name, layer in firing.items():
            current, spikes = seen[name]
            mean = current if layer.constant_input else _per_step(current, layer).mean(0)
            quantised = quantise_and_clip(mean, layer.threshold, layer.levels, layer.shift)
            level = torch.round(quantised * (layer.levels / layer.threshold)).long()
            fired = torch.round(_per_step(spikes, layer).sum(0) / layer.threshold).long()
            cells = (layer.levels + 1) * (steps + 1)
            table = torch.bincount((level * (steps + 1) + fired).flatten(), minlength=cells)
            counts[name] = counts.get(name, torch.zeros_like(table)) + table
    return {name: table.reshape(-1, steps + 1) for name, table in counts.items()}


def _measured_batches(images: DeviceImages) -> Iterator[Tensor]:
    size = affordable(MEASURING_BATCH, images)
    return read_batches(images, consecutive(min(len(images), MEASURED_IMAGES), size))


def _per_step(values: Tensor, layer: IntegrateAndFire) -> Tensor:
    return torch.unflatten(values, 0, (layer.timesteps, -1))


@contextmanager
def _observed(
    modules: dict[str, nn.Module] | dict[str, IntegrateAndFire],
) -> Iterator[dict[str, tuple[Tensor, Tensor]]]:
    """Input and output of each module in its last forward pass."""
    seen: dict[str, tuple[Tensor, Tensor]] = {}

    def remember(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            seen[name] = (inputs[0], output)

        return hook

    hooks = [module.register_forward_hook(remember(name)) for name, module in modules.items()]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()
