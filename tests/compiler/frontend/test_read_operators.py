from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from spikec.compiler.ir.operators import AveragePool, Conv, Dense, Scale

Compare = Callable[..., Any]
Parse = Callable[..., bytes]

RNG = np.random.default_rng(1)


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape).astype(np.float32)


CONVS = {
    "plain": ("", (4, 3, 3, 3)),
    "even kernel": ("", (4, 3, 2, 2)),
    "grouped": ("group = 3", (6, 1, 3, 3)),
    "asymmetric": ("pads = [2, 0, 1, 3], strides = [2, 1]", (4, 3, 3, 2)),
    "dilated": ("dilations = [2, 1], pads = [1, 1, 1, 1]", (4, 3, 3, 3)),
    "same upper": ('auto_pad = "SAME_UPPER", strides = [2, 2]', (4, 3, 3, 3)),
    "same lower": ('auto_pad = "SAME_LOWER", strides = [2, 2]', (4, 3, 3, 3)),
    "same upper of even kernel": ('auto_pad = "SAME_UPPER"', (4, 3, 2, 4)),
    "valid": ('auto_pad = "VALID"', (4, 3, 3, 3)),
    "kernel shape": ("kernel_shape = [3, 3]", (4, 3, 3, 3)),
}


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("case", CONVS)
def test_convolutions(parsed: Parse, same_as_runtime: Compare, case: str, bias: bool) -> None:
    attributes, shape = CONVS[case]
    arguments = f"Conv <{attributes}> (x, w{', b' if bias else ''})".replace("<>", "")
    weights = {"w": normal(*shape), **({"b": normal(shape[0])} if bias else {})}
    read = same_as_runtime(parsed(f"y = {arguments}", weights=weights), batch=3)
    assert read.operators == ["Conv"]


@pytest.mark.parametrize("opset", [11, 13, 17, 18, 21])
def test_one_dimensional_network_becomes_maps_of_one_row(parsed: Parse, same_as_runtime: Compare, opset: int) -> None:
    body = """
        a = Conv <strides = [2], pads = [1, 2]> (x, w1, b1)
        n = BatchNormalization (a, s, o, m, v)
        r = Relu (n)
        p = AveragePool <kernel_shape = [2], strides = [2]> (r)
        c = Conv <dilations = [2]> (p, w2)
        f = Flatten (c)
        y = Gemm <transB = 1> (f, g)
    """
    weights = {
        "w1": normal(5, 2, 3),
        "b1": normal(5),
        "w2": normal(4, 5, 2),
        "g": normal(3, 8),
        "s": normal(5),
        "o": normal(5),
        "m": normal(5),
        "v": abs(normal(5)),
    }
    read = same_as_runtime(parsed(body, "float[N,2,17] x", "float[N,3] y", opset=opset, weights=weights), batch=2)
    assert read.operators == ["Reshape", "Conv", "BatchNorm", "Relu", "AveragePool", "Conv", "Reshape", "Dense"]


@pytest.mark.parametrize("attributes", ["", "transB = 1", "alpha = 0.5, beta = 2.0", "transB = 1, beta = 0.0"])
@pytest.mark.parametrize("bias", [(4,), (1, 4), (1,)])
def test_gemm(parsed: Parse, same_as_runtime: Compare, attributes: str, bias: tuple[int, ...]) -> None:
    weights = {"w": normal(4, 5) if "transB" in attributes else normal(5, 4), "b": normal(*bias)}
    body = f"y = Gemm <{attributes}> (x, w, b)".replace("<>", "")
    read = same_as_runtime(parsed(body, "float[N,5] x", "float[N,4] y", weights=weights), batch=2)
    assert read.operators == ["Dense"]


def test_matmul_and_add_are_one_dense_layer(parsed: Parse, same_as_runtime: Compare) -> None:
    weights = {"w": normal(5, 4), "b": normal(4)}
    read = same_as_runtime(parsed("h = MatMul(x, w) y = Add(b, h)", "float[N,5] x", "float[N,4] y", weights=weights))
    (node,) = read.network.nodes
    assert isinstance(node.operator, Dense)
    assert [origin.operator for origin in node.origins] == ["MatMul", "Add"]


