"""MSAT in the scale of its constants, and confidences by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

from spikec.compiler.compilation import Built, build_program
from spikec.compiler.methods import adaptive_threshold
from spikec.compiler.methods.adaptive_threshold import MSAT
from spikec.compiler.methods.spike_confidence import measure_confidence, measure_confidence_curves
from spikec.compiler.options import CompileOptions
from spikec.runtime.encoding import encode
from spikec.runtime.samples import Samples
from spikec.runtime.simulator import simulate


def _model(path: Path, factor: float) -> Path:
    """Two ReLU layers, the first times ``factor`` and the second divided by it: the same function for each."""
    text = (
        '<ir_version: 8, opset_import: ["" : 17]> net (float[N,5] x) => (float[N,3] y) {'
        "g = Gemm <transB = 1> (x, w1, b1) ga = Relu (g) h = Gemm <transB = 1> (ga, w2, b2) ha = Relu (h)"
        " y = Gemm <transB = 1> (ha, w3, b3) }"
    )
    parsed = onnx.parser.parse_model(text)
    random = np.random.default_rng(8)
    w1, w2, w3 = (random.normal(size=shape) for shape in ((40, 5), (30, 40), (3, 30)))
    tensors = {"w1": w1 * factor, "b1": np.full(40, 0.1 * factor), "w2": w2 / factor, "b2": np.full(30, -0.5)}
    for name, value in {**tensors, "w3": w3, "b3": np.zeros(3)}.items():
        parsed.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value, dtype=np.float32), name))
    path.write_bytes(parsed.SerializeToString())
    return path


@pytest.fixture
def samples() -> Samples:
    return Samples(np.random.default_rng(1).integers(0, 256, size=(90, 5)).astype(np.uint8), np.arange(90) % 3)


def _built(model: Path, samples: Samples, timesteps: int = 12) -> Built:
    return build_program(model, MSAT.options(CompileOptions(timesteps=timesteps, calibration=samples)))


def test_a_layers_scale_changes_nothing(tmp_path: Path, samples: Samples) -> None:
    """A ReLU network has none: as powers of two, the factors leave every integer as it is."""
    programs = [MSAT.finish(_built(_model(tmp_path / f"{f}.onnx", f), samples)) for f in (1.0, 16.0)]
    readouts = [simulate(p, encode(p.input, samples.inputs)[0]).readout for p in programs]
    np.testing.assert_array_equal(readouts[0], readouts[1])


def test_the_largest_threshold_is_chosen_by_what_comes_closest(
    tmp_path: Path, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = _built(_model(tmp_path / "net.onnx", 1.0), samples)

    def told(distances: Iterator[float]) -> tuple[list[float], list[float]]:
        monkeypatch.setattr(adaptive_threshold, "distance", lambda *_: next(distances))
        layers = MSAT.finish(built).neuron.msat.layers
        return [each.threshold_value for each in layers], [each.confidence for each in layers]

    measured = measure_confidence(built, MSAT.finish(built), samples)
    assert 0 < measured["h"] < 1
    values, confidences = told(iter((3.0, 4.0, 1.0, 2.0, 1.0, 2.0)))
    assert (values, confidences) == ([4.0, 4.0], [1.0, 1.0])
    values, confidences = told(iter((3.0, 1.0, 4.0, 2.0, 2.0, 1.0)))
    assert values == [2.0, 2.0]
    assert confidences[0] == 1
    assert 0 < confidences[1] < 1


def test_confidence_counts_neurons_that_should_not_have_fired(tmp_path: Path, samples: Samples) -> None:
    model = _model(tmp_path / "net.onnx", 1.0)
    built = _built(model, samples, timesteps=20)
    tensors = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(model).graph.initializer}
    first = samples.as_float() @ tensors["w1"].T + tensors["b1"]
    drives = {"g": first, "h": np.maximum(first, 0) @ tensors["w2"].T + tensors["b2"]}
    trains = simulate(built.program, encode(built.program.input, samples.inputs)[0], record=True).spike_trains
    assert trains is not None
    curves = measure_confidence_curves(built, built.program, samples)
    assert {name: curve.confidence(16) for name, curve in curves.items()} == measure_confidence(
        built, built.program, samples
    )
    for name, drive in drives.items():
        active = drive > 0
        assert curves[name].inactive_share == pytest.approx(np.mean(~active))
        for step in (4, 16, 20):
            fired = trains[name][:, :step].any(axis=1)
            assert curves[name].confidence(step) == pytest.approx((fired & active).sum() / fired.sum())
            assert curves[name].share(step) == pytest.approx((fired & ~active).sum() / (~active).sum())
    assert 0 < curves["h"].share(4) < curves["h"].share(20)
