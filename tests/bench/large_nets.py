"""Networks for larger images: ResNet-18 and -50 and MobileNet; quantise-and-clip, random weights."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

CLASSES = 1000

ActivationFactory = Callable[[], nn.Module]


class Bottleneck(nn.Module):
    """1x1, 3x3 with the stride, 1x1, and a shortcut that is a 1x1 convolution where shapes differ (He et al. 2016)."""

    def __init__(self, inputs: int, width: int, stride: int, activation: ActivationFactory) -> None:
        super().__init__()
        outputs = 4 * width
        self.residual = nn.Sequential(
            *_convolution(inputs, width, 1),
            activation(),
            *_convolution(width, width, 3, stride),
            activation(),
            *_convolution(width, outputs, 1),
        )
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Sequential(*([] if same else _convolution(inputs, outputs, 1, stride)))
        self.activation = activation()

    def forward(self, x: Tensor) -> Tensor:
        """Sum of both paths, activated."""
        return self.activation(self.residual(x) + self.shortcut(x))  # type: ignore[no-any-return]


class BasicBlock(nn.Module):
    """Two 3x3, the first with the stride, and a shortcut as in ``Bottleneck``."""

    def __init__(self, inputs: int, outputs: int, stride: int, activation: ActivationFactory) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            *_convolution(inputs, outputs, 3, stride), activation(), *_convolution(outputs, outputs, 3)
        )
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Sequential(*([] if same else _convolution(inputs, outputs, 1, stride)))
        self.activation = activation()

    def forward(self, x: Tensor) -> Tensor:
        """Sum of both paths, activated."""
        return self.activation(self.residual(x) + self.shortcut(x))  # type: ignore[no-any-return]


def resnet18(activation: ActivationFactory) -> nn.Module:
    """20 convolutions and a dense layer, 11.7 M weights; its one pool averages."""
    layers: list[nn.Module] = [*_convolution(3, 64, 7, 2), activation(), nn.AvgPool2d(2)]
    inputs = 64
    for stage, outputs in enumerate((64, 128, 256, 512)):
        for block in range(2):
            layers.append(BasicBlock(inputs, outputs, 2 if stage and not block else 1, activation))
            inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, CLASSES))


def resnet50(activation: ActivationFactory) -> nn.Module:
    """53 convolutions and a dense layer, 25.5 M weights; its one pool averages."""
    layers: list[nn.Module] = [*_convolution(3, 64, 7, 2), activation(), nn.AvgPool2d(2)]
    inputs = 64
    for stage, (width, count) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
        for block in range(count):
            layers.append(Bottleneck(inputs, width, 2 if stage and not block else 1, activation))
            inputs = 4 * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, CLASSES))


def mobilenet(activation: ActivationFactory) -> nn.Module:
    """27 convolutions, every other one depthwise, and a dense layer: 28 layers, 4.2 M weights (Howard et al. 2017)."""
    layers: list[nn.Module] = [*_convolution(3, 32, 3, 2), activation()]
    inputs = 32
    for outputs, stride in (
        *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
        *((512, 1),) * 5,
        *((1024, 2), (1024, 1)),
    ):
        layers += [*_convolution(inputs, inputs, 3, stride, groups=inputs), activation()]
        layers += [*_convolution(inputs, outputs, 1), activation()]
        inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, CLASSES))


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(outputs)]


PLACED = ("resnet50", "mobilenet")
"""Those that others place."""

LARGE_NETS: dict[str, tuple[int, Callable[[ActivationFactory], nn.Module]]] = {
    "resnet18": (224, resnet18),
    "resnet50": (224, resnet50),
    "mobilenet": (128, mobilenet),
}
"""Pixels of an image along each side, and what builds the network."""
