"""Networks that are trained as ReLU or quantise-and-clip networks: a small conv net, ResNet-20 and VGG-16 for images,
and a conv net for signals.

All take floats (N, channels, rows, columns), in 0..1 (= byte / 255) or of signed bytes in -1..1 (= byte / 128), and
return logits (N, classes). They use only
what composes with integrate-and-fire neurons: convolution, batch norm, average pooling, sums, one activation per layer;
and, where it is asked for, max pooling, which the compiler computes by further neurons.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, cast

import torch.nn.functional as F
from torch import Tensor, nn

from ...targets.diagnostic import Diagnostic
from ...targets.records import dataclass
from .signal_network import SIGNED_SCALE, SignalNet

ActivationFactory = Callable[[], nn.Module]
NetworkName = Literal["convnet", "resnet20", "vgg16", "signalnet"]
Shortcut = Literal["projection", "identity"]
Pooling = Literal["average", "max"]

DEFAULT_WIDTH: dict[str, int] = {"convnet": 16, "resnet20": 16, "vgg16": 64, "signalnet": 16}
SMALLEST_SIZE: dict[str, int] = {"convnet": 8, "resnet20": 8, "vgg16": 1, "signalnet": 16}


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """A network up to its activation and weights.

    ``width`` is the number of channels of the first convolution (0: 16, and 64 for VGG-16), ``shortcut`` how a
    ResNet-20 passes a change of shape: a 1x1 convolution with batch norm, or the identity, subsampled and with zero
    channels added on both sides (option A of He et al. 2016). ``pooling`` is what halves the maps of a conv net, of a
    signal net and of a VGG-16; with "max" a network cannot be trained over its spikes. Images have ``size`` rows and as
    many columns, or ``columns`` where that is not 0. ``signed`` says that they are signed bytes, which the ONNX file
    takes as int8.
    """

    name: NetworkName
    channels: int
    size: int
    classes: int
    width: int = 0
    shortcut: Shortcut = "projection"
    pooling: Pooling = "average"
    columns: int = 0
    signed: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of an image."""
        return self.channels, self.size, self.columns or self.size

    @property
    def integers(self) -> tuple[int, int] | None:
        """Range of the integers that the ONNX file takes as they are; None where it takes floats."""
        return (-SIGNED_SCALE, SIGNED_SCALE - 1) if self.signed else None

    def problems(self) -> tuple[Diagnostic, ...]:
        """Everything that keeps the network from being built, as E705."""
        found = []
        if self.name not in DEFAULT_WIDTH:
            hint = f"choose one of {', '.join(DEFAULT_WIDTH)}"
            return (Diagnostic("E705", f"there is no network '{self.name}'", hint=hint),)
        _, rows, columns = self.shape
        if self.name == "signalnet" and rows != 1:
            message = f"signalnet takes signals of one row, these have {rows}"
            found.append(Diagnostic("E705", message, hint="take another network for images"))
        if self.name != "signalnet" and rows != columns:
            message = f"{self.name} takes square images, these have {rows} x {columns} pixels"
            found.append(Diagnostic("E705", message, hint="take signalnet for signals of one row"))
        if columns < SMALLEST_SIZE[self.name]:
            found.append(
                Diagnostic(
                    "E705",
                    f"images are too small for {self.name}",
                    measured=columns,
                    limit=SMALLEST_SIZE[self.name],
                    unit="pixels",
                    hint="take another network, or larger images",
                )
            )
        if self.name == "vgg16" and self.size > 32 and self.size % 32:
            hint = "scale or crop the images to a multiple of 32"
            found.append(
                Diagnostic("E705", f"vgg16 halves images five times, {self.size} pixels do not divide", hint=hint)
            )
        if min(self.channels, self.classes) < 1 or self.width < 0:
            hint = "channels and classes are at least 1, width is at least 1 (0 takes the usual one)"
            found.append(Diagnostic("E705", f"{self.name} has a count that is not positive", hint=hint))
        if self.shortcut == "identity" and self.name != "resnet20":
            found.append(Diagnostic("E705", f"{self.name} has no shortcuts", hint="leave the shortcut away"))
        if self.shortcut not in ("projection", "identity"):
            found.append(
                Diagnostic("E705", f"there is no shortcut '{self.shortcut}'", hint="choose projection or identity")
            )
        if self.pooling not in ("average", "max"):
            found.append(Diagnostic("E705", f"there is no pooling '{self.pooling}'", hint="choose average or max"))
        if self.pooling == "max" and self.name == "resnet20":
            found.append(Diagnostic("E705", "resnet20 has no maps that are pooled to half", hint="leave pooling away"))
        return tuple(found)

    def build(self, activation: ActivationFactory) -> nn.Module:
        """Build the network with fresh weights from torch's global generator."""
        width = self.width or DEFAULT_WIDTH[self.name]
        if self.name == "convnet":
            return ConvNet(self.channels, self.size, self.classes, width, activation, self.pooling)
        if self.name == "signalnet":
            return SignalNet(self.channels, self.shape[2], self.classes, width, activation, self.pooling)
        if self.name == "resnet20":
            return ResNet20(self.channels, self.size, self.classes, width, self.shortcut, activation)
        return vgg16(self.channels, self.size, self.classes, width, activation, self.pooling)


