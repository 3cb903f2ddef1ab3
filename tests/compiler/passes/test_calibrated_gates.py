"""Potentials under the exact schedule: moved where T is not L, and what their gates hold back then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest

from spikec.compiler.compilation import Built, build_program
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes import calibrate_initial_potential
from spikec.compiler.passes.calibrated_gates import held_back, with_least_gates, with_room_to_rise, without_gates
from spikec.runtime.encoding import encode
from spikec.runtime.program.rules import problems
from spikec.runtime.program.storage import program_files
from spikec.runtime.samples import Samples
from spikec.runtime.simulator import simulate

_LEVELS = 4


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Three layers of floor activations, whose mean at T < L lies below that of the ANN."""
    level = "{0}d = Div ({0}, unit) {0}f = Floor ({0}d) {0}c = Clip ({0}f, zero, top) {0}a = Mul ({0}c, unit)"
    layers = " ".join(
        f"{name} = Gemm <transB = 1> ({given}, w{n}, b{n}) {level.format(name)}"
        for n, (name, given) in enumerate((("f", "x"), ("g", "fa"), ("h", "ga")), 1)
    )
    text = (
        '<ir_version: 8, opset_import: ["" : 17]> net (float[N,5] x) => (float[N,3] y) {'
        f"{layers} y = Gemm <transB = 1> (ha, w4, b4) }}"
    )
    parsed = onnx.parser.parse_model(text)
    random = np.random.default_rng(5)
    tensors: dict[str, Any] = {"unit": 0.25, "zero": 0.0, "top": float(_LEVELS)}
    for number, (rows, columns) in enumerate(((8, 5), (8, 8), (7, 8), (3, 7)), 1):
        tensors[f"w{number}"] = random.normal(size=(rows, columns)) * 0.6
        tensors[f"b{number}"] = np.full(rows, 0.1)
    for name, value in tensors.items():
        parsed.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value, dtype=np.float32), name))
    path = tmp_path / "net.onnx"
    path.write_bytes(parsed.SerializeToString())
    return path


@pytest.fixture
def samples() -> Samples:
    return Samples(np.random.default_rng(1).integers(0, 256, size=(80, 5)).astype(np.uint8), np.arange(80) % 3)


def _built(model: Path, samples: Samples, timesteps: int, calibrate: bool = True) -> Built:
    options = CompileOptions(timesteps=timesteps, schedule="exact", calibration=samples, calibrate=calibrate)
    return build_program(model, options)


def _effect(built: Built) -> dict[str, Any]:
    (effect,) = (r.effect for r in built.pipeline.records if r.name == "calibrate-initial-potential")
    return effect


def test_counts_that_are_the_anns_are_left_alone(model: Path, samples: Samples) -> None:
    effect = _effect(_built(model, samples, _LEVELS))
    assert effect == {"kept": False, "reason": "counts are exact, so there is nothing to correct"}


def test_fewer_steps_than_levels_are_corrected_behind_the_least_gates(
    model: Path, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    distances = iter((3.0, 2.0, 1.0))
    monkeypatch.setattr(calibrate_initial_potential, "distance", lambda *_: next(distances))
    built = _built(model, samples, 2)
    program = built.program
    assert _effect(built)["chosen"] == "calibrated"
    assert not tuple(problems(program))
    assert program_files(program) == program_files(with_least_gates(program, built.context.target))
    start = _built(model, samples, 2, calibrate=False).program
    gated = [p.name for p in program.firing if p.gated]
    assert gated == ["g", "h"]
    for name in ("f", *gated):
        old, new = (without_gates(p).population(name) for p in (start, program))
        assert old.threshold is not None
        moved = new.initial_potential - old.initial_potential
        assert np.any(moved != 0)
        assert np.all(np.abs(moved) <= old.threshold)
    first = program.population("f")
    assert first.threshold is not None
    assert np.all((first.initial_potential >= 0) & (first.initial_potential <= first.threshold))


def test_mean_rates_come_closer_to_the_ann(model: Path, samples: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    """Than those from half a threshold, where the calibration begins."""
    distances = iter((3.0, 1.0, 2.0, 3.0, 2.0, 1.0))
    monkeypatch.setattr(calibrate_initial_potential, "distance", lambda *_: next(distances))
    programs = [_built(model, samples, 2).program for _ in range(2)]
    built = _built(model, samples, _LEVELS // 2, calibrate=False)
    fitted = samples.first(60)
    aim = calibrate_initial_potential.aim_of(built.pipeline.state, built.context)
    wanted, _ = aim.mean_rates(built.spiking, fitted)
    missed = []
    for program in programs:
        trains = simulate(program, encode(program.input, fitted.inputs)[0], record=True).spike_trains
        assert trains is not None
        rates = {name: trains[name].mean(axis=(0, 1)) for name in wanted}
        missed.append(sum(np.abs(wanted[name] - rates[name].reshape(wanted[name].shape)).sum() for name in wanted))
    assert missed[1] < 0.6 * missed[0]


@pytest.mark.parametrize("timesteps", [1, 2])
def test_counts_stay_exact_wherever_a_potential_is_moved(model: Path, samples: Samples, timesteps: int) -> None:
    """Within 0..theta without a gate, where the window has an order; by as much as the gate leaves room with one."""
    program = _built(model, samples, timesteps, calibrate=False).program
    for population in program.firing:
        threshold = population.threshold
        assert threshold is not None
        middle = population.initial_potential if population.gated else 0
        least = -threshold if population.gated or timesteps == 1 else 0 * threshold
        low, high = calibrate_initial_potential._bounds(program, population)
        np.testing.assert_array_equal(low, middle + least)
        np.testing.assert_array_equal(high, middle + threshold)


def test_room_above_a_start_holds_it_back_by_as_much_more(model: Path, samples: Samples) -> None:
    built = _built(model, samples, 2, calibrate=False)
    roomy = with_room_to_rise(built.program, ("g",), built.context.target)
    for name in ("g", "h"):
        before, after = (p.population(name) for p in (built.program, roomy))
        more = np.asarray(held_back(roomy, name) - held_back(built.program, name))
        np.testing.assert_array_equal(
            before.initial_potential - after.initial_potential, more + np.zeros_like(before.bias)
        )
        assert np.any(more > 0) == (name == "g")
    assert program_files(with_least_gates(roomy, built.context.target)) == program_files(built.program)
