"""What every core of a placement takes, counted synapse by synapse and without the code that placed it.

Every list that a core stores is written out: entries (place, weight) of an input axon and, for population axons, of
each of its channels. Lists are stored once where their contents are equal. What is decoded from the lists again is
what a chip would compute with.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from spikec.compiler.mapping import HeldProjection, LayerPlacement, Placement
from spikec.runtime.program import INPUT, ConvSynapses, DenseSynapses, IntArray, Program, Projection, SparseSynapses
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
    on_core = [box.core for each in box_lists.values() for box in each]
    decoded = {}
    for layer in placement.layers:
        for box in box_lists[layer.name]:
            _count_neurons(program, target, box, cores[box.core])
    for projection in program.projections:
        layer = placement.layer(projection.target)
        held = next(each for each in layer.held if each.projection == projection.name)
        source_map = map_of(program.source_shape(projection))
        matrix = np.zeros((math.prod(layer.map), math.prod(source_map)) if decode else (0, 0), dtype=np.int64)
        for box in box_lists[layer.name]:
            links = links_into(projection, source_map, box, held)
            index = _index_bits(target, box.places if on_core.count(box.core) == 1 else _core_neurons(target))
            form = _Format(target, held, index)
            axons, bits = _stored(links, held, form, box)
            core = cores[box.core]
            core.input_axons += len(axons)
            core.memory += bits
            core.formats.add(
                ("dense" if held.form == "dense" else "indexed", held.weight_bits, held.delay_bits, projection.exponent)
            )
            core.first_boxes |= {(box.layer.name, box.first)} if held.form == "dense" else set()
            if projection.source != INPUT:
                _count_messages(links, box_lists[projection.source], held, source_map, target, cores)
            if decode:
                _decode(matrix, links, box, held, source_map)
        decoded[projection.name] = matrix
    return cores, decoded


def full_matrix(program: Program, projection: Projection) -> IntArray:
    """Weights (targets, sources) of a projection by the definition of its synapses."""
    synapses = projection.synapses
    source, target = map_of(program.source_shape(projection)), map_of(program.population(projection.target).shape)
    matrix = np.zeros((math.prod(target), math.prod(source)), dtype=np.int64)
    if isinstance(synapses, DenseSynapses):
        return synapses.weight
    if isinstance(synapses, SparseSynapses):
        matrix[synapses.target, synapses.source] = synapses.weight
        return matrix
    g, (outputs, inputs, rows, columns) = synapses.geometry, synapses.weight.shape
    for o, i, k, m in itertools.product(range(outputs), range(inputs), range(rows), range(columns)):
        for y, x in itertools.product(range(target[1]), range(target[2])):
            r = y * g.stride[0] - g.padding[0] + k * g.dilation[0]
            c = x * g.stride[1] - g.padding[1] + m * g.dilation[1]
            if 0 <= r < source[1] and 0 <= c < source[2]:
                channel = o // (outputs // g.groups) * inputs + i
                to, of = (o * target[1] + y) * target[2] + x, (channel * source[1] + r) * source[2] + c
                matrix[to, of] += synapses.weight[o, i, k, m]
    return matrix


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


def _core_neurons(target: Target) -> int:
    assert target.core.neurons is not None, "only then do boxes share a core"
    return target.core.neurons.value


def _index_bits(target: Target, places: int) -> int:
    least = target.synapses.index_bits_minimum
    return 0 if least is None else max(least.value, math.ceil(math.log2(max(places, 1))))


def links_into(projection: Projection, source: tuple[int, int, int], box: Box, held: HeldProjection) -> Links:
    """Every non-zero synapse into the box, from the first neuron of each cell, whose others reach the same places."""
    synapses = projection.synapses
    if isinstance(synapses, ConvSynapses):
        return _convolution_links(synapses, source, box, held)
    if isinstance(synapses, SparseSynapses):
        to, of, weight = synapses.target, synapses.source, synapses.weight
    else:
        to, of = np.nonzero(synapses.weight)
        weight = synapses.weight[to, of]
    places = box.place_of(*np.unravel_index(to, box.layer.map))
    channel, row, column = np.unravel_index(of, source)
    first = (places >= 0) & (row % held.pool[0] == 0) & (column % held.pool[1] == 0)
    cells = (channel[first], row[first] // held.pool[0], column[first] // held.pool[1])
    return Links(*cells, places[first], weight[first])


def _convolution_links(synapses: ConvSynapses, source: tuple[int, int, int], box: Box, held: HeldProjection) -> Links:
    g, (outputs, inputs, rows, columns) = synapses.geometry, synapses.weight.shape
    o = np.arange(box.first[0], box.first[0] + box.size[0])
    lead, trail = (box.layer.border.rows[0], box.layer.border.columns[0]), box.padded[1:]
    y = np.arange(trail[0]) + box.first[1] - lead[0]
    x = np.arange(trail[1]) + box.first[2] - lead[1]
    parts = []
    for k, m in itertools.product(range(rows), range(columns)):
        r = y * g.stride[0] - g.padding[0] + k * g.dilation[0]
        c = x * g.stride[1] - g.padding[1] + m * g.dilation[1]
        used_y = (r >= 0) & (r < source[1]) & (r % held.pool[0] == 0)
        used_x = (c >= 0) & (c < source[2]) & (c % held.pool[1] == 0)
        if held.form != "population":
            used_y &= (y >= box.first[1]) & (y < box.first[1] + box.size[1])
            used_x &= (x >= box.first[2]) & (x < box.first[2] + box.size[2])
        at, i = np.nonzero(synapses.weight[o, :, k, m])
        channel = o[at] // (outputs // g.groups) * inputs + i
        shape = (len(at), int(used_y.sum()), int(used_x.sum()))
        place = box.place_of(o[at][:, None, None], y[used_y][:, None], x[used_x])
        cells = (channel[:, None, None], r[used_y][:, None] // held.pool[0], c[used_x] // held.pool[1])
        weight = synapses.weight[o[at], i, k, m][:, None, None]
        parts.append([np.broadcast_to(each, shape).ravel() for each in (*cells, place, weight)])
    joined = [np.concatenate(each) for each in zip(*parts, strict=True)]
    kept = _reaching_neurons(joined, box) if held.form == "population" else np.arange(len(joined[0]))
    return Links(*(each[kept] for each in joined))


def _reaching_neurons(links: list[IntArray], box: Box) -> IntArray:
    """Links of pixels that reach a neuron of the box, not only its border; without a border those into it are none."""
    pixel = links[1] * (int(links[2].max(initial=0)) + 1) + links[2]
    real = box.neuron_of(links[3]) >= 0
    return np.flatnonzero(np.isin(pixel, pixel[real]))


def _stored(links: Links, held: HeldProjection, form: _Format, box: Box) -> tuple[IntArray, int]:
    """Input axons as (channel, cell row, cell column), and the bits of the lists stored for them."""
    cells = np.stack([links.channel, links.row, links.column], axis=1)
    if held.form == "population":
        return _population_lists(links, form, math.prod(box.padded[1:]))
    axons, entries = np.unique(cells, axis=0, return_counts=True)
    if held.form == "dense":
        return axons, len(axons) * form.bits(box.places, indexed=False)
    if held.form == "indexed":
        return axons, sum(form.bits(count, indexed=True) for count in entries.tolist())
    return axons, 0


def _population_lists(links: Links, form: _Format, plane: int) -> tuple[IntArray, int]:
    """Pixels (0, row, column), and the bits of their lists; equal lists are stored once.

    An axon shifts its list to the first place that it reaches among the ``plane`` places of a channel.
    """
    base = form.target.synapses.axon_base_maximum
    assert base is not None
    order = np.lexsort((links.place, links.channel, links.column, links.row))
    channel, place, weight = links.channel[order], links.place[order], links.weight[order]
    if not len(order):
        return np.zeros((0, 3), dtype=np.int64), 0
    pixels, first = np.unique(np.stack([links.row, links.column], axis=1)[order], axis=0, return_index=True)
    lists: dict[bytes, int] = {}
    for start, stop in zip(first.tolist(), [*first[1:].tolist(), len(order)], strict=True):
        reached = place[start:stop] - int((place[start:stop] % plane).min()) % (base.value + 1)
        assert reached.min() >= 0
        assert reached.max() < 1 << form.index
        content = np.stack([channel[start:stop], reached, weight[start:stop]])
        _, lengths = np.unique(content[0], return_counts=True)
        lists[content.tobytes()] = len(lengths) * int(lengths.max())
    axons = np.concatenate([np.zeros((len(pixels), 1), dtype=np.int64), pixels], axis=1)
    return axons, sum(form.bits(size, indexed=True) for size in lists.values())


def _count_messages(
    links: Links,
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
    fed[links.channel, links.row, links.column] = True
    for box in sources:
        part = [slice(box.first[0], box.first[0] + box.size[0])]
        for n, pool in enumerate(held.pool, start=1):
            part.append(slice(box.first[n] // pool, -(-(box.first[n] + box.size[n]) // pool)))
        here = fed[tuple(part)]
        cores[box.core].output_axons += each * int((here.any(axis=0) if held.form == "population" else here).sum())


def _decode(matrix: IntArray, links: Links, box: Box, held: HeldProjection, source_map: tuple[int, int, int]) -> None:
    """Add what every neuron of each cell reaches."""
    neuron = box.neuron_of(links.place)
    for dr, dc in itertools.product(*map(range, held.pool)):
        row, column = links.row * held.pool[0] + dr, links.column * held.pool[1] + dc
        real = (neuron >= 0) & (row < source_map[1]) & (column < source_map[2])
        of = (links.channel * source_map[1] + row) * source_map[2] + column
        np.add.at(matrix, (neuron[real], of[real]), links.weight[real])
