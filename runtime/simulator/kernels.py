"""Batched convolution and pooling in numpy.

Integer callers pass integer values in a float type wide enough that every partial sum is exact
(``exact_float``), so the order of summation cannot matter.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..program.geometry import ConvGeometry

Floats = npt.NDArray[np.floating[Any]]

_FLOAT32_EXACT = 1 << 24
_FLOAT64_EXACT = 1 << 53


def exact_float(bound: int) -> type[np.float32] | type[np.float64]:
    """Smallest float type in which sums of integers whose absolute terms add up to ``bound`` are exact."""
    if bound < _FLOAT32_EXACT:
        return np.float32
    if bound < _FLOAT64_EXACT:
        return np.float64
    raise OverflowError(f"sums up to {bound} are not exact in 64-bit floats")


def pad_or_crop(maps: npt.NDArray[Any], padding: tuple[int, int, int, int]) -> npt.NDArray[Any]:
    """Pad (N, C, H, W) with zeros; negative entries of (top, left, bottom, right) crop, if need be into the zeros."""
    top, left, bottom, right = padding
    above, before, below, behind = (max(0, zeros) for zeros in padding)
    height, width = maps.shape[2] + above + below, maps.shape[3] + before + behind
    padded = maps
    if padded.shape[2:] != (height, width):
        # A fifth of the time that numpy's pad takes for a small map.
        padded = np.zeros((*maps.shape[:2], height, width), dtype=maps.dtype)
        padded[:, :, above : height - below, before : width - behind] = maps
    return padded[:, :, max(0, -top) : height - max(0, -bottom), max(0, -left) : width - max(0, -right)]


def convolve(maps: Floats, weight: Floats, geometry: ConvGeometry) -> Floats:
    """Cross-correlate ``maps`` (N, C, H, W) with ``weight`` (O, C/groups, rows, columns)."""
    patches = kernel_windows(pad_or_crop(maps, geometry.padding), (weight.shape[2], weight.shape[3]), geometry)
    samples, _, rows, columns = patches.shape[:4]
    outputs = weight.shape[0]
    grouped = patches.reshape(samples, geometry.groups, -1, rows, columns, *weight.shape[2:])
    kernels = weight.reshape(geometry.groups, outputs // geometry.groups, -1)
    result = np.empty((samples, outputs, rows, columns), dtype=np.result_type(maps, weight))
    by_group = result.reshape(samples, geometry.groups, -1, rows * columns)
    for sample in range(samples):
        for group in range(geometry.groups):
            windows = grouped[sample, group].transpose(0, 3, 4, 1, 2).reshape(kernels.shape[2], -1)
            by_group[sample, group] = kernels[group] @ windows
    return result


def kernel_windows(padded: npt.NDArray[Any], kernel: tuple[int, int], geometry: ConvGeometry) -> npt.NDArray[Any]:
    """View of what the kernel sees at each position: (N, C, rows, columns, kernel rows, kernel columns)."""
    span = tuple(d * (k - 1) + 1 for d, k in zip(geometry.dilation, kernel, strict=True))
    windows: npt.NDArray[Any] = np.lib.stride_tricks.sliding_window_view(padded, span, axis=(2, 3))  # type: ignore[call-overload]
    stride, dilation = geometry.stride, geometry.dilation
    seen: npt.NDArray[Any] = windows[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]
    return seen


def sum_pool(maps: Floats, kernel: tuple[int, int], geometry: ConvGeometry) -> Floats:
    """Sum of each window of ``maps`` (N, C, H, W) per channel."""
    windows = kernel_windows(pad_or_crop(maps, geometry.padding), kernel, geometry)
    total: Floats = windows.sum(axis=(4, 5))
    return total
