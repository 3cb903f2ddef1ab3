"""Plan of a windowed maximum: which differences are rectified where, and which linear sum of them is the maximum.

    max over w entries = base + relu(rest - base),   base and rest being maxima over parts of the window

first along one axis, then along the other. A comparison is computed only at the places that a later one reads. A single
window is folded: its halves are compared place by place. Halves of others are disjoint, w - 1 comparisons per place;
or, where windows overlap and that takes fewer, powers of two are compared: max over w = max over P at the first and at
the last place where P entries fit, so that neighbours share comparisons.

Places are coordinates on the map, so those of padding are negative or beyond its size; there every value is zero. Where
zero could win, the map is first continued by entries that its windows have anyway.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import field, replace
from itertools import pairwise

import numpy as np

from ...targets.records import dataclass
from ..ir.maxima import MaxPool
from ..ir.operators import Shape
from ..ir.sparse_operator import AxisMap, SparseLinear, along_axes, picking

Form = dict[int, dict[tuple[int, int], float]]
"""A value at coordinate (r, c): the sum over sources k and (dr, dc) of factor times source k at (r + dr, c + dc)."""

MAP = 0
"""The source that is the map itself; comparison n is source n + 1."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Coordinates start, start + step, ... along one axis."""

    start: int
    step: int
    count: int

    @property
    def last(self) -> int:
        """Last coordinate."""
        return self.start + (self.count - 1) * self.step

    def moved(self, amount: int) -> Axis:
        """The same coordinates, ``amount`` further on."""
        return replace(self, start=self.start + amount)

    def within(self, low: int, high: int) -> Axis:
        """Those coordinates that lie in ``low..high``; none where the count is not positive."""
        first = max(0, -((self.start - low) // self.step))
        last = min(self.count - 1, (high - self.start) // self.step)
        return Axis(self.start + first * self.step, self.step, last - first + 1)

    def joined(self, amount: int) -> Axis:
        """Evenly spaced coordinates that hold these and the same ``amount`` further on."""
        step = math.gcd(self.step if self.count > 1 else 0, amount)
        return Axis(self.start, step, (self.last + amount - self.start) // step + 1)


@dataclass(frozen=True, slots=True)
class Comparison:
    """relu of ``difference``, computed at ``rows`` x ``columns``; ``axis`` is the one that it compares along."""

    difference: Form
    rows: Axis
    columns: Axis
    axis: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Comparisons, each of earlier ones, and ``result``, which is read at ``rows`` x ``columns``.

    ``is_open`` says that a layer that pads would read comparisons, or entries of the map, beyond the result's edge, so
    that it could not be composed into one convolution of each source.
    """

    comparisons: tuple[Comparison, ...]
    result: Form
    rows: Axis
    columns: Axis
    is_open: bool

    @property
    def places(self) -> int:
        """Comparisons per channel."""
        return sum(c.rows.count * c.columns.count for c in self.comparisons)


def planned(pool: MaxPool, size: tuple[int, int]) -> Plan:
    """Plan with the fewest comparisons, along the rows first or along the columns."""
    plans = [_Planner(pool, size).along(first, 1 - first) for first in (1, 0)]
    return min(plans, key=lambda plan: (plan.is_open, plan.places))


def continued(pool: MaxPool, shape: Shape) -> tuple[SparseLinear, MaxPool]:
    """A map of ``shape`` continued where ``pool`` pads, and the pool without padding of that map: the same maxima.

    What stands for padding is the nearest entry of the map that every window over it reads too, so no window becomes
    larger by it, whatever the values are.
    """
    size = (shape[1], shape[2])
    padding = pool.geometry(size).padding
    maps = {a + 1: _continued_axis(size[a], padding[a], max(0, padding[a + 2]), pool.dilation[a]) for a in (0, 1)}
    return along_axes(shape, maps), MaxPool(pool.kernel, pool.stride, dilation=pool.dilation)


def _continued_axis(size: int, before: int, behind: int, dilation: int) -> AxisMap:
    places = np.arange(-before, size + behind)
    # A window reads coordinates ``dilation`` apart, so it has the first on the map of those that far from padding.
    places = np.where(places < 0, places % dilation, places)
    places = np.where(places >= size, places - dilation * -(-(places - size + 1) // dilation), places)
    return picking(places, size)


@dataclasses.dataclass(slots=True)
class _Planner:
    pool: MaxPool
    size: tuple[int, int]
    comparisons: list[Comparison] = field(default_factory=list)
    is_open: bool = False

    def along(self, first: int, second: int) -> Plan:
        targets = self._targets()
        form: Form = {MAP: {(0, 0): 1.0}}
        form = self._largest(form, first, targets[first], self._needed(second, targets[second]))
        form = self._largest(form, second, targets[second], targets[first])
        return Plan(tuple(self.comparisons), form, targets[0], targets[1], self.is_open)

    def _targets(self) -> tuple[Axis, Axis]:
        geometry = self.pool.geometry(self.size)
        counts = geometry.output_size(self.size, self.pool.kernel)
        # A single window has no next one, which would have to lie off the map.
        strides = [self.pool.stride[a] if counts[a] > 1 else self.size[a] + self.pool.span[a] for a in (0, 1)]
        rows, columns = (Axis(-geometry.padding[a], strides[a], counts[a]) for a in (0, 1))
        return rows, columns

    def _needed(self, axis: int, target: Axis) -> Axis:
        """Coordinates on the map that windows at ``target`` read."""
        width, dilation = self.pool.kernel[axis], self.pool.dilation[axis]
        stride = target.step if target.count > 1 else 0
        step = math.gcd(stride, dilation if width > 1 else 0) or 1
        read = Axis(target.start, step, (target.last + dilation * (width - 1) - target.start) // step + 1)
        return read.within(0, self.size[axis] - 1)

    def _largest(self, form: Form, axis: int, target: Axis, across: Axis) -> Form:
        width = self.pool.kernel[axis]
        if width == 1:
            return form
        halving = _Halving(self, axis, across)
        if target.count == 1 and self._lies_on_the_map(axis, target):
            return halving.folded(form, width, target)
        base = self._closed_base(axis, target)
        if base is None:
            self.is_open = True
        doubled = sum(a.count for a in _doublings(target, width, self.pool.dilation[axis]).values())
        if doubled + target.count < target.count * (width - 1):
            self.is_open = True
            return halving.doubled(form, width, target)
        return halving.halved(form, width, target, base or 0)

    def _lies_on_the_map(self, axis: int, window: Axis) -> bool:
        end = window.start + self.pool.dilation[axis] * (self.pool.kernel[axis] - 1)
        return window.start >= 0 and end < self.size[axis]

    def _closed_base(self, axis: int, target: Axis) -> int | None:
        """Entry of the windows that lies off the map for the windows in front of the first and behind the last."""
        dilation = self.pool.dilation[axis]
        for entry in range(self.pool.kernel[axis]):
            before = target.start - target.step + entry * dilation
            behind = target.last + target.step + entry * dilation
            if before < 0 and behind >= self.size[axis]:
                return entry
        return None


@dataclass(frozen=True, slots=True)
class _Halving:
    planner: _Planner
    axis: int
    across: Axis

    def halved(self, form: Form, width: int, target: Axis, base: int) -> Form:
        """Largest of ``width`` entries from ``target`` on; entry ``base`` is the one that is read as it is."""
        if width == 1:
            return form
        left = (width + 1) // 2
        moved = left * self.planner.pool.dilation[self.axis]
        in_left = base < left
        first = self.halved(form, left, target, base if in_left else 0)
        second = self.halved(form, width - left, target.moved(moved), 0 if in_left else base - left)
        second = self._shifted(second, moved)
        if in_left:
            return self._compared(first, second, target, range(left, width))
        return self._compared(second, first, target, range(left))

    def folded(self, form: Form, width: int, window: Axis) -> Form:
        """Largest of ``width`` entries of a single window without padding: one half against the other, place by place.

        As many comparisons as ``halved`` makes, in one population for each time that the window is folded.
        """
        dilation = self.planner.pool.dilation[self.axis]
        while width > 1:
            left = (width + 1) // 2
            # The middle of an odd width has no partner, and stays what it is.
            places = Axis(window.start, dilation, width - left)
            form = self._compared(form, self._shifted(form, left * dilation), places, range(left, left + 1))
            width = left
        return form

    def doubled(self, form: Form, width: int, target: Axis) -> Form:
        """The same by powers of two, whose comparisons are shared."""
        dilation = self.planner.pool.dilation[self.axis]
        reached = 1
        for wider, axis in _doublings(target, width, dilation).items():
            further = wider - reached
            form = self._compared(form, self._shifted(form, further * dilation), axis, range(further, wider))
            reached = wider
        return form

    def _compared(self, base: Form, rest: Form, target: Axis, entries: range) -> Form:
        """``base``, or ``rest`` where it is larger; the latter is a maximum over ``entries`` of the window."""
        planner, dilation = self.planner, self.planner.pool.dilation[self.axis]
        # Where all entries are padding nothing exceeds the base.
        last = planner.size[self.axis] - 1 - entries.start * dilation
        places = target.within(-(entries.stop - 1) * dilation, last)
        if places.count < 1:
            return base
        difference = _sum(rest, base, -1.0)
        rows, columns = (self.across, places) if self.axis else (places, self.across)
        planner.comparisons.append(Comparison(difference, rows, columns, self.axis))
        return _sum(base, {len(planner.comparisons): {(0, 0): 1.0}}, 1.0)

    def _shifted(self, form: Form, amount: int) -> Form:
        by = (0, amount) if self.axis else (amount, 0)
        return {
            source: {(row + by[0], column + by[1]): factor for (row, column), factor in taps.items()}
            for source, taps in form.items()
        }


def _doublings(target: Axis, width: int, dilation: int) -> dict[int, Axis]:
    """Where maxima over 2, 4, ... and ``width`` entries are needed."""
    widths = [*_powers(width), width]
    needed = {width: target}
    for narrower, wider in reversed(list(pairwise(widths))):
        needed[narrower] = needed[wider].joined((wider - narrower) * dilation)
    return dict(sorted(needed.items()))


def _powers(width: int) -> Iterator[int]:
    power = 2
    while power < width:
        yield power
        power *= 2


def _sum(one: Form, other: Form, factor: float) -> Form:
    """``one`` plus ``factor`` times ``other``, without what cancels."""
    result = {source: dict(taps) for source, taps in one.items()}
    for source, taps in other.items():
        into = result.setdefault(source, {})
        for place, value in taps.items():
            into[place] = into.get(place, 0.0) + factor * value
    kept = {source: {place: v for place, v in taps.items() if v} for source, taps in result.items()}
    return {source: taps for source, taps in kept.items() if taps}
