"""Operators that cut values apart, move them and join them, and blocks with shortcuts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .draft import Draft, Value
from .layers import affine, average_pool, conv, norm, unsqueeze

Activate = Callable[[Draft, Value], Value]


def pad(draft: Draft, value: Value) -> Value:
    """Zeros around the map or behind the channels; negative amounts crop."""
    choices, rank = draft.choices, len(value.shape)
    before, after = [0] * (rank + 1), [0] * (rank + 1)
    shape = list(value.shape)
    for axis in range(rank):
        low = choices.whole(0, 1) if axis else 0
        high = choices.pick((0, 1, -1 if shape[axis] > 2 else 0))
        before[draft.axis(axis, value)], after[draft.axis(axis, value)] = low, high
        shape[axis] += low + high
    pads = [*before, *after]
    if draft.opset < 11:
        return Value(draft.add("Pad", value.name, pads=pads), tuple(shape))
    inputs = [draft.integers(*pads)]
    if choices.chance(0.3):
        inputs.append(draft.stored(np.zeros((), draft.dtype)))
    return Value(draft.add("Pad", value.name, *inputs), tuple(shape))


def cut(draft: Draft, value: Value) -> Value:
    """Slice along one or more axes of the sample, with steps and with bounds counted from the end."""
    choices = draft.choices
    shape, axes, starts, ends, steps = list(value.shape), [], [], [], []
    stepped = draft.opset >= 10
    for axis, size in enumerate(value.shape):
        if size < 2 or choices.chance(0.4):
            continue
        start, step = choices.whole(0, 1), choices.whole(1, 2 if stepped else 1)
        end = choices.pick((size, size - 1 if size > 2 else size, 2**31 - 1))
        shape[axis] = len(range(start, min(end, size), step))
        axes.append(draft.axis(axis, value))
        starts.append(start - size if start and choices.chance(0.3) else start)
        ends.append(end)
        steps.append(step)
    if not axes:
        return value
    if not stepped:
        return Value(draft.add("Slice", value.name, axes=axes, starts=starts, ends=ends), tuple(shape))
    lists = [starts, ends, axes, *([steps] if max(steps) > 1 or choices.chance(0.5) else [])]
    return Value(draft.add("Slice", value.name, *(draft.integers(*each) for each in lists)), tuple(shape))


def split(draft: Draft, value: Value) -> list[Value]:
    """Two parts of the channels."""
    size = value.shape[0]
    if size < 2:
        return [value, value]
    first = draft.choices.whole(1, size - 1)
    attributes: dict[str, object] = {"axis": draft.axis(0, value)}
    inputs = [value.name]
    if draft.opset < 13:
        attributes["split"] = [first, size - first]
    else:
        inputs.append(draft.integers(first, size - first))
    names = draft.nodes_of("Split", inputs, 2, **attributes)
    return [Value(n, (c, *value.shape[1:])) for n, c in zip(names, (first, size - first), strict=True)]


def concat(draft: Draft, values: list[Value]) -> Value:
    """Channels of several values, one behind the other."""
    axis = draft.axis(0, values[0])
    axis -= len(values[0].shape) + 1 if draft.opset >= 11 and draft.choices.chance(0.2) else 0
    channels = sum(v.shape[0] for v in values)
    return Value(draft.add("Concat", *(v.name for v in values), axis=axis), (channels, *values[0].shape[1:]))


def total(draft: Draft, values: list[Value]) -> Value:
    """Sum, difference or mean of values of one shape; a value may come twice."""
    choices, names, shape = draft.choices, [v.name for v in values], values[0].shape
    if choices.chance(0.15):
        names.append(names[0])
    if len(names) == 2:
        operator = choices.pick(("Add", "Add", "Sum", "Sub", "Mean"))
        return Value(draft.add(operator, *names), shape)
    return Value(draft.add(choices.pick(("Sum", "Sum", "Mean")), *names), shape)


def extreme(draft: Draft, values: list[Value]) -> Value:
    """Largest or smallest of values of one shape, entry by entry."""
    draft.compares = True
    return Value(draft.add(draft.choices.pick(("Max", "Min")), *(v.name for v in values)), values[0].shape)


def doubled(draft: Draft, value: Value) -> Value:
    """A value added to itself, once or several times over."""
    for _ in range(draft.choices.whole(1, 3)):
        value = Value(draft.add("Add", value.name, value.name), value.shape)
    return value


def shortcut(draft: Draft, value: Value, target: Value) -> Value:
    """``value`` in the shape of ``target``: as it is, padded and cut, or through a 1x1 convolution."""
    if value.shape == target.shape and draft.choices.chance(0.7):
        return value
    if value.shape[1:] == target.shape[1:]:
        return conv(draft, value, target.shape[0], pointwise=True)
    return target


def residual(draft: Draft, value: Value, activate: Activate) -> Value:
    """A branch beside a shortcut, joined by a sum, with an activation behind or in front."""
    choices = draft.choices
    branch = value
    if choices.chance(0.4):
        branch = activate(draft, norm(draft, branch) if choices.chance(0.5) else branch)
    branch = conv(draft, branch, None if choices.chance(0.3) else value.shape[0], pointwise=choices.chance(0.5))
    if choices.chance(0.5):
        branch = norm(draft, branch)
    if choices.chance(0.6):
        branch = conv(draft, activate(draft, branch), None, pointwise=True)
    beside = shortcut(draft, value, branch)
    values = [branch, beside] if choices.chance(0.5) else [beside, branch]
    if choices.chance(0.1):
        values.append(values[-1])
    joined = extreme(draft, values) if choices.chance(0.15) else total(draft, values)
    return activate(draft, joined) if choices.chance(0.8) else joined


def parallel(draft: Draft, value: Value, activate: Activate) -> Value:
    """Parts or copies of the channels, each through something of its own, put together again."""
    parts = split(draft, value) if draft.choices.chance(0.5) else [value, value]
    first = activate(draft, conv(draft, parts[0], pointwise=True))
    second = parts[1] if draft.choices.chance(0.5) else affine(draft, parts[1])
    return concat(draft, [first, second] if draft.choices.chance(0.5) else [second, first])


def dense_layer(draft: Draft, value: Value, activate: Activate) -> Value:
    """New channels beside those that they are computed from, normalised and activated together, as in DenseNet."""
    new = activate(draft, conv(draft, value, pointwise=draft.choices.chance(0.5)))
    new = conv(draft, new, pointwise=True)
    if new.shape[1:] != value.shape[1:]:
        return new
    joined = concat(draft, [value, new])
    return activate(draft, norm(draft, joined) if draft.choices.chance(0.7) else joined)


def shuffled(draft: Draft, value: Value) -> Value:
    """Channels interleaved, as between the groups of ShuffleNet, or taken in another order."""
    channels, choices = value.shape[0], draft.choices
    if draft.last or len(value.shape) != 3 or channels % 2 or choices.chance(0.3):
        order = [choices.whole(0, channels - 1) for _ in range(channels)]
        return Value(draft.add("Gather", value.name, draft.integers(*order), axis=draft.axis(0, value)), value.shape)
    apart = draft.add("Reshape", value.name, draft.integers(0, 2, channels // 2, *value.shape[1:]))
    swapped = draft.add("Transpose", apart, perm=[0, 2, 1, 3, 4])
    return Value(draft.add("Reshape", swapped, draft.integers(0, channels, *value.shape[1:])), value.shape)


def moved(draft: Draft, value: Value) -> Value:
    """Axes of size one put in and taken out, or a line seen as a map and pooled."""
    choices = draft.choices
    if len(value.shape) != 2 or draft.last:
        return average_pool(draft, value) if len(value.shape) > 1 else value
    rows = choices.pick((2, 3))
    channels, length = value.shape
    if length % rows or choices.chance(0.3):
        return Value(unsqueeze(draft, value.name, [2]), (channels, 1, length))
    shape = draft.integers(0, channels, rows, -1)
    return Value(draft.add("Reshape", value.name, shape), (channels, rows, length // rows))


def lifted(draft: Draft, value: Value) -> Value:
    """Features as a map of one channel per feature."""
    name = unsqueeze(draft, value.name, [2, 3] if not draft.last else [1, 2])
    return Value(name, (int(np.prod(value.shape)), 1, 1))
