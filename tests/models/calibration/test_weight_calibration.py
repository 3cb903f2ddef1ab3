from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spikec.models.calibration import weight_calibration
from spikec.models.calibration.layer_calibration import LayerFit
from spikec.models.calibration.weight_calibration import Gradient, WeightCalibration, calibrate_weights
from spikec.models.checkpoint import Checkpoint
from spikec.models.networks.activation import Activation
from spikec.models.networks.layers import INPUT, layers_of
from spikec.models.networks.networks import NetworkSpec
from spikec.models.networks.spiking import IntegrateAndFire, SpikingNetwork
from spikec.models.training.kind import training_kind
from spikec.targets.diagnostic import UnusableInput

CONVNET = NetworkSpec("convnet", 1, 8, 10, width=2)
SPECS = (CONVNET, NetworkSpec("resnet20", 1, 8, 3, width=2), NetworkSpec("vgg16", 1, 8, 3, width=1))


@pytest.mark.parametrize("spec", SPECS)
def test_layers_together_are_the_network(spec: NetworkSpec) -> None:
    torch.manual_seed(0)
    network = spec.build(Activation("relu")).eval()
    images = torch.rand(3, 1, 8, 8)
    values = {INPUT: images}
    with torch.no_grad():
        for layer in layers_of(network):
            current = layer.linear(*(values[source] for source in layer.sources))
            values[layer.activation] = network.get_submodule(layer.activation)(current) if layer.activation else current
        torch.testing.assert_close(values[""], network(images))


def checkpoint(spec: NetworkSpec, kind: str = "round") -> Checkpoint:
    torch.manual_seed(3)
    activation = Activation(kind, 4)  # type: ignore[arg-type]
    network = spec.build(activation)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("threshold"):
                parameter.fill_(1.0)
        for _ in range(10):
            network(torch.rand(32, 1, 8, 8))
    return Checkpoint(spec, activation, network.state_dict(), {"seed": 3})


IMAGES = torch.randint(0, 256, (100, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
OPTIONS = WeightCalibration(timesteps=2, epochs=3, learning_rate=1e-2, batch_size=20)


@pytest.mark.parametrize("spec", SPECS[:2])
def test_calibration_lowers_the_error_of_its_layers(spec: NetworkSpec) -> None:
    given = checkpoint(spec)
    result = calibrate_weights(given, IMAGES, OPTIONS)
    record = result.training["weight_calibration"]
    errors = np.array(list(record["errors"].values()))
    assert len(errors) == sum(bool(layer.activation) for layer in layers_of(given.build()))
    assert (errors[:, 1] <= errors[:, 0]).all()
    assert errors[:, 1].sum() < errors[:, 0].sum()
    assert result.training["seed"] == 3
    assert record["kept"] == (record["divergences"][1] < record["divergences"][0])
    assert (record["timesteps"], record["gradient"], record["potentials"]) == (2, "mended", True)
    result.build()
    again = calibrate_weights(given, IMAGES, OPTIONS)
    assert all(torch.equal(result.weights[name], again.weights[name]) for name in result.weights)


def test_the_first_layers_error_is_the_one_computed_by_itself() -> None:
    """Error of the first layer before its weights change, recomputed neuron by neuron from the float network."""
    given = checkpoint(CONVNET, "floor")
    record = calibrate_weights(given, IMAGES, replace(OPTIONS, epochs=0)).training["weight_calibration"]
    network = given.build()
    with torch.no_grad():
        z = nn.Sequential(*list(network.children())[:2])(IMAGES.float() / 255).double().numpy()
    a = np.clip(np.floor(z * 4) / 4, 0, 1)
    held = np.arange(100) % 5 == 0
    start = np.full((1, 2, 1, 1), 0.5)
    for _ in range(3):
        gap = (a - rates(z, start))[~held].mean(axis=(0, 2, 3), keepdims=True)
        start = np.clip(start + 2 * gap, -1, 1)
    missed = np.square(a - rates(z, start))[held].mean(axis=(2, 3)).sum(axis=1).mean()
    # A potential of float32 next to the threshold may fall to its other side in one of 1,280 neurons.
    assert record["errors"]["2"][0] == pytest.approx(missed, rel=0.02)


def rates(z: np.ndarray, start: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    u = start + z
    first = u >= 1
    return np.asarray((first + ((u - first + z) >= 1)) / 2)


def test_a_calibration_that_does_not_help_leaves_the_weights() -> None:
    given = checkpoint(CONVNET)
    result = calibrate_weights(given, IMAGES, replace(OPTIONS, epochs=0))
    assert result.training["weight_calibration"]["kept"] is False
    assert result.weights is given.weights


def test_the_callers_generator_and_checkpoint_are_left_alone() -> None:
    given = checkpoint(CONVNET)
    before: dict[str, Tensor] = {name: tensor.clone() for name, tensor in given.weights.items()}
    state = torch.get_rng_state()
    calibrate_weights(given, IMAGES, OPTIONS)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], given.weights[name]) for name in before)


