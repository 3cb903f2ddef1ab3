"""Methods that work layer by layer, on two hidden layers: the second by hand on what the first really sends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest

from spikec.compiler.compilation import build_program
from spikec.compiler.methods.table import METHODS
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes import calibrate_initial_potential
from spikec.runtime.encoding import encode
from spikec.runtime.program import Population, Program
from spikec.runtime.samples import Samples
from spikec.runtime.simulator import simulate

_T = 3
"""Not L, so that the first layer misses its activations too."""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Two layers of seven and six floor activations, theta 1 and L = 4."""
    level = "{0}d = Div ({0}, unit) {0}f = Floor ({0}d) {0}c = Clip ({0}f, zero, top) {0}a = Mul ({0}c, unit)"
    text = (
        '<ir_version: 8, opset_import: ["" : 17]> net (float[N,5] x) => (float[N,3] y) {'
        f"g = Gemm <transB = 1> (x, w1, b1) {level.format('g')} h = Gemm <transB = 1> (ga, w2, b2) {level.format('h')}"
        " y = Gemm <transB = 1> (ha, w3, b3) }"
    )
    parsed = onnx.parser.parse_model(text)
    random = np.random.default_rng(8)
    tensors: dict[str, Any] = {"unit": 0.25, "zero": 0.0, "top": 4.0}
    for number, (rows, columns) in enumerate(((7, 5), (6, 7), (3, 6)), 1):
        tensors[f"w{number}"] = random.normal(size=(rows, columns))
        tensors[f"b{number}"] = np.full(rows, 0.1)
    for name, value in tensors.items():
        parsed.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value, dtype=np.float32), name))
    path = tmp_path / "deep.onnx"
    path.write_bytes(parsed.SerializeToString())
    return path


@pytest.fixture
def samples() -> Samples:
    random = np.random.default_rng(1)
    return Samples(random.integers(0, 256, size=(70, 5)).astype(np.uint8), np.arange(70) % 3)


def _activations(model: Path, samples: Samples) -> list[Any]:
    """Both layers' activations in units of the threshold, in double precision."""
    tensors = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(model).graph.initializer}
    values, given = [], samples.as_float()
    for number in (1, 2):
        given = np.clip(np.floor((given @ tensors[f"w{number}"].T + tensors[f"b{number}"]) * 4), 0, 4) / 4
        values.append(given)
    return values


def _current(program: Program, population: Population, trains: Any) -> Any:
    """Input and bias per step, (samples, T, neurons), for what the source sends."""
    (projection,) = program.incoming(population.name)
    weight: Any = projection.synapses.weight
    return trains @ (weight.astype(np.int64) << projection.exponent).T + population.bias.reshape(-1)


def _trains(current: Any, threshold: Any, start: Any) -> Any:
    v, sent = np.zeros(current[:, 0].shape, dtype=np.int64) + start, []
    for step in range(_T):
        v = v + current[:, step]
        sent.append(v >= threshold)
        v = v - threshold * sent[-1]
    return np.stack(sent, axis=1).astype(np.int64)


def _images(program: Program, samples: Samples) -> Any:
    encoded, _ = encode(program.input, samples.inputs)
    return np.repeat(encoded.reshape(len(encoded), 1, -1).astype(np.int64), _T, axis=1)


def _corrected(program: Program, given: Any, wanted: list[Any], first: Any, change: Any, passes: int) -> list[Any]:
    """Potentials of both layers, each moved ``passes`` times by ``change(errors)`` thresholds on the spikes it gets."""
    found = []
    for population, aim in zip(program.populations, wanted, strict=False):
        assert population.threshold is not None
        threshold = population.threshold
        start = first(threshold)
        current = _current(program, population, given)
        for _ in range(passes):
            errors = aim - _trains(current, threshold, start).sum(axis=1) / _T
            start = np.clip(start + np.rint(_T * change(errors) * threshold).astype(np.int64), -threshold, threshold)
        given = _trains(current, threshold, start)
        found.append(start)
    return found


