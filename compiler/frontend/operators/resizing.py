"""Resize and Upsample: every entry of the result is a weighted sum of few entries, axis by axis."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ....targets.records import dataclass
from ...ir.operators import FloatArray
from ...ir.sparse_operator import AxisMap, picking
from ..builder import BATCH_FIRST, LARGEST_VALUE, Builder, Tensor, Value, axis_of, require_size
from ..graph import OnnxNode
from ..refusal import Refusal
from .axis_maps import mapped
from .handler import Handler

_CHECK = "onnx.shape_inference shows the shapes; they have to be mended where the file is written"
_OTHER = "resize by nearest, linear or cubic without antialiasing, or by a convolution or an average pool"

_Places = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Axis:
    """One axis that is resized: sizes before and after, and the scale that places are computed with."""

    before: int
    after: int
    scale: float


def _half_pixel(places: _Places, axis: _Axis) -> _Places:
    return (places + np.float32(0.5)) / np.float32(axis.scale) - np.float32(0.5)


def _symmetric(places: _Places, axis: _Axis) -> _Places:
    adjustment = np.float32(axis.after / (axis.scale * axis.before))
    offset = np.float32(axis.before / 2) * (1 - adjustment)
    return offset + _half_pixel(places, axis)


def _align_corners(places: _Places, axis: _Axis) -> _Places:
    if axis.after == 1:
        return np.zeros_like(places)
    return places * np.float32(axis.before - 1) / np.float32(axis.after - 1)


# In floats of 32 bits, as runtimes compute them: at ties the neighbour depends on it.
_PLACES: dict[str, Callable[[_Places, _Axis], _Places]] = {
    "half_pixel": _half_pixel,
    "half_pixel_symmetric": _symmetric,
    "pytorch_half_pixel": lambda p, axis: _half_pixel(p, axis) if axis.after > 1 else np.zeros_like(p),
    "align_corners": _align_corners,
    "asymmetric": lambda p, axis: p / np.float32(axis.scale),
    "tf_half_pixel_for_nn": lambda p, axis: (p + np.float32(0.5)) / np.float32(axis.scale),
}

_NEAREST: dict[str, Callable[[_Places], _Places]] = {
    "round_prefer_floor": lambda p: np.ceil(p - np.float32(0.5)),
    "round_prefer_ceil": lambda p: np.floor(p + np.float32(0.5)),
    "floor": np.floor,
    "ceil": np.ceil,
}


def _resize(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    axes = _resized_axes(node, builder, tensor)
    require_size(node, math.prod(axes[k].after if k in axes else n for k, n in enumerate(tensor.shape) if k))
    if node.integer("antialias", 0) and any(axis.after < axis.before for axis in axes.values()):
        raise Refusal("E102", f"{node.operator} shrinks with antialiasing", _OTHER)
    places = _choice(node, "coordinate_transformation_mode", "half_pixel", _PLACES)
    maps = {}
    for k, axis in axes.items():
        # Runtimes leave such an axis alone whatever the mode is.
        if axis.before == axis.after and axis.scale == 1:
            continue
        at = places(np.arange(axis.after, dtype=np.float32), axis)
        maps[k - 1] = _axis_map(node, at, axis)
    return mapped(node, builder, tensor, maps)


def _upsample(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    axes = _scaled_axes(node, tensor, _factors(node, builder, 1), range(len(tensor.shape)))
    require_size(node, math.prod(axes[k].after if k in axes else n for k, n in enumerate(tensor.shape) if k))
    maps = {}
    for k, axis in axes.items():
        at = np.arange(axis.after, dtype=np.float32) / np.float32(axis.scale)
        is_linear = node.text("mode", "nearest") == "linear"
        maps[k - 1] = _linear(at, axis) if is_linear else _nearest(np.floor(at), axis)
    return mapped(node, builder, tensor, maps)


def _factors(node: OnnxNode, builder: Builder, index: int) -> FloatArray | None:
    constant = builder.optional_constant(node, index, "the scales")
    if constant is None or constant.array.size == 0:
        return None
    return builder.weights(node, index, "the scales").ravel()


def _resized_axes(node: OnnxNode, builder: Builder, tensor: Tensor) -> dict[int, _Axis]:
    rank = len(tensor.shape)
    listed = node.integers("axes")
    order = range(rank) if listed is None else tuple(axis_of(axis, rank, node) for axis in listed)
    factors = _factors(node, builder, 2)
    if factors is not None:
        return _scaled_axes(node, tensor, factors, order)
    sizes = builder.integers(node, 3, "the sizes")
    if sizes is None or len(sizes) != len(order) or min(sizes, default=0) < 1:
        raise Refusal("E012", f"Resize has sizes {sizes} for {len(order)} axes", _CHECK)
    policy = node.text("keep_aspect_ratio_policy", "stretch")
    ratios = [size / tensor.shape[axis] for axis, size in zip(order, sizes, strict=True)]
    if policy != "stretch":
        ratio = (min if policy == "not_larger" else max)(ratios)
        sizes = tuple(math.floor(ratio * tensor.shape[axis] + 0.5) for axis in order)
        ratios = [ratio] * len(sizes)
    if min(sizes) < 1:
        raise Refusal("E012", f"Resize leaves nothing of a value of shape {tensor.shape}", _CHECK)
    axes = {
        axis: _Axis(tensor.shape[axis], size, ratio) for axis, size, ratio in zip(order, sizes, ratios, strict=True)
    }
    return _without_batch(node, axes)


def _scaled_axes(
    node: OnnxNode, tensor: Tensor, factors: FloatArray | None, order: range | tuple[int, ...]
) -> dict[int, _Axis]:
    if factors is None or len(factors) != len(order) or not (factors > 0).all():
        raise Refusal("E012", f"{node.operator} has no positive scale for each of {len(order)} axes", _CHECK)
    axes = {}
    for axis, factor in zip(order, factors, strict=True):
        # The product of two floats of 32 bits, cut off: 3 times 1.3333334 is 4.
        with np.errstate(over="ignore"):
            after = int(min(float(np.float32(tensor.shape[axis]) * np.float32(factor)), 2.0 * LARGEST_VALUE))
        if after < 1:
            raise Refusal("E012", f"{node.operator} leaves nothing of a value of shape {tensor.shape}", _CHECK)
        axes[axis] = _Axis(tensor.shape[axis], after, float(factor))
    return _without_batch(node, axes)


def _without_batch(node: OnnxNode, axes: dict[int, _Axis]) -> dict[int, _Axis]:
    batch = axes.pop(0, None)
    if batch is not None and batch.before != batch.after:
        raise Refusal("E104", f"{node.operator} resizes the batch", BATCH_FIRST)
    return axes


def _axis_map(node: OnnxNode, at: _Places, axis: _Axis) -> AxisMap:
    mode = node.text("mode", "nearest")
    if mode == "nearest":
        return _nearest(_choice(node, "nearest_mode", "round_prefer_floor", _NEAREST)(at), axis)
    if mode == "linear":
        return _linear(at, axis)
    if mode == "cubic":
        return _cubic(at, axis, node.number("cubic_coeff_a", -0.75), bool(node.integer("exclude_outside", 0)))
    raise Refusal("E102", f"{node.operator} has the mode {mode}", _OTHER)


def _nearest(rounded: _Places, axis: _Axis) -> AxisMap:
    return picking(np.clip(rounded, 0, axis.before - 1).astype(np.int64), axis.before)


def _linear(at: _Places, axis: _Axis) -> AxisMap:
    inside = np.clip(at, 0, axis.before - 1)
    low = np.minimum(np.floor(inside).astype(np.int64), axis.before - 1)
    high = np.minimum(low + 1, axis.before - 1)
    share = (inside - low.astype(np.float32)).astype(np.float64)
    return _joined([(low, 1 - share), (high, share)], axis)


def _cubic(at: _Places, axis: _Axis, a: float, exclude_outside: bool) -> AxisMap:
    """Four neighbours with Keys' kernel (1981); those outside repeat the edge, or are left out."""
    first = np.floor(at).astype(np.int64)
    share = (at - first.astype(np.float32)).astype(np.float64)
    taps = []
    for place in (-1, 0, 1, 2):
        d = np.abs(share - place)
        near = ((a + 2) * d - (a + 3)) * d * d + 1
        far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
        index, weight = first + place, np.where(d <= 1, near, far)
        if exclude_outside:
            weight = np.where((index >= 0) & (index < axis.before), weight, 0.0)
        taps.append((np.clip(index, 0, axis.before - 1), weight))
    total = taps[0][1] + taps[1][1] + taps[2][1] + taps[3][1]
    return _joined([(index, weight / total if exclude_outside else weight) for index, weight in taps], axis)


def _joined(taps: list[tuple[npt.NDArray[np.int64], FloatArray]], axis: _Axis) -> AxisMap:
    # Target by target, so that the coordinates of all axes together are nearly sorted.
    source = np.stack([index for index, _ in taps], axis=1).ravel()
    weight = np.stack([weight for _, weight in taps], axis=1).ravel()
    target = np.repeat(np.arange(axis.after), len(taps))
    lasting = weight != 0
    return AxisMap(weight[lasting], source[lasting], target[lasting], axis.before, axis.after)


def _choice(
    node: OnnxNode, name: str, default: str, known: dict[str, Callable[..., _Places]]
) -> Callable[..., _Places]:
    chosen = node.text(name, default)
    if chosen not in known:
        raise Refusal("E102", f"{node.operator} has the {name} {chosen}", _OTHER)
    return known[chosen]


HANDLERS: dict[str, Handler] = {"Resize": _resize, "Upsample": _upsample}
