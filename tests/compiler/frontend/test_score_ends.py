"""What ends a network and keeps the order of the scores is left out, and nothing that changes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from spikec.compiler.frontend.reading import read_onnx
from spikec.compiler.ir.network import evaluate

from .conftest import runtime_result

Parse = Callable[..., bytes]
FLAT = ("float[N,6] x", "float[N,M] y")
WEIGHTS = {
    "w": np.random.default_rng(0).normal(size=(6, 4)),
    "one": np.random.default_rng(1).normal(size=(6, 1)),
    "half": np.float32(0.5),
    "minus": np.float32(-2),
    "uneven": np.array([1.0, 2.0, 3.0, 4.0]),
    "s": np.float32(0.1),
    "z": np.int8(3),
    "u": np.uint8(0),
    "low": np.float32(-1),
    "shape": [-1, 2, 2],
    "axes": [2],
}
ENDS = {
    "Sigmoid(g)": ["I014"],
    "Tanh(g)": ["I014"],
    "Softplus(g)": ["I014"],
    "Softsign(g)": ["I014"],
    "HardSigmoid(g)": ["I015"],
    "Softmax(g)": ["I013"],
    "LogSoftmax(g)": ["I013"],
    "Sigmoid(g) y = Mul(a, half)": ["I014"],
    "Sigmoid(g) y = Mul(a, minus)": ["I014"],
    "Sigmoid(g) b = Neg(a) y = Add(b, half)": ["I014"],
    "Neg(g) b = Exp(a) c = Add(b, half) d = Neg(c) y = Tanh(d)": ["I014"],
    "Softmax(g) b = QuantizeLinear(a, s, u) y = DequantizeLinear(b, s, u)": ["I013", "I015"],
    "HardSigmoid(g) b = QuantizeLinear(a, s, z) y = DequantizeLinear(b, s, z)": ["I015"],
    "Sigmoid(g) b = Reshape(a, shape) y = Mul(b, half)": ["I014"],
    "Softmax(g) b = Unsqueeze(a, axes) y = Identity(b)": ["I013"],
    "Softplus(g) y = Neg(a)": ["I014"],
    "Sigmoid(g) y = Log(a)": ["I014"],
}


def scores_of(model: bytes, count: int = 40) -> tuple[Any, Any, list[str]]:
    network, remarks = read_onnx(model)
    samples = np.random.default_rng(2).normal(size=(count, *network.input_shape)).astype(np.float32)
    found = evaluate(network, samples)[network.output].reshape(count, -1)
    codes = [d.code for d in remarks if d.code in ("I013", "I014", "I015", "W032")]
    return found, runtime_result(model, samples, None).reshape(count, -1), codes


OF_ONE_SCORE = [end for end in ENDS if "Softmax" not in end and "shape" not in end]


@pytest.mark.parametrize(("end", "head"), [*((end, "w") for end in ENDS), *((end, "one") for end in OF_ONE_SCORE)])
def test_no_score_overtakes_another(parsed: Parse, end: str, head: str) -> None:
    last = "" if "y =" in end else " y = Identity(a)"
    found, expected, codes = scores_of(parsed(f"g = MatMul(x, {head}) a = {end}{last}", *FLAT, weights=WEIGHTS))
    assert codes == ENDS[end]
    # All pairs within a sample and, where each score is a number by itself, over the samples of one score.
    if head == "one":
        found, expected = found.reshape(1, -1), expected.reshape(1, -1)
    for mine, theirs in zip(found, expected, strict=True):
        order = np.argsort(mine, kind="stable")
        assert (np.diff(theirs[order]) >= -1e-6).all()
    assert np.ptp(expected) > 0


def test_the_best_class_stays(parsed: Parse) -> None:
    for keep in (0, 1):
        body = f"g = MatMul(x, w) p = Softmax(g) a = ArgMax <axis = 1, keepdims = {keep}> (p) y = Cast <to = 7> (a)"
        found, expected, codes = scores_of(parsed(body, FLAT[0], "int64[N] y", weights=WEIGHTS))
        assert codes == ["I013", "I014"]
        np.testing.assert_array_equal(found.argmax(axis=1), expected.ravel())


@pytest.mark.parametrize(
    "end",
    [
        "Sigmoid(g) y = Mul(a, uneven)",
        "Sigmoid(g) y = Add(a, uneven)",
        "Sigmoid(g) y = MatMul(a, square)",
        "Relu(g) y = Identity(a)",
        "Clip(g, low) y = Identity(a)",
        "QuantizeLinear(g, s, u) y = DequantizeLinear(a, s, u)",
        "QuantizeLinear(g, s, z) y = DequantizeLinear(a, s, z)",
        "Mul(g, half) y = Identity(a)",
        "Sigmoid(g) y = Add(a, g)",
    ],
)
def test_nothing_else_is_left_out(parsed: Parse, end: str) -> None:
    weights = {**WEIGHTS, "square": np.random.default_rng(3).normal(size=(4, 4))}
    found, expected, codes = scores_of(parsed(f"g = MatMul(x, w) a = {end}", *FLAT, weights=weights))
    assert codes == []
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_heads_side_by_side_keep_their_own_order(parsed: Parse) -> None:
    body = "g = MatMul(x, w) h = MatMul(x, v) p = Softmax(g) q = Softmax(h) y = Concat <axis = 1> (p, q)"
    weights = {**WEIGHTS, "v": np.random.default_rng(3).normal(size=(6, 3))}
    found, expected, codes = scores_of(parsed(body, *FLAT, weights=weights))
    assert codes == ["W032", "I013", "I013"]
    for part in (slice(0, 4), slice(4, 7)):
        np.testing.assert_array_equal(found[:, part].argsort(axis=1), expected[:, part].argsort(axis=1))


def test_features_side_by_side_are_no_heads(parsed: Parse) -> None:
    body = "g = MatMul(x, w) h = MatMul(x, v) a = QuantizeLinear(g, s, z) b = DequantizeLinear(a, s, z) "
    weights = {**WEIGHTS, "v": np.random.default_rng(3).normal(size=(6, 3))}
    for other in ("h", "q"):
        joined = f"{body} q = Sigmoid(h) y = Concat <axis = 1> (b, {other})"
        found, expected, codes = scores_of(parsed(joined, *FLAT, weights=weights))
        assert codes == []
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_one_function_on_all_heads_keeps_the_order_over_them(parsed: Parse) -> None:
    body = "g = MatMul(x, w) h = MatMul(x, v) p = Sigmoid(g) q = Sigmoid(h) y = Concat <axis = 1> (p, q)"
    weights = {**WEIGHTS, "v": np.random.default_rng(3).normal(size=(6, 3))}
    found, expected, codes = scores_of(parsed(body, *FLAT, weights=weights))
    assert codes == ["I014"]
    np.testing.assert_array_equal(found.argsort(axis=1), expected.argsort(axis=1))


def test_of_one_logit_it_is_said_what_zero_was(parsed: Parse) -> None:
    _, remarks = read_onnx(parsed("g = MatMul(x, one) a = HardSigmoid(g) y = Neg(a)", *FLAT, weights=WEIGHTS))
    note = next(d for d in remarks if d.code == "I015")
    assert note.place.nodes == ("a", "y")
    assert "a score of 0 is what was -0.5" in note.message


def test_a_softmax_of_one_score_is_refused(parsed: Parse, problems: Callable[..., Any]) -> None:
    for operator in ("Softmax(g)", "ArgMax <axis = 1> (g)"):
        (problem,) = problems(parsed(f"g = MatMul(x, one) y = {operator}", *FLAT, weights=WEIGHTS))
        assert problem.code == "E102"
        assert "same for every sample" in problem.message


def test_an_end_that_reads_the_input_itself(parsed: Parse) -> None:
    network, _ = read_onnx(parsed("s = Sigmoid(x) y = Neg(s)", "float[N,4] x", "float[N,4] y"))
    assert [type(node.operator).__name__ for node in network.nodes] == ["Scale"]