def test_signed_potentials_follow_the_spikes_of_the_layer_before(
    model: Path, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = samples.first(len(samples) - len(samples) // 4)
    distances = iter((3.0, 2.0, 1.0))
    monkeypatch.setattr(calibrate_initial_potential, "distance", lambda *_: next(distances))
    options = METHODS["lmpc"].options(CompileOptions(timesteps=_T, calibration=samples))
    program = build_program(model, replace(options, granularity="neuron")).program
    wanted = _activations(model, fitted)
    by_hand = _corrected(program, _images(program, fitted), wanted, lambda t: t // 2, lambda e: e.mean(axis=0), 3)
    for population, start in zip(program.populations, by_hand, strict=False):
        np.testing.assert_array_equal(population.initial_potential, start)


def test_phase_one_as_printed_is_a_run_from_zero(model: Path, samples: Samples) -> None:
    """Layer by layer in numpy from v0 = 0, spike trains and scores; the compiler's own start gives other counts."""
    counts = {}
    for method in ("qc-ann-paper", "qc-ann"):
        built = build_program(model, METHODS[method].options(CompileOptions(timesteps=_T, calibration=samples)))
        program = METHODS[method].finish(built)
        encoded, _ = encode(program.input, samples.inputs)
        execution = simulate(program, encoded, record=True)
        assert execution.spike_trains is not None
        counts[method] = execution.spike_trains["h"].sum(axis=1, dtype=np.int64)
        if method == "qc-ann":
            continue
        given = _images(program, samples)
        for population in program.populations[:2]:
            given = _trains(_current(program, population, given), population.threshold, 0)
            np.testing.assert_array_equal(execution.spike_trains[population.name], given)
        scores = _current(program, program.readout, given).sum(axis=1)
        np.testing.assert_array_equal(execution.readout, scores)
    assert np.count_nonzero(counts["qc-ann"] != counts["qc-ann-paper"]) > 0


def test_printed_potentials_follow_the_spikes_of_the_layer_before(model: Path, samples: Samples) -> None:
    built = build_program(model, METHODS["lmpc-paper"].options(CompileOptions(timesteps=_T, calibration=samples)))
    program = METHODS["lmpc-paper"].finish(built)
    given, wanted = _images(program, samples), _activations(model, samples)
    by_hand = _corrected(program, given, wanted, lambda t: 0 * t, lambda e: np.abs(e).mean(axis=0), 1)
    for population, start in zip(program.populations, by_hand, strict=False):
        np.testing.assert_array_equal(population.initial_potential, start)


@pytest.mark.parametrize("calibrated", [False, True])
def test_counts_of_the_exact_schedule_are_those_of_the_sums(
    model: Path, samples: Samples, calibrated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N = clip(floor((v0 + T b + sum of inputs) / theta), 0, T) in both layers, which timing alone makes wrong."""
    distances = iter((3.0, 2.0, 1.0) if calibrated else (1.0, 2.0, 3.0))
    monkeypatch.setattr(calibrate_initial_potential, "distance", lambda *_: next(distances))
    wrong: dict[str, list[int]] = {}
    for method in ("exact", "qc-ann"):
        built = build_program(model, METHODS[method].options(CompileOptions(timesteps=_T, calibration=samples)))
        program = METHODS[method].finish(built)
        encoded, _ = encode(program.input, samples.inputs)
        trains = simulate(program, encoded, record=True).spike_trains
        assert trains is not None
        given = _images(program, samples)
        for population in program.populations[:2]:
            assert population.threshold is not None
            gate = program.potential_of_pulses(population.name) if population.gated else {}
            start = population.initial_potential + sum(gate.values())
            wanted = np.clip((_current(program, population, given).sum(axis=1) + start) // population.threshold, 0, _T)
            counts = trains[population.name].sum(axis=1, dtype=np.int64)
            wrong.setdefault(method, []).append(int(np.count_nonzero(counts != wanted)))
            given = trains[population.name].astype(np.int64)
    assert wrong["exact"] == [0, 0]
    assert wrong["qc-ann"][1] > 0
