"""Exact and fast CPU models of Lava's own Conv and Dense processes: BLAS on floats that hold every sum.

The same integers as the models that come with Lava, 50 to 1000 times faster, without the wrap modulo 2**24 and
the int8 limits on geometry. They are chosen by ``run_config``; the processes stay Lava's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.conv.models import PyConvModelFixed
from lava.proc.conv.process import Conv
from lava.proc.dense.models import PyDenseModelBitAcc
from lava.proc.dense.process import Dense
from lava.utils.weightutils import clip_weights, determine_sign_mode, truncate_weights

from ..simulator.kernels import exact_float

_PATCH_VALUES = 1 << 21
"""Values of the unfolded input at a time: 8 MB in float32 stay in the cache."""

Floats = npt.NDArray[Any]


def _message_bound(bits: int) -> int:
    return 1 << bits if bits else 1


def _in_exact_floats(weight: npt.NDArray[Any], bits: int) -> Floats:
    largest_sum = int(np.abs(weight.reshape(len(weight), -1)).sum(axis=1, dtype=np.int64).max(initial=0))
    return np.ascontiguousarray(weight, dtype=exact_float(largest_sum * _message_bound(bits)))


def convolve_columns(
    messages: npt.NDArray[Any],
    weight: Floats,
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    groups: int,
) -> npt.NDArray[np.int32]:
    """Convolve ``messages`` (columns, rows, channels) with ``weight`` (O, columns, rows, channels/groups).

    A true convolution as Lava defines it, geometry in (columns, rows); the result is (columns, rows, O).
    Exact as long as ``weight``'s type holds every partial sum.
    """
    padded = np.pad(messages.astype(weight.dtype), (*((p, p) for p in padding), (0, 0)))
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, weight.shape[1:3], strict=True)]
    windows: Floats = np.lib.stride_tricks.sliding_window_view(padded, spans, axis=(0, 1))  # type: ignore[call-overload]
    strided = windows[:: stride[0], :: stride[1], :, :: dilation[0], :: dilation[1]]
    patches = strided[:, :, :, ::-1, ::-1].transpose(0, 1, 3, 4, 2)
    result = np.empty((*patches.shape[:2], len(weight)), dtype=np.int32)
    columns_at_once = max(1, _PATCH_VALUES // max(1, patches[0].size))
    for start in range(0, len(patches), columns_at_once):
        part = slice(start, start + columns_at_once)
        result[part] = _multiply(patches[part], weight, groups)
    return result


def _multiply(patches: Floats, weight: Floats, groups: int) -> Floats:
    columns, rows, *_, channels = patches.shape
    if groups == 1:
        product: Floats = patches.reshape(columns * rows, -1) @ weight.reshape(len(weight), -1).T
        return product.reshape(columns, rows, -1)
    grouped = patches.reshape(columns * rows, -1, groups, channels // groups).transpose(2, 0, 1, 3)
    kernels = weight.reshape(groups, len(weight) // groups, -1).transpose(0, 2, 1)
    by_group: Floats = np.matmul(grouped.reshape(groups, columns * rows, -1), kernels)
    return by_group.transpose(1, 0, 2).reshape(columns, rows, -1)


@implements(proc=Conv, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyConvExact(PyConvModelFixed):  # type: ignore[misc]
    """Conv by unfolding and matrix product."""

    a_buf: Any = PyConvModelFixed.a_buf
    weight: Any = PyConvModelFixed.weight
    kernel_size: Any = LavaPyType(np.ndarray, np.int32)
    stride: Any = LavaPyType(np.ndarray, np.int32)
    padding: Any = LavaPyType(np.ndarray, np.int32)
    dilation: Any = LavaPyType(np.ndarray, np.int32)
    groups: Any = LavaPyType(np.ndarray, np.int32)

    def run_spk(self) -> None:
        """One time step: sends what the last step's messages caused."""
        self.a_out.send(self.a_buf)
        messages = self.s_in.recv()
        bits = int(self.num_message_bits.item())
        if not bits:
            messages = messages.astype(bool)
        if self.weight.dtype == np.int32:
            self.weight = _in_exact_floats(self.weight, bits)
        if not messages.any():
            self.a_buf = np.zeros(self.a_buf.shape, dtype=np.int32)
            return
        stride, padding, dilation = ((int(x), int(y)) for x, y in (self.stride, self.padding, self.dilation))
        self.a_buf = convolve_columns(messages, self.weight, stride, padding, dilation, int(self.groups.item()))


@implements(proc=Dense, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyDenseExact(PyDenseModelBitAcc):  # type: ignore[misc]
    """Dense by matrix product, weights clipped and truncated as Lava's own model does."""

    a_buff: Any = PyDenseModelBitAcc.a_buff
    weights: Any = PyDenseModelBitAcc.weights

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.exponent = int(proc_params.get("weight_exp", 0))
        self.sign_mode = proc_params.get("sign_mode")
        self.weight_bits = int(proc_params.get("num_weight_bits", 8))

    def run_spk(self) -> None:
        """One time step: sends what the last step's messages caused."""
        self.a_out.send(self.a_buff)
        messages = self.s_in.recv()
        bits = int(self.num_message_bits.item())
        if not bits:
            messages = messages.astype(bool)
        if self.weights.dtype == np.int32:
            self.weights = _in_exact_floats(self._loihi_weights(), bits)
        total = (self.weights @ messages.astype(self.weights.dtype)).astype(np.int64)
        self.a_buff = total << self.exponent if self.exponent > 0 else total >> -self.exponent

    def _loihi_weights(self) -> npt.NDArray[Any]:
        sign_mode = self.sign_mode or determine_sign_mode(self.weights)
        clipped = clip_weights(self.weights, sign_mode, num_bits=8)
        truncated: npt.NDArray[Any] = truncate_weights(clipped, sign_mode, self.weight_bits)
        return truncated
