"""Several outputs on the command line: how they are named, and what each command tells of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from spikec.__main__ import run

Cli = Callable[..., tuple[int, str, str]]
JsonOf = Callable[..., dict[str, Any]]
Refused = Callable[..., list[str]]


@pytest.fixture(scope="module")
def heads(bench: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bench's network with a second head at its pooled map, compiled with both into ``artefact``."""
    folder = tmp_path_factory.mktemp("heads")
    model = onnx.load_model(bench / "net.onnx")
    weight = np.random.default_rng(4).normal(size=(64, 2)).astype(np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weight, "w3"))
    model.graph.node.append(onnx.helper.make_node("MatMul", ["f", "w3"], ["z"]))
    model.graph.node.append(onnx.helper.make_node("Softmax", ["z"], ["a,b/c"]))
    model.graph.output.append(onnx.helper.make_tensor_value_info("a,b/c", onnx.TensorProto.FLOAT, ["N", 2]))
    onnx.save_model(model, folder / "net.onnx")
    call = ["compile", str(folder / "net.onnx"), "-o", str(folder / "artefact"), "--output", "y", "--output", "a,b/c"]
    assert run(call) == 0
    return folder


def test_run_tells_each_output_by_name(heads: Path, bench: Path, json_of: JsonOf, tmp_path: Path) -> None:
    call = ("run", heads / "artefact", "--data", bench / "data.npz", "--output", tmp_path / "out.npz", "--json")
    plain, found = json_of(*call), json_of(*call, "--scores", "float")
    alone = json_of("run", bench / "artefact", "--data", bench / "data.npz", "--json", "--scores", "float")
    assert set(plain) | {"scores", "score_bound"} == set(alone) | {"outputs"}
    assert found["predictions"] == found["outputs"]["y"]["predictions"] == alone["predictions"]
    assert found["scores"] == found["outputs"]["y"]["scores"]
    assert list(found["outputs"]) == ["a,b/c", "y"]
    head = found["outputs"]["a,b/c"]
    assert (head["shape"], np.shape(head["scores"]), np.shape(head["score_bound"])) == ([2], (6, 2), (2,))
    assert head["predictions"] == np.argmax(head["scores"], axis=1).tolist()
    arrays = np.load(tmp_path / "out.npz")
    np.testing.assert_array_equal(arrays["readout"], arrays["readout/y"])
    for key in ("readout", "predictions", "scores", "score_bound"):
        assert arrays[f"{key}/a,b/c"].tolist() == head[key]


def test_run_prints_a_line_for_each(heads: Path, bench: Path, cli: Cli) -> None:
    code, out, _ = cli("run", heads / "artefact", "--data", bench / "data.npz", "--scores", "float")
    assert code == 0
    assert "output y: shape 3, layer " in out
    assert "output a,b/c: shape 2, layer " in out
    assert "score 1 of a,b/c: " in out
    _, out, _ = cli("run", bench / "artefact", "--data", bench / "data.npz", "--scores", "float")
    assert "output" not in out
    assert "score 1: " in out


def test_verify_compares_every_read_out(heads: Path, bench: Path, json_of: JsonOf) -> None:
    call = ("verify", heads / "artefact", "--data", bench / "data.npz", "--backends", "reference,simulator", "--json")
    compared = json_of(*call)["compared"]
    assert sum(what == "potentials" for what in compared.values()) == 2


def test_the_report_lists_them(heads: Path, cli: Cli) -> None:
    outputs = json.loads((heads / "artefact" / "report.json").read_text())["outputs"]
    assert [(o["name"], o["shape"]) for o in outputs] == [("y", [3]), ("a,b/c", [2])]
    for form in ("text", "markdown", "html"):
        _, out, _ = cli("report", heads / "artefact", "--format", form)
        assert "a,b/c: 2 from" in out


def test_evaluate_measures_the_first(heads: Path, bench: Path, json_of: JsonOf, tmp_path: Path) -> None:
    labels = np.arange(6) % 2
    np.savez(tmp_path / "two.npz", inputs=np.load(bench / "data.npz")["inputs"], labels=labels)
    call = ("evaluate", heads / "net.onnx", "--methods", "qc-ann", "--timesteps", "4", "--json")
    journal = ("--journal", tmp_path / "figures.jsonl")
    of_y = json_of(*call, *journal, "--data", bench / "data.npz", "--output", "y")
    both = json_of(*call, *journal, "--data", bench / "data.npz", "--output", "y", "--output", "z")
    other = json_of(*call, *journal, "--data", tmp_path / "two.npz", "--output", "z,y")
    assert both == of_y
    found = json_of("run", heads / "artefact", "--data", tmp_path / "two.npz", "--json")["outputs"]["a,b/c"]
    assert other["rows"][0]["accuracy"] == np.mean(np.array(found["predictions"]) == labels)


def test_names_that_are_none(heads: Path, refused: Refused, tmp_path: Path) -> None:
    call = ("compile", heads / "net.onnx", "-o", tmp_path / "out")
    for given, code in (("", "E018"), ("y,", "E018"), ("y,y", "E019"), ("y,ghost", "E007"), ("a,b", "E007")):
        assert code in refused(*call, "--output", given)[0]
    assert "E019" in refused(*call, "--output", "y", "--output-name", "y")[0]


def test_labels_have_to_be_those_of_the_first(heads: Path, bench: Path, refused: Refused, tmp_path: Path) -> None:
    """Labels up to 2, and two scores."""
    call = ("compile", heads / "net.onnx", "-o", tmp_path / "out", "--calibration", bench / "data.npz")
    assert "E6" in refused(*call, "--output", "z,y")[0]


def test_damaged_outputs_are_refused(heads: Path, bench: Path, refused: Refused, tmp_path: Path) -> None:
    changes: tuple[Callable[[dict[str, Any]], object], ...] = (
        lambda d: d.update(outputs=d["outputs"] * 2),
        lambda d: d.update(outputs=[]),
        lambda d: d.update(outputs={}),
        lambda d: d["outputs"][0].update(score_unit="-0x1p+0"),
        lambda d: d["outputs"][0].update(score_unit=1.0),
        lambda d: d["outputs"][0].update(more=1),
        lambda d: d["outputs"][0].pop("readout"),
        lambda d: d["outputs"][1].update(readout=d["outputs"][0]["readout"]),
        lambda d: d["outputs"][1].update(name="y\u001b[2J"),
    )
    for change in changes:
        document = json.loads((heads / "artefact" / "program.json").read_text())
        change(document)
        (tmp_path / "program.json").write_text(json.dumps(document))
        (tmp_path / "tensors.npz").write_bytes((heads / "artefact" / "tensors.npz").read_bytes())
        (line,) = refused("run", tmp_path, "--data", bench / "data.npz")[:1]
        assert "E611" in line or "E613" in line
