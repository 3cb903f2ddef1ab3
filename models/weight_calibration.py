"""Layer-wise weight calibration (LWC): eq. 14-17 of Xiong et al. 2025, with the two flaws of the gradient mended.

Layer after layer, on the true spikes of the layers before, which are calibrated already,

    minimise over W:   mean over images and positions of  sum over channels of  ((phi - a) / theta)^2

with phi = theta N / T of the spiking layer and a the activation of the quantised ANN (eq. 14, both in the same unit).
The gradient runs through time:

    dphi/dW_ij = (theta/T) sum_t sum_{t' <= t} ds(t)/du(t') x_j(t'),    ds/du as in ``spiking``, at every t

Eq. 16 as printed has no x_j(t'), so all weights of a neuron would move alike; eq. 17 has no gradient where s(t) = 0, so
neurons that should fire and do not are never trained. ``printed`` keeps eq. 15 and 17 and only puts x_j(t') back.

SGD, momentum 0.9, cosine. Before a layer's weights its initial potential is calibrated (signed LMPC from theta/2, as in
the compiler's ``calibrate-initial-potential``, which runs again on the result): LMPC -> LWC -> LMPC. A layer keeps the
epoch with the least error on held-out images, and the whole is kept only if the spiking network's class probabilities
come closer to the ANN's on them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..runtime.progress import progress_bar
from ..targets.diagnostic import Diagnostic, UnusableInput
from .checkpoint import Checkpoint
from .evaluation import EVALUATION_BATCH, as_input
from .layers import INPUT, Layer, layers_of
from .spiking import IntegrateAndFire, SpikingNetwork, fold_batch_norm

MOMENTUM = 0.9
LMPC_ITERATIONS = 3
HELD_OUT_SHARE = 5
"""One image of so many chooses epochs and decides whether the result is kept."""


@dataclass(frozen=True, slots=True)
class WeightCalibration:
    """How weights are calibrated: SGD from ``learning_rate`` to 0 over ``epochs`` >= 0 per layer, at T >= 1 steps.

    The paper's 1e-4 (CIFAR-10) goes with a loss whose normalisation it does not tell. For this one, a mean over
    positions, 0.05 lowered the held-out error most among 1e-4 .. 0.05 on Fashion-MNIST.
    """

    timesteps: int
    epochs: int = 20
    learning_rate: float = 0.05
    batch_size: int = 128
    printed: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Recorded:
    """Values of the layers calibrated so far, by activation: of the ANN, and spikes (steps, images, ...) with theta."""

    ann: dict[str, Tensor]
    spikes: dict[str, Tensor]
    thresholds: dict[str, Tensor]


def calibrate_weights(checkpoint: Checkpoint, images: Tensor, options: WeightCalibration) -> Checkpoint:
    """Return the checkpoint with weights calibrated for ``options.timesteps`` on unlabelled ``images``.

    ``checkpoint`` has a quantise-and-clip activation; ``images`` (N, C, H, W) uint8, training images that chose nothing
    (the paper: 1024), of which every fifth is held out, N >= 5. The record tells the errors in ``weight_calibration``;
    where the calibration does not help on the held-out images, the weights are the given ones. Runs on the CPU.
    Errors: E705 an activation without levels, too few images, or options out of range.
    """
    _refuse_impossible(checkpoint, images, options)
    held_out = torch.arange(len(images)) % HELD_OUT_SHARE == 0
    ann = checkpoint.build().requires_grad_(False)
    # Both with calibrated initial potentials, as the compiler's program will have them: the weights alone are judged.
    uncalibrated, _ = _calibrated(checkpoint, ann, images, held_out, replace(options, epochs=0))
    spiking, errors = _calibrated(checkpoint, ann, images, held_out, options)
    before, after = (_divergence(ann, network, images[held_out]) for network in (uncalibrated, spiking))
    kept = after < before
    record = {"timesteps": options.timesteps, "kept": kept, "divergence": [before, after], "errors": errors}
    weights = {n: t.detach().clone() for n, t in spiking.network.state_dict().items()} if kept else checkpoint.weights
    return replace(checkpoint, weights=weights, training={**checkpoint.training, "weight_calibration": record})


def _refuse_impossible(checkpoint: Checkpoint, images: Tensor, options: WeightCalibration) -> None:
    hint = "give a network with the activation floor or round, at least 5 images, and usual options"
    rules = (
        (checkpoint.activation.shift is not None, f"the activation '{checkpoint.activation.kind}' has no levels"),
        (len(images) >= HELD_OUT_SHARE, f"{len(images)} images are too few to calibrate weights"),
        (options.timesteps >= 1, f"timesteps is {options.timesteps}"),
        (options.epochs >= 0, f"epochs is {options.epochs}"),
        (options.batch_size >= 1, f"batch size is {options.batch_size}"),
        (0 < options.learning_rate < math.inf, f"the learning rate is {options.learning_rate}"),
    )
    problems = [Diagnostic("E705", message, hint=hint) for holds, message in rules if not holds]
    if problems:
        raise UnusableInput(problems)


def _calibrated(
    checkpoint: Checkpoint, ann: nn.Module, images: Tensor, held_out: Tensor, options: WeightCalibration
) -> tuple[SpikingNetwork, dict[str, list[float]]]:
    """Spiking network with calibrated layers, and each layer's held-out errors before and after its weights."""
    spiking = _spiking_network(checkpoint, options)
    errors: dict[str, list[float]] = {}
    recorded = _Recorded({INPUT: as_input(images)}, {}, {})
    last_reader = {source: layer.activation for layer in layers_of(ann) for source in layer.sources}
    pairs = list(zip(layers_of(ann), layers_of(spiking.network), strict=True))[:-1]
    with progress_bar("calibrate weights") as progress:
        for done, (ann_layer, layer) in enumerate(pairs, 1):
            neurons = spiking.network.get_submodule(layer.activation)
            assert isinstance(neurons, IntegrateAndFire)
            target = _activations(ann, ann_layer, recorded)
            errors[layer.activation] = _fit(_LayerFit(layer, neurons, recorded, target, held_out, options))
            recorded.ann[layer.activation] = target
            recorded.spikes[layer.activation] = _spikes(layer, neurons, recorded, options)
            recorded.thresholds[layer.activation] = neurons.threshold.detach()
            for source in [s for s, reader in last_reader.items() if reader == layer.activation and s != INPUT]:
                del recorded.ann[source], recorded.spikes[source]
            progress(done, len(pairs))
    return spiking, errors


