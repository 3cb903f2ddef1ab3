from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from spikec.compiler.frontend.training_record import read_training_record
from spikec.models.checkpoint import Checkpoint, load_checkpoint
from spikec.models.datasets.images import DataSet
from spikec.models.networks.activation import QuantiseClip
from spikec.models.networks.spiking import IntegrateAndFire
from spikec.models.training import training
from spikec.models.training.firing_cost import FiringCost
from spikec.models.training.kind import training_kind
from spikec.models.training.options import TrainingOptions


def _value(firing: FiringCost) -> float:
    return float(torch.as_tensor(firing.cost()).detach())


BASE = TrainingOptions("convnet", "round", width=3, epochs_relu=2, epochs_qc=2, learning_rate_qc=0.05, batch_size=64)


def test_cost_is_the_price_times_the_mean_rate_of_the_layers() -> None:
    network = nn.Sequential(QuantiseClip(4, 0.5, 2.0), QuantiseClip(2, 0.5, 1.0))
    firing = FiringCost(network, 0.5)
    network(torch.tensor([[0.5, 2.0, -1.0], [9.0, 0.0, 0.0]]))
    first = (0.25 + 1 + 1) / 6
    second = (0.5 + 1 + 1) / 6
    assert _value(firing) == pytest.approx(0.5 * (first + second) / 2)


def test_price_raises_thresholds_and_lowers_what_reaches_them() -> None:
    layer = QuantiseClip(4, 0.5, 2.0)
    firing = FiringCost(layer, 1.0)
    z = torch.tensor([0.5, 1.5, 3.0], requires_grad=True)
    layer(z)
    cost = firing.cost()
    assert isinstance(cost, torch.Tensor)
    cost.backward()  # type: ignore[no-untyped-call]
    assert z.grad is not None
    assert layer.threshold.grad is not None
    # Descent goes against these signs.
    assert z.grad.tolist() == pytest.approx([1 / 6, 1 / 6, 0.0])
    assert float(layer.threshold.grad) < 0


def test_rate_of_spikes_counts_every_step() -> None:
    layer = IntegrateAndFire(4, 0.5, 4, constant_input=True)
    with torch.no_grad():
        layer.threshold.fill_(1.0)
    firing = FiringCost(layer, 1.0)
    layer(torch.tensor([[0.5], [1.0]]))
    assert _value(firing) == (2 + 4) / 8


def test_nothing_is_priced_without_a_price_without_thresholds_or_without_gradients() -> None:
    layer = QuantiseClip(4, 0.5)
    unpriced, priced = FiringCost(layer, 0.0), FiringCost(layer, 1.0)
    relu = FiringCost(nn.ReLU(), 1.0)
    with torch.no_grad():
        layer(torch.ones(3))
    assert (unpriced.cost(), priced.cost(), relu.cost()) == (0.0, 0.0, 0.0)
    layer(torch.ones(3))
    assert unpriced.cost() == 0.0


@pytest.fixture(scope="module")
def relu(digits: DataSet, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder = tmp_path_factory.mktemp("relu")
    training.train(replace(BASE, activation="relu"), digits, folder, device="cpu")
    return load_checkpoint(folder / "model.pt")


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"activation": "clip"},
        {"activation": "floor", "noise": "gap", "noise_timesteps": 2, "epochs_noise": 1},
        {"deploy_timesteps": 2, "epochs_deploy": 1},
    ],
)
def test_networks_fire_less_in_every_round_that_has_thresholds(
    digits: DataSet, relu: Checkpoint, tmp_path: Path, changed: dict[str, object]
) -> None:
    options = replace(BASE, **changed)  # type: ignore[arg-type]
    free, priced = tmp_path / "free", tmp_path / "priced"
    training.train(options, digits, free, start=relu, device="cpu")
    training.train(replace(options, rate_penalty=3.0), digits, priced, start=relu, device="cpu")
    assert _mean_rate(priced, digits) < 0.8 * _mean_rate(free, digits)
    last = load_checkpoint(priced / "model.pt").training["rounds"][-1]
    assert last["best_epoch"] == last["epochs"], "an early epoch is more accurate and has paid less"
    record = read_training_record(priced / "model.onnx")
    assert record is not None
    assert record.kind.endswith("-rate-penalty")


def _mean_rate(folder: Path, digits: DataSet) -> float:
    checkpoint = load_checkpoint(folder / "model.pt")
    network = checkpoint.build().eval()
    firing = FiringCost(network, 1.0)
    network(torch.from_numpy(digits.test.images[:200]).float() / 255)
    return _value(firing)


@pytest.mark.parametrize("activation", ["relu", "ratenorm"])
def test_price_without_a_round_that_could_pay_it_is_refused(digits: DataSet, tmp_path: Path, activation: str) -> None:
    options = replace(BASE, activation=activation, rate_penalty=1.0)  # type: ignore[arg-type]
    assert [problem.code for problem in options.problems(digits)] == ["E705"]
    assert [problem.code for problem in replace(BASE, rate_penalty=-1.0).problems(digits)] == ["E705"]


@pytest.mark.parametrize(("penalty", "kind"), [(0.0, "round"), (0.5, "round-rate-penalty")])
def test_kind_tells_whether_firing_had_a_price(penalty: float, kind: str) -> None:
    record = {"options": {"rate_penalty": penalty, "seed": 2}, "rounds": [{"round": "relu"}, {"round": "qc"}]}
    assert training_kind("round", record).kind == kind
    assert training_kind("relu", record).kind == "relu"
