"""Cores that each compute one whole layer: a convolution, its neurons, and sums of what they send."""

from __future__ import annotations

from .facts import Choices, Number, PerCore, required
from .records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCores:
    """What a core's layer can be, and what it has room for.

    A core convolves what comes in by one square kernel, of up to ``kernel_maximum`` rows and columns, and keeps a
    neuron for every output. Its spikes go to at most ``destinations`` other cores, and are summed on the way over
    squares of one of ``pools``. Rows and columns of its input and output are limited, and channels of both. The
    memories hold a kernel in which rows times columns and output channels are rounded up to powers of two each,
    neurons in maps whose rows and columns are, and biases.
    """

    kernel_memory: PerCore = required("weights", 1)
    neuron_memory: PerCore = required("neurons", 1)
    bias_memory: PerCore = required("biases", 0)
    kernel_maximum: Number = required("pixels", 1)
    strides: Choices = required("pixels", 1)
    padding_maximum: Number = required("pixels")
    pools: Choices = required("pixels", 1)
    input_map_maximum: Number = required("pixels", 1)
    output_map_maximum: Number = required("pixels", 1)
    channels_maximum: Number = required("channels", 1)
    destinations: Number = required("layers", 1)
