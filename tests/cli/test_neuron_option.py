"""``--neuron``: what is compiled, what a target without such neurons answers, what report and backends make of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikec.compiler.compilation import compile_model
from spikec.compiler.methods.adaptive_threshold import MSAT
from spikec.compiler.methods.method import uncalibrated
from spikec.compiler.methods.offset_spikes import COS
from spikec.compiler.methods.spike_masking import SRP
from spikec.compiler.options import CompileOptions
from spikec.compiler.report import report_from_json, report_html, report_json, report_text
from spikec.runtime.lava import availability
from spikec.runtime.program.neuron_models import PLAIN_IF, NeuronModel, cos, srp
from spikec.runtime.program.storage import load_program
from spikec.runtime.samples import Samples

Cli = Callable[..., tuple[int, str, str]]
MODELS = ("srp", "cos", "msat")


def _options(**changes: Any) -> CompileOptions:
    return CompileOptions(target="programmable", **changes)


@pytest.mark.parametrize("neuron", MODELS)
def test_a_plain_target_answers_no_and_names_the_state(neuron: str, bench: Path, cli: Cli) -> None:
    code, out, err = cli("check", bench / "net.onnx", "--neuron", neuron)
    assert code == 1
    assert out.startswith("verdict: does-not-fit")
    assert f"E319: the target has no neuron of the model '{neuron}'" in err
    assert "'programmable'" in err
    assert "--schedule exact" in err
    code, out, _ = cli("check", bench / "net.onnx", "--neuron", neuron, "--target", "programmable", "--format", "json")
    assert code == 0
    assert json.loads(out)["neuron"]["model"] == neuron


@pytest.mark.parametrize("neuron", MODELS)
def test_backends_agree_and_lava_refuses(neuron: str, bench: Path, cli: Cli, tmp_path: Path) -> None:
    arguments = ("--target", "programmable", "--neuron", neuron, "--first-pass", 3, "--timesteps", 2)
    assert cli("compile", bench / "net.onnx", "-o", tmp_path / "a", *arguments)[0] == 0
    code, out, _ = cli("verify", tmp_path / "a", "--data", bench / "data.npz", "--backends", "reference,simulator")
    assert (code, out.split(":")[0]) == (0, "equal")
    code, out, err = cli("run", tmp_path / "a", "--data", bench / "data.npz", "--backend", "lava")
    assert (code, out) == (2, "")
    assert f"E512: Lava has no neuron of the model '{neuron}'" in err
    program = load_program(tmp_path / "a")
    assert program.latency - program.depth == 2 + (0 if neuron == "msat" else 3)


def test_graded_neurons_run_on_three_backends_and_are_reported(bench: Path, cli: Cli, tmp_path: Path) -> None:
    options = ("--neuron", "graded", "--timesteps", 1, "--calibration", bench / "data.npz")
    assert cli("compile", bench / "net.onnx", "-o", tmp_path / "a", *options)[0] == 0
    program = load_program(tmp_path / "a")
    assert [p.payloads for p in program.firing] == [(0, 4)]
    backends = "reference,simulator,lava" if availability().available else "reference,simulator"
    code, out, _ = cli("verify", tmp_path / "a", "--data", bench / "data.npz", "--backends", backends)
    assert (code, out.split(":")[0]) == (0, "equal")
    _, out, _ = cli("report", tmp_path / "a")
    assert "graded, needs a payload in each message" in " ".join(out.split())


def test_what_graded_messages_are_worth_stands_in_the_report(bench: Path) -> None:
    options = CompileOptions(neuron="graded", timesteps=1, target="loihi2", calibration=bench / "data.npz")
    report = compile_model(bench / "net.onnx", options).report
    assert [(r.neurons, r.timesteps, r.window, r.payload_bits) for r in report.beside] == [
        ("graded", 1, 1, 3),
        ("plain", 1, 1, 0),
        ("plain", 4, 4, 0),
    ]
    assert all(r.cores == 1 and r.messages > 0 and r.synaptic_events > 0 for r in report.beside)
    graded, *plain = report.beside
    assert report.cost is not None
    macs = 4 * 64 * 9 + 3 * 64
    assert graded.operations_ratio == report.cost.ratio_once
    for row in plain:
        # An event of a spike is an addition, of a payload a product, at 0.9 and 4.6 pJ.
        assert row.operations_ratio is not None
        assert graded.operations_ratio is not None
        spent = (graded.operations_ratio - row.operations_ratio) * macs
        assert spent == pytest.approx(graded.synaptic_events - row.synaptic_events * 0.9 / 4.6)
    assert report_from_json(report_json(report)) == report
    text = " ".join(report_text(report).split())
    assert "What graded messages are worth" in text
    assert "What graded messages are worth" in report_html(report)
    assert "of messages with a payload are published" in text
    assert report.cost.synaptic_operations["Effective_ACs"] == 0
    plain_report = compile_model(bench / "net.onnx", replace(options, neuron="if")).report
    assert plain_report.beside == ()
    assert "beside" not in json.loads(report_json(plain_report))


def test_events_of_payloads_have_no_price_of_spikes(bench: Path, tmp_path: Path) -> None:
    priced = tmp_path / "priced.toml"
    priced.write_text(
        'name = "priced"\ntitle = "Priced"\nextends = "loihi1"\n[neuron]\nmodels = { values = ["if", "graded"], '
        'source = "a test", status = "measured" }\n'
    )
    options = CompileOptions(target=str(priced), timesteps=1, calibration=bench / "data.npz")
    spikes, payloads = (compile_model(bench / "net.onnx", replace(options, neuron=n)).report for n in ("if", "graded"))
    assert spikes.cost is not None
    assert payloads.cost is not None
    assert spikes.cost.estimate is not None
    assert payloads.cost.estimate is None
    assert "of messages with a payload" in payloads.cost.reason
    assert all(row.joules is None for row in payloads.cost.rows)


def test_a_chip_without_graded_messages_says_so_of_each_layer(bench: Path, cli: Cli) -> None:
    options = ("--neuron", "graded", "--timesteps", 1, "--target", "loihi1")
    code, out, err = cli("check", bench / "net.onnx", *options)
    assert code == 1
    assert out.startswith("verdict: does-not-fit")
    assert "E350" in err
    assert "Loihi" in err
    assert "0..4" in err
    assert "E319" not in err


def test_levels_are_those_of_activations_without_any(model: Callable[..., bytes], tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(model(after="o = Mul (p, top) q = Sub (o, unit) r2 = Relu (q)", flat="r2"))
    calibration = Samples(np.random.default_rng(0).random((9, 1, 8, 8)).astype(np.float32), None)
    options = CompileOptions(neuron="graded", timesteps=1, levels=6, calibration=calibration)
    program = compile_model(tmp_path / "net.onnx", options).program
    assert (0, 6) in [p.payloads for p in program.firing]


def test_the_report_tells_the_neuron_model_and_its_first_pass(bench: Path) -> None:
    compiled = compile_model(bench / "net.onnx", _options(neuron="cos", first_pass=3))
    text = report_text(compiled.report)
    assert "cos, needs 1 initial membrane potential per neuron and sample" in text
    assert "a first pass of 3 steps, 3 in all" in text
    assert "9 steps, from the first input to the result, a sample every 7 steps" in " ".join(text.split())
    assert "initial membrane potential per neuron and sample" in report_html(compiled.report)
    assert report_from_json(report_json(compiled.report)) == compiled.report
    plain = compile_model(bench / "net.onnx", _options())
    assert plain.report.neuron is None
    assert "neuron" not in json.loads(report_json(plain.report))
    assert report_from_json(report_json(plain.report)) == plain.report


def test_a_state_too_narrow_for_shifted_potentials_is_named(bench: Path, tmp_path: Path) -> None:
    target = tmp_path / "narrow.toml"
    target.write_text(
        'name = "narrow"\ntitle = "Narrow"\nextends = "programmable"\nbackends = ["simulator"]\n[neuron]\n'
        'state_bits = { value = 14, unit = "bits", source = "a test", status = "measured" }\n'
    )
    plain, long = (
        compile_model(bench / "net.onnx", CompileOptions(target=str(target), neuron=neuron, first_pass=400)).report
        for neuron in ("if", "srp")
    )
    # The input has few bits in so narrow a state, which is a warning of both.
    assert {d.code for d in plain.diagnostics} <= {"W212"}
    assert {d.code for d in long.diagnostics} - {"W212"} == {"E212"}
    assert not long.numbers[0].overflow.proven


@pytest.mark.parametrize(
    "arguments",
    [
        ("--neuron", "lif"),
        ("--neuron", "srp", "--first-pass", 0),
        ("--neuron", "cos", "--schedule", "exact"),
        ("--neuron", "graded"),
        ("--neuron", "graded", "--timesteps", 1, "--levels", 0),
        ("--neuron", "graded", "--timesteps", 1, "--schedule", "exact"),
    ],
)
def test_options_out_of_range(arguments: tuple[object, ...], bench: Path, refused: Callable[..., list[str]]) -> None:
    (line,) = refused("check", bench / "net.onnx", *arguments)
    assert line.startswith("error E630")


@pytest.mark.parametrize(("method", "model"), [(SRP, srp()), (COS, cos())])
def test_methods_keep_the_potentials_that_were_trained(method: Any, model: NeuronModel, bench: Path) -> None:
    from spikec.compiler.compilation import build_program

    options = CompileOptions(timesteps=2)
    built = build_program(bench / "net.onnx", method.options(options))
    plain = build_program(bench / "net.onnx", uncalibrated(options)).program
    program = method.finish(built)
    assert program.neuron == model
    assert plain.neuron == PLAIN_IF
    for population, trained in zip(program.populations, plain.populations, strict=True):
        assert np.array_equal(population.initial_potential, trained.initial_potential)
    assert not method.plain_if


def test_msat_starts_from_zero_at_the_largest_activation(bench: Path) -> None:
    from spikec.compiler.compilation import build_program

    built = build_program(bench / "net.onnx", MSAT.options(CompileOptions(timesteps=2)))
    program = MSAT.finish(built)
    first = program.populations[0]
    assert not first.initial_potential.any()
    # The net's activation is clipped at 4 levels of 0.25; the constants take it for one of the published scale.
    assert program.neuron.msat.layer(first.name).threshold_value == 2.0
    assert program.neuron == compile_model(bench / "net.onnx", _options(neuron="msat")).program.neuron
