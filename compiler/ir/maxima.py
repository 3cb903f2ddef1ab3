"""Maxima at level 1: as files have them, and the operators that they are expanded into."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import reduce

import numpy as np

from ...runtime.program.geometry import ConvGeometry
from ...targets.records import dataclass
from .operators import AnyFloat, AveragePool, FloatArray, QuantizeClip, Shape


@dataclass(frozen=True, slots=True)
class MaxPool:
    """Largest entry of a window per channel; ``padding`` (top, left, bottom, right) never wins.

    ``ceil`` keeps a last window that runs past the padding, as torch.nn.MaxPool2d does.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    ceil: bool = False

    @property
    def span(self) -> tuple[int, int]:
        """Rows and columns from the first entry of a window to its last."""
        rows, columns = (d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))
        return rows, columns

    def geometry(self, size: tuple[int, int]) -> ConvGeometry:
        """Geometry of the windows on a map of ``size``; a ceil window shows up as more bottom or right padding."""
        spanned = AveragePool(self.span, self.stride, self.padding, ceil=self.ceil).geometry(size)
        return replace(spanned, dilation=self.dilation)

    def result_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """(channels, rows, columns); every window has to cover an entry of the map."""
        (shape,) = shapes
        if len(shape) != 3:
            raise ValueError(f"max pooling needs (channels, rows, columns), not {shape}")
        size = (shape[1], shape[2])
        rows, columns = self.geometry(size).output_size(size, self.kernel)
        if min(rows, columns) < 1:
            raise ValueError(f"pooling window {self.span} is larger than the padded input of shape {shape}")
        return shape[0], rows, columns

    def summed(self, size: tuple[int, int]) -> Taps:
        """The sum of every window of a map of ``size``."""
        geometry = self.geometry(size)
        taps = tuple(
            (row * self.dilation[0] - geometry.padding[0], column * self.dilation[1] - geometry.padding[1], 1.0)
            for row, column in np.ndindex(*self.kernel)
        )
        return Taps(taps, self.stride, geometry.output_size(size, self.kernel))

    def covers_map(self, size: tuple[int, int]) -> bool:
        """Whether every window has an entry of a map of ``size``, so that it has a maximum."""
        return bool(np.isfinite(self.evaluate((np.zeros((1, 1, *size)),))).all())

    def evaluate(self, inputs: tuple[AnyFloat, ...]) -> AnyFloat:
        """Take the largest of every window; minus infinity where one covers padding alone."""
        (x,) = inputs
        geometry = self.geometry((x.shape[2], x.shape[3]))
        top, left, bottom, right = geometry.padding
        edges = ((0, 0), (0, 0), (top, max(0, bottom)), (left, max(0, right)))
        padded = np.pad(x, edges, constant_values=-np.inf)
        _, rows, columns = self.result_shape((x.shape[1:],))
        result = np.full((*x.shape[:2], rows, columns), -np.inf, dtype=x.dtype)
        for row, column in np.ndindex(*self.kernel):
            first = row * self.dilation[0], column * self.dilation[1]
            seen = padded[
                :,
                :,
                first[0] : first[0] + (rows - 1) * self.stride[0] + 1 : self.stride[0],
                first[1] : first[1] + (columns - 1) * self.stride[1] + 1 : self.stride[1],
            ]
            np.maximum(result, seen, out=result)
        return result


@dataclass(frozen=True, slots=True)
class Maximum:
    """y = largest of two or more inputs of one shape, entry by entry."""

    def result_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """That shape."""
        if len(set(shapes)) != 1:
            raise ValueError(f"cannot compare inputs of shapes {', '.join(map(str, shapes))}")
        return shapes[0]

    def evaluate(self, inputs: tuple[AnyFloat, ...]) -> AnyFloat:
        """Take the largest."""
        return reduce(np.maximum, inputs)


