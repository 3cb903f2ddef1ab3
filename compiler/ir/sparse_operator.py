"""The linear operator of level 1 that no shared kernel describes: weights at coordinates, as resizing or repeating has.

Most such operators do the same along each axis, so their map is a product of one small map per axis.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ...runtime.program import IntArray
from ...runtime.simulator.sparse import SparseMatrix
from ...targets.records import dataclass
from .operators import AnyFloat, FloatArray, Shape
from .sparse_maps import sparse_map
from .spiking import SparseMap


@dataclass(frozen=True, slots=True, eq=False)
class SparseLinear:
    """y[target] = sum of weight * x[source], entries in C order; an entry that nothing leads to is 0.

    ``weight``, ``source`` and ``target`` (n,) ascend by (target, source), and each pair comes once. ``before`` and
    ``shape`` are those of x and y per sample.
    """

    weight: FloatArray
    source: IntArray
    target: IntArray
    before: Shape
    shape: Shape

    @property
    def map(self) -> SparseMap:
        """The same coordinates as a map of level 2."""
        return SparseMap(self.weight, self.source, self.target)

    def result_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """``shape``, of an input of shape ``before``."""
        if shapes != (self.before,):
            raise ValueError(f"synapses from a value of shape {self.before} do not fit an input of shape {shapes[0]}")
        return self.shape

    def evaluate(self, inputs: tuple[AnyFloat, ...]) -> AnyFloat:
        """Add the weighted entries one after the other."""
        (x,) = inputs
        matrix = SparseMatrix(self.weight.astype(x.dtype), self.source, self.target, math.prod(self.shape))
        return np.asarray(matrix.multiply(x.reshape(len(x), -1))).reshape(len(x), *self.shape)


@dataclass(frozen=True, slots=True, eq=False)
class AxisMap:
    """A linear map along one axis of length ``before``, giving ``size`` entries; the coordinates in any order."""

    weight: FloatArray
    source: IntArray
    target: IntArray
    before: int
    size: int

    @property
    def picks(self) -> IntArray | None:
        """Where entry i of the result is entry ``picks[i]`` as it is; None for any other map."""
        is_selection = len(self.weight) == self.size and bool((self.weight == 1).all())
        if not is_selection or not np.array_equal(np.sort(self.target), np.arange(self.size)):
            return None
        return self.source[np.argsort(self.target)]


def picking(indices: IntArray, before: int) -> AxisMap:
    """Entry i of the result is entry ``indices[i]`` of an axis of length ``before``; 0 where that is negative."""
    there = np.flatnonzero(indices >= 0)
    return AxisMap(np.ones(len(there)), np.asarray(indices, np.int64)[there], there, before, len(indices))


def along_axes(before: Shape, maps: Mapping[int, AxisMap]) -> SparseLinear:
    """The operator that applies ``maps[axis]`` along each axis that has one."""
    axes = [maps.get(axis) or picking(np.arange(size), size) for axis, size in enumerate(before)]
    weight, source, target = np.ones(1), np.zeros(1, np.int64), np.zeros(1, np.int64)
    for axis in axes:
        weight = (weight[:, None] * axis.weight).ravel()
        source = (source[:, None] * axis.before + axis.source).ravel()
        target = (target[:, None] * axis.size + axis.target).ravel()
    return sparse_linear(weight, source, target, before, tuple(axis.size for axis in axes))


def sparse_linear(weight: FloatArray, source: IntArray, target: IntArray, before: Shape, shape: Shape) -> SparseLinear:
    """The operator of coordinates in any order; weights at the same place are summed."""
    places = target * math.prod(before) + source
    if bool((places[1:] > places[:-1]).all() and weight.all()):
        return SparseLinear(weight, source, target, before, shape)
    entries = sparse_map(weight, source, target, math.prod(before))
    return SparseLinear(entries.weight, entries.source, entries.target, before, shape)
