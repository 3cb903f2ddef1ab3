from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.helper
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec.compiler.diagnostics.codes import CODES
from spikec.compiler.frontend.reading import read_onnx
from spikec.targets.diagnostic import UnusableInput

Parse = Callable[..., bytes]
Codes = Callable[..., list[Any]]
FLOAT = onnx.TensorProto.FLOAT


def relu_model(*, opset: int = 17) -> onnx.ModelProto:
    x = onnx.helper.make_tensor_value_info("x", FLOAT, ["N", 4])
    y = onnx.helper.make_tensor_value_info("y", FLOAT, ["N", 4])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"], name="act")], "g", [x], [y])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])


def test_files_that_cannot_be_opened(tmp_path: Path, problems: Codes) -> None:
    assert [p.code for p in problems(tmp_path / "missing.onnx")] == ["E001"]
    assert [p.code for p in problems(tmp_path)] == ["E001"]
    assert [p.code for p in problems(Path("nul\0.onnx"))] == ["E001"]


@pytest.mark.parametrize(
    "content",
    [b"", b"version https://git-lfs.github.com/spec/v1\n", b"\x00" * 100, b"\xff" * 100, b"PK\x03\x04 a checkpoint"],
)
def test_files_that_are_no_models(tmp_path: Path, problems: Codes, content: bytes) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    (problem,) = problems(path)
    assert problem.code == "E002"
    assert problem.place.file == str(path)


def test_text_is_named_as_text(problems: Codes) -> None:
    assert "a text file" in problems(b"hello world, this is not a model\n" * 20)[0].message


def external_model(location: str, length: int) -> onnx.ModelProto:
    model = relu_model()
    model.graph.node[0].op_type = "Add"
    model.graph.node[0].input.append("b")
    tensor = onnx.TensorProto(name="b", data_type=FLOAT, dims=[4], data_location=onnx.TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "0"), ("length", str(length))):
        tensor.external_data.append(onnx.StringStringEntryProto(key=key, value=value))
    model.graph.initializer.append(tensor)
    return model


def test_external_weights_are_read_from_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(external_model("net.data", 16).SerializeToString())
    (tmp_path / "net.data").write_bytes(np.arange(1, 5, dtype=np.float32).tobytes())
    network, _ = read_onnx(tmp_path / "net.onnx")
    assert network.name == "net"
    assert network.nodes[0].operator.evaluate((np.zeros((1, 4)),)).tolist() == [[1, 2, 3, 4]]


@pytest.mark.parametrize("location", ["net.data", "../secret.data", "/etc/hostname", ""])
def test_external_weights_that_cannot_be_used(tmp_path: Path, problems: Codes, location: str) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(external_model(location, 16).SerializeToString())
    (tmp_path.parent / "secret.data").write_bytes(b"\0" * 16)
    assert [p.code for p in problems(path)] == ["E003"]
    assert [p.code for p in problems(path.read_bytes())] == ["E003"]


def test_external_weights_that_are_too_short(tmp_path: Path, problems: Codes) -> None:
    (tmp_path / "net.onnx").write_bytes(external_model("net.data", 16).SerializeToString())
    (tmp_path / "net.data").write_bytes(b"\0" * 8)
    assert {p.code for p in problems(tmp_path / "net.onnx")} <= {"E003", "E010"}


def test_weights_that_are_not_finite_are_named_and_counted(parsed: Parse, problems: Codes) -> None:
    weight = np.ones((2, 3, 3, 3), np.float32)
    weight[0, 0, 0] = np.nan
    other = np.array([np.inf, 1], np.float32)
    model = parsed("c = Conv(x, w, b) y = Relu(c)", weights={"w": weight, "b": np.zeros(2, np.float32)})
    (problem,) = problems(model)
    assert (problem.code, problem.message) == ("E004", "tensor w holds 3 NaN of 54 values")
    assert problem.place.nodes == ("c",)
    model = parsed(
        "c = Conv(x, w) d = Reshape(b, s) y = Add(c, d)", weights={"w": weight, "b": other, "s": [1, 2, 1, 1]}
    )
    assert {p.message for p in problems(model)} >= {"tensor w holds 3 NaN of 54 values"}
    model = parsed("d = Reshape(b, s) y = Add(x, d)", weights={"b": np.array([np.inf, 1, 1]), "s": [1, 3, 1, 1]})
    assert [p.message for p in problems(model)] == ["tensor b holds 1 infinite of 3 values"]


