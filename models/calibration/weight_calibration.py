"""Layer-wise weight calibration (LWC): eq. 14-17 of Xiong et al. 2025, with the two flaws of the gradient mended.

Layer after layer, on the true spikes of the layers before, which are calibrated already,

    minimise over W:   mean over images and positions of  sum over channels of  ((phi - a) / theta)^2

with phi = theta N / T of the spiking layer and a the activation of the ANN (eq. 14, both in the same unit). ``mended``
takes the gradient through time:

    dphi/dW_ij = (theta/T) sum_t sum_{t' <= t} ds(t)/du(t') x_j(t'),    ds/du as in ``spiking``, at every t

Eq. 16 as printed has no x_j(t'), so all weights of a neuron would move alike; eq. 17 has no gradient where s(t) = 0, so
neurons that should fire and do not are never trained. ``printed`` keeps eq. 15 and 17 and only puts x_j(t') back. Both
go with SGD, momentum 0.9, cosine, and with a quantise-and-clip network: a is its activation, as in the paper.

``straight-through`` is the weight calibration of Li et al. 2021 (SNN Calibration, advanced pipeline). Time is left out:

    I = W mean_t x(t) + b,   phi = theta/T clip(floor((T I + v0) / theta), 0, T),   dphi/dI = 1 for 0 < I < theta else 0

with Adam and cosine; as in the authors' code W alone is trained, since calibrating v0 does what b could. Their shift of
theta/(2T) per step is v0 = theta/2 here, the same sum over the window. Their code leaves it out of the phi that it
fits, though their network runs with it, and so trains weights to make up for half a spike that nobody misses; here
phi is that of the network. a is the activation of the network as trained: of a ReLU network, which becomes one with
the activation round, L = T and the thresholds of least squared error (their choice), or of a clipped one, which keeps
its thresholds, or of a quantised one.

Order: LMPC -> LWC -> LMPC. Before and after a layer's weights its initial potential is calibrated per channel (signed
LMPC from theta/2; without ``potentials`` it is what the activation says), each time for the activations of the network
that was given. A checkpoint holds no potentials: the compiler's ``calibrate-initial-potential`` finds the last ones
again, with the network that was given as its reference, which the record names.
Held-out images decide three times: when a layer's training ends (its error has not fallen by
0.2 % in three epochs), which of its epochs is taken (the given weights, if none is better), and by ``kept`` whether the
whole is: only if the spiking network's class probabilities come closer to the ANN's than those of the same network
with the weights as given, its potentials calibrated in the same way.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...runtime.progress import Report, progress_bar
from ...targets.diagnostic import Diagnostic, UnusableInput
from ..checkpoint import Checkpoint, onnx_of
from ..networks.activation import Activation
from ..networks.layers import INPUT, Layer, layers_of
from ..networks.spiking import IntegrateAndFire, SpikingNetwork, fold_batch_norm, spiking_layers
from ..training.evaluation import EVALUATION_BATCH, as_input
from ..training.thresholds import set_thresholds
from .layer_calibration import LARGEST_LEARNING_RATE, Gradient, InitialPotential, LayerFit, Recorded, WeightCalibration

__all__ = ["Gradient", "WeightCalibration", "calibrate_weights"]

HELD_OUT_SHARE = 5
"""One image of so many chooses epochs and decides whether the result is kept."""

THRESHOLD_IMAGES = 512
"""Images that choose the thresholds of a ReLU network."""


def calibrate_weights(checkpoint: Checkpoint, images: Tensor, options: WeightCalibration) -> Checkpoint:
    """Return the checkpoint with weights calibrated for ``options.timesteps`` on unlabelled ``images``.

    ``checkpoint`` has a quantise-and-clip activation or, for the gradient straight-through, any: without levels it
    comes back with the activation round and L = T. ``images`` (N, C, H, W), bytes or what `as_input` makes of them, are
    training images that chose nothing (the paper: 1024); every fifth is held out, N >= 5. The record's
    ``weight_calibration`` holds timesteps, gradient, potentials, ``initial``, ``start`` (SHA-256 of the given network's
    ONNX file), ``kept``, the ``divergences`` (mean KL from the ANN's class probabilities to the spiking network's, in
    nats, before and after) and per layer the held-out ``errors`` before and after. Where it is not kept, the weights
    are the given ones. Runs on the CPU.
    Errors: E705 an activation that the gradient does not go with, too few images, or options out of range.
    """
    _refuse_impossible(checkpoint, images, options)
    held_out = torch.arange(len(images)) % HELD_OUT_SHARE == 0
    is_bytes = images.dtype in (torch.uint8, torch.int8)
    inputs = as_input(images) if is_bytes else images.float().contiguous(memory_format=torch.channels_last)
    ann = checkpoint.build().requires_grad_(False)
    converted = _with_levels(checkpoint, ann, inputs[~held_out], options.timesteps)
    with progress_bar("calibrate weights") as progress:
        # Both with initial potentials of the same kind, as the program will have them: the weights alone are judged.
        uncalibrated, _ = _calibrated(checkpoint, converted, inputs, held_out, replace(options, epochs=0), None)
        spiking, errors = _calibrated(checkpoint, converted, inputs, held_out, options, progress)
    before, after = (_divergence(ann, network, inputs[held_out]) for network in (uncalibrated, spiking))
    kept = after < before
    record = {
        "timesteps": options.timesteps,
        "gradient": options.gradient,
        "potentials": options.potentials,
        "initial": options.initial,
        "start": hashlib.sha256(onnx_of(checkpoint)).hexdigest(),
        "kept": kept,
        "divergences": [before, after],
        "errors": errors,
    }
    weights = {n: t.detach().clone() for n, t in spiking.network.state_dict().items()} if kept else converted.weights
    return replace(converted, weights=weights, training={**checkpoint.training, "weight_calibration": record})


def _refuse_impossible(checkpoint: Checkpoint, images: Tensor, options: WeightCalibration) -> None:
    kind, gradient = checkpoint.activation.kind, options.gradient
    has_levels = checkpoint.activation.shift is not None
    usual = "give usual options"
    rules = (
        (gradient in get_args(Gradient), f"there is no gradient '{gradient}'", "choose mended or straight-through"),
        (
            has_levels or gradient not in ("mended", "printed"),
            f"the activation '{kind}' has no levels, which the gradient {gradient} takes as its aim",
            "choose the gradient straight-through, or train a network with the activation floor or round",
        ),
        (
            len(images) >= HELD_OUT_SHARE,
            f"{len(images)} images are too few to calibrate weights",
            f"give at least {HELD_OUT_SHARE}, better 1024",
        ),
        (
            checkpoint.network.pooling == "average",
            "networks with max pooling are not run over their spikes in training, and so not calibrated",
            "choose a network with average pooling; the compiler calibrates initial potentials of both",
        ),
        (
            options.initial in get_args(InitialPotential),
            f"there is no initial potential '{options.initial}'",
            "choose balanced or printed",
        ),
        (
            options.initial == "balanced" or not options.potentials,
            "potentials that are calibrated do not start as printed",
            "give --no-potentials as well",
        ),
        (options.timesteps >= 1, f"timesteps is {options.timesteps}", usual),
        (options.epochs >= 0, f"epochs is {options.epochs}", usual),
        (options.batch_size >= 1, f"batch size is {options.batch_size}", usual),
        (0 <= options.seed < 2**63, f"seed is {options.seed}", usual),
        (
            options.learning_rate is None or 0 < options.learning_rate <= LARGEST_LEARNING_RATE,
            f"the learning rate is {options.learning_rate}",
            f"leave it away for the usual one, or give at most {LARGEST_LEARNING_RATE:g}",
        ),
    )
    problems = [Diagnostic("E705", message, hint=hint) for holds, message, hint in rules if not holds]
    if problems:
        raise UnusableInput(problems)


@torch.no_grad()
def _with_levels(checkpoint: Checkpoint, ann: nn.Module, inputs: Tensor, timesteps: int) -> Checkpoint:
    """The same checkpoint if its activation has levels; else with QCFS's, L = T, and thresholds for them."""
    if checkpoint.activation.shift is not None:
        return checkpoint
    activation = Activation("round", timesteps)
    with torch.random.fork_rng(devices=[]):
        network = checkpoint.network.build(activation).eval()
    network.load_state_dict(checkpoint.weights, strict=False)
    if checkpoint.activation.kind == "relu":
        set_thresholds(ann, network, inputs[:THRESHOLD_IMAGES], "mmse")
    return replace(checkpoint, activation=activation, weights=network.state_dict())


