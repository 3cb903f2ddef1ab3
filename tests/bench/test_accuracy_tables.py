"""The accuracy bench: scores in front of a softmax, correlation, its table and its JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from spikec.runtime.samples import Samples

from . import accuracy_main
from .accuracy_main import main
from .published import NETWORKS, Part, Published, smooth
from .scores import correlation, scores_of_network

FILE = "some/net.onnx"


def labelled(folder: Path, part: Part) -> Samples:
    return Samples(smooth(part, (6,)).astype(np.float32), np.arange(part.count) % 3)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small network, which is all that the bench is to know."""
    random = np.random.default_rng(0)
    weights = {"w": random.normal(size=(6, 8)), "v": random.normal(size=(8, 3))}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["active"]),
        helper.make_node("MatMul", ["active", "v"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["y"], axis=1),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, n]) for name, n in (("x", 6), ("y", 3))]
    tensors = [numpy_helper.from_array(values.astype(np.float32), name) for name, values in weights.items()]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], tensors)
    path = tmp_path / FILE
    path.parent.mkdir()
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    monkeypatch.setattr(accuracy_main, "NETWORKS", (Published(FILE, (("lava", 4), ("lava", 16)), labelled, tests=12),))
    return tmp_path


def test_rows_are_printed_and_written(folder: Path) -> None:
    result = folder / "figures" / "accuracy.json"
    run = CliRunner().invoke(
        main, [str(folder), "--calibration", "16", "--schedule", "pipelined", "--schedule", "exact", "-o", str(result)]
    )
    assert run.exit_code == 0, run.output
    content = json.loads(result.read_text())
    assert content["schema"] == "spikec-accuracy/1"
    rows = content["rows"]
    assert [(row["timesteps"], row["schedule"]) for row in rows] == [
        *((4, "pipelined"), (4, "exact"), (16, "pipelined"), (16, "exact"))
    ]
    assert {row["samples"] for row in rows} == {12}
    assert all(row["file"] == FILE and row["correlation"] > 0.8 for row in rows)
    assert rows[2]["correlation"] > rows[0]["correlation"]
    assert all(row["ann_accuracy"] is not None for row in rows)
    assert "0.9" in run.output


def test_asked_cases_take_the_place_of_a_network_s_own(folder: Path) -> None:
    result = folder / "accuracy.json"
    asked = ["--target", "loihi2", "--timesteps", "2", "--tests", "5", "--calibration", "16", "-o", str(result)]
    assert CliRunner().invoke(main, [str(folder), *asked]).exit_code == 0
    (row,) = json.loads(result.read_text())["rows"]
    assert (row["target"], row["timesteps"], row["samples"]) == ("loihi2", 2, 5)


def test_mixed_takes_as_long_as_it_may(folder: Path) -> None:
    result = folder / "accuracy.json"
    asked = ["--schedule", "mixed", "--timesteps", "4", "--tests", "5", "--calibration", "16", "-o", str(result)]
    assert CliRunner().invoke(main, [str(folder), *asked]).exit_code == 2
    assert CliRunner().invoke(main, [str(folder), *asked, "--latency-budget", "6"]).exit_code == 0
    (row,) = json.loads(result.read_text())["rows"]
    assert (row["schedule"], row["latency"]) == ("mixed", 6)


def test_a_folder_without_the_networks_is_refused(tmp_path: Path) -> None:
    run = CliRunner().invoke(main, [str(tmp_path)])
    assert run.exit_code == 2
    assert "ad01.onnx" in run.output
    assert CliRunner().invoke(main, [str(tmp_path), "--only", "no such"]).exit_code == 2


def test_scores_are_those_in_front_of_the_softmax(folder: Path) -> None:
    inputs = labelled(folder, Part("test", 5, 0)).inputs
    weights = {t.name: numpy_helper.to_array(t) for t in onnx.load(folder / FILE).graph.initializer}
    expected = np.maximum(inputs @ weights["w"], 0) @ weights["v"]
    np.testing.assert_allclose(scores_of_network(folder / FILE, inputs), expected, rtol=1e-5, atol=1e-6)


def test_correlation_of_scores() -> None:
    one = np.random.default_rng(1).normal(size=(6, 4))
    assert correlation(one, 3 * one + 1) == pytest.approx(1)
    assert correlation(one, -one) == pytest.approx(-1)
    assert correlation(one, np.ones_like(one)) == 0


def test_parts_share_patterns_and_not_samples() -> None:
    part = Part("train", 200, 1)
    one, other = smooth(part, (40,)), smooth(Part("test", 200, 2), (40,))
    assert np.array_equal(one, smooth(part, (40,)))
    assert not np.array_equal(one, other)
    assert correlation(np.cov(one.T), np.cov(other.T)) > 0.8


def test_every_network_is_asked_of_both_targets_or_of_a_growing_t() -> None:
    tiny = [n for n in NETWORKS if n.file.startswith("mlperf_tiny/")]
    assert len(tiny) == 7
    assert all({("lava", 16), ("loihi2", 32)} <= set(n.cases) for n in tiny)
