"""The fastest exact kernel for a projection, proven before it is used.

Weights are w * 2**e with the largest common e. Sums of w * message stay whole below 2^24 in 32-bit floats, below 2^53
in 64-bit floats and below 2^31 in the accumulators of 8-bit convolutions; a factor 2**e changes no digit. So the order
of summation cannot matter, and every kernel gives the same numbers as integers do.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ...targets.records import dataclass
from ..program import IntArray
from ..program.geometry import ConvGeometry
from . import kernels
from .kernels import Floats, exact_float, pad_or_crop
from .loops import loops_for
from .native import chosen_instruction_set
from .packing import pack
from .reduction import Entries, Form, Identity, MapConvolution, Matrix, fan_in
from .sparse import SparseMatrix

Maps = npt.NDArray[Any]
Kernel = Callable[[Any], Any]
"""From messages (N, H, W, C) to what they add to the targets (N, H', W', O)."""

_LARGEST_PAIR = (1 << 15) - 1
"""Processors without dot-product instructions add two products in 16 bits before they widen them."""

_FEWEST_CHANNELS = 4
"""Below this many inputs 8-bit kernels mostly multiply what fills up their vectors."""


def largest_sum(form: Form, exponent: int, largest: int) -> int:
    """Bound of what a target neuron receives from messages of magnitude up to ``largest``, and of its partial sums."""
    return int(fan_in(form).max()) * largest << exponent


def choose_kernel(form: Form, exponent: int, largest: int, graded: bool = False) -> Kernel:
    """Kernel for messages of magnitude up to ``largest``; from 0 up unless they are ``graded`` input, or signed.

    OverflowError if a sum can leave the integers of 64-bit floats.
    """
    instructions = chosen_instruction_set() if kernels.installed_torch() is None else None
    if instructions is not None:
        bound = exact_float(largest_sum(form, exponent, largest))
        packed = pack(instructions, form, exponent, largest, graded, bound)
        if packed is not None:
            return packed
    if isinstance(form, Identity):
        return IdentityKernel((form.factor << exponent).astype(exact_float(largest_sum(form, exponent, largest))))
    shift = _common_exponent(form.weight)
    weight = form.weight >> shift
    scale = 2.0 ** (shift + exponent)
    kind = exact_float(largest_sum(replace(form, weight=weight), 0, largest))
    if isinstance(form, Entries):
        return SparseKernel(SparseMatrix((weight * scale).astype(kind), form.source, form.target, form.targets))
    if not graded and kind is np.float32 and _fits_bytes(weight, largest) and _byte_kernels_work():
        if isinstance(form, Matrix):
            return _byte_matrix(weight, scale)
        if _is_plain(form):
            return _byte_convolution(weight, form, scale)
    scaled: Floats = (weight * scale).astype(kind)
    if isinstance(form, Matrix):
        return MatrixKernel(np.ascontiguousarray(scaled.T))
    torch = kernels.installed_torch()
    if torch is None:
        return NumpyKernel(scaled, form.geometry)
    return FloatKernel(torch.from_numpy(scaled).to(memory_format=torch.channels_last), form.geometry)


def _common_exponent(weight: IntArray) -> int:
    bits = int(np.bitwise_or.reduce(weight, axis=None))
    return (bits & -bits).bit_length() - 1 if bits else 0


def _fits_bytes(weight: IntArray, largest: int) -> bool:
    low, high = int(weight.min()), int(weight.max())
    pair = 2 * largest * max(-low, high)
    return largest <= 127 and -128 <= low <= high <= 127 and pair <= _LARGEST_PAIR


def _is_plain(form: MapConvolution) -> bool:
    """Whether 8-bit convolutions of this geometry were right in every one of many thousand random trials.

    Outside of it oneDNN was found to give wrong sums (one input channel with a stride, some groups with a dilation)
    or to crash (outputs that see padding alone).
    """
    geometry, kernel = form.geometry, form.weight.shape[2:]
    sees_map = all(max(geometry.padding[axis], geometry.padding[axis + 2]) < kernel[axis] for axis in (0, 1))
    whole = geometry.groups == 1 and geometry.dilation == (1, 1)
    return whole and sees_map and form.weight.shape[1] >= _FEWEST_CHANNELS


@dataclass(frozen=True, slots=True, eq=False)
class IdentityKernel:
    """Each channel times its ``factor`` (C,)."""

    factor: Floats

    def __call__(self, maps: Maps) -> Floats:
        """See ``Kernel``."""
        return np.multiply(maps, self.factor, dtype=self.factor.dtype)


@dataclass(frozen=True, slots=True, eq=False)
class MatrixKernel:
    """All-to-all ``weight`` (source neurons, target neurons)."""

    weight: Floats

    def __call__(self, maps: Maps) -> Floats:
        """See ``Kernel``."""
        received: Floats = maps.reshape(len(maps), -1).astype(self.weight.dtype) @ self.weight
        return received.reshape(len(maps), 1, 1, -1)


@dataclass(frozen=True, slots=True, eq=False)
class SparseKernel:
    """Sums over the coordinates of ``matrix``."""

    matrix: SparseMatrix

    def __call__(self, maps: Maps) -> Floats:
        """See ``Kernel``."""
        matrix = self.matrix
        flat = maps.reshape(len(maps), -1)
        loops = loops_for(len(flat) * matrix.weight.size)
        if loops is None:
            return matrix.multiply(flat).reshape(len(maps), 1, 1, -1)
        sums: Floats = np.empty((len(flat), len(matrix.starts) - 1), dtype=matrix.weight.dtype)
        with loops.LOCK:
            loops.gather(flat.astype(sums.dtype), matrix.starts, matrix.source, matrix.weight, sums)
        return sums.reshape(len(maps), 1, 1, -1)


@dataclass(frozen=True, slots=True, eq=False)
class NumpyKernel:
    """Convolution without torch."""

    weight: Floats
    geometry: ConvGeometry

    def __call__(self, maps: Maps) -> Floats:
        """See ``Kernel``."""
        channels_first = maps.transpose(0, 3, 1, 2).astype(self.weight.dtype)
        return np.ascontiguousarray(kernels.convolve(channels_first, self.weight, self.geometry).transpose(0, 2, 3, 1))


@dataclass(frozen=True, slots=True, eq=False)
class FloatKernel:
    """Convolution with torch in the float type of ``weight``."""

    weight: Any
    geometry: ConvGeometry

    def __call__(self, maps: Maps) -> Floats:
        """See ``Kernel``."""
        torch = kernels.installed_torch()
        assert torch is not None, "this kernel is chosen only where torch is installed"
        padded, padding = padded_maps(maps, self.geometry)
        given = torch.from_numpy(padded).permute(0, 3, 1, 2).to(self.weight.dtype)
        return _channels_last(kernels.convolved_by_torch(given, self.weight, self.geometry, padding))


@dataclass(frozen=True, slots=True, eq=False)
class ByteKernel:
    """Convolution of unsigned with signed bytes in 32-bit integers (oneDNN), given as 32-bit floats."""

    packed: Any
    scales: Any
    zero_points: Any
    geometry: ConvGeometry
    scale: float

    def __call__(self, maps: Maps) -> Floats:
        """See ``Kernel``."""
        torch = kernels.installed_torch()
        assert torch is not None, "this kernel is chosen only where torch is installed"
        padded, padding = padded_maps(maps, self.geometry)
        given = torch.from_numpy(padded).permute(0, 3, 1, 2)
        g = self.geometry
        received = torch.ops.onednn.qconv2d_pointwise(
            given, self.scale, 0, self.packed, self.scales, self.zero_points, None,
            g.stride, padding, g.dilation, g.groups, 1.0, 0, torch.float32, "none", [], "",
        )  # fmt: skip
        return _channels_last(received)


@dataclass(frozen=True, slots=True, eq=False)
class ByteMatrixKernel:
    """All-to-all weights in the arithmetic of ``ByteKernel``."""

    packed: Any
    scales: Any
    zero_points: Any
    scale: float

    def __call__(self, maps: Maps) -> Floats:
        """See ``Kernel``."""
        torch = kernels.installed_torch()
        assert torch is not None, "this kernel is chosen only where torch is installed"
        given = torch.from_numpy(maps.reshape(len(maps), -1))
        received = torch.ops.onednn.qlinear_pointwise(
            given, self.scale, 0, self.packed, self.scales, self.zero_points, None,
            1.0, 0, torch.float32, "none", [], "",
        )  # fmt: skip
        floats: Floats = received.numpy()
        return floats.reshape(len(maps), 1, 1, -1)


def _byte_convolution(weight: IntArray, form: MapConvolution, scale: float) -> ByteKernel:
    torch = kernels.installed_torch()
    assert torch is not None, "8-bit kernels were tried before one is made"
    g = form.geometry
    scales, zero_points = torch.ones(len(weight)), torch.zeros(len(weight), dtype=torch.int64)
    signed = torch.from_numpy(weight.astype(np.int8))
    padding = _symmetric_padding(g) or (0, 0)
    packed = torch.ops.onednn.qconv_prepack(signed, scales, 1.0, 0, g.stride, padding, g.dilation, g.groups, None)
    return ByteKernel(packed, scales, zero_points, g, scale)


def _byte_matrix(weight: IntArray, scale: float) -> ByteMatrixKernel:
    torch = kernels.installed_torch()
    assert torch is not None, "8-bit kernels were tried before one is made"
    scales, zero_points = torch.ones(len(weight)), torch.zeros(len(weight), dtype=torch.int64)
    packed = torch.ops.onednn.qlinear_prepack(torch.from_numpy(weight.astype(np.int8)), None)
    return ByteMatrixKernel(packed, scales, zero_points, scale)


def _byte_kernels_work() -> bool:
    """Whether this build of torch has the operators under these signatures and sums without saturating."""
    torch = kernels.installed_torch()
    return torch is not None and bool(torch.backends.mkldnn.is_available()) and _byte_kernels_sum()


@functools.cache
def _byte_kernels_sum() -> bool:
    weight = np.stack([np.full((64, 3, 3), value) for value in (-128, 127, 1)]).astype(np.int64)
    form = MapConvolution(weight, ConvGeometry(padding=(1, 1, 1, 1)), (4, 4))
    matrix = weight.reshape(3, -1)
    maps = np.full((2, 4, 4, 64), 127, dtype=np.uint8)
    flat = np.full((2, 1, 1, matrix.shape[1]), 127, dtype=np.uint8)
    try:
        convolved = _byte_convolution(weight, form, 1.0)(maps)
        multiplied = _byte_matrix(matrix, 1.0)(flat)
    except (AttributeError, RuntimeError, TypeError):
        # Torch says in these ways that an operator is missing, has other arguments or has no kernel here.
        return False
    expected = NumpyKernel(weight.astype(np.float32), form.geometry)(maps)
    return np.array_equal(convolved, expected) and np.array_equal(
        multiplied, np.broadcast_to(127 * matrix.sum(axis=1), multiplied.shape)
    )


def padded_maps(maps: Maps, geometry: ConvGeometry) -> tuple[Maps, tuple[int, int]]:
    """``maps`` (N, H, W, C) and the padding per (rows, columns) under which a kernel reads what ``geometry`` says."""
    symmetric = _symmetric_padding(geometry)
    if symmetric is not None:
        return maps, symmetric
    channels_first = pad_or_crop(maps.transpose(0, 3, 1, 2), geometry.padding)
    return np.ascontiguousarray(channels_first.transpose(0, 2, 3, 1)), (0, 0)


def _symmetric_padding(geometry: ConvGeometry) -> tuple[int, int] | None:
    """Padding above and left, if the same below and right gives not one output more."""
    top, left, bottom, right = geometry.padding
    extra = (top - bottom, left - right)
    fits = all(0 <= extra[axis] < geometry.stride[axis] for axis in (0, 1))
    return (top, left) if fits and min(top, left) >= 0 else None


def _channels_last(received: Any) -> Floats:
    floats: Floats = received.permute(0, 2, 3, 1).contiguous().numpy()
    return floats
