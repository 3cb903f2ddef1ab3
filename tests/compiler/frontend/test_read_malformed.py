"""Nodes that lack inputs, outputs or axes, or have too many: told as diagnostics, whatever the operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnx.helper
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec.compiler.frontend.constants import FOLDABLE
from spikec.compiler.frontend.operators import HANDLERS
from spikec.compiler.frontend.reading import examine_onnx
from spikec.targets.diagnostic import UnusableInput

Codes = Callable[..., list[Any]]
FLOAT = onnx.TensorProto.FLOAT

CONSTANTS: dict[str, np.ndarray[Any, Any]] = {
    "scalar": np.array(2.0, np.float32),
    "single": np.array([0.5], np.float32),
    "vector": np.arange(3, dtype=np.float32),
    "matrix": np.ones((3, 3), np.float32),
    "kernel": np.ones((2, 3, 1, 1), np.float32),
    "empty": np.zeros(0, np.float32),
    "zero": np.array(0),
    "one": np.array(1, np.int8),
    "axes": np.array([1]),
    "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
    "backwards": np.array([-1, -9]),
    "grid": np.array([[1, 2], [3, 4]]),
    "none": np.zeros(0, np.int64),
    "truth": np.array(True),
    "text": np.array(["a"], object),
}
VALUES = ("x", "x", "map", "map", "row", *CONSTANTS, "")
ATTRIBUTES: dict[str, list[Any]] = {
    "axis": [0, 1, -1, 5],
    "axes": [[1], [0], [-9], [2, 2]],
    "perm": [[0, 1], [1, 0], [0, 2, 1, 3], [0, 0], [7]],
    "to": [1, 7, 99],
    "kernel_shape": [[1, 1], [2], [0, 0], [9, 9]],
    "pads": [[0, 0, 0, 0], [1], [-1, -1, -1, -1]],
    "strides": [[1, 1], [0, 0], [2]],
    "dilations": [[1, 1], [0, 1]],
    "group": [0, 1, 3],
    "split": [[1, 2], [9]],
    "transA": [0, 1],
    "transB": [0, 1],
    "num_outputs": [0, 2],
    "keepdims": [0, 1],
    "block_size": [0, 2],
}


def one_node(node: onnx.NodeProto, opset: int = 17) -> bytes:
    """A model of ``node``, which reads x of 3 values, a map of 3x4x4, a row of 1 value or a constant."""
    views = [
        onnx.helper.make_node("Expand", ["x4", "sizes"], ["map"]),
        onnx.helper.make_node("Reshape", ["x", "four"], ["x4"]),
        onnx.helper.make_node("Slice", ["x", "axes", "two", "axes"], ["row"]),
    ]
    inputs = [onnx.helper.make_tensor_value_info("x", FLOAT, ["N", 3])]
    outputs = [onnx.helper.make_tensor_value_info("y", FLOAT, None)]
    sizes = {"sizes": np.array([1, 3, 4, 4]), "four": np.array([0, 3, 1, 1]), "two": np.array([2])}
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in {**CONSTANTS, **sizes}.items()]
    graph = onnx.helper.make_graph([*views, node], "g", inputs, outputs, tensors)
    return bytes(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)]).SerializeToString())


@settings(max_examples=400, deadline=None)
@given(
    operator=st.sampled_from(sorted(FOLDABLE | HANDLERS.keys() | {"Constant", "If"})),
    inputs=st.lists(st.sampled_from(VALUES), max_size=6),
    outputs=st.sampled_from([["y"], ["y", "z"], ["", "y"], ["z", "", "y", "a", "b", "c"]]),
    attributes=st.dictionaries(st.sampled_from(sorted(ATTRIBUTES)), st.integers(0, 4), max_size=3),
    opset=st.sampled_from([11, 13, 17, 21]),
)
def test_any_node_is_read_or_told(
    operator: str, inputs: list[str], outputs: list[str], attributes: dict[str, int], opset: int
) -> None:
    chosen = {name: ATTRIBUTES[name][index % len(ATTRIBUTES[name])] for name, index in attributes.items()}
    node = onnx.helper.make_node(operator, inputs, outputs, name="n", **chosen)
    try:
        reading = examine_onnx(one_node(node, opset))
    except UnusableInput:
        return
    assert reading.network is not None or reading.found


@pytest.mark.parametrize(
    ("operator", "inputs", "outputs", "said"),
    [
        ("Gemm", ["x"], ["y"], "Gemm has 1 input but needs 2"),
        ("Relu", ["x", "x"], ["y"], "Relu has 2 inputs but takes at most 1"),
        ("Relu", ["x"], ["y", "z"], "Relu has 2 outputs but takes at most 1"),
        ("MatMul", ["x", ""], ["y"], "MatMul leaves out its input B"),
        ("Relu", [""], ["y"], "Relu leaves out its input X"),
        ("Sum", [], ["y"], "Sum has no inputs but needs 1"),
        ("BatchNormalization", ["x", "vector", "vector"], ["y"], "BatchNormalization has 3 inputs but needs 5"),
    ],
)
def test_inputs_and_outputs_that_onnx_does_not_allow(
    operator: str, inputs: list[str], outputs: list[str], said: str, problems: Codes
) -> None:
    found = problems(one_node(onnx.helper.make_node(operator, inputs, outputs, name="n")))
    assert (found[-1].code, found[-1].message, found[-1].place.nodes) == ("E005", said, ("n",))


def test_a_constant_node_without_a_result_beside_another_error(problems: Codes) -> None:
    model = onnx.load_model_from_string(one_node(onnx.helper.make_node("Relu", ["lost"], ["y"], name="n")))
    model.graph.node.append(onnx.helper.make_node("Reshape", ["vector", "axes"], [], name="r"))
    found = problems(model.SerializeToString())
    assert [(p.message, p.place.nodes) for p in found] == [
        ("value lost is read but nothing defines it", ("n",)),
        ("Reshape has no outputs but needs 1", ("r",)),
    ]


@pytest.mark.parametrize("value", ["row", "x"])
@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Div", "Max", "Min", "PRelu"])
def test_a_constant_without_entries_is_told(problems: Codes, operator: str, value: str) -> None:
    found = problems(one_node(onnx.helper.make_node(operator, [value, "empty"], ["y"], name="n")))
    assert found[-1].code == "E012", found
