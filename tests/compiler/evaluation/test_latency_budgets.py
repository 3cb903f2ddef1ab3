"""Rows of the schedule mixed within a latency budget: what they run, and what becomes of a budget that is too short."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest

from spikec import CompileOptions, compile_model
from spikec.__main__ import run
from spikec.compiler.evaluation.evaluation import Evaluation, EvaluationRow, evaluate_models
from spikec.compiler.evaluation.families import families_of
from spikec.compiler.frontend.training_record import TrainingRecord, with_training_record
from spikec.runtime.encoding import encode
from spikec.runtime.program import Program
from spikec.runtime.samples import Samples
from spikec.runtime.simulator import simulate
from spikec.targets.diagnostic import UnusableInput

_T = 4
_PIPELINED = _T + 4
"""Steps to the result of the network below without any gate: three layers fire before the read-out."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three layers of neurons, of which timing matters in the last two."""
    quantised = "d{0} = Div (h{0}, unit) s{0} = Add (d{0}, half) f{0} = Floor (s{0}) "
    quantised += "c{0} = Clip (f{0}, zero, top) a{0} = Mul (c{0}, unit) "
    layers = "".join(
        f"h{k} = Gemm <transB = 1> ({'x' if k == 1 else f'a{k - 1}'}, w{k}, b) {quantised.format(k)}" for k in (1, 2, 3)
    )
    text = (
        '<ir_version: 8, opset_import: ["" : 17]> net (float[N,8] x) => (float[N,3] y) {'
        f"{layers} y = Gemm <transB = 1> (a3, w4) }}"
    )
    network = onnx.parser.parse_model(text)
    random = np.random.default_rng(4)
    tensors = {f"w{k}": random.normal(size=(8, 8)) / 2 for k in (1, 2, 3)}
    tensors |= {"w4": random.normal(size=(3, 8)), "b": np.full(8, 0.1)}
    tensors |= {"unit": np.array(0.25), "half": np.array(0.5), "zero": np.array(0.0), "top": np.array(4.0)}
    for name, value in tensors.items():
        network.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value, dtype=np.float32), name))
    file = tmp_path_factory.mktemp("model") / "net.onnx"
    file.write_bytes(with_training_record(network.SerializeToString(), TrainingRecord("round")))
    return file


@pytest.fixture(scope="module")
def data() -> Samples:
    random = np.random.default_rng(1)
    return Samples(random.integers(0, 256, size=(96, 8)).astype(np.uint8), np.arange(96) % 3)


def _evaluated(model: Path, data: Samples, methods: tuple[str, ...], timesteps: tuple[int, ...] = (_T,)) -> Evaluation:
    return evaluate_models([model], data, CompileOptions(calibration=data), timesteps, methods)


def _figures(row: EvaluationRow) -> tuple[float, int, int]:
    return row.accuracy, row.latency, row.steps_per_sample


def _figures_of(program: Program, data: Samples) -> tuple[float, int, int]:
    predictions = simulate(program, encode(program.input, data.inputs)[0]).predictions
    return float(np.mean(predictions == data.labels)), program.latency, program.window


def test_the_ends_are_the_pipelined_and_the_exact_program(model: Path, data: Samples) -> None:
    result = _evaluated(model, data, ("lmpc", f"mixed:{_PIPELINED}", "mixed:99", "exact"))
    rows = {row.method: row for row in result.rows}
    assert _figures(rows[f"mixed:{_PIPELINED}"]) == _figures(rows["lmpc"])
    assert _figures(rows["mixed:99"]) == _figures(rows["exact"])
    assert rows["lmpc"].latency == _PIPELINED
    assert rows["exact"].latency == _PIPELINED + 2 * _T
    assert all(row.plain_if for row in result.rows)
    assert {family.name for family in families_of(result.rows)} == {"potentials, calibration", "exact"}


@pytest.mark.parametrize("budget", [_PIPELINED + _T - 1, _PIPELINED + _T, _PIPELINED + 2 * _T])
def test_between_them_a_row_is_what_a_compilation_gives(model: Path, data: Samples, budget: int) -> None:
    (row,) = _evaluated(model, data, (f"mixed:{budget}",)).rows
    inputs = (data.inputs, data.labels)
    options = CompileOptions(timesteps=_T, calibration=inputs, schedule="mixed", latency_budget=budget)
    assert _figures(row) == _figures_of(compile_model(model, options).program, data)
    assert row.latency == _PIPELINED + (budget - _PIPELINED) // _T * _T


def test_a_budget_that_no_program_keeps_has_no_row_and_is_told(model: Path, data: Samples, tmp_path: Path) -> None:
    result = _evaluated(model, data, ("mixed:8", "lmpc"), (2, _T, 8))
    assert [(row.method, row.timesteps) for row in result.rows if row.method != "lmpc"] == [
        ("mixed:8", 2),
        ("mixed:8", 4),
    ]
    (told,) = result.remarks
    assert told.code == "W637"
    assert told.message == "'mixed:8 (round), T = 8' is left out: the network takes 12 time steps without any gate"
    with pytest.raises(UnusableInput, match=r"E635 the latency budget of 'mixed:8 \(round\), T = 8' is shorter"):
        _evaluated(model, data, ("mixed:8",), (8,))


def test_a_journal_tells_budgets_apart_and_keeps_those_that_are_too_short(
    model: Path, data: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, options = tmp_path / "figures.jsonl", CompileOptions(calibration=data)
    methods = ("mixed:7", f"mixed:{_PIPELINED}", f"mixed:{_PIPELINED + _T}")
    told = list[str]()
    first = evaluate_models(
        [model], data, options, (_T,), methods, journal=journal, progress=lambda row: told.append(row.words)
    )
    assert [row.latency for row in first.rows] == [_PIPELINED, _PIPELINED + _T]
    assert "mixed:7 (round), T = 4: beyond its latency budget" in told

    def refuse(*_: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr("spikec.compiler.evaluation.bench.convert", refuse)
    assert evaluate_models([model], data, options, (_T,), methods, journal=journal) == first


def test_budgets_are_named_beside_all_methods(
    model: Path, data: Samples, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "data.npz", inputs=data.inputs, labels=np.arange(96) % 3)
    given = str(tmp_path / "data.npz")
    command = ["evaluate", str(model), "--data", given, "--calibration", given, "--timesteps", "4", "--methods"]
    document: dict[str, Any] = {}
    for methods, left_out in (("all", True), ("all,mixed:12", False)):
        assert run([*command, methods, "--json"]) == 0
        out, err = capsys.readouterr()
        document = json.loads(out)
        assert ("the method 'mixed' is left out: no latency budget" in err) == left_out
    methods_of = [row["method"] for row in document["rows"]]
    assert methods_of[-1] == "mixed:12"
    assert {"lmpc", "qcfs", "exact"} < set(methods_of)
    assert run([*command, "mixed"]) == 2
    assert "E637: the method 'mixed' does not apply: no latency budget" in capsys.readouterr().err
    assert run([*command[:3], given, "--methods", "mixed:12"]) == 2
    assert "E637: the method 'mixed:12' does not apply: there is no calibration data" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["mixed:0", "mixed:", "mixed:-1", "mixed:a", "lmpc:12", "fixed:3"])
def test_a_budget_that_is_none_is_no_method(model: Path, data: Samples, name: str) -> None:
    with pytest.raises(UnusableInput, match=f"E633 there is no method '{name}'"):
        _evaluated(model, data, (name,))
