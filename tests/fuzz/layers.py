"""Layers between activations, each with its geometry computed here and not by the compiler."""

from __future__ import annotations

import numpy as np

from .choices import Array
from .draft import Draft, Value

Shape = tuple[int, ...]


def weights(draft: Draft, *shape: int) -> Array:
    """Random weights that keep values near one; now and then with silent channels, one sign or an odd scale."""
    choices, random = draft.choices, draft.choices.array()
    weight = random.normal(size=shape) / np.sqrt(np.prod(shape[1:]))
    kind = choices.pick(("plain",) * 12 + ("silent", "negative", "small", "large"))
    if kind == "silent":
        weight[random.integers(shape[0])] = 0
    elif kind == "negative":
        weight = -np.abs(weight)
    elif kind != "plain":
        weight *= 10.0 ** (-3 if kind == "small" else 2)
    return np.asarray(weight)


def vector(draft: Draft, size: int, low: float, high: float) -> Array:
    """Random numbers, one per channel."""
    return np.asarray(draft.choices.array().uniform(low, high, size))


def _extents(draft: Draft, sizes: Shape) -> tuple[Shape, Shape, Shape, Shape, str]:
    """Kernel, strides, dilations and pads (begins, then ends) with at least one output, and auto_pad."""
    choices = draft.choices
    kernel = tuple(choices.whole(1, min(4, n + 1)) for n in sizes)
    strides = tuple(choices.pick((1, 1, 2, 3)) for _ in sizes)
    mode = choices.pick(("NOTSET", "NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"))
    # Few implementations take dilations with SAME, so few networks have both.
    dilated = choices.chance(0.1) if mode.startswith("SAME") else choices.chance(0.5)
    dilations = tuple(choices.pick((1, 2)) if dilated else 1 for _ in sizes)
    pads = tuple(choices.pick((0, 1, 0, 2)) for _ in (*sizes, *sizes)) if mode == "NOTSET" else (0,) * (2 * len(sizes))
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    short = [s - n - pads[a] - pads[a + len(sizes)] for a, (n, s) in enumerate(zip(sizes, spans, strict=True))]
    if mode in ("NOTSET", "VALID") and max(short) > 0:
        kernel, dilations = (1,) * len(sizes), (1,) * len(sizes)
    return kernel, strides, dilations, pads, mode