def _spiking_network(checkpoint: Checkpoint, options: WeightCalibration) -> SpikingNetwork:
    with torch.random.fork_rng(devices=[]):
        spiking = SpikingNetwork(checkpoint.network, checkpoint.activation, options.timesteps).eval()
    spiking.network.load_state_dict(checkpoint.weights)
    fold_batch_norm(spiking.network)
    spiking.requires_grad_(False)
    for module in spiking.modules():
        if isinstance(module, IntegrateAndFire):
            module.printed = options.printed
    return spiking


@dataclass(frozen=True, slots=True, eq=False)
class _LayerFit:
    layer: Layer
    neurons: IntegrateAndFire
    recorded: _Recorded
    target: Tensor
    held_out: Tensor
    options: WeightCalibration

    def values(self, chosen: Tensor) -> Tensor:
        """Mean of the layer's output over time, for the chosen images."""
        current = self.layer.linear(*_received(self.layer, self.recorded, chosen))
        return torch.unflatten(self.neurons(current), 0, (self.options.timesteps, -1)).mean(0)

    def error(self, chosen: Tensor) -> Tensor:
        """Squared error in thresholds: summed over channels, averaged over images and positions."""
        missed = (self.values(chosen) - self.target[chosen]) / self.neurons.threshold
        return _over_positions(missed.square()).sum(1).mean()

    def batches(self, of: Tensor, random: torch.Generator | None = None) -> Iterator[Tensor]:
        """Indices of the images that ``of`` marks, in batches, shuffled by ``random``."""
        indices = of.nonzero()[:, 0]
        order = torch.arange(len(indices)) if random is None else torch.randperm(len(indices), generator=random)
        yield from torch.split(indices[order], self.options.batch_size)

    @torch.no_grad()
    def held_out_error(self) -> float:
        """Mean error of the held-out images."""
        total = sum(float(self.error(chosen)) * len(chosen) for chosen in self.batches(self.held_out))
        return total / int(self.held_out.sum())


