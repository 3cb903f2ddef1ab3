"""Batched convolution and pooling kernels on numpy or, where it is installed, torch; the same results.

Integer callers pass integer values in a float type wide enough that every partial sum is exact
(``exact_float``), so the order of summation cannot matter.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from ...targets.libraries import warn_without
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


_WITHOUT_TORCH: ContextVar[bool] = ContextVar("without torch", default=False)


@contextmanager
def numpy_alone(*, unless_loaded: bool) -> Iterator[None]:
    """Let kernels that are chosen inside be numpy's, for a run that is shorter than loading torch takes.

    With ``unless_loaded`` a torch that is loaded already is taken. The results are the same.
    """
    token = _WITHOUT_TORCH.set(not (unless_loaded and "torch" in sys.modules))
    try:
        yield
    finally:
        _WITHOUT_TORCH.reset(token)


def installed_torch() -> ModuleType | None:
    """The torch module, loaded on first use; None where it is not installed or, with warning W644, cannot be loaded."""
    return None if _WITHOUT_TORCH.get() else load_torch()


@functools.cache
def load_torch() -> ModuleType | None:
    """As ``installed_torch``, whatever kernels are to be chosen."""
    if importlib.util.find_spec("torch") is None:
        return None
    try:
        import torch
    except Exception as error:  # whatever a broken installation raises; numpy gives the same results
        warn_without("torch", error)
        return None

    return torch


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
    torch = installed_torch()
    return _convolve_numpy(maps, weight, geometry) if torch is None else _convolve_torch(torch, maps, weight, geometry)


def _convolve_torch(torch: ModuleType, maps: Floats, weight: Floats, geometry: ConvGeometry) -> Floats:
    top, left, bottom, right = geometry.padding
    symmetric = top == bottom >= 0 and left == right >= 0
    padded = maps if symmetric else pad_or_crop(maps, geometry.padding)
    with torch.no_grad():
        result = convolved_by_torch(
            torch.from_numpy(np.require(padded, requirements=("C", "W"))),
            torch.from_numpy(np.require(weight, requirements=("C", "W"))),
            geometry,
            (top, left) if symmetric else (0, 0),
        )
    floats: Floats = result.numpy()
    return floats


def convolved_by_torch(maps: Any, weight: Any, geometry: ConvGeometry, padding: tuple[int, int]) -> Any:
    """Torch's convolution of tensors of one float type, whose sums are exact where the type can hold them.

    oneDNN, which convolves 32-bit floats, reads beyond the map where one input channel meets a stride (seen with torch
    2.14 on AVX-512); such a layer takes 64 bits, which torch sums by itself.
    """
    torch = installed_torch()
    assert torch is not None, "tensors are torch's"
    misread = weight.shape[1] == 1 and geometry.groups == 1 and max(geometry.stride) > 1
    if misread and weight.dtype == torch.float32:
        return convolved_by_torch(maps.double(), weight.double(), geometry, padding).to(torch.float32)
    return torch.nn.functional.conv2d(
        maps, weight, stride=geometry.stride, padding=padding, dilation=geometry.dilation, groups=geometry.groups
    )


def _convolve_numpy(maps: Floats, weight: Floats, geometry: ConvGeometry) -> Floats:
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
