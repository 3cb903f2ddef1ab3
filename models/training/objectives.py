"""What each round of a training trains, minimises and is judged by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..datasets.device_images import DeviceImages, affordable, consecutive, read_batches
from ..networks.activation import Activation
from ..networks.networks import ActivationFactory, NetworkSpec
from ..networks.spiking import SpikingNetwork
from .evaluation import as_input
from .firing_cost import FiringCost
from .noise import (
    ErrorModel,
    NoisyActivation,
    NoisyQuantiseClip,
    count_error,
    gaussian_error,
    measure_counts,
    measure_gap,
)
from .options import Round, TrainingOptions
from .rate_norm import RateNormClip, measure_running_maximum, rate_norm_layers, regulariser
from .thresholds import set_thresholds

THRESHOLD_IMAGES = 512
"""Images of up to THRESHOLD_SIDE x THRESHOLD_SIDE pixels that thresholds are first read from; fewer larger ones."""
THRESHOLD_SIDE = 64
MAXIMUM_BATCHES = 32
"""Batches of THRESHOLD_IMAGES that RateNorm's running maximum follows."""

Weights = dict[str, Tensor]
Module = TypeVar("Module", bound=nn.Module)


class Objective(Protocol):
    """One round's training."""

    updates_statistics: bool
    """Batch norm uses and follows the batch's statistics."""
    keeps_last: bool
    """The last epoch is the result, whatever its accuracy: it is that which was given away for something else."""

    @property
    def network(self) -> nn.Module:
        """What is optimised; its state dict continues an interrupted round."""

    @property
    def timesteps(self) -> int | None:
        """Steps of the spiking network that ``judged`` returns; None where it is the ANN."""

    def initialise(self, images: DeviceImages) -> None:
        """Prepare weights that come from the round before; ``images`` (N, C, H, W) uint8 are for training."""

    def begin_epoch(self, epoch: int, held_out: DeviceImages) -> dict[str, Any]:
        """Measure what the epoch (from 0) needs on held-out images, and return figures for the record."""

    def loss(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """Mean loss of a batch."""

    def judged(self) -> nn.Module:
        """Return the network whose accuracy on held-out images chooses the epoch."""

    def weights(self) -> Weights:
        """Return a state dict for the network of the round's activation."""


@dataclass(slots=True, eq=False)
class CrossEntropy:
    """Cross entropy of the network itself: the ReLU round, and that of clipped or quantised activations."""

    network: nn.Module
    relu_twin: nn.Module | None
    options: TrainingOptions
    firing: FiringCost
    updates_statistics: bool = True
    keeps_last: bool = False
    timesteps: int | None = None

    def initialise(self, images: DeviceImages) -> None:
        """Set the thresholds from the activations of the ReLU network."""
        if self.relu_twin is not None:
            self.relu_twin.load_state_dict(self.network.state_dict(), strict=False)
            sample = as_input(images[: affordable(THRESHOLD_IMAGES, images, THRESHOLD_SIDE)])
            set_thresholds(self.relu_twin, self.network, sample, self.options.threshold_rule)

    def begin_epoch(self, epoch: int, held_out: DeviceImages) -> dict[str, Any]:
        """Nothing to measure."""
        return {}

    def loss(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy and the cost of firing."""
        return F.cross_entropy(self.network(inputs), labels) + self.firing.cost()

    def judged(self) -> nn.Module:
        """Return the network itself."""
        return self.network

    def weights(self) -> Weights:
        """Return the state dict."""
        return self.network.state_dict()


@dataclass(slots=True, eq=False)
class RateNorm:
    """Thresholds alone, see ``rate_norm``."""

    network: nn.Module
    relu_twin: nn.Module
    updates_statistics: bool = False
    keeps_last: bool = True
    timesteps: int | None = None

    def __post_init__(self) -> None:
        for module in self.network.modules():
            for parameter in module.parameters(recurse=False):
                parameter.requires_grad_(isinstance(module, RateNormClip))

    def initialise(self, images: DeviceImages) -> None:
        """Follow the running maximum of the ReLU network's activations."""
        self.relu_twin.load_state_dict(self.network.state_dict(), strict=False)
        size = affordable(THRESHOLD_IMAGES, images, THRESHOLD_SIDE)
        batches = read_batches(images, consecutive(min(len(images), MAXIMUM_BATCHES * size), size))
        measure_running_maximum(self.relu_twin, self.network, tuple(as_input(batch) for batch in batches))

    def begin_epoch(self, epoch: int, held_out: DeviceImages) -> dict[str, Any]:
        """Nothing to measure."""
        return {}

    def loss(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy and the regulariser."""
        return F.cross_entropy(self.network(inputs), labels) + regulariser(self.network)

    def judged(self) -> nn.Module:
        """Return the network itself."""
        return self.network

    def weights(self) -> Weights:
        """Return the state dict of a network of clipped ReLUs at the thresholds found."""
        layers = rate_norm_layers(self.network)
        own = {f"{name}.{part}" for name in layers for part in ("p", "running_maximum")}
        kept = {name: tensor for name, tensor in self.network.state_dict().items() if name not in own}
        return {**kept, **{f"{name}.threshold": layer.threshold for name, layer in layers.items()}}


@dataclass(slots=True, eq=False)
class Noise:
    """Cross entropy with residual errors in the activations, see ``noise``; judged as a spiking network."""

    network: nn.Module
    spiking: SpikingNetwork
    options: TrainingOptions
    firing: FiringCost
    updates_statistics: bool = True
    keeps_last: bool = False

    @property
    def timesteps(self) -> int:
        """Steps at which the errors are measured."""
        return self.spiking.timesteps

    def initialise(self, images: DeviceImages) -> None:
        """Nothing to prepare."""

    def begin_epoch(self, epoch: int, held_out: DeviceImages) -> dict[str, Any]:
        """Measure the errors; Huang et al. have none in the first epoch."""
        spiking = self.judged()
        errors: dict[str, ErrorModel | None]
        if self.options.noise == "local":
            counts = measure_counts(spiking, held_out)
            errors = {name: count_error(table) for name, table in counts.items()}
            figures: dict[str, Any] = {name: table.tolist() for name, table in counts.items()}
        else:
            layers = [n for n, m in self.network.named_modules() if isinstance(m, NoisyQuantiseClip)]
            figures = measure_gap(self.network, spiking, held_out) if epoch else dict.fromkeys(layers, 0.0)
            errors = {name: gaussian_error(sigma) if sigma else None for name, sigma in figures.items()}
        for name, error in errors.items():
            layer = self.network.get_submodule(name)
            assert isinstance(layer, NoisyQuantiseClip)
            layer.error = error
        return {"noise": figures}

    def loss(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy of the noisy network and the cost of firing."""
        return F.cross_entropy(self.network(inputs), labels) + self.firing.cost()

    def judged(self) -> SpikingNetwork:
        """Return the spiking network with the present weights."""
        self.spiking.network.load_state_dict(self.network.state_dict())
        return self.spiking

    def weights(self) -> Weights:
        """Return the state dict."""
        return self.network.state_dict()


@dataclass(slots=True, eq=False)
class Deploy:
    """The spiking network trained through time at the deployment T, on the weights of a chip, an ANN as teacher.

        loss = CE(f_T, y) + d tau^2 KL(softmax(g / tau) || softmax(f_T / tau)) + cost of firing

    f_T are the spiking network's logits with rounded weights (see ``round_weights``), g the ANN's. Batch norm is
    trained along: it follows the currents of all steps, and the compiler folds it into the weights as ever.
    """

    spiking: SpikingNetwork
    teacher: nn.Module
    options: TrainingOptions
    firing: FiringCost
    updates_statistics: bool = True
    keeps_last: bool = False

    def __post_init__(self) -> None:
        self.teacher.eval().requires_grad_(False)

    @property
    def network(self) -> nn.Module:
        """What is optimised, under the names of the float network."""
        return self.spiking.network

    @property
    def timesteps(self) -> int:
        """The deployment's T."""
        return self.spiking.timesteps

    def initialise(self, images: DeviceImages) -> None:
        """Nothing to prepare."""

    def begin_epoch(self, epoch: int, held_out: DeviceImages) -> dict[str, Any]:
        """Nothing to measure."""
        return {}

    def loss(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy, divergence from the teacher and the cost of firing."""
        logits, temperature = self.spiking(inputs), self.options.temperature
        with torch.no_grad():
            wanted = F.log_softmax(self.teacher(inputs) / temperature, 1)
        given = F.log_softmax(logits / temperature, 1)
        divergence = F.kl_div(given, wanted, reduction="batchmean", log_target=True) * temperature**2
        return F.cross_entropy(logits, labels) + self.options.distillation * divergence + self.firing.cost()

    def judged(self) -> nn.Module:
        """Return the spiking network with rounded weights."""
        return self.spiking

    def weights(self) -> Weights:
        """Return the state dict; weights are not rounded, the compiler rounds them to the grid of its target."""
        return self.network.state_dict()


def objective_of(
    current: Round, options: TrainingOptions, spec: NetworkSpec, device: torch.device, teacher: Weights
) -> Objective:
    """Build a round's objective with fresh weights from the options' seed; ``teacher`` is for the last round."""

    def build(activation: ActivationFactory) -> nn.Module:
        torch.manual_seed(options.seed)
        return _placed(spec.build(activation), device)

    def spiking(timesteps: int, weight_bits: int | None) -> SpikingNetwork:
        return _placed(SpikingNetwork(spec, current.activation, timesteps, weight_bits), device)

    def firing(network: nn.Module) -> FiringCost:
        return FiringCost(network, options.rate_penalty)

    with torch.random.fork_rng(devices=[]):
        if current.name == "ratenorm":
            return RateNorm(build(RateNormClip), build(Activation("relu")))
        if current.name == "noise":
            noisy = build(NoisyActivation(current.activation))
            cost = firing(noisy)
            return Noise(noisy, spiking(options.noise_timesteps, None), options, cost, keeps_last=cost.is_priced)
        if current.name == "deploy":
            network = build(Activation("relu") if options.teacher == "relu" else current.activation)
            network.load_state_dict(teacher)
            trained = spiking(options.deploy_timesteps, options.weight_bits)
            cost = firing(trained.network)
            return Deploy(trained, network, options, cost, keeps_last=cost.is_priced)
        network = build(current.activation)
        twin = None if current.name == "relu" else build(Activation("relu"))
        cost = firing(network)
        return CrossEntropy(network, twin, options, cost, keeps_last=cost.is_priced)


def _placed(network: Module, device: torch.device) -> Module:
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
