"""What every core of a placement takes, counted synapse by synapse and without the code that placed it.

Every list that a core stores is written out: entries (place, weight) of an input axon and, for population axons, of
each of its channels. Lists are stored once where their contents are equal. What is decoded from the lists again is
what a chip would compute with.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from spikec.compiler.mapping import HeldProjection, LayerPlacement, Placement
from spikec.runtime.program import INPUT, ConvSynapses, IntArray, Program, Projection, SparseSynapses
from spikec.targets import Target


@dataclass
class CoreCount:
    """Budgets of one core, by the names of the placement's resources; sets hold what counts once."""

    compartments: int = 0
    input_axons: int = 0
    output_axons: int = 0
    memory: int = 0
    thresholds: set[object] = field(default_factory=set)
    formats: set[object] = field(default_factory=set)
    configurations: set[object] = field(default_factory=set)
    first_boxes: set[object] = field(default_factory=set)

    def amounts(self) -> dict[str, int]:
        """Use by resource."""
        return {
            "neurons": self.compartments,
            "input axons": self.input_axons,
            "output axons": self.output_axons,
            "synapse memory": self.memory,
            "threshold configurations": len(self.thresholds),
            "synapse formats": len(self.formats),
            "compartment configurations": len(self.configurations),
        }


@dataclass(frozen=True)
class Box:
    """A box of a layer: its core, first neuron and size along (channels, rows, columns), and its border."""

    layer: LayerPlacement
    core: int
    first: tuple[int, int, int]
    size: tuple[int, int, int]

    @property
    def padded(self) -> tuple[int, int, int]:
        """Places along each axis."""
        rows, columns = self.layer.border.rows, self.layer.border.columns
        return self.size[0], self.size[1] + sum(rows), self.size[2] + sum(columns)

    @property
    def places(self) -> int:
        """Neurons and border."""
        return math.prod(self.padded)

    @property
    def lined(self) -> bool:
        """Whether there is a border."""
        return self.places > math.prod(self.size)

    def place_of(self, channel: IntArray, row: IntArray, column: IntArray) -> IntArray:
        """Place on the core of targets in the layer's map, -1 where the box has none."""
        (lead_rows, _), (lead_columns, _) = self.layer.border.rows, self.layer.border.columns
        local = (channel - self.first[0], row - self.first[1] + lead_rows, column - self.first[2] + lead_columns)
        inside = np.ones(np.broadcast_shapes(*(each.shape for each in local)), dtype=bool)
        for each, length in zip(local, self.padded, strict=True):
            inside &= (each >= 0) & (each < length)
        place = (local[0] * self.padded[1] + local[1]) * self.padded[2] + local[2]
        return np.where(inside, place, -1)

    def neuron_of(self, place: IntArray) -> IntArray:
        """Neuron of the layer at each place, counted in C order; -1 in the border."""
        channel, row, column = np.unravel_index(place, self.padded)
        row, column = row - self.layer.border.rows[0], column - self.layer.border.columns[0]
        real = (row >= 0) & (row < self.size[1]) & (column >= 0) & (column < self.size[2])
        index = (channel + self.first[0], row + self.first[1], column + self.first[2])
        return np.where(real, np.ravel_multi_index(index, self.layer.map, mode="clip"), -1)


@dataclass(frozen=True)
class Links:
    """Synapses of one projection into one box: source (channel, cell row, cell column), place and weight of each."""

    channel: IntArray
    row: IntArray
    column: IntArray
    place: IntArray
    weight: IntArray


@dataclass(frozen=True)
class Lists:
    """What one box stores of one projection: ``lists`` of entries (channel, place, weight), each (3, entries).

    Each of ``axons`` (channel, cell row, cell column; a pixel's channel is 0) has the list ``of_axon`` and shifts it by
    ``base`` places.
    """

    axons: IntArray
    of_axon: IntArray
    base: IntArray
    lists: list[IntArray]


def boxes(layer: LayerPlacement) -> list[Box]:
    """Boxes of a layer in C order."""
    found = []
    for at in itertools.product(*map(range, layer.core.shape)):
        first = tuple(n * size for n, size in zip(at, layer.tile, strict=True))
        size = tuple(min(s, n - f) for s, n, f in zip(layer.tile, layer.map, first, strict=True))
        found.append(Box(layer, int(layer.core[at]), (first[0], first[1], first[2]), (size[0], size[1], size[2])))
    return found


