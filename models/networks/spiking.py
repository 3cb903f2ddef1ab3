"""A network run as a spiking network in torch: every activation an integrate-and-fire layer, trainable through time.

    u(t) = v(t-1) + I(t);   s(t) = 1[u(t) >= theta];   v(t) = u(t) - theta s(t);   v(0) = v0        (the chip's neuron)

Backward, with the triangle of Bellec et al. 2018 in units of the threshold (gamma 1, reset included):

    ds/du = (gamma / theta) max(0, 1 - |u/theta - 1|),   ds/dtheta = -(u / theta) ds/du,   dv/du = 1 - theta ds/du

With the reset in the gradient the derivative of a count with respect to a constant current stays between 0 and 1,
as that of the clip does which the neuron replaces.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ...targets.records import dataclass
from .activation import Activation, QuantiseClip, at_least_single
from .networks import NetworkSpec

GAMMA = 1.0
"""Largest value of theta ds/du."""


def initial_share(levels: int, shift: float, timesteps: int) -> float:
    """Return v0 / theta, as the compiler chooses it: 1/2 + (shift - 1/2) T / L, held within 0..1/2.

    It is 1/2 for QCFS (Bu et al. 2022) and 0 for eq. 8 (Xiong et al. 2025) at T = L.
    """
    return min(max(0.5 + (shift - 0.5) * timesteps / levels, 0.0), 0.5)


class _IntegrateAndFire(torch.autograd.Function):
    """Spikes times threshold (T*N, ...) for current (T*N, ...), or (N, ...) where it is the same at every step.

    ``initial`` is v0 / theta and broadcasts to (N, ...). With ``printed`` the gradient is that of eq. 15 and 17 of
    Xiong et al. 2025: gamma max(0, 1 - |u(t') - theta|) for every t' <= t, and only where s(t) = 1.
    """

    @staticmethod
    def forward(
        ctx: Any, current: Tensor, threshold: Tensor, initial: Tensor, timesteps: int, constant: bool, printed: bool
    ) -> Tensor:
        samples = len(current) // (1 if constant else timesteps)
        potentials, spikes = (_steps_like(current, timesteps * samples) for _ in range(2))
        potential = (initial * threshold).expand(samples, *current.shape[1:])
        for u, s, received in zip(
            torch.split(potentials, samples),
            torch.split(spikes, samples),
            _steps(current, timesteps, constant),
            strict=True,
        ):
            torch.add(potential, received, out=u)
            torch.mul(u >= threshold, threshold, out=s)
            potential = u - s
        ctx.save_for_backward(potentials, threshold, initial)
        ctx.timesteps, ctx.constant, ctx.printed = timesteps, constant, printed
        return spikes

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None, None]:
        potentials, threshold, initial = ctx.saved_tensors
        samples = len(potentials) // ctx.timesteps
        step = _step_as_printed if ctx.printed else _step_back
        (gradient,) = gradients
        carried = torch.zeros_like(gradient[:samples])
        to_threshold = torch.zeros_like(threshold)
        to_current = torch.empty_like(gradient)
        parts = (torch.split(each, samples) for each in (potentials, gradient, to_current))
        for u, arriving, received in reversed(list(zip(*parts, strict=True))):
            carried, part = step(u, arriving, carried, threshold, received)
            to_threshold = to_threshold + part
        start = to_current[:samples]
        to_threshold = to_threshold + (start * initial).sum()
        to_initial = (start * threshold).sum_to_size(initial.shape)
        summed = torch.unflatten(to_current, 0, (ctx.timesteps, samples)).sum(0) if ctx.constant else to_current
        return summed, to_threshold, to_initial, None, None, None


def _step_back(
    u: Tensor, arriving: Tensor, carried: Tensor, threshold: Tensor, received: Tensor
) -> tuple[Tensor, Tensor]:
    """Write the current's gradient to ``received``; return those of the earlier potential (equal) and the threshold.

    ``carried`` is dLoss/dv(t). Works in place as far as it can: passes over memory are what costs.
    """
    ratio = u / threshold
    to_spike = torch.sub(arriving, carried)
    by_slope = torch.sub(ratio, 1).abs_().neg_().add_(1).clamp_(min=0).mul_(GAMMA).mul_(to_spike)
    torch.add(carried, by_slope, out=received)
    to_threshold = to_spike.mul_(u >= threshold).sum() - ratio.mul_(by_slope).sum()
    return received, to_threshold


def _step_as_printed(
    u: Tensor, arriving: Tensor, carried: Tensor, threshold: Tensor, received: Tensor
) -> tuple[Tensor, Tensor]:
    """As `_step_back`; ``carried`` sums dLoss/ds of the later steps that fired. Thresholds are not trained."""
    carried = carried + arriving * threshold * (u >= threshold)
    torch.mul(carried, GAMMA * (1 - (u - threshold).abs()).clamp_(min=0), out=received)
    return carried, torch.zeros_like(threshold)


def _steps(current: Tensor, timesteps: int, constant: bool) -> tuple[Tensor, ...]:
    return (current,) * timesteps if constant else torch.split(current, len(current) // timesteps)


def _steps_like(current: Tensor, rows: int) -> Tensor:
    is_last = current.dim() == 4 and current.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if is_last else torch.contiguous_format
    shape = (rows, *current.shape[1:])
    return torch.empty(shape, dtype=current.dtype, device=current.device, memory_format=layout)


class IntegrateAndFire(QuantiseClip):
    """The neurons that replace one quantise-and-clip activation, with its threshold under the same name.

    Takes currents (T*N, ...), step after step, in value units, and gives spikes times threshold in the same shape; with
    ``constant_input`` it takes (N, ...), the current of every step. ``initial`` is v0 / theta: a scalar, or (C, 1, 1)
    for a value per channel.
    """

    initial: Tensor

    def __init__(
        self, levels: int, shift: float, timesteps: int, *, constant_input: bool = False, printed: bool = False
    ) -> None:
        super().__init__(levels, shift)
        self.timesteps = timesteps
        self.constant_input = constant_input
        self.printed = printed
        share = torch.tensor(initial_share(levels, shift, timesteps))
        self.register_buffer("initial", share, persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        """Spikes times threshold, (T*N, ...)."""
        spikes = _IntegrateAndFire.apply(
            at_least_single(z), self.threshold, self.initial, self.timesteps, self.constant_input, self.printed
        )
        return cast(Tensor, spikes)


@dataclass(frozen=True, slots=True)
class _SpikingActivation:
    activation: Activation
    timesteps: int

    def __call__(self) -> nn.Module:
        shift = self.activation.shift
        assert shift is not None, "only quantise-and-clip activations become neurons"
        return IntegrateAndFire(self.activation.levels, shift, self.timesteps)


class SpikingNetwork(nn.Module):
    """The network of ``spec`` over ``timesteps`` steps; ``network`` holds it under the names of the float network.

    Takes images (N, C, H, W) in 0..1, sent at every step, and gives logits (N, classes): the mean over the steps of the
    last layer's output. ``weight_bits`` rounds weights as `round_weights` does, in every forward pass.
    """

    def __init__(
        self, spec: NetworkSpec, activation: Activation, timesteps: int, weight_bits: int | None = None
    ) -> None:
        super().__init__()
        self.network = spec.build(_SpikingActivation(activation, timesteps))
        # The image is the same at every step, so what it drives computes once.
        next(iter(spiking_layers(self.network).values())).constant_input = True
        self.timesteps = timesteps
        self.weight_bits = weight_bits

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, classes)."""
        rounded = {} if self.weight_bits is None else round_weights(self.network, self.weight_bits)
        outputs = functional_call(self.network, rounded, (images,))
        return torch.unflatten(outputs, 0, (self.timesteps, -1)).mean(0)


def spiking_layers(network: nn.Module) -> dict[str, IntegrateAndFire]:
    """All integrate-and-fire layers of a network by module name."""
    return {name: module for name, module in network.named_modules() if isinstance(module, IntegrateAndFire)}


def round_weights(network: nn.Module, bits: int) -> dict[str, Tensor]:
    """Return every convolution's and linear layer's weight on the grid of a chip with ``bits`` bits, by name.

    Per output channel the largest |w| is 2^(bits-1) - 1 steps; the read-out, whose potentials are compared with each
    other, has one step for all classes. A batch norm that follows scales a channel's weights and their grid alike, so
    these are the steps of the folded weights. The gradient passes straight through.
    """
    layers = {name: m for name, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    readout = list(layers)[-1]
    return {f"{name}.weight": _on_grid(layer.weight, bits, name == readout) for name, layer in layers.items()}


def _on_grid(weight: Tensor, bits: int, one_step: bool) -> Tensor:
    fixed = weight.detach()
    axes = tuple(range(0 if one_step else 1, fixed.dim()))
    step = fixed.abs().amax(axes, keepdim=True) / (2 ** (bits - 1) - 1)
    step = step.clamp(min=torch.finfo(fixed.dtype).tiny)
    on_grid: Tensor = torch.round(fixed / step) * step
    return weight + (on_grid - fixed)


@torch.no_grad()
def fold_batch_norm(network: nn.Module) -> None:
    """Move every batch norm's scale into the convolution before it (evaluation mode), in place.

        W'_c = W_c g,   b'_c = beta_c + (b_c - mu_c) g,   g = gamma_c / sqrt(var_c + eps)

    The batch norm stays, as the bias b' alone: the network keeps its form and, in evaluation mode, its function.
    """
    for block in [m for m in network.modules() if isinstance(m, nn.Sequential)]:
        children = list(block)
        for conv, norm in pairwise(children):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                _fold(conv, norm)


def _fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    before = norm.running_mean if conv.bias is None else norm.running_mean - conv.bias
    norm.bias.sub_(before * gain)
    conv.weight.mul_(gain.reshape(-1, 1, 1, 1))
    if conv.bias is not None:
        conv.bias.zero_()
    norm.weight.fill_(1.0)
    norm.running_mean.zero_()
    norm.running_var.fill_(1.0 - norm.eps)
