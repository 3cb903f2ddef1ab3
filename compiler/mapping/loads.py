"""What every box of a divided layer takes of its core."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...runtime.program import IntArray, Population
from ...targets import Target
from .box_needs import Border, Ranges, boxes_of, input_axons, memory_bits, neurons_of, places_of
from .candidates import CONFIGURATIONS, FORMATS, INPUT_AXONS, NEURONS, OUTPUT_AXONS, SYNAPSE_MEMORY, THRESHOLDS
from .connectivity import as_map
from .divide import Division, Layer
from .forms import DENSE, base_limit
from .pack import Load

BORDER_THRESHOLD = "of the border"


def box_loads(population: Population, layer: Layer, division: Division, target: Target) -> tuple[Load, ...]:
    """The load of each box of ``layer``, in C order of the boxes."""
    tile = layer.candidates.tile(division.chosen[layer.name])
    return tuple(
        _load(population, layer, division, ranges, target) for _, ranges in boxes_of(as_map(population.shape), tile)
    )


def border_of(layer: Layer, division: Division) -> Border:
    """Border of the boxes of ``layer``."""
    options, index = layer.candidates.options, division.chosen[layer.name]
    rows, columns = (
        (int(axis.lead[k]), int(axis.trail[k])) for axis, k in ((options.rows, index[2]), (options.columns, index[3]))
    )
    return Border(rows, columns)


def thresholds_of(population: Population) -> tuple[IntArray, IntArray]:
    """Distinct thresholds of a population, and which of them each neuron of its map has, -1 for a read-out's."""
    whole = as_map(population.shape)
    if population.threshold is None:
        return np.zeros(0, dtype=np.int64), np.full(whole, -1)
    distinct, which = np.unique(population.threshold, return_inverse=True)
    everywhere = np.broadcast_to(which.reshape(population.threshold.shape), population.shape)
    return distinct, np.asarray(everywhere.reshape(whole))


def _load(population: Population, layer: Layer, division: Division, ranges: Ranges, target: Target) -> Load:
    border = border_of(layer, division)
    places = places_of(ranges, border)
    limit = target.core.neurons
    beside = places if limit is None else limit.value
    compartments = places + neurons_of(ranges) * (target.neuron.compartments_per_neuron.value - 1)
    forms = layer.candidates.held(division.chosen[layer.name])
    held = tuple(zip(layer.incoming, forms, layer.stored, strict=True))
    counts = {
        NEURONS: compartments,
        INPUT_AXONS: sum(input_axons(link, form, ranges, border) for link, form, _ in held)
        + sum(lines for lines, _ in layer.pulses),
        OUTPUT_AXONS: sum(each.of_box(*ranges) for each in division.sent[layer.name]),
    }
    alone, added = (
        sum(memory_bits(link, form, stored, ranges, border, among, base_limit(target)) for link, form, stored in held)
        + sum(lines * stored.bits_of_list(places, 0) for lines, stored in layer.pulses)
        for among in (places, beside)
    )
    dense = bool(layer.pulses) or any(form == DENSE for form in forms)
    return Load(
        alone={**counts, SYNAPSE_MEMORY: alone},
        added={**counts, SYNAPSE_MEMORY: added},
        kinds={
            THRESHOLDS: _thresholds(population, ranges, border),
            FORMATS: frozenset(_formats(forms, layer)),
            CONFIGURATIONS: frozenset(_configurations(population.name, border, target)),
        },
        first=dense,
    )


def _thresholds(population: Population, ranges: Ranges, border: Border) -> frozenset[object]:
    distinct, which = thresholds_of(population)
    here = np.unique(which[ranges])
    found = {int(distinct[k]) for k in here if k >= 0}
    return frozenset({*found, BORDER_THRESHOLD} if any(border.lined) else found)


def _formats(forms: tuple[str, ...], layer: Layer) -> Iterator[object]:
    for form, stored in zip(forms, layer.stored, strict=True):
        yield form == DENSE, stored
    for _, stored in layer.pulses:
        yield True, stored


def _configurations(population: str, border: Border, target: Target) -> Iterator[object]:
    """The neurons, their further compartments and the border each are configured in a way of their own."""
    yield population, "neurons"
    if target.neuron.compartments_per_neuron.value > 1:
        yield population, "further compartments"
    if any(border.lined):
        yield population, "border"