def test_negative_variance(parsed: Parse, problems: Codes) -> None:
    ones = np.ones(3, np.float32)
    model = parsed("y = BatchNormalization(x, s, s, s, v)", weights={"s": ones, "v": -ones})
    assert [p.code for p in problems(model)] == ["E004"]


def with_nodes(*nodes: tuple[str, list[str], list[str]]) -> bytes:
    model = relu_model()
    del model.graph.node[:]
    model.graph.node.extend(onnx.helper.make_node(kind, i, o, name=f"n{k}") for k, (kind, i, o) in enumerate(nodes))
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("model", "nodes"),
    [
        (with_nodes(("Add", ["x", "b"], ["a"]), ("Relu", ["a"], ["b"]), ("Neg", ["b"], ["y"])), ("n0", "n1", "n2")),
        (with_nodes(("Relu", ["y"], ["y"])), ("n0",)),
        (with_nodes(("Add", ["x", "ghost"], ["y"])), ("n0",)),
        (with_nodes(("Relu", ["x"], ["y"]), ("Neg", ["x"], ["y"])), ("n1",)),
        (with_nodes(("Add", ["x", ""], ["y"])), None),
        (with_nodes(("Relu", ["x"], ["h"])), ()),
    ],
)
def test_graphs_that_are_not_well_formed(problems: Codes, model: bytes, nodes: tuple[str, ...] | None) -> None:
    found = problems(model)
    assert {p.code for p in found} <= {"E005", "E103", "E102"}
    assert nodes is None or (found[0].code == "E005" and found[0].place.nodes == nodes)


def test_unsorted_graph_is_sorted_with_a_warning() -> None:
    network, remarks = read_onnx(with_nodes(("Relu", ["h"], ["y"]), ("Neg", ["x"], ["h"])))
    assert [d.code for d in remarks] == ["W005"]
    assert [type(node.operator).__name__ for node in network.nodes] == ["Scale", "Relu"]


def test_inputs_and_outputs(parsed: Parse, problems: Codes) -> None:
    model = relu_model()
    del model.graph.output[:]
    assert [p.code for p in problems(model.SerializeToString())] == ["E006"]
    two = parsed("y = Add(x, z)", "float[N,2] x, float[N,2] z", "float[N,2] y")
    assert "x, z" in problems(two)[0].message
    constant = parsed("y = Identity(w)", weights={"w": [1.0]}, outputs="float[1] y")
    assert [p.code for p in problems(constant)] == ["E006"]
    assert [p.code for p in problems(parsed("y = Identity(x)"))] == ["E015"]


def test_one_of_several_outputs(parsed: Parse, problems: Codes) -> None:
    model = parsed("y = Relu(x) z = Neg(y)", outputs="float[N,3,6,6] y, float[N,3,6,6] z")
    network, remarks = read_onnx(model)
    assert ([d.code for d in remarks], network.output) == (["W007"], "y")
    network, remarks = read_onnx(model, output="z")
    assert (remarks, network.output) == ((), "z")
    (problem,) = problems(model, output="w")
    assert (problem.code, problem.hint) == ("E007", "choose one of: y, z; or the name of another value of the graph")


def test_a_value_inside_the_graph_can_be_the_output(parsed: Parse) -> None:
    network, remarks = read_onnx(parsed("h = Relu(x) s = Softmax(h) y = TopK(s)", "float[N,6] x"), output="s")
    assert ([d.code for d in remarks], [type(n.operator).__name__ for n in network.nodes]) == (["I013"], ["Relu"])


@pytest.mark.parametrize("shape", ["float[N,3,H,W] x", "float[N,?,4,4] x", "float[N] x", "float x", "float[N,0] x"])
def test_inputs_of_unknown_size(parsed: Parse, problems: Codes, shape: str) -> None:
    assert [p.code for p in problems(parsed("y = Relu(x)", shape))] == ["E008"]


