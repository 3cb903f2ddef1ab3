"""Every conversion method against a small computation by hand, on a network small enough to write down."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest

from spikec.__main__ import run
from spikec.compiler.compilation import Built, build_program
from spikec.compiler.methods.layer_by_layer import Correction, RateErrors
from spikec.compiler.methods.table import METHODS
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes import calibrate_initial_potential
from spikec.runtime.encoding import encode
from spikec.runtime.program import IntArray, Population, Program
from spikec.runtime.samples import Samples

_LEVELS = "d = Div (h, unit) f = Floor (d) c = Clip (f, zero, top) a = Mul (c, unit)"
_T = 4


def _model(path: Path, activation: str, *, unit: float = 0.25) -> Path:
    text = (
        '<ir_version: 8, opset_import: ["" : 17]> net (float[N,5] x) => (float[N,3] y) {'
        f"h = Gemm <transB = 1> (x, w1, b1) {activation} y = Gemm <transB = 1> (a, w2, b2) }}"
    )
    model = onnx.parser.parse_model(text)
    random = np.random.default_rng(3)
    tensors = {
        "w1": random.normal(size=(6, 5)),
        "b1": np.full(6, 0.1),
        "w2": random.normal(size=(3, 6)),
        "b2": np.zeros(3),
        "unit": np.array(unit),
        "zero": np.array(0.0),
        "top": np.array(4.0),
    }
    for name, value in tensors.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value, dtype=np.float32), name))
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture
def samples() -> Samples:
    random = np.random.default_rng(1)
    return Samples(random.integers(0, 256, size=(70, 5)).astype(np.uint8), np.arange(70) % 3)


@pytest.fixture
def relu(tmp_path: Path) -> Path:
    return _model(tmp_path / "relu.onnx", "a = Relu (h)")


@pytest.fixture
def levels(tmp_path: Path) -> Path:
    return _model(tmp_path / "levels.onnx", _LEVELS)


def _converted(model: Path, method: str, samples: Samples) -> tuple[Built, Program, Population]:
    options = CompileOptions(timesteps=_T, calibration=samples)
    built = build_program(model, METHODS[method].options(options))
    program = METHODS[method].finish(built)
    return built, program, program.populations[0]


def _spike_counts(program: Program, samples: Samples, population: Population) -> IntArray:
    """The first population's counts (n, neurons), one neuron and step at a time."""
    encoded, _ = encode(program.input, samples.inputs)
    (projection,) = program.incoming(population.name)
    assert population.threshold is not None
    weight: Any = projection.synapses.weight
    current = encoded.reshape(len(encoded), -1) @ (weight.astype(np.int64) << projection.exponent).T
    threshold, bias, start = (
        np.broadcast_to(v, population.shape)
        for v in (population.threshold, population.bias, population.initial_potential)
    )
    counts = np.zeros(current.shape, dtype=np.int64)
    for n, i in np.ndindex(current.shape):
        v = int(start[i])
        for _ in range(_T):
            v += int(current[n, i]) + int(bias[i])
            if v >= threshold[i]:
                v -= int(threshold[i])
                counts[n, i] += 1
    return counts


def _relu_values(model: Path, samples: Samples) -> Any:
    tensors = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(model).graph.initializer}
    return np.maximum(samples.as_float() @ tensors["w1"].T + tensors["b1"], 0)


def _level_values(model: Path, samples: Samples) -> Any:
    return np.clip(np.floor(_relu_values(model, samples) * 4), 0, 4) / 4


def test_norms_take_their_threshold_from_the_activations(relu: Path, samples: Samples) -> None:
    values = _relu_values(relu, samples)
    for method, expected in (("max-norm", values.max()), ("robust-norm", np.percentile(values, 99.9))):
        built, _, population = _converted(relu, method, samples)
        # float32 products summed in another order.
        assert built.spiking.populations[0].spike_value == pytest.approx(expected, rel=1e-5)
        assert not np.any(population.initial_potential)


def test_the_activation_sets_the_initial_potential(levels: Path, samples: Samples) -> None:
    assert not np.any(_converted(levels, "qc-ann", samples)[2].initial_potential)


