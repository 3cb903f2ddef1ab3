"""Weights as the kernel in C reads them, where it is proven to be exact for them.

Sums are of 32 bits. Weights w * 2**e with the largest common e are bytes where they fit: a row of them is added for
every spike, or four messages at a time are multiplied, which processors without dot-product instructions add in 16 bits
first.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ...targets.records import dataclass
from ..program import IntArray
from ..program.geometry import ConvGeometry
from .native import Connection, InstructionSet, LayerOfKernel
from .reduction import Entries, Form, Identity, Matrix, fan_in

Array = npt.NDArray[Any]

INT32_SUMS = 1 << 31
"""Sums of smaller magnitude are exact in the kernel."""

BYTES, WORDS, PAIRS, CHANNELS, COORDINATES, CURRENTS = range(6)
AUTO, EVENTS, DENSE = "auto", "events", "dense"
_BYTE, _HALF = 1 << 7, 1 << 15
_WORDS_BLOCK = 64
_LARGEST_BYTE = 255
_LANES, _MOST_REPEATED = 16, 512
_NOTHING = np.zeros(0, dtype=np.int32)
_LINE = 64
_POINT = ConvGeometry()


@dataclass(frozen=True, slots=True, eq=False)
class PackedWeights:
    """A projection for the kernel: ``method`` is as in kernel/layer.h, sums are multiplied by ``factor``.

    ``kernel`` (rows, columns) is None where it is as large as the source, ``output`` (rows, columns) where it has the
    source's size. As a function it gives what messages (N, H, W, C) add to the targets (N, H', W', O), in ``kind``.
    ``way`` is ``EVENTS`` or ``DENSE`` where it is not left to measured rates.
    """

    instructions: InstructionSet
    method: int
    factor: int
    outputs: int
    kernel: tuple[int, int] | None
    output: tuple[int, int] | None
    geometry: ConvGeometry
    block: int
    dense_block: int
    segments: int
    quads_in_16_bits: int
    rows: Array
    dense: Array
    starts: IntArray | Array
    targets: IntArray | Array
    largest: int
    kind: type[np.float32] | type[np.float64]
    way: str = AUTO

    @property
    def has_both_ways(self) -> bool:
        """Whether its messages can be added as events and multiplied as dense products."""
        return self.method == BYTES and self.dense.size > 0

    def __call__(self, maps: Array, pool: tuple[int, int] = (1, 1)) -> Array:
        """See ``Kernel``; on the sums over blocks of ``pool`` (rows, columns) of ``maps``."""
        given = self.readable(maps[None])
        height, width = self.output or (-(-maps.shape[1] // pool[0]), -(-maps.shape[2] // pool[1]))
        sums = np.empty((len(maps), height, width, self.outputs), dtype=np.int32)
        incoming = self.connection(given, pool)
        layer = LayerOfKernel(
            samples=len(maps), steps=1, height=height, width=width, channels=self.outputs, connections=1,
            incoming=(Connection * 1)(incoming), output=sums.ctypes.data,
        )  # fmt: skip
        self.instructions.run(layer)
        return sums.astype(self.kind)

    def readable(self, messages: Array) -> Array:
        """``messages`` in a type that the kernel reads."""
        in_bytes = self.method in (BYTES, WORDS) or messages.dtype == np.uint8
        return np.ascontiguousarray(messages, dtype=np.uint8 if in_bytes else np.int16)

    def _break_even(self, taps: int, channels: int) -> float:
        """Bits set for each channel that is read at a place and step, above which a product takes less time."""
        if self.way != AUTO:
            return 0.0 if self.way == DENSE else math.inf
        costs, groups = self.instructions.costs, self.geometry.groups
        read, outputs = taps * channels // groups, self.outputs // groups
        blocks = -(-outputs // self.block)
        product = costs.product * -(-read // 4) * -(-outputs // self.dense_block) * self.dense_block
        row = costs.row * blocks * self.block
        fixed = costs.start * blocks * _planes(self.largest) + costs.finish * outputs
        return (product - fixed) / (row * read)

    def connection(self, messages: Array, pool: tuple[int, int], times: int = 1) -> Connection:
        """For ``messages`` (steps, N, H, W, C) that are ``readable``; sums count ``times``."""
        steps, _, height, width, channels = messages.shape
        if self.method == COORDINATES:
            height, width, channels = 1, 1, height * width * channels
        # As large as the source, pools and all: the sums of these are what its rows stand for.
        whole = (-(-height // pool[0]), -(-width // pool[1]))
        stride, padding = self.geometry.stride, self.geometry.padding
        kernel = self.kernel or whole
        return Connection(
            method=self.method,
            steps=steps,
            largest=self.largest,
            factor=self.factor * times,
            height=height,
            width=width,
            channels=channels,
            groups=self.geometry.groups,
            pool=pool,
            kernel=kernel,
            stride=stride,
            padding=padding[:2],
            dilation=self.geometry.dilation,
            is_wide=messages.dtype == np.int16,
            block=self.block,
            dense_block=self.dense_block,
            segments=self.segments,
            quads_in_16_bits=self.quads_in_16_bits,
            break_even=self._break_even(kernel[0] * kernel[1], channels) if self.dense.size else 0.0,
            messages=messages.ctypes.data,
            rows=self.rows.ctypes.data,
            dense=self.dense.ctypes.data if self.dense.size else None,
            starts=self.starts.ctypes.data,
            targets=self.targets.ctypes.data,
        )


def pack(
    instructions: InstructionSet,
    form: Form,
    exponent: int,
    largest: int,
    signed: bool,
    kind: type[np.float32] | type[np.float64],
) -> PackedWeights | None:
    """Weights for messages up to ``largest``, also below 0 if ``signed``; None where the kernel could not be exact."""
    if int(fan_in(form).max(initial=0)) * largest << exponent >= INT32_SUMS or largest >= _HALF:
        return None
    packing = _Packing(instructions, exponent, largest, signed, kind)
    if isinstance(form, Identity):
        return packing.channels(form.factor[:, None], (1, 1), None, _POINT)
    if isinstance(form, Entries):
        return packing.coordinates(form)
    if isinstance(form, Matrix):
        return packing.products(form.weight[:, None, :], None, (1, 1), _POINT)
    outputs, inputs, *kernel = form.weight.shape
    by_tap = form.weight.transpose(0, 2, 3, 1).reshape(outputs, kernel[0] * kernel[1], inputs)
    size = (kernel[0], kernel[1])
    if inputs == 1 and form.geometry.groups > 1:
        return packing.channels(by_tap[:, :, 0], size, form.output, form.geometry)
    return packing.products(by_tap, size, form.output, form.geometry)


@dataclass(frozen=True, slots=True, eq=False)
class _Packing:
    instructions: InstructionSet
    exponent: int
    largest: int
    signed: bool
    kind: type[np.float32] | type[np.float64]

    def channels(
        self, weight: IntArray, kernel: tuple[int, int], output: tuple[int, int] | None, geometry: ConvGeometry
    ) -> PackedWeights:
        by_tap = weight.T if kernel != (1, 1) else in_whole_vectors(weight[:, 0])[None]
        rows = np.ascontiguousarray(by_tap, dtype=np.int32)
        return self._packed(CHANNELS, len(weight), rows, kernel, output, geometry, rows.shape[1])

    def coordinates(self, form: Entries) -> PackedWeights:
        order = np.argsort(form.source, kind="stable")
        sources = int(form.source.max(initial=-1)) + 1
        starts = np.searchsorted(form.source[order], np.arange(sources + 1)).astype(np.int32)
        rows = form.weight[order].astype(np.int32)
        targets = np.ascontiguousarray(form.target[order], dtype=np.int32)
        packed = self._packed(COORDINATES, form.targets, rows, (1, 1), (1, 1), _POINT)
        return replace(packed, starts=starts, targets=targets, block=sources)

    def products(
        self, weight: IntArray, kernel: tuple[int, int] | None, output: tuple[int, int], geometry: ConvGeometry
    ) -> PackedWeights | None:
        """Weights (O, taps, channels of a group) of a convolution or a matrix."""
        shift = common_exponent(weight)
        given = (weight >> shift).reshape(geometry.groups, len(weight) // geometry.groups, -1)
        reach = int(np.abs(given).max())
        if self.signed or self.largest > _LARGEST_BYTE:
            if reach >= _HALF:
                return None
            packed = self._packed(PAIRS, len(weight), _NOTHING, kernel, output, geometry)
            return replace(self._with_product(packed, given, 2, np.int16), factor=packed.factor << shift)
        if int(given.min()) >= -_BYTE and int(given.max()) < _BYTE:
            rows, block = _byte_rows(given, self.instructions.vector)
            packed = self._packed(BYTES, len(weight), rows, kernel, output, geometry, block)
            quads = (_HALF - 1) // (2 * self.largest * max(1, reach))
            if quads:
                packed = self._with_product(replace(packed, quads_in_16_bits=quads), given, 4, np.int8)
            return replace(packed, factor=packed.factor << shift)
        rows = _with_empty_row(_blocks(given, _WORDS_BLOCK, np.int32).swapaxes(-1, -2))
        packed = self._packed(WORDS, len(weight), rows, kernel, output, geometry, _WORDS_BLOCK)
        return replace(packed, factor=packed.factor << shift)

    def _with_product(
        self, packed: PackedWeights, weight: IntArray, together: int, kind: npt.DTypeLike
    ) -> PackedWeights:
        """Segments are what a place reads in one piece: all of a matrix, else rows of the kernel or single taps."""
        lanes = self.instructions.vector // 4
        vectors = min(self.instructions.dense_block // lanes, 1 << (-(-weight.shape[1] // lanes) - 1).bit_length())
        segments = 1
        if packed.kernel is not None:
            in_rows = packed.geometry.groups == 1 and packed.geometry.dilation[1] == 1
            segments = packed.kernel[0] * (1 if in_rows else packed.kernel[1])
        dense = _dense(weight, vectors * lanes, together, segments, kind)
        return replace(packed, dense=dense, dense_block=vectors * lanes, segments=segments)

    def _packed(
        self,
        method: int,
        outputs: int,
        rows: Array,
        kernel: tuple[int, int] | None,
        output: tuple[int, int] | None,
        geometry: ConvGeometry,
        block: int = 1,
    ) -> PackedWeights:
        return PackedWeights(
            self.instructions, method, 1 << self.exponent, outputs, kernel, output, geometry, block, 1, 1, 1, rows,
            _NOTHING, _NOTHING, _NOTHING, self.largest, self.kind,
        )  # fmt: skip


def _planes(largest: int) -> int:
    """In how many planes kernel/lists.h lists messages: one for each bit, but for a highest that is set alone."""
    is_halved = largest > 1 and largest & (largest - 1) == 0
    return max(1, largest.bit_length() - is_halved)


def in_whole_vectors(values: Array) -> Array:
    """``values`` (channels,) as often as makes them whole vectors of any instruction set; once if they are many."""
    times = _LANES // math.gcd(_LANES, len(values))
    return np.tile(values, times if len(values) < _MOST_REPEATED else 1)


def common_exponent(weight: IntArray) -> int:
    """The largest e for which every weight is a multiple of 2**e; 0 where all are 0."""
    bits = int(np.bitwise_or.reduce(weight, axis=None))
    return (bits & -bits).bit_length() - 1 if bits else 0


def _blocks(weight: Array, block: int, kind: npt.DTypeLike) -> Array:
    """(groups, blocks, block, inputs) of ``weight`` (groups, outputs, inputs), filled up with zeros."""
    groups, outputs, inputs = weight.shape
    filled = np.zeros((groups, -(-outputs // block) * block, inputs), dtype=kind)
    filled[:, :outputs] = weight
    return filled.reshape(groups, -1, block, inputs)


def _byte_rows(weight: IntArray, vector: int) -> tuple[Array, int]:
    """Rows of w + 128 in blocks of up to four vectors; halves of a vector alternate, for sums of 16 bits."""
    vectors = min(4, -(-weight.shape[1] // vector))
    block = vector * (4 if vectors == 3 else vectors)
    # In eight bits, w + 128 is w with its highest bit turned.
    blocks = _blocks(weight, block, np.int8).view(np.uint8) ^ _BYTE
    groups, number, _, inputs = blocks.shape
    halves = blocks.reshape(groups, number, block // vector, 2, vector // 2, inputs).transpose(0, 1, 5, 2, 4, 3)
    return _with_empty_row(halves.reshape(groups, number, inputs, block)), block


def _with_empty_row(rows: Array) -> Array:
    """``rows`` (groups, blocks, inputs, block) with one of zeros behind the last input."""
    groups, blocks, inputs, block = rows.shape
    filled = _zeros((groups, blocks, inputs + 1, block), rows.dtype)
    filled[:, :, :inputs] = rows
    return filled


def _dense(weight: IntArray, block: int, together: int, segments: int, kind: npt.DTypeLike) -> Array:
    """(groups, blocks, inputs / together, block, together), the inputs of every segment filled up with zeros.

    ``together`` numbers of ``kind`` are 32 bits.
    """
    by_segment = weight.astype(kind).reshape(*weight.shape[:2], segments, -1)
    missing = -by_segment.shape[3] % together
    filled = np.pad(by_segment, ((0, 0), (0, 0), (0, 0), (0, missing))).reshape(*weight.shape[:2], -1)
    blocks = _blocks(filled, block, kind).view(np.int32).swapaxes(-1, -2)
    parts = _zeros(blocks.shape, np.int32)
    parts[...] = blocks
    return parts.view(kind).reshape(*parts.shape, together)


def _zeros(shape: tuple[int, ...], kind: npt.DTypeLike) -> Array:
    """Zeros that begin where a line of the cache does: loads across two lines take twice as long."""
    size = math.prod(shape) * np.dtype(kind).itemsize
    room = np.zeros(size + _LINE, dtype=np.uint8)
    first = -room.ctypes.data % _LINE
    return room[first : first + size].view(kind).reshape(shape)
