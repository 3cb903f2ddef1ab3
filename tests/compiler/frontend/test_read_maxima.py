"""Max pooling in every form and maxima of values, against ONNX Runtime; with what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec.compiler.ir.maxima import MaxPool

Parse = Callable[..., bytes]
Same = Callable[..., Any]
Codes = Callable[..., list[Any]]

WINDOWS = {
    "two by two": "kernel_shape = [2, 2], strides = [2, 2]",
    "overlapping": "kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]",
    "uneven padding": "kernel_shape = [2, 3], pads = [1, 0, 0, 2]",
    "dilated": "kernel_shape = [2, 2], dilations = [2, 3]",
    "ceil": "kernel_shape = [2, 2], strides = [3, 4], ceil_mode = 1",
    "ceil beyond the padding": "kernel_shape = [3, 3], strides = [3, 3], pads = [1, 1, 1, 1], ceil_mode = 1",
    "same upper": 'kernel_shape = [2, 2], strides = [2, 2], auto_pad = "SAME_UPPER"',
    "same lower": 'kernel_shape = [2, 2], auto_pad = "SAME_LOWER"',
    "valid": 'kernel_shape = [3, 2], auto_pad = "VALID"',
    "the whole map": "kernel_shape = [6, 6]",
}


@pytest.mark.parametrize("name", WINDOWS)
def test_windows(name: str, parsed: Parse, same_as_runtime: Same) -> None:
    read = same_as_runtime(parsed(f"y = MaxPool <{WINDOWS[name]}> (x)", outputs="float[N,A,B,C] y"))
    assert read.operators == ["MaxPool"]


def test_a_line_is_a_map_of_one_row(parsed: Parse, same_as_runtime: Same) -> None:
    read = same_as_runtime(
        parsed("y = MaxPool <kernel_shape = [3], strides = [2], pads = [1, 0]> (x)", "float[N,3,9] x", "float[N,3,L] y")
    )
    assert read.operators == ["Reshape", "MaxPool", "Reshape"]


BODIES = {
    "global": ("y = GlobalMaxPool(x)", ["MaxPool"]),
    "largest of the map": ("y = ReduceMax <axes = [2, 3], keepdims = 0> (x)", ["MaxPool", "Reshape"]),
    "smallest of the map": ("y = ReduceMin <axes = [-1, -2]> (x)", ["Scale", "MaxPool", "Scale"]),
    "of rows": ("y = ReduceMax <axes = [2]> (x)", None),
    "of two values": ("h = Neg(x) y = Max(x, h)", ["Scale", "Maximum"]),
    "smallest of two": ("h = Neg(x) y = Min(x, h)", ["Scale", "Scale", "Scale", "Maximum", "Scale"]),
    "of a value that is repeated": ("h = ReduceMean <axes = [1]> (x) y = Max(x, h)", None),
    "with a bound": ("h = Neg(x) y = Max(h, zero, x)", ["Scale", "Maximum", "Relu"]),
    "channels last": ("c = Conv(x, w) h = Transpose <perm = [0, 2, 3, 1]> (c) r = Relu(h) n = Neg(r) m = Max(r, n) "
                      "t = Transpose <perm = [0, 3, 1, 2]> (m) y = MaxPool <kernel_shape = [2, 2]> (t)", None),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_other_forms(name: str, parsed: Parse, same_as_runtime: Same) -> None:
    body, operators = BODIES[name]
    read = same_as_runtime(
        parsed(body, outputs="float y", weights={"zero": np.float32(0), "w": np.ones((3, 3, 1, 1), np.float32)})
    )
    assert operators is None or read.operators == operators


def test_windows_of_padding_alone_are_refused(parsed: Parse, problems: Codes) -> None:
    body = "y = MaxPool <kernel_shape = [2, 2], pads = [2, 0, 0, 0]> (x)"
    assert [problem.code for problem in problems(parsed(body, outputs="float[N,A,B,C] y"))] == ["E114"]


def test_three_dimensional_windows_are_refused(parsed: Parse, problems: Codes) -> None:
    body = "y = MaxPool <kernel_shape = [2, 2, 2]> (x)"
    found = problems(parsed(body, "float[N,1,4,4,4] x", "float[N,A,B,C,D] y"))
    assert [problem.code for problem in found] == ["E102"]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(*(st.integers(0, 3),) * 4),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    ceil=st.booleans(),
)
def test_entries_are_those_of_the_definition(
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
    dilation: tuple[int, int],
    ceil: bool,
) -> None:
    pool = MaxPool(kernel, stride, padding, dilation, ceil)
    values = np.random.default_rng(0).normal(size=(1, 2, 7, 9))
    try:
        _, rows, columns = pool.result_shape(((2, 7, 9),))
    except ValueError:
        return
    found = pool.evaluate((values,))
    assert found.shape == (1, 2, rows, columns)
    for row, column in np.ndindex(rows, columns):
        read = [
            (row * stride[0] - padding[0] + i * dilation[0], column * stride[1] - padding[1] + j * dilation[1])
            for i, j in np.ndindex(*kernel)
        ]
        entries = [values[0, 0, r, c] for r, c in read if 0 <= r < 7 and 0 <= c < 9]
        assert found[0, 0, row, column] == max(entries, default=-np.inf)
