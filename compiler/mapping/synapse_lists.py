"""Bits that lists of synapses take in a core's memory.

A list holds what one input axon (of a population: one of its atoms) reaches: entries of weight, delay and, unless the
list names every neuron in turn, the index of a neuron; in blocks with a header, each padded to words of memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...runtime.program import IntArray, Program, Projection, Pulse
from ...targets import Number, Target
from ...targets.records import dataclass


@dataclass(frozen=True, slots=True)
class ListFormat:
    """How the synapses of one projection are stored.

    ``entry_bits`` are those of weight, sign included, and delay. Blocks hold at most ``block`` entries (None: any
    number) and ``header`` bits each, padded to words of ``word`` bits. ``index_bits_minimum`` is None where entries
    need no index. ``exponent`` and ``delay`` are what else tells one format from another.
    """

    weight_bits: int
    delay_bits: int
    index_bits_minimum: int | None
    block: int | None
    header: int
    word: int
    exponent: int = 0

    @property
    def entry_bits(self) -> int:
        """Bits of an entry without its index."""
        return self.weight_bits + self.delay_bits

    def index_bits(self, neurons: Any) -> Any:
        """Bits of an index into ``neurons`` neurons, elementwise."""
        if self.index_bits_minimum is None:
            return np.zeros_like(neurons)
        needed = np.ceil(np.log2(np.maximum(neurons, 1))).astype(np.int64)
        return np.maximum(needed, self.index_bits_minimum)

    def list_bits(self, entries: IntArray, index_bits: Any) -> IntArray:
        """Bits of a list of each of ``entries`` synapses, elementwise; an empty list takes none."""
        each = self.entry_bits + index_bits
        if self.block is None:
            return np.where(entries > 0, self._in_words(entries * each + self.header), 0)
        full, rest = np.divmod(entries, self.block)
        last = np.where(rest > 0, self._in_words(rest * each + self.header), 0)
        return np.asarray(full * self._in_words(self.block * each + self.header) + last)

    def bits_of_list(self, entries: int, index_bits: int) -> int:
        """Bits of one list."""
        return int(self.list_bits(np.asarray(entries), index_bits))

    def at_most(self, synapses: IntArray, lists: IntArray, index_bits: Any) -> IntArray:
        """At least the bits that ``synapses`` entries in ``lists`` lists take, however they are divided."""
        each = self.entry_bits + index_bits
        padding = self.header + self.word - 1
        if self.block is None:
            return np.asarray(synapses * each + lists * padding)
        full = self._in_words(self.block * each + self.header)
        return np.asarray(-(-full * synapses // self.block) + lists * padding)

    def _in_words(self, bits: Any) -> Any:
        return -(-bits // self.word) * self.word


def list_format(projection: Projection, target: Target) -> ListFormat:
    """Narrowest format that ``target`` has for the synapses of ``projection``."""
    return _format(projection.synapses.weight, projection.exponent, projection.delay, target)


def pulse_format(pulse: Pulse, target: Target) -> ListFormat:
    """Narrowest format that ``target`` has for the synapses of ``pulse``."""
    return _format(pulse.weight, pulse.exponent, 0, target)


def pulse_axons(program: Program, population: str, target: Target) -> tuple[tuple[int, ListFormat], ...]:
    """Axons of each pulse into ``population`` and how their weights are stored; a pulsed bias needs none."""
    return tuple((p.axons, pulse_format(p, target)) for p in program.pulses if p.target == population and p.axons)


def _format(weight: IntArray, exponent: int, delay: int, target: Target) -> ListFormat:
    form = target.synapses
    index = form.index_bits_minimum
    stored_delay = form.delay_with_weight is not None and form.delay_with_weight.value
    return ListFormat(
        weight_bits=_available_width(needed_bits(weight, target.weights.step.value), target),
        delay_bits=delay.bit_length() if stored_delay else 0,
        index_bits_minimum=None if index is None else index.value,
        block=None if form.block_size is None else form.block_size.value,
        header=_value(form.block_header_bits, 0),
        word=_value(form.word_bits, 1),
        exponent=exponent,
    )


def needed_bits(weight: IntArray, step: int) -> int:
    """Bits of the widest weight in steps of ``step``: magnitude, and a sign where both signs occur."""
    if weight.size == 0:
        return 0
    low, high = int(weight.min()), int(weight.max())
    magnitude = -(-max(high, -low, 0) // step)
    return magnitude.bit_length() + (low < 0 < high)


def _available_width(bits: int, target: Target) -> int:
    choices = target.synapses.weight_bits
    if choices is None:
        return bits
    return next((width for width in choices.values if width >= bits), bits)


def _value(number: Number | None, default: int) -> int:
    return default if number is None else number.value
