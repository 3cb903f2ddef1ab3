"""Layers in torch, all T steps of a layer in one call: what the peers' multi-step modes do around their neurons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from spikec.runtime.program import INPUT, IntArray, Program

from ..layers import Connection, Layer, layers_of


class Neurons(Protocol):
    """A peer's integrate-and-fire layer: currents (T, N, ...), or (N, T, ...) where time is second, to spikes."""

    def __call__(self, currents: Tensor, initial: Tensor) -> Tensor:
        """Spikes of the window that begins with the potentials ``initial`` (N, ...)."""
        ...


NeuronsFor = Callable[[Layer], Neurons]


class Layerwise:
    """A program with a peer's neurons, in float32, which holds its integers exactly below 2^24.

    The first layer's input is the same at each step and is computed once. Nothing is counted in ``run``.
    """

    def __init__(self, program: Program, neurons_for: NeuronsFor, *, time_axis: int) -> None:
        self.timesteps = program.timesteps
        self.time_axis = time_axis
        self.layers = [_TorchLayer(layer, neurons_for) for layer in layers_of(program)]
        self.last_use = {c.source: layer.name for layer in layers_of(program) for c in layer.incoming}

    def run(self, samples: IntArray, observe: Callable[[str, Tensor], None] | None = None) -> npt.NDArray[np.int64]:
        """Read-outs (N, outputs) of encoded ``samples``; ``observe(layer, spikes)`` sees every spiking layer."""
        with torch.inference_mode():
            sent = {INPUT: torch.from_numpy(samples).to(torch.float32)}
            for layer in self.layers:
                currents = layer.currents(sent, self.timesteps, self.time_axis)
                if layer.neurons is None:
                    readout = currents.sum(self.time_axis) + layer.initial
                    return readout.reshape(len(samples), -1).numpy().astype(np.int64)
                initial = layer.initial.expand(len(samples), *layer.shape)
                sent[layer.name] = layer.neurons(currents, initial)
                if observe is not None:
                    observe(layer.name, sent[layer.name])
                for source in [s for s in sent if self.last_use.get(s) == layer.name]:
                    del sent[source]
        raise ValueError("the program has no read-out")

    def counts(self, samples: IntArray) -> list[npt.NDArray[np.int64]]:
        """Spike counts (N, neurons) of every spiking layer, in program order."""
        found: list[npt.NDArray[np.int64]] = []

        def observe(_: str, spikes: Tensor) -> None:
            found.append(spikes.sum(self.time_axis).reshape(len(samples), -1).numpy().astype(np.int64))

        self.run(samples, observe)
        return found


class _TorchLayer:
    def __init__(self, layer: Layer, neurons_for: NeuronsFor) -> None:
        self.name = layer.name
        self.shape = layer.shape
        self.initial = _float(layer.initial)
        self.neurons = None if layer.threshold is None else neurons_for(layer)
        # The bias goes with the first connection, as it does in the peers' convolutions.
        self.incoming = [
            _TorchConnection(connection, layer.bias if index == 0 else None)
            for index, connection in enumerate(layer.incoming)
        ]

    def currents(self, sent: dict[str, Tensor], timesteps: int, time_axis: int) -> Tensor:
        total: Tensor | None = None
        for connection in self.incoming:
            messages = sent[connection.source]
            if connection.source == INPUT:
                constant = connection(messages).unsqueeze(time_axis)
                sizes = [-1] * constant.ndim
                sizes[time_axis] = timesteps
                received = constant.expand(sizes)
            else:
                flat = connection(messages.flatten(0, 1))
                received = flat.reshape(*messages.shape[:2], *flat.shape[1:])
            total = received if total is None else total + received
        if total is None:
            raise ValueError(f"nothing reaches {self.name}")
        return total.reshape(*total.shape[:2], *self.shape)


class _TorchConnection:
    def __init__(self, connection: Connection, bias: IntArray | None) -> None:
        self.source = connection.source
        self.connection = connection
        self.weight = _float(connection.weight)
        channels = connection.weight.shape[0]
        self.bias = None if bias is None else _float(np.broadcast_to(bias.reshape(-1), (channels,)))

    def __call__(self, messages: Tensor) -> Tensor:
        connection = self.connection
        if connection.is_scale:
            scaled = messages * self.weight
            return scaled if self.bias is None else scaled + self.bias.reshape(-1, 1, 1)
        if connection.geometry is None:
            return F.linear(messages.flatten(1), self.weight, self.bias)
        if connection.pool > 1:
            # Sums of at most 64 spikes: exact.
            messages = F.avg_pool2d(messages, connection.pool, divisor_override=1)
        geometry = connection.geometry
        top, left, bottom, right = geometry.padding
        if (top, left) != (bottom, right):
            messages = F.pad(messages, (left, right, top, bottom))
            top = left = 0
        return F.conv2d(
            messages, self.weight, self.bias, geometry.stride, (top, left), geometry.dilation, geometry.groups
        )


def _float(integers: IntArray) -> Tensor:
    return torch.from_numpy(integers.astype(np.float32))
