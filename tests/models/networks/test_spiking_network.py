from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import spikec
import spikec.targets
from spikec.models.checkpoint import Checkpoint, save_checkpoint
from spikec.models.networks.activation import Activation, ActivationKind
from spikec.models.networks.networks import NetworkSpec
from spikec.models.networks.spiking import (
    IntegrateAndFire,
    SpikingNetwork,
    fold_batch_norm,
    initial_share,
    round_weights,
    spiking_layers,
)
from spikec.runtime.encoding import encode
from spikec.runtime.simulator import simulate

CONVNET = NetworkSpec("convnet", 1, 8, 10, width=4)
RESNET = NetworkSpec("resnet20", 1, 8, 3, width=2)


def settled(spec: NetworkSpec, activation: Activation, threshold: float = 1.0) -> nn.Module:
    """A network with batch norm statistics of its own and a threshold that its activations reach."""
    torch.manual_seed(1)
    network = spec.build(activation)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("threshold"):
                parameter.fill_(threshold)
        for _ in range(20):
            network(torch.rand(32, spec.channels, spec.size, spec.size))
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.2, 0.6)
    return network.eval()


def neurons(timesteps: int, threshold: float, **options: Any) -> IntegrateAndFire:
    layer = IntegrateAndFire(4, 0.5, timesteps, **options).double()
    with torch.no_grad():
        layer.threshold.fill_(threshold)
    return layer


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(0, 2**32 - 1), st.booleans())
def test_spikes_are_those_of_one_neuron_after_the_other(timesteps: int, seed: int, constant: bool) -> None:
    random = np.random.default_rng(seed)
    # Multiples of 1/8 with sums far below 2^53: doubles compute without rounding, ties with the threshold included.
    current = random.integers(-12, 16, (1 if constant else timesteps, 3, 2, 2, 2)) / 8
    start = random.integers(-8, 9, (2, 1, 1)) / 8
    layer = neurons(timesteps, 0.75, constant_input=constant)
    layer.initial = torch.tensor(start)
    given = layer(torch.tensor(current).flatten(0, 1)).detach().numpy().reshape(timesteps, 3, 2, 2, 2)
    for sample, channel, row, column in np.ndindex(3, 2, 2, 2):
        v = start[channel, 0, 0] * 0.75
        for step in range(timesteps):
            u = v + current[0 if constant else step, sample, channel, row, column]
            fires = u >= 0.75
            v = u - 0.75 * fires
            assert given[step, sample, channel, row, column] == 0.75 * fires