def test_input_without_shape_or_of_absurd_size(problems: Codes) -> None:
    model = relu_model()
    model.graph.input[0].type.tensor_type.ClearField("shape")
    assert [p.code for p in problems(model.SerializeToString())] == ["E008"]
    model = relu_model()
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 2**60
    assert [p.code for p in problems(model.SerializeToString())] == ["E008"]


@pytest.mark.parametrize("opset", [1, 6, 10_000])
def test_opset(problems: Codes, opset: int) -> None:
    (problem,) = problems(relu_model(opset=opset).SerializeToString())
    assert (problem.code, problem.measured, problem.unit) == ("E009", opset, "opset version")


def test_initialiser_that_does_not_match_its_shape(problems: Codes) -> None:
    model = onnx.load_model_from_string(with_nodes(("Add", ["x", "b"], ["y"])))
    model.graph.initializer.append(onnx.TensorProto(name="b", data_type=FLOAT, dims=[4, 10**9], raw_data=b"\0" * 8))
    (problem,) = problems(model.SerializeToString())
    assert (problem.code, problem.place.nodes) == ("E010", ("n0",))


@pytest.mark.parametrize(
    "body",
    [
        "w = ConstantOfShape(big) y = Add(x, w)",
        "w = Expand(one, big) y = Add(x, w)",
        "w = Tile(one, big) y = Add(x, w)",
        "w = Range(zero, huge, step) y = Add(x, w)",
        "a = MatMul(column, row) y = Add(x, a)",
        "a = Add(column, row) y = Add(x, a)",
    ],
)
def test_small_files_cannot_compute_large_constants(parsed: Parse, problems: Codes, body: str) -> None:
    weights = {
        "big": [10**6, 10**6],
        "one": np.ones((1, 1), np.float32),
        "zero": np.array(0),
        "huge": np.array(10**12),
        "step": np.array(1),
        "column": np.ones((20_000, 1), np.float32),
        "row": np.ones((1, 20_000), np.float32),
    }
    used = {
        name: value
        for name, value in weights.items()
        if name in body.replace(",", " ").replace("(", " ").replace(")", " ").split()
    }
    assert [p.code for p in problems(parsed(body, weights=used))] == ["E011"]


@pytest.mark.parametrize(
    ("body", "weights"),
    [
        ("y = Conv(x, w)", {"w": np.ones((2, 4, 3, 3))}),
        ("y = Conv(x, w)", {"w": np.ones((2, 3, 9, 9))}),
        ("y = Conv(x, w, b)", {"w": np.ones((2, 3, 3, 3)), "b": np.ones(3)}),
        ("y = Conv <kernel_shape = [2, 2]> (x, w)", {"w": np.ones((2, 3, 3, 3))}),
        ("y = Conv <strides = [0, 1]> (x, w)", {"w": np.ones((2, 3, 3, 3))}),
        ("y = Conv <pads = [1, 1]> (x, w)", {"w": np.ones((2, 3, 3, 3))}),
        ("y = Gemm(x, w)", {"w": np.ones((6, 3))}),
        ("y = MatMul(x, w)", {"w": np.ones((5, 3))}),
        ("y = Add(x, w)", {"w": np.ones(5)}),
        ("y = Add(x, w)", {"w": np.ones((2, 1, 1, 1, 1))}),
        ("y = Reshape(x, w)", {"w": [0, 7]}),
        ("y = Transpose <perm = [0, 1, 2]> (x)", {}),
        ("y = Unsqueeze(x, w)", {"w": [9]}),
        ("y = AveragePool <kernel_shape = [9, 9]> (x)", {}),
        ("y = BatchNormalization(x, w, w, w, w)", {"w": np.ones(4)}),
        ("y = Pad(x, w)", {"w": [1, 1]}),
        ("y = Concat <axis = 1> (x, w)", {"w": np.ones((1, 3, 5, 6))}),
        ("y, z = Split <axis = 1> (x, w)", {"w": [5, 5]}),
    ],
)
def test_shapes_that_do_not_fit(parsed: Parse, problems: Codes, body: str, weights: dict[str, Any]) -> None:
    assert [p.code for p in problems(parsed(body, weights=weights))] == ["E012"]


