"""Which populations are maps in a NIR graph, and in which units their neurons count."""

from __future__ import annotations

import numpy as np

from ...targets.records import dataclass
from ..program import INPUT, ConvSynapses, IntArray, Population, Program
from ..program.geometry import ConvGeometry
from ..program.synapses import fan_in_weight, largest_message

LARGEST_SUM = 8_000_000
"""Of a window, below 2^23: weights rounded to 32 bits are then off by less than the half unit that is added to v0."""


@dataclass(frozen=True, slots=True)
class Layout:
    """``maps``: names of the sources that are maps (channels, rows, columns); all others are flat.

    ``scaled``: names of the populations that count in units of their thresholds, which is safe for them.
    """

    maps: frozenset[str]
    scaled: frozenset[str]

    @classmethod
    def of(cls, program: Program) -> Layout:
        """A population is a map where everything that reaches it is a convolution of maps that NIR has a node for."""
        maps = {INPUT} if len(program.input.shape) == 3 else set()
        for population in program.populations:
            incoming = program.incoming(population.name)
            convolved = all(
                isinstance(p.synapses, ConvSynapses) and p.source in maps and is_expressible(p.synapses.geometry)
                for p in incoming
            )
            if convolved and _by_channel(population.bias, population) is not None:
                maps.add(population.name)
        scaled = {population.name for population in program.firing if _largest_sum(program, population) < LARGEST_SUM}
        return cls(frozenset(maps), frozenset(scaled))

    def unit(self, population: Population) -> IntArray | None:
        """What one unit of the graph is in weight units, (neurons or channels,): the thresholds, where they differ.

        None where the graph counts in weight units: one threshold for all, or another for each pixel of a map, or sums
        so large that rounded weights could change a spike.
        """
        if population.threshold is None or population.threshold.min() == population.threshold.max():
            return None
        if population.name not in self.scaled:
            return None
        if population.name not in self.maps:
            return everywhere(population.threshold, population).ravel()
        return _by_channel(population.threshold, population)

    def differs(self, population: Population) -> bool:
        """Whether neurons of ``population`` have several thresholds in the graph."""
        threshold = population.threshold
        return threshold is not None and threshold.min() < threshold.max() and self.unit(population) is None

    def bias(self, population: Population) -> IntArray:
        """Bias (channels,) of a map, or (neurons,)."""
        by_channel = _by_channel(population.bias, population) if population.name in self.maps else None
        return everywhere(population.bias, population).ravel() if by_channel is None else by_channel


def _largest_sum(program: Program, population: Population) -> float:
    """Bound, in weight units, of the magnitudes that add up in a window."""
    bias, start = (float(np.abs(values).max()) for values in (population.bias, population.initial_potential))
    total = bias * program.timesteps + start
    for projection in program.incoming(population.name):
        largest = largest_message(program, projection) * program.timesteps
        total += float(fan_in_weight(program, projection).max()) * largest
    return total


def everywhere(values: IntArray, population: Population) -> IntArray:
    """``values`` for each neuron, in the population's shape."""
    return np.broadcast_to(values, population.shape)


def is_expressible(geometry: ConvGeometry) -> bool:
    """Whether NIR's Conv2d, which pads alike on both sides, can be ``geometry`` with zeros around the kernel."""
    return all(zeros % geometry.dilation[axis] == 0 for axis in (0, 1) for zeros in zeros_around(geometry)[axis])


def zeros_around(geometry: ConvGeometry) -> tuple[tuple[int, int], tuple[int, int]]:
    """For rows and columns: how far the kernel has to grow before and behind, so that both are padded alike."""
    top, left, bottom, right = geometry.padding
    rows, columns = max(top, bottom, 0), max(left, right, 0)
    return (rows - top, rows - bottom), (columns - left, columns - right)


def _by_channel(values: IntArray, population: Population) -> IntArray | None:
    """``values`` (channels,) where they are the same all over each map; None where they are not."""
    full = everywhere(values, population).reshape(population.shape[0], -1)
    return np.ascontiguousarray(full[:, 0]) if np.all(full == full[:, :1]) else None
