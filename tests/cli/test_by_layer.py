"""``spikec rmpe``, ``unevenness`` and ``confidence``: what they print, draw and refuse."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest

from spikec.compiler.frontend.training_record import TrainingRecord, with_training_record
from spikec.compiler.passes import calibrate_initial_potential
from spikec.models.commands.demo import load_shipped_samples
from spikec.models.shipped import shipped_model

Cli = Callable[..., tuple[int, str, str]]
JsonOf = Callable[..., dict[str, Any]]
Refused = Callable[..., list[str]]
Golden = Callable[[str, str], None]

COMMANDS = ("rmpe", "unevenness", "confidence", "energy")
PLAIN = ("rmpe", "energy")
"""Commands that know the plain neuron alone."""
FIGURES = {
    "rmpe": {"naive", "over", "under"},
    "unevenness": {"cases", "from_zero", "more", "fewer", "to_zero"},
    "confidence": {"active", "inactive", "right", "wrong"},
    "energy": {"spikes", "operations"},
}


@pytest.fixture(scope="session")
def unlabelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight shipped images without labels."""
    file = tmp_path_factory.mktemp("unlabelled") / "data.npz"
    np.savez(file, inputs=load_shipped_samples()[0].inputs[:8])
    return file


@pytest.mark.parametrize("command", [*COMMANDS, "unevenness --ann network"])
def test_the_shipped_network(cli: Cli, golden: Golden, unlabelled: Path, command: str) -> None:
    name, *options = command.split()
    methods = "qc-ann,exact" if name in PLAIN else "qc-ann,srp,exact"
    code, out, err = cli(name, shipped_model(), "--data", unlabelled, "--methods", methods, *options)
    assert (code, err) == (0, "")
    golden("table.txt", out)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_document_has_every_layer_in_the_order_of_the_program(
    json_of: JsonOf, unlabelled: Path, command: str
) -> None:
    found = json_of(command, shipped_model(), "--data", unlabelled, "--methods", "qc-ann", "--limit", 3, "--json")
    assert (found["timesteps"], found["samples"], found["target"]) == (4, 3, "lava")
    (row,) = found["rows"]
    assert (row["method"], row["model"], row["training"]) == ("qc-ann", str(shipped_model()), "")
    expected = [("input", 28 * 28)] if command == "energy" else []
    assert [(each["layer"], each["neurons"]) for each in row["layers"]] == [
        *expected,
        ("0_Conv", 16 * 28 * 28),
        ("3_Conv", 32 * 14 * 14),
        ("6_Conv", 32 * 14 * 14),
        ("10_Conv", 64 * 7 * 7),
        ("13_Conv", 64 * 7 * 7),
        ("18_Gemm", 128),
    ]
    assert all(set(each) == {"layer", "neurons", *FIGURES[command]} for each in row["layers"])
    assert found.get("ann") == ("layer" if command == "unevenness" else None)


def test_kinds_are_the_parts_of_the_wrong_counts_that_rmpe_tells(json_of: JsonOf, unlabelled: Path) -> None:
    rest = (shipped_model(), "--data", unlabelled, "--methods", "qc-ann", "--json")
    residuals, kinds = (json_of(command, *rest)["rows"][0]["layers"] for command in ("rmpe", "unevenness"))
    for shares, numbers in zip(residuals, kinds, strict=True):
        assert numbers["cases"] == 8 * numbers["neurons"]
        assert math.isclose(shares["over"], (numbers["from_zero"] + numbers["more"]) / numbers["cases"])
        assert math.isclose(shares["under"], (numbers["fewer"] + numbers["to_zero"]) / numbers["cases"])
    assert sum(each["from_zero"] for each in kinds) > 0


def test_the_last_step_of_confidence_is_every_neuron_that_fired(json_of: JsonOf, bench: Path) -> None:
    found = json_of("confidence", bench / "net.onnx", "--data", bench / "data.npz", "--methods", "qc-ann", "--json")
    (layer,) = found["rows"][0]["layers"]
    assert layer["active"] + layer["inactive"] == 6 * layer["neurons"]
    assert len(layer["right"]) == len(layer["wrong"]) == 4
    assert layer["right"] == sorted(layer["right"])
    assert 0 < layer["right"][-1] <= layer["active"]