def test_a_single_number_behind_a_layer_stays_an_offset(parsed: Parse, same_as_runtime: Compare) -> None:
    weights = {"w": normal(5, 4), "b": np.float32(0.5)}
    read = same_as_runtime(parsed("h = MatMul(x, w) y = Add(h, b)", "float[N,5] x", "float[N,4] y", weights=weights))
    assert read.operators == ["Dense", "Offset"]


def test_matmul_of_a_value_read_twice_keeps_its_add(parsed: Parse, same_as_runtime: Compare) -> None:
    body = "h = MatMul(x, w) a = Add(h, b) y = Add(a, h)"
    weights = {"w": normal(5, 4), "b": normal(4)}
    read = same_as_runtime(parsed(body, "float[N,5] x", "float[N,4] y", weights=weights))
    assert read.operators == ["Dense", "Offset", "Add"]


ELEMENTWISE = {
    "relu": ("y = Relu(x)", ["Relu"]),
    "clip of inputs": ("y = Clip(x, low, high)", ["Clip"]),
    "clip without minimum": ("y = Clip(x, , high)", ["Clip"]),
    "clip without maximum is relu": ("y = Clip(x, low)", ["Relu"]),
    "clip without bounds": ("h = Relu(x) y = Clip(h)", ["Relu"]),
    "min and max": ("h = Max(low, x) y = Min(h, high)", ["Relu", "Clip"]),
    "division": ("y = Div(x, channels)", ["Scale"]),
    "product": ("y = Mul(channels, x)", ["Scale"]),
    "difference": ("y = Sub(x, channels)", ["Offset"]),
    "difference from a constant": ("y = Sub(high, x)", ["Scale", "Offset"]),
    "negation": ("y = Neg(x)", ["Scale"]),
    "floor": ("y = Floor(x)", ["Floor"]),
    "round": ("y = Round(x)", ["Round"]),
    "sum of three": ("a = Relu(x) b = Neg(x) y = Sum(a, b, x)", ["Relu", "Scale", "Add"]),
    "mean of two": ("a = Relu(x) y = Mean(a, x)", ["Relu", "Add", "Scale"]),
    "difference of branches": ("a = Relu(x) y = Sub(a, x)", ["Relu", "Scale", "Add"]),
    "identities": (
        "a = Identity(x) b = Dropout(a) c = Mul(b, one) d = Add(c, zero) e = Cast <to = 1> (d) y = Relu(e)",
        ["Relu"],
    ),
    "constant arithmetic": ("t = Add(one, high) u = Sqrt(t) v = Div(u, high) y = Mul(x, v)", ["Scale"]),
    "quantised pair": ("h = QuantizeLinear(x, step, null) y = DequantizeLinear(h, step, null)", None),
    "quantised pair from -128": ("h = QuantizeLinear(x, step, least) y = DequantizeLinear(h, step, least)", None),
}


@pytest.mark.parametrize("case", ELEMENTWISE)
def test_elementwise(parsed: Parse, same_as_runtime: Compare, case: str) -> None:
    body, operators = ELEMENTWISE[case]
    weights = {
        "low": np.float32(0),
        "high": np.float32(1.5),
        "one": np.ones((1, 3, 1, 1)),
        "zero": np.zeros(1),
        "channels": 1 + abs(normal(3, 1, 1)),
        "step": np.float32(0.1),
        "null": np.array(0, np.uint8),
        "least": np.array(-128, np.int8),
    }
    read = same_as_runtime(parsed(body, weights=weights), batch=2)
    assert operators is None or read.operators == operators


def test_clip_attributes_of_opset_6_are_read_in_their_later_form_only(parsed: Parse, same_as_runtime: Compare) -> None:
    read = same_as_runtime(parsed("y = Clip(x, low, high)", opset=11, weights={"low": [0.0], "high": [0.5]}))
    assert read.operators == ["Clip"]


