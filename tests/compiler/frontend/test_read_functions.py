"""Functions of one number: every spelling is read as what onnxruntime computes, products of two signals are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest

Parse = Callable[..., bytes]
Compare = Callable[..., Any]

SPREAD = np.random.default_rng(0).normal(size=(8, 3, 4, 4)).astype(np.float32) * 3
WEIGHTS = {
    "w": np.random.default_rng(1).normal(size=(3, 3, 1, 1)),
    "slopes": np.array([[[0.1]], [[-0.5]], [[2.0]]]),
    "slope": np.float32(0.3),
    "two": np.float32(2),
    "three": np.float32(3),
    "six": np.float32(6),
    "zero": np.float32(0),
    "one": np.float32(1),
    "half": np.float32(0.5),
    "root": np.float32(np.sqrt(2)),
    "small": np.float32(0.044715),
    "factor": np.float32(np.sqrt(2 / np.pi)),
}
ONE_OPERATOR = {
    "Sigmoid(c)": "Curve",
    "Tanh(c)": "Curve",
    "Softplus(c)": "Curve",
    "Softsign(c)": "Curve",
    "Erf(c)": "Curve",
    "Exp(c)": "Curve",
    "Elu(c)": "Curve",
    "Elu <alpha = 0.5> (c)": "Curve",
    "Selu(c)": "Curve",
    "Celu <alpha = 2.0> (c)": "Curve",
    "HardSwish(c)": "Curve",
    "Mish(c)": "Curve",
    "Sign(c)": "Curve",
    "ThresholdedRelu <alpha = 0.5> (c)": "Curve",
    "Pow(c, two)": "Curve",
    "Pow(c, three)": "Curve",
    "LeakyRelu(c)": "LeakyRelu",
    "LeakyRelu <alpha = 0.3> (c)": "LeakyRelu",
    "PRelu(c, slopes)": "LeakyRelu",
    "PRelu(c, slope)": "LeakyRelu",
    "Abs(c)": "LeakyRelu",
}
SPELLINGS = {
    "swish": "s = Sigmoid(c) r = Mul(c, s)",
    "swish by exp": "n = Neg(c) e = Exp(n) d = Add(e, one) r = Div(c, d)",
    "hard swish": "s = HardSigmoid <alpha = 0.16666667> (c) r = Mul(s, c)",
    "hard swish by clip": "p = Add(c, three) q = Clip(p, zero, six) m = Mul(c, q) r = Div(m, six)",
    "hard swish divided first": "p = Add(c, three) q = Clip(p, zero, six) m = Div(q, six) r = Mul(c, m)",
    "gelu": "d = Div(c, root) e = Erf(d) p = Add(e, one) m = Mul(c, p) r = Mul(m, half)",
    "gelu halved first": "h = Mul(c, half) d = Div(c, root) e = Erf(d) p = Add(e, one) r = Mul(h, p)",
    "gelu by tanh": "a = Pow(c, three) b = Mul(a, small) d = Add(c, b) e = Mul(d, factor) t = Tanh(e) "
    "p = Add(t, one) m = Mul(c, p) r = Mul(half, m)",
    "gelu by tanh, cube as products": "z = Mul(c, c) a = Mul(z, c) b = Mul(a, small) d = Add(c, b) e = Mul(d, factor) "
    "t = Tanh(e) p = Add(t, one) h = Mul(c, half) r = Mul(h, p)",
    "mish": "s = Softplus(c) t = Tanh(s) r = Mul(c, t)",
    "softsign": "b = Abs(c) d = Add(b, one) r = Div(c, d)",
    "square": "r = Mul(c, c)",
}


@pytest.mark.parametrize("function", ONE_OPERATOR)
def test_functions(parsed: Parse, same_as_runtime: Compare, function: str) -> None:
    body = f"c = Conv(x, w) r = {function} y = Conv(r, w)"
    opset = 18 if "Mish" in function else 17
    read = same_as_runtime(parsed(body, weights=WEIGHTS, opset=opset, inputs="float[N,3,4,4] x"), samples=SPREAD)
    assert read.operators == ["Conv", ONE_OPERATOR[function], "Conv"]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_spellings_are_one_function(parsed: Parse, same_as_runtime: Compare, spelling: str) -> None:
    body = f"c = Conv(x, w) {SPELLINGS[spelling]} y = Conv(r, w)"
    read = same_as_runtime(parsed(body, weights=WEIGHTS, inputs="float[N,3,4,4] x"), samples=SPREAD)
    assert [name for name in read.operators if name != "Scale"] == ["Conv", "Composite", "Conv"]


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_as_one_operator(parsed: Parse, same_as_runtime: Compare, approximate: str) -> None:
    body = f'c = Conv(x, w) r = Gelu <approximate = "{approximate}"> (c) y = Conv(r, w)'
    read = same_as_runtime(parsed(body, weights=WEIGHTS, opset=20, inputs="float[N,3,4,4] x"), samples=SPREAD)
    assert read.operators == ["Conv", "Curve", "Conv"]


def test_a_first_power_is_nothing(parsed: Parse, same_as_runtime: Compare) -> None:
    assert same_as_runtime(parsed("c = Conv(x, w) y = Pow(c, one)", weights=WEIGHTS)).operators == ["Conv"]


def test_slopes_follow_the_layout(parsed: Parse, same_as_runtime: Compare) -> None:
    """Channels last: the slopes per channel move with their axis."""
    body = "t = Transpose <perm = [0, 3, 1, 2]> (x) c = Conv(t, w) b = Transpose <perm = [0, 2, 3, 1]> (c) "
    body += "r = PRelu(b, last) u = Transpose <perm = [0, 3, 1, 2]> (r) v = Conv(u, w) y = Flatten(v)"
    weights = {**WEIGHTS, "last": np.array([0.1, -0.5, 2.0])}
    read = same_as_runtime(parsed(body, "float[N,4,4,3] x", "float[N,M] y", weights=weights), batch=3)
    assert "LeakyRelu" in read.operators


@pytest.mark.parametrize("call", ["Gelu(c)", "BiasGelu(f, bias)", "FastGelu(c)", "FastGelu(f, bias)", "QuickGelu(c)"])
def test_operators_of_onnxruntime(parsed: Parse, same_as_runtime: Compare, call: str) -> None:
    body = f"c = Conv(x, w) f = Flatten(c) r = com.microsoft.{call} s = Flatten(r) y = MatMul(s, square)"
    weights = {**WEIGHTS, "bias": np.linspace(-1, 1, 48), "square": np.random.default_rng(2).normal(size=(48, 3))}
    proto = onnx.load_model_from_string(
        parsed(body, outputs="float[N,M] y", inputs="float[N,3,4,4] x", weights=weights)
    )
    proto.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))
    read = same_as_runtime(proto.SerializeToString(), samples=SPREAD)
    assert read.operators.count("Curve") == 1
