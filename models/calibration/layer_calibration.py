"""One layer's calibration on the spikes of the layers before it: of its initial potential and its weights.

All three gradients lower  mean over images and positions of  sum over channels of  ((phi - a) / theta)^2.
See ``weight_calibration`` for the equations and their sources.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Literal

import torch
from torch import Tensor, nn

from ...targets.records import dataclass
from ..networks.layers import INPUT, Layer
from ..networks.spiking import IntegrateAndFire

Gradient = Literal["mended", "printed", "straight-through"]
InitialPotential = Literal["balanced", "printed"]

LEARNING_RATE: dict[Gradient, float] = {"mended": 0.05, "printed": 0.05, "straight-through": 1e-3}
LARGEST_LEARNING_RATE = 100.0
MOMENTUM = 0.9
PATIENCE = 3
NOTABLE = 2e-3
"""A layer's training ends when its held-out error has not fallen by this share in PATIENCE epochs."""
LMPC_ITERATIONS = 3
PART_VALUES = 400_000
"""Values per tensor that are computed at once, T included: what stays in a core's cache runs twice as fast."""


@dataclass(frozen=True, slots=True)
class WeightCalibration:
    """How weights are calibrated: from ``learning_rate`` down to 0 over ``epochs`` >= 0 per layer, at T >= 1 steps.

    ``learning_rate`` None is 0.05 for LWC's two gradients (SGD) and 1e-3 for straight-through (Adam). The paper's
    1e-4 (CIFAR-10) goes with a loss whose normalisation it does not tell. For this one, a mean over positions, 0.05
    lowered the held-out error most among 1e-4 .. 0.05 on Fashion-MNIST.
    Without ``potentials`` every layer starts from the initial potential that the activation gives: with ``initial``
    "balanced" as the compiler chooses it (``initial_share``), with "printed" v0 = s theta for its shift s, the paper's.
    """

    timesteps: int
    epochs: int = 20
    learning_rate: float | None = None
    batch_size: int = 128
    gradient: Gradient = "mended"
    potentials: bool = True
    initial: InitialPotential = "balanced"
    seed: int = 0

    @property
    def first_learning_rate(self) -> float:
        """The learning rate given, or that of the gradient."""
        return LEARNING_RATE[self.gradient] if self.learning_rate is None else self.learning_rate


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """Values of the layers calibrated so far, by activation, and of the image."""

    ann: dict[str, Tensor]
    """Activations (images, ...) that are wanted."""
    spikes: dict[str, Tensor]
    """Spike trains (T, images, ...), bool."""
    thresholds: dict[str, Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class LayerFit:
    """A layer, what it receives, the activations (images, ...) it should give, and which images are held out."""

    layer: Layer
    neurons: IntegrateAndFire
    recorded: Recorded
    target: Tensor
    held_out: Tensor
    options: WeightCalibration

    def calibrate(self) -> list[float]:
        """Calibrate initial potential, weights, and the initial potential again, in place.

        Returns the held-out errors before and after the weights.
        """
        if self.options.potentials:
            self._calibrate_initial_potential()
        errors = self._calibrate_weights()
        if self.options.potentials:
            self._calibrate_initial_potential()
        return errors

    @torch.no_grad()
    def spikes(self) -> Tensor:
        """Spike trains (T, images, ...) of all images."""
        parts = torch.split(torch.arange(len(self.target)), self._part)
        return torch.cat([self._sent(part).detach() > 0 for part in parts], 1)

    def gradients(self, chosen: Tensor) -> None:
        """Add the gradients of the chosen images' mean error to those of the weights."""
        values = self._values_of_mean_input if self.options.gradient == "straight-through" else self._values
        for part in torch.split(chosen, self._part):
            (self._errors(part, values).sum() / len(chosen)).backward()  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def held_out_error(self) -> float:
        """Mean error of the spikes on the held-out images."""
        parts = torch.split(self.held_out.nonzero()[:, 0], self._part)
        return sum(float(self._errors(part, self._values).sum()) for part in parts) / int(self.held_out.sum())

    def _calibrate_weights(self) -> list[float]:
        modules = [m for m in self.layer.linear.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        trained = [module.weight.requires_grad_() for module in modules]
        optimiser = self._optimiser(trained)
        random = torch.Generator().manual_seed(self.options.seed)
        before = least = notable = self.held_out_error()
        best, notable_epoch = _copied(trained), -1
        for epoch in range(self.options.epochs):
            if epoch - notable_epoch > PATIENCE:
                break
            for number, (chosen, batches) in enumerate(self._batches(random)):
                share = (epoch + number / batches) / self.options.epochs
                optimiser.param_groups[0]["lr"] = self.options.first_learning_rate * (1 + math.cos(math.pi * share)) / 2
                optimiser.zero_grad()
                self.gradients(chosen)
                optimiser.step()
            error = self.held_out_error()
            if error < least:
                least, best = error, _copied(trained)
            if error < notable * (1 - NOTABLE):
                notable, notable_epoch = error, epoch
        for weight, kept in zip(trained, best, strict=True):
            weight.requires_grad_(False).copy_(kept)
        return [before, least]

    def _optimiser(self, trained: list[Tensor]) -> torch.optim.Optimizer:
        rate = self.options.first_learning_rate
        if self.options.gradient == "straight-through":
            return torch.optim.Adam(trained, lr=rate)
        return torch.optim.SGD(trained, lr=rate, momentum=MOMENTUM)

    def _batches(self, random: torch.Generator) -> Iterator[tuple[Tensor, int]]:
        """The images that are not held out, shuffled, in batches; and how many batches there are."""
        indices = (~self.held_out).nonzero()[:, 0]
        batches = torch.split(indices[torch.randperm(len(indices), generator=random)], self.options.batch_size)
        for chosen in batches:
            yield chosen, len(batches)

    @torch.no_grad()
    def _calibrate_initial_potential(self) -> None:
        """v0 <- v0 + T mean(a - phi) per channel, within -theta..theta, from theta/2."""
        fitted = (~self.held_out).nonzero()[:, 0]
        channels = (self.target.shape[1], *(1,) * (self.target.dim() - 2))
        self.neurons.initial = torch.full(channels, 0.5)
        for _ in range(LMPC_ITERATIONS):
            missed = torch.zeros(channels)
            for part in torch.split(fitted, self._part):
                missed += _over_positions(self.target[part] - self._values(part)).sum(0).reshape(channels)
            change = self.options.timesteps * missed / len(fitted) / self.neurons.threshold
            self.neurons.initial = (self.neurons.initial + change).clamp(-1.0, 1.0)

    @property
    def _part(self) -> int:
        return max(1, PART_VALUES // (self.options.timesteps * self.target[0].numel()))

    def _errors(self, chosen: Tensor, values: Callable[[Tensor], Tensor]) -> Tensor:
        """Squared errors in thresholds, per image: summed over channels, averaged over positions."""
        missed = (values(chosen) - self.target[chosen]) / self.neurons.threshold
        return _over_positions(missed.square()).sum(1)

    def _values(self, chosen: Tensor) -> Tensor:
        """phi = theta N / T of the chosen images, (images, ...)."""
        return self._sent(chosen).mean(0)

    def _sent(self, chosen: Tensor) -> Tensor:
        """Spikes times threshold, (T, images, ...)."""
        current = self.layer.linear(*(self._received(source, chosen).flatten(0, 1) for source in self.layer.sources))
        return torch.unflatten(self.neurons(current), 0, (self.options.timesteps, -1))

    def _received(self, source: str, chosen: Tensor) -> Tensor:
        """What a source sends: the image once, or spikes times threshold, (1 or T, images, ...)."""
        if source == INPUT:
            return self.recorded.ann[INPUT][chosen][None]
        return self.recorded.spikes[source][:, chosen] * self.recorded.thresholds[source]

    def _values_of_mean_input(self, chosen: Tensor) -> Tensor:
        """Values that the chosen images' mean input would give in any order in time, with a straight-through slope."""
        current = self.layer.linear(*(self._received(source, chosen).mean(0) for source in self.layer.sources))
        return straight_through(current, self.neurons.threshold, self.neurons.initial, self.options.timesteps)


def straight_through(current: Tensor, threshold: Tensor, initial: Tensor, timesteps: int) -> Tensor:
    """Return theta/T clip(floor((T I + v0) / theta), 0, T) of a mean current I (images, ...), v0 = initial theta.

    Its gradient is that of clip(I, 0, theta): 1 for 0 < I < theta, else 0.
    """
    counts = torch.floor((current * timesteps) / threshold + initial).clamp(0, timesteps)
    inside = (current > 0) & (current < threshold)
    clipped = torch.where(inside, current, current.detach())
    return clipped + (counts * threshold / timesteps - clipped).detach()


def _over_positions(values: Tensor) -> Tensor:
    """Mean over rows and columns, if there are any: (images, channels)."""
    return values.reshape(*values.shape[:2], -1).mean(2)


def _copied(weights: list[Tensor]) -> list[Tensor]:
    return [weight.detach().clone() for weight in weights]
