"""Every way to write an activation: each writes the same function as a chain of elementwise operators."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .choices import Array, Choices
from .draft import Draft, Value

LOW, HIGH, ROUND, SHIFT = "low", "high", "round", "shift"

Part = float | str | tuple[str, ...]
"""A factor, ``ROUND``, ``SHIFT``, or the bounds that stand together at one place."""


def write_activation(draft: Draft, value: Value, *, relu: bool) -> Value:
    """Write quantise-and-clip, clipping or (with ``relu``) what needs calibration data behind ``value``."""
    kinds = [write_quantiser, write_quantiser, write_clip, write_signed_clip]
    if draft.opset >= 10 and draft.dtype == np.float32:
        kinds += [write_integer_pair, write_signed_pair]
    unbounded = (write_relu, write_relu, write_leaky, write_function)
    return draft.choices.pick(unbounded if relu else kinds)(draft, value)


@dataclass(slots=True)
class _Chain:
    """Writes a chain; one unit of the chain's own variable z is ``factor`` in the current value."""

    draft: Draft
    value: Value
    factor: float

    @property
    def _choices(self) -> Choices:
        return self.draft.choices

    def then(self, operator: str, *inputs: str, **attributes: object) -> None:
        name = self.draft.add(operator, *inputs, **attributes)
        self.value = Value(name, self.value.shape)
        if self._choices.chance(0.04):
            self.value = Value(write_nothing(self.draft, name), self.value.shape)

    def number(self, number: float) -> str:
        """One number, in any shape that broadcasts."""
        return self.draft.number(np.full((1,) * self._choices.whole(0, 2), number))

    def scale(self, factor: float, channels: Array | None = None) -> None:
        """Multiply by ``factor``, and by one number per channel where ``channels`` are given."""
        self.factor *= factor
        entries = None if channels is None else factor * channels
        operator = self._choices.pick(("Mul", "Div", "turned"))
        if operator == "Div":
            constant = self._operand(1 / factor, None if entries is None else 1 / entries)
            self.then("Div", self.value.name, constant)
            return
        constant = self._operand(factor, entries)
        pair = (self.value.name, constant) if operator == "Mul" else (constant, self.value.name)
        self.then(*("Mul", *pair) if factor != -1 or entries is not None else ("Neg", self.value.name))

    def _operand(self, number: float, entries: Array | None) -> str:
        return self.number(number) if entries is None else self.draft.per_channel(entries, self.value)

    def shift(self, amount: float) -> None:
        """Add ``amount``, given in units of z."""
        number = amount * self.factor
        if self._choices.chance(0.3):
            self.then("Sub", self.value.name, self.number(-number))
            return
        pair = [self.value.name, self.number(number)]
        self.then("Add", *(pair[::-1] if self._choices.chance(0.2) else pair))

    def bound(self, below: float | None, above: float | None) -> None:
        """Clip from below and above, in units of z; either may be None."""
        low, high = (None if b is None else b * self.factor for b in (below, above))
        if self.factor < 0:
            low, high = high, low
        if low is not None and high is not None and self._choices.chance(0.4):
            self._one_sided(low, None)
            low = None
        elif low is not None and high is not None and self._choices.chance(0.2):
            self._one_sided(None, high)
            high = None
        self._one_sided(low, high)

    def _one_sided(self, low: float | None, high: float | None) -> None:
        """One operator with one bound or both."""
        extremes = self.draft.opset >= 8
        if low == 0 and high is None and self._choices.chance(0.6):
            self.then("Relu", self.value.name)
        elif (low is None) != (high is None) and extremes and self._choices.chance(0.5):
            operator, number = ("Max", low) if low is not None else ("Min", high)
            assert number is not None
            inputs = [self.value.name, self.number(number)]
            self.then(operator, *(inputs if self._choices.chance(0.7) else inputs[::-1]))
        else:
            write_clip_operator(self, low, high)


def write_clip_operator(chain: _Chain, low: float | None, high: float | None) -> None:
    """Clip with bounds as attributes or inputs."""
    draft, name = chain.draft, chain.value.name
    if draft.opset < 11:
        bounds = {"min": low, "max": high}
        chain.then("Clip", name, **{key: float(b) for key, b in bounds.items() if b is not None})
        return
    inputs = ["" if b is None else draft.number(b) for b in (low, high)]
    chain.then("Clip", name, *(inputs if inputs[1] else inputs[:1]))