def test_everything_impossible_is_told_at_once() -> None:
    with pytest.raises(UnusableInput, match="E705") as caught:
        calibrate_weights(checkpoint(CONVNET, "clip"), IMAGES[:4], WeightCalibration(0, -1, 0.0, 0, seed=-1))
    assert len(caught.value.diagnostics) == 7
    assert {problem.code for problem in caught.value.diagnostics} == {"E705"}


def test_networks_with_max_pooling_are_refused() -> None:
    given = checkpoint(replace(CONVNET, pooling="max"), "round")
    with pytest.raises(UnusableInput, match="E705 networks with max pooling"):
        calibrate_weights(given, IMAGES, OPTIONS)


@pytest.mark.parametrize("kind", ["relu", "clip"])
def test_a_network_without_levels_becomes_one_with_t_levels(kind: str) -> None:
    given = checkpoint(CONVNET, kind)
    result = calibrate_weights(given, IMAGES, replace(OPTIONS, timesteps=4, gradient="straight-through"))
    record = result.training["weight_calibration"]
    assert result.activation == Activation("round", 4)
    errors = np.array(list(record["errors"].values()))
    assert (errors[:, 1] <= errors[:, 0]).all()
    assert errors[:, 1].sum() < errors[:, 0].sum()
    thresholds = {n: float(t) for n, t in result.weights.items() if n.endswith(".threshold")}
    assert len(thresholds) == 6
    if kind == "clip":
        assert set(thresholds.values()) == {1.0}
    else:
        network, fitted = given.build(), IMAGES[np.arange(100) % 5 != 0].float() / 255
        with torch.no_grad():
            a = nn.Sequential(*list(network.children())[:3])(fitted).flatten().double()
        grid = a.max() * torch.arange(1, 101) / 100
        missed = [float(((a * 4 / g + 0.5).floor().clip(0, 4) * g / 4 - a).square().mean()) for g in grid]
        # Two neighbours on the grid may be as good as each other in float32.
        assert thresholds["2.threshold"] == pytest.approx(float(grid[int(np.argmin(missed))]), rel=0.02)
    result.build()


def test_targets_of_a_relu_network_are_its_relus(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Tensor] = []
    calibrate = LayerFit.calibrate

    def watched(fit: LayerFit) -> list[float]:
        seen.append(fit.target)
        return calibrate(fit)

    monkeypatch.setattr(LayerFit, "calibrate", watched)
    given = checkpoint(CONVNET, "relu")
    calibrate_weights(given, IMAGES, replace(OPTIONS, epochs=0, gradient="straight-through"))
    network, value = given.build(), IMAGES.float() / 255
    wanted = []
    with torch.no_grad():
        for module in network.children():
            value = module(value)
            if isinstance(module, nn.ReLU):
                wanted.append(value)
    assert len(seen) == 2 * len(wanted)
    for target, activation in zip(seen, wanted * 2, strict=True):
        torch.testing.assert_close(target, activation, rtol=1e-4, atol=1e-5)  # float32 sums in another order


