from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from click.testing import CliRunner

from spikec.models.checkpoint import load_checkpoint
from spikec.models.commands.train import train
from spikec.models.datasets.images import DataSet
from spikec.models.training import training
from spikec.models.training.augmentation import augment
from spikec.models.training.options import TrainingOptions
from spikec.models.training.thresholds import set_thresholds
from spikec.targets.diagnostic import UnusableInput

OPTIONS = TrainingOptions(
    "convnet", "round", width=4, epochs_relu=2, epochs_qc=2, learning_rate_relu=0.05, batch_size=32
)


def stop_after(epochs: int) -> Callable[[str, float], None]:
    said: list[str] = []

    def say(text: str, began: float) -> None:
        said.append(text)
        if len(said) > epochs:
            raise KeyboardInterrupt

    return say


def test_two_rounds_learn_and_leave_all_files(digits: DataSet, tmp_path: Path) -> None:
    options = replace(OPTIONS, width=8, epochs_relu=6, epochs_qc=3)
    record = training.train(options, digits, tmp_path, device="cpu")
    relu, quantised = record["rounds"]
    assert relu["test_accuracy"] > 0.8
    assert quantised["test_accuracy"] > 0.8
    assert len(quantised["thresholds"]) == 6
    assert min(quantised["thresholds"].values()) > 0
    assert [entry["round"] for entry in record["history"]] == ["relu"] * 6 + ["qc"] * 3
    curve = [entry["validation_accuracy"] for entry in record["history"][:6]]
    assert relu["validation_accuracy"] == max(curve)
    assert relu["best_epoch"] == 1 + curve.index(max(curve))
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"model.pt", "model.onnx", "train.json", "test.npz", "calibration.npz", "seconds.jsonl"}
    costs = [json.loads(line) for line in (tmp_path / "seconds.jsonl").read_text().splitlines()]
    assert [cost["epoch"] for cost in costs] == [1, 2, 3, 4, 5, 6, 1, 2, 3]
    assert all(cost["seconds"] > 0 for cost in costs)
    assert json.loads((tmp_path / "train.json").read_text()) == record
    assert accuracy_in_onnxruntime(tmp_path) == pytest.approx(quantised["test_accuracy"], abs=0.01)  # ties at a level
    assert load_checkpoint(tmp_path / "model.pt").training == record


