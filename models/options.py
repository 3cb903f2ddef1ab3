"""What a training is told to do."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from ..targets.diagnostic import Diagnostic
from .activation import SHIFT, Activation, ActivationKind
from .datasets.images import DataSet
from .networks import NetworkName, NetworkSpec, Shortcut
from .thresholds import RULES, ThresholdRule


@dataclass(frozen=True, slots=True)
class Round:
    """One of the two rounds: a network with this activation, so many epochs from this learning rate down to 0."""

    name: str
    activation: Activation
    epochs: int
    learning_rate: float


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """Two rounds of Xiong 2025: a ReLU network, then the same with quantise-and-clip activations, finetuned.

    SGD with momentum 0.9, cosine schedule to 0 per step, cross entropy. ``held_out`` is the share of the training
    set that chooses the best epoch. Weight decay acts on the thresholds only as ``threshold_decay``.
    """

    network: NetworkName
    activation: ActivationKind
    levels: int = 4
    width: int = 0
    shortcut: Shortcut = "projection"
    epochs_relu: int = 20
    epochs_qc: int = 15
    learning_rate_relu: float = 0.1
    learning_rate_qc: float = 0.01
    batch_size: int = 128
    weight_decay: float = 5e-4
    threshold_decay: float = 0.0
    threshold_rule: ThresholdRule = "mmse"
    held_out: float = 0.1
    seed: int = 0

    def network_spec(self, data: DataSet) -> NetworkSpec:
        """Return the network for images of this data set."""
        return NetworkSpec(self.network, data.channels, data.size, len(data.classes), self.width, self.shortcut)

    def rounds(self) -> tuple[Round, ...]:
        """Return the ReLU round and, unless the activation is ReLU, the quantise-and-clip round."""
        relu = Round("relu", Activation("relu"), self.epochs_relu, self.learning_rate_relu)
        if self.activation == "relu":
            return (relu,)
        return relu, Round("qc", Activation(self.activation, self.levels), self.epochs_qc, self.learning_rate_qc)

    def as_dict(self) -> dict[str, object]:
        """Return plain values for a record."""
        return asdict(self)

    def problems(self, data: DataSet) -> tuple[Diagnostic, ...]:
        """Everything that keeps a training from starting, as E705."""
        low = {
            "levels": (self.levels, 1),
            "epochs_relu": (self.epochs_relu, 0),
            "epochs_qc": (self.epochs_qc, 0),
            "batch_size": (self.batch_size, 2),
            "seed": (self.seed, 0),
            "weight_decay": (self.weight_decay, 0),
            "threshold_decay": (self.threshold_decay, 0),
        }
        found = [
            Diagnostic(
                "E705", f"{name} is too small", measured=value, limit=limit, hint=f"give {name} of at least {limit}"
            )
            for name, (value, limit) in low.items()
            if not value >= limit
        ]
        if self.activation not in ("relu", *SHIFT):
            found.append(_choice("activation", self.activation, ("relu", *SHIFT)))
        if self.threshold_rule not in RULES:
            found.append(_choice("threshold rule", self.threshold_rule, tuple(RULES)))
        if not all(0 < rate < math.inf for rate in (self.learning_rate_relu, self.learning_rate_qc)):
            found.append(
                Diagnostic("E705", "a learning rate is not positive and finite", hint="0.1 and 0.01 are usual")
            )
        if not 0 < self.held_out < 1 or not 1 <= self.held_out_images(data) < len(data.train):
            found.append(
                Diagnostic(
                    "E705", "the held-out share leaves no images", measured=self.held_out, hint="0.1 holds out a tenth"
                )
            )
        return (*found, *self.network_spec(data).problems())

    def held_out_images(self, data: DataSet) -> int:
        """Return how many training images choose the best epoch."""
        return round(self.held_out * len(data.train))


def _choice(what: str, given: str, offered: tuple[str, ...]) -> Diagnostic:
    return Diagnostic("E705", f"there is no {what} '{given}'", hint=f"choose one of {', '.join(offered)}")
