"""Level 2: integrate-and-fire populations and linear projections between them, in float."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...runtime.program import SPIKES, IntArray
from ...runtime.program.geometry import ConvGeometry
from ...targets.records import dataclass
from .network import Origin
from .operators import AnyFloat, FloatArray, Shape

INPUT = "input"
"""Name of the graded input in ``Projection.source``."""


@dataclass(frozen=True, slots=True, eq=False)
class ConvMap:
    """Convolution of the source's map: ``weight`` (O, I/groups, rows, columns)."""

    weight: FloatArray
    geometry: ConvGeometry


@dataclass(frozen=True, slots=True, eq=False)
class DenseMap:
    """Any linear map: ``weight`` (target neurons, source neurons), both in C order."""

    weight: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class SparseMap:
    """A linear map by its coordinates: ``weight[k]`` leads from ``source[k]`` to ``target[k]``, (n,) each.

    Neurons are counted in C order. Entries ascend by (target, source), and each pair comes once.
    """

    weight: FloatArray
    source: IntArray
    target: IntArray


LinearMap = ConvMap | DenseMap | SparseMap


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Linear map from ``source`` (a population or ``INPUT``) to ``target``.

    Before ``balance-thresholds`` it maps values (spike amplitude = the source's threshold) to values; after it,
    it maps spikes to multiples of the target's threshold. ``delay`` counts steps beyond the one that each costs.
    """

    name: str
    source: str
    target: str
    map: LinearMap
    delay: int = 0
    exponent: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """Integrate-and-fire neurons that replace one activation, or the read-out of a result.

    ``name`` is that of the last layer with weights before the activation.
    ``threshold`` is None for a read-out. ``threshold``, ``initial_potential`` and ``bias`` (per step) broadcast to
    ``shape`` and share a unit: values of the float network before ``balance-thresholds``, after it the
    population's own threshold. ``spike_value`` is what one of T spikes stands for times T: the activation's
    clipping threshold in values of the float network, or one for each channel (C, 1, 1), whatever the unit.
    ``integer_threshold``, set by ``quantize-weights``, is the threshold on the chip, so one unit of potential is
    threshold / integer_threshold.
    ``activation`` names the value of level 1 that the population's rate stands for. ``levels`` and ``shift``
    are those of that activation. ``hold``, set by ``gate-populations``, is how many steps of its window pass before
    the population fires: T where it is gated, else 0. ``closed`` says that it must be silent in the T steps after its
    own, in which gated populations fire. ``reach`` (C,) is the largest potential that the state is to hold, where that
    is not the largest that there can be. One that ``takes_largest`` stands for the largest of what it
    receives and not for the sum: its neurons fire where any source does, and its window is one step. ``payloads`` are
    the least and the largest integer that a message carries: graded neurons send multiples of ``spike_value``, one
    level of the activation, and others ``SPIKES``.
    """

    name: str
    shape: Shape
    threshold: FloatArray | None
    initial_potential: FloatArray
    bias: FloatArray
    spike_value: float | FloatArray
    activation: str
    levels: int | None = None
    shift: float = 0.5
    integer_threshold: FloatArray | None = None
    depth: int = 0
    hold: int = 0
    closed: bool = False
    reach: FloatArray | None = None
    origins: tuple[Origin, ...] = ()
    takes_largest: bool = False
    payloads: tuple[int, int] = SPIKES

    @property
    def levels_per_message(self) -> int | None:
        """Levels of the activation that one spike at every step, or a payload of 1, is worth."""
        least, largest = self.payloads
        return None if self.levels is None else self.levels // (largest - least)

    def rates(self, values: AnyFloat) -> AnyFloat:
        """Rates, or payloads, up to the largest, that ``values`` (N, *shape) of the activation stand for."""
        spike_value = np.asarray(self.spike_value, dtype=values.dtype)
        return np.asarray(np.minimum(values / spike_value, self.payloads[1]))


@dataclass(frozen=True, slots=True)
class InputSignal:
    """The sample as the user gives it (``sample_shape``), permuted by ``axes`` and viewed as ``shape``.

    ``step``, ``minimum`` and ``maximum``, set by ``encode-input``, are those of ``InputEncoding``; from then on
    projections from ``INPUT`` take what is sent, in multiples of ``message_value``. ``spread_over`` is how many steps
    one integer is spread over: T, or 1 where every step sends it. ``integers`` is that of the network.
    """

    sample_shape: Shape
    axes: Shape
    shape: Shape
    step: float = 1.0
    minimum: int = 0
    maximum: int = 0
    integers: tuple[int, int] | None = None
    spread_over: int = 1

    @property
    def levels(self) -> int:
        """How many values of a sample's input are told apart."""
        return self.maximum - self.minimum + 1

    @property
    def message_value(self) -> float:
        """What a message of 1 at every step stands for, in values of the float network."""
        return self.step * self.spread_over

    @property
    def message_range(self) -> tuple[int, int]:
        """Least and largest message of one step."""
        return self.minimum // self.spread_over, -(-self.maximum // self.spread_over)

    def window_range(self, timesteps: int) -> tuple[int, int]:
        """Least and largest sum of the messages of ``timesteps`` steps, a window."""
        times = timesteps // self.spread_over
        return self.minimum * times, self.maximum * times


@dataclass(frozen=True, slots=True, eq=False)
class SpikingNetwork:
    """Populations in topological order, the read-outs last: one for each of the network's results, in their order."""

    name: str
    input: InputSignal
    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]

    @property
    def firing(self) -> tuple[Population, ...]:
        """The populations that fire: all but the read-outs."""
        return tuple(p for p in self.populations if p.threshold is not None)

    @property
    def readouts(self) -> tuple[Population, ...]:
        """The populations whose potentials are the results."""
        return tuple(p for p in self.populations if p.threshold is None)

    @property
    def readout(self) -> Population:
        """The first read-out: labels refer to it."""
        return self.readouts[0]

    def population(self, name: str) -> Population:
        """Return the population called ``name``; KeyError if there is none."""
        for population in self.populations:
            if population.name == name:
                return population
        raise KeyError(name)

    def incoming(self, target: str) -> tuple[Projection, ...]:
        """Projections into ``target``."""
        return tuple(p for p in self.projections if p.target == target)

    def fires_after(self, source: str) -> int:
        """Steps of its window that pass before ``source``, a population or ``INPUT``, sends."""
        return 0 if source == INPUT else self.population(source).hold

    def source_shape(self, projection: Projection) -> Shape:
        """Shape of what feeds ``projection``."""
        return self.input.shape if projection.source == INPUT else self.population(projection.source).shape

    def with_parts(
        self,
        populations: tuple[Population, ...] | None = None,
        projections: tuple[Projection, ...] | None = None,
    ) -> SpikingNetwork:
        """Return the same network with other populations or projections."""
        return replace(
            self,
            populations=self.populations if populations is None else populations,
            projections=self.projections if projections is None else projections,
        )
