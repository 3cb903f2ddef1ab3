"""Networks that are trained as ReLU or quantise-and-clip networks: a small conv net, ResNet-20 and VGG-16 for images,
a conv net for signals, and one for bags of words.

All take floats (N, channels, rows, columns), in 0..1 (= byte / 255) or of signed bytes in -1..1 (= byte / 128), and
return logits (N, classes). They use only
what composes with integrate-and-fire neurons: convolution, batch norm, average pooling, sums, one activation per layer;
and, where it is asked for, max pooling, which the compiler computes by further neurons.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, cast

import torch.nn.functional as F
from torch import Tensor, nn

from ...targets.diagnostic import Diagnostic
from ...targets.records import dataclass
from .bag_network import BagNet
from .signal_network import SIGNED_SCALE, SignalNet

ActivationFactory = Callable[[], nn.Module]
NetworkName = Literal["convnet", "resnet20", "vgg16", "signalnet", "bagnet"]
Shortcut = Literal["projection", "identity"]
Pooling = Literal["average", "max"]

DEFAULT_WIDTH: dict[str, int] = {"convnet": 16, "resnet20": 16, "vgg16": 64, "signalnet": 16, "bagnet": 32}
SMALLEST_SIZE: dict[str, int] = {"convnet": 8, "resnet20": 8, "vgg16": 1, "signalnet": 16, "bagnet": 1}
ROWS_OF_ONE = ("signalnet", "bagnet")
"""Networks of data that are no images."""


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """A network up to its activation and weights.

    ``width`` is the number of channels of the first convolution (0 takes the usual one), ``shortcut`` how a
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
        if self.name not in DEFAULT_WIDTH:
            hint = f"choose one of {', '.join(DEFAULT_WIDTH)}"
            return (Diagnostic("E705", f"there is no network '{self.name}'", hint=hint),)
        found = [*self._shape_problems()]
        found += [Diagnostic("E705", message, hint=hint) for holds, message, hint in self._rules() if not holds]
        return tuple(found)

    def _shape_problems(self) -> Iterator[Diagnostic]:
        _, rows, columns = self.shape
        shape, least = f"{rows} x {columns}", SMALLEST_SIZE[self.name]
        if self.name in ROWS_OF_ONE and rows != 1:
            message, hint = f"{self.name} takes data of one row, these have {shape}", "take another network for images"
            yield Diagnostic("E705", message, hint=hint)
        elif self.name not in ROWS_OF_ONE and rows != columns:
            message, hint = f"{self.name} takes square images, these have {shape} pixels", "take signalnet for signals"
            yield Diagnostic("E705", message, hint=hint)
        if self.name == "bagnet" and columns > 1:
            yield Diagnostic(
                "E705", f"bagnet takes one column, these have {columns}", hint="take signalnet for signals"
            )
        if columns < least:
            message, hint = f"images are too small for {self.name}", "take another network, or larger images"
            yield Diagnostic("E705", message, measured=columns, limit=least, unit="pixels", hint=hint)
        if self.name == "vgg16" and self.size > 32 and self.size % 32:
            message = f"vgg16 halves images five times, {self.size} pixels do not divide"
            yield Diagnostic("E705", message, hint="scale or crop the images to a multiple of 32")

    def _rules(self) -> tuple[tuple[bool, str, str], ...]:
        """What must hold, else what is wrong, and what to do."""
        return (
            (
                min(self.channels, self.classes) >= 1 and self.width >= 0,
                f"{self.name} has a count that is not positive",
                "channels and classes are at least 1, width is at least 1 (0 takes the usual one)",
            ),
            (
                self.shortcut != "identity" or self.name == "resnet20",
                f"{self.name} has no shortcuts",
                "leave the shortcut away",
            ),
            (
                self.shortcut in ("projection", "identity"),
                f"there is no shortcut '{self.shortcut}'",
                "choose projection or identity",
            ),
            (self.pooling in ("average", "max"), f"there is no pooling '{self.pooling}'", "choose average or max"),
            (
                self.pooling != "max" or self.name not in ("resnet20", "bagnet"),
                f"{self.name} has no maps that are pooled to half",
                "leave pooling away",
            ),
        )

    def build(self, activation: ActivationFactory) -> nn.Module:
        """Build the network with fresh weights from torch's global generator."""
        width = self.width or DEFAULT_WIDTH[self.name]
        if self.name == "convnet":
            return ConvNet(self.channels, self.size, self.classes, width, activation, self.pooling)
        if self.name == "signalnet":
            return SignalNet(self.channels, self.shape[2], self.classes, width, activation, self.pooling)
        if self.name == "bagnet":
            return BagNet(self.channels, self.classes, width, activation)
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