def test_half_a_spike_comes_at_once_or_over_the_window(levels: Path, samples: Samples) -> None:
    plain = _converted(levels, "qc-ann", samples)[2]
    opi, opt = (_converted(levels, method, samples)[2] for method in ("opi", "opt"))
    assert plain.threshold is not None
    np.testing.assert_array_equal(opi.initial_potential, plain.threshold // 2 + np.zeros_like(opi.initial_potential))
    np.testing.assert_array_equal(opi.bias, plain.bias)
    np.testing.assert_array_equal(opt.bias, np.rint(plain.bias + plain.threshold / (2 * _T)))
    assert not np.any(opt.initial_potential)


def test_the_printed_potentials_are_mean_absolute_errors(levels: Path, samples: Samples) -> None:
    _, program, population = _converted(levels, "lmpc-paper", samples)
    unraised = replace(population, initial_potential=np.zeros(1, dtype=np.int64))
    error = _level_values(levels, samples) - _spike_counts(program, samples, unraised) / _T
    assert population.threshold is not None
    np.testing.assert_array_equal(
        population.initial_potential, np.rint(_T * np.abs(error).mean(axis=0) * population.threshold)
    )


def test_the_printed_rule_moves_a_potential_whose_mean_error_is_zero(
    levels: Path, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the samples miss by a spike above, half by one below: the signed rule stays, the printed one moves."""
    misses = np.full((2, 6), 1 / _T) * [[1], [-1]]
    errors = RateErrors(misses.mean(axis=0), np.abs(misses).mean(axis=0))
    assert not np.any(errors.signed)

    def once(built: Built, program: Program, correction: Correction) -> Program:
        return replace(program, populations=(correction(program.populations[0], errors), program.readout))

    monkeypatch.setattr("spikec.compiler.methods.membrane_potential.correct_layer_by_layer", once)
    population = _converted(levels, "lmpc-paper", samples)[2]
    assert population.threshold is not None
    np.testing.assert_array_equal(population.initial_potential, population.threshold + np.zeros(6, dtype=np.int64))


@pytest.mark.parametrize("method", ["calibration-bias", "calibration-potential"])
def test_calibration_corrects_by_the_mean_error_of_the_shifted_network(
    method: str, relu: Path, samples: Samples
) -> None:
    built, program, corrected = _converted(relu, method, samples)
    plain = built.program.populations[0]
    assert plain.threshold is not None
    shifted = replace(
        plain,
        bias=np.rint(plain.bias + plain.threshold / (2 * _T)).astype(np.int64),
        initial_potential=np.zeros(1, dtype=np.int64),
    )
    rates = _relu_values(relu, samples) / built.spiking.populations[0].spike_value
    error = (rates - _spike_counts(program, samples, shifted) / _T).mean(axis=0) * plain.threshold
    bias, potential = (
        (np.rint(shifted.bias + error), 0) if method == "calibration-bias" else (shifted.bias, np.rint(_T * error))
    )
    # A float32 sum in another order can round to the neighbouring integer.
    np.testing.assert_allclose(corrected.bias + np.zeros(6), bias + np.zeros(6), atol=1)
    np.testing.assert_allclose(corrected.initial_potential + np.zeros(6), potential + np.zeros(6), atol=1)


def test_potentials_aim_at_another_network(
    levels: Path, relu: Path, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Iterated by hand from theta/2 on the three quarters of the samples that are not held out, for a ReLU network."""
    fitted = samples.first(len(samples) - len(samples) // 4)
    wanted = np.minimum(_relu_values(relu, fitted), 1).mean(axis=0)
    options = replace(METHODS["lmpc"].options(CompileOptions(timesteps=_T, calibration=samples)), granularity="neuron")
    clipped = _model(relu.with_name("clipped.onnx"), "a = Clip (h, zero, unit)", unit=1.0)
    distances = iter((3.0, 2.0, 1.0) * 2)
    monkeypatch.setattr(calibrate_initial_potential, "distance", lambda *_: next(distances))
    found = build_program(levels, replace(options, aim=clipped))
    population = found.program.populations[0]
    threshold = population.threshold
    assert threshold is not None
    start = np.full(6, threshold // 2)
    for _ in range(3):
        counts = _spike_counts(found.program, fitted, replace(population, initial_potential=start))
        change = np.rint(_T * (wanted - counts.mean(axis=0) / _T) * threshold).astype(np.int64)
        start = np.clip(start + change, -threshold, threshold)
    np.testing.assert_array_equal(population.initial_potential, start)
    own = build_program(levels, options).program.populations[0]
    assert np.any(own.initial_potential != start)


def test_an_aim_that_nothing_aims_at_is_told(levels: Path, relu: Path, samples: Samples) -> None:
    options = CompileOptions(timesteps=4, calibration=samples, aim=relu)
    for given, reason in (
        (replace(options, schedule="exact"), "counts are exact"),
        (replace(options, calibration=samples.first(7)), "8 samples at least"),
    ):
        (told,) = [d for d in build_program(levels, given).pipeline.diagnostics if d.code == "W785"]
        assert reason in told.message
    assert not [d for d in build_program(levels, options).pipeline.diagnostics if d.code == "W785"]


def test_signed_calibration_and_exact_schedule_are_the_compilers(levels: Path, samples: Samples) -> None:
    calibrated, _, _ = _converted(levels, "lmpc", samples)
    assert "calibrate-initial-potential" in {r.name for r in calibrated.pipeline.records}
    _, program, population = _converted(levels, "exact", samples)
    assert program.schedule == "exact"
    assert not population.gated
    counts = _spike_counts(program, samples, population)
    # Weights of 8 bits move a few values over the boundary of a level.
    assert np.count_nonzero(counts != _level_values(levels, samples) * _T) <= counts.size // 50


def test_all_leaves_out_what_does_not_apply_and_says_so(
    levels: Path, samples: Samples, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data.npz"
    np.savez(data, inputs=samples.inputs, labels=np.arange(70) % 3)
    command = ["evaluate", str(levels), "--data", str(data), "--timesteps", "2"]
    assert run([*command, "--methods", "all", "--json", "--markdown", str(tmp_path / "table.md")]) == 0
    out, err = capsys.readouterr()
    rows = json.loads(out)["rows"]
    assert [r["method"] for r in rows] == ["opt", "opi", "qc-ann", "qc-ann-paper", "lmpc", "srp", "cos", "exact"]
    costs = {r["method"]: (r["latency"], r["steps_per_sample"], r["plain_if"]) for r in rows}
    assert costs["qc-ann"] == (4, 2, True)
    # Four steps of first pass, in each of one layers.
    assert costs["srp"] == (8, 6, False)
    assert costs["cos"] == (8, 6, False)
    assert err.count("warning W637: ") == len(METHODS) - len(rows)
    # Four tables of methods and one of networks, each with a caption, a heading and an empty line between.
    assert len((tmp_path / "table.md").read_text().splitlines()) == 5 * (2 + 2) + 4 * len(rows) + 1 + 4
    assert run([*command, "--methods", "max-norm,lmpc-paper"]) == 2
    assert capsys.readouterr().err.count("error E637: ") == 2


def test_graded_messages_have_a_row_at_one_step_alone(
    levels: Path, samples: Samples, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data.npz"
    np.savez(data, inputs=samples.inputs, labels=np.arange(70) % 3)
    command = ["evaluate", str(levels), "--data", str(data), "--methods", "graded,qc-ann", "--json"]
    assert run([*command, "--timesteps", "1,2", "--float"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [(r["method"], r["timesteps"]) for r in rows] == [("graded", 1), ("qc-ann", 1), ("qc-ann", 2)]
    graded = rows[0]
    assert (graded["plain_if"], graded["in_range"], graded["steps_per_sample"]) == (False, True, 1)
    # Without rounding it is the network itself.
    assert graded["float_accuracy"] == graded["measurements"][0]["ann_accuracy"]
    assert run([*command, "--timesteps", "2,4"]) == 2
    assert "E637: the method 'graded' runs at T = 1 alone" in capsys.readouterr().err
    assert run([*command[:4], "--methods", "all", "--timesteps", "2", "--json"]) == 0
    out, err = capsys.readouterr()
    assert "graded" not in {r["method"] for r in json.loads(out)["rows"]}
    assert "W637: the method 'graded' runs at T = 1 alone" in err


def test_the_plot_names_every_method(levels: Path, samples: Samples, tmp_path: Path) -> None:
    data = tmp_path / "data.npz"
    np.savez(data, inputs=samples.inputs, labels=np.arange(70) % 3)
    command = ["evaluate", str(levels), "--data", str(data), "--calibration", str(data), "--timesteps", "1,2"]
    assert run([*command, "--methods", "opi,lmpc-paper", "--plot", str(tmp_path / "plot.svg")]) == 0
    picture = (tmp_path / "plot.svg").read_text()
    assert "opi" in picture
    assert "lmpc-paper" in picture