def recount(
    program: Program, target: Target, placement: Placement, *, decode: bool = True
) -> tuple[dict[int, CoreCount], dict[str, IntArray]]:
    """Budgets of every core, and the matrix (targets, sources) of each projection as its lists are decoded."""
    cores: dict[int, CoreCount] = defaultdict(CoreCount)
    box_lists = {layer.name: boxes(layer) for layer in placement.layers}
    first_place = first_places(program, box_lists)
    for box in itertools.chain.from_iterable(box_lists.values()):
        _count_neurons(program, target, box, cores[box.core])
    decoded = {}
    for projection in program.projections:
        layer = placement.layer(projection.target)
        held = next(each for each in layer.held if each.projection == projection.name)
        source_map = map_of(program.source_shape(projection))
        matrix = np.zeros((math.prod(layer.map), math.prod(source_map)) if decode else (0, 0), dtype=np.int64)
        for box in box_lists[layer.name]:
            stored = lists_into(projection, source_map, box, held, target)
            highest = max((int(place.max()) for _, place, _ in stored.lists), default=0)
            index = _index_bits(target, first_place[box.layer.name, box.first] + highest + 1)
            core = cores[box.core]
            core.input_axons += len(stored.axons)
            core.memory += _bits(stored, _Format(target, held, index), box)
            core.formats.add(
                ("dense" if held.form == "dense" else "indexed", held.weight_bits, held.delay_bits, projection.exponent)
            )
            core.first_boxes |= {(box.layer.name, box.first)} if held.form == "dense" else set()
            if projection.source != INPUT:
                _count_messages(stored, box_lists[projection.source], held, source_map, target, cores)
            if decode:
                _decode(matrix, stored, box, held, source_map)
        decoded[projection.name] = matrix
    return cores, decoded


def first_places(program: Program, layers: dict[str, list[Box]]) -> dict[tuple[str, tuple[int, ...]], int]:
    """Place on its core of the first neuron of each box, by name of the layer and first neuron.

    Boxes whose lists name the neurons in turn come first; further compartments of neurons come after all places.
    """
    pulsed = {pulse.target for pulse in program.pulses}
    found = list(itertools.chain.from_iterable(layers.values()))
    found.sort(key=lambda box: box.layer.name not in pulsed and all(each.form != "dense" for each in box.layer.held))
    places, first = Counter[int](), dict[tuple[str, tuple[int, ...]], int]()
    for box in found:
        first[box.layer.name, box.first] = places[box.core]
        places[box.core] += box.places
    return first


@dataclass(frozen=True)
class _Format:
    target: Target
    held: HeldProjection
    index: int

    def bits(self, entries: int, *, indexed: bool) -> int:
        form = self.target.synapses
        each = self.held.weight_bits + self.held.delay_bits + (self.index if indexed else 0)
        header = form.block_header_bits.value if form.block_header_bits else 0
        word = form.word_bits.value if form.word_bits else 1
        block = form.block_size.value if form.block_size else max(entries, 1)
        return sum(
            math.ceil((min(block, entries - start) * each + header) / word) * word for start in range(0, entries, block)
        )


def _count_neurons(program: Program, target: Target, box: Box, core: CoreCount) -> None:
    population = program.population(box.layer.name)
    compartments = target.neuron.compartments_per_neuron.value
    core.compartments += box.places + math.prod(box.size) * (compartments - 1)
    core.configurations |= {(box.layer.name, "neuron"), *([(box.layer.name, "border")] if box.lined else [])}
    core.configurations |= {(box.layer.name, "compartment")} if compartments > 1 else set()
    if population.threshold is not None:
        everywhere = np.broadcast_to(population.threshold, population.shape).reshape(box.layer.map)
        part = tuple(slice(f, f + s) for f, s in zip(box.first, box.size, strict=True))
        core.thresholds |= set(np.unique(everywhere[part]).tolist())
    core.thresholds |= {"border"} if box.lined else set()
    for pulse in program.pulses:
        if pulse.target == box.layer.name and pulse.axons:
            bits = _width(pulse.weight, target)
            core.input_axons += pulse.axons
            held = HeldProjection("", "dense", (1, 1), bits, 0)
            core.memory += pulse.axons * _Format(target, held, 0).bits(box.places, indexed=False)
            core.formats.add(("dense", bits, 0, pulse.exponent))
            core.first_boxes.add((box.layer.name, box.first))


def _width(weight: IntArray, target: Target) -> int:
    steps = np.abs(weight).max() // target.weights.step.value
    bits = int(steps).bit_length() + bool((weight < 0).any() and (weight > 0).any())
    widths = target.synapses.weight_bits
    return bits if widths is None else min(width for width in widths.values if width >= bits)


def map_of(shape: tuple[int, ...]) -> tuple[int, int, int]:
    return (shape[0], shape[1], shape[2]) if len(shape) == 3 else (math.prod(shape), 1, 1)


