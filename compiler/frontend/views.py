"""A value seen with its axes in another order or under another shape, without moving anything yet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...targets.records import dataclass
from ..ir.activations import LeakyRelu
from ..ir.operators import BatchNorm, FloatArray, Offset, Operator, Pad, Scale, Shape, Slice

_LAYOUTS: tuple[Shape, ...] = ((0, 1, 2), (1, 2, 0), (2, 0, 1))
"""Channels first or last in both base and view, a channels-last view of channels-first, and the reverse."""


@dataclass(frozen=True, slots=True)
class View:
    """``base`` (of ``base_shape``) as a value of ``shape``.

    ``order`` lists the axes of the base longer than one, in the order in which the view runs through them. In a
    rising order the view is a reshape of the base; otherwise ``shape`` has these axes and any number of ones.
    """

    base: str
    base_shape: Shape
    order: Shape
    shape: Shape

    @property
    def keeps_order(self) -> bool:
        """Nothing moves in memory: a reshape."""
        return self.order == tuple(sorted(self.order))

    @property
    def keeps_axes(self) -> bool:
        """Every long axis of the view is a long axis of the base."""
        return long_axes(self.shape, sizes=True) == tuple(self.base_shape[axis] for axis in self.order)

    @property
    def is_base(self) -> bool:
        """Nothing changes at all."""
        return self.keeps_order and self.shape == self.base_shape

    def permuted(self, axes: Shape) -> View | None:
        """View after a transpose; None where no single view of the base does it."""
        if not self.keeps_axes:
            return None
        position = {axis: k for k, axis in enumerate(long_axes(self.shape))}
        order = tuple(self.order[position[axis]] for axis in axes if axis in position)
        return replace(self, order=order, shape=tuple(self.shape[axis] for axis in axes))

    def reshaped(self, shape: Shape) -> View | None:
        """View after a reshape; None where no single view of the base does it."""
        same_axes = long_axes(shape, sizes=True) == long_axes(self.shape, sizes=True)
        return replace(self, shape=shape) if self.keeps_order or (self.keeps_axes and same_axes) else None

    def on(self, base: str, base_shape: Shape) -> View:
        """Return the same view of another base, whose axes may have other lengths."""
        if not self.keeps_axes:
            return replace(self, base=base, base_shape=base_shape)
        return whole(base, base_shape).with_axes(self.axes_of_base())

    def with_axes(self, axes: tuple[int | None, ...]) -> View:
        """Return the base with ``axes`` in this order; None stands for an axis of length one that it lacks."""
        shape = tuple(1 if axis is None else self.base_shape[axis] for axis in axes)
        order = tuple(axis for axis in axes if axis is not None and self.base_shape[axis] != 1)
        return replace(self, order=order, shape=shape)

    def axes_of_base(self) -> tuple[int | None, ...]:
        """Axis of the base for each axis of the view; None for ones that the base lacks. Needs ``keeps_axes``.

        Axes of length one have no order of their own: the layouts in use decide, where one of them fits.
        """
        for layout in _LAYOUTS:
            if self._fits(layout):
                return layout
        long = iter(self.order)
        short = (axis for axis, size in enumerate(self.base_shape) if size == 1)
        return tuple(next(short, None) if size == 1 else next(long) for size in self.shape)

    def _fits(self, layout: Shape) -> bool:
        if not len(layout) == len(self.shape) == len(self.base_shape):
            return False
        long = tuple(axis for axis, size in zip(layout, self.shape, strict=True) if size != 1)
        return long == self.order and len(long) == len(long_axes(self.base_shape))

    def inverse(self) -> View:
        """Return the base as a view of this view. Needs ``keeps_axes``."""
        places = long_axes(self.shape)
        order = tuple(places[self.order.index(axis)] for axis in sorted(self.order))
        return View(self.base, self.shape, order, self.base_shape)

    def constant_on_base(self, constant: FloatArray) -> FloatArray:
        """Turn a constant that broadcasts to the view into one that broadcasts to the base."""
        if constant.size == 1:
            return constant.reshape(())
        full = constant.reshape((1,) * (len(self.shape) - constant.ndim) + constant.shape)
        if not self.keeps_axes:
            return np.broadcast_to(full, self.shape).reshape(self.base_shape).copy()
        squeezed = full.reshape([full.shape[axis] for axis in long_axes(self.shape)])
        rising = squeezed.transpose(np.argsort(self.order))
        shape = [1] * len(self.base_shape)
        for axis, size in zip(sorted(self.order), rising.shape, strict=True):
            shape[axis] = size
        return np.ascontiguousarray(rising).reshape(shape)

    def elementwise_on_base(self, operator: Operator) -> tuple[Operator, ...]:
        """Operators on the base that do what an elementwise operator or batch norm does on the view."""
        if isinstance(operator, Scale):
            return (Scale(self.constant_on_base(operator.factor)),)
        if isinstance(operator, Offset):
            return (Offset(self.constant_on_base(operator.amount)),)
        if isinstance(operator, LeakyRelu):
            return (LeakyRelu(self.constant_on_base(operator.slope)),)
        if not isinstance(operator, BatchNorm):
            return (operator,)
        if self.keeps_axes and self.shape[0] == self.base_shape[0] and (self.shape[0] == 1 or self.order[0] == 0):
            return (operator,)
        tail = (1,) * (len(self.shape) - 1)
        return (
            Scale(self.constant_on_base(operator.gain.reshape(-1, *tail))),
            Offset(self.constant_on_base(operator.shift.reshape(-1, *tail))),
        )

    def window_on_base(self, operator: Pad | Slice) -> Operator | None:
        """Padding or slicing of the base that does what it does on the view; None where the base lacks the axis."""
        return window_on(operator, self.axes_of_base(), self.base_shape) if self.keeps_axes else None

    def transpose_axes(self) -> Shape:
        """Permutation of all axes of the base that brings the long ones into the view's order.

        Axes of length one go where the view has them if it has as many, and to the end otherwise.
        """
        short = [axis for axis, size in enumerate(self.base_shape) if size == 1]
        if len(self.shape) != len(self.base_shape):
            return (*self.order, *short)
        long, ones = iter(self.order), iter(short)
        return tuple(next(ones) if size == 1 else next(long) for size in self.shape)


def window_on(operator: Pad | Slice, axes: tuple[int | None, ...], shape: Shape) -> Operator | None:
    """``operator`` on a value of ``shape`` whose ``axes`` are its own; None where one that it pads is missing."""
    rank = len(shape)
    if isinstance(operator, Pad):
        if any(axes[k] is None and (operator.before[k] or operator.after[k]) for k in range(len(axes))):
            return None
        before, after = [0] * rank, [0] * rank
        for place, axis in enumerate(axes):
            if axis is not None:
                before[axis], after[axis] = operator.before[place], operator.after[place]
        return Pad(tuple(before), tuple(after))
    start, stop, step = [0] * rank, list(shape), [1] * rank
    for place, axis in enumerate(axes):
        if axis is not None:
            start[axis], stop[axis], step[axis] = operator.start[place], operator.stop[place], operator.step[place]
    return Slice(tuple(start), tuple(stop), tuple(step))


def whole(base: str, shape: Shape) -> View:
    """View that changes nothing."""
    return View(base, shape, long_axes(shape), shape)


def long_axes(shape: Shape, *, sizes: bool = False) -> Shape:
    """Axes longer than one, or their lengths."""
    return tuple(size if sizes else axis for axis, size in enumerate(shape) if size != 1)
