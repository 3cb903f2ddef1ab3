"""Models of operator sets 7 to 10 go through onnx's version converter, in a process of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest

from spikec.compiler.frontend import opset_conversion

Parse = Callable[..., bytes]
Codes = Callable[..., list[Any]]


def old_model(parsed: Parse, opset: int) -> bytes:
    """Attributes, not inputs, hold what newer operator sets moved: bounds of Clip, amounts of Pad."""
    body = """
        p = Pad <mode = "constant", pads = [0, 0, 1, 1, 0, 0, 1, 1], value = 0.0> (x)
        c = Conv(p, w, b) n = BatchNormalization(c, s, o, m, v) k = Clip <min = 0.0, max = 1.0> (n)
        a = AveragePool <kernel_shape = [2, 2], strides = [2, 2]> (k) d = Dropout <ratio = 0.5> (a)
        f = Flatten(d) y = Gemm(f, g, h)
    """
    random = np.random.default_rng(opset)
    weights = {
        "w": random.normal(size=(40, 3, 3, 3)),
        "b": random.normal(size=40),
        **{name: random.uniform(0.5, 1, 40) for name in "somv"},
        "g": random.normal(size=(360, 4)),
        "h": random.normal(size=4),
    }
    return parsed(body, outputs="float[N,M] y", opset=opset, weights=weights)


@pytest.mark.parametrize("opset", [7, 8, 9, 10])
def test_old_models_give_what_onnxruntime_gives(parsed: Parse, same_as_runtime: Any, opset: int) -> None:
    read = same_as_runtime(old_model(parsed, opset), batch=2)
    (remark,) = read.remarks
    assert (remark.code, remark.measured) == ("I020", opset)


@pytest.mark.parametrize(
    ("opset", "body"),
    [
        (7, "y = Upsample <scales = [1.0, 1.0, 1.5, 2.5]> (x)"),
        (8, 'y = Upsample <mode = "linear", scales = [1.0, 1.0, 2.0, 3.0]> (x)'),
        (9, 'y = Upsample <mode = "linear"> (x, s)'),
        (10, 'y = Resize <mode = "linear"> (x, s)'),
        (10, "y = Resize(x, s)"),
    ],
)
def test_old_resizing_keeps_the_places_it_had(parsed: Parse, same_as_runtime: Any, opset: int, body: str) -> None:
    weights = {"s": np.array([1, 1, 1.5, 2.5])} if "s)" in body else {}
    same_as_runtime(parsed(body, opset=opset, weights=weights), batch=2)


def test_problems_of_a_converted_model_are_told(parsed: Parse, problems: Codes) -> None:
    found = problems(parsed("a = Sin(x) y = Cos(a)", opset=9))
    assert [(p.code, p.place.nodes) for p in found] == [("E101", ("a",)), ("E101", ("y",)), ("I020", ())]


def test_a_model_that_the_converter_refuses(parsed: Parse, problems: Codes) -> None:
    model = onnx.load_model_from_string(parsed("a = Sin(x) y = Relu(a)", opset=9))
    model.graph.node[1].op_type = "NoSuchOperator"
    opset_problem, *rest = (p for p in problems(model.SerializeToString()))
    assert opset_problem.code == "E009"
    assert "onnx's version converter fails on it" in opset_problem.message
    assert {p.place.nodes for p in rest} == {("a",), ("y",)}


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (subprocess.CompletedProcess([], -11, b"", b""), "it crashed (exit code -11)"),
        (subprocess.CompletedProcess([], 1, b"", b"Traceback\nRuntimeError: no adapter\n"), "no adapter"),
        (subprocess.CompletedProcess([], 0, b"\xff\xff", b""), "its result is damaged"),
        (subprocess.TimeoutExpired([], 60), "it was stopped after 60 s"),
        (OSError(8, "Exec format error"), "it cannot be started: Exec format error"),
    ],
)
def test_whatever_the_converter_does_is_told(
    parsed: Parse, problems: Codes, monkeypatch: pytest.MonkeyPatch, outcome: Any, said: str
) -> None:
    def run(*_: Any, **__: Any) -> Any:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(subprocess, "run", run)
    (problem,) = problems(old_model(parsed, 9))
    assert (problem.code, problem.measured, problem.limit) == ("E009", 9, 11)
    assert problem.message.endswith(said)


def test_large_weights_are_not_sent_through_the_converter(parsed: Parse, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    run = subprocess.run

    def counting(*arguments: Any, **named: Any) -> Any:
        sent.append(len(named["input"]))
        return run(*arguments, **named)

    monkeypatch.setattr(subprocess, "run", counting)
    weights = {"w": np.zeros((1, 3, 100, 100))}
    model = onnx.load_model_from_string(parsed("y = Add(x, w)", "float[N,3,100,100] x", opset=9, weights=weights))
    converted = opset_conversion.converted(model, 11)
    assert sent[0] < 1000
    assert [(len(t.raw_data), t.name) for t in converted.graph.initializer] == [(120_000, "w")]


def test_a_model_without_standard_operators_has_no_wrong_opset(problems: Codes) -> None:
    tensor = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("TreeEnsembleClassifier", ["x"], ["label", "y"], name="trees", domain="ai.onnx.ml")],
        "g",
        [tensor("x", onnx.TensorProto.FLOAT, ["N", 4])],
        [tensor("label", onnx.TensorProto.INT64, ["N"]), tensor("y", onnx.TensorProto.FLOAT, ["N", 2])],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("ai.onnx.ml", 3)])
    found = problems(model.SerializeToString())
    assert [p.code for p in found] == ["E101", "W007"] or [p.code for p in found] == ["W007", "E101"]
    assert "a tree ensemble is no neural network" in next(p.hint for p in found if p.code == "E101")
