"""Choose the boxes of all layers together.

The input axons of a layer are output axons of the layers before it, so the boxes with the fewest cores for a layer may
cost more cores before it than they save. Layers are divided from the read-out on, each box judged by its cores and by
what its input axons take of the cores of its sources; what an axon costs there depends on whether those cores are short
of axons, so several prices are tried and the division with the fewest cores is taken.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ...runtime.program import INPUT, IntArray
from ...targets import Target
from ...targets.records import dataclass
from .boxes import BoolArray
from .candidates import INPUT_AXONS, NEURONS, OUTPUT_AXONS, SYNAPSE_MEMORY, Candidates, Index
from .forms import POPULATION, Link
from .readers import Readers, most_messages, readers
from .synapse_lists import ListFormat

PRICES = (0.0, 0.125, 0.25, 0.5, 1.0, 2.0)
"""Share of a source's core that an output axon is taken to cost, in units of 1 / output axons of a core."""


_DIVISIBLE = (NEURONS, INPUT_AXONS, SYNAPSE_MEMORY)
"""Budgets that boxes of several layers share; thresholds, formats and configurations count once on a core."""


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A population to be divided: its ``candidates``, and the links that enter and leave it.

    ``stored`` is the format of each incoming link, ``pulses`` the axons and format of each pulse.
    """

    name: str
    candidates: Candidates
    incoming: tuple[Link, ...]
    stored: tuple[ListFormat, ...]
    pulses: tuple[tuple[int, ListFormat], ...]
    outgoing: tuple[Link, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Division:
    """The box chosen for each layer, by name, and who reads each layer in boxes."""

    chosen: Mapping[str, Index]
    sent: Mapping[str, tuple[Readers, ...]]
    cores: int


def divide(layers: tuple[Layer, ...], limits: Mapping[str, int], target: Target) -> Division:
    """The division of ``layers``, in program order, into the fewest boxes within ``limits``.

    A limit that a single neuron breaks is left out for its layer: it is reported, and the rest stays meaningful.
    """
    prices = PRICES if OUTPUT_AXONS in limits else PRICES[:1]
    return min((_divide_at(price, layers, limits, target) for price in prices), key=lambda division: division.cores)


def fewest_cores(layers: tuple[Layer, ...], limits: Mapping[str, int]) -> int:
    """Cores that boxes of ``layers`` fill at least (see ``Placement.bound``); 1 or more."""
    filled = 0.0
    for layer in layers:
        options = layer.candidates.options
        fits = _fitting(layer.candidates, limits)
        fullest = np.zeros(fits.shape)
        for name in _DIVISIBLE:
            if name in limits:
                fullest = np.maximum(fullest, layer.candidates.needs[name] / limits[name])
        share = float(np.prod(options.whole)) * fullest / options.neurons
        filled += float(share[fits].min()) if fits.any() else 1.0
    # Sums of fractions are a little off: a bound may not be one too high for it.
    return max(1, math.ceil(filled * (1 - 1e-9)))


def _fitting(candidates: Candidates, limits: Mapping[str, int]) -> BoolArray:
    """Boxes within the limits that a single neuron does not break, output axons left out."""
    fits = np.ones(candidates.needs[INPUT_AXONS].shape, dtype=bool)
    for name, need in candidates.needs.items():
        if name in limits and single_neuron(candidates, need) <= limits[name]:
            fits &= need <= limits[name]
    return fits


def _divide_at(price: float, layers: tuple[Layer, ...], limits: Mapping[str, int], target: Target) -> Division:
    chosen, sent = dict[str, Index](), dict[str, tuple[Readers, ...]]()
    by_name = {layer.name: layer for layer in layers}
    cores = 0
    for layer in reversed(layers):
        sent[layer.name] = tuple(_readers(link, by_name, chosen, target) for link in layer.outgoing)
        messages = most_messages(sent[layer.name], layer.candidates.options)
        best = _best(layer, messages, limits, price, target)
        chosen[layer.name] = best
        cores += int(layer.candidates.options.boxes[best[1:]])
    return Division(chosen, sent, cores)


def _readers(link: Link, layers: Mapping[str, Layer], chosen: Mapping[str, Index], target: Target) -> Readers:
    name = link.projection.target
    reader, index = layers[name].candidates, chosen[name]
    held = dict(zip(layers[name].incoming, reader.held(index), strict=True))
    return readers(link, reader.tile(index), held[link], target)


def _best(layer: Layer, messages: IntArray, limits: Mapping[str, int], price: float, target: Target) -> Index:
    candidates = layer.candidates
    boxes = candidates.options.boxes
    fits = _fitting(candidates, limits)
    if OUTPUT_AXONS in limits and single_neuron(candidates, messages) <= limits[OUTPUT_AXONS]:
        fits &= messages <= limits[OUTPUT_AXONS]
    sent = _sent_to(layer, target)
    cost = boxes + price * boxes * sent / limits.get(OUTPUT_AXONS, 1)
    cheapest = cost == cost[fits].min() if fits.any() else np.zeros_like(fits)
    largest = np.iinfo(np.int64).max
    fewest = np.where(fits & cheapest, candidates.needs[INPUT_AXONS], largest)
    # No border where none is needed, and of equal ones the last: the largest box by channel, held with fewest axons.
    fewest = np.where(fewest == fewest.min(), candidates.needs[NEURONS] / candidates.options.neurons, np.inf)
    flat = fewest.size - 1 - int(np.argmin(fewest.ravel()[::-1]))
    way, channels, row, column = np.unravel_index(flat, fewest.shape)
    return int(way), int(channels), int(row), int(column)


def single_neuron(candidates: Candidates, need: IntArray) -> int:
    """What the neediest neuron alone uses, held as it needs least."""
    options = candidates.options
    rows, columns = np.flatnonzero(options.rows.length == 1), np.flatnonzero(options.columns.length == 1)
    return int(need[..., 0, rows[:, None], columns[None, :]].min())


def _sent_to(layer: Layer, target: Target) -> IntArray:
    """Output axons of other layers that a box of ``layer`` takes."""
    slots = target.synapses.population_axon_slots
    of_population = 1 if slots is None else slots.value
    candidates = layer.candidates
    total = np.zeros(candidates.needs[INPUT_AXONS].shape, dtype=np.int64)
    for link, axons, chosen, names in zip(
        layer.incoming, candidates.axons, candidates.forms, candidates.names, strict=True
    ):
        if link.projection.source != INPUT:
            each = np.where(np.array(names)[np.stack(chosen)] == POPULATION, of_population, 1)
            total += axons * each
    return total
