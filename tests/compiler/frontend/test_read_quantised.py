"""Quantised files: what they compute is what the runtime does, to the last level, since scales are powers of two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest

from spikec.compiler.frontend.reading import read_onnx
from spikec.compiler.ir.network import evaluate

from .conftest import runtime_result

Compare = Callable[..., Any]
Parse = Callable[..., bytes]
Codes = Callable[..., list[Any]]

RNG = np.random.default_rng(21)


def integers(*shape: int, low: int = -100, high: int = 100, kind: type = np.int8) -> Any:
    return RNG.integers(low, high, shape).astype(kind)


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape).astype(np.float32)


def number(value: float) -> Any:
    return np.array(value, np.float32)


GRIDS: dict[str, Any] = {
    "xs": number(1 / 16),
    "xz": np.uint8(100),
    "ys": number(1 / 4),
    "yz": np.uint8(90),
    "ws": number(1 / 32),
    "wz": np.int8(0),
    "as": number(1 / 8),
    "az": np.uint8(3),
}

OPERATORS: dict[str, tuple[str, dict[str, Any]]] = {
    "convolution": (
        "q = QLinearConv <pads = [1, 1, 1, 1]> (x, xs, xz, w, ws, wz, ys, yz, b)",
        {"w": integers(4, 3, 3, 3), "b": integers(4, low=-500, high=500, kind=np.int32)},
    ),
    "convolution per channel": (
        "q = QLinearConv <group = 3> (x, xs, xz, w, s, z, ys, yz)",
        {
            "w": integers(3, 1, 2, 3),
            "s": np.array([0.25, 0.125, 0.5], np.float32),
            "z": np.zeros(3, np.int8),
        },
    ),
    "product": ("q = QLinearMatMul(x, xs, xz, w, ws, wz, ys, yz)", {"w": integers(6, 2)}),
    "product per column": (
        "f = Flatten(x) q = QLinearMatMul(f, xs, xz, w, s, z, ys, yz)",
        {
            "w": integers(108, 2, low=-9, high=9),
            "s": np.array([0.25, 0.125], np.float32),
            "z": np.array([0, 0], np.int8),
        },
    ),
    "sum": ("q = com.microsoft.QLinearAdd(x, xs, xz, x, as, az, ys, yz)", {}),
    "sum with a constant": (
        "q = com.microsoft.QLinearAdd(x, xs, xz, w, as, az, ys, yz)",
        {"w": integers(3, 1, 1, low=0, kind=np.uint8)},
    ),
    "factor": (
        "q = com.microsoft.QLinearMul(x, xs, xz, w, as, az, ys, yz)",
        {"w": integers(3, 1, 1, low=0, kind=np.uint8)},
    ),
    "global mean": ("q = com.microsoft.QLinearGlobalAveragePool <channels_last = 0> (x, xs, xz, ys, yz)", {}),
    "mean": ("q = com.microsoft.QLinearAveragePool <kernel_shape = [2, 2]> (x, xs, xz, ys, yz)", {}),
    "concatenation": ("q = com.microsoft.QLinearConcat <axis = 1> (ys, yz, x, xs, xz, x, as, az)", {}),
    "dense": (
        "f = Flatten(x) q = com.microsoft.QGemm <transB = 1, alpha = 0.5> (f, xs, xz, w, ws, wz, b, ys, yz)",
        {"w": integers(2, 108, low=-9, high=9), "b": integers(2, low=-500, high=500, kind=np.int32)},
    ),
}


def with_domain(model: bytes, *domains: str) -> bytes:
    """The model with other domains that its nodes may be of."""
    proto = onnx.load_model_from_string(model)
    proto.opset_import.extend(onnx.helper.make_opsetid(domain, 1) for domain in domains)
    return bytes(proto.SerializeToString())


@pytest.mark.parametrize("case", OPERATORS)
def test_operators_on_integers(parsed: Parse, case: str) -> None:
    body, weights = OPERATORS[case]
    body = f"x = QuantizeLinear(u, xs, xz) {body} y = DequantizeLinear(q, ys, yz)"
    model = with_domain(parsed(body, "float[N,3,6,6] u", weights={**GRIDS, **weights}), "com.microsoft")
    network, remarks = read_onnx(model)
    assert {remark.code for remark in remarks} <= {"I016"}
    samples = RNG.normal(0.3, 2, (2, *network.input_shape)).astype(np.float32)
    found = evaluate(network, samples)[network.output]
    expected = runtime_result(model, samples, None).reshape(found.shape)
    # Runtimes round in integers where it comes to a tie; nearly all entries are no ties.
    assert np.abs(found - expected).max() <= 0.25
    assert (found == expected).mean() > 0.97
    assert np.unique(expected).size > 1


@pytest.mark.parametrize(
    ("body", "weights"),
    [
        (
            "c = ConvInteger <pads = [1, 0, 0, 1]> (x, w, xz, az)",
            {"w": integers(4, 3, 3, 3, low=0, kind=np.uint8)},
        ),
        ("c = MatMulInteger(x, w, xz, wz)", {"w": integers(6, 2)}),
    ],
)
def test_products_of_integers_cast_to_float(
    parsed: Parse, same_as_runtime: Compare, body: str, weights: dict[str, Any]
) -> None:
    whole = f"x = QuantizeLinear(u, xs, xz) {body} f = Cast <to = 1> (c) y = Mul(f, ws)"
    read = same_as_runtime(parsed(whole, "float[N,3,6,6] u", weights={**GRIDS, **weights}), batch=2)
    assert "Conv" in read.operators


FUSED = {
    "plain": ("", ""),
    "rectified": ('activation = "Relu"', ""),
    "clipped": ('activation = "Clip", activation_params = [-0.5, 1.0]', ""),
    "with a sum": ('activation = "Relu"', ", b, z"),
}


@pytest.mark.parametrize("case", FUSED)
def test_fused_convolutions(parsed: Parse, same_as_runtime: Compare, case: str) -> None:
    attributes, more = FUSED[case]
    body = f"z = Conv(x, v) y = com.microsoft.FusedConv <{attributes}> (x, w{more})".replace("<>", "")
    weights = {"w": normal(5, 3, 3), "v": normal(5, 3, 3), "b": normal(5)}
    same_as_runtime(with_domain(parsed(body, "float[N,3,9] x", weights=weights), "com.microsoft"), batch=2)


def test_fused_dense_layer(parsed: Parse, same_as_runtime: Compare) -> None:
    body = 'y = com.microsoft.FusedGemm <transB = 1, activation = "Relu"> (x, w, b)'
    model = parsed(body, "float[N,5] x", "float[N,4] y", weights={"w": normal(4, 5), "b": normal(4)})
    read = same_as_runtime(with_domain(model, "com.microsoft"), batch=2)
    assert read.operators == ["Dense", "Relu"]


@pytest.mark.parametrize("attributes", ["", "transB = 1, alpha = 0.5", "transA = 1"])
def test_fused_products(parsed: Parse, same_as_runtime: Compare, attributes: str) -> None:
    body = f"y = com.microsoft.FusedMatMul <{attributes}> (x, w)".replace("<>", "")
    weights = {"w": normal(5, 5)}
    model = parsed(body, "float[N,5,5] x", "float[N,A,B] y", weights=weights)
    same_as_runtime(with_domain(model, "com.microsoft"), batch=2)


@pytest.mark.parametrize("zero", [False, True])
def test_matrices_of_four_bits_in_blocks(parsed: Parse, same_as_runtime: Compare, zero: bool) -> None:
    """Five columns of 40 entries: two blocks of 32, the second one not full."""
    weights: dict[str, Any] = {
        "w": integers(5, 2, 16, low=0, high=256, kind=np.uint8),
        "s": np.abs(normal(10)) / 10,
        "z": integers(5, low=0, high=256, kind=np.uint8),
    }
    more = ", z" if zero else ""
    body = f"y = com.microsoft.MatMulNBits <K = 40, N = 5, bits = 4, block_size = 32> (x, w, s{more})"
    model = parsed(body, "float[N,40] x", "float[N,5] y", weights=weights)
    read = same_as_runtime(with_domain(model, "com.microsoft"), batch=2)
    assert read.operators == ["Dense"]


WEIGHTS: dict[str, tuple[str, dict[str, Any], int]] = {
    "one scale": ("q = QuantizeLinear(w, s) d = DequantizeLinear(q, s)", {"s": number(0.02)}, 17),
    "of a channel": (
        "q = QuantizeLinear <axis = 0> (w, s, z) d = DequantizeLinear <axis = 0> (q, s, z)",
        {"s": np.array([0.02, 0.01, 0.03, 0.04], np.float32), "z": np.zeros(4, np.int8)},
        17,
    ),
    "clipped to fewer bits": (
        "q = QuantizeLinear(w, s, z) c = Clip(q, low, high) d = DequantizeLinear(c, s, z)",
        {"s": number(0.1), "z": np.int8(0), "low": np.int8(-7), "high": np.int8(7)},
        17,
    ),
    "of four bits": (
        "q = QuantizeLinear <output_dtype = 22> (w, s) d = DequantizeLinear(q, s)",
        {"s": number(0.2)},
        21,
    ),
    "of four bits with a zero point": (
        "q = QuantizeLinear(w, s, z) d = DequantizeLinear(q, s, z)",
        {"s": number(0.2), "z": np.array(5).astype(ml_dtypes.uint4)},
        21,
    ),
    "of blocks": (
        "q = QuantizeLinear <axis = 1, block_size = 3, output_dtype = 5> (w, s) "
        "d = DequantizeLinear <axis = 1, block_size = 3> (q, s)",
        {"s": np.linspace(0.01, 0.1, 8).astype(np.float32).reshape(4, 2)},
        21,
    ),
}


@pytest.mark.parametrize("case", WEIGHTS)
def test_weights_are_quantised_while_reading(parsed: Parse, same_as_runtime: Compare, case: str) -> None:
    body, tensors, opset = WEIGHTS[case]
    model = parsed(
        f"{body} y = Gemm <transB = 1> (x, d)",
        "float[N,6] x",
        "float[N,4] y",
        opset=opset,
        weights={"w": normal(4, 6), **tensors},
    )
    read = same_as_runtime(model, batch=2)
    assert read.operators == ["Dense"]


def quantised(x: Any, scale: Any, zero: float, low: float, high: float, rounding: Callable[[Any], Any]) -> Any:
    """Quant as the QONNX standard states it."""
    return (np.clip(rounding(x / scale + zero), low, high) - zero) * scale


ROUNDINGS: dict[str, Callable[[Any], Any]] = {
    "ROUND": np.rint,
    "FLOOR": np.floor,
    "CEIL": np.ceil,
    "ROUND_TO_ZERO": np.trunc,
    "HALF_UP": lambda x: np.floor(x + 0.5),
    "HALF_DOWN": lambda x: np.ceil(x - 0.5),
}
DOMAINS = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")


def quant_model(parsed: Parse, attributes: str, weights: dict[str, Any], domain: str = DOMAINS[0]) -> bytes:
    body = f"y = {domain}.Quant <{attributes}> (x, s, z, b)"
    return with_domain(parsed(body, weights=weights), domain)


@pytest.mark.parametrize("mode", ROUNDINGS)
@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("narrow", [0, 1])
def test_quant_of_activations(parsed: Parse, mode: str, signed: int, narrow: int) -> None:
    scale = np.array([0.25, 0.5, 0.125], np.float32).reshape(1, 3, 1, 1)
    attributes = f'signed = {signed}, narrow = {narrow}, rounding_mode = "{mode}"'
    weights = {"s": scale, "z": number(0), "b": number(3)}
    domain = DOMAINS[narrow + signed]
    network, _ = read_onnx(quant_model(parsed, attributes, weights, domain))
    samples = RNG.normal(0.3, 1, (2, 3, 6, 6))
    low, high = (-4.0 + narrow, 3.0) if signed else (0.0, 7.0 - narrow)
    expected = quantised(samples, scale, 0, low, high, ROUNDINGS[mode])
    np.testing.assert_allclose(evaluate(network, samples)[network.output], expected, atol=1e-12)


def test_quant_of_weights_is_computed_while_reading(parsed: Parse) -> None:
    domain = DOMAINS[0]
    body = f"""
        q = {domain}.Quant <signed = 1, narrow = 1> (w, s, z, b) h = {domain}.BipolarQuant(v, s)
        c = Conv(x, q) y = Conv(c, h)
    """
    w, v = normal(4, 3, 3, 3), normal(2, 4, 1, 1)
    weights = {"w": w, "v": v, "s": number(0.25), "z": number(0), "b": number(4)}
    network, _ = read_onnx(with_domain(parsed(body, weights=weights), domain))
    first, second = (node.operator for node in network.nodes)
    np.testing.assert_array_equal(first.weight, quantised(w, 0.25, 0, -7, 7, np.rint))  # type: ignore[attr-defined]
    np.testing.assert_array_equal(second.weight, np.where(v >= 0, 0.25, -0.25))  # type: ignore[attr-defined]


def test_bipolar_activation(parsed: Parse) -> None:
    model = with_domain(parsed("y = onnx.brevitas.BipolarQuant(x, s)", weights={"s": number(0.5)}), "onnx.brevitas")
    network, _ = read_onnx(model)
    samples = np.concatenate([RNG.normal(size=(1, 3, 6, 6)), np.zeros((1, 3, 6, 6))])
    np.testing.assert_array_equal(evaluate(network, samples)[network.output], np.where(samples >= 0, 0.5, -0.5))


def test_truncated_mean_is_a_quantiser(parsed: Parse, levels_agree: Callable[..., None]) -> None:
    domain = DOMAINS[0]
    body = f"""
        r = Relu(x) q = {domain}.Quant <signed = 0> (r, s, z, b) p = AveragePool <kernel_shape = [2, 2]> (q)
        m = Mul(p, four) y = {domain}.Trunc(m, s, z, c, b)
    """
    weights = {"s": number(0.125), "z": number(0), "b": number(4), "c": number(6), "four": number(4)}
    network, _ = read_onnx(with_domain(parsed(body, weights=weights), domain))
    samples = RNG.normal(0.3, 1, (2, 3, 6, 6))
    codes = np.clip(np.rint(np.maximum(samples, 0) / 0.125), 0, 15)
    summed = sum(codes[:, :, i : i + 5, j : j + 5] for i in (0, 1) for j in (0, 1))
    expected = np.floor(summed / 4) * 0.125
    np.testing.assert_allclose(evaluate(network, samples)[network.output], expected)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_thresholds_with_even_steps_are_levels(parsed: Parse, layout: str) -> None:
    first, step = np.array([0.1, -0.3, 0.2]), np.array([0.25, 0.5, 0.1])
    thresholds = (first[:, None] + step[:, None] * np.arange(7)).astype(np.float32)
    body = (
        f'y = finn.custom_op.general.MultiThreshold <out_scale = 0.5, out_bias = -1.0, data_layout = "{layout}"> (x, t)'
    )
    inputs = "float[N,3,6,6] x" if layout == "NCHW" else "float[N,6,6,3] x"
    network, _ = read_onnx(with_domain(parsed(body, inputs, weights={"t": thresholds}), DOMAINS[2]))
    samples = RNG.normal(0.3, 1, (2, *network.input_shape))
    shaped = thresholds.reshape(3, 1, 1, 7) if layout == "NCHW" else thresholds
    expected = 0.5 * (samples[..., None] >= shaped).sum(axis=-1) - 1.0
    np.testing.assert_allclose(evaluate(network, samples)[network.output], expected)


def test_uneven_thresholds_are_refused_with_their_steps(parsed: Parse, problems: Codes) -> None:
    body = "y = finn.custom_op.general.MultiThreshold(x, t)"
    thresholds = np.array([[0, 1, 2], [0, 1, 2], [0.0, 0.5, 2.0]])
    (problem,) = problems(with_domain(parsed(body, weights={"t": thresholds}), DOMAINS[2]))
    assert problem.code == "E106"
    assert "0.5 to 1.5" in problem.message
    assert "channel 2" in problem.message


@pytest.mark.parametrize(
    ("code", "body", "weights"),
    [
        ("E102", 'y = onnx.brevitas.Quant <rounding_mode = "UP"> (x, s, z, b)', {"b": number(4)}),
        ("E102", "y = onnx.brevitas.Quant (x, s, z, b)", {"b": np.array([4.0, 3.0])}),
        ("E005", "y = onnx.brevitas.Quant (x, s, z, b)", {"b": number(0)}),
        ("E111", "y = onnx.brevitas.Quant (x, z, z, b)", {"b": number(4)}),
        ("E103", "y = onnx.brevitas.Quant (x, x, z, b)", {"b": number(4)}),
        ("E102", "y = onnx.brevitas.Trunc (x, s, z, b, c)", {"b": number(4), "c": number(8)}),
        ("E005", "y = onnx.brevitas.MultiThreshold (x, s)", {}),
        ("E102", 'y = com.microsoft.FusedConv <activation = "Sin"> (x, w)', {"w": np.ones((2, 3, 3, 3))}),
        ("E012", "y = com.microsoft.MatMulNBits <K = 9, N = 2, block_size = 32> (x, w, s)", {"w": np.ones((2, 3))}),
        (
            "E012",
            "y = com.microsoft.MatMulNBits <K = 6, N = 1, block_size = 32> (x, w, t)",
            {"w": np.ones((1, 1, 16), np.uint8), "t": np.ones(3)},
        ),
        ("E102", "y = com.microsoft.FusedMatMul <transBatchA = 1> (x, w)", {"w": np.ones((6, 2))}),
        ("E102", "q = QuantizeLinear <output_dtype = 17> (x, s) y = DequantizeLinear(q, s)", {}),
        ("E102", "y = QuantizeLinear <block_size = 2> (x, t)", {"t": np.ones((1, 3, 6, 3), np.float32)}),
    ],
)
def test_forms_that_are_refused(parsed: Parse, problems: Codes, code: str, body: str, weights: dict[str, Any]) -> None:
    model = parsed(body, weights={"s": number(0.5), "z": number(0), **weights}, opset=21)
    found = problems(with_domain(model, "onnx.brevitas", "com.microsoft"))
    assert code in {problem.code for problem in found}


def test_scales_taken_from_each_sample_are_refused_with_what_to_do(parsed: Parse, problems: Codes) -> None:
    body = "q, s, z = DynamicQuantizeLinear(x) y = DequantizeLinear(q, s, z)"
    (problem, *_) = problems(parsed(body))
    assert problem.code == "E101"
    assert "statically" in problem.hint
