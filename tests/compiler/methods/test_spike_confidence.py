"""How many neurons fired by a step that should, and that should not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikec.compiler.compilation import build_program
from spikec.compiler.methods.adaptive_threshold import MSAT
from spikec.compiler.methods.spike_confidence import Confidence, confidence_of, measure_confidence_curves
from spikec.compiler.options import CompileOptions
from spikec.runtime.samples import Samples


@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 6), st.integers(1, 5))
def test_neurons_are_counted_once_by_the_step_of_their_first_spike(
    seed: int, samples: int, timesteps: int, neurons: int
) -> None:
    random = np.random.default_rng(seed)
    trains = random.integers(0, 2, (samples, timesteps, neurons)).astype(np.uint8)
    active = random.random((samples, neurons)) < 0.5
    found = confidence_of(trains, active)
    assert found.active + found.inactive == samples * neurons
    for step in range(1, timesteps + 1):
        should = [bool(active[n, i]) for n in range(samples) for i in range(neurons) if 1 in trains[n, :step, i]]
        assert (found.right[step - 1], found.wrong[step - 1]) == (should.count(True), should.count(False))
        assert found.fired(step) == len(should)
        assert 0 <= found.confidence(step) <= 1
        assert 0 <= found.share(step) <= 1
    assert list(found.right) == sorted(found.right)
    assert list(found.wrong) == sorted(found.wrong)
    assert found.right[-1] <= found.active
    assert found.wrong[-1] <= found.inactive


def test_where_none_fired_there_is_nothing_to_doubt() -> None:
    assert confidence_of(np.zeros((1, 2, 3), dtype=np.uint8), np.ones((1, 3), dtype=bool)) == Confidence(
        3, 0, (0, 0), (0, 0)
    )
    silent = Confidence(1, 1, (0,), (0,))
    assert (silent.confidence(1), silent.share(1), silent.fired(1)) == (1.0, 0.0, 0)
    assert Confidence(3, 0, (1,), (0,)).share(1) == 0.0
    added = Confidence(1, 2, (0, 1), (1, 2)) + Confidence(3, 4, (2, 2), (0, 0))
    assert added == Confidence(4, 6, (2, 3), (1, 2))


_POOL = "MaxPool <kernel_shape = [2, 2], strides = [2, 2]>"


def _pooled(path: Path) -> Path:
    """Maxima of what activations give: neurons of the program that are no activations of the network, the last ones."""
    text = (
        '<ir_version: 8, opset_import: ["" : 17]> net (float[N,1,10,10] x) => (float[N,2] y) {'
        f"c = Conv (x, w1) r = Relu (c) m = {_POOL} (r) d = Conv (m, w2) s = Relu (d) n = MaxPool"
        " <kernel_shape = [3, 3]> (s) f = Flatten (n) y = Gemm <transB = 1> (f, w3) }"
    )
    model = onnx.parser.parse_model(text)
    random = np.random.default_rng(3)
    tensors: dict[str, Any] = {
        "w1": random.normal(size=(3, 1, 3, 3)),
        "w2": random.normal(size=(4, 3, 2, 2)),
        "w3": random.normal(size=(2, 4)),
    }
    for name, value in tensors.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(value.astype(np.float32), name))
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("batch", [32, 3])
def test_neurons_of_a_maximum_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    monkeypatch.setattr("spikec.compiler.methods.spike_confidence._BATCH", batch)
    samples = Samples(np.random.default_rng(1).integers(0, 256, size=(8, 1, 10, 10)).astype(np.uint8), None)
    built = build_program(_pooled(tmp_path / "net.onnx"), CompileOptions(timesteps=4, calibration=samples))
    calls: list[tuple[int, int]] = []
    found = measure_confidence_curves(built, built.program, samples, lambda done, total: calls.append((done, total)))
    assert {"c", "d"} == set(found) < {p.name for p in built.program.firing}
    assert all(
        each.active + each.inactive == 8 * built.program.population(name).neurons for name, each in found.items()
    )
    assert calls == ([(8, 8)] if batch == 32 else [(3, 8), (6, 8), (8, 8)])


def test_a_last_layer_of_maxima_keeps_its_spikes(tmp_path: Path) -> None:
    samples = Samples(np.random.default_rng(1).integers(0, 256, size=(8, 1, 10, 10)).astype(np.uint8), None)
    options = MSAT.options(CompileOptions(timesteps=4, calibration=samples))
    program = MSAT.finish(build_program(_pooled(tmp_path / "net.onnx"), options))
    last = program.firing[-1].name
    assert last not in ("c", "d")
    assert program.neuron.msat.layer(last).confidence == 1
