"""The two judges of floats, on what one of them gets wrong: each time what is right is known from the definition."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx.helper
import onnx.numpy_helper
import pytest

from spikec.compiler.compilation import Built, build_program
from spikec.compiler.ir.operators import QuantizeClip
from spikec.compiler.options import CompileOptions

from . import network_trial
from .choices import Array
from .float_values import by_evaluator, by_runtime
from .network_trial import try_network
from .networks import NetworkSettings


def evaluated(nodes: list[onnx.NodeProto], samples: Array, opset: int = 17, **tensors: Array) -> list[float]:
    """What the evaluator makes of ``samples`` by ``nodes`` from x to y."""
    result = by_evaluator(model(nodes, samples, opset, **tensors), samples)
    assert result is not None
    return [float(value) for value in result.ravel()]


def model(nodes: list[onnx.NodeProto], samples: Array, opset: int, **tensors: Array) -> bytes:
    kind = onnx.helper.np_dtype_to_tensor_dtype(samples.dtype)
    x, y = (onnx.helper.make_tensor_value_info(n, kind, s) for n, s in (("x", samples.shape), ("y", None)))
    constants = [onnx.numpy_helper.from_array(array, name) for name, array in tensors.items()]
    graph = onnx.helper.make_graph(nodes, "judged", [x], [y], constants)
    return bytes(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)]).SerializeToString())


def node(operator: str, *inputs: str, **attributes: Any) -> onnx.NodeProto:
    return onnx.helper.make_node(operator, inputs, ["y"], **attributes)


def test_windows_stay_where_they_begin() -> None:
    """Rows -2 to 8 of a map of 8; windows begin at -2, 1, 4 and 7, and the last one lacks two rows."""
    attributes: dict[str, Any] = {"kernel_shape": [4, 1], "pads": [2, 0, 1, 0], "strides": [3, 1], "ceil_mode": 1}
    samples = np.ones((1, 1, 8, 1), np.float32)
    for counts, means in ((0, [1, 1, 1, 1]), (1, [0.5, 1, 1, 0.5])):
        assert evaluated([node("AveragePool", "x", count_include_pad=counts, **attributes)], samples) == means


def test_no_padding_wins() -> None:
    samples = np.array([[[-3.0, -1.0, -2.0]]], np.float32)
    assert evaluated([node("MaxPool", "x", kernel_shape=[2], pads=[0, 1], strides=[1])], samples) == [-1, -1, -2]


@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 3, 2, 2), (2, 3, 2, 1, 2)])
def test_a_global_maximum_is_one_for_each_channel(shape: tuple[int, ...]) -> None:
    samples = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    expected = samples.reshape(2, 3, 4).max(axis=2).ravel()
    assert evaluated([node("GlobalMaxPool", "x")], samples) == expected.tolist()


@pytest.mark.parametrize("is_node", [False, True])
def test_padding_has_the_number_of_a_constant_wherever_it_stands(is_node: bool) -> None:
    number, pads = np.array(0.5, np.float32), np.array([0, 0, 1, 0, 0, -1])
    given = onnx.helper.make_node("Constant", [], ["number"], value=onnx.numpy_helper.from_array(number))
    padding = node("Pad", "x", "pads", "number")
    samples = np.array([[[1.0, 2.0]]], np.float32)
    for opset in (17, 26):
        tensors = {"pads": pads} if is_node else {"pads": pads, "number": number}
        nodes = [given, padding] if is_node else [padding]
        assert evaluated(nodes, samples, opset, **tensors) == [0.5, 1]


@pytest.mark.parametrize(("mode", "result"), [("reflect", [2, 1, 2, 4, 2]), ("edge", [1, 1, 2, 4, 4])])
def test_padding_repeats_what_is_there_along_the_axes_that_are_named(mode: str, result: list[float]) -> None:
    samples = np.array([[[1.0, 2.0, 4.0]]], np.float32)
    tensors = {"pads": np.array([1, 1]), "axes": np.array([-1])}
    assert evaluated([node("Pad", "x", "pads", "", "axes", mode=mode)], samples, 18, **tensors) == result


def test_each_group_of_a_transposed_convolution_has_its_own_bias() -> None:
    samples = np.array([[[1.0], [2.0]]], np.float32)
    weight, bias = np.ones((2, 1, 1), np.float32), np.array([10, 20], np.float32)
    assert evaluated([node("ConvTranspose", "x", "w", "b", group=2)], samples, w=weight, b=bias) == [11, 22]


@pytest.mark.parametrize("opset", [17, 26])
def test_a_length_between_two_whole_numbers_is_rounded_down(opset: int) -> None:
    """Half as long again as three is four; its ends are those of the three."""
    samples = np.array([[[0.0, 3.0, 6.0]]], np.float32)
    attributes = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
    tensors = {"scales": np.array([1, 1, 1.5], np.float32)}
    assert evaluated([node("Resize", "x", "", "scales", **attributes)], samples, opset, **tensors) == [0, 2, 4, 6]


def test_an_output_that_is_the_input_is_known_where_one_judge_does_not_take_the_opset() -> None:
    verdict = try_network(5825, NetworkSettings(seed=2611))
    assert verdict.kind.startswith("refused E015")


def test_an_order_is_right_if_either_judge_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def reversed_scores(content: bytes, samples: Array) -> Array | None:
        scores = by_runtime(content, samples)
        return None if scores is None else -scores

    settings, number = NetworkSettings(seed=20), 23
    monkeypatch.setattr(network_trial, "by_runtime", reversed_scores)
    assert try_network(number, settings).kind == "agrees in order"
    monkeypatch.setattr(network_trial, "by_evaluator", reversed_scores)
    assert "another order" in try_network(number, settings).finding


@pytest.mark.parametrize(("seed", "number"), [(2617, 1466), (2618, 9910)])
def test_an_output_that_is_the_input_is_known_beside_operators_that_neither_judge_has(seed: int, number: int) -> None:
    assert try_network(number, NetworkSettings(seed=seed)).finding == ""


CANCELLING = 7018, NetworkSettings(seed=2616)
"""A network whose result is a sum near zero of terms near one half, so that their last digit is its sixth."""


def test_a_sum_that_cancels_is_judged_by_what_it_reads() -> None:
    assert try_network(*CANCELLING).finding == ""


def test_an_activation_that_is_recognised_wrongly_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_trial, "build_program", built_with_wrong_thresholds)
    assert "recognised activations" in try_network(*CANCELLING).finding


def built_with_wrong_thresholds(path: Path, options: CompileOptions) -> Built:
    built = build_program(path, options)
    stages = built.pipeline.stages
    stage = stages["recognise-activations"]
    nodes = tuple(
        replace(n, operator=replace(n.operator, threshold=n.operator.threshold * 1.001))
        if isinstance(n.operator, QuantizeClip)
        else n
        for n in stage.network.nodes
    )
    wrong = replace(stage, network=stage.network.with_nodes(nodes))
    pipeline = replace(built.pipeline, stages={**stages, "recognise-activations": wrong})
    return replace(built, pipeline=pipeline)


TRANSPOSED: dict[str, dict[str, Any]] = {
    "plain": {},
    "groups": {"group": 2},
    "strides and pads": {"strides": [2, 3], "pads": [1, 0, 0, 2], "output_padding": [1, 1]},
    "dilations": {"dilations": [2, 1], "pads": [0, 1, 1, 0]},
    "same": {"strides": [2, 2], "auto_pad": "SAME_UPPER"},
    "a shape": {"strides": [2, 2], "output_shape": [6, 8]},
}


@pytest.mark.parametrize("attributes", TRANSPOSED.values(), ids=TRANSPOSED)
def test_transposed_convolutions_are_those_of_the_runtime(attributes: dict[str, Any]) -> None:
    random = np.random.default_rng(0)
    samples = random.normal(size=(2, 4, 3, 4)).astype(np.float32)
    weight, bias = (
        random.normal(size=shape).astype(np.float32) for shape in ((4, 2, 3, 2), (2 * attributes.get("group", 1),))
    )
    nodes = [node("ConvTranspose", "x", "w", "b", **attributes)]
    content = model(nodes, samples, 17, w=weight, b=bias)
    expected, found = by_runtime(content, samples), by_evaluator(content, samples)
    assert expected is not None
    assert found is not None
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)  # float32
    doubles = samples.astype(np.float64)
    content = model(nodes, doubles, 17, w=weight.astype(np.float64), b=bias.astype(np.float64))
    precise = by_evaluator(content, doubles)
    assert precise is not None
    np.testing.assert_allclose(precise, expected, rtol=0, atol=1e-5)


def test_noise_moves_floats_and_leaves_what_stands_beside_them() -> None:
    """Places in a map are integers next to the factors of what is read there."""
    given = (((0, 3, 0.5), (2, 1, 1.0)), np.ones(4, np.float32), np.arange(3), "relu", None)
    taps, weights, sizes, *others = network_trial._moved(given, np.random.default_rng(0))
    assert [(row, column) for row, column, _ in taps] == [(0, 3), (2, 1)]
    assert all(type(place) is int for row, column, _ in taps for place in (row, column))
    assert all(0 < abs(factor - before) < 1e-6 for (_, _, factor), before in zip(taps, (0.5, 1.0), strict=True))
    assert 0 < np.abs(weights - 1).max() < 1e-6
    assert (sizes.tolist(), others) == ([0, 1, 2], ["relu", None])
