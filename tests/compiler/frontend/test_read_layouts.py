from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from spikec.compiler.frontend.reading import read_onnx
from spikec.compiler.ir.network import evaluate
from spikec.compiler.ir.operators import Slice

Compare = Callable[..., Any]
Parse = Callable[..., bytes]
Codes = Callable[..., list[Any]]

RNG = np.random.default_rng(2)


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape).astype(np.float32)


def test_keras_network_with_channels_last(parsed: Parse, same_as_runtime: Compare) -> None:
    body = """
        scaled = Mul(x, factor) moved = Sub(scaled, mean)
        t1 = Transpose <perm = [0, 3, 1, 2]> (moved)
        c1 = Conv <pads = [1, 1, 1, 1]> (t1, w1)
        t2 = Transpose <perm = [0, 2, 3, 1]> (c1)
        b1 = Add(t2, bias1) m = Mul(b1, gain) r1 = Relu(m)
        t3 = Transpose <perm = [0, 3, 1, 2]> (r1)
        c2 = Conv <pads = [1, 1, 1, 1]> (t3, w2)
        t4 = Transpose <perm = [0, 2, 3, 1]> (c2)
        sum = Add(t4, r1) cut = Slice(sum, s, e, a, t) grown = Pad(cut, pads)
        t5 = Transpose <perm = [0, 3, 1, 2]> (grown)
        p = AveragePool <kernel_shape = [2, 2], strides = [2, 2]> (t5)
        t6 = Transpose <perm = [0, 2, 3, 1]> (p)
        mean2 = ReduceMean <axes = [1, 2], keepdims = 0> (t6)
        d = MatMul(mean2, w3) logits = Add(d, bias3) y = Softmax(logits)
    """
    weights = {
        "factor": np.float32(0.5),
        "mean": normal(3),
        "w1": normal(4, 3, 3, 3),
        "bias1": normal(4),
        "gain": normal(1, 1, 1, 4),
        "w2": normal(4, 4, 3, 3),
        "s": [0, 1],
        "e": [2**31 - 1, 2**31 - 1],
        "a": [1, 2],
        "t": [2, 2],
        "pads": [0, 0, 0, 1, 0, 0, 0, 1],
        "w3": normal(6, 5),
        "bias3": normal(5),
    }
    model = parsed(body, "float[N,8,8,3] x", "float[N,5] y", opset=13, weights=weights)

    def softmax(scores: Any) -> Any:
        exponents = np.exp(scores - scores.max(1, keepdims=True))
        return exponents / exponents.sum(1, keepdims=True)

    read = same_as_runtime(model, batch=3, compared=softmax)
    assert read.operators == [
        *("Transpose", "Scale", "Offset", "Conv", "Scale", "Relu", "Conv", "Add", "Slice", "Pad", "AveragePool"),
        *("AveragePool", "Reshape", "Dense"),
    ]
    cut = read.network.node("cut").operator
    assert isinstance(cut, Slice)
    assert cut.step == (1, 2, 2)


def test_flattening_channels_last_keeps_the_transpose_before_the_reshape(
    parsed: Parse, same_as_runtime: Compare
) -> None:
    body = """
        c = Conv(x, w) t = Transpose <perm = [0, 2, 3, 1]> (c) r = Relu(t)
        f = Reshape(r, flat) y = MatMul(f, v)
    """
    weights = {"w": normal(4, 3, 3, 3), "flat": [-1, 64], "v": normal(64, 2)}
    read = same_as_runtime(parsed(body, outputs="float[N,2] y", weights=weights), batch=2)
    assert read.operators == ["Conv", "Relu", "Transpose", "Reshape", "Dense"]


def test_keras_one_dimensional_convolution(parsed: Parse, same_as_runtime: Compare) -> None:
    body = """
        u = Unsqueeze(x, one) t1 = Transpose <perm = [0, 3, 1, 2]> (u)
        c1 = Conv(t1, w1) t2 = Transpose <perm = [0, 2, 3, 1]> (c1) q = Squeeze(t2, one)
        b = Add(q, bias) r = Relu(b)
        u2 = Unsqueeze(r, one) t3 = Transpose <perm = [0, 3, 1, 2]> (u2)
        c2 = Conv(t3, w2) t4 = Transpose <perm = [0, 2, 3, 1]> (c2) q2 = Squeeze(t4, one)
        y = ReduceMean <axes = [1], keepdims = 0> (q2)
    """
    weights = {"one": [1], "w1": normal(4, 2, 1, 3), "bias": normal(4), "w2": normal(3, 4, 1, 3)}
    read = same_as_runtime(parsed(body, "float[N,9,2] x", "float[N,3] y", opset=13, weights=weights), batch=2)
    assert read.operators == ["Transpose", "Reshape", "Conv", "Relu", "Conv", "AveragePool", "Reshape"]


