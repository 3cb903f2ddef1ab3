"""What good commands print, and the exit code of each answer."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikec.compiler.passes.contract import Outcome
from spikec.runtime.lava import availability

Cli = Callable[..., tuple[int, str, str]]
JsonOf = Callable[..., dict[str, Any]]
Model = Callable[..., bytes]
Saved = Callable[..., bytes]

COARSE = """
name = "coarse"
title = "A chip whose input is coarse"
extends = "lava"
graded_input = { value = 4, unit = "bits", source = "this test", status = "published" }
"""

ONE_CORE = """
name = "one-core"
title = "A chip of one small core"
extends = "loihi1"
backends = ["simulator", "reference"]

[core]
neurons = { value = 100, unit = "compartments", source = "this test", status = "published" }

[chip]
cores = { value = 1, unit = "cores", source = "this test", status = "published" }
"""


def test_compile_prints_one_object(json_of: JsonOf, bench: Path, tmp_path: Path) -> None:
    document = json_of("compile", bench / "net.onnx", "-o", tmp_path / "out", "--timesteps", "2", "--json")
    assert {"directory", "verdict", "target", "timesteps", "depth", "neurons", "diagnostics", "seconds"} == set(
        document
    )
    assert document["verdict"] == "fits"
    assert document["timesteps"] == 2
    assert document["depth"] == 2
    assert document["neurons"] == 4 * 8 * 8 + 3
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "program.json",
        "report.html",
        "report.json",
        "selftest.json",
        "tensors.npz",
    ]


def test_run_prints_one_object(json_of: JsonOf, bench: Path, tmp_path: Path) -> None:
    results = {}
    for backend in ("simulator", "reference"):
        output = tmp_path / f"{backend}.npz"
        document = json_of(
            *("run", bench / "artefact", "--data", bench / "data.npz", "--backend", backend),
            *("--output", output, "--json"),
        )
        assert set(document) == {"backend", "samples", "accuracy", "predictions", "spikes", "steps", "seconds"}
        assert document.pop("backend") == backend
        assert document.pop("seconds") >= 0
        with np.load(output) as archive:
            assert archive["predictions"].tolist() == document["predictions"]
            assert archive["readout"].shape == (6, 3)
        results[backend] = document
    assert results["simulator"] == results["reference"]
    assert results["simulator"]["samples"] == 6
    assert results["simulator"]["steps"] == 6 * 4 + 2
    labels = np.arange(6) % 3
    assert results["simulator"]["accuracy"] == np.mean(labels == results["simulator"]["predictions"])
    assert sum(results["simulator"]["spikes"].values()) > 0


def test_verify_prints_one_object(json_of: JsonOf, bench: Path) -> None:
    document = json_of(
        "verify", bench / "artefact", "--data", bench / "data.npz", "--backends", "reference,simulator", "--json"
    )
    assert document == {
        "equal": True,
        "samples": 6,
        "backends": ["reference", "simulator"],
        "compared": {"c": "spike trains", "y": "potentials"},
        "first_difference": None,
    }


@pytest.mark.skipif(not availability().available, reason="lava-nc is not installed")
def test_verify_on_lava(cli: Cli, bench: Path) -> None:
    code, out, _ = cli("verify", bench / "artefact", "--data", bench / "data.npz", "--limit", "2")
    assert code == 0
    assert out == "equal: reference, simulator, lava (2 samples, 2 layers, every neuron and step)\n"


def test_verify_says_where_backends_part(cli: Cli, bench: Path, monkeypatch: pytest.MonkeyPatch, golden: Any) -> None:
    from spikec.runtime import backends

    def biased(program: Any, samples: Any, **options: Any) -> Any:
        first, *rest = program.populations
        changed = replace(program, populations=(replace(first, bias=first.bias + 40), *rest))
        return replace(backends.BACKENDS["simulator"](changed, samples, **options), backend="reference")

    monkeypatch.setitem(backends.BACKENDS, "reference", biased)
    arguments = ("verify", bench / "artefact", "--data", bench / "data.npz", "--backends", "reference,simulator")
    code, out, err = cli(*arguments, "--json")
    assert code == 1
    assert err == ""
    document = json.loads(out)
    assert document["equal"] is False
    assert set(document["first_difference"]) == {"layer", "neuron", "step", "sample", "values"}
    assert document["first_difference"]["layer"] == "c"
    code, out, _ = cli(*arguments)
    assert code == 1
    golden("not-equal.txt", out)


def test_evaluate_prints_one_object(json_of: JsonOf, bench: Path) -> None:
    document = json_of("evaluate", bench / "net.onnx", "--data", bench / "data.npz", "--timesteps", "1,4", "--json")
    assert set(document) == {"ann_accuracy", "rows"}
    assert [(row["method"], row["timesteps"]) for row in document["rows"]] == [
        ("qc-ann", 1),
        ("qc-ann", 4),
        ("lmpc", 1),
        ("lmpc", 4),
        ("exact", 1),
        ("exact", 4),
    ]
    assert all(0 <= row["accuracy"] <= 1 for row in document["rows"])
    columns = {"method", "timesteps", "accuracy", "latency", "steps_per_sample", "plain_if", "samples"}
    assert all(columns <= set(row) for row in document["rows"])


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        (("passes", "--json"), {"passes"}),
        (("targets", "--json"), {"targets"}),
        (("targets", "loihi2", "--json"), {"name", "title", "backends", "assumed", "digest", "numbers", "notes"}),
        (("doctor", "--json"), {"python", "spikec", "numpy", "onnx", "lava backend", "loihi 2"}),
    ],
)
def test_other_objects(cli: Cli, arguments: tuple[str, ...], keys: set[str]) -> None:
    code, out, err = cli(*arguments)
    assert (code, err) == (0, "")
    assert keys <= set(json.loads(out))


def test_reports_in_every_format(cli: Cli, bench: Path, tmp_path: Path) -> None:
    printed = {
        form: cli("report", bench / "artefact", "--format", form) for form in ("text", "json", "html", "markdown")
    }
    assert all(code == 0 and out.strip() and not err for code, out, err in printed.values())
    assert json.loads(printed["json"][1])["schema"] == "spikec-report/1"
    assert printed["json"][1] == (bench / "artefact" / "report.json").read_text()
    assert printed["html"][1] == (bench / "artefact" / "report.html").read_text()
    assert cli("report", bench / "artefact", "-o", tmp_path / "report.txt") == (0, "", "")
    assert (tmp_path / "report.txt").read_text() == printed["text"][1]


def test_a_report_shows_accuracies_that_were_measured_on_its_model(
    cli: Cli, refused: Callable[..., list[str]], bench: Path, tmp_path: Path, model: Callable[..., bytes]
) -> None:
    data = ("--data", bench / "data.npz", "--calibration", bench / "data.npz", "--json")
    for name, arguments in (("evaluate", ("--timesteps", "1,2")), ("tradeoff", ("--timesteps", "2", "--points", "2"))):
        code, out, _ = cli(name, bench / "net.onnx", *arguments, *data)
        assert code == 0
        (tmp_path / f"{name}.json").write_text(out)
    given = ("--accuracy", tmp_path / "evaluate.json", "--accuracy", tmp_path / "tradeoff.json")
    code, page, _ = cli("report", bench / "artefact", "--format", "html", *given)
    assert code == 0
    assert page.count('<svg class="chart"') == 1, "its one layer needs no gate, which makes one point"
    text = cli("report", bench / "artefact", *given)[1]
    assert all(words in text for words in ("Accuracy against T", "qc-ann", "pipelined"))
    (tmp_path / "other.onnx").write_bytes(model(classes=4))
    assert cli("compile", tmp_path / "other.onnx", "-o", tmp_path / "out")[0] == 0
    (line,) = refused("report", tmp_path / "out", *given)
    assert line.startswith("error E638: ")
    assert "no figure in it was measured on the report's model" in line


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", "[" * 100_000, '{"schema": "spikec-report/9"}', '{"schema": "spikec-report/1"}', "\udcff"]
)
def test_damaged_report(refused: Callable[..., list[str]], bench: Path, tmp_path: Path, damage: str) -> None:
    shutil.copytree(bench / "artefact", tmp_path / "out")
    (tmp_path / "out" / "report.json").write_bytes(damage.encode(errors="surrogateescape"))
    (line,) = refused("report", tmp_path / "out")
    assert line.split()[1] in ("E318:", "E610:")
    assert "report.json" in line


def test_network_that_does_not_fit(cli: Cli, bench: Path, tmp_path: Path, golden: Any) -> None:
    chip = tmp_path / "one-core.toml"
    chip.write_text(ONE_CORE)
    code, out, err = cli("check", bench / "net.onnx", "--target", chip, "--timesteps", "4", "--format", "json")
    assert code == 1
    report = json.loads(out)
    assert report["verdict"] == "does-not-fit"
    assert report["layers"]
    golden("stderr.txt", err.replace(f"{tmp_path}/", "").replace(f"{bench}/", ""))
    code, out, err = cli("compile", bench / "net.onnx", "--target", chip, "-o", tmp_path / "out", "--json")
    assert code == 1
    assert json.loads(out)["verdict"] == "does-not-fit"
    assert json.loads((tmp_path / "out" / "report.json").read_text())["verdict"] == "does-not-fit"


def test_shipped_network_on_shipped_targets(cli: Cli) -> None:
    from spikec.models.shipped import shipped_model

    verdicts = {}
    for target in ("lava", "loihi2"):
        code, out, err = cli("check", shipped_model(), "--target", target, "--timesteps", "4", "--format", "json")
        assert code == 0, err
        verdicts[target] = json.loads(out)["verdict"]
    assert verdicts["lava"] == "fits"
    assert verdicts["loihi2"] in ("fits", "fits-with-warnings")


def test_strict_counts_warnings_as_errors(cli: Cli, bench: Path, tmp_path: Path) -> None:
    chip = tmp_path / "coarse.toml"
    chip.write_text(COARSE)
    coarse = ("check", bench / "net.onnx", "--target", chip, "--format", "json")
    code, out, _ = cli(*coarse)
    strict_code, strict_out, _ = cli(*coarse, "--strict")
    assert (code, json.loads(out)["verdict"]) == (0, "fits-with-warnings")
    assert (strict_code, json.loads(strict_out)["verdict"]) == (1, "does-not-fit")
    assert json.loads(strict_out)["strict"] is True


@pytest.mark.parametrize(("target", "verdict"), [("lava", "fits"), ("loihi1", "unknown"), ("loihi2", "unknown")])
def test_strict_takes_no_answer_from_assumptions(cli: Cli, bench: Path, target: str, verdict: str) -> None:
    code, out, _ = cli("check", bench / "net.onnx", "--target", target, "--strict")
    assert (code, out.split(" ")[1]) == (int(verdict == "unknown"), verdict)
    first, *_ = out.split("\n\n")
    assert ("that no source states" in first.replace("\n", " ")) == (target == "loihi2")


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_targets_are_compared(cli: Cli, bench: Path, form: str) -> None:
    code, out, err = cli("check", bench / "net.onnx", "--target", "all", "--format", form)
    assert (code, err) == (0, "")
    assert all(name in out for name in ("loihi1", "loihi2", "speck2f", "spinnaker2", "lava", "programmable"))


def test_no_target_of_several_fits(cli: Cli, bench: Path, tmp_path: Path) -> None:
    chips = []
    for name in ("a", "b"):
        chips.append(tmp_path / f"{name}.toml")
        chips[-1].write_text(ONE_CORE)
    code, out, _ = cli("check", bench / "net.onnx", "--target", ",".join(map(str, chips)))
    assert (code, "fits none of 2 targets" in out) == (1, True)
    code, _, err = cli("check", bench / "net.onnx", "--target", "all", "--format", "html")
    assert (code, "a comparison of targets is text, json or markdown" in err) == (2, True)


def test_one_image_without_labels(json_of: JsonOf, bench: Path, saved: Saved, tmp_path: Path) -> None:
    (tmp_path / "one.npz").write_bytes(saved(inputs=np.full((1, 1, 8, 8), 200, np.uint8)))
    for backend in ("simulator", "reference"):
        document = json_of("run", bench / "artefact", "--data", tmp_path / "one.npz", "--backend", backend, "--json")
        assert document["samples"] == 1
        assert document["accuracy"] is None
        assert len(document["predictions"]) == 1


def test_bytes_and_floats_are_the_same_images(json_of: JsonOf, bench: Path, saved: Saved, tmp_path: Path) -> None:
    with np.load(bench / "data.npz") as archive:
        inputs = archive["inputs"]
    spikes = []
    for name, images in (("bytes", inputs), ("floats", (inputs / 255).astype(np.float32)), ("doubles", inputs / 255)):
        (tmp_path / f"{name}.npz").write_bytes(saved(inputs=images))
        spikes.append(json_of("run", bench / "artefact", "--data", tmp_path / f"{name}.npz", "--json")["spikes"])
    assert spikes[0] == spikes[1] == spikes[2]


def test_values_outside_the_input_range_are_clipped_and_counted(
    cli: Cli, bench: Path, saved: Saved, tmp_path: Path, golden: Any
) -> None:
    outside = np.linspace(-1, 2, 64, dtype=np.float32).reshape(1, 1, 8, 8)
    documents = []
    for images in (outside, outside.clip(0, 1)):
        (tmp_path / "data.npz").write_bytes(saved(inputs=images))
        code, out, err = cli("run", bench / "artefact", "--data", tmp_path / "data.npz", "--json")
        assert code == 0
        documents.append((json.loads(out)["spikes"], err.replace(f"{tmp_path}/", "")))
    assert documents[0][0] == documents[1][0]
    assert "W620" in documents[0][1]
    assert documents[1][1] == ""
    golden("stderr.txt", documents[0][1])


def test_one_class(json_of: JsonOf, model: Model, saved: Saved, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(model(classes=1))
    (tmp_path / "data.npz").write_bytes(saved(inputs=np.zeros((2, 1, 8, 8), np.uint8), labels=np.zeros(2, np.uint8)))
    json_of("compile", tmp_path / "net.onnx", "-o", tmp_path / "out", "--json")
    document = json_of("run", tmp_path / "out", "--data", tmp_path / "data.npz", "--json")
    assert document["predictions"] == [0, 0]
    assert document["accuracy"] == 1.0


def test_help_and_version(cli: Cli) -> None:
    code, out, err = cli("--help")
    assert (code, err) == (0, "")
    names = ("demo", "compile", "check", "run", "verify", "report", "evaluate")
    for name in (*names, "train", "explain", "targets", "passes", "doctor"):
        assert f"\n  {name} " in out
        code, text, err = cli(name, "--help")
        assert (code, err) == (0, "")
        assert text.startswith(f"Usage: spikec {name}")
    assert cli()[0] == 0
    assert cli("--version")[1].startswith("spikec, version ")


def test_passes_are_verified(cli: Cli, bench: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from spikec.compiler.passes.fold_batch_norm import FoldBatchNorm

    def halving(self: FoldBatchNorm, state: Any, context: Any) -> Any:
        nodes = tuple(
            replace(n, operator=replace(n.operator, weight=n.operator.weight / 2))
            if hasattr(n.operator, "weight")
            else n
            for n in state.network.nodes
        )
        return Outcome(replace(state, network=state.network.with_nodes(nodes)), {}, ())

    monkeypatch.setattr(FoldBatchNorm, "run", halving)
    code, out, err = cli("compile", bench / "net.onnx", "-o", tmp_path / "out")
    assert (code, out) == (2, "")
    assert err.startswith(f"error E901: {bench}/net.onnx: fold-batch-norm changed the network's function by ")
    assert not (tmp_path / "out").exists()


def test_faults_of_our_own_end_as_one_line(
    cli: Cli, bench: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from spikec.compiler import compilation

    def broken(*arguments: Any) -> Any:
        raise ZeroDivisionError("two\nlines")

    monkeypatch.setattr(compilation, "with_chosen_maxima", broken)
    code, out, err = cli("compile", bench / "net.onnx", "-o", tmp_path / "out")
    assert (code, out) == (2, "")
    assert err.startswith("error E902: ZeroDivisionError: two lines; hint: set SPIKEC_TRACEBACK=1")
    assert err.count("\n") == 1
    monkeypatch.setenv("SPIKEC_TRACEBACK", "1")
    assert "Traceback" in cli("compile", bench / "net.onnx", "-o", tmp_path / "out")[2]


def test_as_a_process(process: Callable[..., subprocess.Popen[str]], bench: Path) -> None:
    started = process("run", bench / "artefact", "--data", bench / "data.npz", "--json")
    out, err = started.communicate(timeout=60)
    assert (started.returncode, err) == (0, "")
    assert json.loads(out)["samples"] == 6


def test_scores_in_the_units_of_the_network(json_of: JsonOf, bench: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.npz"
    plain = json_of("run", bench / "artefact", "--data", bench / "data.npz", "--json")
    document = json_of(
        *("run", bench / "artefact", "--data", bench / "data.npz", "--scores", "float", "--output", out, "--json")
    )
    assert set(document) == {*plain, "scores", "score_bound"}
    assert document["predictions"] == plain["predictions"]
    scores, bound = np.array(document["scores"]), np.array(document["score_bound"])
    assert scores.shape == (document["samples"], len(bound))
    assert (bound > 0).all()
    np.testing.assert_array_equal(scores.argmax(axis=1), document["predictions"])
    with np.load(out) as stored:
        np.testing.assert_array_equal(stored["scores"], scores)
        unit = scores[0, 0] / stored["readout"][0, 0]
        np.testing.assert_allclose(stored["readout"] * unit, scores)