def test_energy_is_that_of_the_profile(json_of: JsonOf, bench: Path) -> None:
    """``profile`` counts the compiled artefact, from its file."""
    data = ("--data", bench / "data.npz", "--json")
    (row,) = json_of("energy", bench / "net.onnx", "--methods", "qc-ann", *data)["rows"]
    profile = json_of("profile", bench / "artefact", "--model", bench / "net.onnx", *data)
    assert row["energy"] == profile["energy"]
    given, layer = row["layers"]
    (told,) = profile["layers"].values()
    assert layer["operations"] == 6 * told["synaptic_operations"]
    assert layer["spikes"] == round(6 * 4 * layer["neurons"] * told["spikes_per_neuron_and_step"])
    assert given == {"layer": "input", "neurons": 64, "spikes": 0, "operations": 6 * row["energy"]["first_layer_macs"]}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_picture(cli: Cli, bench: Path, tmp_path: Path, model: Callable[..., bytes], command: str) -> None:
    # Between dollars matplotlib would look for a formula.
    files = [tmp_path / "a$b_{$.onnx", tmp_path / "other.onnx"]
    for file in files:
        file.write_bytes(model())
    pictures = []
    for picture in (tmp_path / "one.svg", tmp_path / "two.svg"):
        call = (command, *files, "--data", bench / "data.npz", "--methods", "qc-ann,exact", "--plot", picture)
        code, _, err = cli(*call)
        assert (code, err) == (0, "")
        pictures.append(picture.read_text(encoding="utf-8"))
    assert pictures[0] == pictures[1]
    texts = " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", pictures[0]))
    for shown in ("qc-ann", "exact", "a$b_{$.onnx)", "other.onnx)"):
        assert shown in texts


def test_every_method_that_applies_and_has_the_neurons(cli: Cli, bench: Path) -> None:
    rest = (bench / "net.onnx", "--data", bench / "data.npz", "--calibration", bench / "data.npz", "--methods", "all")
    rows = {}
    for command in COMMANDS:
        code, out, err = cli(command, *rest, "--json")
        assert code == 0
        rows[command] = {row["method"] for row in json.loads(out)["rows"]}
        left_out = re.findall(r"W637: the method '([^']+)' is left out: what is measured says nothing of", err)
        assert left_out == (["srp", "cos"] if command in PLAIN else [])
    assert rows["unevenness"] == rows["confidence"] == rows["rmpe"] | {"srp", "cos"}
    assert rows["energy"] == rows["rmpe"]
    assert {"qc-ann", "lmpc", "opi", "exact"} <= rows["rmpe"]


def test_networks_of_one_method_are_told_apart(
    cli: Cli, bench: Path, model: Callable[..., bytes], tmp_path: Path
) -> None:
    files = []
    for kind, seed in (("round", 0), ("floor", 0), ("floor", 1)):
        files.append(tmp_path / f"{kind}-{seed}.onnx")
        files[-1].write_bytes(with_training_record(model(), TrainingRecord(kind, 0, seed)))
    code, out, _ = cli("rmpe", *files, "--data", bench / "data.npz", "--methods", "qc-ann,qcfs")
    assert code == 0
    rows = [line.split("  ")[0] for line in out.splitlines() if "  all  " in line]
    assert rows == ["qc-ann (round)", f"qc-ann ({files[1]})", f"qc-ann ({files[2]})", "qcfs"]


def test_a_network_trained_for_some_steps_is_of_its_method_alone(
    json_of: JsonOf, bench: Path, model: Callable[..., bytes], tmp_path: Path
) -> None:
    calibrated = tmp_path / "lwc.onnx"
    calibrated.write_bytes(with_training_record(model(), TrainingRecord("lwc", 4, 0)))
    rest = (bench / "net.onnx", calibrated, "--data", bench / "data.npz", "--json", "--methods")

    def pairs(methods: str) -> list[tuple[str, str]]:
        return [(row["method"], Path(row["model"]).name) for row in json_of("rmpe", *rest, methods)["rows"]]

    assert pairs("qc-ann,lwc") == [("qc-ann", "net.onnx"), ("lwc", "lwc.onnx")]
    assert pairs("qc-ann") == [("qc-ann", "net.onnx"), ("qc-ann", "lwc.onnx")]


def test_methods_with_other_neurons_are_refused(refused: Refused, bench: Path) -> None:
    rest = (bench / "net.onnx", "--data", bench / "data.npz", "--methods")
    for command in PLAIN:
        lines = refused(command, *rest, "qc-ann,srp,cos")
        assert [line[:11] for line in lines] == ["error E637:"] * 2
        assert "'srp'" in lines[0]
    assert "E633" in refused("confidence", *rest, "lpmc")[0]