def test_bfloat16_trains_as_well_and_leaves_single_precision(digits: DataSet, tmp_path: Path) -> None:
    options = replace(OPTIONS, width=8, epochs_relu=6, epochs_qc=2, epochs_deploy=1, deploy_timesteps=4)
    seen: set[torch.dtype] = set()

    def remember(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        if module.training:
            seen.add(output.dtype)

    hook = torch.nn.modules.module.register_module_forward_hook(
        lambda module, inputs, output: remember(module, inputs, output) if isinstance(module, torch.nn.Conv2d) else None
    )
    try:
        record = training.train(replace(options, precision="bfloat16"), digits, tmp_path, device="cpu")
    finally:
        hook.remove()
    assert seen == {torch.bfloat16}
    assert min(done["test_accuracy"] for done in record["rounds"]) > 0.8
    weights = load_checkpoint(tmp_path / "model.pt").weights.values()
    assert {tensor.dtype for tensor in weights if tensor.is_floating_point()} == {torch.float32}


def accuracy_in_onnxruntime(folder: Path) -> float:
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    with np.load(folder / "test.npz") as file:
        inputs, labels = file["inputs"], file["labels"]
    assert inputs.dtype == np.uint8
    (logits,) = session.run(None, {"input": inputs.astype(np.float32) / np.float32(255)})
    return float((logits.argmax(1) == labels).mean())


@pytest.mark.parametrize("epochs", [0, 1, 2, 3])
def test_resumed_training_equals_the_uninterrupted_one(
    digits: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epochs: int
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    training.train(OPTIONS, digits, whole, device="cpu")
    with monkeypatch.context() as patch:
        patch.setattr(training, "_say", stop_after(epochs))
        with pytest.raises(KeyboardInterrupt):
            training.train(OPTIONS, digits, parts, device="cpu")
    with pytest.raises(UnusableInput, match="E706 the folder holds an unfinished training"):
        training.train(OPTIONS, digits, parts, device="cpu")
    with pytest.raises(UnusableInput, match="E706 the unfinished training was started with levels = 4"):
        training.train(replace(OPTIONS, levels=8), digits, parts, resume=True, device="cpu")
    training.train(OPTIONS, digits, parts, resume=True, device="cpu")
    for name in ("model.onnx", "train.json", "calibration.npz"):
        assert (whole / name).read_bytes() == (parts / name).read_bytes()
    first, second = (load_checkpoint(folder / "model.pt").weights for folder in (whole, parts))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert len((whole / "seconds.jsonl").read_text().splitlines()) == OPTIONS.epochs_relu + OPTIONS.epochs_qc


def test_seed_decides_the_weights_and_the_callers_generator_is_left_alone(digits: DataSet, tmp_path: Path) -> None:
    before = torch.get_rng_state()
    options = replace(OPTIONS, activation="relu", epochs_relu=1)
    for name, seed in (("a", 0), ("b", 1)):
        training.train(replace(options, seed=seed), digits, tmp_path / name, device="cpu")
    assert torch.equal(torch.get_rng_state(), before)
    first, second = (load_checkpoint(tmp_path / name / "model.pt").weights["0.weight"] for name in "ab")
    assert not torch.equal(first, second)


def test_nothing_to_resume(digits: DataSet, tmp_path: Path) -> None:
    with pytest.raises(UnusableInput, match="E706 there is no unfinished training"):
        training.train(OPTIONS, digits, tmp_path, resume=True)


def test_damaged_progress_is_refused(digits: DataSet, tmp_path: Path) -> None:
    (tmp_path / "progress.pt").write_bytes(b"PK\x03\x04")
    with pytest.raises(UnusableInput, match="E703"):
        training.train(OPTIONS, digits, tmp_path, resume=True)


def test_all_impossible_options_are_told_at_once(digits: DataSet, tmp_path: Path) -> None:
    wrong = replace(OPTIONS, levels=0, batch_size=1, epochs_qc=-1, learning_rate_qc=float("nan"), held_out=1.0)
    with pytest.raises(UnusableInput) as caught:
        training.train(wrong, digits, tmp_path, device="abacus")
    assert [problem.code for problem in caught.value.diagnostics] == ["E705"] * 6
    assert all(problem.hint for problem in caught.value.diagnostics)


def test_divergence_is_named(digits: DataSet, tmp_path: Path) -> None:
    with pytest.raises(UnusableInput, match="E707 the training diverged in round relu, epoch 1"):
        training.train(replace(OPTIONS, learning_rate_relu=1e30), digits, tmp_path, device="cpu")


def test_place_that_cannot_be_written_is_told_before_training(digits: DataSet, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UnusableInput, match="E615"):
        training.train(OPTIONS, digits, tmp_path / "file" / "run", device="cpu")


def test_augmentation_moves_and_mirrors_whole_images() -> None:
    image = torch.arange(1, 17, dtype=torch.uint8).reshape(1, 1, 4, 4)
    seen = augment(image.expand(500, -1, -1, -1), 1, True, np.random.default_rng(0))
    padded = torch.nn.functional.pad(image, (1, 1, 1, 1))
    offered = {
        tuple(view.flatten().tolist())
        for row in range(3)
        for column in range(3)
        for view in (lambda part: (part, part.flip(-1)))(padded[0, 0, row : row + 4, column : column + 4])
    }
    assert {tuple(one.flatten().tolist()) for one in seen} == offered


def test_augmentation_can_be_nothing() -> None:
    images = torch.randint(0, 256, (5, 3, 4, 4), dtype=torch.uint8)
    assert torch.equal(augment(images, 0, False, np.random.default_rng(0)), images)


@pytest.mark.parametrize("rule", ["percentile", "mmse"])
def test_thresholds_come_from_the_data(digits: DataSet, rule: str) -> None:
    spec = OPTIONS.network_spec(digits)
    relu, quantised = (spec.build(current.activation) for current in OPTIONS.rounds())
    quantised.load_state_dict(relu.state_dict(), strict=False)
    inputs = torch.from_numpy(digits.train.images[:64]).float() / 255
    set_thresholds(relu, quantised, inputs, rule)  # type: ignore[arg-type]
    first = torch.nn.Sequential(*list(relu.eval().children())[:3])
    values = first(inputs).flatten().detach()
    threshold = float(quantised.get_parameter("2.threshold").detach())
    if rule == "percentile":
        assert threshold == pytest.approx(float(torch.quantile(values, 0.999)), rel=1e-5)
    else:
        steps = [float(values.max()) * k / 50 for k in range(5, 51)]
        error = {
            step: float(((values / step * 4 + 0.5).floor().clip(0, 4) / 4 * step - values).pow(2).mean())
            for step in steps
        }
        assert threshold == pytest.approx(min(error, key=lambda step: error[step]), rel=0.1)


def test_command_prints_one_json_object_and_writes_the_results(tmp_path: Path) -> None:
    given = "--dataset digits --width 2 --epochs-relu 1 --epochs-qc 1 --activation floor --levels 2 --device cpu --json"
    result = CliRunner().invoke(train, [*given.split(), "-o", str(tmp_path)])
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record["options"]["activation"] == "floor"
    assert record == json.loads((tmp_path / "train.json").read_text())


def test_command_names_missing_libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spikec.models.libraries.find_spec", lambda name: None)
    result = CliRunner().invoke(train, ["--dataset", "digits", "-o", str(tmp_path)])
    assert isinstance(result.exception, UnusableInput)
    assert [problem.message for problem in result.exception.diagnostics] == [
        "torch is not installed",
        "onnx is not installed",
    ]
    assert {problem.code for problem in result.exception.diagnostics} == {"E708"}
