"""Activations with a trainable threshold: quantise-and-clip, eq. 8 of Xiong 2025 (floor) and QCFS (round, Bu et al.
2022), and the clipped ReLU (TCL, Ho and Chang 2021)."""

from __future__ import annotations

from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from ...targets.records import dataclass

ActivationKind = Literal["relu", "clip", "floor", "round"]

SHIFT: dict[ActivationKind, float] = {"floor": 0.0, "round": 0.5}
"""What is added before the floor, in levels. On a chip: initial membrane potential of shift * threshold."""

SMALLEST_THRESHOLD = 1e-3
"""Where `keep_thresholds_positive` holds a threshold; in value units, far below any useful one."""


def quantise_and_clip(z: Tensor, threshold: Tensor, levels: int, shift: float) -> Tensor:
    """Return threshold * clip(floor(z * levels / threshold + shift) / levels, 0, 1), in plain exportable operators.

    ``z`` any shape, ``threshold`` a positive scalar tensor in the units of ``z``, ``levels`` >= 1.
    """
    scaled = z / threshold * levels
    shifted = scaled + shift if shift else scaled
    return torch.clip(torch.floor(shifted) / levels, 0.0, 1.0) * threshold


def at_least_single(values: Tensor) -> Tensor:
    """Return ``values`` in float32 where they are less precise: levels and potentials need more than eight bits."""
    return values.float() if values.dtype == torch.bfloat16 else values


class _StraightThrough(torch.autograd.Function):
    """`quantise_and_clip` with d floor(x) / dx = 1 (Xiong 2025, eq. 10), so that only the clip stops the gradient.

    da/dz = 1 for 0 < z < threshold, else 0.
    da/dthreshold = 1 for z >= threshold, a/threshold - z/threshold for 0 < z < threshold, 0 for z <= 0.
    """

    @staticmethod
    def forward(ctx: Any, z: Tensor, threshold: Tensor, levels: int, shift: float) -> Tensor:
        """Quantise and clip."""
        # As `quantise_and_clip`, in place: layers are larger than the cache, so passes over memory are what costs.
        activation = z / threshold
        activation.mul_(levels).add_(shift).floor_().div_(levels).clamp_(0.0, 1.0).mul_(threshold)
        ctx.save_for_backward(z, activation, threshold)
        return activation

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """Gradients for ``z`` and ``threshold``."""
        (gradient,) = gradients
        z, activation, threshold = ctx.saved_tensors
        above = gradient * (z >= threshold)
        inside = (gradient * (z > 0)).sub_(above)
        slope = above.sum() + torch.sub(activation, z).mul_(inside).sum() / threshold
        return inside, slope.reshape(threshold.shape), None, None


class QuantiseClip(nn.Module):
    """Quantise-and-clip activation with one trainable threshold for the layer.

    ``levels`` >= 1 is L, ``shift`` is 0 (eq. 8) or 1/2 (QCFS), ``threshold`` > 0 in value units is the start value.
    Output values are multiples of threshold / levels in 0..threshold.
    """

    threshold: nn.Parameter

    def __init__(self, levels: int, shift: float, threshold: float = 8.0) -> None:
        super().__init__()
        if levels < 1 or threshold <= 0:
            raise ValueError(f"levels {levels} must be at least 1 and threshold {threshold} positive")
        self.levels = levels
        self.shift = shift
        self.threshold = nn.Parameter(torch.tensor(float(threshold)))

    def forward(self, z: Tensor) -> Tensor:
        """Activation of ``z``, any shape; in float32 where ``z`` is bfloat16."""
        if torch.is_grad_enabled() and not torch.onnx.is_in_onnx_export():
            return cast(Tensor, _StraightThrough.apply(at_least_single(z), self.threshold, self.levels, self.shift))
        return self.clipped_at(self.threshold, z)

    def clipped_at(self, threshold: Tensor, z: Tensor) -> Tensor:
        """Activation of ``z`` if the layer had this threshold."""
        return quantise_and_clip(z, threshold, self.levels, self.shift)

    def extra_repr(self) -> str:
        """Levels and shift, for printing."""
        return f"levels={self.levels}, shift={self.shift}"


class ClippedReLU(nn.Module):
    """threshold * clip(z / threshold, 0, 1) with one trainable threshold for the layer, in value units."""

    threshold: nn.Parameter

    def __init__(self, threshold: float = 8.0) -> None:
        super().__init__()
        self.threshold = nn.Parameter(torch.tensor(float(threshold)))

    def forward(self, z: Tensor) -> Tensor:
        """Activation of ``z``, any shape."""
        return self.clipped_at(self.threshold, z)

    def clipped_at(self, threshold: Tensor, z: Tensor) -> Tensor:
        """Activation of ``z`` if the layer had this threshold."""
        return torch.clip(z / threshold, 0.0, 1.0) * threshold


ThresholdLayer = QuantiseClip | ClippedReLU


@dataclass(frozen=True, slots=True)
class Activation:
    """Which activation a network is built with: ``relu``, ``clip``, or quantise-and-clip with ``levels`` >= 1."""

    kind: ActivationKind
    levels: int = 4

    @property
    def shift(self) -> float | None:
        """Shift in levels; None for activations without levels."""
        return SHIFT.get(self.kind)

    def __call__(self) -> nn.Module:
        """Build one layer's activation, with a threshold of its own."""
        if self.kind == "clip":
            return ClippedReLU()
        return nn.ReLU() if self.shift is None else QuantiseClip(self.levels, self.shift)


def quantise_clip_layers(network: nn.Module) -> dict[str, QuantiseClip]:
    """All quantise-and-clip layers of a network by module name, in the order of definition."""
    return {name: module for name, module in network.named_modules() if isinstance(module, QuantiseClip)}


def threshold_layers(network: nn.Module) -> dict[str, ThresholdLayer]:
    """All layers of a network that have a threshold by module name, in the order of definition."""
    return {name: module for name, module in network.named_modules() if isinstance(module, ThresholdLayer)}


@torch.no_grad()
def keep_thresholds_positive(network: nn.Module) -> None:
    """Put every threshold back to at least SMALLEST_THRESHOLD; to be called after each optimiser step."""
    for layer in threshold_layers(network).values():
        layer.threshold.clamp_(min=SMALLEST_THRESHOLD)
