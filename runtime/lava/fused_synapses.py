"""Synapses of a fused section: unfolding and matrix products over all lanes at once, on floats that hold every sum.

Messages are (lanes, *port shape): maps are (lanes, columns, rows, channels), as in Lava's Conv.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ..program import SPIKES, ConvSynapses, IntArray, Program, Projection, Shape, SparseSynapses
from ..program.folded_pooling import comes_in_runs
from ..program.geometry import ConvGeometry
from ..program.synapses import fan_in_weight, largest_message, message_range
from ..simulator.kernels import exact_float
from ..simulator.sparse import SparseMatrix
from .layout import Layout

UNFOLDED_VALUES = 1 << 19
"""Values of the unfolded input at a time: 2 MB in float32 stay in the second level of the cache."""

Floats = npt.NDArray[np.floating[Any]]
Messages = npt.NDArray[Any]


class Scratch:
    """Memory that is used again by every product of a section, so that no step waits for fresh pages."""

    def __init__(self) -> None:
        self._bytes = np.empty(0, dtype=np.uint8)

    def array(self, shape: Shape, kind: npt.DTypeLike) -> Floats:
        """Uninitialised array, valid until the next call."""
        size = math.prod(shape) * np.dtype(kind).itemsize
        if size > len(self._bytes):
            self._bytes = np.empty(size, dtype=np.uint8)
        return self._bytes[:size].view(kind).reshape(shape)


def pooling(weight: IntArray, geometry: ConvGeometry) -> tuple[int, int]:
    """Rows and columns of the sum pooling that is folded into ``weight``; (1, 1) if there is none.

    Such a kernel repeats each value p times along an axis and moves by multiples of p.
    """
    if geometry.dilation != (1, 1):
        return 1, 1
    rows, columns = (_folded(weight, 2 + axis, stride) for axis, stride in enumerate(geometry.stride))
    return rows, columns


def _folded(weight: IntArray, axis: int, stride: int) -> int:
    shared = math.gcd(weight.shape[axis], stride)
    divisors = (p for p in range(shared, 1, -1) if shared % p == 0)
    return next((p for p in divisors if comes_in_runs(weight, axis, p)), 1)


class FusedConvolution:
    """A convolution of spikes or graded input, pooled first where its kernel says so."""

    def __init__(self, program: Program, projection: Projection, synapses: ConvSynapses, lanes: int) -> None:
        weight, geometry = projection.effective_weight, synapses.geometry
        self.kind = exact_float(int(fan_in_weight(program, projection).max()) * largest_message(program, projection))
        self._groups = geometry.groups
        channels, rows, columns = program.source_shape(projection)
        top, left, bottom, right = geometry.padding
        grown = (columns + max(left, 0) + max(right, 0), rows + max(top, 0) + max(bottom, 0))
        self._padded: Floats = np.zeros((lanes, *grown, channels), dtype=self.kind)
        self._inside = self._padded[:, max(left, 0) :, max(top, 0) :][:, :columns, :rows]
        seen = self._padded[:, max(-left, 0) : grown[0] - max(-right, 0), max(-top, 0) : grown[1] - max(-bottom, 0)]
        pool_rows, pool_columns = pooling(weight, geometry)
        self._pooled, self._pool_terms = _pooled_view(seen, pool_columns, pool_rows)
        kernel = weight[:, :, ::pool_rows, ::pool_columns]
        self._patches = _patches(
            self._pooled,
            (kernel.shape[3], kernel.shape[2]),
            (geometry.stride[1] // pool_columns, geometry.stride[0] // pool_rows),
            geometry.dilation[::-1],
            geometry.groups,
        )
        by_group = kernel.reshape(self._groups, -1, *kernel.shape[1:]).transpose(0, 4, 3, 2, 1)
        self._weight = by_group.reshape(self._groups, -1, by_group.shape[-1]).astype(self.kind)
        self._lanes_at_once, self._columns_at_once = _at_once(self._patches)
        part = self._patches[: self._lanes_at_once, : self._columns_at_once]
        self._unfolded = np.empty(part.size, dtype=self.kind)

    @property
    def unfolded_values(self) -> int:
        """Values of the input that are unfolded at a time."""
        return self._unfolded.size

    def receive(self, messages: Messages, scratch: Scratch) -> Floats:
        """Synaptic input (lanes, columns, rows, outputs) that ``messages`` cause; in ``scratch``."""
        self._inside[...] = messages
        if self._pool_terms:
            np.add(self._pool_terms[0], self._pool_terms[1], out=self._pooled)
            for term in self._pool_terms[2:]:
                self._pooled += term
        lanes, columns, rows = self._patches.shape[:3]
        outputs = self._weight.shape[2]
        result = scratch.array((lanes, columns, rows, self._groups * outputs), self.kind)
        for first in range(0, lanes, self._lanes_at_once):
            for start in range(0, columns, self._columns_at_once):
                part = slice(first, first + self._lanes_at_once), slice(start, start + self._columns_at_once)
                self._multiply(self._patches[part], result[part])
        return result

    def _multiply(self, patches: Floats, result: Floats) -> None:
        positions = math.prod(patches.shape[:3])
        if self._groups == 1:
            unfolded = self._unfolded[: patches.size].reshape(patches.shape)
            np.copyto(unfolded, patches)
            flat = result.reshape(positions, -1)
            np.matmul(unfolded.reshape(positions, -1), self._weight[0], out=flat)
            return
        by_group = patches.transpose(5, 0, 1, 2, 3, 4, 6)
        unfolded = self._unfolded[: patches.size].reshape(by_group.shape)
        np.copyto(unfolded, by_group)
        product: Floats = np.matmul(unfolded.reshape(self._groups, positions, -1), self._weight)
        result[...] = product.transpose(1, 0, 2).reshape(result.shape)


def _at_once(patches: Floats) -> tuple[int, int]:
    """Lanes and columns of ``patches`` that are unfolded together."""
    columns, lane = patches.shape[1], patches[0].size
    if lane <= UNFOLDED_VALUES:
        return UNFOLDED_VALUES // lane, columns
    return 1, max(1, UNFOLDED_VALUES * columns // lane)


def _pooled_view(seen: Floats, columns: int, rows: int) -> tuple[Floats, tuple[Floats, ...]]:
    """Where the pooled maps are kept, and the views of ``seen`` that add up to them; none where nothing is pooled."""
    if columns == rows == 1:
        return seen, ()
    wide, high = seen.shape[1] // columns, seen.shape[2] // rows
    terms = tuple(
        seen[:, x : x + wide * columns : columns, y : y + high * rows : rows]
        for x in range(columns)
        for y in range(rows)
    )
    return np.empty(terms[0].shape, dtype=seen.dtype), terms


def _patches(
    maps: Floats, kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int], groups: int
) -> Floats:
    """View (lanes, columns, rows, kernel columns, kernel rows, groups, channels / groups) of what each neuron sees."""
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    windows: Floats = np.lib.stride_tricks.sliding_window_view(maps, spans, axis=(1, 2))  # type: ignore[call-overload]
    seen = windows[:, :: stride[0], :: stride[1], :, :: dilation[0], :: dilation[1]].transpose(0, 1, 2, 4, 5, 3)
    lane, column, row, x, y, channel = seen.strides
    per_group = maps.shape[3] // groups
    # Splitting an axis never needs a copy, but numpy promises a view only for what it can prove.
    return np.lib.stride_tricks.as_strided(
        seen,
        (*seen.shape[:5], groups, per_group),
        (lane, column, row, x, y, per_group * channel, channel),
        writeable=False,
    )


class FusedDense:
    """All-to-all synapses between neurons in port order."""

    def __init__(self, program: Program, projection: Projection, layout: Layout) -> None:
        weight = layout.dense_to_port(projection.source, projection.target, projection.effective_weight)
        self.kind = exact_float(int(fan_in_weight(program, projection).max()) * largest_message(program, projection))
        self._shape = layout.port_shape(projection.target)
        self._weight = np.ascontiguousarray(weight.T, dtype=self.kind)

    def receive(self, messages: Messages, scratch: Scratch) -> Floats:
        """Synaptic input (lanes, *target port shape) that ``messages`` cause; in ``scratch``."""
        lanes = len(messages)
        result = scratch.array((lanes, self._weight.shape[1]), self.kind)
        np.matmul(messages.reshape(lanes, -1).astype(self.kind), self._weight, out=result)
        return result.reshape(lanes, *self._shape)


class FusedSparse:
    """Synapses with coordinates between neurons in port order."""

    def __init__(self, program: Program, projection: Projection, synapses: SparseSynapses, layout: Layout) -> None:
        in_order = layout.sparse_to_port(projection.source, projection.target, synapses)
        kind = exact_float(int(fan_in_weight(program, projection).max()) * largest_message(program, projection))
        weight: Floats = (in_order.weight << projection.exponent).astype(kind)
        self._shape = layout.port_shape(projection.target)
        self._matrix = SparseMatrix(weight, in_order.source, in_order.target, layout.neurons(projection.target))

    def receive(self, messages: Messages, scratch: Scratch) -> Floats:
        """Synaptic input (lanes, *target port shape) that ``messages`` cause; nothing is left in ``scratch``."""
        lanes = len(messages)
        return self._matrix.multiply(messages.reshape(lanes, -1)).reshape(lanes, *self._shape)


FusedSynapses = FusedConvolution | FusedDense | FusedSparse


def fuse_synapses(program: Program, projection: Projection, layout: Layout, lanes: int) -> FusedSynapses:
    """Synapses of ``projection`` for ``lanes`` lanes."""
    if isinstance(projection.synapses, ConvSynapses):
        return FusedConvolution(program, projection, projection.synapses, lanes)
    if isinstance(projection.synapses, SparseSynapses):
        return FusedSparse(program, projection, projection.synapses, layout)
    return FusedDense(program, projection, layout)


def message_type(program: Program, source: str) -> type[np.int8] | type[np.int32]:
    """Integers in which the messages of ``source`` are kept: bytes for spikes."""
    return np.int8 if message_range(program, source) == SPIKES else np.int32
