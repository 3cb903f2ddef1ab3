"""Small files that ask for much: memory of constants, padding, values and time are bounded while reading."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest

from spikec.compiler.frontend.inferred_shapes import inferred_shapes
from spikec.compiler.frontend.reading import read_onnx
from spikec.compiler.ir.network import evaluate
from spikec.compiler.ir.operators import Pad

Parse = Callable[..., bytes]
Problems = Callable[..., Any]
Compare = Callable[..., Any]
Levels = Callable[..., None]

FILLERS: dict[str, str] = {
    "ConstantOfShape": "c{k} = ConstantOfShape(big)",
    "Expand": "c{k} = Expand(one, big)",
    "Tile": "t{k} = Expand(one, small) c{k} = Tile(t{k}, twice)",
    "Range": "c{k} = Range(zero, many, step)",
    "Where": "t{k} = Expand(one, row) s{k} = Expand(one, column) c{k} = Add(t{k}, s{k})",
    "MatMul": "t{k} = ConstantOfShape(square) c{k} = MatMul(t{k}, t{k})",
}
NUMBERS: dict[str, Any] = {
    "big": [3_000_000],
    "small": [1_500_000],
    "twice": [2],
    "one": np.array([1.0], np.float32),
    "zero": np.array(0.0, np.float32),
    "many": np.array(3e6, np.float32),
    "step": np.array(1.0, np.float32),
    "row": [2000, 1],
    "column": [1, 1500],
    "square": [2500, 2500],
}


@pytest.mark.parametrize("filler", FILLERS)
def test_all_computed_constants_together_are_bounded(parsed: Parse, problems: Problems, filler: str) -> None:
    names = [f"c{k}" for k in range(12)]
    body = " ".join(FILLERS[filler].format(k=k) for k in range(12))
    means = " ".join(f"m{k} = ReduceMean <keepdims = 0> ({name})" for k, name in enumerate(names))
    sums = f"total = Sum({', '.join(f'm{k}' for k in range(12))}) y = Add(x, total)"
    used = {name: value for name, value in NUMBERS.items() if f"{name})" in body or f"{name}," in body}
    model = parsed(f"{body} {means} {sums}", weights=used)
    tracemalloc.start()
    try:
        found = problems(model)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert {problem.code for problem in found} == {"E011"}
    # 16 million entries, and a few copies of the last of them.
    assert peak < 700e6


def test_weights_of_the_file_may_be_transposed_and_converted(parsed: Parse, same_as_runtime: Compare) -> None:
    weight = np.random.default_rng(0).normal(size=(3, 2, 1, 1)).astype(np.float32)
    body = "t = Transpose <perm = [1, 0, 2, 3]> (w) d = Mul(t, two) y = Conv(x, d)"
    same_as_runtime(parsed(body, weights={"w": weight, "two": np.array(2.0)}))


def test_padding_is_bounded_before_it_cancels(parsed: Parse, problems: Problems) -> None:
    body = "p = Pad(x, pads) y = Conv(p, w)"
    weights = {"pads": [0, 0, 10**9, 0, 0, 0, -(10**9), 0], "w": np.ones((2, 3, 1, 1))}
    (problem,) = problems(parsed(body, weights=weights))
    assert problem.code == "E108"
    assert "before it cuts any off" in problem.message


@pytest.mark.parametrize(
    "pads",
    [
        [0, 0, -2, 0, 0, 0, 1, 0],
        [0, 0, 3, -1, 0, 0, -4, 2],
        [0, 1, 4, 0, 0, 0, -5, 0],
        [0, 0, -5, -5, 0, 0, 0, 0],
    ],
)
def test_pads_that_cut(parsed: Parse, levels_agree: Levels, pads: list[int]) -> None:
    channels = 3 + pads[1] + pads[5]
    body = "p = Pad(x, pads) r = Relu(p) y = Conv(r, w)"
    levels_agree(parsed(body, weights={"pads": pads, "w": np.ones((2, channels, 1, 1))}), may_be_constant=True)


@pytest.mark.parametrize("pads", [[0, 1, 9, 0, 0, 0, -9, 0], [0, 0, 0, -8, 0, 0, 0, 7]])
def test_pads_that_leave_only_zeros(parsed: Parse, pads: list[int]) -> None:
    channels = 3 + pads[1] + pads[5]
    network, _ = read_onnx(
        parsed("p = Pad(x, pads) y = Conv(p, w)", weights={"pads": pads, "w": np.ones((2, channels, 1, 1))})
    )
    scores = evaluate(network, np.ones((2, 3, 6, 6)))[network.output]
    assert scores.shape == (2, 2, 6 + pads[2] + pads[6], 6 + pads[3] + pads[7])
    assert not scores.any()


@pytest.mark.parametrize(
    ("before", "after"), [((7, 0), (-7, 0)), ((-1, 0), (3, 0)), ((0, 2), (0, -3)), ((5, 5), (-5, -4))]
)
def test_padding_of_level_1_allocates_its_result_only(before: tuple[int, int], after: tuple[int, int]) -> None:
    samples = np.arange(24.0).reshape(2, 4, 3)
    wide = np.pad(samples, [(0, 0), *((max(0, b), max(0, a)) for b, a in zip(before, after, strict=True))])
    cuts = [slice(max(0, -b), n - max(0, -a)) for n, b, a in zip(wide.shape[1:], before, after, strict=True)]
    inside = (slice(None), *cuts)
    np.testing.assert_array_equal(Pad(before, after).evaluate((samples,)), wide[inside])


@pytest.mark.parametrize(
    "body",
    [
        "y = Conv <pads = [9000, 9000, 9000, 9000], dilations = [9000, 9000]> (x, w3)",
        "y = AveragePool <kernel_shape = [9000, 9000], pads = [8999, 8999, 8999, 8999], strides = [9000, 9000]> (x)",
        "y = AveragePool <kernel_shape = [1000000, 2], strides = [1000000, 1], ceil_mode = 1> (x)",
        "y = Conv <pads = [1000000, 0, 1000000, 0], strides = [1, 1]> (x, w3)",
        "y = Pad(x, far)",
    ],
)
def test_padded_values_are_bounded(parsed: Parse, problems: Problems, body: str) -> None:
    weights: dict[str, Any] = {"w3": np.ones((2, 3, 3, 3))} if "w3" in body else {}
    weights |= {"far": [0, 0, 9000, 9000, 0, 0, 0, 0]} if "far" in body else {}
    assert [problem.code for problem in problems(parsed(body, weights=weights))] == ["E108"]


@pytest.mark.parametrize("size", [6, 20_000_000])
def test_a_long_vector_is_not_taken_for_a_shape(size: int) -> None:
    """A file of a few bytes may state it."""
    x, long, y = (
        onnx.helper.make_tensor_value_info(n, 1, s) for n, s in (("x", [1, 6, 1]), ("w", [size]), ("y", None))
    )
    graph = onnx.helper.make_graph([onnx.helper.make_node("Mul", ["x", "w"], ["y"])], "long", [x, long], [y])
    model = onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)])
    started = time.process_time()
    assert inferred_shapes(model, {}) == {"y": (1, 6, size)}
    assert time.process_time() - started < 0.5


def test_a_slice_of_a_negative_size_does_not_end_the_process() -> None:
    x = onnx.helper.make_tensor_value_info("x", 1, [1, 2, 1, -1, 5])
    y = onnx.helper.make_tensor_value_info("y", 1, None)
    bounds = {"starts": 1, "ends": 9, "axes": 3}
    numbers = [onnx.numpy_helper.from_array(np.array([value]), name) for name, value in bounds.items()]
    node = onnx.helper.make_node("Slice", ["x", *bounds], ["y"])
    graph = onnx.helper.make_graph([node], "negative", [x], [y], numbers)
    model = onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)])
    assert inferred_shapes(model, {}) == {}


def test_a_slice_behind_a_window_larger_than_its_map_does_not_end_the_process() -> None:
    x, y = (onnx.helper.make_tensor_value_info(name, 1, shape) for name, shape in (("x", [1, 2, 4, 2]), ("y", None)))
    bounds = {"starts": 1, "ends": 9, "axes": 3}
    numbers = [onnx.numpy_helper.from_array(np.array([value]), name) for name, value in bounds.items()]
    pool = onnx.helper.make_node("AveragePool", ["x"], ["pooled"], kernel_shape=[1, 5])
    node = onnx.helper.make_node("Slice", ["pooled", *bounds], ["y"])
    graph = onnx.helper.make_graph([pool, node], "negative", [x], [y], numbers)
    model = onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)])
    assert inferred_shapes(model, {}) == {}


def test_a_slice_of_what_a_slice_made_too_small_does_not_end_the_process() -> None:
    x, y = (onnx.helper.make_tensor_value_info(name, 1, shape) for name, shape in (("x", [1, 2, 4, 4]), ("y", None)))
    bounds = {"starts": 0, "ends": 1, "axes": 2}
    numbers = [onnx.numpy_helper.from_array(np.array([value]), name) for name, value in bounds.items()]
    cut = onnx.helper.make_node("Slice", ["x", *bounds], ["cut"])
    pool = onnx.helper.make_node("AveragePool", ["cut"], ["pooled"], kernel_shape=[3, 3])
    node = onnx.helper.make_node("Slice", ["pooled", *bounds], ["y"])
    graph = onnx.helper.make_graph([cut, pool, node], "negative", [x], [y], numbers)
    model = onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)])
    assert inferred_shapes(model, {}) == {"cut": (1, 2, 1, 4)}


@pytest.mark.parametrize("operator", ["Neg", "Relu", "Identity", "Floor"])
def test_reading_takes_time_in_proportion_to_the_nodes(operator: str) -> None:
    def seconds(count: int) -> float:
        nodes = [onnx.helper.make_node(operator, [f"v{k}"], [f"v{k + 1}"]) for k in range(count)]
        nodes.append(onnx.helper.make_node("Add", [f"v{count}", "c"], ["y"]))
        x, y = (onnx.helper.make_tensor_value_info(name, 1, ["N", 6]) for name in ("v0", "y"))
        constant = onnx.numpy_helper.from_array(np.ones(6, np.float32), "c")
        graph = onnx.helper.make_graph(nodes, "long", [x], [y], [constant])
        model = onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)])
        started = time.process_time()
        read_onnx(model.SerializeToString())
        return time.process_time() - started

    # Eight times the nodes; the square of that would be 64.
    assert seconds(4000) < 25 * seconds(500)


SPARSE = np.array([[0, 2.5, 0, 0], [0, 0, 0, -1], [3, 0, 0, 0]], np.float32)


def sparse_model(indices: np.ndarray[Any, Any], dims: list[int], *, as_node: bool = False) -> bytes:
    values = onnx.numpy_helper.from_array(SPARSE[SPARSE != 0], "w")
    stored = onnx.helper.make_sparse_tensor(values, onnx.numpy_helper.from_array(indices, "i"), dims)
    nodes = [onnx.helper.make_node("MatMul", ["x", "w"], ["y"])]
    if as_node:
        nodes.insert(0, onnx.helper.make_node("Constant", [], ["w"], sparse_value=stored))
    x, y = onnx.helper.make_tensor_value_info("x", 1, ["N", 3]), onnx.helper.make_tensor_value_info("y", 1, ["N", 4])
    graph = onnx.helper.make_graph(nodes, "sparse", [x], [y])
    if not as_node:
        graph.sparse_initializer.append(stored)
    model = onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)])
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("as_node", [False, True])
@pytest.mark.parametrize("linear", [False, True])
def test_sparse_weights(linear: bool, as_node: bool) -> None:
    indices = np.flatnonzero(SPARSE) if linear else np.argwhere(SPARSE)
    network, _ = read_onnx(sparse_model(indices.astype(np.int64), [3, 4], as_node=as_node))
    (dense,) = network.nodes
    np.testing.assert_array_equal(dense.operator.weight, SPARSE.T)  # type: ignore[attr-defined]


def test_sparse_weights_that_are_damaged_or_huge(problems: Problems) -> None:
    indices = np.flatnonzero(SPARSE).astype(np.int64)
    assert [p.code for p in problems(sparse_model(indices + 9, [3, 4]))] == ["E010"]
    assert [p.code for p in problems(sparse_model(indices[:2], [3, 4]))] == ["E010"]
    assert [p.code for p in problems(sparse_model(indices, [10**6, 10**6]))] == ["E011"]


FOREIGN: dict[str, tuple[str, dict[str, Any], str]] = {
    "constant with a batch": ("y = Mul(x, c)", {"c": np.full((7, 1, 1, 1), 2.0)}, "E104"),
    "amount with a batch": ("y = Add(x, c)", {"c": np.zeros((2, 3, 6, 6))}, "E104"),
    "bound with a batch": ("y = Max(x, c)", {"c": np.full((5, 3, 6, 6), 2.0)}, "E104"),
    "bias with a batch": ("f = Flatten(x) y = Gemm(f, w, c)", {"w": np.ones((108, 2)), "c": np.ones((4, 2))}, "E104"),
    "constant with more axes": ("y = Mul(x, c)", {"c": np.full((1, 1, 1, 1, 1), 2.0)}, "E012"),
    "complex bound": ("y = Clip(x, c)", {"c": np.array(1j, np.complex64)}, "E010"),
    "complex factor": ("y = Mul(x, c)", {"c": np.array(1j, np.complex64)}, "E010"),
    "bound that is no number": ("y = Max(x, c)", {"c": np.array(np.nan)}, "E004"),
    "indices that are no integers": ("y = Gather <axis = 2> (x, c)", {"c": np.array([np.nan])}, "E005"),
    "range of lists": ("r = Range(c, c, c) y = Add(x, r)", {"c": np.ones(2)}, "E014"),
    "no bound": ("y = Min(x, c)", {"c": np.zeros(0)}, "E012"),
    "some bounds infinite": ("y = Min(x, c)", {"c": np.array([1, np.inf, 2]).reshape(3, 1, 1)}, "E102"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_constants_that_make_another_function(parsed: Parse, problems: Problems, case: str) -> None:
    body, weights, code = FOREIGN[case]
    assert [problem.code for problem in problems(parsed(body, weights=weights))] == [code]


def test_a_constant_for_the_batch_of_the_file(parsed: Parse, same_as_runtime: Compare) -> None:
    model = parsed("y = Mul(x, c)", inputs="float[2,3,6,6] x", weights={"c": np.full((2, 3, 1, 1), 2.0)})
    same_as_runtime(model, batch=2)