def write_nothing(draft: Draft, name: str) -> str:
    """An operator that leaves values alone."""
    operator = draft.choices.pick(("Identity", "Dropout", "Cast"))
    return draft.add("Cast", name, to=draft.float_type) if operator == "Cast" else draft.add(operator, name)


def _positive(choices: Choices) -> float:
    return 2 ** choices.real(-2, 1.5)


def _factors(choices: Choices, product: float) -> list[float]:
    """Numbers whose product is ``product``; now and then two of them negative."""
    first = [choices.pick((1.0, 2.0, 0.3, 5.0)) for _ in range(choices.whole(0, 1))]
    factors = [f for f in (*first, product / math.prod(first)) if f != 1]
    if choices.chance(0.1):
        factors += [-1.0, -1.0] if len(factors) < 2 else []
        factors[:2] = [-f for f in factors[:2]]
    return factors


def write_quantiser(draft: Draft, value: Value) -> Value:
    """theta * clip(floor(x * levels / theta + shift), 0, levels) / levels, its parts in any order that means this."""
    choices = draft.choices
    theta, levels = _positive(choices), choices.pick((4, 1, 2, 3, 8, 16))
    shift = choices.pick((0.5, 0.0, choices.real(0.01, 0.99)))
    rounds = draft.opset >= 11 and shift != 0 and choices.chance(0.6)
    added = shift - (0.5 if rounds else 0.0)
    before: list[Part] = list(_factors(choices, levels / theta))
    if added:
        before.insert(choices.whole(0, len(before)), SHIFT)
    parts = [*before, ROUND, *_factors(choices, theta / levels)]
    scales = [k for k, part in enumerate(parts) if isinstance(part, float)]
    channels = None
    # What is added is one number for all channels, so it stands inside of factors per channel.
    if scales and scales[0] < len(before) < scales[-1] and parts[0] != SHIFT and choices.chance(0.2):
        channels = draft.choices.array().uniform(0.5, 2, value.shape[0])
    parts = _with_bounds(choices, parts, rounds=rounds, inside=channels is not None)
    chain = _Chain(draft, value, theta / levels)
    scales = [k for k, part in enumerate(parts) if isinstance(part, float)]
    for place, part in enumerate(parts):
        if isinstance(part, float):
            ends = {scales[0]: channels, scales[-1]: 1 / channels} if channels is not None else {}
            chain.scale(part, ends.get(place))
        elif part == SHIFT:
            chain.shift(added)
        elif part == ROUND:
            chain.then("Round" if rounds else "Floor", chain.value.name)
            chain.factor = 1.0
        else:
            chain.bound(0.0 if LOW in part else None, float(levels) if HIGH in part else None)
    return chain.value


def _with_bounds(choices: Choices, parts: list[Part], *, rounds: bool, inside: bool) -> list[Part]:
    """``parts`` with a lower and an upper bound put in, together or apart; ``inside`` the first and last factor.

    Behind an offset and before Floor an upper bound would have to be a whole number, which float factors may take to
    just below it: the file then loses its last level. So no upper bound is put there.
    """
    scales = [k for k, part in enumerate(parts) if isinstance(part, float)]
    first, last = (scales[0] + 1, scales[-1]) if inside else (0, len(parts))
    rounding, offset = parts.index(ROUND), parts.index(SHIFT) if SHIFT in parts else -1
    places = [p for p in range(first, last + 1) if rounds or p >= rounding or p <= offset]
    high = choices.pick(places[::-1])
    low = high if choices.chance(0.5) else choices.whole(first, last)
    bounds = [(high, (LOW, HIGH))] if low == high else sorted(((low, (LOW,)), (high, (HIGH,))), reverse=True)
    for place, bound in bounds:
        parts = [*parts[:place], bound, *parts[place:]]
    return parts


def write_clip(draft: Draft, value: Value) -> Value:
    """Clip between 0 and a threshold, with factors around it."""
    choices = draft.choices
    chain = _Chain(draft, value, 1.0)
    for factor in _factors(choices, _positive(choices)) if choices.chance(0.4) else ():
        chain.scale(factor)
    chain.factor = 1.0
    chain.bound(0.0, _positive(choices))
    for factor in _factors(choices, _positive(choices)) if choices.chance(0.4) else ():
        chain.scale(factor)
    return chain.value


def write_relu(draft: Draft, value: Value) -> Value:
    """Rectify."""
    chain = _Chain(draft, value, 1.0)
    if draft.choices.chance(0.2):
        chain.scale(draft.choices.pick((0.5, -1.0)))
    chain.factor = 1.0
    chain.bound(0.0, None)
    return chain.value


