"""What a training is told to do."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Literal

from ...targets.diagnostic import Diagnostic
from ...targets.records import dataclass
from ..datasets.images import DataSet
from ..networks.activation import SHIFT, Activation
from ..networks.networks import NetworkName, NetworkSpec, Pooling, Shortcut
from .noise import NOISES, NoiseKind
from .thresholds import RULES, ThresholdRule

TrainedActivation = Literal["relu", "clip", "ratenorm", "floor", "round"]
ACTIVATIONS: tuple[TrainedActivation, ...] = ("relu", "clip", "ratenorm", "floor", "round")
Precision = Literal["float32", "bfloat16"]
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")
Teacher = Literal["quantised", "relu"]
TEACHERS: tuple[Teacher, ...] = ("quantised", "relu")
RoundName = Literal["relu", "qc", "ratenorm", "noise", "deploy"]


@dataclass(frozen=True, slots=True)
class Round:
    """A part of a training: a network with this activation, so many epochs from this learning rate down to 0."""

    name: RoundName
    activation: Activation
    epochs: int
    learning_rate: float


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """Two rounds of Xiong 2025, a ReLU network, then the same with quantise-and-clip activations, and what follows.

    SGD with momentum 0.9, cosine schedule to 0 per step, cross entropy. ``held_out`` is the share of the training
    set that chooses the best epoch. Weight decay acts on the thresholds only as ``threshold_decay``.

    ``activation`` "clip" trains a clipped ReLU (TCL) in the second round, "ratenorm" only its thresholds (see
    ``rate_norm``). ``noise`` other than "none" adds a round with the residual errors at ``noise_timesteps`` in the
    activations (see ``noise``); with ``epochs_qc`` 0 it follows the ReLU round. ``deploy_timesteps`` T > 0 adds a last
    round, in which the spiking network itself is trained over T steps with weights of ``weight_bits``: cross
    entropy + ``distillation`` * temperature^2 * KL(ANN, spiking network) of logits / ``temperature``. The ANN is the
    most accurate quantised one of the rounds before, or with ``teacher`` "relu" that of the ReLU round. Both rounds
    choose the best epoch by the spiking network's accuracy at their T.

    ``rate_penalty`` p > 0 adds p times the mean rate of the layers to the loss of each round that has
    thresholds (see ``firing_cost``): fewer spikes, at the cost of some accuracy. The last epoch of such a round counts.

    ``gradient_norm`` g > 0 shortens the gradient of a batch to g where it is longer: spikes over few steps have
    gradients that now and then throw a threshold so far that its layer never spikes again.

    ``precision`` "bfloat16" trains with convolutions and linear layers in bfloat16, about twice as fast where the
    machine has them; weights, activation levels, potentials and whatever judges an epoch stay float32.
    """

    network: NetworkName
    activation: TrainedActivation
    levels: int = 4
    width: int = 0
    shortcut: Shortcut = "projection"
    pooling: Pooling = "average"
    epochs_relu: int = 20
    epochs_qc: int = 15
    epochs_noise: int = 15
    epochs_deploy: int = 5
    learning_rate_relu: float = 0.1
    learning_rate_qc: float = 0.01
    learning_rate_noise: float = 0.01
    learning_rate_deploy: float = 0.01
    batch_size: int = 128
    precision: Precision = "float32"
    weight_decay: float = 5e-4
    threshold_decay: float = 0.0
    threshold_rule: ThresholdRule = "mmse"
    noise: NoiseKind = "none"
    noise_timesteps: int = 4
    deploy_timesteps: int = 0
    weight_bits: int = 8
    distillation: float = 1.0
    temperature: float = 2.0
    teacher: Teacher = "quantised"
    rate_penalty: float = 0.0
    gradient_norm: float = 0.0
    held_out: float = 0.1
    seed: int = 0

    def network_spec(self, data: DataSet) -> NetworkSpec:
        """Return the network for images of this data set."""
        channels, rows, columns = data.shape
        return NetworkSpec(
            self.network,
            channels,
            rows,
            len(data.classes),
            self.width,
            self.shortcut,
            self.pooling,
            columns=0 if rows == columns else columns,
            signed=data.signed,
        )

    def rounds(self) -> tuple[Round, ...]:
        """Return the rounds that the options ask for, in order; the first is always that of the ReLU network."""
        rounds = [Round("relu", Activation("relu"), self.epochs_relu, self.learning_rate_relu)]
        if self.activation == "ratenorm":
            rounds.append(Round("ratenorm", Activation("clip"), self.epochs_qc, self.learning_rate_qc))
        elif self.activation != "relu":
            quantised = Activation(self.activation, self.levels)
            rounds.append(Round("qc", quantised, self.epochs_qc, self.learning_rate_qc))
            if self.noise != "none":
                rounds.append(Round("noise", quantised, self.epochs_noise, self.learning_rate_noise))
            if self.deploy_timesteps:
                rounds.append(Round("deploy", quantised, self.epochs_deploy, self.learning_rate_deploy))
        return tuple(rounds)

    def as_dict(self) -> dict[str, object]:
        """Return plain values for a record."""
        return asdict(self)

    def problems(self, data: DataSet) -> tuple[Diagnostic, ...]:
        """Everything that keeps a training from starting, as E705."""
        found = [
            Diagnostic(
                "E705", f"{name} is too small", measured=value, limit=limit, hint=f"give {name} of at least {limit}"
            )
            for name, (value, limit) in self._least().items()
            if not value >= limit
        ]
        choices: dict[str, tuple[str, tuple[str, ...]]] = {
            "activation": (self.activation, ACTIVATIONS),
            "threshold rule": (self.threshold_rule, tuple(RULES)),
            "noise": (self.noise, NOISES),
            "precision": (self.precision, PRECISIONS),
            "teacher": (self.teacher, TEACHERS),
        }
        found += [_choice(what, given, offered) for what, (given, offered) in choices.items() if given not in offered]
        rates = (getattr(self, f"learning_rate_{name}") for name in ("relu", "qc", "noise", "deploy"))
        if not all(0 < rate < math.inf for rate in rates):
            found.append(
                Diagnostic("E705", "a learning rate is not positive and finite", hint="0.1 and 0.01 are usual")
            )
        if not 0 < self.temperature < math.inf:
            found.append(Diagnostic("E705", "the temperature is not positive and finite", hint="2 is usual"))
        if self.activation not in SHIFT and (self.noise != "none" or self.deploy_timesteps):
            hint = "choose the activation floor or round, or leave noise and deployment timesteps away"
            message = f"networks with the activation '{self.activation}' have no neurons to train with"
            found.append(Diagnostic("E705", message, hint=hint))
        if self.activation in ("relu", "ratenorm") and self.rate_penalty > 0:
            hint = "choose the activation clip, floor or round, or leave the rate penalty away"
            message = f"no round of the activation '{self.activation}' can train how often neurons fire"
            found.append(Diagnostic("E705", message, hint=hint))
        if self.pooling == "max" and (self.noise != "none" or self.deploy_timesteps):
            hint = "choose average pooling, or leave noise and deployment timesteps away"
            found.append(Diagnostic("E705", "networks with max pooling are not trained over their spikes", hint=hint))
        if not 0 < self.held_out < 1 or not 1 <= self.held_out_images(data) < len(data.train):
            found.append(
                Diagnostic(
                    "E705", "the held-out share leaves no images", measured=self.held_out, hint="0.1 holds out a tenth"
                )
            )
        return (*found, *self.network_spec(data).problems())

    def _least(self) -> dict[str, tuple[float, int]]:
        return {
            "levels": (self.levels, 1),
            "epochs_relu": (self.epochs_relu, 0),
            "epochs_qc": (self.epochs_qc, 0),
            "epochs_noise": (self.epochs_noise, 0),
            "epochs_deploy": (self.epochs_deploy, 0),
            "batch_size": (self.batch_size, 2),
            "seed": (self.seed, 0),
            "weight_decay": (self.weight_decay, 0),
            "threshold_decay": (self.threshold_decay, 0),
            "noise_timesteps": (self.noise_timesteps, 1),
            "deploy_timesteps": (self.deploy_timesteps, 0),
            "weight_bits": (self.weight_bits, 2),
            "distillation": (self.distillation, 0),
            "rate_penalty": (self.rate_penalty, 0),
            "gradient_norm": (self.gradient_norm, 0),
        }

    def held_out_images(self, data: DataSet) -> int:
        """Return how many training images choose the best epoch."""
        return round(self.held_out * len(data.train))


def _choice(what: str, given: str, offered: tuple[str, ...]) -> Diagnostic:
    return Diagnostic("E705", f"there is no {what} '{given}'", hint=f"choose one of {', '.join(offered)}")
