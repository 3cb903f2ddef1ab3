"""Pooling that was folded into a kernel, taken out again: a kernel on the sums of its windows.

    sum_j kron(w, ones(k, k))_j m_j = sum_i w_i (sum of the k x k messages of window i)

What rounds or fits the small kernel leaves the weights of a window equal, so that the pool is still one: simulators sum
first, and chips that share weights, or axons, keep one for all of them.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np
import numpy.typing as npt

from ...runtime.program.folded_pooling import pool_of_kernel, pool_of_matrix
from ...runtime.program.geometry import ConvGeometry
from ...runtime.simulator.kernels import pad_or_crop
from ...targets.records import dataclass
from ..arithmetic import sum_pool
from ..ir.operators import FloatArray, Shape
from ..ir.spiking import ConvMap, DenseMap

FilledMap = ConvMap | DenseMap
"""A map with a weight for every place of its kernel or matrix."""

Messages = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Unfolded:
    """``weight`` (O, I, rows, columns) on sums over ``pool`` (rows, columns) of what ``linear`` reads.

    Of a matrix O are the target's neurons, and I, rows and columns are the source's map, or its neurons and 1, 1.
    """

    linear: FilledMap
    weight: FloatArray
    pool: tuple[int, int]

    @property
    def times(self) -> int:
        """How many equal weights each stands for."""
        return prod(self.pool)

    def folded(self, weight: FloatArray) -> FilledMap:
        """The map with another ``weight`` on the sums, in any shape."""
        kernel = weight.reshape(self.weight.shape)
        for axis, length in zip((2, 3), self.pool, strict=True):
            if length > 1:
                kernel = np.repeat(kernel, length, axis=axis)
        return replace(self.linear, weight=kernel.reshape(self.linear.weight.shape))

    def pooled(self, messages: Messages) -> Messages:
        """Sums of ``messages`` (N, *source) over the pool, with the padding of a convolution around them."""
        padding = self.linear.geometry.padding if isinstance(self.linear, ConvMap) else (0, 0, 0, 0)
        if self.times == 1:
            return pad_or_crop(messages, padding) if isinstance(self.linear, ConvMap) else messages
        return sum_pool(messages, self.pool, ConvGeometry(self.pool, padding))

    @property
    def geometry(self) -> ConvGeometry:
        """How the kernel of a convolution moves over the sums, whose padding is there already."""
        assert isinstance(self.linear, ConvMap), "a matrix does not move"
        given = self.linear.geometry
        stride = given.stride[0] // self.pool[0], given.stride[1] // self.pool[1]
        return replace(given, stride=stride, padding=(0, 0, 0, 0))


def unfolded(linear: FilledMap, source: Shape) -> Unfolded:
    """The largest pool that is folded into ``linear``, which reads a population of shape ``source``, and the rest."""
    if isinstance(linear, ConvMap):
        kernel, pool = linear.weight, pool_of_kernel(linear.weight, linear.geometry)
    else:
        kernel = linear.weight.reshape(len(linear.weight), *(source if len(source) == 3 else (prod(source), 1, 1)))
        pool = pool_of_matrix(kernel)
    return Unfolded(linear, kernel[:, :, :: pool[0], :: pool[1]], pool)
