"""What every box of a divided layer takes of its core."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...runtime.program import IntArray, Population
from ...targets import Target
from ...targets.records import dataclass
from .box_needs import (
    Border,
    Ranges,
    bits_of_lists,
    boxes_of,
    input_axons,
    memory_bits,
    neurons_of,
    places_of,
)
from .candidates import CONFIGURATIONS, FORMATS, INPUT_AXONS, NEURONS, OUTPUT_AXONS, SYNAPSE_MEMORY, THRESHOLDS
from .connectivity import Connectivity, as_map
from .coordinates import SparseConnectivity
from .divide import Division, Layer
from .forms import DENSE, Link, base_limit
from .pack import Load
from .synapse_lists import ListFormat

BORDER_THRESHOLD = "of the border"


def box_loads(population: Population, layer: Layer, division: Division, target: Target) -> tuple[Load, ...]:
    """The load of each box of ``layer``, in C order of the boxes."""
    tile = layer.candidates.tile(division.chosen[layer.name])
    boxes = [ranges for _, ranges in boxes_of(as_map(population.shape), tile)]
    lists = [link.lists_of_boxes(tile) if isinstance(link, SparseConnectivity) else None for link in layer.incoming]
    thresholds = thresholds_of(population)
    return tuple(
        _load(
            population,
            layer,
            division,
            _Box(ranges, tuple(None if each is None else each[n] for each in lists)),
            thresholds,
            target,
        )
        for n, ranges in enumerate(boxes)
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Box:
    """``ranges`` of neurons; ``lists`` holds, per incoming link that is sparse, the synapses from each source."""

    ranges: Ranges
    lists: tuple[IntArray | None, ...]


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


def _load(
    population: Population,
    layer: Layer,
    division: Division,
    box: _Box,
    thresholds: tuple[IntArray, IntArray],
    target: Target,
) -> Load:
    border, ranges = border_of(layer, division), box.ranges
    places = places_of(ranges, border)
    limit = target.core.neurons
    beside = places if limit is None else limit.value
    compartments = places + neurons_of(ranges) * (target.neuron.compartments_per_neuron.value - 1)
    forms = layer.candidates.held(division.chosen[layer.name])
    held = tuple(zip(layer.incoming, forms, layer.stored, box.lists, strict=True))
    counts = {
        NEURONS: compartments,
        INPUT_AXONS: sum(_axons(link, form, ranges, border, entries) for link, form, _, entries in held)
        + sum(lines for lines, _ in layer.pulses),
        OUTPUT_AXONS: sum(each.of_box(*ranges) for each in division.sent[layer.name]),
    }
    alone, added = (
        sum(_bits(*each, box=(ranges, border), places=among, base=base_limit(target)) for each in held)
        + sum(lines * stored.bits_of_list(places, 0) for lines, stored in layer.pulses)
        for among in (places, beside)
    )
    dense = bool(layer.pulses) or any(form == DENSE for form in forms)
    return Load(
        alone={**counts, SYNAPSE_MEMORY: alone},
        added={**counts, SYNAPSE_MEMORY: added},
        kinds={
            THRESHOLDS: _thresholds(thresholds, ranges, border),
            FORMATS: frozenset(_formats(forms, layer)),
            CONFIGURATIONS: frozenset(_configurations(population.name, border, target)),
        },
        first=dense,
    )


def _axons(link: Link, form: str, ranges: Ranges, border: Border, entries: IntArray | None) -> int:
    if entries is not None:
        return len(entries)
    assert isinstance(link, Connectivity), "the lists of sparse links are counted"
    return input_axons(link, form, ranges, border)


def _bits(
    link: Link,
    form: str,
    stored: ListFormat,
    entries: IntArray | None,
    *,
    box: tuple[Ranges, Border],
    places: int,
    base: int,
) -> int:
    if entries is not None:
        return bits_of_lists(entries, stored, places)
    assert isinstance(link, Connectivity), "the lists of sparse links are counted"
    return memory_bits(link, form, stored, *box, places, base)


def _thresholds(thresholds: tuple[IntArray, IntArray], ranges: Ranges, border: Border) -> frozenset[object]:
    distinct, which = thresholds
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
