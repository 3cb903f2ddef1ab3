"""Weights that a quantiser put on a grid are kept on it, so that codes are those of the quantised network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import onnxruntime
import pytest

from spikec.compiler.compilation import Built, build_program
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes.weight_grids import grid_thresholds
from spikec.compiler.report.effects import WORDS
from spikec.runtime.encoding import encode
from spikec.runtime.samples import Samples
from spikec.runtime.simulator import simulate

LEVELS = 15
BODY = """
    w = DequantizeLinear(q, s, z) c = Conv <pads = [1, 1, 1, 1]> (x, w, b)
    a = QuantizeLinear(c, t, u) k = Clip(a, u, top) d = DequantizeLinear(k, t, u)
    v = DequantizeLinear(p, s, z) e = Conv <strides = [2, 2]> (d, v, b)
    f = QuantizeLinear(e, t, u) l = Clip(f, u, top) g = DequantizeLinear(l, t, u)
    h = Flatten(g) y = Gemm(h, m)
"""


def quantised_model(largest: int) -> bytes:
    random = np.random.default_rng(largest)
    text = (
        '<ir_version: 8, opset_import: ["" : 17]> m (float[N,3,8,8] x) '
        f"=> (float[N,M] y, uint8[N,C,H,W] k, uint8[N,C,H,W] l) {{ {BODY} }}"
    )
    model = onnx.parser.parse_model(text)
    tensors = {
        "q": random.integers(-largest, largest + 1, (8, 3, 3, 3)).astype(np.int8),
        "p": random.integers(-largest, largest + 1, (8, 8, 3, 3)).astype(np.int8),
        "s": np.float32(0.37 / largest),
        "z": np.int8(0),
        "b": random.normal(size=8).astype(np.float32) / 10,
        "t": np.float32(0.11),
        "u": np.uint8(0),
        "top": np.uint8(LEVELS),
        "m": random.normal(size=(72, 4)).astype(np.float32),
    }
    model.graph.initializer.extend(onnx.numpy_helper.from_array(np.asarray(t), name) for name, t in tensors.items())
    return bytes(model.SerializeToString())


def bytes_of_images() -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(1).integers(0, 256, (50, 3, 8, 8)).astype(np.uint8)


def built(folder: Path, model: bytes, *, calibrated: bool) -> Built:
    path = folder / "net.onnx"
    path.write_bytes(model)
    calibration = Samples(bytes_of_images(), None) if calibrated else None
    return build_program(
        path, CompileOptions(target="lava", timesteps=LEVELS, schedule="exact", calibration=calibration)
    )


def kept(found: Built) -> Iterator[tuple[str, int]]:
    effect = next(record.effect for record in found.pipeline.records if record.name == "quantize-weights")
    yield from ((name, layer.get("kept", 0)) for name, layer in effect["layers"].items())


@pytest.mark.parametrize("calibrated", [False, True])
@pytest.mark.parametrize("largest", [7, 100, 127])
def test_codes_are_those_of_the_quantised_network(tmp_path: Path, largest: int, calibrated: bool) -> None:
    model = quantised_model(largest)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    images = bytes_of_images()
    session = onnxruntime.InferenceSession(model, options)
    expected = session.run(["k", "l"], {"x": images / np.float32(255)})
    found = built(tmp_path, model, calibrated=calibrated)
    assert dict(kept(found)) == {"c": 8, "e": 8, "y": 0}
    encoded, _ = encode(found.program.input, images)
    trains = simulate(found.program, encoded, record=True).spike_trains
    assert trains is not None
    for layer, codes in zip(("c", "e"), expected, strict=True):
        counts = trains[layer].sum(axis=1)
        # A bias is rounded to a unit at every step, so a sum that lies next to a tie may fall to its other side.
        assert (counts != codes.reshape(len(codes), -1)).mean() < 2e-3


def test_the_report_says_what_was_kept(tmp_path: Path) -> None:
    found = built(tmp_path, quantised_model(7), calibrated=False)
    effect = next(record.effect for record in found.pipeline.records if record.name == "quantize-weights")
    assert "those of 16 channels kept on the grid that they were trained on" in WORDS["quantize-weights"](effect)


def test_no_drive_has_no_grid() -> None:
    assert np.isnan(grid_thresholds([], (), np.full(3, 100.0), 1)).all()