class Fire(torch.autograd.Function):
    """The spike with its triangle, for autograd to go through the loop by itself."""

    @staticmethod
    def forward(ctx: Any, ratio: Tensor) -> Tensor:
        ctx.save_for_backward(ratio)
        return (ratio >= 1).to(ratio.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (ratio,) = ctx.saved_tensors
        return gradients[0] * torch.relu(1 - torch.abs(ratio - 1))


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("timesteps", [1, 2, 5])
def test_gradients_are_those_of_autograd_through_the_loop(timesteps: int, constant: bool) -> None:
    torch.manual_seed(timesteps)
    layer = neurons(timesteps, 0.7, constant_input=constant)
    current = torch.randn((1 if constant else timesteps) * 6, 3, 2, 2, dtype=torch.float64).requires_grad_()
    start = torch.rand(3, 1, 1, dtype=torch.float64).requires_grad_()
    weight = torch.randn(timesteps * 6, 3, 2, 2, dtype=torch.float64)
    layer.initial = start
    (layer(current) * weight).sum().backward()
    own = [part.clone() for part in (current.grad, layer.threshold.grad, start.grad) if part is not None]
    for tensor in (current, layer.threshold, start):
        tensor.grad = None
    v, sent = start * layer.threshold, []
    for step in range(timesteps):
        u = v + (current if constant else torch.split(current, 6)[step])
        spikes = Fire.apply(u / layer.threshold)
        v = u - layer.threshold * spikes
        sent.append(layer.threshold * spikes)
    (torch.cat(sent) * weight).sum().backward()  # type: ignore[no-untyped-call]
    for mine, by_autograd in zip(own, (current.grad, layer.threshold.grad, start.grad), strict=True):
        assert by_autograd is not None
        # Both are sums of some hundred doubles in another order.
        torch.testing.assert_close(mine, by_autograd, rtol=1e-9, atol=1e-9)


def test_gradient_of_a_count_stays_between_zero_and_one() -> None:
    layer = neurons(8, 1.0, constant_input=True)
    current = torch.linspace(-1, 2, 3001, dtype=torch.float64).requires_grad_()
    layer(current).sum().backward()
    assert current.grad is not None
    slope = current.grad / 8
    assert slope.min() >= 0
    assert slope.max() <= 1 + 1e-12  # rounding of eight products


@pytest.mark.parametrize("kind", ["floor", "round"])
@pytest.mark.parametrize("timesteps", [1, 3, 8, 20])
def test_initial_potentials_are_the_compilers(kind: ActivationKind, timesteps: int, tmp_path: Path) -> None:
    activation = Activation(kind, 8)
    compiled = compiled_network(settled(CONVNET, activation), activation, timesteps, tmp_path, weight_bits=8)
    shift = activation.shift
    assert shift is not None
    for population in compiled.populations[:-1]:
        assert population.threshold is not None
        share = initial_share(8, shift, timesteps)
        assert (population.initial_potential == np.rint(share * population.threshold)).all()


def compiled_network(
    network: nn.Module, activation: Activation, timesteps: int, folder: Path, weight_bits: int
) -> spikec.Program:
    path = folder / "model.pt"
    save_checkpoint(path, Checkpoint(CONVNET, activation, network.state_dict(), {}))
    # Lava's arithmetic, with weights as wide as asked for.
    wide = (Path(spikec.targets.__file__).parent / "lava.toml").read_text().replace("value = 127,", "value = 32767,")
    target = folder / "wide.toml"
    target.write_text(wide.replace('name = "lava"', 'name = "wide"'))
    options = spikec.CompileOptions(target=str(target), timesteps=timesteps, weight_bits=weight_bits)
    program = spikec.compile_model(path, options).program
    assert isinstance(program, spikec.Program)
    return program


def counts_in_torch(spiking: SpikingNetwork, images: Tensor) -> list[npt.NDArray[np.int64]]:
    """Spike counts (N, neurons) of every layer in the order of execution."""
    found: list[npt.NDArray[np.int64]] = []

    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(module, IntegrateAndFire)
        counts = torch.unflatten(output / module.threshold, 0, (spiking.timesteps, -1)).sum(0)
        found.append(counts.round().long().flatten(1).numpy())

    for layer in spiking_layers(spiking.network).values():
        layer.register_forward_hook(hook)
    with torch.no_grad():
        spiking.eval()(images)
    return found


@pytest.mark.parametrize(("kind", "timesteps"), [("round", 1), ("round", 4), ("floor", 3)])
def test_counts_are_those_of_the_compiled_program_up_to_rounding(
    kind: ActivationKind, timesteps: int, tmp_path: Path
) -> None:
    activation = Activation(kind, 4)
    network = settled(CONVNET, activation)
    program = compiled_network(network, activation, timesteps, tmp_path, weight_bits=16)
    spiking = SpikingNetwork(CONVNET, activation, timesteps)
    spiking.network.load_state_dict(network.state_dict())
    images = np.random.default_rng(0).integers(0, 256, (60, 1, 8, 8), dtype=np.uint8)
    encoded, _ = encode(program.input, images)
    execution = simulate(program, encoded, record=True)
    trains = execution.spike_trains
    assert trains is not None
    in_torch = counts_in_torch(spiking, torch.from_numpy(images).float() / 255)
    firing = [p.name for p in program.populations[:-1]]
    assert len(firing) == len(in_torch)
    for name, counts in zip(firing, in_torch, strict=True):
        in_program = trains[name].sum(axis=1, dtype=np.int64)
        assert 0.01 < in_program.mean() / timesteps < 0.99
        # Weights of 16 bits and integer biases move potentials by about 1e-4 thresholds, across it now and then, and
        # a spike that comes a step later can change the counts behind it. At 8 bits it is 0.01 to 0.02.
        assert (in_program != counts).mean() < 0.004


def test_rounded_weights_predict_as_the_program_of_as_many_bits(tmp_path: Path) -> None:
    activation = Activation("round", 4)
    network = settled(CONVNET, activation)
    program = compiled_network(network, activation, 4, tmp_path, weight_bits=8)
    spiking = SpikingNetwork(CONVNET, activation, 4, weight_bits=8).eval()
    spiking.network.load_state_dict(network.state_dict())
    images = np.random.default_rng(0).integers(0, 256, (200, 1, 8, 8), dtype=np.uint8)
    encoded, _ = encode(program.input, images)
    with torch.no_grad():
        logits = spiking(torch.from_numpy(images).float() / 255).numpy()
    readout = simulate(program, encoded).readout.astype(np.float64)
    # The compiler's grid is another one of the same width, so the scores agree as two roundings of one network do.
    assert np.corrcoef(logits.ravel(), readout.ravel())[0, 1] > 0.97


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_rounded_weights_lie_on_the_grid_of_their_channel(bits: int) -> None:
    network = settled(CONVNET, Activation("round", 4))
    largest = 2 ** (bits - 1) - 1
    rounded = round_weights(network, bits)
    assert set(rounded) == {f"{n}.weight" for n, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    for name, weight in rounded.items():
        given = network.get_parameter(name).detach().numpy()
        own = given.reshape(1, -1) if name == list(rounded)[-1] else given.reshape(len(given), -1)
        for row, result in zip(own, weight.detach().numpy().reshape(own.shape), strict=True):
            step = np.abs(row).max() / largest
            np.testing.assert_allclose(result, np.rint(row / step) * step, atol=1e-6 * step * largest)  # float32
            assert np.abs(result - row).max() <= step / 2 * (1 + 1e-5)  # float32


def test_rounding_and_folding_batch_norm_commute() -> None:
    network = settled(CONVNET, Activation("round", 4))
    norm = network.get_submodule("4")
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_var is not None
    gain = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach().reshape(-1, 1, 1, 1)
    before = round_weights(network, 4)["3.weight"].detach() * gain
    fold_batch_norm(network)
    after = round_weights(network, 4)["3.weight"].detach()
    # A weight in the middle of a step may fall to either side in float32; of 288 none does here.
    torch.testing.assert_close(before, after, rtol=1e-5, atol=1e-6)


def test_gradient_passes_straight_through_the_rounding() -> None:
    network = settled(CONVNET, Activation("round", 4))
    sum(weight.sum() for weight in round_weights(network, 4).values()).backward()  # type: ignore[union-attr]
    for name in round_weights(network, 4):
        gradient = network.get_parameter(name).grad
        assert gradient is not None
        assert (gradient == 1).all()


@pytest.mark.parametrize("spec", [CONVNET, RESNET, NetworkSpec("vgg16", 1, 8, 3, width=2)])
def test_folding_keeps_the_function(spec: NetworkSpec) -> None:
    network = settled(spec, Activation("relu"))
    images = torch.rand(16, 1, 8, 8)
    with torch.no_grad():
        before = network(images)
        fold_batch_norm(network)
        torch.testing.assert_close(network(images), before, rtol=1e-4, atol=1e-4)  # float32 through 20 layers
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert (module.weight == 1).all()
            assert (module.running_mean == 0).all()


@pytest.mark.parametrize("spec", [CONVNET, RESNET, NetworkSpec("vgg16", 1, 8, 3, width=2)])
def test_many_steps_converge_to_the_clipped_network(spec: NetworkSpec) -> None:
    """The rate of the neurons is the clipped activation in the limit, so each network passes its values on rightly."""
    clipped = settled(spec, Activation("clip"), threshold=1.5)
    spiking = SpikingNetwork(spec, Activation("round", 4), 512).eval()
    spiking.network.load_state_dict(clipped.state_dict())
    images = torch.rand(2, 1, 8, 8)
    with torch.no_grad():
        wanted, given = clipped(images), spiking(images)
    # The error of a rate is about theta / T per layer.
    assert (given - wanted).abs().max() < 0.1 * wanted.abs().max()


def test_a_checkpoint_of_the_float_network_fits() -> None:
    quantised = settled(RESNET, Activation("floor", 4))
    spiking = SpikingNetwork(RESNET, Activation("floor", 4), 2)
    spiking.network.load_state_dict(quantised.state_dict())
    assert spiking.network.state_dict().keys() == quantised.state_dict().keys()
