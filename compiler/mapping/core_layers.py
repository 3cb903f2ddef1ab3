"""Layers as a core computes them where each core takes a whole one: a square kernel over sums of what comes in."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np

from ...runtime.program import ConvSynapses, Population, Program, Projection, SparseSynapses
from ...targets import Number
from ...targets.layer_cores import LayerCores
from ...targets.records import dataclass
from .boxes import Map
from .connectivity import Connectivity, as_map, connectivity

Pair = tuple[int, int]
"""Rows and columns."""


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why no core can compute a layer: ``what`` and how to do without it, and by how much where it is of a number."""

    what: str
    hint: str
    measured: int | None = None
    limit: Number | None = None


@dataclass(frozen=True, slots=True, eq=False)
class CoreLayer:
    """A layer of map ``map`` with a ``kernel`` x ``kernel`` convolution of ``channels`` source channels, all together.

    ``pools`` are the squares of each incoming projection's source neurons that are summed on the way. A kernel of
    several sources is one over their channels side by side. ``misfits`` say why it cannot be.
    """

    name: str
    map: Map
    channels: int
    kernel: int
    pools: tuple[int, ...]
    biases: int
    misfits: tuple[Misfit, ...]

    @property
    def kernel_entries(self) -> int:
        """Weights that the kernel takes, with rows times columns and output channels rounded up to powers of two."""
        return self.channels * _power_of_two(self.kernel**2) * _power_of_two(self.map[0])

    @property
    def neuron_entries(self) -> int:
        """Neurons that the layer takes, with rows and columns rounded up to powers of two."""
        return self.map[0] * _power_of_two(self.map[1]) * _power_of_two(self.map[2])


@dataclass(frozen=True, slots=True)
class _Window:
    """What a neuron reads of one source, in cells of ``pool`` x ``pool`` source neurons: where in its map, how far."""

    pool: int
    source: Pair
    channels: int
    kernel: Pair
    stride: Pair
    before: Pair


def core_layers(program: Program, cores: LayerCores) -> tuple[CoreLayer, ...]:
    """Every population of ``program``, in its order."""
    return tuple(_core_layer(program, population, cores) for population in program.populations)


def _core_layer(program: Program, population: Population, cores: LayerCores) -> CoreLayer:
    incoming = program.incoming(population.name)
    whole = as_map(population.shape)
    windows = tuple(_window(program, projection, cores) for projection in incoming)
    kernel = max(_together(windows, axis)[1] for axis in (0, 1)) if windows else 1
    unlike = tuple(_of_synapses(incoming, whole))
    found = chain(
        unlike or _of_windows(windows, kernel, whole, cores),
        _of_maps(windows, whole, cores),
        _of_program(program, population, cores),
    )
    return CoreLayer(
        name=population.name,
        map=whole,
        channels=sum(window.channels for window in windows),
        kernel=kernel,
        pools=tuple(window.pool for window in windows),
        biases=whole[0] if np.any(population.bias) else 0,
        misfits=tuple(found),
    )