def test_scaled_and_padded_input_with_channels_last(parsed: Parse, same_as_runtime: Compare) -> None:
    body = """
        m = Mul(x, factor) u = Unsqueeze(m, one) p = Pad(u, pads) q = Slice(p, s, e, a)
        t = Transpose <perm = [0, 3, 1, 2]> (q) y = Conv(t, w)
    """
    weights = {"factor": normal(2), "one": [1], "pads": [0, 0, 1, 0, 0, 0, 1, 1], "w": normal(4, 3, 1, 3)}
    bounds = {"s": [2], "e": [10], "a": [2]}
    read = same_as_runtime(parsed(body, "float[N,9,2] x", opset=13, weights={**weights, **bounds}), batch=2)
    assert read.operators == ["Transpose", "Reshape", "Scale", "Pad", "Slice", "Conv"]


def test_a_single_channel_last_may_grow(parsed: Parse, same_as_runtime: Compare) -> None:
    body = """
        t1 = Transpose <perm = [0, 3, 1, 2]> (x) c = Conv(t1, w) t2 = Transpose <perm = [0, 2, 3, 1]> (c)
        r = Relu(t2) p = Pad(r, pads) t3 = Transpose <perm = [0, 3, 1, 2]> (p) y = Conv(t3, v)
    """
    weights = {"w": normal(1, 1, 3, 3), "pads": [0, 0, 0, 1, 0, 0, 0, 0], "v": normal(3, 2, 2, 2)}
    read = same_as_runtime(parsed(body, "float[N,6,6,1] x", opset=13, weights=weights), batch=2)
    assert read.operators == ["Reshape", "Conv", "Relu", "Pad", "Conv"]


def test_batch_norm_behind_a_flattened_map(parsed: Parse, same_as_runtime: Compare) -> None:
    body = "c = Conv(x, w) f = Flatten(c) b = BatchNormalization(f, s, o, m, v) r = Relu(b) y = MatMul(r, g)"
    statistics = {"s": normal(32), "o": normal(32), "m": normal(32), "v": abs(normal(32))}
    weights = {"w": normal(2, 3, 3, 3), **statistics, "g": normal(32, 2)}
    read = same_as_runtime(parsed(body, outputs="float[N,2] y", weights=weights), batch=2)
    assert read.operators == ["Conv", "Scale", "Offset", "Relu", "Reshape", "Dense"]


def test_dense_layer_viewed_as_a_map_before_a_convolution(parsed: Parse, same_as_runtime: Compare) -> None:
    body = "h = Gemm(x, w) m = Reshape(h, map) r = Relu(m) y = Conv(r, k)"
    weights = {"w": normal(5, 18), "map": [0, 2, 3, 3], "k": normal(4, 2, 2, 2)}
    read = same_as_runtime(parsed(body, "float[N,5] x", weights=weights), batch=2)
    assert read.operators == ["Dense", "Reshape", "Relu", "Conv"]


@pytest.mark.parametrize(
    "body",
    [
        "c = Conv(x, w) t = Transpose <perm = [0, 1, 3, 2]> (c) y = Conv(t, v)",
        "c = Conv(x, w) r = Relu(c) t = Transpose <perm = [0, 2, 1, 3]> (r) y = Conv(t, v)",
        "c = Conv(x, w) y = Transpose <perm = [0, 2, 3, 1]> (c)",
    ],
    ids=["rows and columns", "rows and channels behind an activation", "result"],
)
def test_permuted_map_stays_and_is_told(
    parsed: Parse, same_as_runtime: Compare, levels_agree: Callable[..., None], body: str
) -> None:
    model = parsed(body, weights={"w": normal(4, 3, 3, 3), "v": normal(2, 4, 2, 1)})
    read = same_as_runtime(model)
    assert [remark.code for remark in read.remarks] == ["I016"]
    assert read.remarks[0].place.nodes in {("t",), ("y",)}
    levels_agree(model)


def test_nodes_without_use_are_left_out(parsed: Parse, same_as_runtime: Compare) -> None:
    read = same_as_runtime(parsed("y = Relu(x) a = Sigmoid(x) b = MaxPool <kernel_shape = [2, 2]> (a)"))
    assert read.operators == ["Relu"]


def test_names_are_safe_and_differ_also_without_case(parsed: Parse) -> None:
    import onnx

    model = onnx.load_model_from_string(parsed("a = Relu(x) b = Neg(a) c = Neg(b) y = Neg(c)"))
    for node, name in zip(model.graph.node, ("/layer 1/Relu", "Act", "act", "input"), strict=True):
        node.name = name
    network, _ = read_onnx(model.SerializeToString())
    assert [node.name for node in network.nodes] == ["layer_1_Relu", "Act", "act_2", "input_2"]
    assert [node.origins[0].node for node in network.nodes] == ["/layer 1/Relu", "Act", "act", "input"]


def test_fixed_batch_of_any_size_is_taken_as_the_batch(parsed: Parse) -> None:
    body = "f = Reshape(x, shape) y = MatMul(f, w)"
    weights = {"shape": [4, -1], "w": normal(108, 2)}
    network, _ = read_onnx(parsed(body, "float[4,3,6,6] x", "float[4,2] y", weights=weights))
    samples = normal(7, 3, 6, 6)
    expected = samples.reshape(7, -1) @ weights["w"]
    # Same sums in another order.
    np.testing.assert_allclose(evaluate(network, samples)[network.output], expected, rtol=1e-5, atol=1e-5)