def _calibrated(
    checkpoint: Checkpoint,
    converted: Checkpoint,
    inputs: Tensor,
    held_out: Tensor,
    options: WeightCalibration,
    progress: Report | None,
) -> tuple[SpikingNetwork, dict[str, list[float]]]:
    """Spiking network with calibrated layers, and each layer's held-out errors before and after its weights."""
    ann = checkpoint.build().requires_grad_(False)
    spiking = _spiking_network(converted, options)
    errors: dict[str, list[float]] = {}
    recorded = Recorded({INPUT: inputs}, {}, {})
    pairs = list(zip(_linear_layers(checkpoint), layers_of(spiking.network), strict=True))[:-1]
    last_reader = {source: layer.activation for _, layer in pairs for source in layer.sources}
    neurons = spiking_layers(spiking.network)
    for done, (ann_layer, layer) in enumerate(pairs, 1):
        name = layer.activation
        target = _activations(ann, ann_layer, recorded)
        fit = LayerFit(layer, neurons[name], recorded, target, held_out, options)
        errors[name] = fit.calibrate()
        recorded.ann[name] = target
        recorded.spikes[name] = fit.spikes()
        recorded.thresholds[name] = neurons[name].threshold.detach()
        for source in [s for s, reader in last_reader.items() if reader == name and s != INPUT]:
            del recorded.ann[source], recorded.spikes[source]
        if progress is not None:
            progress(done, len(pairs))
    return spiking, errors


