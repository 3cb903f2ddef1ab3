"""A model that does not become a program still gets a report in every format, and hints that work."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from spikec.compiler.report import report_from_json

Cli = Callable[..., tuple[int, str, str]]
Model = Callable[..., bytes]
FORMATS = ("text", "json", "html", "markdown")


@pytest.fixture
def relu_net(model: Model, tmp_path: Path) -> Path:
    """The bench network with three ReLUs in place of its activation."""
    parsed = onnx.load_model_from_string(model())
    start = next(k for k, node in enumerate(parsed.graph.node) if node.output[0] == "d")
    del parsed.graph.node[start : start + 4]
    for k, (source, result) in enumerate((("c", "m"),)):
        parsed.graph.node.insert(start + k, onnx.helper.make_node("Relu", [source], [result]))
    path = tmp_path / "relu.onnx"
    path.write_bytes(parsed.SerializeToString())
    return path


@pytest.mark.parametrize("form", FORMATS)
def test_a_refused_model_has_a_report(cli: Cli, model: Model, tmp_path: Path, form: str) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(model(pool="MaxRoiPool <pooled_shape = [2, 2]> (m, w1)", after="q = Sin (p)", flat="q"))
    code, out, err = cli("check", path, "--format", form)
    assert code == 2
    assert [line.split(":")[0] for line in err.splitlines()] == ["error E101", "error E101"]
    for expected in (
        "unsupported",
        "MaxRoiPool",
        "Sin",
        "neurons, at least",
        "256",
        "4x8x8" if form != "json" else "macs",
    ):
        assert expected in out


def test_the_json_of_a_refused_model(cli: Cli, model: Model, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(model(after="q = Sin (p)", flat="q"))
    document = json.loads(cli("check", path, "--format", "json")[1])
    assert document["verdict"] == "unsupported"
    assert document["model"]["parameters"] == 4 * 9 + 4 + 3 * 64 + 3
    assert document["model"]["operators"] == {
        **dict.fromkeys(("AveragePool", "Clip", "Conv", "Div", "Flatten", "Gemm", "Mul", "Round", "Sin"), 1)
    }
    assert [(row["name"], row["shape"], row["macs"]) for row in document["read"]] == [
        ("c", [4, 8, 8], 256 * 9),
        ("y", [3], 3 * 64),
    ]
    assert [(row["name"], row["used"]) for row in document["resources"]] == [("neurons, at least", 256)]
    assert report_from_json(json.dumps(document)).verdict == "unsupported"


@pytest.mark.parametrize("form", FORMATS)
def test_a_model_without_calibration_has_a_report(cli: Cli, relu_net: Path, form: str) -> None:
    code, out, err = cli("check", relu_net, "--target", "loihi1", "--format", form)
    assert code == 1
    assert err.count("\n") == 1
    assert re.search("needs.calibration", out)
    for expected in ("E221", "cores, at least"):
        assert expected in out


def test_a_chip_that_is_too_small_for_the_neurons_alone(cli: Cli, relu_net: Path, tmp_path: Path) -> None:
    fact = 'source = "this test", status = "{}" }}'
    chip = tmp_path / "chip.toml"

    def checked(status: str) -> tuple[int, str, str]:
        known, told = fact.format("published"), fact.format(status)
        chip.write_text(
            f"""name = "chip"
            extends = "lava"
            title = "small"
            core.neurons = {{ value = 10, unit = "compartments", {told}
            chip.cores = {{ value = 25, unit = "cores", {known}
            """
        )
        return cli("check", relu_net, "--target", chip)

    code, out, err = checked("published")
    assert (code, "E305" in err, "measured 26 of 25 cores" in err) == (1, True, True)
    assert out.startswith("verdict: does-not-fit")
    code, out, _ = checked("assumed")
    assert (code, out.startswith("verdict: needs-calibration (1 error, 1 warning;")) == (1, True)


@pytest.mark.parametrize("form", FORMATS)
def test_a_hopeless_file_has_its_findings_alone(cli: Cli, tmp_path: Path, form: str) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"these are words\n")
    code, out, err = cli("check", path, "--format", form)
    assert code == 2
    assert err.startswith("error E002")
    assert "unsupported" in out
    assert "it is a text file" in out


def test_many_equal_findings_are_one_line(cli: Cli, tmp_path: Path) -> None:
    body = " ".join(f"h{k} = Conv (r{k - 1}, w) r{k} = Relu (h{k})" for k in range(1, 20))
    text = f'<ir_version: 8, opset_import: ["" : 17]> net (float[N,1,4,4] r0) => (float[N,1,4,4] r19) {{ {body} }}'
    model = onnx.parser.parse_model(text)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones((1, 1, 1, 1), np.float32), "w"))
    (tmp_path / "deep.onnx").write_bytes(model.SerializeToString())
    code, out, err = cli("check", tmp_path / "deep.onnx")
    assert (code, err.count("\n"), out.count("error E221")) == (1, 1, 1)
    assert "19 layers: r1, r2, r3 and 16 more" in err


def test_the_option_that_a_hint_shows_works(cli: Cli, model: Model, bench: Path, tmp_path: Path) -> None:
    parsed = onnx.load_model_from_string(model(w2=0.1 * np.ones((3, 4 * 16 * 16))))
    for dimension, name in zip(parsed.graph.input[0].type.tensor_type.shape.dim[2:], "HW", strict=True):
        dimension.dim_param = name
    path = tmp_path / "net.onnx"
    path.write_bytes(parsed.SerializeToString())
    code, _, err = cli("check", path)
    assert code == 2
    option = re.search(r"for example (--input-shape) (\S+)", err)
    assert option is not None
    assert cli("check", path, *option.groups())[0] == 0
    assert cli("compile", path, "-o", tmp_path / "out", *option.groups())[0] == 0
    np.savez(tmp_path / "data.npz", inputs=np.zeros((2, 1, 32, 32), np.uint8), labels=np.zeros(2, int))
    data = ("--data", tmp_path / "data.npz", "--calibration", tmp_path / "data.npz")
    assert cli("evaluate", path, *data, "--timesteps", "1", "--methods", "qc-ann", *option.groups())[0] == 0
    assert cli("tradeoff", path, *data, *option.groups())[0] == 0
    assert cli("profile", tmp_path / "out", "--data", tmp_path / "data.npz", "--model", path)[0] == 0


def test_the_calibration_that_a_hint_asks_for_works(cli: Cli, relu_net: Path, bench: Path) -> None:
    hint = cli("check", relu_net)[2]
    assert "give --calibration FILE.npz" in hint
    assert cli("check", relu_net, "--calibration", bench / "data.npz")[0] == 0


def test_the_output_that_a_hint_names_works(cli: Cli, model: Model, tmp_path: Path) -> None:
    parsed = onnx.load_model_from_string(model())
    parsed.graph.node.append(onnx.helper.make_node("TopK", ["y"], ["best"]))
    parsed.graph.output[0].name = "best"
    path = tmp_path / "net.onnx"
    path.write_bytes(parsed.SerializeToString())
    code, _, err = cli("check", path)
    assert code == 2
    option = re.search(r"(--output-name) (\S+)", err)
    assert option is not None
    assert cli("check", path, *option.groups())[0] == 0


def test_an_input_shape_that_is_none(refused: Callable[..., list[str]], bench: Path) -> None:
    (line,) = refused("check", bench / "net.onnx", "--input-shape", "1x8x")
    assert line.startswith("error E020: the input shape is '1x8x'")


def test_a_logit_is_compared_with_zero(cli: Cli, model: Model, tmp_path: Path, saved: Any) -> None:
    """One output and labels 0 and 1: accuracy is that of the sign, not of the highest of one score."""
    weights = {"w1": np.full((4, 1, 3, 3), 0.2), "w2": np.full((1, 64), 0.05), "b2": np.array([-1.0])}
    (tmp_path / "net.onnx").write_bytes(model(**weights))
    inputs = np.zeros((40, 1, 8, 8), np.uint8)
    inputs[::3] = 255
    (tmp_path / "data.npz").write_bytes(saved(inputs=inputs))
    assert cli("compile", tmp_path / "net.onnx", "-o", tmp_path / "out")[0] == 0
    run = json.loads(cli("run", tmp_path / "out", "--data", tmp_path / "data.npz", "--json")[1])
    assert run["predictions"] == [int(k % 3 == 0) for k in range(40)]
    (tmp_path / "data.npz").write_bytes(saved(inputs=inputs, labels=np.array(run["predictions"])))
    assert json.loads(cli("run", tmp_path / "out", "--data", tmp_path / "data.npz", "--json")[1])["accuracy"] == 1.0
    (tmp_path / "data.npz").write_bytes(saved(inputs=inputs, labels=np.full(40, 2)))
    code, _, err = cli("run", tmp_path / "out", "--data", tmp_path / "data.npz")
    assert (code, "the classes are 0..1" in err) == (2, True)