def _pool(pooling: Pooling) -> nn.Module:
    return nn.MaxPool2d(2) if pooling == "max" else nn.AvgPool2d(2)


def _conv_norm_activation(
    inputs: int, outputs: int, activation: ActivationFactory, stride: int = 1, bias: bool = False
) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=bias)
    return [conv, nn.BatchNorm2d(outputs), activation()]


class ConvNet(nn.Sequential):
    """Five 3x3 convolutions (w, 2w stride 2, 2w, 4w, 4w), two 2x2 pools, one hidden layer of 8w, one head.

    At width 16 and 1x28x28: 145 k weights, 5.6 M multiply-accumulates.
    """

    def __init__(
        self,
        channels: int,
        size: int,
        classes: int,
        width: int,
        activation: ActivationFactory,
        pooling: Pooling = "average",
    ) -> None:
        final = (size + 1) // 2 // 2 // 2
        super().__init__(
            *_conv_norm_activation(channels, width, activation),
            *_conv_norm_activation(width, 2 * width, activation, stride=2),
            *_conv_norm_activation(2 * width, 2 * width, activation),
            _pool(pooling),
            *_conv_norm_activation(2 * width, 4 * width, activation),
            *_conv_norm_activation(4 * width, 4 * width, activation),
            _pool(pooling),
            nn.Flatten(),
            nn.Linear(4 * width * final * final, 8 * width),
            activation(),
            nn.Linear(8 * width, classes),
        )


class PaddedIdentity(nn.Module):
    """Shortcut without weights: every ``stride``-th pixel, with zero channels on both sides (He et al. 2016, A)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.before = (outputs - inputs) // 2
        self.after = outputs - inputs - self.before

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, ceil(H/stride), ceil(W/stride))."""
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.before, self.after))


def _shortcut(inputs: int, outputs: int, stride: int, shortcut: Shortcut) -> nn.Module:
    if inputs == outputs and stride == 1:
        return nn.Identity()
    if shortcut == "identity":
        return PaddedIdentity(inputs, outputs, stride)
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, the last activation after the sum (He et al. 2016)."""

    def __init__(
        self, inputs: int, outputs: int, stride: int, shortcut: Shortcut, activation: ActivationFactory
    ) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            *_conv_norm_activation(inputs, outputs, activation, stride=stride),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = _shortcut(inputs, outputs, stride, shortcut)
        self.activation = activation()

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, ceil(H/stride), ceil(W/stride))."""
        return cast(Tensor, self.activation(self.residual(x) + self.shortcut(x)))


class ResNet20(nn.Sequential):
    """ResNet-20 of He et al. 2016 for small images: 3x3 stem, 3 x 3 basic blocks of w, 2w, 4w channels, one head.

    At width 16 and 3x32x32: 0.27 M weights, 41 M multiply-accumulates.
    """

    def __init__(
        self, channels: int, size: int, classes: int, width: int, shortcut: Shortcut, activation: ActivationFactory
    ) -> None:
        blocks: list[nn.Module] = []
        inputs = width
        for stage, outputs in enumerate((width, 2 * width, 4 * width)):
            for block in range(3):
                stride = 2 if stage and not block else 1
                blocks.append(BasicBlock(inputs, outputs, stride, shortcut, activation))
                inputs = outputs
        final = ((size + 1) // 2 + 1) // 2
        super().__init__(
            *_conv_norm_activation(channels, width, activation),
            *blocks,
            nn.AvgPool2d(final),
            nn.Flatten(),
            nn.Linear(inputs, classes),
        )


VGG16_STAGES = ((1, 1), (2, 2), (4, 4, 4), (8, 8, 8), (8, 8, 8))
"""Channels of the 13 convolutions in multiples of the width; a pool ends each stage."""


def vgg16(
    channels: int, size: int, classes: int, width: int, activation: ActivationFactory, pooling: Pooling = "average"
) -> nn.Sequential:
    """VGG-16 with batch norm, five pools and ONE fully connected layer, as Li et al. 2021 (SNN Calibration) use it.

    Images below 32x32 are centred in 32x32 by zero padding. At width 64 and 3x32x32: 14.7 M weights, 313 M
    multiply-accumulates.
    """
    missing = max(0, 32 - size)
    before, after = missing // 2, missing - missing // 2
    layers: list[nn.Module] = [nn.ZeroPad2d((before, after, before, after))] if missing else []
    inputs = channels
    for stage in VGG16_STAGES:
        for multiple in stage:
            layers += _conv_norm_activation(inputs, multiple * width, activation, bias=True)
            inputs = multiple * width
        layers.append(_pool(pooling))
    final = max(32, size) // 32
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(inputs * final * final, classes))
