"""Which values of a file become results: by name, by several names, by none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from spikec.compiler.diagnostics.codes import CODES
from spikec.compiler.frontend.chosen_outputs import shown_names
from spikec.compiler.frontend.reading import read_onnx
from spikec.compiler.ir.network import evaluate

from .conftest import runtime_result

Parse = Callable[..., bytes]
Codes = Callable[..., list[Any]]

WEIGHTS = {
    "w": np.random.default_rng(0).normal(size=(6, 4)),
    "v": np.random.default_rng(1).normal(size=(4, 3)),
    "one": np.random.default_rng(2).normal(size=(4, 1)),
}
HEADS = "g = MatMul(x, w) h = Relu(g) y = MatMul(h, v) p = Softmax(y) e = MatMul(h, one) s = Sigmoid(e)"
DECLARED = "float[N,3] y, float[N,3] p, float[N,1] s"


@pytest.fixture
def heads(parsed: Parse) -> bytes:
    return parsed(HEADS, "float[N,6] x", DECLARED, weights=WEIGHTS)


def compare_with_runtime(model: bytes, names: tuple[str, ...]) -> None:
    network, _ = read_onnx(model, output=names)
    samples = np.random.default_rng(3).normal(size=(5, *network.input_shape)).astype(np.float32)
    found = evaluate(network, samples, frozenset(network.results))
    assert [name for name, _ in network.outputs] == list(names)
    for name, value in network.outputs:
        expected = runtime_result(model, samples, name)
        np.testing.assert_allclose(found[value].reshape(5, -1), expected.reshape(5, -1), rtol=1e-4, atol=1e-5)


def test_every_value_is_what_the_runtime_computes(parsed: Parse) -> None:
    body = "g = MatMul(x, w) h = Relu(g) y = MatMul(h, v) t = Transpose <perm = [0, 1]> (y) n = Neg(h)"
    declared = "float[N,4] g, float[N,4] h, float[N,3] y, float[N,3] t, float[N,4] n"
    model = parsed(body, "float[N,6] x", declared, weights=WEIGHTS)
    compare_with_runtime(model, ("y", "g", "h", "n", "t"))
    maps = "c = Neg(x) t = Transpose <perm = [0, 2, 3, 1]> (c) r = Relu(c) m = GlobalAveragePool(r)"
    declared = "float[N,3,6,6] c, float[N,6,6,3] t, float[N,3,6,6] r, float[N,3,1,1] m"
    compare_with_runtime(parsed(maps, outputs=declared), ("m", "t", "r", "c"))


def test_heads_are_dropped_for_each_output(heads: bytes) -> None:
    network, remarks = read_onnx(heads, output="s,p")
    told = {remark.code: remark.message for remark in remarks}
    assert set(told) == {"I013", "I014", "I017", "I022"}
    assert "the softmax p at the end of output p" in told["I013"]
    assert "Sigmoid at the end of output s" in told["I014"]
    assert "the first that is named, s" in told["I017"]
    assert [network.shape(value) for value in network.results] == [(1,), (3,)]


def test_outputs_with_the_same_scores_are_one_result(heads: bytes) -> None:
    network, _ = read_onnx(heads, output=("y", "p", "s"))
    assert [name for name, _ in network.outputs] == ["y", "p", "s"]
    assert len(network.results) == 2


def test_one_name_is_one_output(heads: bytes) -> None:
    for choice in ("p", ("p",), ["p"]):
        network, _ = read_onnx(heads, output=choice)
        assert network.outputs == ()
        assert len(network.results) == 1


@pytest.mark.parametrize("choice", ["y,s", " y , s ", ("y", "s"), ["y", "s"], ("y,s",)])
def test_ways_to_name_several(heads: bytes, choice: Any) -> None:
    network, _ = read_onnx(heads, output=choice)
    assert [name for name, _ in network.outputs] == ["y", "s"]


def test_a_name_with_a_comma_is_a_name(heads: bytes) -> None:
    renamed = heads.replace(b"\x01s", b"\x01,").replace(b"\x01p", b"\x01 ")
    network, _ = read_onnx(renamed, output=("y", ","))
    assert [name for name, _ in network.outputs] == ["y", ","]
    network, _ = read_onnx(renamed, output=(" ", "y"))
    assert [name for name, _ in network.outputs] == [" ", "y"]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("", ["E018"]),
        ((), ["E018"]),
        ("y,", ["E018"]),
        ("y,,s", ["E018"]),
        (",", ["E018"]),
        ("y,y", ["E019"]),
        (("y", "y,s"), ["E019"]),
        ("y,ghost", ["E007"]),
        ("ghost,phantom", ["E007", "E007"]),
        ("ghost,ghost,,y,y", ["E007", "E018", "E019"]),
        ("x,y", ["E007"]),
        ("w,y", ["E007"]),
        ("Y", ["E007"]),
    ],
)
def test_names_that_are_none(heads: bytes, problems: Codes, choice: Any, expected: list[str]) -> None:
    found = problems(heads, output=choice)
    assert sorted(p.code for p in found) == expected
    assert all(p.code in CODES and p.hint for p in found)


def test_all_that_is_wrong_with_the_rest_is_told_too(parsed: Parse, problems: Codes) -> None:
    model = parsed("y = Relu(x) k = TopK(x) z = Neg(k)", "float[N,6] x", "float[N,6] y, float[N,6] z")
    assert [p.code for p in problems(model, output="y,z,ghost")] == ["E101", "E007"] or [
        p.code for p in problems(model, output="y,z,ghost")
    ] == ["E007", "E101"]


def test_each_output_has_to_depend_on_the_input(parsed: Parse, problems: Codes) -> None:
    model = parsed("y = Relu(x) i = Identity(x)", outputs="float[N,3,6,6] y, float[N,3,6,6] i")
    (problem,) = problems(model, output="y,i")
    assert (problem.code, "output i is the input itself" in problem.message) == ("E015", True)
    constant = parsed("y = Relu(x) c = Identity(w)", outputs="float[N,3,6,6] y, float[1] c", weights={"w": [1.0]})
    (problem,) = problems(constant, output="c,y")
    assert (problem.code, "output c does not depend on the input" in problem.message) == ("E015", True)


def test_a_head_that_another_output_reads_is_refused(parsed: Parse, problems: Codes) -> None:
    body = "g = MatMul(x, w) p = Softmax(g) y = MatMul(p, v)"
    model = parsed(body, "float[N,6] x", "float[N,4] p, float[N,3] y", weights=WEIGHTS)
    (problem,) = problems(model, output="p,y")
    assert (problem.code, problem.place.nodes) == ("E101", ("p",))


def test_without_a_choice_the_warning_tells_how_to_have_all(heads: bytes) -> None:
    (warning,) = [d for d in read_onnx(heads)[1] if d.code == "W007"]
    assert "--output-name y,p,s" in (warning.hint or "")


def test_names_that_cannot_be_printed_are_made_safe(heads: bytes) -> None:
    network, _ = read_onnx(heads.replace(b"\x01s", b"\x01\n"), output=("y", "\n"))
    assert [name for name, _ in network.outputs] == ["y", "node"]
    assert shown_names(("node", "\n", "\t", "n" * 2000)) == ("node", "node_2", "node_3", "n" * 64)
