"""The executable form of a spiking network: integers only, exactly what a chip would be loaded with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .geometry import ConvGeometry

IntArray = npt.NDArray[np.int64]
Shape = tuple[int, ...]

INPUT = "input"
"""Name of the source of graded input in ``Projection.source``."""


@dataclass(frozen=True, slots=True, eq=False)
class ConvSynapses:
    """Shared weights: ``weight`` (O, I/groups, rows, columns), torch's cross-correlation, source (I, H, W)."""

    weight: IntArray
    geometry: ConvGeometry


@dataclass(frozen=True, slots=True, eq=False)
class DenseSynapses:
    """All-to-all weights: ``weight`` (target neurons, source neurons), both flattened in C order."""

    weight: IntArray


Synapses = ConvSynapses | DenseSynapses


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Synapses from a population (or ``INPUT``) to a population.

    A spike of ``source`` at step t adds ``weight * 2**exponent`` to the target at step t + 1 + ``delay``.
    """

    name: str
    source: str
    target: str
    synapses: Synapses
    exponent: int = 0
    delay: int = 0

    @property
    def effective_weight(self) -> IntArray:
        """Weights in units of the membrane potential: ``weight << exponent``."""
        return self.synapses.weight << self.exponent


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """Reset-by-subtraction integrate-and-fire neurons of one layer.

        u = saturate(v + sum of synaptic input + bias);  s = u >= threshold;  v = u - threshold * s

    with v = ``initial_potential`` at the first step of each sample's window. ``threshold``,
    ``initial_potential`` and ``bias`` are integers that broadcast to ``shape``. ``threshold`` None is a read-out:
    it integrates and never fires, and its potential at the window's end is the result.
    ``depth`` k places the window of sample n at steps n*T + k + 1 .. n*T + k + T.
    """

    name: str
    shape: Shape
    threshold: IntArray | None
    initial_potential: IntArray
    bias: IntArray
    depth: int

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return int(np.prod(self.shape))


@dataclass(frozen=True, slots=True)
class InputEncoding:
    """How an image becomes the graded integers that are sent at each of its T steps (direct encoding).

    x_int = clip(round(x / step), minimum, maximum), after the axes of the user's sample (``sample_shape``)
    are permuted by ``axes`` and reshaped to ``shape``. Bytes count as x = byte / 255. Both ``minimum`` and
    ``maximum`` are part of the overflow proof.
    """

    sample_shape: Shape
    axes: tuple[int, ...]
    shape: Shape
    step: float
    minimum: int
    maximum: int


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A spiking network in chip integers. Populations are in topological order; the last one is the read-out.

    ``state_minimum`` and ``state_maximum`` bound the saturating membrane potential, in weight units.
    ``schedule`` is ``pipelined``; ``target`` names the chip description it was compiled for.
    """

    name: str
    target: str
    schedule: str
    timesteps: int
    state_minimum: int
    state_maximum: int
    input: InputEncoding
    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]

    @property
    def readout(self) -> Population:
        """The population whose final potential is the result."""
        return self.populations[-1]

    @property
    def depth(self) -> int:
        """Steps from the input to the read-out: N samples take N * timesteps + depth steps."""
        return self.readout.depth

    def population(self, name: str) -> Population:
        """Return the population called ``name``; KeyError if there is none."""
        for population in self.populations:
            if population.name == name:
                return population
        raise KeyError(name)

    def incoming(self, target: str) -> tuple[Projection, ...]:
        """Projections into the population called ``target``, in program order."""
        return tuple(p for p in self.projections if p.target == target)

    def source_shape(self, projection: Projection) -> Shape:
        """Shape of what feeds ``projection``: the encoded input or a population."""
        return self.input.shape if projection.source == INPUT else self.population(projection.source).shape

    @classmethod
    def load(cls, directory: str | Path) -> Program:
        """Read a compiled artefact; ``UnusableInput`` names the file and what is wrong with it."""
        from .storage import read_program

        return read_program(directory)
