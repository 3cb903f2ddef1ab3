"""A zoo's file is read strictly, and its networks are trained once, in order, going on after an interruption."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spikec.__main__ import run
from spikec.compiler.frontend.training_record import read_training_record
from spikec.models.zoo import load_zoo, shipped_zoos
from spikec.models.zoo import training as zoo_training
from spikec.targets.diagnostic import UnusableInput

ZOO = """
dataset = "digits"
seeds = [0, 3]
[options]
network = "convnet"
width = 2
epochs_relu = 1
epochs_qc = 1
activation = "round"
[networks.relu]
activation = "relu"
[networks.qcfs]
start = "relu"
[networks.deploy]
start = "qcfs"
deploy_timesteps = 2
epochs_deploy = 1
[networks.weights]
start = "relu"
calibrate = true
timesteps = 2
gradient = "straight-through"
potentials = false
epochs = 1
"""


@pytest.fixture
def zoo_file(tmp_path: Path) -> Path:
    file = tmp_path / "small.toml"
    file.write_text(ZOO)
    return file


@pytest.mark.parametrize("name", shipped_zoos())
def test_shipped_zoos_are_sound(name: str) -> None:
    zoo = load_zoo(name)
    assert not zoo_training._unknown_options(zoo.entries)
    assert len(zoo.entries) > 1


def test_each_network_is_trained_from_its_start_and_only_once(
    zoo_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["zoo", str(zoo_file), "-o", str(tmp_path / "runs"), "--device", "cpu", "--json"]
    assert run([*command, "--seeds", "3", "--only", "deploy"]) == 0
    rows = json.loads(capsys.readouterr().out)["networks"]
    assert [(r["seed"], r["network"], r["was_there"]) for r in rows] == [
        (3, "relu", False),
        (3, "qcfs", False),
        (3, "deploy", False),
    ]
    assert run([*command, "--seeds", "3"]) == 0
    rows = json.loads(capsys.readouterr().out)["networks"]
    assert [(r["network"], r["was_there"]) for r in rows] == [
        ("relu", True),
        ("qcfs", True),
        ("deploy", True),
        ("weights", False),
    ]
    found = {r["network"]: read_training_record(Path(r["folder"]) / "model.onnx") for r in rows}
    assert {name: (r.kind, r.timesteps, r.seed) for name, r in found.items() if r is not None} == {
        "relu": ("relu", 0, 3),
        "qcfs": ("round", 0, 3),
        "deploy": ("deploy", 2, 3),
        "weights": ("calibration-weights", 2, 3),
    }

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(zoo_training, "train", refuse)
    monkeypatch.setattr(zoo_training, "calibrate_network", refuse)
    assert run([*command, "--seeds", "3"]) == 0


def test_an_interrupted_training_goes_on(zoo_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resumed = []

    def remember(*_: object, resume: bool, **__: object) -> None:
        resumed.append(resume)

    monkeypatch.setattr(zoo_training, "train", remember)
    zoo, relu = load_zoo(zoo_file), tmp_path / "runs" / "seed-0" / "relu"
    (trained,) = zoo_training.train_zoo(zoo, None, tmp_path / "runs", only=["relu"], seeds=[0])  # type: ignore[arg-type]
    assert trained.folder == relu
    relu.mkdir(parents=True)
    (relu / "progress.pt").write_bytes(b"half")
    list(zoo_training.train_zoo(zoo, None, tmp_path / "runs", only=["relu"], seeds=[0]))  # type: ignore[arg-type]
    assert resumed == [False, True]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (('dataset = "digits"', "dataset = 3"), "dataset is not the name"),
        (("seeds = [0, 3]", "seeds = []"), "seeds is not a list"),
        (("seeds = [0, 3]", 'seeds = [0]\ncolour = "red"'), "unknown: colour"),
        (('start = "qcfs"', 'start = "noise"'), "starts from 'noise', which no network above it is"),
        (("[networks.relu]", '[networks."../relu"]'), "is not the name of a folder"),
        (("calibrate = true", 'calibrate = "yes"'), "calibrate is neither true nor false"),
        (('start = "relu"\ncalibrate', "calibrate"), "calibrates weights and has no start"),
        (("deploy_timesteps = 2", "seed = 2"), "has a seed of its own"),
        (("[options]", "[options"), "is not TOML"),
    ],
)
def test_a_faulty_file_is_refused_with_its_fault(zoo_file: Path, change: tuple[str, str], expected: str) -> None:
    assert change[0] in ZOO
    zoo_file.write_text(ZOO.replace(*change, 1))
    with pytest.raises(UnusableInput, match=expected) as refusal:
        load_zoo(zoo_file)
    assert {d.code for d in refusal.value.diagnostics} == {"E711"}


def test_what_is_asked_for_must_be_in_the_zoo(
    zoo_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["zoo", str(zoo_file), "-o", str(tmp_path / "runs")]
    assert run([*command, "--only", "resnet"]) == 2
    assert "error E711: the zoo has no network 'resnet'" in capsys.readouterr().err
    assert run([*command, "--seeds", "1,2"]) == 2
    assert capsys.readouterr().err.count("error E711: the zoo has no seed") == 2
    assert run([*command, "--seeds", "one"]) == 2
    assert "error E711: seeds is 'one'" in capsys.readouterr().err
    assert run(["zoo", "nowhere", "-o", str(tmp_path / "runs")]) == 2
    assert "error E711: there is no zoo 'nowhere'" in capsys.readouterr().err
    zoo_file.write_text(ZOO.replace("epochs_deploy", "epochs_deployed"))
    assert run(command) == 2
    assert "has the unknown option 'epochs_deployed'" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_costs_are_those_of_a_network_and_its_starts(
    zoo_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two seeds, of which one lacks the seconds of a start; networks that are not there have no line."""
    spent = {"relu": [("relu", 1, 2.0)], "qcfs": [("qc", 1, 3.0), ("qc", 2, 4.0)], "weights": []}
    for seed in (0, 3):
        done: list[dict[str, object]] = []
        for name, epochs in spent.items():
            own = tmp_path / "runs" / f"seed-{seed}" / name
            own.mkdir(parents=True)
            done = [*done, {"round": name, "epochs": len(epochs)}] if epochs else done[:1]
            (own / "train.json").write_text(json.dumps({"rounds": done}))
            lines = [json.dumps({"round": r, "epoch": e, "seconds": s * (1 + seed)}) for r, e, s in epochs]
            if epochs:
                (own / "seconds.jsonl").write_text("".join(f"{line}\n" for line in lines))
    command = ["zoo", str(zoo_file), "-o", str(tmp_path / "runs"), "--costs"]
    assert run([*command, "--json"]) == 0
    found = {each["name"]: each for each in json.loads(capsys.readouterr().out)["networks"]}
    assert list(found) == ["relu", "qcfs", "weights"]
    assert found["relu"] == {"name": "relu", "seeds": 2, "epochs": 1, "seconds": (2 + 8) / 2}
    assert found["qcfs"] == {"name": "qcfs", "seeds": 2, "epochs": 3, "seconds": (9 + 36) / 2}
    assert found["weights"] == {"name": "weights", "seeds": 2, "epochs": 1, "seconds": (2 + 8) / 2}
    (tmp_path / "runs" / "seed-3" / "relu" / "seconds.jsonl").unlink()
    assert run(command) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["relu", "2", "1", "-"]
