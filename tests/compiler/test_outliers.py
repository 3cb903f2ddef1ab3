"""Outliers in calibration data are clipped where that loses less than the range that they take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from spikec.compiler import CompileOptions, compile_model
from spikec.compiler.outliers import without_outliers
from spikec.runtime.samples import Samples


def images(count: int = 60) -> Samples:
    return Samples(np.random.default_rng(0).random((count, 1, 8, 8)).astype(np.float32), None)


def with_pixel(samples: Samples, value: float) -> Samples:
    inputs = samples.inputs.copy()
    inputs[7, 0, 2, 5] = value
    return replace(samples, inputs=inputs)


@pytest.mark.parametrize("value", [10.0, 30.0, 100.0, 1000.0, -1000.0, 1e30])
def test_one_pixel_does_not_set_the_range(value: float) -> None:
    clipped, (remark,) = without_outliers(with_pixel(images(), value))
    assert np.abs(clipped.inputs).max() <= 1
    assert remark.code == "W214"
    assert remark.measured == pytest.approx(abs(value))
    assert remark.message.startswith("1 of 60 calibration samples")
    assert remark.message.endswith("The largest is at (0, 2, 5) of sample 7")
    others = np.delete(clipped.inputs, 7, axis=0)
    np.testing.assert_allclose(others, np.delete(images().inputs, 7, axis=0), atol=0.02)


@pytest.mark.parametrize(
    "samples",
    [
        images(),
        Samples(np.random.default_rng(1).normal(size=(50, 30)).astype(np.float32), None),
        Samples(np.random.default_rng(1).exponential(size=(50, 30)).astype(np.float32), None),
        Samples(np.random.default_rng(1).integers(0, 256, (9, 5)).astype(np.uint8), None),
        Samples(np.zeros((3, 4), np.float32), None),
        Samples(np.ones((1, 1), np.float32), None),
    ],
)
def test_ordinary_data_stay_as_they_are(samples: Samples) -> None:
    clipped, remarks = without_outliers(samples)
    assert clipped is samples
    assert remarks == ()


def test_values_that_every_sample_has_are_no_outliers() -> None:
    inputs = images().inputs.copy()
    inputs[:, 0, 0, 0] = 20 * np.random.default_rng(3).random(len(inputs))
    samples = Samples(inputs, None)
    assert without_outliers(samples)[0] is samples


def test_integers_stay_integers() -> None:
    inputs = np.random.default_rng(0).integers(0, 2000, (50, 30)).astype(np.uint16)
    inputs[3, 4] = 65535
    clipped, (remark,) = without_outliers(Samples(inputs, None, (0, 65535)))
    assert clipped.inputs.dtype == np.uint16
    assert clipped.inputs.max() < 2000
    assert remark.measured == 65535


def test_a_compilation_clips_its_input_and_says_so(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    first, last = (random.normal(size=shape).astype(np.float32) for shape in ((16, 64), (4, 16)))
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("Gemm", ["x", "w1"], ["h"], transB=1),
            onnx.helper.make_node("Relu", ["h"], ["a"]),
            onnx.helper.make_node("Gemm", ["a", "w2"], ["y"], transB=1),
        ],
        "small",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 64])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 4])],
        [onnx.numpy_helper.from_array(first, "w1"), onnx.numpy_helper.from_array(last, "w2")],
    )
    model = tmp_path / "small.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), model)
    labels = random.integers(0, 4, 60)
    rows = replace(images(), inputs=images().inputs.reshape(60, 64), labels=labels)
    stretched = rows.inputs.copy()
    stretched[7, 21] = 1000
    plain = compile_model(model, CompileOptions(calibration=rows, timesteps=8, max_loss=100))
    odd = compile_model(model, CompileOptions(calibration=replace(rows, inputs=stretched), timesteps=8, max_loss=100))
    assert odd.program.input == plain.program.input
    assert [d.code for d in odd.report.diagnostics if d.code[0] == "W"] == ["W214"]
    assert (plain.report.verdict, odd.report.verdict) == ("fits", "fits-with-warnings")
    first_of = [p.program.projections[0].effective_weight for p in (plain, odd)]
    assert np.abs(first_of[0] / first_of[0].max() - first_of[1] / first_of[1].max()).max() < 0.05