def _dense(path: Path, nodes: str) -> Path:
    """A network of four inputs and two outputs with the weights v (4, 6), w (6, 2), m and n (4, 2)."""
    text = f'<ir_version: 8, opset_import: ["" : 17]> net (float[N,4] x) => (float[N,2] y) {{ {nodes} }}'
    model = onnx.parser.parse_model(text)
    random = np.random.default_rng(5)
    for name, shape in (("v", (4, 6)), ("w", (6, 2)), ("m", (4, 2)), ("n", (4, 2))):
        weight = random.normal(size=shape).astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(weight, name))
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture
def four(tmp_path: Path) -> Path:
    """Twelve samples of four inputs, without labels."""
    file = tmp_path / "four.npz"
    np.savez(file, inputs=np.random.default_rng(5).integers(0, 256, (12, 4)).astype(np.uint8))
    return file


def test_what_msat_sends_is_no_number_of_spikes(cli: Cli, refused: Refused, tmp_path: Path, four: Path) -> None:
    model = _dense(tmp_path / "relu.onnx", "h = MatMul (x, v) r = Relu (h) y = MatMul (r, w)")
    rest = (model, "--data", four, "--calibration", four, "--methods", "msat")
    (line,) = refused("unevenness", *rest)
    assert line.startswith("error E637")
    code, out, _ = cli("confidence", *rest, "--timesteps", 20)
    assert code == 0
    shown = re.findall(r"t = (\d+)", out.splitlines()[2])
    assert shown == ["1", "2", "4", "8", "16", "20"]


def test_a_network_without_a_layer_to_measure_is_refused(
    cli: Cli, refused: Refused, tmp_path: Path, four: Path
) -> None:
    model = _dense(tmp_path / "linear.onnx", "y = MatMul (x, m)")
    for command in COMMANDS:
        (line,) = refused(command, model, "--data", four, "--methods", "qc-ann")
        assert line.startswith("error E360")
        assert "linear.onnx" in line
    # Neurons of a maximum fire, and stand for no activation of the network.
    maxima = _dense(tmp_path / "maxima.onnx", "a = MatMul (x, m) b = MatMul (x, n) y = Max (a, b)")
    rest = (maxima, "--data", four, "--calibration", four, "--methods", "qc-ann")
    assert refused("confidence", *rest, "--plot", tmp_path / "none.svg")[0].startswith("error E360")
    assert cli("unevenness", *rest, "--plot", tmp_path / "one.svg")[0] == 0


def test_data_and_options_have_to_fit(refused: Refused, bench: Path, tmp_path: Path, four: Path) -> None:
    rest = (bench / "net.onnx", "--data", bench / "data.npz", "--methods", "qc-ann")
    assert "E600" in refused("rmpe", bench / "net.onnx", "--data", tmp_path / "no.npz")[0]
    assert "E603" in refused("rmpe", bench / "net.onnx", "--data", four)[0]
    linear = _dense(tmp_path / "linear.onnx", "y = MatMul (x, m)")
    assert "the model takes (N, 4)" in refused("rmpe", rest[0], linear, *rest[1:])[0]
    assert "E631" in refused("unevenness", *rest, "--ann", "other")[0]
    assert "E631" in refused("rmpe", "--data", bench / "data.npz")[0]


def test_a_row_that_is_not_of_its_method_is_told(
    cli: Cli, bench: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rest = ("rmpe", bench / "net.onnx", "--data", bench / "data.npz", "--methods", "lmpc,exact")
    code, out, err = cli(*rest)
    assert code == 0
    assert out.count("lmpc") == 2
    (line,) = err.splitlines()
    assert line.startswith("warning W360")
    assert "no calibration data" in line
    np.savez(tmp_path / "calibration.npz", inputs=np.random.default_rng(2).integers(0, 256, (32, 1, 8, 8), np.uint8))
    told = []
    for nearer in (-1.0, 1.0):
        # The three candidates are measured in the order in which their distances fall, or rise.
        distances = iter([3 * nearer, 2 * nearer, nearer])
        monkeypatch.setattr(calibrate_initial_potential, "distance", lambda *_, d=distances: next(d))
        told.append(cli(*rest, "--calibration", tmp_path / "calibration.npz")[2])
    assert told[1] == ""
    assert "W360" in told[0]
    assert "held-out" in told[0]
