"""A network as a sequence of layers: a linear map of earlier activations, then an activation."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from ...targets.records import dataclass
from .activation import QuantiseClip
from .networks import BasicBlock

INPUT = "input"
"""Name of the image among a layer's sources."""


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """``linear`` takes the values of ``sources`` (activations by module name, or INPUT) and feeds ``activation``.

    ``activation`` is the name of a module, or "" for the read-out, whose linear map gives the logits.
    """

    activation: str
    sources: tuple[str, ...]
    linear: nn.Module


class _Sum(nn.Module):
    """Sum of one linear map per source."""

    def __init__(self, *maps: nn.Module) -> None:
        super().__init__()
        self.maps = nn.ModuleList(maps)

    def forward(self, *values: Tensor) -> Tensor:
        first, second = (branch(value) for branch, value in zip(self.maps, values, strict=True))
        return first + second  # type: ignore[no-any-return]


def layers_of(network: nn.Module) -> Iterator[Layer]:
    """Yield the layers of a network of this package in order, sharing its modules; the read-out last."""
    source = INPUT
    pending: list[nn.Module] = []
    for name, child in network.named_children():
        if isinstance(child, BasicBlock):
            yield from _layers_of_block(name, child, source, pending)
            source, pending = f"{name}.activation", []
        elif isinstance(child, QuantiseClip | nn.ReLU):
            yield Layer(name, (source,), nn.Sequential(*pending))
            source, pending = name, []
        else:
            pending.append(child)
    yield Layer("", (source,), nn.Sequential(*pending))


def _layers_of_block(name: str, block: BasicBlock, source: str, before: list[nn.Module]) -> Iterator[Layer]:
    first_conv, first_norm, _, second_conv, second_norm = block.residual
    inner = f"{name}.residual.2"
    yield Layer(inner, (source,), nn.Sequential(*before, first_conv, first_norm))
    linear = _Sum(nn.Sequential(second_conv, second_norm), nn.Sequential(*before, block.shortcut))
    yield Layer(f"{name}.activation", (inner, source), linear)
