"""``spikec profile`` on the small network: what it prints, what it refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikec.runtime.commands.run import load_encoded
from spikec.runtime.program.storage import load_program
from spikec.runtime.reference.network import run_reference

Cli = Callable[..., tuple[int, str, str]]
JsonOf = Callable[..., dict[str, Any]]
Refused = Callable[..., list[str]]
Golden = Callable[[str, str], None]

CONV_MACS = 4 * 8 * 8 * 9
DENSE_MACS = 3 * 4 * 4 * 4


def test_text(cli: Cli, bench: Path, golden: Golden) -> None:
    call = ("profile", bench / "artefact", "--data", bench / "data.npz")
    code, of_program, err = cli(*call)
    assert (code, err) == (0, "")
    golden("program.txt", of_program)
    of_model = cli(*call, "--model", bench / "net.onnx")[1]
    golden("model.txt", of_model)
    assert f"ANN: {CONV_MACS + DENSE_MACS} multiply-accumulates (the model as given)" in of_model


def test_json_says_what_the_program_did(json_of: JsonOf, bench: Path) -> None:
    call = (bench / "artefact", "--data", bench / "data.npz", "--limit", 5, "--json")
    found = json_of("profile", *call, "--model", bench / "net.onnx", "--output-name", "y")
    assert (found["samples"], found["macs_of"]) == (5, "model")
    ((name, layer),) = found["layers"].items()
    program = load_program(bench / "artefact")
    execution = run_reference(program, load_encoded(program, bench / "data.npz", 5)[1], record=True)
    assert execution.spike_trains is not None
    per_neuron = execution.spike_trains[name].sum(axis=(0, 1), dtype=np.int64)
    spikes = int(per_neuron.sum())
    assert layer["neurons"] == program.population(name).neurons == 256
    assert layer["spikes_per_neuron_and_step"] == spikes / (5 * 256 * program.timesteps)
    # Every neuron of the map is in one pooling window, so it has a synapse to each class whose weight is not 0.
    (readout,) = program.incoming(program.readout.name)
    classes = np.count_nonzero(readout.synapses.weight.reshape(3, 256), axis=0)
    assert layer["synaptic_operations"] == int((per_neuron * classes).sum()) / 5
    assert layer["residuals"]["naive"] > 0
    assert (layer["residuals"]["over"], layer["residuals"]["under"]) == (0.0, 0.0)
    energy = found["energy"]
    assert energy["macs_per_sample"] == CONV_MACS + DENSE_MACS
    # The kernel of 3 x 3 looks into the padding at the borders of the 8 x 8 map.
    assert energy["first_layer_macs"] == 4 * (3 * 8 - 2) ** 2
    assert energy["synaptic_operations_per_sample"] == layer["synaptic_operations"]
    assert energy["first_layer_once"] < energy["first_layer_every_step"]
    assert found["cost"]["estimate"] is None
    assert found["cost"]["synaptic_operations"]["Effective_ACs"] == layer["synaptic_operations"]
    assert found["cost"]["ratio_once"] == energy["first_layer_once"]


def test_joules_where_the_target_has_figures(cli: Cli, json_of: JsonOf, bench: Path, tmp_path: Path) -> None:
    options = ("--target", "loihi1", "--calibration", bench / "data.npz")
    assert cli("compile", bench / "net.onnx", "-o", tmp_path / "artefact", *options)[0] == 0
    call = ("profile", tmp_path / "artefact", "--data", bench / "data.npz")
    found = json_of(*call, "--json")["cost"]
    kept = json.loads((tmp_path / "artefact" / "report.json").read_text())["cost"]
    # The same six samples; eq. 18 has another ANN, the program's own synapses.
    assert {**found, "ratio_once": None, "ratio_every_step": None} == {
        **kept,
        "ratio_once": None,
        "ratio_every_step": None,
    }
    text = cli(*call)[1]
    assert "energy of a sample on loihi1: " in text
    assert "without static power" in text
    program = json.loads((tmp_path / "artefact" / "program.json").read_text())
    assert program["target"] == "loihi1"
    assert "energy" in cli("report", tmp_path / "artefact")[1]


def test_without_a_model_it_is_compared_with_its_own_synapses(json_of: JsonOf, bench: Path) -> None:
    found = json_of("profile", bench / "artefact", "--data", bench / "data.npz", "--json")
    assert found["macs_of"] == "program"
    # Each class reads the 256 neurons before the pooling, of which the network as given takes 64 means.
    synapses = json.loads((bench / "artefact" / "report.json").read_text())["program"]["synapses"]
    assert found["energy"]["macs_per_sample"] == synapses > CONV_MACS + DENSE_MACS


def test_a_model_that_is_another_one_is_refused(
    refused: Refused, bench: Path, model: Callable[..., bytes], tmp_path: Path
) -> None:
    (tmp_path / "other.onnx").write_bytes(model(classes=4))
    call = ("profile", bench / "artefact", "--data", bench / "data.npz")
    (line,) = refused(*call, "--model", tmp_path / "other.onnx")
    assert line.startswith("error E630")
    assert "was compiled from" in line
    assert "E630" in refused(*call, "--output-name", "y")[0]


@pytest.mark.parametrize(
    ("damage", "code"), [(lambda file: file.unlink(), "E610"), (lambda file: file.write_text("{"), "E318")]
)
def test_the_report_is_read_where_a_model_is_compared_with_it(
    refused: Refused, cli: Cli, bench: Path, tmp_path: Path, damage: Callable[[Path], object], code: str
) -> None:
    shutil.copytree(bench / "artefact", tmp_path / "artefact")
    damage(tmp_path / "artefact" / "report.json")
    call = ("profile", tmp_path / "artefact", "--data", bench / "data.npz")
    assert cli(*call)[0] == 0
    assert code in refused(*call, "--model", bench / "net.onnx")[0]


def test_data_and_artefact_have_to_be_there(refused: Refused, bench: Path, tmp_path: Path) -> None:
    assert "E600" in refused("profile", bench / "artefact", "--data", tmp_path / "no.npz")[0]
    assert "E610" in refused("profile", tmp_path, "--data", bench / "data.npz")[0]
