"""The rounds after quantise-and-clip: noise, training of the spiking network, thresholds alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import spikec
from spikec.models.checkpoint import Checkpoint, load_checkpoint
from spikec.models.commands.train import train
from spikec.models.datasets.images import DataSet
from spikec.models.networks.spiking import SpikingNetwork
from spikec.models.training import training
from spikec.models.training.evaluation import accuracy
from spikec.models.training.objectives import Deploy, objective_of
from spikec.models.training.options import Teacher, TrainingOptions
from spikec.models.training.training import split_training_set
from spikec.targets.diagnostic import UnusableInput

QC = TrainingOptions("convnet", "round", width=2, epochs_relu=4, epochs_qc=2, learning_rate_relu=0.05, batch_size=32)
NOISE = replace(QC, noise="gap", noise_timesteps=2, epochs_noise=2)
LOCAL = replace(QC, noise="local", noise_timesteps=2, epochs_noise=2)
DEPLOY = replace(LOCAL, deploy_timesteps=2, epochs_deploy=2, learning_rate_deploy=0.003)
RATENORM = replace(QC, activation="ratenorm")


@pytest.fixture(scope="module")
def qc(digits: DataSet, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return trained(QC, digits, tmp_path_factory.mktemp("qc"))


@pytest.fixture(scope="module")
def relu(digits: DataSet, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return trained(replace(QC, activation="relu"), digits, tmp_path_factory.mktemp("relu"))


def trained(options: TrainingOptions, data: DataSet, folder: Path, start: Checkpoint | None = None) -> Checkpoint:
    training.train(options, data, folder, start=start, device="cpu")
    return load_checkpoint(folder / "model.pt")


def spiking_accuracy(checkpoint: Checkpoint, images: torch.Tensor, labels: torch.Tensor, bits: int | None) -> float:
    spiking = SpikingNetwork(checkpoint.network, checkpoint.activation, 2, bits)
    spiking.network.load_state_dict(checkpoint.weights)
    return accuracy(spiking, images, labels)


def stop_after(epochs: int) -> Callable[[str, float], None]:
    said: list[str] = []

    def say(text: str, began: float) -> None:
        said.append(text)
        if len(said) > epochs:
            raise KeyboardInterrupt

    return say


@pytest.mark.parametrize(("options", "stop"), [(NOISE, 1), (DEPLOY, 0), (DEPLOY, 1), (DEPLOY, 2), (DEPLOY, 3)])
def test_resumed_rounds_equal_the_uninterrupted_ones(
    digits: DataSet,
    qc: Checkpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: TrainingOptions,
    stop: int,
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    training.train(options, digits, whole, start=qc, device="cpu")
    with monkeypatch.context() as patch:
        patch.setattr(training, "_say", stop_after(stop))
        with pytest.raises(KeyboardInterrupt):
            training.train(options, digits, parts, start=qc, device="cpu")
    with pytest.raises(UnusableInput, match="E706 the unfinished training was started with start = "):
        training.train(options, digits, parts, resume=True, device="cpu")
    training.train(options, digits, parts, start=qc, resume=True, device="cpu")
    for name in ("model.onnx", "train.json"):
        assert (whole / name).read_bytes() == (parts / name).read_bytes()


def test_starting_from_a_checkpoint_equals_training_all_rounds_at_once(
    digits: DataSet, qc: Checkpoint, relu: Checkpoint, tmp_path: Path
) -> None:
    all_at_once = trained(DEPLOY, digits, tmp_path / "all")
    torch.manual_seed(99)  # noise is drawn from the options' seed, not from the caller's generator
    from_qc = trained(DEPLOY, digits, tmp_path / "qc", qc)
    from_relu = trained(QC, digits, tmp_path / "relu", relu)
    assert [done["round"] for done in from_qc.training["rounds"]] == ["relu", "qc", "noise", "deploy"]
    for name in ("train.json", "model.onnx", "calibration.npz"):
        assert (tmp_path / "all" / name).read_bytes() == (tmp_path / "qc" / name).read_bytes()
    assert all(torch.equal(all_at_once.weights[name], from_qc.weights[name]) for name in all_at_once.weights)
    assert all(torch.equal(qc.weights[name], from_relu.weights[name]) for name in qc.weights)


def test_epochs_are_chosen_by_the_spiking_network_on_held_out_images(
    digits: DataSet, qc: Checkpoint, tmp_path: Path
) -> None:
    _, held_out = split_training_set(LOCAL, digits)
    images, labels = torch.from_numpy(held_out.images), torch.from_numpy(held_out.labels)
    for name, options, bits in (("noise", LOCAL, None), ("deploy", DEPLOY, 8)):
        result = trained(options, digits, tmp_path / name, qc)
        done = result.training["rounds"][-1]
        assert (done["round"], done["timesteps"]) == (name, 2)
        assert done["validation_accuracy"] == spiking_accuracy(result, images, labels, bits)
        test = torch.from_numpy(digits.test.images), torch.from_numpy(digits.test.labels)
        assert done["test_accuracy"] == spiking_accuracy(result, *test, bits)
        assert done["ann_test_accuracy"] == accuracy(result.build(), *test)


def test_noise_is_measured_anew_for_every_epoch(digits: DataSet, qc: Checkpoint, tmp_path: Path) -> None:
    gap = trained(replace(NOISE, epochs_noise=3), digits, tmp_path / "gap", qc).training["history"][-3:]
    assert set(gap[0]["noise"].values()) == {0.0}
    assert min(gap[1]["noise"].values()) > 0
    assert gap[1]["noise"] != gap[2]["noise"]
    local = trained(LOCAL, digits, tmp_path / "local", qc).training["history"][-2:]
    held_out = len(split_training_set(LOCAL, digits)[1])
    first = np.array(local[0]["noise"]["2"])
    assert first.shape == (5, 3)
    assert first.sum() == held_out * 2 * 8 * 8
    assert local[0]["noise"] != local[1]["noise"]


def test_training_the_spikes_gains_accuracy_at_its_timesteps(digits: DataSet, qc: Checkpoint, tmp_path: Path) -> None:
    rest, _ = split_training_set(QC, digits)
    images, labels = torch.from_numpy(rest.images), torch.from_numpy(rest.labels)
    options = replace(QC, deploy_timesteps=2, epochs_deploy=8, learning_rate_deploy=0.01)
    result = trained(options, digits, tmp_path, qc)
    assert spiking_accuracy(result, images, labels, 8) > spiking_accuracy(qc, images, labels, 8) + 0.05


@pytest.mark.parametrize("teacher", ["quantised", "relu"])
def test_loss_of_the_last_round_is_cross_entropy_and_divergence_from_the_teacher(
    digits: DataSet, qc: Checkpoint, relu: Checkpoint, teacher: Teacher
) -> None:
    options = replace(QC, deploy_timesteps=2, distillation=0.7, temperature=3.0, teacher=teacher)
    spec = options.network_spec(digits)
    current = options.rounds()[-1]
    teaching = {"quantised": qc, "relu": relu}[teacher]
    objective = objective_of(current, options, spec, torch.device("cpu"), teaching.weights)
    assert isinstance(objective, Deploy)
    objective.network.load_state_dict(qc.weights)
    objective.initialise(torch.empty(0))
    objective.network.train(objective.updates_statistics)
    images, labels = torch.from_numpy(digits.test.images[:20]).float() / 255, digits.test.labels[:20]
    given = objective.loss(images, torch.from_numpy(labels))
    with torch.no_grad():
        wanted_logits = teaching.build()(images).double().numpy()
        spiking = objective.spiking(images).double().numpy()
    p, q = (np.exp(z / 3) / np.exp(z / 3).sum(1, keepdims=True) for z in (wanted_logits, spiking))
    cross = np.log(np.exp(spiking).sum(1)) - spiking[np.arange(20), labels]
    wanted = cross.mean() + 0.7 * 9 * (p * np.log(p / q)).sum(1).mean()
    assert float(given.detach()) == pytest.approx(wanted, rel=1e-4)  # float32
    norms = [m for m in objective.network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms
    # Trained along, on the currents of the spiking network.
    assert all(norm.weight.requires_grad and norm.training for norm in norms)


def test_a_relu_network_teaches_what_starts_from_it(digits: DataSet, relu: Checkpoint, tmp_path: Path) -> None:
    options = replace(QC, epochs_qc=0, deploy_timesteps=1, epochs_deploy=1, teacher="relu")
    whole = trained(options, digits, tmp_path / "whole").training["history"]
    assert trained(options, digits, tmp_path / "onwards", relu).training["history"] == whole
    other = trained(replace(options, teacher="quantised"), digits, tmp_path / "other", relu).training["history"]
    assert other[-1]["loss"] != whole[-1]["loss"]


def test_a_relu_teacher_is_missed_where_only_later_rounds_are_given(
    digits: DataSet, qc: Checkpoint, tmp_path: Path
) -> None:
    options = replace(QC, deploy_timesteps=1, teacher="relu")
    with pytest.raises(UnusableInput) as refusal:
        training.train(options, digits, tmp_path, start=qc, device="cpu")
    assert [d.code for d in refusal.value.diagnostics] == ["E710"]


def test_long_gradients_are_shortened(digits: DataSet, relu: Checkpoint, tmp_path: Path) -> None:
    options = replace(QC, epochs_qc=0, deploy_timesteps=1, epochs_deploy=1, learning_rate_deploy=1e8, weight_decay=0)
    with pytest.raises(UnusableInput, match="diverged"):
        trained(options, digits, tmp_path / "any length", relu)
    trained(replace(options, gradient_norm=1e-12), digits, tmp_path / "short", relu)


def test_a_network_trained_for_its_spikes_is_a_program_of_plain_neurons(
    digits: DataSet, qc: Checkpoint, tmp_path: Path
) -> None:
    result = trained(DEPLOY, digits, tmp_path, qc)
    options = spikec.CompileOptions(target="loihi2", timesteps=2, weight_bits=8)
    for model in ("model.pt", "model.onnx"):
        compiled = spikec.compile_model(tmp_path / model, options)
        assert compiled.program.schedule == "pipelined"
        assert not compiled.program.pulses
    execution = spikec.simulate(compiled.program, digits.test.images[:])
    in_program = float((execution.predictions == digits.test.labels).mean())
    test = torch.from_numpy(digits.test.images), torch.from_numpy(digits.test.labels)
    # Two 8-bit roundings of one network: 360 images, of which some lie between two classes.
    assert in_program == pytest.approx(spiking_accuracy(result, *test, 8), abs=0.04)


def test_ratenorm_trains_thresholds_alone(digits: DataSet, relu: Checkpoint, tmp_path: Path) -> None:
    result = trained(replace(RATENORM, epochs_qc=3, learning_rate_qc=1.0), digits, tmp_path, relu)
    assert result.activation.kind == "clip"
    last = result.training["rounds"][-1]
    assert last["round"] == "ratenorm"
    # Its best epoch by the ANN's accuracy would be the first, which has the ReLU network's thresholds.
    assert last["best_epoch"] == last["epochs"]
    assert all(torch.equal(result.weights[name], relu.weights[name]) for name in relu.weights)
    starting = trained(replace(RATENORM, epochs_qc=0), digits, tmp_path / "start", relu)
    before, after = (one.training["rounds"][-1]["thresholds"] for one in (starting, result))
    assert min(before.values()) > 0
    assert all(after[name] <= before[name] for name in before)
    compiled = spikec.compile_model(tmp_path / "model.pt", spikec.CompileOptions(target="lava", timesteps=8))
    assert len(compiled.program.populations) == 7


def test_resumed_ratenorm_equals_the_uninterrupted_one(
    digits: DataSet, relu: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    training.train(RATENORM, digits, whole, start=relu, device="cpu")
    with monkeypatch.context() as patch:
        patch.setattr(training, "_say", stop_after(1))
        with pytest.raises(KeyboardInterrupt):
            training.train(RATENORM, digits, parts, start=relu, device="cpu")
    training.train(RATENORM, digits, parts, start=relu, resume=True, device="cpu")
    assert (whole / "model.onnx").read_bytes() == (parts / "model.onnx").read_bytes()


def test_clipped_networks_learn_their_thresholds(digits: DataSet, relu: Checkpoint, tmp_path: Path) -> None:
    result = trained(replace(QC, activation="clip"), digits, tmp_path, relu)
    starting = trained(replace(QC, activation="clip", epochs_qc=0), digits, tmp_path / "start", relu)
    before, after = (one.training["rounds"][-1]["thresholds"] for one in (starting, result))
    assert len(before) == 6
    assert all(before[name] != after[name] for name in before)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"seed": 1}, "trained with seed = 0"),
        ({"held_out": 0.2}, "trained with held_out = 0.1"),
        ({"width": 4}, "the checkpoint is a NetworkSpec"),
        ({"levels": 8}, "the options ask for Activation"),
        ({"activation": "relu", "noise": "none"}, "do not begin those asked for"),
        ({"noise": "none"}, "has finished all rounds"),
    ],
)
def test_checkpoints_that_the_options_do_not_continue(
    digits: DataSet, qc: Checkpoint, tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    with pytest.raises(UnusableInput, match=f"E710 .*{reason}"):
        training.train(replace(LOCAL, **change), digits, tmp_path, start=qc)  # type: ignore[arg-type]


def test_checkpoints_of_other_data_or_without_a_record(digits: DataSet, qc: Checkpoint, tmp_path: Path) -> None:
    for start, reason in (
        (replace(qc, training={}), "has no record of its training"),
        (replace(qc, training={**qc.training, "dataset": "mnist"}), "was trained on mnist, not on digits"),
    ):
        with pytest.raises(UnusableInput, match=f"E710 .*{reason}") as caught:
            training.train(LOCAL, digits, tmp_path, start=start)
        assert all(problem.hint for problem in caught.value.diagnostics)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (replace(QC, noise="white"), "there is no noise 'white'"),  # type: ignore[arg-type]
        (replace(NOISE, noise_timesteps=0), "noise_timesteps is too small"),
        (replace(QC, deploy_timesteps=-1), "deploy_timesteps is too small"),
        (replace(DEPLOY, weight_bits=1), "weight_bits is too small"),
        (replace(DEPLOY, temperature=0.0), "the temperature is not positive"),
        (replace(DEPLOY, learning_rate_deploy=0.0), "a learning rate is not positive"),
        (replace(NOISE, activation="relu"), "activation 'relu' have no neurons"),
        (replace(QC, activation="clip", deploy_timesteps=2), "activation 'clip' have no neurons"),
        (replace(DEPLOY, pooling="max"), "networks with max pooling are not trained over their spikes"),
    ],
)
def test_impossible_rounds(digits: DataSet, tmp_path: Path, options: TrainingOptions, reason: str) -> None:
    with pytest.raises(UnusableInput, match=f"E705 .*{reason}"):
        training.train(options, digits, tmp_path)


def test_command_continues_a_checkpoint(digits: DataSet, tmp_path: Path) -> None:
    given = "--dataset digits --width 2 --epochs-relu 1 --epochs-qc 1 --device cpu"
    first = CliRunner().invoke(train, [*given.split(), "-o", str(tmp_path / "qc")])
    assert first.exit_code == 0, first.output
    more = "--noise gap --epochs-noise 1 --deploy-timesteps 1 --epochs-deploy 1 --start"
    result = CliRunner().invoke(
        train, [*given.split(), *more.split(), str(tmp_path / "qc" / "model.pt"), "-o", str(tmp_path / "deploy")]
    )
    assert result.exit_code == 0, result.output
    assert "at T = 1" in result.stdout
    absent = CliRunner().invoke(train, [*given.split(), "--start", str(tmp_path / "none.pt"), "-o", str(tmp_path)])
    assert isinstance(absent.exception, UnusableInput)
    assert "E701" in str(absent.exception)