def test_constants_that_cannot_be_evaluated(parsed: Parse, problems: Codes) -> None:
    model = parsed("w = Gather(table, seven) y = Add(x, w)", weights={"table": [1.0, 2.0], "seven": np.array(7)})
    assert [p.code for p in problems(model)] == ["E014"]


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax"])
def test_softmax_at_the_end_is_dropped_and_refused_elsewhere(parsed: Parse, problems: Codes, operator: str) -> None:
    weights = {"flat": [-1, 4]}
    end = f"h = Neg(x) s = {operator}(h) y = Reshape(s, flat)"
    network, remarks = read_onnx(parsed(end, "float[N,4] x", "float[N,4] y", weights=weights))
    assert [d.code for d in remarks] == ["I013"]
    assert [type(node.operator).__name__ for node in network.nodes] == ["Scale"]
    middle = f"s = {operator}(x) y = Add(s, x)"
    assert [p.code for p in problems(parsed(middle, "float[N,4] x", "float[N,4] y"))] == ["E101"]


def test_all_unsupported_operators_are_reported_at_once(parsed: Parse, problems: Codes) -> None:
    body = """
        a = LpPool <kernel_shape = [2, 2]> (x) b = Sin(a) c = LpPool <kernel_shape = [2, 2]> (b)
        d = Cos(x) e = Reshape(d, bad) f = Tan(e) y = LSTM(f) z = Add(c, y)
    """
    found = problems(parsed(body, outputs="float[N,A,B,C] z", weights={"bad": [0, 7]}))
    unsupported = [p for p in found if p.code == "E101"]
    assert {p.place.nodes for p in unsupported} == {("a", "c"), ("b",), ("d",), ("f",), ("y",)}
    assert [(p.code, p.place.nodes) for p in found if p not in unsupported] == [("E012", ("e",))]
    assert "average pooling" in next(p.hint for p in found if "LpPool" in p.message)


def test_operator_of_another_domain(problems: Codes) -> None:
    model = relu_model()
    model.graph.node[0].domain = "com.example"
    (problem,) = problems(model.SerializeToString())
    assert problem.code == "E101"
    assert "com.example.Relu" in problem.message
    assert problem.hint == "spikec knows the standard operators of ONNX alone: write Relu with these"


@pytest.mark.parametrize(
    ("code", "body", "weights"),
    [
        ("E102", "h = Cast <to = 7> (x) y = Cast <to = 1> (h)", {}),
        ("E102", "y = BatchNormalization <training_mode = 1> (x, w, w, w, w)", {"w": np.ones(3)}),
        ("E102", "y = Clip(x, w)", {"w": np.array([0.0, 1.0])}),
        ("E102", 'y = Pad <mode = "strange"> (x, w)', {"w": [0, 0, 1, 1, 0, 0, 1, 1]}),
        ("E012", "y = Slice(x, s, e, a, t)", {"s": [-1], "e": [-9], "a": [2], "t": [0]}),
        ("E012", "y = Gather <axis = 1> (x, w)", {"w": [2, 3]}),
        ("E104", "y = Expand(x, w)", {"w": [1, 2, 3, 6, 6]}),
        ("E103", "g = GlobalAveragePool(x) s = Sigmoid(g) y = Mul(x, s)", {}),
        ("E103", "f = Flatten(x) g = Relu(f) h = Gemm(g, w) y = Mul(f, h)", {"w": np.ones((108, 108))}),
        ("E103", "a = Mul(x, w) s = Sigmoid(a) y = Mul(x, s)", {"w": np.ones((3, 1, 1)) * [[[1]], [[2]], [[3]]]}),
        ("E103", "g = GlobalAveragePool(x) y = Div(x, g)", {}),
        ("E111", "y = Pow(x, w)", {"w": np.float32(0)}),
        ("E111", "y = Celu <alpha = 0.0> (x)", {}),
        ("E102", "y = Pow(x, w)", {"w": np.ones(2, np.float32)}),
        ("E103", "f = Flatten(x) y = Gemm <transB = 1> (f, f)", {}),
        ("E103", "y = MatMul(x, x)", {}),
        ("E103", "y = Conv(x, x)", {}),
        ("E104", "y = Transpose <perm = [1, 0, 2, 3]> (x)", {}),
        ("E104", "y = ReduceMean(x)", {}),
        ("E104", "y = Reshape(x, w)", {"w": [-1, 6]}),
        ("E104", "y = Flatten <axis = 2> (x)", {}),
        ("E104", "y = Concat <axis = 0> (x, x)", {}),
        ("E104", "y = Unsqueeze(x, w)", {"w": [0]}),
        ("E104", "y = Gather(x, w)", {"w": np.array(0)}),
        ("E111", "y = Div(x, w)", {"w": np.float32(0)}),
        ("E111", "y = Clip(x, w, v)", {"w": np.float32(0), "v": np.float32(-1)}),
        ("E111", "h = QuantizeLinear(x, w) y = DequantizeLinear(h, w)", {"w": np.float32(-1)}),
    ],
)
def test_forms_that_are_refused(parsed: Parse, problems: Codes, code: str, body: str, weights: dict[str, Any]) -> None:
    found = problems(parsed(body, weights=weights))
    assert {p.code for p in found} == {code}
    assert all(p.place.nodes for p in found)
    assert code in CODES


