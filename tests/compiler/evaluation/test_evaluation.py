"""A comparison over several networks: which share a row, what is averaged, and what an interrupted one keeps."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest

from spikec.__main__ import run
from spikec.compiler.analysis.ledger import predictions_of
from spikec.compiler.compilation import build_from, usable_target
from spikec.compiler.evaluation.applicability import ALL
from spikec.compiler.evaluation.conversion import Converted, convert
from spikec.compiler.evaluation.evaluation import Evaluation, evaluate_models
from spikec.compiler.evaluation.forms import evaluation_text
from spikec.compiler.evaluation.resolution import unrounded
from spikec.compiler.evaluation.subjects import Subject, trained_for
from spikec.compiler.frontend.model import Model, read_model
from spikec.compiler.frontend.training_record import TrainingRecord, read_training_record, with_training_record
from spikec.compiler.methods.table import METHODS
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes import calibrate_initial_potential
from spikec.runtime.encoding import encode
from spikec.runtime.samples import Samples
from spikec.runtime.simulator import simulate
from spikec.targets.diagnostic import UnusableInput

_QUANTISED = "d = Div (h, unit) s = Add (d, half) f = Floor (s) c = Clip (f, zero, top) a = Mul (c, unit)"


def _file(path: Path, record: TrainingRecord | None, weights: int, activation: str = _QUANTISED) -> Path:
    text = (
        '<ir_version: 8, opset_import: ["" : 17]> net (float[N,5] x) => (float[N,3] y) {'
        f"h = Gemm <transB = 1> (x, w1, b1) {activation} y = Gemm <transB = 1> (a, w2, b2) }}"
    )
    model = onnx.parser.parse_model(text)
    random = np.random.default_rng(weights)
    tensors = {
        "w1": random.normal(size=(6, 5)),
        "b1": np.full(6, 0.1),
        "w2": random.normal(size=(3, 6)),
        "b2": np.zeros(3),
        "unit": np.array(0.25),
        "half": np.array(0.5),
        "zero": np.array(0.0),
        "top": np.array(4.0),
    }
    for name, value in tensors.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value, dtype=np.float32), name))
    content = model.SerializeToString()
    path.write_bytes(content if record is None else with_training_record(content, record))
    return path


@pytest.fixture
def data() -> Samples:
    random = np.random.default_rng(1)
    return Samples(random.integers(0, 256, size=(90, 5)).astype(np.uint8), np.arange(90) % 3)


def _evaluated(models: list[Path], data: Samples, methods: tuple[str, ...] | str, **given: Any) -> Evaluation:
    return evaluate_models(models, data, CompileOptions(calibration=data), (1, 4), methods, **given)


def test_a_record_survives_the_file_and_a_foreign_one_is_none(tmp_path: Path) -> None:
    record = TrainingRecord("lmpc-lwc", 4, 2, "abc")
    file = _file(tmp_path / "net.onnx", record, 0)
    assert read_training_record(file) == record
    assert read_model(file).training == record
    plain = _file(tmp_path / "plain.onnx", None, 0)
    assert read_training_record(plain.read_bytes()) is None
    for foreign in (
        "{}",
        "[]",
        "no",
        '{"kind": 3, "timesteps": 1, "seed": 0}',
        '{"kind": "a", "timesteps": -1, "seed": 0}',
        '{"kind": "a", "timesteps": 1, "seed": 0, "start": 1}',
    ):
        model = onnx.load(plain)
        entry = model.metadata_props.add()
        entry.key, entry.value = "spikec.training", foreign
        assert read_training_record(model.SerializeToString()) is None


def test_seeds_share_a_row_and_are_averaged(tmp_path: Path, data: Samples) -> None:
    files = [_file(tmp_path / f"{seed}.onnx", TrainingRecord("round", 0, seed), seed) for seed in range(3)]
    together = _evaluated(files, data, ("qcfs",))
    alone = [_evaluated([file], data, ("qcfs",)) for file in files]
    for row, *single in zip(together.rows, *(a.rows for a in alone), strict=True):
        assert row.accuracy == pytest.approx(fmean(s.accuracy for s in single), rel=1e-12)
        assert row.spread == pytest.approx(stdev(s.accuracy for s in single), rel=1e-12)
        assert [m.seed for m in row.measurements] == [0, 1, 2]
        assert single[0].spread is None
    assert together.ann_accuracy == {"round": pytest.approx(fmean(a.ann_accuracy["round"] for a in alone))}


def test_networks_of_unlike_training_have_no_common_accuracy(
    tmp_path: Path, data: Samples, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = ("floor", "round", "round")
    files = [_file(tmp_path / f"{i}.onnx", TrainingRecord(kind, 0, i), i) for i, kind in enumerate(kinds)]
    np.savez(tmp_path / "data.npz", inputs=data.inputs, labels=np.arange(90) % 3)
    command = ["evaluate", *map(str, files), "--data", str(tmp_path / "data.npz"), "--timesteps", "1", "--json"]
    assert run([*command, "--methods", "qc-ann"]) == 0
    document = json.loads(capsys.readouterr().out)
    single = {(row["training"], m["model"]): m["ann_accuracy"] for row in document["rows"] for m in row["measurements"]}
    assert document["ann_accuracy"] == {
        kind: fmean(accuracy for (training, _), accuracy in single.items() if training == kind)
        for kind in ("floor", "round")
    }


def _right(model: Path, data: Samples, method: str) -> Any:
    """Which samples the program of ``method`` at T = 4 puts into their class."""
    options = CompileOptions(timesteps=4, calibration=data)
    program = convert(read_model(model), METHODS[method], usable_target(options), options).program
    return simulate(program, encode(program.input, data.inputs)[0]).predictions == data.labels


def test_rows_are_compared_on_the_same_samples(tmp_path: Path, data: Samples) -> None:
    """With the ANN of the same seed and with another method, sample by sample and network by network."""
    kinds = [("relu", 0), ("round", 0), ("round", 1)]
    files = [_file(tmp_path / f"{i}.onnx", TrainingRecord(kind, 0, s), i) for i, (kind, s) in enumerate(kinds)]
    result = evaluate_models(files, data, CompileOptions(calibration=data), (4,), ("qcfs", "srp", "opi"), against="srp")
    row = next(r for r in result.rows if (r.method, r.training) == ("qcfs", "round"))
    given = [_right(file, data, "qcfs") for file in files[1:]]
    other = [_right(file, data, "srp") for file in files[1:]]
    summed = np.mean(given, axis=0)
    assert row.error == pytest.approx(summed.std(ddof=1) / 90**0.5)
    differences = np.array(given, dtype=float) - np.array(other)
    errors = (differences.mean(axis=0).std(ddof=1) / 90**0.5, differences.mean(axis=1).std(ddof=1) / 2**0.5)
    assert row.difference is not None
    assert row.difference.mean == pytest.approx(differences.mean())
    assert row.difference.error == pytest.approx(np.hypot(*errors))
    # Seed 0 has a ReLU network to be compared with, seed 1 its own.
    anns = [predictions_of(read_model(file).network, data.as_float()) == data.labels for file in (files[0], files[2])]
    assert row.to_ann is not None
    assert row.to_ann.mean == pytest.approx((np.array(given, dtype=float) - np.array(anns)).mean())
    (alone,) = (r.difference for r in result.rows if (r.method, r.training) == ("opi", "relu"))
    own = np.array(_right(files[0], data, "opi"), dtype=float) - _right(files[0], data, "srp")
    assert alone is not None
    assert alone.mean == pytest.approx(own.mean())
    assert alone.error == pytest.approx(own.std(ddof=1) / 90**0.5)
    with pytest.raises(UnusableInput, match="E617 no row can be compared with 'cos'"):
        _evaluated(files, data, ("qcfs",), against="cos")


def test_a_row_tells_which_potentials_were_kept(tmp_path: Path, data: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    file = _file(tmp_path / "net.onnx", TrainingRecord("round"), 0)
    # As compiled, from half a threshold, calibrated: the first time the last is nearest, then the first.
    distances = iter((3.0, 2.0, 1.0, 1.0, 2.0, 3.0))
    monkeypatch.setattr(calibrate_initial_potential, "distance", lambda *_: next(distances))
    rows = evaluate_models([file], data, CompileOptions(calibration=data), (4, 2), ("lmpc",)).rows
    assert [row.measurements[0].potentials for row in rows] == ["calibrated", "as compiled"]
    text = evaluation_text(Evaluation({}, 90, rows))
    assert [line.count("1 of 1") + 2 * line.count("0 of 1") for line in text.splitlines()[2:]] == [1, 2]
    assert all(r.measurements[0].potentials is None for r in _evaluated([file], data, ("qcfs",)).rows)


def test_each_timestep_takes_the_network_trained_for_it(tmp_path: Path, data: Samples) -> None:
    records = [TrainingRecord("deploy", steps, seed) for seed in (0, 1) for steps in (1, 4)]
    files = [_file(tmp_path / f"{i}.onnx", record, i) for i, record in enumerate(records)]
    model = read_model(files[0])
    subjects = [Subject(str(f), replace(model, training=r), 0) for f, r in zip(files, records, strict=True)]
    for steps, expected in ((1, 1), (2, 1), (3, 1), (4, 4), (32, 4)):
        chosen = trained_for(subjects, steps)
        assert [(s.seed, s.trained_timesteps) for s in chosen] == [(0, expected), (1, expected)]
    assert [s.trained_timesteps for s in trained_for(subjects[1:2], 2)] == [4]
    rows = _evaluated(files, data, ALL).rows
    assert {row.method for row in rows} >= {"deploy"}
    assert [m.trained_timesteps for row in rows if row.method == "deploy" for m in row.measurements] == [1, 1, 4, 4]


def test_all_compares_each_kind_by_its_own_methods(tmp_path: Path, data: Samples) -> None:
    kinds = ("round", "floor", "noise")
    files = [_file(tmp_path / f"{kind}.onnx", TrainingRecord(kind), 0) for kind in kinds]
    result = _evaluated(files, data, ALL)
    pairs = list(dict.fromkeys((row.method, row.training) for row in result.rows))
    assert ("qcfs", "round") in pairs
    assert ("qc-ann", "floor") in pairs
    assert ("noise", "noise") in pairs
    assert ("lmpc", "floor") in pairs
    assert ("lmpc", "round") in pairs
    assert ("qc-ann", "round") not in pairs
    assert {method for method, training in pairs if training == "noise"} == {"lmpc", "noise"}
    assert {r.code for r in result.remarks} == {"W637"}
    with pytest.raises(UnusableInput, match="no network's record says 'deploy'"):
        _evaluated(files, data, ("deploy",))


def test_a_named_method_has_rows_for_every_kind_that_it_applies_to(tmp_path: Path, data: Samples) -> None:
    kinds = {"round": _QUANTISED, "relu": "a = Relu (h)"}
    files = [_file(tmp_path / f"{kind}.onnx", TrainingRecord(kind), 0, each) for kind, each in kinds.items()]
    result = _evaluated(files, data, ("max-norm", "opi", "qcfs"))
    pairs = list(dict.fromkeys((row.method, row.training) for row in result.rows))
    # opi is compared on ReLU networks where all methods are; named, it has rows for both.
    assert pairs == [("max-norm", "relu"), ("opi", "round"), ("opi", "relu"), ("qcfs", "round")]
    (told,) = result.remarks
    assert (told.code, "'max-norm' is left out on networks 'round'" in told.message) == ("W637", True)


def test_a_row_of_a_calibration_that_had_too_little_data_is_told(tmp_path: Path, data: Samples) -> None:
    file = _file(tmp_path / "net.onnx", TrainingRecord("round"), 0)
    for calibration in (None, data.first(7)):
        options = CompileOptions(calibration=calibration)
        result = evaluate_models([file], data, options, (1, 4), ("lmpc", "qc-ann", "exact"))
        (told,) = result.remarks
        assert told.code == "W360"
        assert told.message.startswith("'lmpc' on networks 'round' at T = 1, 4 did not keep")
    assert _evaluated([file], data, ("lmpc", "exact")).remarks == ()


def test_weights_calibrated_with_potentials_aim_at_the_network_they_came_from(tmp_path: Path, data: Samples) -> None:
    start, other = (_file(tmp_path / f"{n}.onnx", TrainingRecord("floor", 0, n), n) for n in (0, 1))
    digest = hashlib.sha256(start.read_bytes()).hexdigest()
    weights = _file(tmp_path / "weights.onnx", TrainingRecord("lmpc-lwc", 4, 0, digest), 2)
    journal = tmp_path / "figures.jsonl"
    rows = _evaluated([other, weights, start], data, ("lmpc-lwc",), journal=journal).rows
    assert [m.model for row in rows for m in row.measurements] == [str(weights)] * 2
    aimed = CompileOptions(calibration=data, aim=start)
    alone = evaluate_models([weights], data, aimed, (1, 4), ("lmpc",))
    assert [row.accuracy for row in rows] == [row.accuracy for row in alone.rows]
    assert sum('"aim"' in line for line in journal.read_text().splitlines()) == 2
    with pytest.raises(UnusableInput, match="that weights were calibrated from is not among those"):
        _evaluated([other, weights], data, ("lmpc-lwc",))


def test_a_journal_answers_for_what_was_measured(
    tmp_path: Path, data: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, journal = _file(tmp_path / "net.onnx", TrainingRecord("round"), 0), tmp_path / "figures.jsonl"
    first = _evaluated([file], data, ("qcfs", "lmpc"), journal=journal, with_float=True)
    whole = journal.read_text()
    assert len(whole.splitlines()) == 1 + 2 * 2 * 2
    journal.write_text(whole[: len(whole) - 20])
    assert _evaluated([file], data, ("qcfs", "lmpc"), journal=journal, with_float=True) == first
    assert journal.read_text() == whole

    def refuse(*_: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr("spikec.compiler.evaluation.bench.convert", refuse)
    assert _evaluated([file], data, ("qcfs", "lmpc"), journal=journal, with_float=True) == first
    with pytest.raises(AssertionError, match="measured again"):
        _evaluated([file], replace(data, labels=np.zeros(90, dtype=np.int64)), ("qcfs",), journal=journal)


def test_a_foreign_journal_is_refused(tmp_path: Path, data: Samples, capsys: pytest.CaptureFixture[str]) -> None:
    file, inputs = _file(tmp_path / "net.onnx", None, 0), tmp_path / "data.npz"
    np.savez(inputs, inputs=data.inputs, labels=np.arange(90) % 3)
    (tmp_path / "notes.txt").write_text("not a journal\n")
    command = ["evaluate", str(file), "--data", str(inputs), "--methods", "qc-ann", "--journal"]
    assert run([*command, str(tmp_path / "notes.txt")]) == 2
    assert "error E638: " in capsys.readouterr().err
    assert run([*command, str(tmp_path / "nowhere" / "figures.jsonl")]) == 2
    assert "error E638: " in capsys.readouterr().err
    assert (tmp_path / "notes.txt").read_text() == "not a journal\n"


def _float_counts(model: Model, data: Samples, timesteps: int) -> Any:
    """The firing layer's counts (n, neurons) in float64, with QCFS's initial potential."""
    layers = [n.operator for n in model.network.nodes if hasattr(n.operator, "weight")]
    first: Any = layers[0]
    current = data.as_float().astype(np.float64) @ np.asarray(first.weight, dtype=np.float64).T + first.bias
    v, counts = np.full(current.shape, 0.5), np.zeros(current.shape, dtype=np.int64)
    for _ in range(timesteps):
        v = v + current
        spikes = v >= 1.0
        v -= spikes
        counts += spikes
    return counts


def test_without_rounding_a_program_is_the_float_network(tmp_path: Path, data: Samples) -> None:
    options = CompileOptions(timesteps=7, calibration=data)
    model, target = read_model(_file(tmp_path / "net.onnx", None, 5)), usable_target(options)
    wanted = _float_counts(model, data, 7)
    differing = []
    for chosen in (unrounded(target), target):
        program = METHODS["qc-ann"].finish(build_from(model, chosen, METHODS["qc-ann"].options(options)))
        encoded, _ = encode(program.input, data.inputs)
        trains = simulate(program, encoded, record=True).spike_trains
        assert trains is not None
        found = trains[program.populations[0].name].sum(axis=1, dtype=np.int64)
        differing.append(int(np.count_nonzero(found != wanted)))
    assert differing[0] == 0
    assert differing[1] > 0


def test_one_object_has_every_measurement(tmp_path: Path, data: Samples, capsys: pytest.CaptureFixture[str]) -> None:
    files = [_file(tmp_path / f"{seed}.onnx", TrainingRecord("round", 0, seed), seed) for seed in (0, 1)]
    inputs = tmp_path / "data.npz"
    np.savez(inputs, inputs=data.inputs, labels=np.arange(90) % 3)
    command = ["evaluate", *map(str, files), "--data", str(inputs), "--timesteps", "2", "--methods", "qcfs", "--float"]
    assert run([*command, "--json", "--markdown", str(tmp_path / "table.md")]) == 0
    document = json.loads(capsys.readouterr().out)
    (row,) = document["rows"]
    assert {m["model"] for m in row["measurements"]} == set(map(str, files))
    assert row["float_spread"] is not None
    assert row["samples"] == 90
    table = (tmp_path / "table.md").read_text()
    assert table.count("| qcfs | round | yes |") == 5
    assert "±" in table


def test_a_row_says_whether_its_potentials_can_overflow(
    tmp_path: Path, data: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = _file(tmp_path / "net.onnx", TrainingRecord("round"), 0)
    assert all(row.in_range for row in _evaluated([file], data, ("qcfs", "opi")).rows)
    monkeypatch.setattr("spikec.compiler.evaluation.bench.convert", _with_large_potentials)
    result = evaluate_models([file], data, CompileOptions(calibration=data), (1,), ("qcfs",))
    assert [row.in_range for row in result.rows] == [False]
    assert [str(r.code) for r in result.remarks] == ["W643"]


def _with_large_potentials(*given: Any) -> Converted:
    """What a method could do after the passes have proven their own program."""
    converted = convert(*given)
    first, *others = converted.program.populations
    raised = replace(first, initial_potential=np.array([converted.program.state_maximum]))
    return replace(converted, program=replace(converted.program, populations=(raised, *others)))


def test_a_way_of_training_is_compared_on_networks_trained_so() -> None:
    """Another restriction would leave the method out of every comparison."""
    assert all(not method.compared_on for method in METHODS.values() if method.trained is not None)
    assert len([method for method in METHODS.values() if method.trained is not None]) > 5