def _outputs(sizes: Shape, kernel: Shape, strides: Shape, dilations: Shape, pads: Shape, mode: str) -> Shape:
    axes = range(len(sizes))
    if mode.startswith("SAME"):
        return tuple(-(-sizes[a] // strides[a]) for a in axes)
    padded = [sizes[a] + pads[a] + pads[a + len(sizes)] for a in axes]
    return tuple((padded[a] - (kernel[a] - 1) * dilations[a] - 1) // strides[a] + 1 for a in axes)


def conv(draft: Draft, value: Value, channels: int | None = None, *, pointwise: bool = False) -> Value:
    """Convolution in one or two dimensions; ``pointwise`` with a 1x1 kernel that keeps the size."""
    choices = draft.choices
    inputs, sizes = value.shape[0], value.shape[1:]
    ones = (1,) * len(sizes)
    kernel, strides, dilations, pads, mode = _extents(draft, sizes)
    if pointwise:
        kernel, strides, dilations, pads, mode = ones, ones, ones, (0, 0) * len(sizes), "NOTSET"
    groups = choices.pick([1, 1, 1, *(g for g in range(2, inputs + 1) if inputs % g == 0), inputs])
    outputs = groups * choices.whole(1, 3) if channels is None else channels
    groups = groups if outputs % groups == 0 else 1
    weight = weights(draft, outputs, inputs // groups, *kernel)
    tensors = [draft.number(weight)]
    if choices.chance(0.7):
        tensors.append(draft.number(vector(draft, outputs, -0.3, 0.3) * np.abs(weight).max()))
    attributes: dict[str, object] = {"auto_pad": mode} if mode != "NOTSET" else {}
    for name, given, default in (
        ("strides", strides, ones),
        ("dilations", dilations, ones),
        ("pads", pads, (0, 0) * len(sizes)),
    ):
        if given != default or choices.chance(0.3):
            attributes |= {name: list(given)} if name != "pads" or mode == "NOTSET" else {}
    if groups != 1 or choices.chance(0.3):
        attributes["group"] = groups
    if choices.chance(0.5):
        attributes["kernel_shape"] = list(kernel)
    name = draft.add("Conv", draft.channels_first(value), *tensors, **attributes)
    return draft.back(name, (outputs, *_outputs(sizes, kernel, strides, dilations, pads, mode)))


def norm(draft: Draft, value: Value) -> Value:
    """Batch normalisation with frozen statistics."""
    size = value.shape[0]
    scale, variance = vector(draft, size, 0.5, 1.5), vector(draft, size, 0.5, 1.5)
    if draft.choices.chance(0.1):
        scale[0] = draft.choices.pick((0, -1))
    statistics = (scale, vector(draft, size, -0.2, 0.2), vector(draft, size, -0.2, 0.2), variance)
    attributes = {"epsilon": draft.choices.pick((1e-5, 1e-3, 0.1))} if draft.choices.chance(0.5) else {}
    tensors = [draft.number(s) for s in statistics]
    return draft.back(draft.add("BatchNormalization", draft.channels_first(value), *tensors, **attributes), value.shape)


def affine(draft: Draft, value: Value) -> Value:
    """A factor and an offset, per channel or for all."""
    choices = draft.choices
    for operator in choices.pick((("Mul", "Add"), ("Mul",), ("Sub",), ("Div", "Sub"), ("Neg",), ("Add", "Mul"))):
        low, high = (0.5, 1.5) if operator in ("Mul", "Div") else (-0.3, 0.3)
        constant = draft.per_channel(vector(draft, value.shape[0], low, high), value)
        if choices.chance(0.2):
            constant = draft.number(choices.real(low, high) or 1.0)
        inputs = [value.name] if operator == "Neg" else [value.name, constant]
        if operator != "Neg" and operator != "Div" and choices.chance(0.2):
            inputs.reverse()
        value = Value(draft.add(operator, *inputs), value.shape)
    return value


def average_pool(draft: Draft, value: Value) -> Value:
    """AveragePool; every window of it covers at least one real entry."""
    choices, sizes = draft.choices, value.shape[1:]
    kernel, strides, _, pads, mode = _extents(draft, sizes)
    dilations = (1,) * len(sizes)
    # Pads below the kernel's size, as ONNX Runtime asks for.
    pads = tuple(min(p, kernel[a % len(sizes)] - 1) for a, p in enumerate(pads))
    fits = all(k <= n + pads[a] + pads[a + len(sizes)] for a, (k, n) in enumerate(zip(kernel, sizes, strict=True)))
    if not fits and not mode.startswith("SAME"):
        kernel, pads = (1,) * len(sizes), (0, 0) * len(sizes)
    attributes: dict[str, object] = {"kernel_shape": list(kernel), "strides": list(strides)}
    if mode != "NOTSET":
        attributes["auto_pad"] = mode
    elif any(pads) or choices.chance(0.3):
        attributes["pads"] = list(pads)
    if choices.chance(0.5):
        attributes["count_include_pad"] = choices.whole(0, 1)
    outputs = _outputs(sizes, kernel, strides, dilations, pads, mode)
    if draft.opset >= 10 and mode == "NOTSET" and choices.chance(0.4):
        attributes["ceil_mode"] = 1
        outputs = tuple(
            _ceil_windows(n, kernel[a], strides[a], pads[a], pads[a + len(sizes)]) for a, n in enumerate(sizes)
        )
    name = draft.add("AveragePool", draft.channels_first(value), **attributes)
    return draft.back(name, (value.shape[0], *outputs))


def max_pool(draft: Draft, value: Value) -> Value:
    """MaxPool with any windows; every one of them covers at least one real entry."""
    choices, sizes = draft.choices, value.shape[1:]
    kernel, strides, dilations, pads, mode = _extents(draft, sizes)
    if draft.opset < 10 or mode.startswith("SAME"):
        dilations = (1,) * len(sizes)
    # Pads below the kernel's size, as ONNX Runtime asks for, and none where entries lie apart.
    largest = [min(k, n) - 1 if d == 1 else 0 for k, n, d in zip(kernel, sizes, dilations, strict=True)]
    pads = tuple(min(p, largest[a % len(sizes)]) for a, p in enumerate(pads))
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    fits = all(s <= n + pads[a] + pads[a + len(sizes)] for a, (s, n) in enumerate(zip(spans, sizes, strict=True)))
    if not fits and not mode.startswith("SAME"):
        kernel, dilations, pads = (1,) * len(sizes), (1,) * len(sizes), (0, 0) * len(sizes)
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    attributes: dict[str, object] = {"kernel_shape": list(kernel), "strides": list(strides)}
    if mode != "NOTSET":
        attributes["auto_pad"] = mode
    elif any(pads) or choices.chance(0.3):
        attributes["pads"] = list(pads)
    if dilations != (1,) * len(sizes):
        attributes["dilations"] = list(dilations)
    outputs = _outputs(sizes, kernel, strides, dilations, pads, mode)
    if draft.opset >= 10 and mode == "NOTSET" and choices.chance(0.4):
        attributes["ceil_mode"] = 1
        outputs = tuple(
            _ceil_windows(n, spans[a], strides[a], pads[a], pads[a + len(sizes)]) for a, n in enumerate(sizes)
        )
    draft.compares = True
    name = draft.add("MaxPool", draft.channels_first(value), **attributes)
    return draft.back(name, (value.shape[0], *outputs))


def _ceil_windows(size: int, kernel: int, stride: int, before: int, after: int) -> int:
    windows = -(-(size + before + after - kernel) // stride) + 1
    return windows - 1 if (windows - 1) * stride >= size + before else windows


def global_mean(draft: Draft, value: Value) -> Value:
    """GlobalAveragePool or ReduceMean over the map, then one value per channel."""
    return _over_map(draft, value, "GlobalAveragePool", "ReduceMean")


def global_max(draft: Draft, value: Value) -> Value:
    """GlobalMaxPool, ReduceMax or ReduceMin over the map, then one value per channel."""
    draft.compares = True
    return _over_map(draft, value, "GlobalMaxPool", draft.choices.pick(("ReduceMax", "ReduceMax", "ReduceMin")))


def _over_map(draft: Draft, value: Value, pool: str, reduction: str) -> Value:
    choices, rank = draft.choices, len(value.shape)
    if choices.chance(0.5):
        pooled = draft.back(draft.add(pool, draft.channels_first(value)), (value.shape[0],) + (1,) * (rank - 1))
        return flat(draft, pooled)
    axes = [draft.axis(a, value) for a in range(1, rank)]
    if draft.opset >= 11 or reduction == "ReduceMean":
        axes = [a - rank - 1 for a in axes] if choices.chance(0.3) else axes
    keep = choices.whole(0, 1)
    if draft.opset < 18:
        name = draft.add(reduction, value.name, axes=axes, keepdims=keep)
    else:
        name = draft.add(reduction, value.name, draft.integers(*axes), keepdims=keep)
    shape = (value.shape[0],) + (1,) * (rank - 1) * keep
    return flat(draft, Value(name, shape)) if keep else Value(name, shape)


def flat(draft: Draft, value: Value) -> Value:
    """All entries of a sample as one axis, by Flatten, Reshape or Squeeze."""
    choices, size = draft.choices, int(np.prod(value.shape))
    rank = len(value.shape)
    ways = ["Flatten", "Reshape", "Shape"]
    if rank == 1:
        return value if choices.chance(0.8) else Value(draft.add("Flatten", value.name), value.shape)
    if size == value.shape[0]:
        ways.append("Squeeze")
    way = choices.pick(ways)
    if way == "Flatten":
        attributes = {"axis": 1} if choices.chance(0.3) else {}
        return Value(draft.add("Flatten", value.name, **attributes), (size,))
    if way == "Squeeze":
        return Value(squeeze(draft, value.name, [draft.axis(a, value) for a in range(1, rank)]), (size,))
    if way == "Shape":
        batch = draft.add("Gather", draft.add("Shape", value.name), draft.integers(0), axis=0)
        return Value(draft.add("Reshape", value.name, draft.add("Concat", batch, draft.integers(-1), axis=0)), (size,))
    first = draft.batch or choices.pick((-1, 0)) if choices.chance(0.5) else 0
    return Value(draft.add("Reshape", value.name, draft.integers(first, size if first == -1 else -1)), (size,))


def squeeze(draft: Draft, name: str, axes: list[int]) -> str:
    """Remove axes of size one."""
    if draft.opset < 13:
        return draft.add("Squeeze", name, axes=axes)
    return draft.add("Squeeze", name, draft.integers(*axes))


def unsqueeze(draft: Draft, name: str, axes: list[int]) -> str:
    """Put in axes of size one."""
    if draft.opset < 13:
        return draft.add("Unsqueeze", name, axes=axes)
    return draft.add("Unsqueeze", name, draft.integers(*axes))


def dense(draft: Draft, value: Value, outputs: int) -> Value:
    """Gemm with any of its attributes, or MatMul and Add."""
    choices = draft.choices
    (inputs,) = value.shape
    weight = weights(draft, outputs, inputs)
    bias = vector(draft, outputs, -0.3, 0.3) * np.abs(weight).max()
    if choices.chance(0.4):
        name = draft.add("MatMul", value.name, draft.number(weight.T))
        if choices.chance(0.7):
            added = draft.number(bias if choices.chance(0.7) else bias[None])
            name = draft.add("Add", *((name, added) if choices.chance(0.8) else (added, name)))
        return Value(name, (outputs,))
    attributes: dict[str, object] = {}
    if choices.chance(0.3):
        attributes["alpha"] = choices.pick((0.5, 2.0, -1.0))
    if choices.chance(0.3):
        attributes["beta"] = choices.pick((0.5, 2.0, 0.0))
    if choices.chance(0.5):
        attributes["transB"] = 1
    stored = draft.number(weight if "transB" in attributes else weight.T)
    tensors = [stored]
    if draft.opset < 11 or choices.chance(0.7):
        tensors.append(draft.number(choices.pick((bias, bias[None], bias[:1]))))
    return Value(draft.add("Gemm", value.name, *tensors, **attributes), (outputs,))