def _fit(fit: _LayerFit) -> list[float]:
    """Calibrate initial potential and weights; the held-out errors before and after the weights."""
    _calibrate_initial_potential(fit)
    modules = [m for m in fit.layer.linear.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    trained = [module.weight.requires_grad_() for module in modules]
    optimiser = torch.optim.SGD(trained, lr=fit.options.learning_rate, momentum=MOMENTUM)
    random = torch.Generator().manual_seed(fit.options.seed)
    before = least = fit.held_out_error()
    best = [weight.detach().clone() for weight in trained]
    for epoch in range(fit.options.epochs):
        share = epoch / fit.options.epochs
        optimiser.param_groups[0]["lr"] = fit.options.learning_rate * (1 + math.cos(math.pi * share)) / 2
        for chosen in fit.batches(~fit.held_out, random):
            optimiser.zero_grad()
            fit.error(chosen).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        error = fit.held_out_error()
        if error < least:
            least, best = error, [weight.detach().clone() for weight in trained]
    for weight, kept in zip(trained, best, strict=True):
        weight.requires_grad_(False).copy_(kept)
    return [before, least]


@torch.no_grad()
def _calibrate_initial_potential(fit: _LayerFit) -> None:
    """v0 <- v0 + T mean(a - phi) per channel, within -theta..theta, from theta/2."""
    fitted = ~fit.held_out
    channels = (fit.target.shape[1], *(1,) * (fit.target.dim() - 2))
    fit.neurons.initial = torch.full(channels, 0.5)
    for _ in range(LMPC_ITERATIONS):
        missed = torch.zeros(channels)
        for chosen in fit.batches(fitted):
            missed += _over_positions(fit.target[chosen] - fit.values(chosen)).sum(0).reshape(channels)
        change = fit.options.timesteps * missed / int(fitted.sum()) / fit.neurons.threshold
        fit.neurons.initial = (fit.neurons.initial + change).clamp(-1.0, 1.0)


def _over_positions(values: Tensor) -> Tensor:
    """Mean over rows and columns, if there are any: (images, channels)."""
    return values.reshape(*values.shape[:2], -1).mean(2)


def _received(layer: Layer, recorded: _Recorded, chosen: Tensor) -> list[Tensor]:
    """What the layer's sources send: the image once, or spikes times threshold, (T * images, ...)."""
    return [
        recorded.ann[source][chosen]
        if source == INPUT
        else (recorded.spikes[source][:, chosen] * recorded.thresholds[source]).flatten(0, 1)
        for source in layer.sources
    ]


@torch.no_grad()
def _activations(ann: nn.Module, layer: Layer, recorded: _Recorded) -> Tensor:
    activation = ann.get_submodule(layer.activation)
    return activation(layer.linear(*(recorded.ann[source] for source in layer.sources)))  # type: ignore[no-any-return]


@torch.no_grad()
def _spikes(layer: Layer, neurons: IntegrateAndFire, recorded: _Recorded, options: WeightCalibration) -> Tensor:
    """Spike trains (T, images, ...) as bytes."""
    images = torch.arange(len(recorded.ann[INPUT]))
    parts = []
    for chosen in torch.split(images, options.batch_size):
        sent = neurons(layer.linear(*_received(layer, recorded, chosen)))
        parts.append((sent > 0).unflatten(0, (options.timesteps, -1)))
    return torch.cat(parts, 1)


@torch.no_grad()
def _divergence(ann: nn.Module, spiking: SpikingNetwork, images: Tensor) -> float:
    """Mean Kullback-Leibler divergence from the ANN's class probabilities to the spiking network's."""
    total = 0.0
    for batch in torch.split(images, EVALUATION_BATCH):
        wanted, given = (F.log_softmax(network(as_input(batch)), 1) for network in (ann, spiking))
        total += float(F.kl_div(given, wanted, reduction="sum", log_target=True))
    return total / len(images)
