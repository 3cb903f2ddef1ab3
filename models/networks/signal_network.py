"""A network of 1-D convolutions for signals: several channels over time, as maps of one row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

KERNEL = 5
"""Samples that a convolution sees."""
SIGNED_SCALE = 128
"""What signed bytes are divided by."""


class SignalNet(nn.Sequential):
    """Five convolutions over time (w, 2w stride 2, 2w, 4w, 4w), a pool of two, one over what is left, one head.

    Kernels are 1 x 5 samples. At width 16 and 6x1x128: 40 k weights, 1.5 M multiply-accumulates.
    """

    def __init__(
        self,
        channels: int,
        columns: int,
        classes: int,
        width: int,
        activation: Callable[[], nn.Module],
        pooling: Literal["average", "max"] = "average",
    ) -> None:
        super().__init__(
            *_conv_norm_activation(channels, width, activation),
            *_conv_norm_activation(width, 2 * width, activation, stride=2),
            *_conv_norm_activation(2 * width, 2 * width, activation),
            nn.MaxPool2d((1, 2)) if pooling == "max" else nn.AvgPool2d((1, 2)),
            *_conv_norm_activation(2 * width, 4 * width, activation),
            *_conv_norm_activation(4 * width, 4 * width, activation),
            nn.AvgPool2d((1, (columns + 1) // 2 // 2)),
            nn.Flatten(),
            nn.Linear(4 * width, classes),
        )


class SignedBytes(nn.Module):
    """What a network of signed bytes begins with where it takes them as they are: x / 128."""

    def forward(self, x: Tensor) -> Tensor:
        """Floats in -1..1 for integers in -128..127, any shape."""
        return x.to(torch.float32) / SIGNED_SCALE


def _conv_norm_activation(
    inputs: int, outputs: int, activation: Callable[[], nn.Module], stride: int = 1
) -> list[nn.Module]:
    kernel, padding = (1, KERNEL), (0, KERNEL // 2)
    conv = nn.Conv2d(inputs, outputs, kernel, stride=(1, stride), padding=padding, bias=False)
    return [conv, nn.BatchNorm2d(outputs), activation()]