def _window(program: Program, projection: Projection, cores: LayerCores) -> _Window:
    source, target = program.source_shape(projection), program.population(projection.target).shape
    link = connectivity(projection, source, target, shared_axons=True)
    channels, *sides = as_map(source)
    if not isinstance(link, Connectivity):
        return _Window(1, (sides[0], sides[1]), channels, (1, 1), (1, 1), (0, 0))
    pool = max(p for p in cores.pools.values if link.pool[0] % p == 0 and link.pool[1] % p == 0)
    cells = (-(-sides[0] // pool), -(-sides[1] // pool))
    synapses = projection.synapses
    if not isinstance(synapses, ConvSynapses):
        return _Window(pool, cells, channels, cells, (1, 1), (0, 0))
    geometry = synapses.geometry
    taps = [(synapses.weight.shape[n + 2] - 1) * geometry.dilation[n] + 1 for n in (0, 1)]
    return _Window(
        pool,
        cells,
        channels,
        (taps[0] // pool, taps[1] // pool),
        (geometry.stride[0] // pool, geometry.stride[1] // pool),
        (geometry.padding[0] // pool, geometry.padding[1] // pool),
    )


def _together(windows: tuple[_Window, ...], axis: int) -> Pair:
    """Padding and kernel that hold those of all ``windows`` along an axis."""
    before = max(window.before[axis] for window in windows)
    after = max(window.kernel[axis] - 1 - window.before[axis] for window in windows)
    return before, before + after + 1


def _of_synapses(incoming: tuple[Projection, ...], whole: Map) -> Iterator[Misfit]:
    for projection in incoming:
        if isinstance(projection.synapses, SparseSynapses):
            what = f"projection {projection.name!r} is no convolution"
            yield Misfit(what, "use convolutions and dense layers, without resizing, gathering and the like")
        elif not isinstance(projection.synapses, ConvSynapses) and whole[1:] != (1, 1):
            what = f"projection {projection.name!r} connects every neuron of a map with every other"
            yield Misfit(what, "let a dense layer end in neurons without rows and columns")


def _of_windows(windows: tuple[_Window, ...], kernel: int, whole: Map, cores: LayerCores) -> Iterator[Misfit]:
    if not windows:
        return
    if len({(window.source, window.stride) for window in windows}) > 1:
        what = "its sources have maps or strides that differ, and a core has one kernel for all that comes in"
        yield Misfit(what, "give every path into the layer the same stride, behind maps of one size")
        return
    first = windows[0]
    if kernel > cores.kernel_maximum.value:
        what = "its kernel is too large, pools that do not fit the chip's included"
        yield Misfit(what, "use a smaller kernel, or pools of 2x2 or 4x4", kernel, cores.kernel_maximum)
    for stride in sorted({*first.stride} - {*cores.strides.values}):
        known = ", ".join(map(str, cores.strides.values))
        yield Misfit(f"its stride of {stride} is none of {known}", "use one of these strides")
    paddings = [_padding(windows, kernel, whole, axis) for axis in (0, 1)]
    if any(padding is None for padding in paddings):
        yield Misfit("no padding, the same on both sides, gives its map", "pad both sides alike, and crop nothing")
    largest = max(padding or 0 for padding in paddings)
    if largest > cores.padding_maximum.value:
        yield Misfit("its padding is too wide", "use a smaller kernel or less padding", largest, cores.padding_maximum)


def _padding(windows: tuple[_Window, ...], kernel: int, whole: Map, axis: int) -> int | None:
    """Padding on both sides with which a square kernel gives the layer's map; zeros may line the kernel."""
    before, size = _together(windows, axis)
    length, stride = windows[0].source[axis], windows[0].stride[axis]
    for padding in range(max(before, 0), before + kernel - size + 1):
        if (length + 2 * padding - kernel) // stride + 1 == whole[axis + 1]:
            return padding
    return None


def _of_maps(windows: tuple[_Window, ...], whole: Map, cores: LayerCores) -> Iterator[Misfit]:
    smaller = "use smaller images, or a stride or pool before"
    read = max((max(window.source) for window in windows), default=0)
    if read > cores.input_map_maximum.value:
        yield Misfit("it reads a map that is too large", smaller, read, cores.input_map_maximum)
    if max(whole[1:]) > cores.output_map_maximum.value:
        yield Misfit("its map is too large", smaller, max(whole[1:]), cores.output_map_maximum)
    channels = max(whole[0], sum(window.channels for window in windows))
    if channels > cores.channels_maximum.value:
        yield Misfit("it has too many channels", "use fewer channels or features", channels, cores.channels_maximum)


def _of_program(program: Program, population: Population, cores: LayerCores) -> Iterator[Misfit]:
    readers = sum(projection.source == population.name for projection in program.projections)
    if readers > cores.destinations.value:
        what = "its spikes go to too many layers"
        yield Misfit(what, "let fewer paths begin at the layer", readers, cores.destinations)
    if any(pulse.target == population.name for pulse in program.pulses):
        yield Misfit("its gate's pulse is no event of a layer", "use --schedule pipelined")


def _power_of_two(number: int) -> int:
    """The smallest that is ``number`` >= 1 or more."""
    return 1 << (number - 1).bit_length()
