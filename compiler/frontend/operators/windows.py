"""Windows of convolutions and poolings in one or two dimensions; one dimension is a map of one row."""

from __future__ import annotations

import math

from ....targets.records import dataclass
from ..builder import Builder, Tensor, require_size
from ..graph import OnnxNode
from ..refusal import Refusal

_LARGEST = 1 << 20
_CHECK = "check kernel_shape, strides, pads and dilations of the node"


@dataclass(frozen=True, slots=True)
class Windows:
    """Kernel, stride and dilation as (rows, columns), padding as (top, left, bottom, right)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    dilation: tuple[int, int]


def read_windows(node: OnnxNode, sample: tuple[int, ...], kernel: tuple[int, ...] | None = None) -> Windows:
    """Windows of ``node`` on a map (channels, ...); ``kernel`` where a weight gives it."""
    size = sample[1:]
    rank = len(size)
    declared = node.integers("kernel_shape") or kernel
    if declared is None or (kernel is not None and declared != kernel):
        raise Refusal("E012", f"{node.operator} declares a kernel {declared} but has {kernel}", _CHECK)
    stride = listed_extents(node, "strides", (1,) * rank, rank, least=1)
    dilation = listed_extents(node, "dilations", (1,) * rank, rank, least=1)
    if len(declared) != rank or not all(1 <= extent <= _LARGEST for extent in declared):
        raise Refusal("E012", f"{node.operator} has a kernel {declared} on a map of {rank} axes", _CHECK)
    padding = padding_of(node, size, declared, stride, dilation)
    extents = [d * (k - 1) + 1 for d, k in zip(dilation, declared, strict=True)]
    padded = [n + b + a for n, b, a in zip(size, padding[:rank], padding[rank:], strict=True)]
    values = sample[0] * math.prod(map(max, extents, padded))
    require_size(node, values, "reads with its padding")
    return Windows(
        kernel=two_extents(declared, 1),
        stride=two_extents(stride, 1),
        padding=(*two_extents(padding[:rank], 0), *two_extents(padding[rank:], 0)),
        dilation=two_extents(dilation, 1),
    )


def listed_extents(node: OnnxNode, name: str, default: tuple[int, ...], length: int, least: int) -> tuple[int, ...]:
    """An attribute with ``length`` numbers from ``least`` up; Refusal E012 for any other."""
    values = node.integers(name) or default
    if len(values) != length or not all(least <= value <= _LARGEST for value in values):
        raise Refusal("E012", f"{node.operator} has {name} {values}, expected {length} from {least} up", _CHECK)
    return values


def padding_of(
    node: OnnxNode, size: tuple[int, ...], kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[int, ...]:
    """Pads of every axis, first those before and then those behind, given or by ``auto_pad``."""
    mode = node.text("auto_pad", "NOTSET")
    if mode in ("NOTSET", ""):
        return listed_extents(node, "pads", (0,) * (2 * len(size)), 2 * len(size), least=0)
    if mode == "VALID":
        return (0,) * (2 * len(size))
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        raise Refusal("E012", f"{node.operator} has the unknown auto_pad {mode}", _CHECK)
    small, large = [], []
    for n, k, s, d in zip(size, kernel, stride, dilation, strict=True):
        total = max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n)
        small.append(total // 2)
        large.append(total - total // 2)
    return tuple(small + large if mode == "SAME_UPPER" else large + small)


def two_extents(values: tuple[int, ...], row: int) -> tuple[int, int]:
    """``values`` along rows and columns; ``row`` for rows where there is one axis."""
    return (values[0], values[1]) if len(values) == 2 else (row, values[0])


def as_map(node: OnnxNode, builder: Builder, tensor: Tensor) -> Tensor:
    """(channels, length) as (channels, 1, length); a map stays."""
    if len(tensor.sample) == 3:
        return tensor
    return builder.reshaped(node, tensor, (tensor.sample[0], 1, tensor.sample[1]), part="row")


def from_map(node: OnnxNode, builder: Builder, tensor: Tensor, spatial: int) -> Tensor:
    """Inverse of ``as_map`` for a value that had ``spatial`` axes."""
    if spatial == 2:
        return tensor
    return builder.reshaped(node, tensor, (tensor.sample[0], tensor.sample[2]), part="line")
