"""The fastest exact kernel for a projection, proven before it is used.

The kernel in C adds in 32 bits. Where it is not there or these are too few, numpy adds whole numbers in floats, which
hold them below 2^24 in 32 bits and below 2^53 in 64; weights are w * 2**e with the largest common e, and a factor 2**e
changes no digit. So the order of summation cannot matter, and every kernel gives the same numbers as integers do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ...targets.records import dataclass
from ..program.geometry import ConvGeometry
from .kernels import Floats, convolve, exact_float
from .native import chosen_instruction_set
from .packing import common_exponent, pack
from .reduction import Entries, Form, Identity, Matrix, fan_in
from .sparse import SparseMatrix

Maps = npt.NDArray[Any]
Kernel = Callable[[Any], Any]
"""From messages (N, H, W, C) to what they add to the targets (N, H', W', O)."""


def largest_sum(form: Form, exponent: int, largest: int) -> int:
    """Bound of what a target neuron receives from messages of magnitude up to ``largest``, and of its partial sums."""
    return int(fan_in(form).max()) * largest << exponent


def choose_kernel(form: Form, exponent: int, largest: int, graded: bool = False) -> Kernel:
    """Kernel for messages of magnitude up to ``largest``; from 0 up unless they are ``graded`` input, or signed.

    OverflowError if a sum can leave the integers of 64-bit floats.
    """
    instructions = chosen_instruction_set()
    if instructions is not None:
        bound = exact_float(largest_sum(form, exponent, largest))
        packed = pack(instructions, form, exponent, largest, graded, bound)
        if packed is not None:
            return packed
    if isinstance(form, Identity):
        return IdentityKernel((form.factor << exponent).astype(exact_float(largest_sum(form, exponent, largest))))
    shift = common_exponent(form.weight)
    weight = form.weight >> shift
    kind = exact_float(largest_sum(replace(form, weight=weight), 0, largest))
    scaled: Floats = (weight * 2.0 ** (shift + exponent)).astype(kind)
    if isinstance(form, Entries):
        return SparseKernel(SparseMatrix(scaled, form.source, form.target, form.targets))
    if isinstance(form, Matrix):
        return MatrixKernel(np.ascontiguousarray(scaled.T))
    return NumpyKernel(scaled, form.geometry)


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
        return self.matrix.multiply(maps.reshape(len(maps), -1)).reshape(len(maps), 1, 1, -1)


@dataclass(frozen=True, slots=True, eq=False)
class NumpyKernel:
    """Convolution in numpy."""

    weight: Floats
    geometry: ConvGeometry

    def __call__(self, maps: Maps) -> Floats:
        """See ``Kernel``."""
        channels_first = maps.transpose(0, 3, 1, 2).astype(self.weight.dtype)
        return np.ascontiguousarray(convolve(channels_first, self.weight, self.geometry).transpose(0, 2, 3, 1))
