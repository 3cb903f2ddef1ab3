"""Bits that the synapses of a core take."""

from __future__ import annotations

import numpy as np

from ...runtime.program import IntArray
from ...targets import Number, Target
from ...targets.records import dataclass


@dataclass(frozen=True, slots=True)
class StoredWeights:
    """How the weights of one projection are stored.

    ``weight_bits`` wide, sign included, in blocks of at most ``block`` entries with ``header`` bits each, padded to
    words of ``word`` bits. ``index_bits_minimum`` is None where entries need no index.
    """

    weight_bits: int
    index_bits_minimum: int | None
    block: int | None
    header: int
    word: int


def stored_weights(weight: IntArray, target: Target) -> StoredWeights:
    """Narrowest storage of ``weight`` that the target has."""
    form = target.synapses
    index = form.index_bits_minimum
    return StoredWeights(
        weight_bits=_available_width(needed_bits(weight, target.weights.step.value), target),
        index_bits_minimum=None if index is None else index.value,
        block=None if form.block_size is None else form.block_size.value,
        header=_value(form.block_header_bits, 0),
        word=_value(form.word_bits, 1),
    )


def needed_bits(weight: IntArray, step: int) -> int:
    """Bits of the widest weight in steps of ``step``: magnitude, and a sign where both signs occur."""
    if weight.size == 0:
        return 0
    low, high = int(weight.min()), int(weight.max())
    magnitude = -(-max(high, -low, 0) // step)
    return magnitude.bit_length() + (low < 0 < high)


def memory_bits(
    stored: StoredWeights, synapses: IntArray, axons: IntArray, neurons: IntArray, dense_weights: int | None
) -> IntArray:
    """Bits of ``synapses`` that enter by ``axons`` into ``neurons``, elementwise over arrays of one shape.

    Never less than the chip takes: each axon's last block counts as padded by nearly a word. All-to-all synapses
    take the cheaper of non-zero weights with an index and all weights (``dense_weights`` per neuron) without one.
    """
    entry = stored.weight_bits + _index_bits(stored, neurons)
    bits = synapses * entry + _overhead(stored, synapses, axons)
    if dense_weights is None:
        return np.asarray(bits)
    all_weights = neurons * dense_weights
    without_index = all_weights * stored.weight_bits + _overhead(stored, all_weights, axons)
    return np.asarray(np.minimum(bits, without_index))


def _overhead(stored: StoredWeights, synapses: IntArray, axons: IntArray) -> IntArray:
    full_blocks = 0 if stored.block is None else synapses // stored.block
    return np.asarray((full_blocks + axons) * (stored.header + stored.word - 1))


def _index_bits(stored: StoredWeights, neurons: IntArray) -> IntArray:
    if stored.index_bits_minimum is None:
        return np.zeros_like(neurons)
    needed = np.ceil(np.log2(np.maximum(neurons, 1))).astype(np.int64)
    return np.asarray(np.maximum(needed, stored.index_bits_minimum))


def _available_width(bits: int, target: Target) -> int:
    choices = target.synapses.weight_bits
    if choices is None:
        return bits
    return next((width for width in choices.values if width >= bits), bits)


def _value(number: Number | None, default: int) -> int:
    return default if number is None else number.value
