"""The simulator on torch tensors, for GPUs: im2col and 32-bit matrix products, with nothing that rounds.

The same plan as on the processor, and the same numbers: products of whole numbers summed below 2^24 (2^53 in 64-bit
floats) are exact in any order, as long as TF32 is off, which a run sees to.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np

from ...targets.libraries import warn_without
from ...targets.records import dataclass
from ..program import INPUT, IntArray, Program
from ..program.geometry import ConvGeometry
from ..program.neuron_models import GRADED
from .convolution import largest_sum
from .kernels import exact_float
from .messages import encoded_input
from .plan import Connection, Layer, plan_layers
from .reduction import Entries, Form, Identity, MapConvolution, Matrix
from .results import ChunkResult, last_readers

Tensor = Any

_CONSTANT_INPUT = 4
"""Axes of graded input (n, H, W, C) that is the same at every step; whatever has steps has one more."""

_PRODUCTS_AT_ONCE = 1 << 26
"""Products of sparse weights held at a time: 256 MB in 32-bit floats."""


def loaded_torch() -> ModuleType | None:
    """The torch module; None where it is not installed or, with warning W644, cannot be loaded."""
    if find_spec("torch") is None:
        return None
    try:
        import torch
    except Exception as error:  # whatever a broken installation raises; the processor gives the same results
        warn_without("torch", error)
        return None

    return torch


def has_gpu() -> bool:
    """Whether torch is there and finds one."""
    torch = loaded_torch()
    return torch is not None and bool(torch.cuda.is_available())


@contextmanager
def full_precision(torch: Any) -> Iterator[None]:
    """Multiply 32-bit floats as such, whatever the process allows; what was set comes back at the end."""
    matmul = torch.backends.cuda.matmul
    # Before torch had one setting per operator it had one for all.
    is_per_operator = hasattr(matmul, "fp32_precision")
    before = matmul.fp32_precision if is_per_operator else torch.get_float32_matmul_precision()
    try:
        if is_per_operator:
            matmul.fp32_precision = "ieee"
        else:
            torch.set_float32_matmul_precision("highest")
        yield
    finally:
        if is_per_operator:
            matmul.fp32_precision = before
        else:
            torch.set_float32_matmul_precision(before)


class TensorSimulator:
    """Runs the layers of ``program`` on a torch device, "cuda" or "cpu"."""

    def __init__(self, program: Program, device: str) -> None:
        torch = loaded_torch()
        assert torch is not None, "a device of torch without torch"
        self._program = program
        self._torch: Any = torch
        self._device = device
        self._layers = plan_layers(program, self._kernel)

    def run_chunk(self, samples: IntArray, record: bool, first: int = 0) -> ChunkResult:
        """Run ``samples`` (n, *input shape), all layers one after the other; ``first`` is their place in the run."""
        with self._torch.no_grad(), full_precision(self._torch):
            return self._run_chunk(samples, record)

    def _run_chunk(self, samples: IntArray, record: bool) -> ChunkResult:
        program, torch = self._program, self._torch
        given = encoded_input(program.input, samples, program.timesteps)
        messages = given.trains if given.graded is None else given.graded
        sent: dict[str, Tensor] = {INPUT: torch.from_numpy(messages).to(self._device)}
        last_reader = last_readers(program)
        readouts: dict[str, IntArray] = {}
        counts: dict[str, int] = {}
        trains: dict[str, Any] = {}
        for layer in self._layers:
            name = layer.population.name
            received = self._received(layer, sent, len(samples))
            for source in [s for s in sent if last_reader.get(s) == name]:
                del sent[source]
            if layer.population.threshold is None:
                potential = self._potential(layer, received).permute(0, 3, 1, 2)
                readouts[name] = potential.reshape(len(samples), -1).cpu().numpy().astype(np.int64)
                continue
            spikes = self._spikes(layer, received)
            counts[name] = int(torch.count_nonzero(spikes))
            if record:
                recorded = spikes.permute(1, 0, 4, 2, 3).reshape(len(samples), program.timesteps, -1)
                trains[name] = recorded.contiguous().cpu().numpy()
            if name in last_reader:
                sent[name] = spikes
        return ChunkResult(readouts, counts, trains)

    def _kernel(self, form: Form, exponent: int, largest: int, graded: bool) -> Any:
        weight = form.factor if isinstance(form, Identity) else form.weight
        floats = (weight << exponent).astype(exact_float(largest_sum(form, exponent, largest)))
        on_device = self._torch.from_numpy(floats).to(self._device)
        if isinstance(form, MapConvolution):
            return TensorConvolution(self._torch, on_device, form.geometry, form.output)
        if isinstance(form, Entries):
            source, target = (self._torch.from_numpy(p).to(self._device) for p in (form.source, form.target))
            return TensorEntries(self._torch, on_device, source, target, form.targets)
        if isinstance(form, Matrix):
            return lambda maps: (maps.flatten(1).to(on_device.dtype) @ on_device.T)[:, None, None, :]
        return lambda maps: maps * on_device

    def _received(self, layer: Layer, sent: dict[str, Tensor], samples: int) -> Tensor:
        """Input (T, n, H, W, C) of every step, or (1, n, H, W, C) of the window, in the state's type."""
        steps = 1 if layer.by_counts else layer.timesteps
        total = self._torch.zeros((steps, samples, *layer.map), dtype=self._state(layer), device=self._device)
        for connection in layer.incoming:
            messages = sent[connection.source]
            if messages.ndim == _CONSTANT_INPUT:
                given = self._applied(connection, messages[None], layer).to(total.dtype)
                total += given * layer.timesteps if layer.by_counts else given
            elif layer.by_counts:
                counts = messages.sum(0, keepdim=True, dtype=self._torch.int64)
                total += self._applied(connection, counts, layer)
            else:
                total += self._applied(connection, messages, layer)
        return total

    def _applied(self, connection: Connection, messages: Tensor, layer: Layer) -> Tensor:
        flat = self._pooled(messages.flatten(0, 1), connection.reduced.pool)
        return connection.kernel(flat).reshape(*messages.shape[:2], *layer.map)

    def _pooled(self, maps: Tensor, pool: tuple[int, int]) -> Tensor:
        if pool == (1, 1):
            return maps
        samples, height, width, channels = maps.shape
        wide = maps.to(self._torch.int32 if maps.dtype == self._torch.uint8 else self._torch.int64)
        filled = self._torch.nn.functional.pad(wide, (0, 0, 0, -width % pool[1], 0, -height % pool[0]))
        return filled.reshape(samples, -(-height // pool[0]), pool[0], -(-width // pool[1]), pool[1], channels).sum(
            (2, 4)
        )

    def _state(self, layer: Layer) -> Any:
        return self._torch.float32 if layer.bounds.state is np.float32 else self._torch.float64

    def _row(self, layer: Layer, values: Any) -> Tensor:
        """Parameters of one row of neurons, repeated over a map."""
        height, width, channels = layer.map
        row = self._torch.from_numpy(np.ascontiguousarray(values)).to(self._device)
        return row.repeat(height * width * channels // len(values)).reshape(height, width, channels)

    def _spikes(self, layer: Layer, received: Tensor) -> Tensor:
        """What the population sends, (T, n, H, W, C)."""
        if self._program.neuron.name == GRADED:
            return self._payloads(layer, received)
        return self._counted(layer, received) if layer.by_counts else self._fired(layer, received)

    def _payloads(self, layer: Layer, received: Tensor) -> Tensor:
        """The quotient of graded neurons, (1, n, H, W, C)."""
        u = (self._row(layer, layer.neurons.offset) + received).clamp(layer.bounds.lowest, layer.bounds.highest)
        quotient = self._torch.div(u, self._row(layer, layer.neurons.threshold), rounding_mode="floor")
        return quotient.clamp(*layer.population.payloads).to(self._torch.int32)

    def _fired(self, layer: Layer, received: Tensor) -> Tensor:
        """Spikes (T, n, H, W, C) of a population that fires as it integrates."""
        threshold = self._row(layer, layer.neurons.threshold)
        spikes = self._torch.empty(received.shape, dtype=self._torch.uint8, device=self._device)
        v = self._row(layer, layer.neurons.initial).expand(received.shape[1:])
        for step in range(layer.timesteps):
            u = self._integrated(layer, v, received, step)
            fired = u >= threshold
            spikes[step] = fired
            v = u - threshold * fired
        return spikes

    def _counted(self, layer: Layer, received: Tensor) -> Tensor:
        """Spikes (T, n, H, W, C) of a gated population, by the closed form."""
        total = self._row(layer, layer.neurons.offset) + received
        counts = self._torch.div(total, self._row(layer, layer.neurons.threshold), rounding_mode="floor")
        steps = self._torch.arange(1, layer.timesteps + 1, device=self._device).reshape(-1, 1, 1, 1, 1)
        return (counts >= steps).to(self._torch.uint8)

    def _potential(self, layer: Layer, received: Tensor) -> Tensor:
        if layer.by_counts:
            return self._row(layer, layer.neurons.offset) + received[0]
        v = self._row(layer, layer.neurons.initial).expand(received.shape[1:])
        for step in range(layer.timesteps):
            v = self._integrated(layer, v, received, step)
        return v

    def _integrated(self, layer: Layer, v: Tensor, received: Tensor, step: int) -> Tensor:
        bias = layer.neurons.bias
        u = v + received[step] + self._row(layer, bias[step % len(bias)])
        return u if layer.bounds.highest == np.inf else u.clamp(layer.bounds.lowest, layer.bounds.highest)


@dataclass(frozen=True, slots=True, eq=False)
class TensorConvolution:
    """Convolution of (N, H, W, C) as one matrix product per group with what the kernel sees at every place."""

    torch: Any
    weight: Tensor
    geometry: ConvGeometry
    output: tuple[int, int]

    def __call__(self, maps: Tensor) -> Tensor:
        """What each target neuron receives, (N, H', W', O)."""
        g, functional = self.geometry, self.torch.nn.functional
        outputs, _, *kernel = self.weight.shape
        top, left, bottom, right = g.padding
        grown = functional.pad(
            maps.permute(0, 3, 1, 2).to(self.weight.dtype), (max(0, left), max(0, right), max(0, top), max(0, bottom))
        )
        height, width = grown.shape[2:]
        seen = grown[:, :, max(0, -top) : height - max(0, -bottom), max(0, -left) : width - max(0, -right)]
        columns = functional.unfold(seen, kernel, dilation=g.dilation, stride=g.stride)
        grouped = columns.reshape(len(maps), g.groups, -1, columns.shape[2])
        by_group = self.weight.reshape(g.groups, outputs // g.groups, -1)
        return (by_group @ grouped).reshape(len(maps), outputs, *self.output).permute(0, 2, 3, 1)


@dataclass(frozen=True, slots=True, eq=False)
class TensorEntries:
    """Sums over coordinates: ``weight[k]`` times what ``source[k]`` sends is added to ``target[k]``."""

    torch: Any
    weight: Tensor
    source: Tensor
    target: Tensor
    targets: int

    def __call__(self, maps: Tensor) -> Tensor:
        """What each target neuron receives, (N, 1, 1, targets)."""
        flat = maps.flatten(1)
        sums = self.torch.zeros((len(flat), self.targets), dtype=self.weight.dtype, device=self.weight.device)
        at_once = max(1, _PRODUCTS_AT_ONCE // max(1, len(self.weight)))
        for first in range(0, len(flat), at_once):
            products = flat[first : first + at_once, self.source].to(self.weight.dtype) * self.weight
            # Atomic additions come in any order; sums of whole numbers are the same in each.
            sums[first : first + at_once].index_add_(1, self.target, products)
        return sums[:, None, None, :]
