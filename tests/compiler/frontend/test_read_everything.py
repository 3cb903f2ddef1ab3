"""One reading finds everything: no problem hides another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest

from spikec.compiler.frontend.reading import checkable, examine_onnx, read_onnx

Parse = Callable[..., bytes]
Codes = Callable[..., list[Any]]


def places(found: list[Any]) -> set[tuple[str, tuple[str, ...]]]:
    return {(problem.code, problem.place.nodes) for problem in found}


def test_size_opset_and_inputs_are_told_with_the_operators(parsed: Parse, problems: Codes) -> None:
    body = "a = LpPool <kernel_shape = [2, 2]> (x) b = Sin(a) y = Softmax(b) z = Relu(y)"
    unsupported = {("E101", ("a",)), ("E101", ("b",))}
    assert places(problems(parsed(body, "float[N,3,H,W] x", "float[N,C,H,W] z"))) == {
        *unsupported,
        ("E101", ("y",)),
        ("E008", ()),
    }
    assert places(problems(parsed(body, "float x", "float[N,C,H,W] z"))) == {*unsupported, ("E008", ())}
    assert places(problems(parsed(body, opset=6, outputs="float[N,C,H,W] z"))) == {*unsupported, ("E009", ())}
    assert places(problems(parsed(body, outputs="float[N,C,H,W] z"), output="w")) >= {*unsupported, ("E007", ())}
    two = "a = LpPool <kernel_shape = [2, 2]> (x) b = Sin(u) y = Add(a, b)"
    inputs = "float[N,3,6,6] x, float[N,3,5,5] u"
    assert places(problems(parsed(two, inputs, "float[N,C,H,W] y"))) == {*unsupported, ("E006", ())}


def test_a_model_without_output_is_read_to_its_last_node(parsed: Parse, problems: Codes) -> None:
    model = onnx.load_model_from_string(parsed("a = Sin(x) y = Cos(a)"))
    del model.graph.output[:]
    assert places(problems(model.SerializeToString())) == {("E006", ()), ("E101", ("a",)), ("E101", ("y",))}


def test_a_cycle_does_not_hide_operators(parsed: Parse, problems: Codes) -> None:
    body = "a = Sin(b) b = Add(a, x) y = Cos(b)"
    assert places(problems(parsed(body))) >= {("E101", ("a",)), ("E101", ("y",))}
    assert "E005" in {code for code, _ in places(problems(parsed(body)))}


def test_missing_weights_do_not_hide_operators(parsed: Parse, problems: Codes) -> None:
    model = onnx.load_model_from_string(parsed("c = Conv(x, w) y = Sin(c)", weights={"w": np.ones((2, 3, 3, 3))}))
    model.graph.initializer[0].ClearField("raw_data")
    model.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    model.graph.initializer[0].external_data.add(key="location", value="gone.data")
    assert places(problems(model.SerializeToString())) == {("E003", ()), ("E101", ("y",))}


@pytest.mark.parametrize(
    ("refused", "shape"),
    [
        ("h = LpPool <kernel_shape = [2, 2], strides = [2, 2]> (x)", "float[N,3,6,6] x"),
        ("h = Conv(x, nan)", "float[N,3,5,5] x"),
        ('h = Conv <auto_pad = "odd"> (x, w)', "float[N,3,5,5] x"),
        ("g = GlobalAveragePool(x) h = Mul(x, g)", "float[N,3,3,3] x"),
    ],
)
def test_readers_of_a_refused_node_are_looked_at(parsed: Parse, problems: Codes, refused: str, shape: str) -> None:
    body = f"{refused} f = Flatten(h) y = Gemm(f, small) z = Mul(y, y)"
    weights: dict[str, Any] = {"small": np.ones((5, 2), np.float32)}
    if "nan" in refused:
        weights["nan"] = np.full((3, 3, 3, 3), np.nan, np.float32)
    if "w)" in refused:
        weights["w"] = np.ones((3, 3, 3, 3), np.float32)
    found = places(problems(parsed(body, shape, "float[N,M] z", weights=weights)))
    assert found >= {("E012", ("y",))}
    assert len(found) >= 2


def test_attention_is_named_whole(parsed: Parse, problems: Codes) -> None:
    body = """
        q = MatMul(x, a) k = MatMul(x, b) v = MatMul(x, c) t = Transpose <perm = [0, 2, 1]> (k)
        s = MatMul(q, t) p = Softmax(s) o = MatMul(p, v) g = Sin(o) y = Relu(g)
    """
    weights = {name: np.ones((8, 8), np.float32) for name in "abc"}
    found = places(problems(parsed(body, "float[N,4,8] x", "float[N,4,8] y", weights=weights)))
    assert found == {("E103", ("s", "o")), ("E101", ("p",)), ("E101", ("g",))}


def test_what_the_file_states_helps_behind_a_foreign_operator(parsed: Parse, problems: Codes) -> None:
    model = onnx.load_model_from_string(parsed("h = Relu(x) y = MatMul(h, h)", "float[N,4] x", "float[N,4] y"))
    model.graph.node[0].domain = "com.example"
    assert places(problems(model.SerializeToString())) == {("E101", ("h",))}
    model.graph.value_info.append(onnx.helper.make_tensor_value_info("h", onnx.TensorProto.FLOAT, [1, 4]))
    assert places(problems(model.SerializeToString())) == {("E101", ("h",)), ("E103", ("y",))}


def test_no_size_is_blamed_that_another_input_would_not_have(parsed: Parse, problems: Codes) -> None:
    body = "f = Flatten(x) y = Gemm(f, w) z = Sin(y)"
    model = parsed(body, "float[N,3,H,W] x", "float[N,M] z", weights={"w": np.ones((300, 2), np.float32)})
    assert places(problems(model)) == {("E008", ()), ("E101", ("z",))}


def test_what_was_understood_of_a_refused_model(parsed: Parse) -> None:
    body = "c = Conv(x, w) r = Relu(c) m = LpPool <kernel_shape = [2, 2]> (r) d = Conv(m, v) y = Relu(d)"
    weights = {"w": np.ones((2, 3, 3, 3), np.float32), "v": np.ones((4, 2, 1, 1), np.float32)}
    reading = examine_onnx(parsed(body, weights=weights))
    assert reading.network is None
    assert (reading.operators, reading.parameters) == ({"Conv": 2, "LpPool": 1, "Relu": 2}, 54 + 8)
    assert reading.partial is not None
    shapes = {node.name: node.shape for node in reading.partial.nodes}
    assert shapes == {"c": (2, 4, 4), "r": (2, 4, 4), "m": (2, 3, 3), "d": (4, 3, 3), "y": (4, 3, 3)}
    canonical = checkable(reading.partial)
    assert canonical is not None
    assert len(canonical.nodes) == 5


def test_a_single_score_is_remarked(parsed: Parse) -> None:
    model = parsed("y = Gemm(x, w)", "float[N,4] x", "float[N,1] y", weights={"w": np.ones((4, 1), np.float32)})
    assert [d.code for d in read_onnx(model)[1]] == ["I022"]