def test_every_threshold_of_zero_is_named(parsed: Parse, problems: Codes) -> None:
    body = "a = Div(x, w) b = Floor(a) c = Mul(b, v) d = Div(c, w) y = Clip(d, v, w)"
    found = problems(parsed(body, weights={"w": np.float32(0), "v": np.float32(1)}))
    assert [(d.code, d.place.nodes) for d in found] == [("E111", ("a", "d")), ("E111", ("y",))]


def test_recursive_and_exploding_functions(problems: Codes) -> None:
    def function(name: str, callees: list[str]) -> onnx.FunctionProto:
        steps = ["x", *(f"v{k}" for k in range(len(callees) - 1)), "y"]
        nodes = [
            onnx.helper.make_node(callee, [a], [b], domain="" if callee == "Relu" else "d")
            for callee, a, b in zip(callees, steps, steps[1:], strict=False)
        ]
        imports = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("d", 1)]
        return onnx.helper.make_function("d", name, ["x"], ["y"], nodes, imports)

    def calling(functions: list[onnx.FunctionProto]) -> bytes:
        model = relu_model()
        model.graph.node[0].op_type, model.graph.node[0].domain = "F0", "d"
        model.opset_import.append(onnx.helper.make_opsetid("d", 1))
        model.functions.extend(functions)
        return bytes(model.SerializeToString())

    assert [p.code for p in problems(calling([function("F0", ["F0"])]))] == ["E005"]
    assert [p.code for p in problems(calling([function("F0", ["F1"]), function("F1", ["F0"])]))] == ["E005"]
    doubling = [function(f"F{k}", [f"F{k + 1}"] * 10) for k in range(30)] + [function("F30", ["Relu"])]
    assert [p.code for p in problems(calling(doubling))] == ["E005"]
    network, _ = read_onnx(calling([function("F0", ["F1", "F1"]), function("F1", ["Relu"])]))
    assert [type(node.operator).__name__ for node in network.nodes] == ["Relu", "Relu"]


FILES = sorted((Path(__file__).parent / "files").glob("*.onnx"))


def codes_of(content: bytes) -> set[str]:
    """Codes with which reading ends; none where it succeeds."""
    try:
        read_onnx(content)
    except UnusableInput as refusal:
        return {problem.code for problem in refusal.diagnostics}
    return set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_truncated_files_end_in_diagnostics(path: Path) -> None:
    content = path.read_bytes()
    found = [codes_of(content[:length]) for length in np.linspace(0, len(content) - 1, 60).astype(int)]
    assert all(codes <= CODES.keys() for codes in found)
    assert sum(bool(codes) for codes in found) > 50


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_files_end_in_diagnostics(data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from(FILES)).read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    assert codes_of(bytes(content)) <= CODES.keys()