POOLS = {
    "plain": ("AveragePool <kernel_shape = [2, 2], strides = [2, 2]>", (2, 2)),
    "padding not counted": ("AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]>", (3, 3)),
    "padding counted": ("AveragePool <kernel_shape = [3, 3], pads = [1, 0, 1, 0], count_include_pad = 1>", (3, 3)),
    "ceil": ("AveragePool <kernel_shape = [3, 3], strides = [2, 2], ceil_mode = 1>", (3, 3)),
    "same": ('AveragePool <kernel_shape = [2, 2], auto_pad = "SAME_UPPER">', (2, 2)),
    "global": ("GlobalAveragePool", (6, 6)),
    "mean over space": ("ReduceMean <axes = [2, 3]>", (6, 6)),
    "mean over negative axes": ("ReduceMean <axes = [-1, -2], keepdims = 1>", (6, 6)),
}


@pytest.mark.parametrize("case", POOLS)
def test_average_pools(parsed: Parse, same_as_runtime: Compare, case: str) -> None:
    call, kernel = POOLS[case]
    read = same_as_runtime(parsed(f"y = {call} (x)", opset=13), batch=2)
    operator = read.network.nodes[-1].operator
    assert isinstance(operator, AveragePool)
    assert operator.kernel == kernel


@pytest.mark.parametrize("keep", [0, 1])
@pytest.mark.parametrize("axes", [[2, 3], [-2], [1], [1, 2, 3]])
def test_means_over_any_axes(parsed: Parse, same_as_runtime: Compare, axes: list[int], keep: int) -> None:
    # The mean over channels of the input needs a transpose, which may stay right behind the input.
    body = f"y = ReduceMean <keepdims = {keep}> (x, axes)"
    if len(axes) == 3 and keep == 0:
        body = body.replace("y =", "m =") + " y = Unsqueeze(m, last)"
    weights: dict[str, Any] = {"axes": axes, "last": [1]}
    same_as_runtime(
        parsed(body, outputs=OUTPUTS_OF_MEANS[4 if keep else max(2, 4 - len(axes))], opset=18, weights=weights)
    )


OUTPUTS_OF_MEANS = {2: "float[N,A] y", 3: "float[N,A,B] y", 4: "float[N,A,B,C] y"}


PADS = {
    "by input": ("y = Pad(x, pads)", {"pads": [0, 0, 1, 2, 0, 0, 0, 1]}),
    "of chosen axes": ("y = Pad(x, pads, , axes)", {"pads": [1, 2], "axes": [-3]}),
    "with zero value": ("y = Pad(x, pads, zero)", {"pads": [0, 2, 0, 0, 0, 2, 0, 0], "zero": np.float32(0)}),
    "cropping": ("y = Pad(x, pads)", {"pads": [0, 0, -1, 0, 0, 0, -2, 0]}),
    "strided slice": ("y = Slice(x, s, e, a, t)", {"s": [0, 1], "e": [2**62, -1], "a": [2, 3], "t": [2, 2]}),
    "slice to int max": ("y = Slice(x, s, e, a, t)", {"s": [1], "e": [2**31 - 1], "a": [-1], "t": [3]}),
    "slice without axes": ("y = Slice(x, s, e)", {"s": [0, 1], "e": [2**31, 3]}),
    "gathered range": ("y = Gather <axis = 3> (x, i)", {"i": [1, 3, 5]}),
    "concatenated zeros": ("y = Concat <axis = 1> (z, x, z)", {"z": np.zeros((1, 2, 6, 6))}),
    "concatenated constants": ("y = Concat <axis = 1> (x, z)", {"z": np.ones((1, 2, 6, 6))}),
    "concatenated branches": ("h = Relu(x) y = Concat <axis = -3> (x, h)", {}),
    "split and swapped": ("a, b = Split <axis = 1> (x, p) y = Concat <axis = 1> (b, a)", {"p": [1, 2]}),
}


@pytest.mark.parametrize("case", PADS)
def test_padding_slicing_and_joining(parsed: Parse, same_as_runtime: Compare, case: str) -> None:
    body, weights = PADS[case]
    same_as_runtime(parsed(body, opset=18, weights=weights))


def test_gather_of_one_entry_drops_the_axis(parsed: Parse, same_as_runtime: Compare) -> None:
    body, weights = "y = Gather <axis = 2> (x, i)", {"i": np.array(-1)}
    read = same_as_runtime(parsed(body, outputs="float[N,C,W] y", weights=weights), batch=2)
    assert read.operators == ["Slice", "Reshape"]