def test_without_potentials_the_activation_gives_them(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[SpikingNetwork] = []
    divergence = weight_calibration._divergence

    def seen(ann: nn.Module, spiking: SpikingNetwork, inputs: Tensor) -> float:
        judged.append(spiking)
        return divergence(ann, spiking, inputs)

    monkeypatch.setattr(weight_calibration, "_divergence", seen)
    given = checkpoint(CONVNET, "floor")
    shares = {}
    for potentials in (False, True):
        record = calibrate_weights(given, IMAGES, replace(OPTIONS, potentials=potentials)).training
        assert record["weight_calibration"]["potentials"] is potentials
        pair, judged[:] = list(judged), []
        shares[potentials] = [
            [m.initial.flatten().tolist() for m in network.modules() if isinstance(m, IntegrateAndFire)]
            for network in pair
        ]
    assert shares[False] == [[[0.25]] * 6] * 2  # floor, T = 2, L = 4: 1/2 - T/(2L)
    assert all(len(share) > 1 for network in shares[True] for share in network)


def test_the_printed_start_is_that_of_the_shift(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[SpikingNetwork] = []
    divergence = weight_calibration._divergence

    def seen(ann: nn.Module, spiking: SpikingNetwork, inputs: Tensor) -> float:
        judged.append(spiking)
        return divergence(ann, spiking, inputs)

    monkeypatch.setattr(weight_calibration, "_divergence", seen)
    for activation, share in (("floor", 0.0), ("round", 0.5)):
        options = replace(OPTIONS, potentials=False, initial="printed", epochs=1)
        record = calibrate_weights(checkpoint(CONVNET, activation), IMAGES, options).training
        assert training_kind(activation, record).kind == "lwc-paper"
        layers = [m for network in judged for m in network.modules() if isinstance(m, IntegrateAndFire)]
        assert {float(layer.initial) for layer in layers} == {share}
        judged.clear()
    with pytest.raises(UnusableInput, match="E705 potentials that are calibrated do not start as printed"):
        calibrate_weights(checkpoint(CONVNET, "floor"), IMAGES, replace(OPTIONS, initial="printed"))


def test_float_images_are_taken_as_they_are() -> None:
    given = checkpoint(CONVNET)
    records = [
        calibrate_weights(given, images, replace(OPTIONS, epochs=1)).training["weight_calibration"]
        for images in (IMAGES, IMAGES.float() / 255)
    ]
    assert records[0] == records[1]


@pytest.mark.parametrize("gradient", ["mended", "straight-through"])
def test_a_learning_rate_that_ruins_every_weight_leaves_the_given_ones(gradient: Gradient) -> None:
    given = checkpoint(CONVNET)
    result = calibrate_weights(given, IMAGES, replace(OPTIONS, learning_rate=100.0, gradient=gradient))
    record = result.training["weight_calibration"]
    assert all(after <= before for before, after in record["errors"].values())
    assert all(bool(torch.isfinite(tensor).all()) for tensor in result.weights.values())
    with pytest.raises(UnusableInput, match=r"E705 the learning rate is 1e\+38"):
        calibrate_weights(given, IMAGES, replace(OPTIONS, learning_rate=1e38, gradient=gradient))


@pytest.mark.parametrize(("kind", "gradient"), [("relu", "mended"), ("clip", "printed"), ("round", "steep")])
def test_gradients_that_do_not_go_with_the_network(kind: str, gradient: Any) -> None:
    with pytest.raises(UnusableInput, match=f"E705.*{gradient}") as caught:
        calibrate_weights(checkpoint(CONVNET, kind), IMAGES, replace(OPTIONS, gradient=gradient))
    assert len(caught.value.diagnostics) == 1


def test_gradients_train_different_weights() -> None:
    gradients: tuple[Gradient, ...] = ("mended", "printed", "straight-through")
    records = [
        calibrate_weights(checkpoint(CONVNET), IMAGES, replace(OPTIONS, gradient=gradient)).training
        for gradient in gradients
    ]
    assert [record["weight_calibration"]["gradient"] for record in records] == list(gradients)
    errors = {tuple(map(tuple, record["weight_calibration"]["errors"].values())) for record in records}
    assert len(errors) == 3
