"""``--input-shape`` fixes the sizes that a file leaves open, before anything that computes with shapes is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest

from spikec.compiler.frontend.reading import read_onnx
from spikec.compiler.ir.network import evaluate
from spikec.compiler.options import CompileOptions, option_problems, parse_input_shape
from spikec.targets.diagnostic import UnusableInput

Parse = Callable[..., bytes]
BODY = """
    c = Conv(x, w) s = Shape(c) n = Gather(s, zero) n1 = Unsqueeze(n, zeros) t = Concat <axis = 0> (n1, rest)
    r = Reshape(c, t) y = ReduceMean <axes = [2], keepdims = 0> (r)
"""
WEIGHTS: dict[str, Any] = {"w": np.ones((2, 3, 3, 3)), "zero": np.array(0), "zeros": [0], "rest": [2, -1]}


def dynamic(parsed: Parse, shape: str) -> bytes:
    return parsed(BODY, shape, "float[N,2] y", weights=WEIGHTS)


@pytest.mark.parametrize("shape", ["float[N,3,H,W] x", "float[7,3,H,W] x", "float[N,C,H,8] x", "float x"])
def test_open_sizes_are_fixed(parsed: Parse, shape: str) -> None:
    network, _ = read_onnx(dynamic(parsed, shape), input_shape=(3, 6, 8))
    assert (network.input_shape, network.shape(network.output)) == ((3, 6, 8), (2,))


def test_the_fixed_network_is_the_function_of_the_file(parsed: Parse) -> None:
    network, _ = read_onnx(dynamic(parsed, "float[N,3,H,W] x"), input_shape=(3, 6, 8))
    samples = np.random.default_rng(0).random((2, 3, 6, 8))
    evaluator = onnx.reference.ReferenceEvaluator(dynamic(parsed, "float[N,3,H,W] x"))
    expected = np.asarray(evaluator.run(["y"], {"x": samples.astype(np.float32)}))[0]
    np.testing.assert_allclose(evaluate(network, samples)[network.output], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "given", "hint"),
    [
        ("float[N,3,H,W] x", (1, 6, 6), "keep to what the file fixes, for example --input-shape 3x32x32"),
        ("float[N,3,H,W] x", (2, 3, 6, 6), "keep to what the file fixes, for example --input-shape 3x32x32"),
        ("float[N,3,6,6] x", (3, 6, 7), "leave --input-shape away: the file fixes every size"),
    ],
)
def test_contradictions(parsed: Parse, shape: str, given: tuple[int, ...], hint: str) -> None:
    with pytest.raises(UnusableInput) as caught:
        read_onnx(dynamic(parsed, shape), input_shape=given)
    contradiction = next(d for d in caught.value.diagnostics if d.code == "E021")
    assert contradiction.hint == hint


def test_a_shape_that_repeats_the_file_changes_nothing(parsed: Parse) -> None:
    model = dynamic(parsed, "float[N,3,6,6] x")
    assert read_onnx(model, input_shape=(3, 6, 6))[0].shape("input") == read_onnx(model)[0].shape("input")


@pytest.mark.parametrize(("text", "sizes"), [("3x32x32", (3, 32, 32)), ("3,32,32", (3, 32, 32)), ("10", (10,))])
def test_ways_to_write_it(text: str, sizes: tuple[int, ...]) -> None:
    assert parse_input_shape(text) == sizes


@pytest.mark.parametrize("text", ["", "3x", "0x4", "-1", "3x?x32", "3 32", "\u0664"])
def test_no_shape(text: str) -> None:
    with pytest.raises(UnusableInput) as caught:
        parse_input_shape(text)
    assert [d.code for d in caught.value.diagnostics] == ["E020"]


@pytest.mark.parametrize("shape", [(), (0,), (3, -1)])
def test_options_from_python(shape: tuple[int, ...]) -> None:
    assert [d.code for d in option_problems(CompileOptions(input_shape=shape))] == ["E020"]
