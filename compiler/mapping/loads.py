"""What every box of a divided layer takes of its core."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...runtime.program import IntArray, Population
from ...targets import Target
from ...targets.records import dataclass
from .box_needs import Border, Ranges, alike, boxes_of, input_axons, memory_bits, neurons_of, places_of
from .boxes import Map
from .candidates import CONFIGURATIONS, FORMATS, INPUT_AXONS, NEURONS, OUTPUT_AXONS, SYNAPSE_MEMORY, THRESHOLDS
from .connectivity import Connectivity, as_map
from .coordinates import SparseConnectivity
from .divide import Division, Layer
from .forms import DENSE, base_limit
from .pack import Load
from .synapse_lists import ListFormat

BORDER_THRESHOLD = "of the border"


def box_loads(population: Population, layer: Layer, division: Division, target: Target) -> tuple[Load, ...]:
    """The load of each box of ``layer``, in C order of the boxes."""
    tile = layer.candidates.tile(division.chosen[layer.name])
    boxes = [ranges for _, ranges in boxes_of(as_map(population.shape), tile)]
    border, thresholds = border_of(layer, division), thresholds_of(population)
    forms = layer.candidates.held(division.chosen[layer.name])
    needs = [
        _needs_of_sparse(link, stored, tile, boxes, border, target)
        if isinstance(link, SparseConnectivity)
        else _needs_of_map(link, form, stored, boxes, border, target)
        for link, form, stored in zip(layer.incoming, forms, layer.stored, strict=True)
    ]
    return tuple(
        _load(layer, thresholds, division, ranges, target, tuple(each[n] for each in needs))
        for n, ranges in enumerate(boxes)
    )


@dataclass(frozen=True, slots=True)
class _LinkNeeds:
    """What a link takes of a box's core: input axons, and bits of memory alone on it or beside other boxes."""

    axons: int
    alone: int
    added: int


def _needs_of_map(
    link: Connectivity, form: str, stored: ListFormat, boxes: list[Ranges], border: Border, target: Target
) -> list[_LinkNeeds]:
    known: dict[tuple[object, ...], _LinkNeeds] = {}
    needs = []
    for ranges in boxes:
        key = alike(link, ranges, border)
        if key not in known:
            alone, added = (
                memory_bits(link, form, stored, ranges, border, on, base_limit(target))
                for on in (None, _places_beside(places_of(ranges, border), target))
            )
            known[key] = _LinkNeeds(input_axons(link, form, ranges, border), alone, added)
        needs.append(known[key])
    return needs


def _needs_of_sparse(
    link: SparseConnectivity, stored: ListFormat, tile: Map, boxes: list[Ranges], border: Border, target: Target
) -> list[_LinkNeeds]:
    needs = []
    for ranges, entries in zip(boxes, link.lists_of_boxes(tile), strict=True):
        places = places_of(ranges, border)
        alone, added = (
            int(stored.list_bits(entries, int(stored.index_bits(among))).sum())
            for among in (places, _places_beside(places, target))
        )
        needs.append(_LinkNeeds(len(entries), alone, added))
    return needs


def _places_beside(places: int, target: Target) -> int:
    return places if target.core.neurons is None else target.core.neurons.value


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
    layer: Layer,
    thresholds: tuple[IntArray, IntArray],
    division: Division,
    ranges: Ranges,
    target: Target,
    needs: tuple[_LinkNeeds, ...],
) -> Load:
    border = border_of(layer, division)
    places = places_of(ranges, border)
    compartments = places + neurons_of(ranges) * (target.neuron.compartments_per_neuron.value - 1)
    forms = layer.candidates.held(division.chosen[layer.name])
    of_pulses = sum(lines * stored.bits_of_list(places, 0) for lines, stored in layer.pulses)
    counts = {
        NEURONS: compartments,
        INPUT_AXONS: sum(each.axons for each in needs) + sum(lines for lines, _ in layer.pulses),
        OUTPUT_AXONS: sum(each.of_box(*ranges) for each in division.sent[layer.name]),
    }
    return Load(
        alone={**counts, SYNAPSE_MEMORY: sum(each.alone for each in needs) + of_pulses},
        added={**counts, SYNAPSE_MEMORY: sum(each.added for each in needs) + of_pulses},
        kinds={
            THRESHOLDS: _thresholds_in(thresholds, ranges, border),
            FORMATS: frozenset(_formats(forms, layer)),
            CONFIGURATIONS: frozenset(_configurations(layer.name, border, target)),
        },
        first=bool(layer.pulses) or any(form == DENSE for form in forms),
    )


def _thresholds_in(thresholds: tuple[IntArray, IntArray], ranges: Ranges, border: Border) -> frozenset[object]:
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
