"""Fold neurons that are constant into the biases of their readers, so that no scale is set by them.

Whatever the input, a neuron's drive lies in

    z_i in [b_i + sum_j min(w_ij r_j), b_i + sum_j max(w_ij r_j)],   r_j in [low_j, high_j]

with the input in its range and every other source's rate between the least and the largest that it can have, on its
own levels or counted in T steps: where all that it can be lies within one level, there may still be two counts. A
neuron with z <= 0 is always silent, with z >= theta it always fires, and one that nothing reaches has one rate. Its
weights and bias decide nothing, and its rate times its weights is a bias of its readers, position by position where a
padded map ends. In a map a channel is folded where all its neurons are constant.

What takes the largest of its synapses has the largest of the terms in place of their sum. The neurons of a maximum
count what its sources send after rounding, where a weight may bring a spike that these bounds leave out: they are
constant only where that follows from the sources that are folded.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ...targets.diagnostic import Diagnostic, Place
from ...targets.records import dataclass
from ..ir.maxima import MaximumNeuron
from ..ir.operators import FloatArray
from ..ir.rates import largest_received, quantised_rate, received
from ..ir.spiking import INPUT, ConvMap, DenseMap, LinearMap, Population, Projection, SparseMap, SpikingNetwork
from .compose_linear_maps import per_channel_if_possible
from .contract import Compilation, Context, Outcome, spiking_level
from .encode_input import value_range

_SAME_DRIVE = 1e-9
"""Drives in thresholds that count as one: sums of the same terms in another order."""

_SLICES = 2
_OFF_BY = 2.0**-42
"""Share of the largest weight and the largest message by which two slices of each may be off, per product."""

Mask = npt.NDArray[np.bool_]
Bounds = tuple[FloatArray, FloatArray]
"""Least and largest rate of each source neuron, or value of the input, (1, *shape)."""


@dataclass(frozen=True)
class FoldConstants:
    """r_j = c for every input: b_i += w_ij c, w_ij = 0."""

    name: str = "fold-constants"
    preserves: bool = False

    def run(self, state: Compilation, context: Context) -> Outcome:
        """Silence every channel that is constant; the effect counts them by layer."""
        spiking = spiking_level(state)
        low, high = value_range(spiking.input, context)
        everywhere = np.ones((1, *spiking.input.shape))
        bounds = {INPUT: (low * everywhere, high * everywhere)}
        folding = _Folding(spiking, context.timesteps, _comparisons(state), bounds, {}, {}, {})
        products = {p.name: _products(spiking, p) for p in spiking.populations}
        done, total = 0, sum(products.values())
        for population in spiking.populations:
            folding.fold(population)
            done += products[population.name]
            context.progress(done, total)
        counts = {name: int(np.count_nonzero(mask)) for name, mask in folding.constant.items()}
        effect = {"channels": counts}
        if not counts:
            return Outcome(state, effect)
        return Outcome(replace(state, spiking=folding.folded), effect, tuple(_remarks(spiking, folding)))


def _products(spiking: SpikingNetwork, population: Population) -> int:
    """Multiplications for the drive of ``population`` by one message of every source, 1 at least: for its neurons."""
    maps = [p.map for p in spiking.incoming(population.name)]
    places = math.prod(population.shape[1:])
    return 1 + sum(m.weight.size * (places if isinstance(m, ConvMap) else 1) for m in maps)


def _comparisons(state: Compilation) -> frozenset[str]:
    operators = {node.name: node.operator for node in state.network.nodes}
    firing = spiking_level(state).firing
    return frozenset(p.name for p in firing if isinstance(operators.get(p.activation), MaximumNeuron))


@dataclass(frozen=True, slots=True, eq=False)
class _Folding:
    """What is known of the populations that were looked at, in order: bounds, constant channels (C,) and changes."""

    spiking: SpikingNetwork
    timesteps: int
    comparisons: frozenset[str]
    bounds: dict[str, Bounds]
    constant: dict[str, Mask]
    populations: dict[str, Population]
    projections: dict[str, Projection]

    def fold(self, population: Population) -> None:
        incoming = [self._without_constants(p) for p in self.spiking.incoming(population.name)]
        bias = population.bias
        for _, given in incoming:
            if given is not None:
                combined = np.maximum if population.takes_largest else np.add
                bias = per_channel_if_possible(combined(np.broadcast_to(bias, population.shape), given[0]))
        if bias is not population.bias:
            population = self.populations[population.name] = replace(population, bias=bias)
        if population.threshold is None:
            return
        low, high = self._drive([p for p, _ in incoming], population)
        mask = _constant_channels(low, high, population)
        self.bounds[population.name] = self._rates(population, low, high, mask)
        if mask.any():
            self.constant[population.name] = mask
            self._silence(population, mask, [p for p, _ in incoming])

    def _without_constants(self, projection: Projection) -> tuple[Projection, FloatArray | None]:
        """``projection`` without weights from constant channels, and what these send (1, *target's shape)."""
        mask = self.constant.get(projection.source)
        if mask is None:
            return projection, None
        low, _ = self.bounds[projection.source]
        sent = low * mask.reshape(-1, *(1,) * (low.ndim - 2))
        target = self.spiking.population(projection.target)
        given = (largest_received if target.takes_largest else received)(projection, sent, target)
        shape = self.spiking.source_shape(projection)
        changed = replace(projection, map=without_sources(projection.map, mask, shape))
        self.projections[projection.name] = changed
        return changed, np.asarray(given)

    def _drive(self, incoming: list[Projection], population: Population) -> Bounds:
        low = high = np.broadcast_to(population.bias, (1, *population.shape))
        for projection in incoming:
            least, most = self._sent(projection.source, population)
            if population.takes_largest:
                low = np.maximum(low, largest_received(projection, least, population))
                high = np.maximum(high, largest_received(projection, most, population))
                continue
            up = replace(projection, map=replace(projection.map, weight=np.maximum(projection.map.weight, 0)))
            down = replace(projection, map=replace(projection.map, weight=np.minimum(projection.map.weight, 0)))
            low = low + _received(up, least, population, -1) + _received(down, most, population, -1)
            high = high + _received(up, most, population, 1) + _received(down, least, population, 1)
        return low, high

    def _sent(self, source: str, population: Population) -> Bounds:
        least, most = self.bounds[source]
        if source == INPUT or population.name not in self.comparisons:
            return least, most
        fewest, highest = self.spiking.population(source).payloads
        return np.full_like(least, fewest), np.full_like(most, highest)

    def _rates(self, population: Population, low: FloatArray, high: FloatArray, mask: Mask) -> Bounds:
        """Rates for drives from ``low`` to ``high``: one of a channel in ``mask``, else by levels and by counts."""
        least, most = quantised_rate(population, low), quantised_rate(population, high)
        fewest = np.floor(np.clip(low, *population.payloads) * self.timesteps + _SAME_DRIVE) / self.timesteps
        highest = np.ceil(np.clip(high, *population.payloads) * self.timesteps - _SAME_DRIVE) / self.timesteps
        is_constant = mask.reshape(-1, *(1,) * (low.ndim - 2))
        return (
            np.where(is_constant, least, np.minimum(least, fewest)),
            np.where(is_constant, least, np.maximum(most, highest)),
        )

    def _silence(self, population: Population, mask: Mask, incoming: list[Projection]) -> None:
        by_channel = mask.reshape(-1, *(1,) * (len(population.shape) - 1))
        self.populations[population.name] = replace(population, bias=np.where(by_channel, 0.0, population.bias))
        for projection in incoming:
            linear = without_targets(projection.map, mask, population.shape[0], math.prod(population.shape))
            self.projections[projection.name] = replace(projection, map=linear)

    @property
    def folded(self) -> SpikingNetwork:
        return self.spiking.with_parts(
            tuple(self.populations.get(p.name, p) for p in self.spiking.populations),
            tuple(self.projections.get(p.name, p) for p in self.spiking.projections),
        )


def _received(projection: Projection, messages: FloatArray, target: Population, side: int) -> FloatArray:
    """What ``target`` receives, in two slices, moved to one ``side`` by what they may be off."""
    if not messages.any():
        return np.zeros((1, *target.shape))
    weight, result = projection.map.weight, received(projection, messages, target, _SLICES)
    if isinstance(projection.map, SparseMap):
        return np.asarray(result)
    rows = np.abs(weight.reshape(len(weight), -1))
    off = _OFF_BY * rows.shape[1] * float(np.abs(messages).max(initial=0)) * rows.max(axis=1)
    shape = target.shape if isinstance(projection.map, DenseMap) else (-1, 1, 1)
    return np.asarray(result + side * off.reshape(shape))


def _constant_channels(low: FloatArray, high: FloatArray, population: Population) -> Mask:
    least, largest = population.payloads
    constant = (high <= least) | (low >= largest) | (high - low <= _SAME_DRIVE)
    return np.asarray(constant[0].reshape(low.shape[1], -1).all(axis=1))


def without_sources(linear: LinearMap, mask: Mask, shape: tuple[int, ...]) -> LinearMap:
    """``linear`` without the weights of the source channels in ``mask`` (C,) of a source of ``shape``."""
    if isinstance(linear, SparseMap):
        neurons = math.prod(shape) // len(mask)
        return _kept(linear, ~mask[linear.source // neurons])
    if isinstance(linear, DenseMap):
        columns: Mask = np.repeat(mask, linear.weight.shape[1] // len(mask))
        return replace(linear, weight=np.where(columns, 0.0, linear.weight))
    return replace(linear, weight=np.where(sources_of_kernels(linear, mask)[:, :, None, None], 0.0, linear.weight))


def sources_of_kernels(linear: ConvMap, values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """``values`` (C,) of the source channels as each output channel's kernel meets them, (O, I/groups)."""
    outputs, inputs = linear.weight.shape[:2]
    group = np.arange(outputs) // (outputs // linear.geometry.groups)
    return values[group[:, None] * inputs + np.arange(inputs)]


def without_targets(linear: LinearMap, mask: Mask, channels: int, neurons: int) -> LinearMap:
    """``linear`` without the weights into the channels in ``mask`` (C,) of a target of ``neurons`` neurons."""
    if isinstance(linear, SparseMap):
        return _kept(linear, ~mask[linear.target // (neurons // channels)])
    rows: Mask = np.repeat(mask, len(linear.weight) // channels)
    return replace(linear, weight=np.where(rows.reshape(-1, *(1,) * (linear.weight.ndim - 1)), 0.0, linear.weight))


def _kept(linear: SparseMap, kept: Mask) -> SparseMap:
    return SparseMap(linear.weight[kept], linear.source[kept], linear.target[kept])


def _remarks(spiking: SpikingNetwork, folding: _Folding) -> list[Diagnostic]:
    remarks = []
    for name, mask in folding.constant.items():
        population = spiking.population(name)
        which = "channels" if len(population.shape) == 3 else "neurons"
        remarks.append(
            Diagnostic(
                "I032",
                f"{which} have one value whatever the input, and are folded into biases: {_listed(mask)}",
                Place(layer=name, nodes=tuple(o.node for o in population.origins)),
                measured=int(np.count_nonzero(mask)),
                limit=len(mask),
                unit=which,
            )
        )
    return remarks


def _listed(mask: Mask) -> str:
    places = [str(place) for place in np.flatnonzero(mask)]
    return ", ".join(places[:5]) + (f" and {len(places) - 5} more" if len(places) > 5 else "")
