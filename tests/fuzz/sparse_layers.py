"""Linear layers that no convolution computes: what is resized, repeated, picked, woven and multiplied along axes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .draft import Draft, Value
from .layers import vector, weights

OLDEST_OPSET = 13
"""From here on all of these are written in one way."""
_LARGEST = 600


def write_sparse(draft: Draft, value: Value) -> Value:
    """One of them on a map or a sequence; the value itself where its operator set is older than all."""
    if draft.opset < OLDEST_OPSET or len(value.shape) < 2:
        return value
    ways: list[Callable[[Draft, Value], Value]] = [_resize, _resize, _pick, _flip, _border, _centred, _repeat, _turned]
    ways += [_product, _running]
    if len(value.shape) == 3:
        ways += [_transposed_conv, _transposed_conv, _weave]
    return draft.choices.pick(ways)(draft, value)


def _axis(draft: Draft, value: Value) -> int:
    return draft.choices.whole(1, len(value.shape) - 1)


def _with_size(value: Value, name: str, axis: int, size: int) -> Value:
    return Value(name, (*value.shape[:axis], size, *value.shape[axis + 1 :]))


def _resize(draft: Draft, value: Value) -> Value:
    """Nearest or linear, of one or two axes behind the channels."""
    choices = draft.choices
    factors = [choices.pick((1.0, 2.0, 1.5, 0.5, 3.0)) for _ in value.shape[1:]]
    after = [int(n * f) for n, f in zip(value.shape[1:], factors, strict=True)]
    if min(after) < 1 or value.shape[0] * int(np.prod(after)) > _LARGEST:
        return value
    attributes = {
        "mode": choices.pick(("nearest", "linear")),
        "coordinate_transformation_mode": choices.pick(("half_pixel", "asymmetric", "align_corners")),
        "nearest_mode": choices.pick(("round_prefer_floor", "floor", "ceil")),
    }
    scales = draft.stored(np.array([1, 1, *factors], np.float32))
    name = draft.add("Resize", draft.channels_first(value), "", scales, **attributes)
    return draft.back(name, (value.shape[0], *after))


def _pick(draft: Draft, value: Value) -> Value:
    axis = _axis(draft, value)
    indices = draft.choices.array().integers(-value.shape[axis], value.shape[axis], draft.choices.whole(1, 4))
    name = draft.add("Gather", value.name, draft.integers(*indices), axis=draft.axis(axis, value))
    return _with_size(value, name, axis, len(indices))


def _flip(draft: Draft, value: Value) -> Value:
    axis = _axis(draft, value)
    step = draft.choices.pick((-1, -2))
    lists = ([-1], [-(2**31)], [draft.axis(axis, value)], [step])
    name = draft.add("Slice", value.name, *(draft.integers(*each) for each in lists))
    return _with_size(value, name, axis, -(-value.shape[axis] // -step))


def _border(draft: Draft, value: Value) -> Value:
    """Repeated or reflected edges, or a number around the map."""
    choices, axis = draft.choices, _axis(draft, value)
    place, rank = draft.axis(axis, value), len(value.shape) + 1
    most = min(2, value.shape[axis] - 1)
    before, after = choices.whole(0, most), choices.whole(0, most)
    pads = [0] * (2 * rank)
    pads[place], pads[place + rank] = before, after
    inputs, mode = [draft.integers(*pads)], choices.pick(("reflect", "edge", "constant"))
    if mode == "constant":
        inputs.append(draft.number(0.5))
    name = draft.add("Pad", value.name, *inputs, mode=mode)
    return _with_size(value, name, axis, value.shape[axis] + before + after)


def _centred(draft: Draft, value: Value) -> Value:
    """Less its mean, or with its sum, over any axes."""
    choices = draft.choices
    axes = [draft.axis(a, value) for a in range(len(value.shape)) if choices.chance(0.5)] or [draft.axis(0, value)]
    if choices.chance(0.5):
        summed = draft.add("ReduceSum", value.name, draft.integers(*axes))
        return Value(draft.add("Add", value.name, draft.add("Mul", summed, draft.number(0.1))), value.shape)
    if draft.opset < 18:
        mean = draft.add("ReduceMean", value.name, axes=axes)
    else:
        mean = draft.add("ReduceMean", value.name, draft.integers(*axes))
    return Value(draft.add("Sub", value.name, mean), value.shape)


def _repeat(draft: Draft, value: Value) -> Value:
    axis = _axis(draft, value)
    if 2 * np.prod(value.shape) > _LARGEST:
        return value
    repeats = [1] * (len(value.shape) + 1)
    repeats[draft.axis(axis, value)] = 2
    name = draft.add("Tile", value.name, draft.integers(*repeats))
    return _with_size(value, name, axis, 2 * value.shape[axis])


def _turned(draft: Draft, value: Value) -> Value:
    """Channels and positions, or rows and columns, exchanged."""
    if draft.last:
        return value
    axes = list(range(1, len(value.shape) + 1))
    first, second = draft.choices.pick(((0, len(axes) - 1), (len(axes) - 2, len(axes) - 1)))
    axes[first], axes[second] = axes[second], axes[first]
    name = draft.add("Transpose", value.name, perm=[0, *axes])
    return Value(name, tuple(value.shape[a - 1] for a in axes))


def _product(draft: Draft, value: Value) -> Value:
    """A constant matrix along the last or the last but one axis of the graph's own layout."""
    choices, shape = draft.choices, list(draft.stored_shape(value.shape))
    outputs = choices.whole(1, 4)
    if choices.chance(0.5):
        matrix = weights(draft, outputs, shape[-1]).T
        name, place = draft.add("MatMul", value.name, draft.number(matrix)), len(shape) - 1
    else:
        matrix = weights(draft, outputs, shape[-2])
        name, place = draft.add("MatMul", draft.number(matrix), value.name), len(shape) - 2
    axis = next(a for a in range(len(shape)) if draft.axis(a, value) == place + 1)
    return _with_size(value, name, axis, outputs)


