"""Convolution and pooling of float maps that depend on no order of summation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ...runtime.program.geometry import ConvGeometry
from ...runtime.simulator.kernels import kernel_windows, pad_or_crop
from .fixed_point import SLICE_BITS, AnyFloat, Doubles, slices, slices_for, steps
from .products import sliced_product

_ENTRIES_AT_ONCE = 1 << 20
"""Of what is multiplied and of what that gives, so that an array is made where the last one was."""

Floats = TypeVar("Floats", bound=AnyFloat)


def convolve(maps: Floats, weight: Floats, geometry: ConvGeometry, *, count: int | None = None) -> Floats:
    """Cross-correlate ``maps`` (N, C, H, W) with ``weight`` (O, C/groups, rows, columns), of one float type.

    As precise as ``matmul`` with ``count`` slices; a sample's result does not depend on the others of its batch.
    """
    outputs, inputs, *kernel = weight.shape
    size = geometry.output_size((maps.shape[2], maps.shape[3]), (kernel[0], kernel[1]))
    result = np.zeros((len(maps), outputs, *size), dtype=maps.dtype)
    if not (maps.any() and weight.any()):
        return result  # type: ignore[return-value]
    padded = pad_or_crop(maps, geometry.padding)
    count = slices_for(padded.dtype) if count is None else count
    if inputs == 1 and geometry.groups > 1:
        _channelwise(result, padded, weight, geometry)
        return result  # type: ignore[return-value]
    shared = outputs // geometry.groups
    for group in range(geometry.groups):
        rows = slice(group * shared, (group + 1) * shared)
        sources = padded[:, group * inputs : (group + 1) * inputs]
        _as_products(result[:, rows], sources, weight[rows], geometry, count)
    return result  # type: ignore[return-value]


def sum_pool(maps: Floats, kernel: tuple[int, int], geometry: ConvGeometry) -> Floats:
    """Sum of each window of ``maps`` (N, C, H, W) per channel, added in the kernel's order."""
    windows = kernel_windows(pad_or_crop(maps, geometry.padding), kernel, geometry)
    summed = np.zeros(windows.shape[:4], dtype=np.float64)
    for row, column in np.ndindex(*kernel):
        summed += windows[..., row, column]
    return summed.astype(maps.dtype)  # type: ignore[return-value]


def _channelwise(result: AnyFloat, padded: AnyFloat, weight: AnyFloat, geometry: ConvGeometry) -> None:
    """Every output channel reads one channel: so few terms that they are added one after the other."""
    sources = np.arange(len(weight)) // (len(weight) // geometry.groups)
    windows = kernel_windows(padded, (weight.shape[2], weight.shape[3]), geometry)
    for sample in range(len(padded)):
        summed = np.zeros(result.shape[1:])
        for row, column in np.ndindex(*weight.shape[2:]):
            seen = windows[sample, sources, ..., row, column].astype(np.float64)
            summed += seen * weight[:, :, row, column, None].astype(np.float64)
        result[sample] = summed


def _as_products(result: AnyFloat, padded: AnyFloat, weight: AnyFloat, geometry: ConvGeometry, count: int) -> None:
    """One matrix product for some samples, or some rows of a sample, at a time."""
    kernels = weight.transpose(2, 3, 1, 0).reshape(-1, len(weight))
    kernel_step = steps(kernels, (0,), SLICE_BITS)
    kernel_slices = slices(kernels, kernel_step, count)
    columns, fan_in = result.shape[3], len(kernels)
    widest = max(fan_in, len(weight))
    for samples in _portions(len(padded), result.shape[2] * columns * widest):
        arranged = padded[samples].transpose(0, 2, 3, 1)
        step = steps(arranged, (1, 2, 3), SLICE_BITS)
        parts = [_windows(s, weight, geometry) for s in slices(np.ascontiguousarray(arranged), step, count)]
        for rows in _portions(result.shape[2], columns * widest):
            seen = [part[:, rows].reshape(-1, fan_in) for part in parts]
            product = sliced_product(seen, kernel_slices, count)
            product *= kernel_step
            arranged_product = product.reshape(-1, rows.stop - rows.start, columns, len(weight))
            arranged_product *= step
            result[samples, :, rows] = arranged_product.transpose(0, 3, 1, 2)


def _windows(maps: Doubles, weight: npt.NDArray[Any], geometry: ConvGeometry) -> Doubles:
    """View of what the kernel sees of ``maps`` (N, H, W, C): (N, rows, columns, kernel rows, kernel columns, C)."""
    kernel = (weight.shape[2], weight.shape[3])
    return kernel_windows(maps.transpose(0, 3, 1, 2), kernel, geometry).transpose(0, 2, 3, 4, 5, 1)


def _portions(size: int, entries_each: int) -> Iterator[slice]:
    step = max(1, _ENTRIES_AT_ONCE // max(1, entries_each))
    return (slice(first, min(first + step, size)) for first in range(0, size, step))
