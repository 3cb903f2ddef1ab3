"""What values of the float network can be: bounds, and the grid on which quantised activations put them."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import reduce

import numpy as np

from ...runtime.simulator.sparse import SparseMatrix
from ...targets.records import dataclass
from ..arithmetic import total
from ..ir.maxima import AnySpike, Maximum, MaxPool
from ..ir.network import INPUT, Network, Node
from ..ir.operators import (
    Add,
    AveragePool,
    Clip,
    Conv,
    Dense,
    FloatArray,
    Offset,
    Pad,
    QuantizeClip,
    Relu,
    Reshape,
    Scale,
    Slice,
    Transpose,
)
from ..ir.signed_quantiser import SignedQuantizeClip
from ..ir.sparse_operator import SparseLinear

_FUZZ = 1e-9


@dataclass(frozen=True, slots=True)
class Range:
    """Values from ``low`` to ``high``, which may be infinite.

    With ``amplitude`` and ``levels`` they are ``low`` plus whole multiples of amplitude / levels.
    """

    low: float
    high: float
    amplitude: float | None = None
    levels: int | None = None

    @property
    def width(self) -> float:
        """From the lowest value to the highest."""
        return self.high - self.low

    def without_grid(self) -> Range:
        """Bounds alone."""
        return Range(self.low, self.high)

    def scaled(self, factor: float) -> Range:
        """Range of ``factor`` times the value."""
        if factor == 0:
            return Range(0.0, 0.0)
        ends = sorted((self.low * factor, self.high * factor))
        amplitude = None if self.amplitude is None else self.amplitude * abs(factor)
        return Range(ends[0], ends[1], amplitude, self.levels)

    def moved(self, amount: float) -> Range:
        """Range of the value plus ``amount``."""
        return replace(self, low=self.low + amount, high=self.high + amount)

    def has_on_grid(self, value: float) -> bool:
        """Whether ``value`` lies on the grid, continued beyond the bounds."""
        if self.amplitude is None or self.levels is None:
            return False
        steps = (value - self.low) * self.levels / self.amplitude
        return abs(steps - round(steps)) <= _FUZZ * max(1.0, abs(steps))


UNKNOWN = Range(-math.inf, math.inf)


def value_ranges(network: Network, given: Range = UNKNOWN) -> dict[str, Range]:
    """Range of every value of ``network``, whose input has the range ``given`` where its type does not tell."""
    integers = network.integers
    start = given if integers is None else Range(float(integers[0]), float(integers[1]))
    ranges = {INPUT: start}
    for node in network.nodes:
        ranges[node.name] = _range(node, [ranges[name] for name in node.inputs])
    return ranges


def covering(ranges: list[Range]) -> Range:
    """Range that holds the values of all of ``ranges``; on a grid where they share one."""
    return reduce(_either, ranges)


def _either(one: Range, other: Range) -> Range:
    joined = Range(min(one.low, other.low), max(one.high, other.high))
    if one.amplitude is None or other.amplitude is None or one.levels != other.levels:
        return joined
    if _times(one.amplitude, other.amplitude) == 1 and one.has_on_grid(other.low):
        return replace(joined, amplitude=one.amplitude, levels=one.levels)
    return joined


def _times(larger: float, smaller: float) -> int:
    """How many times ``smaller`` goes into ``larger``; 0 where it does not go evenly."""
    times = larger / smaller
    return round(times) if round(times) >= 1 and abs(times - round(times)) <= _FUZZ * times else 0


def _range(node: Node, inputs: list[Range]) -> Range:
    operator = node.operator
    match operator:
        case AnySpike() | Maximum():
            return covering(inputs)
        case SignedQuantizeClip():
            wide = operator.threshold if operator.levels else None
            return Range(-operator.below, operator.threshold - operator.below, wide, operator.levels)
        case QuantizeClip():
            return Range(0.0, operator.threshold, operator.threshold if operator.levels else None, operator.levels)
        case Relu():
            return Range(0.0, max(0.0, inputs[0].high))
        case Clip():
            return Range(max(operator.low, inputs[0].low), min(operator.high, max(inputs[0].high, operator.low)))
        case MaxPool() | Slice() | Reshape() | Transpose():
            return inputs[0]
        case Pad():
            return _with_zero(inputs[0])
        case Scale():
            return _scaled(inputs[0], operator.factor)
        case Offset():
            return _moved(inputs[0], operator.amount)
        case Add():
            return reduce(_sum, inputs)
        case AveragePool():
            return _averaged(inputs[0], operator, node)
        case SparseLinear():
            return _gathered(inputs[0], operator)
        case Conv() | Dense():
            return _mixed(inputs[0], operator)
        case _:
            return UNKNOWN


def _with_zero(values: Range) -> Range:
    wider = Range(min(values.low, 0.0), max(values.high, 0.0))
    return replace(wider, amplitude=values.amplitude, levels=values.levels) if values.has_on_grid(0.0) else wider


def _scaled(values: Range, factor: FloatArray) -> Range:
    ends = [values.scaled(float(f)) for f in (factor.min(), factor.max())]
    bounds = Range(min(e.low for e in ends), max(e.high for e in ends))
    if bool((factor == factor.flat[0]).all()):
        return ends[0]
    is_even = bool((np.abs(factor) == np.abs(factor).flat[0]).all()) and values.has_on_grid(-values.low)
    return replace(bounds, amplitude=ends[1].amplitude, levels=values.levels) if is_even else bounds


def _moved(values: Range, amount: FloatArray) -> Range:
    low, high = float(amount.min()), float(amount.max())
    if low == high:
        return values.moved(low)
    return Range(values.low + low, values.high + high)


def _sum(one: Range, other: Range) -> Range:
    added = Range(one.low + other.low, one.high + other.high)
    if one.amplitude is None or other.amplitude is None or one.levels != other.levels:
        return added
    fine = min(one.amplitude, other.amplitude)
    if _times(one.amplitude, fine) and _times(other.amplitude, fine):
        return replace(added, amplitude=fine, levels=one.levels)
    return added


def _averaged(values: Range, pool: AveragePool, node: Node) -> Range:
    """An average of n values lies on a grid n times finer."""
    padded = any(pool.padding) or pool.ceil
    if padded or values.amplitude is None:
        return (_with_zero(values) if padded else values).without_grid()
    return replace(values, amplitude=values.amplitude / math.prod(pool.kernel))


def _mixed(values: Range, operator: Conv | Dense) -> Range:
    if not (math.isfinite(values.low) and math.isfinite(values.high)):
        return UNKNOWN
    low, high = min(values.low, 0.0), max(values.high, 0.0)
    rows = operator.weight.reshape(len(operator.weight), -1)
    rising, falling = (np.asarray(total(np.maximum(sign * rows, 0.0), axis=1)) for sign in (1.0, -1.0))
    lowest, highest = rising * low - falling * high + operator.bias, rising * high - falling * low + operator.bias
    return Range(float(lowest.min()), float(highest.max()))


def _gathered(values: Range, operator: SparseLinear) -> Range:
    """Range of sums of few entries: that of an entry times the factor, where each is one and all factors are alike."""
    fan_in = np.bincount(operator.target, minlength=math.prod(operator.shape))
    factor = operator.weight[:1]
    if len(factor) and fan_in.max() == 1 and bool((operator.weight == factor).all()):
        one = values.scaled(float(factor[0]))
        return one if fan_in.min() == 1 else _with_zero(one)
    if not (math.isfinite(values.low) and math.isfinite(values.high)):
        return UNKNOWN
    rising, falling = (_summed(operator, np.maximum(sign * operator.weight, 0.0)) for sign in (1.0, -1.0))
    lowest, highest = rising * values.low - falling * values.high, rising * values.high - falling * values.low
    return Range(float(lowest.min()), float(highest.max()))


def _summed(operator: SparseLinear, weight: FloatArray) -> FloatArray:
    ones = np.ones((1, math.prod(operator.before)))
    return SparseMatrix(weight, operator.source, operator.target, math.prod(operator.shape)).multiply(ones)