def _running(draft: Draft, value: Value) -> Value:
    axis = _axis(draft, value)
    attributes = {"reverse": draft.choices.whole(0, 1), "exclusive": draft.choices.whole(0, 1)}
    where = draft.stored(np.array(draft.axis(axis, value)))
    return Value(draft.add("CumSum", value.name, where, **attributes), value.shape)


def _transposed_conv(draft: Draft, value: Value) -> Value:
    choices, (inputs, *sizes) = draft.choices, value.shape
    groups = choices.pick([g for g in range(1, inputs + 1) if inputs % g == 0])
    kernel, strides = [choices.whole(1, 3) for _ in sizes], [choices.whole(1, 2) for _ in sizes]
    dilations = [choices.pick((1, 1, 2)) for _ in sizes]
    reach = [d * (k - 1) for d, k in zip(dilations, kernel, strict=True)]
    pads = [choices.whole(0, min(1, r)) for r in (*reach, *reach)]
    more = [choices.whole(0, s - 1) for s in strides]
    outputs = groups * choices.whole(1, 2)
    after = [
        (n - 1) * s + r + 1 + m - pads[a] - pads[a + 2]
        for a, (n, s, r, m) in enumerate(zip(sizes, strides, reach, more, strict=True))
    ]
    if min(after) < 1 or outputs * int(np.prod(after)) > _LARGEST:
        return value
    weight = weights(draft, outputs, inputs // groups, *kernel)
    stored = weight.reshape(groups, outputs // groups, inputs // groups, *kernel).swapaxes(1, 2)
    tensors = [draft.number(stored.reshape(inputs, outputs // groups, *kernel))]
    if choices.chance(0.5):
        tensors.append(draft.number(vector(draft, outputs, -0.3, 0.3)))
    attributes = {"strides": strides, "pads": pads, "output_padding": more, "dilations": dilations, "group": groups}
    name = draft.add("ConvTranspose", draft.channels_first(value), *tensors, **attributes)
    return draft.back(name, (outputs, *after))


def _weave(draft: Draft, value: Value) -> Value:
    """DepthToSpace or SpaceToDepth by two, where the sizes allow it."""
    channels, rows, columns = value.shape
    if channels % 4 == 0:
        mode = draft.choices.pick(("DCR", "CRD"))
        name = draft.add("DepthToSpace", draft.channels_first(value), blocksize=2, mode=mode)
        return draft.back(name, (channels // 4, 2 * rows, 2 * columns))
    if rows % 2 or columns % 2:
        return _centred(draft, value)
    name = draft.add("SpaceToDepth", draft.channels_first(value), blocksize=2)
    return draft.back(name, (4 * channels, rows // 2, columns // 2))