def test_channels_last_with_one_channel_and_one_column(parsed: Parse, same_as_runtime: Compare) -> None:
    body = """t = Transpose <perm = [0, 3, 1, 2]> (x) c = Conv(t, w) b = Transpose <perm = [0, 2, 3, 1]> (c)
        p = Pad(b, after) y = ReduceMean <axes = [1, 2], keepdims = 0> (p)"""
    weights: dict[str, Any] = {"w": np.full((1, 1, 2, 1), 0.5), "after": [0, 0, 0, 0, 0, 0, 0, 1]}
    read = same_as_runtime(parsed(body, "float[N,6,1,1] x", "float[N,2] y", opset=13, weights=weights))
    assert "Transpose" not in read.operators[1:]


@pytest.mark.parametrize(
    "start",
    [
        "s = Add(x, x)",
        "r = Relu(x) s = Add(x, r)",
        "m = Mul(x, factor) r = Relu(m) s = Add(r, m)",
        "s = Concat <axis = 3> (x, x)",
        "q = Slice(x, one, two, one) s = Add(q, q)",
    ],
)
def test_operators_on_an_input_with_channels_last(start: str, parsed: Parse, same_as_runtime: Compare) -> None:
    body = f"""{start} t1 = Transpose <perm = [0, 3, 1, 2]> (s) c = Conv(t1, w)
        t2 = Transpose <perm = [0, 2, 3, 1]> (c) f = Flatten(t2) y = MatMul(f, v)"""
    channels, rows = 6 if "Concat" in start else 3, 1 if "Slice" in start else 6
    weights = {"w": normal(2, channels, 1, 1), "v": normal(10 * rows, 2), "factor": normal(3), "one": [1], "two": [2]}
    read = same_as_runtime(parsed(body, "float[N,6,5,3] x", "float[N,2] y", weights=weights), batch=2)
    assert read.operators[0] == "Transpose"
    assert read.operators[-4:] == ["Conv", "Transpose", "Reshape", "Dense"]


def test_an_input_with_channels_last_is_added_behind_a_convolution(parsed: Parse, same_as_runtime: Compare) -> None:
    body = """
        t1 = Transpose <perm = [0, 3, 1, 2]> (x) c = Conv(t1, w) t2 = Transpose <perm = [0, 2, 3, 1]> (c)
        a = Add(t2, x) r = Relu(a) t3 = Transpose <perm = [0, 3, 1, 2]> (r) d = Conv(t3, u)
        g = GlobalAveragePool(d) p = Flatten(g) f = Flatten(x) m = MatMul(f, v) y = Add(p, m)
    """
    weights = {"w": normal(3, 3, 1, 1), "u": normal(2, 3, 3, 3), "v": normal(90, 2)}
    read = same_as_runtime(parsed(body, "float[N,6,5,3] x", "float[N,2] y", weights=weights), batch=2)
    assert read.operators.count("Transpose") == 1


def test_operators_on_a_one_dimensional_input_with_channels_last(parsed: Parse, same_as_runtime: Compare) -> None:
    body = """
        r = Relu(x) s = Add(r, x) u = Unsqueeze(s, one) t1 = Transpose <perm = [0, 3, 1, 2]> (u) c = Conv(t1, w)
        t2 = Transpose <perm = [0, 2, 3, 1]> (c) q = Squeeze(t2, one) y = ReduceMean <axes = [1], keepdims = 0> (q)
    """
    weights = {"one": [1], "w": normal(4, 2, 1, 3)}
    read = same_as_runtime(parsed(body, "float[N,9,2] x", "float[N,4] y", opset=13, weights=weights), batch=2)
    assert read.operators == ["Transpose", "Relu", "Add", "Reshape", "Conv", "AveragePool", "Reshape"]


@pytest.mark.parametrize("join", ["j = Add(x, t2)", "j = Concat <axis = 2> (x, t2)", "m = Mul(x, x3) j = Add(t2, m)"])
def test_a_one_dimensional_input_with_channels_last_meets_its_convolution(
    join: str, parsed: Parse, same_as_runtime: Compare
) -> None:
    body = f"""t1 = Transpose <perm = [0, 2, 1]> (x) c = Conv <auto_pad = "SAME_UPPER"> (t1, w)
        t2 = Transpose <perm = [0, 2, 1]> (c) {join} f = Flatten(j) y = MatMul(f, v)"""
    entries = 60 if "Concat" in join else 30
    weights = {"w": normal(3, 3, 3), "x3": normal(3), "v": normal(entries, 2)}
    read = same_as_runtime(parsed(body, "float[N,10,3] x", "float[N,2] y", weights=weights), batch=2)
    assert read.operators[:2] == ["Transpose", "Reshape"]
    assert "Add" in read.operators[read.operators.index("Conv") :]