def _index_bits(target: Target, places: int) -> int:
    least = target.synapses.index_bits_minimum
    return 0 if least is None else max(least.value, math.ceil(math.log2(max(places, 1))))


def lists_into(
    projection: Projection, source: tuple[int, int, int], box: Box, held: HeldProjection, target: Target
) -> Lists:
    """Everything that the box stores of ``projection``, synapse by synapse; zeros are left out."""
    synapses = projection.synapses
    if isinstance(synapses, ConvSynapses):
        rows, columns = (_axis_taps(synapses, source, box, held, axis) for axis in (0, 1))
        if held.form == "population":
            base = target.synapses.axon_base_maximum
            assert base is not None
            return _population_lists(synapses, (rows, columns), box, base.value + 1)
        all_rows, all_columns = (list(itertools.chain.from_iterable(taps.values())) for taps in (rows, columns))
        return _lists_of_cells(_convolution_links(synapses, all_rows, all_columns, box))
    if isinstance(synapses, SparseSynapses):
        to, of, weight = synapses.target, synapses.source, synapses.weight
    else:
        to, of = np.nonzero(synapses.weight)
        weight = synapses.weight[to, of]
    places = box.place_of(*np.unravel_index(to, box.layer.map))
    channel, row, column = np.unravel_index(of, source)
    first = (places >= 0) & (row % held.pool[0] == 0) & (column % held.pool[1] == 0)
    cells = (channel[first], row[first] // held.pool[0], column[first] // held.pool[1])
    return _lists_of_cells(Links(*cells, places[first], weight[first]))


@dataclass(frozen=True)
class _Tap:
    """A tap of a kernel along one axis: which, the cell of the source and the place of the box that it connects."""

    tap: int
    cell: int
    place: int
    neuron: bool


Taps = dict[int, list[_Tap]]
"""Every tap that reaches a box along one axis, by cell of the source."""


def _axis_taps(synapses: ConvSynapses, source: tuple[int, int, int], box: Box, held: HeldProjection, axis: int) -> Taps:
    g, lead = synapses.geometry, (box.layer.border.rows[0], box.layer.border.columns[0])[axis]
    found = defaultdict[int, list[_Tap]](list)
    for place, tap in itertools.product(range(box.padded[1 + axis]), range(synapses.weight.shape[2 + axis])):
        neuron = lead <= place < lead + box.size[1 + axis]
        of_layer = place - lead + box.first[1 + axis]
        at = of_layer * g.stride[axis] - g.padding[axis] + tap * g.dilation[axis]
        if 0 <= at < source[1 + axis] and at % held.pool[axis] == 0 and (neuron or held.form == "population"):
            found[at // held.pool[axis]].append(_Tap(tap, at // held.pool[axis], place, neuron))
    return found


def _alike(of_cell: Taps) -> Iterable[list[int]]:
    """Cells that reach neurons and border by the same taps, but for where."""
    found = defaultdict[object, list[int]](list)
    for cell, taps in of_cell.items():
        found[tuple((each.tap, each.place - taps[0].place, each.neuron) for each in taps)].append(cell)
    return found.values()


def _convolution_links(synapses: ConvSynapses, rows: list[_Tap], columns: list[_Tap], box: Box) -> Links:
    """Synapses of every source channel and pair of taps into the channels of the box, by place in each channel."""
    outputs, inputs = synapses.weight.shape[:2]
    first, count = box.first[0], box.size[0]
    row_taps, column_taps = ([each.tap for each in taps] for taps in (rows, columns))
    weight = synapses.weight[first : first + count][:, :, row_taps][:, :, :, column_taps]
    i, o, r, c = np.nonzero(weight.transpose(1, 0, 2, 3))
    channel = (o + first) // (outputs // synapses.geometry.groups) * inputs + i
    (cell_row, y), (cell_column, x) = (
        np.array([(each.cell, each.place) for each in taps], dtype=np.int64).reshape(-1, 2).T
        for taps in (rows, columns)
    )
    place = (o * box.padded[1] + y[r]) * box.padded[2] + x[c]
    return Links(channel, cell_row[r], cell_column[c], place, weight[o, i, r, c])


def _lists_of_cells(links: Links) -> Lists:
    """An axon and a list for every source neuron, or cell."""
    order = np.lexsort((links.place, links.column, links.row, links.channel))
    cells = np.stack([links.channel, links.row, links.column], axis=1)[order]
    begins = np.flatnonzero(np.any(np.diff(cells, axis=0, prepend=-1), axis=1))
    entries = np.stack([links.channel, links.place, links.weight])[:, order]
    lists = np.split(entries, begins[1:], axis=1) if len(begins) else []
    return Lists(cells[begins], np.arange(len(begins)), np.zeros(len(begins), dtype=np.int64), lists)


def _population_lists(synapses: ConvSynapses, axes: tuple[Taps, Taps], box: Box, shifts: int) -> Lists:
    """An axon for every pixel that reaches a neuron of the box; equal lists are stored once.

    An axon shifts its list to the first place that a tap of it reaches among the places of a channel, by less than
    ``shifts``; where the weight of that tap is 0 the list begins behind it.
    Pixels that reach places alike have one list but for the shift: it is written out for one of them and moved.
    """
    plane, width = math.prod(box.padded[1:]), box.padded[2]
    numbers: dict[bytes, int] = {}
    lists, axons = list[IntArray](), list[tuple[int, int, int, int, int]]()
    rows, columns = axes
    for of_rows, of_columns in itertools.product(_alike(rows), _alike(columns)):
        links = _convolution_links(synapses, rows[of_rows[0]], columns[of_columns[0]], box)
        reached = np.flatnonzero(np.bincount(links.place % plane))
        if not (box.neuron_of(reached) >= 0).any():
            continue
        written = np.stack([links.channel, links.place, links.weight])
        first = min(tap.place for tap in rows[of_rows[0]]) * width + min(tap.place for tap in columns[of_columns[0]])
        moved: dict[int, int] = {}
        for row, column in itertools.product(of_rows, of_columns):
            by = (rows[row][0].place - rows[of_rows[0]][0].place) * width
            by += columns[column][0].place - columns[of_columns[0]][0].place
            base = (first + by) % shifts
            if by - base not in moved:
                content = written + np.array([[0], [by - base], [0]])
                assert content[1].min() >= 0
                moved[by - base] = numbers.setdefault(content.tobytes(), len(lists))
                lists += [content] if moved[by - base] == len(lists) else []
            axons.append((0, row, column, moved[by - base], base))
    found = np.array(axons, dtype=np.int64).reshape(-1, 5)
    return Lists(found[:, :3], found[:, 3], found[:, 4], lists)


def _bits(stored: Lists, form: _Format, box: Box) -> int:
    if form.held.form == "dense":
        return len(stored.axons) * form.bits(box.places, indexed=False)
    if form.held.form == "indexed":
        return sum(form.bits(each.shape[1], indexed=True) for each in stored.lists)
    assert form.held.form == "population"
    # The lists of an axon's channels are all as long as the longest.
    bits = 0
    for channel, place, _ in stored.lists:
        assert place.max() < 1 << form.index
        lengths = np.bincount(channel)
        bits += form.bits(np.count_nonzero(lengths) * int(lengths.max()), indexed=True)
    return bits


def _count_messages(
    stored: Lists,
    sources: list[Box],
    held: HeldProjection,
    source_map: tuple[int, int, int],
    target: Target,
    cores: dict[int, CoreCount],
) -> None:
    """Output axons of every source box: for each cell, or for each pixel any of whose channels is fed."""
    slots = target.synapses.population_axon_slots
    each = slots.value if held.form == "population" and slots is not None else 1
    fed = np.zeros((source_map[0], -(-source_map[1] // held.pool[0]), -(-source_map[2] // held.pool[1])), dtype=bool)
    if held.form == "population":
        for number, entries in enumerate(stored.lists):
            _, row, column = stored.axons[stored.of_axon == number].T
            fed[np.unique(entries[0])[:, None], row, column] = True
    else:
        fed[tuple(stored.axons.T)] = True
    for box in sources:
        part = [slice(box.first[0], box.first[0] + box.size[0])]
        for n, pool in enumerate(held.pool, start=1):
            part.append(slice(box.first[n] // pool, -(-(box.first[n] + box.size[n]) // pool)))
        here = fed[tuple(part)]
        cores[box.core].output_axons += each * int((here.any(axis=0) if held.form == "population" else here).sum())


def _decode(matrix: IntArray, stored: Lists, box: Box, held: HeldProjection, source_map: tuple[int, int, int]) -> None:
    """Add what every neuron of each cell reaches."""
    for axon, number, base in zip(stored.axons, stored.of_axon, stored.base, strict=True):
        channel, place, weight = stored.lists[number]
        neuron = box.neuron_of(place + base)
        for dr, dc in itertools.product(*map(range, held.pool)):
            row, column = axon[1] * held.pool[0] + dr, axon[2] * held.pool[1] + dc
            if row < source_map[1] and column < source_map[2]:
                of = (channel * source_map[1] + row) * source_map[2] + column
                np.add.at(matrix, (neuron[neuron >= 0], of[neuron >= 0]), weight[neuron >= 0])
