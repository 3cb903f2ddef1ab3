"""What is decided about a program once, before its first sample: kernels, number types, and what is sent how.

A population is run by its counts where only the sum over its window matters: a gated one fires
N = clip(floor((v0 + pulses + sum of input) / theta), 0, T) times in a row, because a loaded program is proven to keep
it silent while it integrates, to leave it unsaturated and to give it no bias; the read-out is its potential after T
steps, if none on the way can saturate. Then one convolution of its sources' counts does for T of their spikes. Graded
neurons have the same closed form, with their payloads as bounds, and a window of one step.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...targets.records import dataclass
from ..program import INPUT, IntArray, Population, Program, Projection
from ..program.neuron_models import GRADED
from ..program.synapses import largest_message, message_range
from ..program.window_range import window_range
from .convolution import Kernel, choose_kernel, largest_sum
from .kernels import Floats, exact_float
from .reduction import Form, MapShape, Reduced, map_shape, reduce_synapses

_ROW = 1024
_FLOAT32_EXACT = 1 << 24

FloatType = type[np.float32] | type[np.float64]
ChooseKernel = Callable[[Form, int, int, bool], Kernel]
"""Makes a kernel of a form, its exponent, the largest message and whether these are graded input or signed."""


@dataclass(frozen=True, slots=True, eq=False)
class Neurons:
    """Parameters of a population as rows of ``row`` neurons, alike for every row; numbers are of the state's type.

    ``bias`` (steps or 1, row) with the pulses of each step, ``threshold`` (row,) or None for a read-out, ``initial``
    (row,), ``offset`` (row,) the potential of a window without synaptic input.
    """

    row: int
    bias: Floats
    threshold: Floats | None
    initial: Floats
    offset: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Connection:
    """One projection: its ``kernel`` on the sums over ``pool`` of what ``source`` sends, none above ``largest``."""

    source: str
    reduced: Reduced
    kernel: Kernel
    largest: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """What potentials can reach: ``state`` holds each of them and every partial sum exactly.

    ``drive`` is the largest input of one step, ``reach`` the largest potential or partial sum. The potential saturates
    at ``lowest`` and ``highest``, which are infinite where it cannot come so far. ``by_counts``: the sums over the
    window give the same as its steps.
    """

    drive: int
    reach: int
    state: FloatType
    lowest: float
    highest: float
    by_counts: bool


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """How a population is run; ``map`` is its shape (H, W, C)."""

    population: Population
    map: MapShape
    timesteps: int
    bounds: Bounds
    incoming: tuple[Connection, ...]
    neurons: Neurons

    @property
    def by_counts(self) -> bool:
        """Whether the sums over the window are all that it is run with."""
        return self.bounds.by_counts


def plan_layers(program: Program, choose: ChooseKernel = choose_kernel) -> tuple[Layer, ...]:
    """Plan every population of a sound program, in order; ``choose`` makes the kernels."""
    return tuple(plan_layer(program, population, choose) for population in program.populations)


def plan_layer(program: Program, population: Population, choose: ChooseKernel = choose_kernel, spike: int = 1) -> Layer:
    """Plan one population; ``spike`` is the largest message that a spike can be."""
    reduced = [
        (p, reduce_synapses(p.synapses, program.source_shape(p), population.shape))
        for p in program.incoming(population.name)
    ]
    drive = int(np.abs(population.bias).max()) + sum(
        largest_sum(r.form, p.exponent, _message(program, p, spike) * r.pool[0] * r.pool[1]) for p, r in reduced
    )
    bounds = plan_bounds(program, population, drive)
    steps = program.timesteps if bounds.by_counts else 1
    return Layer(
        population,
        map_shape(population.shape),
        program.timesteps,
        bounds,
        tuple(_connection(program, p, r, steps, choose, _message(program, p, spike)) for p, r in reduced),
        arrange_neurons(program, population, bounds.state),
    )


def plan_bounds(program: Program, population: Population, drive: int) -> Bounds:
    """Bound the potentials of ``population``, whose input of a step is at most ``drive``, bias included."""
    reach = _reach(program, population, drive)
    saturates = _saturates(program, population, reach)
    is_graded = program.neuron.name == GRADED and population.threshold is not None
    by_counts = population.gated or is_graded or (population.threshold is None and not saturates)
    largest = _largest_number(program, population, drive, reach, by_counts)
    limits = (program.state_minimum, program.state_maximum) if saturates else (-np.inf, np.inf)
    return Bounds(drive, largest, exact_float(largest), float(limits[0]), float(limits[1]), by_counts)


def arrange_neurons(program: Program, population: Population, state: FloatType) -> Neurons:
    """Lay the parameters of ``population`` out as rows."""
    pulses = program.potential_of_pulses(population.name)
    timesteps = program.timesteps
    steps = range(1, timesteps + 1) if any(step <= timesteps for step in pulses) else (0,)
    bias = [population.bias + pulses.get(step, 0) for step in steps]
    counted = timesteps + 1 if population.gated else timesteps
    offset = population.initial_potential + timesteps * population.bias
    offset = offset + sum(potential for step, potential in pulses.items() if step <= counted)
    arrays = [*bias, population.initial_potential, offset]
    if population.threshold is not None:
        arrays.append(population.threshold)
    rows = _as_rows(arrays, population, state)
    return Neurons(
        len(rows[0]),
        np.stack(rows[: len(bias)]),
        None if population.threshold is None else rows[-1],
        rows[len(bias)],
        rows[len(bias) + 1],
    )


def _as_rows(arrays: list[IntArray], population: Population, state: FloatType) -> list[Floats]:
    """Each array as one row: some positions of a map where channels have one value each, else the whole map."""
    height, width, channels = map_shape(population.shape)
    positions = height * width
    by_channel = len(population.shape) == 3 and all(a.ndim < 3 or a.shape[1:] == (1, 1) for a in arrays)
    if by_channel and all(a.ndim == 3 or a.size == 1 for a in arrays):
        repeats = max(k for k in range(1, positions + 1) if positions % k == 0 and (k == 1 or k * channels <= _ROW))
        rows = [np.tile(np.broadcast_to(a, (channels, 1, 1)).ravel(), repeats) for a in arrays]
    elif len(population.shape) == 3:
        rows = [np.broadcast_to(a, population.shape).transpose(1, 2, 0).ravel() for a in arrays]
    else:
        rows = [np.broadcast_to(a, population.shape).ravel() for a in arrays]
    return [row.astype(state) for row in rows]


def _message(program: Program, projection: Projection, spike: int) -> int:
    return largest_message(program, projection) * (1 if projection.source == INPUT else spike)


def _connection(
    program: Program, projection: Projection, reduced: Reduced, steps: int, choose: ChooseKernel, one: int
) -> Connection:
    # Frames are summed before the kernel, graded input that is the same at every step behind it.
    largest = one * reduced.pool[0] * reduced.pool[1] * steps
    is_graded = projection.source == INPUT or message_range(program, projection.source)[0] < 0
    kernel = choose(reduced.form, projection.exponent, largest, is_graded)
    return Connection(projection.source, reduced, kernel, largest)


def _reach(program: Program, population: Population, drive: int) -> int:
    """Bound of every potential and every partial sum in a window."""
    pulses = program.potential_of_pulses(population.name).values()
    start = int(np.abs(population.initial_potential).max()) + sum(int(np.abs(p).max()) for p in pulses)
    return start + program.timesteps * drive + 2 * _threshold(population)


def _threshold(population: Population) -> int:
    return 0 if population.threshold is None else int(population.threshold.max())


def _saturates(program: Program, population: Population, reach: int) -> bool:
    if population.gated or reach <= min(program.state_maximum, -program.state_minimum):
        return False
    bounds = window_range(program, population)
    return bool(bounds.lowest.min() < program.state_minimum or bounds.highest.max() > program.state_maximum)


def _largest_number(program: Program, population: Population, drive: int, reach: int, by_counts: bool) -> int:
    if by_counts:
        offset = arrange_neurons(program, population, np.float64).offset
        return int(np.abs(offset).max()) + program.timesteps * drive + 2 * _threshold(population)
    if reach < _FLOAT32_EXACT:
        return reach
    bounds = window_range(program, population)
    largest = max(abs(int(bounds.lowest.min())), abs(int(bounds.highest.max())))
    pulses = program.potential_of_pulses(population.name).values()
    # Within a step the parts of the input add up one after the other.
    step = drive + sum(int(np.abs(p).max()) for p in pulses) + 2 * _threshold(population)
    return min(reach, largest + step)