def _linear_layers(checkpoint: Checkpoint) -> list[Layer]:
    """The float network's layers with their linear maps, whatever its activation."""
    weights = {name: tensor for name, tensor in checkpoint.weights.items() if not name.endswith(".threshold")}
    plain = replace(checkpoint, activation=Activation("relu"), weights=weights)
    return list(layers_of(plain.build().requires_grad_(False)))


def _spiking_network(checkpoint: Checkpoint, options: WeightCalibration) -> SpikingNetwork:
    with torch.random.fork_rng(devices=[]):
        spiking = SpikingNetwork(checkpoint.network, checkpoint.activation, options.timesteps).eval()
    spiking.network.load_state_dict(checkpoint.weights)
    fold_batch_norm(spiking.network)
    spiking.requires_grad_(False)
    for module in spiking.modules():
        if isinstance(module, IntegrateAndFire):
            module.printed = options.gradient == "printed"
            if options.initial == "printed":
                module.initial = torch.tensor(module.shift)
    return spiking


@torch.no_grad()
def _activations(ann: nn.Module, layer: Layer, recorded: Recorded) -> Tensor:
    """Activations of all images."""
    activation = ann.get_submodule(layer.activation)
    values = [torch.split(recorded.ann[source], EVALUATION_BATCH) for source in layer.sources]
    return torch.cat([activation(layer.linear(*parts)) for parts in zip(*values, strict=True)])


@torch.no_grad()
def _divergence(ann: nn.Module, spiking: SpikingNetwork, inputs: Tensor) -> float:
    """Mean Kullback-Leibler divergence from the ANN's class probabilities to the spiking network's."""
    total = 0.0
    for batch in torch.split(inputs, EVALUATION_BATCH):
        wanted, given = (F.log_softmax(network(batch), 1) for network in (ann, spiking))
        total += float(F.kl_div(given, wanted, reduction="sum", log_target=True))
    return total / len(inputs)