@dataclass(frozen=True, slots=True)
class Taps:
    """y[c, i, j] = sum over ``taps`` (row, column, factor) of factor * x[c, row + i s_r, column + j s_c], zero outside.

    ``stride`` is (s_r, s_c), ``size`` the (rows, columns) of y. Linear, and the same for every channel.
    """

    taps: tuple[tuple[int, int, float], ...]
    stride: tuple[int, int]
    size: tuple[int, int]

    def result_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """(channels, rows, columns)."""
        (shape,) = shapes
        if len(shape) != 3:
            raise ValueError(f"taps need (channels, rows, columns), not {shape}")
        return shape[0], *self.size

    def kernel(self) -> FloatArray:
        """The taps as a kernel (rows, columns), without what its dilation leaves out."""
        first, dilation = self._first, self._dilation
        places = [((row - first[0]) // dilation[0], (column - first[1]) // dilation[1]) for row, column, _ in self.taps]
        weight = np.zeros([max(place[axis] for place in places) + 1 for axis in (0, 1)])
        for place, (_, _, factor) in zip(places, self.taps, strict=True):
            weight[place] += factor
        return weight

    def geometry(self, size: tuple[int, int]) -> ConvGeometry:
        """Geometry of a convolution with ``kernel`` of each channel, on a map of ``size``."""
        first, dilation, extent = self._first, self._dilation, self.kernel().shape
        ends = [
            first[a] + (self.size[a] - 1) * self.stride[a] + dilation[a] * (extent[a] - 1) + 1 - size[a] for a in (0, 1)
        ]
        return ConvGeometry(self.stride, (-first[0], -first[1], ends[0], ends[1]), dilation)

    @property
    def _first(self) -> tuple[int, int]:
        return min(row for row, _, _ in self.taps), min(column for _, column, _ in self.taps)

    @property
    def _dilation(self) -> tuple[int, int]:
        first = self._first
        rows = math.gcd(*(row - first[0] for row, _, _ in self.taps))
        columns = math.gcd(*(column - first[1] for _, column, _ in self.taps))
        return rows or 1, columns or 1

    def evaluate(self, inputs: tuple[AnyFloat, ...]) -> AnyFloat:
        """Add the shifted maps, in the order of the taps."""
        (x,) = inputs
        result = np.zeros((*x.shape[:2], *self.size), dtype=x.dtype)
        for row, column, factor in self.taps:
            rows, seen_rows = _overlap(row, self.stride[0], self.size[0], x.shape[2])
            columns, seen_columns = _overlap(column, self.stride[1], self.size[1], x.shape[3])
            result[:, :, rows, columns] += x[:, :, seen_rows, seen_columns] * x.dtype.type(factor)
        return result


def _overlap(first: int, stride: int, count: int, size: int) -> tuple[slice, slice]:
    """Which of ``count`` results read an entry of ``size``, and which entries these are."""
    start = max(0, -(first // stride))
    stop = min(count, (size - 1 - first) // stride + 1)
    if stop <= start:
        return slice(0, 0), slice(0, 0)
    return slice(start, stop), slice(first + start * stride, first + (stop - 1) * stride + 1, stride)


@dataclass(frozen=True, slots=True)
class MaximumNeuron(QuantizeClip):
    """Activation of neurons that a maximum was expanded into.

    What they count follows from their input alone, so no calibration moves their potential.
    """


@dataclass(frozen=True, slots=True)
class AnySpike(MaximumNeuron):
    """Maximum as one neuron with weights of a whole threshold, which fires where any of its sources does.

    In a window of one step this is the maximum of the counts; as a value it is the maximum of its inputs, each within
    0..``threshold`` and of windows of ``pool`` where that is given.
    """

    pool: MaxPool | None = None

    def result_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """Shape of the maximum."""
        shape = Maximum().result_shape(shapes)
        return shape if self.pool is None else self.pool.result_shape((shape,))

    def evaluate(self, inputs: tuple[AnyFloat, ...]) -> AnyFloat:
        """Take the largest of all."""
        largest = Maximum().evaluate(inputs)
        return largest if self.pool is None else self.pool.evaluate((largest,))
