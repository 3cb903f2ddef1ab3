"""What is said of graphs that are often met, as a whole: message and hint have to be true of that graph."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx

from spikec.compiler.diagnostics import render_line
from spikec.compiler.frontend.reading import examine_onnx
from spikec.compiler.options import parse_input_shape
from spikec.targets.diagnostic import Diagnostic

Parse = Callable[..., bytes]
SQUARE = {name: np.ones((8, 8), np.float32) for name in "abc"}


def attention(parsed: Parse) -> bytes:
    body = """
        q = MatMul(x, a) k = MatMul(x, b) v = MatMul(x, c) t = Transpose <perm = [0, 2, 1]> (k)
        s = MatMul(q, t) p = Softmax(s) y = MatMul(p, v)
    """
    return parsed(body, "float[N,4,8] x", "float[N,4,8] y", weights=SQUARE)


def foreign(parsed: Parse, domain: str, operator: str) -> bytes:
    model = onnx.load_model_from_string(parsed("y = Relu(x)", "float[N,4] x", "float[N,4] y"))
    model.graph.node[0].op_type, model.graph.node[0].domain = operator, domain
    return bytes(model.SerializeToString())


def require_that_it_helps(model: bytes, finding: Diagnostic) -> None:
    """Do what the hint says, where it shows an option, and see the finding gone."""
    shown = re.search(r"--(input-shape|output-name) ([\w.-]+)", finding.hint or "")
    if shown is None:
        return
    option, value = shown.groups()
    helped = (
        examine_onnx(model, input_shape=parse_input_shape(value))
        if option == "input-shape"
        else examine_onnx(model, output=value)
    )
    assert finding not in helped.found
    assert "E007" not in {each.code for each in helped.found}


def test_what_is_said(parsed: Parse, golden: Any) -> None:
    flat = ("float[N,4] x", "float[N,M] y")
    graphs = {
        "attention": attention(parsed),
        "squeeze and excite": parsed("g = GlobalAveragePool(x) s = Sin(g) y = Mul(x, s)"),
        "swish": parsed("s = Sin(x) y = Mul(x, s)"),
        "sum of shapes that do not fit": parsed("p = AveragePool <kernel_shape = [2, 2]> (x) y = Add(x, p)"),
        "matrix across the batch": parsed("y = MatMul(a, x)", *flat, weights={"a": np.ones((8, 4))}),
        "softmax in the middle": parsed(
            "h = Relu(x) s = Softmax(h) y = Gemm(s, w)", *flat, weights={"w": np.ones((4, 2))}
        ),
        "best class": parsed("h = Relu(x) y = TopK(h)", *flat),
        "division by zero": parsed("y = Div(x, w)", *flat, weights={"w": np.array([1.0, 0.0, 2.0, 0.0])}),
        "infinite mask": parsed("y = Add(x, w)", *flat, weights={"w": np.array([0.0, -np.inf, 0.0, 0.0])}),
        "training mode": parsed(
            "y = BatchNormalization <training_mode = 1> (x, w, w, w, w)", *flat, weights={"w": np.ones(4)}
        ),
        "recurrent": parsed("y = LSTM(x, w, w)", "float[3,N,4] x", "float[3,N,4] y", weights={"w": np.ones((1, 4, 4))}),
        "layer norm": parsed("y = LayerNormalization(x, w)", *flat, weights={"w": np.ones(4)}),
        "tree ensemble": foreign(parsed, "ai.onnx.ml", "TreeEnsembleClassifier"),
        "classical": foreign(parsed, "ai.onnx.ml", "SVMClassifier"),
        "fused for onnxruntime": foreign(parsed, "com.microsoft", "BiasSoftmax"),
        "other domain": foreign(parsed, "com.example", "Frobnicate"),
        "no output": parsed("y = Relu(x)", *flat),
        "open size": parsed("y = Relu(x)", "float[N,3,H,W] x"),
        "no shape": parsed("y = Relu(x)", "float x"),
        "no batch": parsed("y = Relu(x)", "float[N] x"),
        "two inputs": parsed("y = Add(x, z)", "float[N,2] x, float[N,2] z", "float[N,2] y"),
        "no input": parsed("y = Identity(w)", *flat, weights={"w": np.ones((1, 4))}),
        "the input itself": parsed("y = Identity(x)", *flat),
        "newer opset": parsed("y = Relu(x)", *flat, opset=9999),
        "old opset": parsed("y = Relu(x)", *flat, opset=6),
        "one score": parsed("y = Gemm(x, w)", "float[N,4] x", "float[N,1] y", weights={"w": np.ones((4, 1))}),
    }
    headless = onnx.load_model_from_string(graphs["no output"])
    del headless.graph.output[:]
    graphs["no output"] = headless.SerializeToString()
    newest = str(onnx.defs.onnx_opset_version())
    lines = []
    for name, model in graphs.items():
        found = examine_onnx(model).found
        assert found, name
        for each in found:
            require_that_it_helps(model, each)
        lines += [name, *(f"    {render_line(each)}".replace(newest, "NEWEST") for each in found)]
    golden("lines.txt", "\n".join(lines) + "\n")
