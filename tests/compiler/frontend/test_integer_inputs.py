"""A model whose input is an integer type gets the integers, at every level and on every backend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from spikec.compiler.compilation import build_program
from spikec.compiler.frontend.reading import read_onnx
from spikec.compiler.ir.network import evaluate
from spikec.compiler.options import CompileOptions
from spikec.runtime.encoding import encode
from spikec.runtime.program.storage import load_program, program_files
from spikec.runtime.reference.network import run_reference
from spikec.runtime.samples import Samples, checked_samples
from spikec.runtime.simulator import simulate
from spikec.targets.diagnostic import UnusableInput

Parse = Callable[..., bytes]
Problems = Callable[..., Any]
Levels = Callable[..., None]

RANDOM = np.random.default_rng(3)
"""Of the weights alone: what a test draws must not depend on the tests in front of it."""
WEIGHT = RANDOM.normal(size=(4, 3, 3, 3)) / 3
WEIGHTS = {"w": WEIGHT, "v": RANDOM.normal(size=(64, 3)) / 4, "over": np.array(255.0), "scale": np.array(0.02)}
BODY = "h = Conv(f, w) r = Relu(h) g = Flatten(r) y = MatMul(g, v)"

SCALINGS: dict[str, tuple[str, str]] = {
    "bytes divided": ("uint8", "c = Cast <to = 1> (x) f = Div(c, over)"),
    "bytes multiplied": ("uint8", "c = Cast <to = 1> (x) f = Mul(c, scale)"),
    "bytes moved first": ("uint8", "m = Transpose <perm = [0, 1, 3, 2]> (x) c = Cast <to = 1> (m) f = Div(c, over)"),
    "bytes by way of integers": ("uint8", "i = Cast <to = 6> (x) c = Cast <to = 1> (i) f = Div(c, over)"),
    "bytes picked first": ("uint8", "m = Gather <axis = 1> (x, order) c = Cast <to = 1> (m) f = Div(c, over)"),
    "bytes dequantised": ("uint8", "f = DequantizeLinear(x, scale, zero_u)"),
    "signed bytes dequantised": ("int8", "f = DequantizeLinear(x, scale, zero_i)"),
    "signed bytes cast": ("int8", "c = Cast <to = 1> (x) f = Mul(c, scale)"),
    "wide": ("int32", "c = Cast <to = 1> (x) f = Mul(c, scale)"),
}


def model_of(parsed: Parse, scaling: str) -> tuple[bytes, np.ndarray[Any, Any]]:
    kind, body = SCALINGS[scaling]
    zeros = {"order": np.array([2, 0, 1]), "zero_u": np.array(3, np.uint8), "zero_i": np.array(-5, np.int8)}
    used = {
        name: value for name, value in {**WEIGHTS, **zeros}.items() if f"{name})" in body + BODY or f"{name}," in body
    }
    model = parsed(f"{body} {BODY}", inputs=f"{kind}[N,3,6,6] x", outputs="float[N,3] y", weights=used)
    low, high = (-100, 100) if kind == "int32" else (np.iinfo(kind).min, np.iinfo(kind).max + 1)
    random = np.random.default_rng([3, list(SCALINGS).index(scaling)])
    return model, random.integers(low, high, (40, 3, 6, 6)).astype(kind)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_both_float_levels(parsed: Parse, levels_agree: Levels, scaling: str) -> None:
    model, samples = model_of(parsed, scaling)
    levels_agree(model, samples=samples)


@pytest.mark.parametrize("scaling", ["bytes divided", "signed bytes dequantised", "wide"])
def test_program_and_artefact(parsed: Parse, tmp_path: Path, scaling: str) -> None:
    model, inputs = model_of(parsed, scaling)
    file = tmp_path / "net.onnx"
    file.write_bytes(model)
    options = CompileOptions(target="lava", timesteps=16, calibration=Samples(inputs, None))
    program = build_program(file, options).program
    network, _ = read_onnx(model)
    assert program.input.integers == network.integers
    if inputs.dtype != np.int32:
        assert program.input.step == 1
    encoded, remarks = encode(program.input, inputs)
    assert remarks == ()
    scores = simulate(program, encoded).readout.reshape(40, -1)
    wanted = evaluate(network, inputs.astype(np.float64))[network.output]
    assert np.corrcoef(scores.ravel(), wanted.ravel())[0, 1] > 0.98
    np.testing.assert_array_equal(run_reference(program, encoded[:2]).readout.reshape(2, -1), scores[:2])
    folder = tmp_path / "artefact"
    folder.mkdir()
    for name, content in program_files(program).items():
        (folder / name).write_bytes(content)
    assert load_program(folder).input == program.input


def test_the_same_bytes_are_scaled_for_a_model_of_floats(parsed: Parse, tmp_path: Path) -> None:
    model, inputs = model_of(parsed, "bytes divided")
    of_floats = parsed(BODY.replace("(f,", "(x,"), outputs="float[N,3] y", weights={k: WEIGHTS[k] for k in ("w", "v")})
    readouts = []
    for number, content in enumerate((model, of_floats)):
        file = tmp_path / f"net{number}.onnx"
        file.write_bytes(content)
        options = CompileOptions(target="lava", timesteps=4, calibration=Samples(inputs, None))
        program = build_program(file, options).program
        readouts.append(simulate(program, encode(program.input, inputs)[0]).readout)
    np.testing.assert_array_equal(readouts[0], readouts[1])


def test_without_calibration_the_whole_type_is_encoded(parsed: Parse, tmp_path: Path) -> None:
    body = (
        "c = Cast <to = 1> (x) f = Div(c, over) h = Conv(f, w) r = Clip(h, low, high) g = Flatten(r) y = MatMul(g, v)"
    )
    bounds = {"low": np.array(0.0), "high": np.array(1.0)}
    weights = {**{name: WEIGHTS[name] for name in ("w", "v", "over")}, **bounds}
    file = tmp_path / "net.onnx"
    file.write_bytes(parsed(body, inputs="uint8[N,3,6,6] x", outputs="float[N,3] y", weights=weights))
    encoding = build_program(file, CompileOptions(target="lava", timesteps=4)).program.input
    assert (encoding.step, encoding.minimum, encoding.maximum, encoding.integers) == (1.0, 0, 255, (0, 255))


SHAPE = (2, 2)


@pytest.mark.parametrize(
    "inputs", [np.ones((1, 2, 2), np.int64), np.full((1, 2, 2), 7.0), np.full((1, 2, 2), 255, np.uint8)]
)
def test_data_of_any_type_that_holds_the_integers(inputs: np.ndarray[Any, Any]) -> None:
    samples = checked_samples(inputs, None, SHAPE, integers=(0, 255))
    np.testing.assert_array_equal(samples.as_float(), inputs)
    np.testing.assert_array_equal(samples.first(1).evenly(1).between(0, 1).as_float(), inputs)


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        (np.full((1, 2, 2), 0.5), "4 values that are no integers in 0..255"),
        (np.full((1, 2, 2), 256), "4 values that are no integers in 0..255"),
        (np.full((1, 2, 2), -1, np.int8), "4 values that are no integers in 0..255"),
        (np.full((1, 2, 2), True), "has type bool"),
    ],
)
def test_data_that_the_model_cannot_take(inputs: np.ndarray[Any, Any], text: str) -> None:
    with pytest.raises(UnusableInput) as caught:
        checked_samples(inputs, None, SHAPE, integers=(0, 255))
    (problem,) = caught.value.diagnostics
    assert problem.code == "E603"
    assert text in problem.message


@pytest.mark.parametrize(
    "body",
    [
        "y = Div(x, c)",
        "y = Relu(x)",
        "y = Neg(x)",
        "t = Transpose <perm = [0, 1, 3, 2]> (x) y = Add(t, x)",
        "y = Mul(x, x)",
    ],
)
def test_arithmetic_on_the_integers_is_refused(parsed: Parse, problems: Problems, body: str) -> None:
    weights: dict[str, Any] = {"c": np.array(2, np.uint8)} if "c)" in body else {}
    model = parsed(body, inputs="uint8[N,3,6,6] x", outputs="uint8[N,3,6,6] y", weights=weights)
    assert [problem.code for problem in problems(model)] == ["E016"]


@pytest.mark.parametrize("kind", [onnx.TensorProto.STRING, onnx.TensorProto.COMPLEX64, onnx.TensorProto.BOOL])
def test_inputs_that_are_no_numbers(parsed: Parse, problems: Problems, kind: int) -> None:
    model = onnx.load_model_from_string(parsed("c = Cast <to = 1> (x) y = Relu(c)"))
    model.graph.input[0].type.tensor_type.elem_type = kind
    assert [problem.code for problem in problems(model.SerializeToString())] == ["E017"]


def test_the_network_keeps_the_range(parsed: Parse) -> None:
    network, _ = read_onnx(model_of(parsed, "signed bytes cast")[0])
    assert network.integers == (-128, 127)
    assert replace(network, name="other").integers == (-128, 127)