def test_shape_arithmetic_is_folded_away(parsed: Parse, same_as_runtime: Compare) -> None:
    body = """
        s = Shape(x) n = Gather <axis = 0> (s, zero) rest = Constant <value_ints = [-1]> ()
        axes = Constant <value_ints = [0]> ()
        m = Unsqueeze(n, axes) target = Concat <axis = 0> (m, rest) f = Reshape(x, target) y = MatMul(f, w)
    """
    weights = {"zero": np.array(0), "w": normal(108, 3)}
    read = same_as_runtime(parsed(body, outputs="float[N,3] y", weights=weights), batch=4)
    assert read.operators == ["Reshape", "Dense"]


def test_shortcut_padded_with_computed_zeros(parsed: Parse, same_as_runtime: Compare) -> None:
    body = """
        c = Slice(x, s, e, a, t) shape = Shape(c)
        zeros = ConstantOfShape (shape) y = Concat <axis = 1> (c, zeros)
    """
    weights = {"s": [0, 0], "e": [2**31 - 1, 2**31 - 1], "a": [2, 3], "t": [2, 2]}
    read = same_as_runtime(parsed(body, weights=weights), batch=3)
    assert read.operators == ["Slice", "Pad"]


def test_dense_layer_on_the_last_axis_is_a_pointwise_convolution(parsed: Parse, same_as_runtime: Compare) -> None:
    body = (
        "p = Transpose <perm = [0, 2, 3, 1]> (x) h = MatMul(p, w) r = Relu(h) y = Transpose <perm = [0, 3, 1, 2]> (r)"
    )
    read = same_as_runtime(parsed(body, weights={"w": normal(3, 4)}), batch=2)
    assert read.operators == ["Conv", "Relu"]


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_weights_of_other_float_types(parsed: Parse, same_as_runtime: Compare, dtype: type) -> None:
    body = "f = Cast <to = 1> (w) y = Conv(x, f)"
    import onnx

    model = onnx.load_model_from_string(parsed(body))
    model.graph.initializer.append(onnx.numpy_helper.from_array(normal(2, 3, 1, 1).astype(dtype), "w"))
    read = same_as_runtime(model.SerializeToString())
    assert isinstance(read.network.nodes[0].operator, Conv)


def test_quantised_weights_are_dequantised(parsed: Parse, same_as_runtime: Compare) -> None:
    body = "f = DequantizeLinear(w, s) y = Conv(x, f)"
    weights = {"w": RNG.integers(-100, 100, (2, 3, 3, 3)).astype(np.int8), "s": np.float32(0.02)}
    assert same_as_runtime(parsed(body, weights=weights)).operators == ["Conv"]


def test_constant_condition_chooses_its_branch(parsed: Parse, same_as_runtime: Compare) -> None:
    body = """
        s = Shape(x) n = Gather(s, one) c = Equal(n, three)
        y = If (c) <then_branch = yes () => (float[N,3,6,6] t) { t = Relu(x) },
                    else_branch = no () => (float[N,3,6,6] f) { f = Sigmoid(x) }>
    """
    read = same_as_runtime(parsed(body, weights={"one": np.array(1), "three": np.array(3)}))
    assert read.operators == ["Relu"]


def test_factor_of_a_batch_norm_is_kept_apart_from_its_neighbours(parsed: Parse, same_as_runtime: Compare) -> None:
    weights = {"s": normal(3), "o": normal(3), "m": normal(3), "v": abs(normal(3))}
    read = same_as_runtime(parsed("y = BatchNormalization <epsilon = 0.01> (x, s, o, m, v)", weights=weights))
    assert read.operators == ["BatchNorm"]


def test_dividing_scales_by_the_reciprocal(parsed: Parse, same_as_runtime: Compare) -> None:
    read = same_as_runtime(parsed("y = Div(x, d)", weights={"d": np.float32(0.7)}))
    operator = read.network.nodes[0].operator
    assert isinstance(operator, Scale)
    assert float(operator.factor) == 1 / float(np.float32(0.7))
