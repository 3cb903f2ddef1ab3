"""Algebra of elementwise operators that follow each other: which single neuron, between linear maps, they are.

A chain takes each entry x of a value to height * clip(r(slope x + shift), low, high) + base, r being the identity or
floor. Numbers broadcast to the sample's shape, so every channel or entry may have its own. With a finite range it is

    floor:     H clip(floor(S x + D), 0, n) + B,   D = shift - low,  B = base + H low,  n = high - low
    no floor:  clip(S x + D, 0, n) + low

which is one ``QuantizeClip`` with a scale and an offset on either side. A chain that is bounded on one side only is a
``Relu`` between such maps, since min(x, c) = c - relu(c - x). Negative slopes and heights belong to the linear maps.
"""

from __future__ import annotations

from dataclasses import field, replace
from itertools import accumulate
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ...targets.records import dataclass
from ..ir.operators import (
    BatchNorm,
    Clip,
    FloatArray,
    Floor,
    Offset,
    Operator,
    QuantizeClip,
    Relu,
    Round,
    Scale,
)

BoolArray: TypeAlias = npt.NDArray[np.bool_]

FUZZ = 2e-6
"""Relative: constants of a file are float32 (6e-8 each), and a chain multiplies several of them."""

NONLINEAR = (Relu, Clip, Floor, Round)
AFFINE = (Scale, Offset, BatchNorm)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a chain is not an integrate-and-fire neuron."""

    code: str
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Neuron:
    """y = out_gain * activation(gain * x + offset) + out_offset; the arrays broadcast to the sample's shape."""

    activation: QuantizeClip | Relu
    gain: FloatArray
    offset: FloatArray
    out_gain: FloatArray
    out_offset: FloatArray

    @property
    def is_uniform(self) -> bool:
        """One number for all entries."""
        return all(a.size == 1 for a in (self.gain, self.offset, self.out_gain, self.out_offset))

    @property
    def has_no_offsets(self) -> bool:
        """Only factors around it."""
        return not (self.offset.any() or self.out_offset.any())

    @property
    def is_simple(self) -> bool:
        """Nothing but one positive factor in front."""
        return self.is_uniform and self.has_no_offsets and bool(self.gain > 0 and self.out_gain == 1)

    @property
    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Lowest and highest y."""
        if isinstance(self.activation, Relu):
            return UNBOUNDED
        ends = self.out_offset, self.out_offset + self.out_gain * self.activation.threshold
        return np.minimum(*ends), np.maximum(*ends)

    def around(self) -> tuple[tuple[Operator, ...], tuple[Operator, ...]]:
        """Operators in front of and behind the activation; none for a factor of one or an amount of zero."""
        return _affine(self.gain, self.offset), _affine(self.out_gain, self.out_offset)


def _affine(factor: FloatArray, amount: FloatArray) -> tuple[Operator, ...]:
    scaling = () if bool((np.abs(factor - 1) <= FUZZ).all()) else (Scale(factor),)
    return (*scaling, *(() if bool((amount == 0).all()) else (Offset(amount),)))


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """x -> height * clip(r(slope x + shift), low, high) + base, where r is floor once ``rounded``.

    Until then ``height`` is 1 and ``base`` is 0.
    """

    slope: FloatArray
    shift: FloatArray
    low: FloatArray
    high: FloatArray
    height: FloatArray
    base: FloatArray
    rounded: bool = False
    low_is_given: BoolArray = field(default_factory=lambda: np.array(False))
    high_is_given: BoolArray = field(default_factory=lambda: np.array(False))
    """Where a bound is a number of the file and not one that was computed here, so it is taken to its last digit."""

    def scaled(self, factor: FloatArray) -> Chain:
        """Chain times ``factor``."""
        if self.rounded:
            return replace(self, height=self.height * factor, base=self.base * factor)
        with np.errstate(invalid="ignore"):
            bounds = [np.where(factor == 0, 0.0, bound * factor) for bound in (self.low, self.high)]
        return replace(
            self._computed(),
            slope=self.slope * factor,
            shift=self.shift * factor,
            low=np.minimum(*bounds),
            high=np.maximum(*bounds),
        )

    def shifted(self, amount: FloatArray) -> Chain:
        """Chain plus ``amount``."""
        if self.rounded:
            return replace(self, base=self.base + amount)
        low, high = self.low + amount, self.high + amount
        return replace(self._computed(), shift=self.shift + amount, low=low, high=high)

    def _computed(self) -> Chain:
        return replace(self, low_is_given=np.array(False), high_is_given=np.array(False))

    def clipped(self, low: float, high: float) -> Chain | Reason:
        """Chain clipped to ``low..high``, either of which may be infinite."""
        if not self.rounded:
            return self._within(np.asarray(low), np.asarray(high))
        height = np.where(self.height == 0, 1.0, self.height)
        inside = [
            np.where(np.isinf(bound), bound * np.sign(height), (bound - self.base) / height) for bound in (low, high)
        ]
        # A constant entry has no level to cut at: its value is clipped instead.
        bounds = [np.where(self.height == 0, end, value) for end, value in zip((-np.inf, np.inf), inside, strict=True)]
        lower, upper = np.minimum(*bounds), np.maximum(*bounds)
        for bound in (lower, upper):
            between = (self.low < bound) & (bound < self.high) & np.isfinite(bound) & ~_is_whole(bound)
            if between.any():
                at = float(np.broadcast_to(bound, between.shape)[between].flat[0])
                return Reason("E110", f"clips between two of its levels, at {at:g} steps")
        base = np.where(self.height == 0, np.clip(self.base, low, high), self.base)
        return replace(self._within(_snapped(lower), _snapped(upper)), base=base)

    def _within(self, lower: FloatArray, upper: FloatArray) -> Chain:
        return replace(
            self,
            low=np.minimum(np.maximum(self.low, lower), upper),
            high=np.maximum(np.minimum(self.high, upper), lower),
            low_is_given=self.low_is_given | (lower > self.low),
            high_is_given=self.high_is_given | (upper < self.high),
        )

    def floored(self, half: float) -> Chain | Reason:
        """Chain rounded down after adding ``half``."""
        if self.rounded:
            whole = _is_whole(self.height).all() and _is_whole(self.base).all()
            return self if whole else Reason("E110", "rounds twice, to different steps")
        ends = ((self.low, self.low_is_given), (self.high, self.high_is_given))
        low, high = (_rounded(end, half, given) for end, given in ends)
        return replace(self, shift=self.shift + half, low=low, high=high, rounded=True)

    def neuron(self) -> Neuron | Reason:
        """Neuron that computes the chain, or why there is none."""
        finite = np.isfinite(self.low) & np.isfinite(self.high)
        if finite.all():
            # A channel whose height is zero is constant, whatever its levels are.
            if bool(((self.low == self.high) | (self.height == 0)).all()):
                return Reason(
                    "E111",
                    f"gives {_first(self.height * self.low + self.base):g} for every input, so its threshold is zero",
                )
            return self._quantiser() if self.rounded else self._clipper()
        if self.rounded:
            rising = self.height >= 0
            open_above = np.where(rising, np.isinf(self.high), np.isinf(self.low)).any()
            end = "largest" if open_above else "smallest"
            return Reason("E110", f"has no {end} value: it rounds without clipping")
        if finite.any():
            return Reason("E110", "is clipped on both sides for some channels only")
        if bool((np.isinf(self.low) & np.isinf(self.high)).any()):
            return Reason("E110", "is clipped for some channels only")
        return self._rectifier()

    def constant(self) -> Neuron:
        """Neuron that never fires, for a chain whose bounds are equal."""
        zero = np.zeros(())
        return Neuron(QuantizeClip(1.0, None), zero, zero, zero, _alike(self.height * self.low + self.base))

    def _quantiser(self) -> Neuron | Reason:
        lives = (self.high > self.low) & (self.height != 0)
        widths = np.unique(np.broadcast_to(self.high - self.low, lives.shape)[lives])
        if widths.size != 1:
            return Reason("E110", f"has {widths[0]:g} levels in some channels and {widths[-1]:g} in others")
        levels = float(widths[0])
        whole, shift = _split(self.shift - self.low, lives)
        heights = np.unique(np.abs(np.broadcast_to(self.height, lives.shape)[lives]))
        unit = float(heights[0]) if heights[-1] - heights[0] <= FUZZ * heights[0] else 1 / levels
        base = self.base + self.height * self.low
        return Neuron(
            QuantizeClip(unit * levels, int(levels), shift),
            gain=_alike(np.where(lives, unit * self.slope, 0.0)),
            offset=_alike(np.where(lives, unit * whole, 0.0)),
            out_gain=_alike(_near_one(np.where(lives, self.height / unit, 0.0))),
            out_offset=_alike(np.where(np.abs(base) <= FUZZ * np.abs(self.height * levels), 0.0, base)),
        )

    def _clipper(self) -> Neuron:
        width = self.high - self.low
        lives = width > 0
        offset = self.shift - self.low
        offset = np.where(np.abs(offset) <= FUZZ * width, 0.0, offset)
        widths = width[lives] if width.ndim else width
        is_even = widths.max() - widths.min() <= FUZZ * widths.max()
        unit = np.ones(()) if is_even else np.where(lives, width, 1.0)
        return Neuron(
            QuantizeClip(float(widths.max()) if is_even else 1.0, None),
            gain=_alike(np.where(lives, self.slope / unit, 0.0)),
            offset=_alike(np.where(lives, offset / unit, 0.0)),
            out_gain=_alike(np.where(lives, unit, 0.0)),
            out_offset=_alike(np.where(np.abs(self.low) <= FUZZ * width, 0.0, self.low)),
        )

    def _rectifier(self) -> Neuron:
        sign = np.where(np.isinf(self.low), -1.0, 1.0)
        bound = np.where(np.isinf(self.low), self.high, self.low)
        return Neuron(
            Relu(),
            gain=_alike(sign * self.slope),
            offset=_alike(sign * (self.shift - bound)),
            out_gain=_alike(sign),
            out_offset=_alike(bound),
        )

    @property
    def is_plain(self) -> bool:
        """The result has the unit of the input."""
        return bool((np.abs(self.slope * self.height - 1) <= FUZZ).all())

    @property
    def cancels(self) -> bool:
        """Scaling inside of the chain is undone inside of it."""
        return self.is_plain and bool((self.slope != 1).any())


UNBOUNDED = (np.array(-np.inf), np.array(np.inf))
"""Bounds of a value of which nothing is known."""


def empty_chain(bounds: tuple[FloatArray, FloatArray] = UNBOUNDED) -> Chain:
    """Chain of no operator on a value within ``bounds``."""
    zero, one = np.zeros(()), np.ones(())
    return Chain(one, zero, *bounds, one, zero)


def chains(
    operators: tuple[Operator, ...], rank: int, bounds: tuple[FloatArray, FloatArray] = UNBOUNDED
) -> tuple[Chain | Reason, ...]:
    """Chain of no operator, of the first, of the first two and so on, or what breaks it.

    Samples have ``rank`` axes; the first operator's input stays within ``bounds``.
    """
    start: Chain | Reason = empty_chain(bounds)
    return tuple(accumulate(operators, lambda chain, operator: _then(chain, operator, rank), initial=start))


def _then(chain: Chain | Reason, operator: Operator, rank: int) -> Chain | Reason:
    if isinstance(chain, Reason):
        return chain
    match operator:
        case Scale():
            return chain.scaled(_alike(operator.factor))
        case Offset():
            return chain.shifted(_alike(operator.amount))
        case BatchNorm():
            gain, shift = (_alike(v.reshape(-1, *(1,) * (rank - 1))) for v in (operator.gain, operator.shift))
            return chain.scaled(gain).shifted(shift)
        case Relu():
            return chain.clipped(0.0, np.inf)
        case Clip():
            return chain.clipped(operator.low, operator.high)
        case Floor() | Round():
            return chain.floored(0.5 if isinstance(operator, Round) else 0.0)
    raise TypeError(f"{type(operator).__name__} is not elementwise")


def _alike(values: Any) -> FloatArray:
    """One number where all are the same."""
    array = np.asarray(values, dtype=np.float64)
    first = array.ravel()[:1]
    return first.reshape(()) if array.ndim and bool((array == first).all()) else array


def _first(values: FloatArray) -> float:
    return float(np.asarray(values).ravel()[0])


def _nearest(values: FloatArray) -> FloatArray:
    return np.where(np.isfinite(values), np.round(np.where(np.isfinite(values), values, 0.0)), values)


def _is_whole(values: FloatArray) -> Any:
    finite = np.where(np.isfinite(values), values, 0.0)
    return np.abs(finite - np.round(finite)) <= FUZZ * np.maximum(1.0, np.abs(finite))


def _rounded(bound: FloatArray, half: float, is_given: BoolArray) -> FloatArray:
    """``bound`` rounded down after adding ``half``; exactly between two levels, Round takes the even one."""
    nearest: FloatArray = np.floor(_snapped(bound + half))
    is_exact = is_given | (np.floor(bound) + half == bound)
    return np.where(is_exact, np.rint(bound) if half else np.floor(bound), nearest)


def _snapped(values: FloatArray) -> FloatArray:
    return np.where(_is_whole(values), _nearest(values), values)


def _near_one(values: FloatArray) -> FloatArray:
    return np.where(np.abs(np.abs(values) - 1) <= FUZZ, np.sign(values), values)


def _split(shift: FloatArray, lives: Any) -> tuple[FloatArray, float]:
    """``shift`` as an amount of levels per entry and one remainder in 0..1 that the quantiser itself has."""
    whole = np.floor(shift + FUZZ * np.maximum(1.0, np.abs(shift)))
    rest = np.maximum(np.broadcast_to(shift - whole, lives.shape)[lives], 0.0)
    if rest.max() - rest.min() <= FUZZ:
        return whole, float(rest.flat[0])
    return shift - 0.5, 0.5