def write_integer_pair(draft: Draft, value: Value) -> Value:
    """QuantizeLinear and DequantizeLinear with unsigned bytes and zero point 0."""
    scale = draft.number(np.array(_positive(draft.choices) / 255))
    zero = draft.stored(np.array(0, np.uint8))
    quantised = draft.add("QuantizeLinear", value.name, scale, zero)
    return Value(draft.add("DequantizeLinear", quantised, scale, zero), value.shape)


def write_signed_clip(draft: Draft, value: Value) -> Value:
    """Clip around zero: hard tanh, HardSigmoid or bounds of any size on either side."""
    choices = draft.choices
    if choices.chance(0.3):
        attributes = {"alpha": choices.real(0.1, 1.0), "beta": choices.real(0.1, 0.9)} if choices.chance(0.5) else {}
        return Value(draft.add("HardSigmoid", value.name, **attributes), value.shape)
    chain = _Chain(draft, value, 1.0)
    chain.bound(-_positive(choices), _positive(choices))
    return chain.value


def write_signed_pair(draft: Draft, value: Value) -> Value:
    """QuantizeLinear and DequantizeLinear with a zero point inside of the range."""
    choices = draft.choices
    kind = choices.pick((np.int8, np.uint8))
    limits = np.iinfo(kind)
    scale = draft.number(np.array(_positive(choices) / choices.pick((16, 100))))
    zero = draft.stored(np.array(0 if choices.chance(0.4) else choices.whole(limits.min, limits.max), kind))
    quantised = draft.add("QuantizeLinear", value.name, scale, zero)
    return Value(draft.add("DequantizeLinear", quantised, scale, zero), value.shape)


def write_leaky(draft: Draft, value: Value) -> Value:
    """LeakyRelu, PRelu with one slope or one per channel, or Abs."""
    choices = draft.choices
    way = choices.pick(("LeakyRelu", "PRelu", "channels", "Abs"))
    if way == "LeakyRelu":
        attributes = {"alpha": choices.real(-0.5, 0.9)} if choices.chance(0.7) else {}
        return Value(draft.add("LeakyRelu", value.name, **attributes), value.shape)
    if way == "Abs":
        return Value(draft.add("Abs", value.name), value.shape)
    slopes = choices.array().uniform(-0.5, 0.9, value.shape[0])
    slope = draft.per_channel(slopes, value) if way == "channels" else draft.number(slopes[:1])
    return Value(draft.add("PRelu", value.name, slope), value.shape)


def write_function(draft: Draft, value: Value) -> Value:
    """A function that is fitted: one operator, or a product or quotient of functions of one value."""
    choices = draft.choices
    operators = ["Sigmoid", "Tanh", "Softplus", "Softsign", "Elu", "Selu", "Sigmoid", "Tanh"]
    operators += ["Erf"] * (draft.opset >= 9) + ["Celu"] * (draft.opset >= 12) + ["HardSwish"] * (draft.opset >= 14)
    way = choices.pick(("operator", "operator", "product", "square", "quotient"))
    if way == "square":
        return Value(draft.add("Mul", value.name, value.name), value.shape)
    if way == "quotient":
        below = draft.add("Add", draft.add("Abs", value.name), draft.number(choices.real(0.5, 2.0)))
        return Value(draft.add("Div", value.name, below), value.shape)
    inner = draft.add(choices.pick(operators), value.name)
    if way == "operator":
        return Value(inner, value.shape)
    pair = [value.name, inner] if choices.chance(0.5) else [inner, value.name]
    return Value(draft.add("Mul", *pair), value.shape)


def write_end(draft: Draft, value: Value) -> Value:
    """What keeps the order of scores: a function of each, a factor or an amount behind it, or a softmax over all."""
    choices = draft.choices
    if len(value.shape) == 1 and value.shape[0] > 1 and choices.chance(0.4):
        return Value(draft.add(choices.pick(("Softmax", "LogSoftmax")), value.name, axis=1), value.shape)
    name = draft.add(choices.pick(("Sigmoid", "Tanh", "HardSigmoid", "Softplus")), value.name)
    if choices.chance(0.5):
        name = draft.add("Mul", name, draft.number(choices.real(0.5, 3.0) * choices.pick((1, 1, -1))))
    if choices.chance(0.3):
        name = draft.add("Add", name, draft.number(choices.real(-1.0, 1.0)))
    return Value(name, value.shape)
