"""What stands in files beside quantise-and-clip: to be refused properly, or read for what it is."""

from __future__ import annotations

import numpy as np

from .draft import Draft, Value


def write_oddity(draft: Draft, value: Value) -> Value:
    """An operator, or a use of one, that plain integrate-and-fire neurons mostly do not compute."""
    ways = [_unary, _unary, _levels, _signed, _pool, _product, _constant_bounds, _shared, _odd_pad, _softmax]
    return draft.choices.pick(ways)(draft, value)


def _unary(draft: Draft, value: Value) -> Value:
    operators = ["Sigmoid", "Tanh", "LeakyRelu", "Elu", "Abs", "Ceil", "Softplus", "HardSigmoid", "Floor"]
    operators += ["Round"] if draft.opset >= 11 else []
    operators += ["HardSwish"] if draft.opset >= 14 else []
    return Value(draft.add(draft.choices.pick(operators), value.name), value.shape)


def _levels(draft: Draft, value: Value) -> Value:
    """A quantiser with levels below zero, an offset behind it, or rounding twice."""
    choices = draft.choices
    name = draft.add("Mul", value.name, draft.number(choices.pick((3.0, -3.0))))
    name = draft.add("Floor", name)
    if draft.opset >= 11:
        name = draft.add("Clip", name, draft.number(choices.pick((-4.0, 0.5, 1.0))), draft.number(4.0))
    name = draft.add("Mul", name, draft.number(choices.pick((1 / 3, 0.3, -1 / 3))))
    if choices.chance(0.3):
        name = draft.add("Floor", name)
    return Value(draft.add("Add", name, draft.number(choices.pick((0.2, -1.0)))), value.shape)


def _signed(draft: Draft, value: Value) -> Value:
    """A clip around zero or with a single bound elsewhere."""
    choices = draft.choices
    bound = draft.number(choices.pick((-1.0, 1.0, 0.5, 1e-30, 1e30)))
    if draft.opset < 11:
        return Value(draft.add("Clip", value.name, min=-1.0, max=choices.pick((1.0, -0.5))), value.shape)
    if choices.chance(0.5):
        return Value(draft.add(choices.pick(("Max", "Min")), value.name, bound), value.shape)
    inputs = choices.pick(([bound], ["", bound], [draft.number(-1.0), draft.number(1.0)], ["", ""]))
    return Value(draft.add("Clip", value.name, *inputs), value.shape)


def _pool(draft: Draft, value: Value) -> Value:
    if len(value.shape) == 1:
        return _unary(draft, value)
    kernel = [1] * (len(value.shape) - 1)
    kernel[0] = min(2, value.shape[1])
    strides = [1] * len(kernel)
    name = draft.add("LpPool", draft.channels_first(value), kernel_shape=kernel, strides=strides)
    return draft.back(name, (value.shape[0], value.shape[1] - kernel[0] + 1, *value.shape[2:]))


def _product(draft: Draft, value: Value) -> Value:
    """Two signals multiplied."""
    return Value(draft.add("Mul", value.name, value.name), value.shape)


def _constant_bounds(draft: Draft, value: Value) -> Value:
    """One bound, factor or offset per channel or entry, zero or not."""
    choices = draft.choices
    entries = choices.array().uniform(-1, 1, value.shape[0])
    if choices.chance(0.3):
        entries[0] = 0
    constant = draft.per_channel(entries, value)
    operators = ["Mul", "Div", "Add"] + (["Min", "Max"] if draft.opset >= 8 else [])
    name = draft.add(choices.pick(operators), value.name, constant)
    return Value(draft.add("Relu", name), value.shape)


def _shared(draft: Draft, value: Value) -> Value:
    """A value in the middle of an activation, read by something else as well."""
    inner = draft.add("Relu", value.name)
    outer = draft.add("Floor", draft.add("Mul", inner, draft.number(3.0)))
    return Value(draft.add("Add", outer, inner), value.shape)


def _odd_pad(draft: Draft, value: Value) -> Value:
    """Padding by something else than zeros."""
    if draft.opset < 11:
        return _unary(draft, value)
    rank, axis = len(value.shape) + 1, draft.axis(len(value.shape) - 1, value)
    pads = [0] * (2 * rank)
    pads[axis] = 1
    shape = (*value.shape[:-1], value.shape[-1] + 1)
    if draft.choices.chance(0.5):
        return Value(draft.add("Pad", value.name, draft.integers(*pads), draft.number(1.0)), shape)
    return Value(draft.add("Pad", value.name, draft.integers(*pads), mode="edge"), shape)


def _softmax(draft: Draft, value: Value) -> Value:
    axis = draft.axis(int(draft.choices.whole(0, len(value.shape) - 1)), value)
    name = draft.add("Softmax", value.name, axis=axis)
    return Value(draft.add("Mul", name, draft.number(np.float64(2.0))), value.shape)
