"""The executable form of a spiking network: integers only, exactly what a chip would be loaded with."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...targets.records import dataclass
from .frozen_arrays import freeze
from .geometry import ConvGeometry
from .neuron_models import COS, PLAIN_IF, NeuronModel

IntArray = npt.NDArray[np.int64]
Weights = npt.NDArray[np.signedinteger[Any]]
"""Weights of a map, as narrow as they are stored: products and sums of them need a wider type."""
Shape = tuple[int, ...]

INPUT = "input"
"""Name of the source of graded input in ``Projection.source``."""

SPIKES = (0, 1)
"""``Population.payloads`` of neurons that send spikes: nothing, or one."""


@dataclass(frozen=True, slots=True, eq=False)
class ConvSynapses:
    """Shared weights: ``weight`` (O, I/groups, rows, columns), torch's cross-correlation, source (I, H, W)."""

    weight: Weights
    geometry: ConvGeometry

    def __post_init__(self) -> None:
        """Nothing can be written to its arrays from now on."""
        freeze(self)


@dataclass(frozen=True, slots=True, eq=False)
class DenseSynapses:
    """All-to-all weights: ``weight`` (target neurons, source neurons), both flattened in C order."""

    weight: Weights

    def __post_init__(self) -> None:
        """Nothing can be written to its arrays from now on."""
        freeze(self)


@dataclass(frozen=True, slots=True, eq=False)
class SparseSynapses:
    """Weights with coordinates: ``weight[k]`` leads from neuron ``source[k]`` to neuron ``target[k]``, (n,) each.

    Neurons are counted in C order. Entries ascend by (target, source), each pair comes once, and no weight is 0; n = 0
    connects nothing.
    """

    weight: IntArray
    source: IntArray
    target: IntArray

    def __post_init__(self) -> None:
        """Nothing can be written to its arrays from now on."""
        freeze(self)

    @classmethod
    def of_matrix(cls, matrix: Weights) -> SparseSynapses:
        """Every entry of ``matrix`` (target neurons, source neurons) other than 0."""
        target, source = np.nonzero(matrix)
        return cls(matrix[target, source].astype(np.int64), source, target)


Synapses = ConvSynapses | DenseSynapses | SparseSynapses


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
        return self.synapses.weight.astype(np.int64) << self.exponent


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """Reset-by-subtraction integrate-and-fire neurons of one layer.

        u = saturate(v + sum of synaptic input + bias);  s = u >= threshold;  v = u - threshold * s

    with v = ``initial_potential`` at the first step of each sample's window. ``threshold``,
    ``initial_potential`` and ``bias`` are integers that broadcast to ``shape``. ``threshold`` None is a read-out:
    it integrates and never fires, and its potential after T steps is a result.
    ``depth`` k places the window of sample n at steps n*P + k + 1 .. n*P + k + P, with P = ``Program.window``.
    Its sources' spikes arrive at the window's first T steps. A ``gated`` population is kept below threshold while it
    integrates them and fires in the T steps after that; any other fires as it integrates.
    ``payloads`` are the least and the largest integer that a message carries, ``SPIKES`` for every neuron but those of
    the model ``graded``, whose messages are the quotient of u and the threshold.
    """

    name: str
    shape: Shape
    threshold: IntArray | None
    initial_potential: IntArray
    bias: IntArray
    depth: int
    gated: bool = False
    payloads: tuple[int, int] = SPIKES

    def __post_init__(self) -> None:
        """Nothing can be written to its arrays from now on."""
        freeze(self)

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return int(np.prod(self.shape))


@dataclass(frozen=True, slots=True, eq=False)
class Pulse:
    """Input that ``target`` gets once in every window, at its step ``step`` (from 1): ``potential``, in weight units.

    On the chip it is ``axons`` axons that fire together, each with synapses weight * 2**exponent onto the
    population, or (``axons`` 0) a bias of that value set for one step. ``weight`` broadcasts to the population's shape.
    """

    name: str
    target: str
    step: int
    weight: IntArray
    exponent: int = 0
    axons: int = 1

    def __post_init__(self) -> None:
        """Nothing can be written to its arrays from now on."""
        freeze(self)

    @property
    def potential(self) -> IntArray:
        """What each neuron's potential is raised by; broadcasts to the population's shape."""
        return (self.weight << self.exponent) * max(self.axons, 1)


@dataclass(frozen=True, slots=True)
class InputEncoding:
    """How an image becomes the graded integers that are sent at the first T steps of its window (direct encoding).

    x_int = clip(round(x / step), minimum, maximum), after the axes of the user's sample (``sample_shape``)
    are permuted by ``axes`` and reshaped to ``shape``. Bytes count as x = byte / 255, unless the model takes integers:
    then ``integers``, the smallest and the largest that its input can hold, is given, and x is the integer. Both
    ``minimum`` and ``maximum`` are part of the overflow proof.

    The same x_int is sent at every step, or, where it is ``spread``, once in the window: at step t = 0..T-1

        x_t = floor((t+1) x_int / T) - floor(t x_int / T)

    which is x_int / T rounded down or up, and adds up to x_int over the T steps without loss.

    Samples that change in time have a frame for each of the T steps. Step t then sends the integer of its own frame
    or, where the input is ``spread``, floor(C(t+1) / T) - floor(C(t) / T), with C(t) the sum of the integers of the
    first t frames; equal frames give the messages of the constant sample. Both stay in the range that the overflow
    proof has for constant samples, step by step and summed up. ``frames`` says that the program was compiled for such
    samples: then no count that its schedule keeps exact rests on equal frames.
    """

    sample_shape: Shape
    axes: tuple[int, ...]
    shape: Shape
    step: float
    minimum: int
    maximum: int
    integers: tuple[int, int] | None = None
    spread: bool = False
    frames: bool = False

    def messages(self, samples: IntArray, step: int, timesteps: int) -> IntArray:
        """What is sent of constant ``samples`` (..., *shape) at ``step`` 0..T-1 of a window of ``timesteps``."""
        if not self.spread:
            return samples
        return np.asarray((step + 1) * samples // timesteps - step * samples // timesteps)

    def has_frames(self, encoded: IntArray) -> bool:
        """Whether ``encoded`` samples are frames (N, T, *shape), the messages of each step, and not (N, *shape)."""
        return encoded.ndim == len(self.shape) + 2

    def sent(self, encoded: IntArray, step: int, timesteps: int) -> IntArray:
        """What is sent (N, *shape) at ``step`` of ``encoded`` samples, constant ones or frames."""
        frames = self.has_frames(encoded)
        return np.asarray(encoded[:, step] if frames else self.messages(encoded, step, timesteps))

    def message_range(self, timesteps: int) -> tuple[int, int]:
        """Least and largest integer that is sent at any one step of a window of ``timesteps``."""
        if not self.spread:
            return self.minimum, self.maximum
        return self.minimum // timesteps, -(-self.maximum // timesteps)

    def window_range(self, timesteps: int) -> tuple[int, int]:
        """Least and largest sum of what is sent in a window of ``timesteps``."""
        times = 1 if self.spread else timesteps
        return self.minimum * times, self.maximum * times


@dataclass(frozen=True, slots=True)
class Output:
    """One of several outputs: its ``name`` in the model, and the population that is its ``readout``.

    ``score_unit`` is that of its scores, see ``Program``. Outputs with the same scores share a read-out.
    """

    name: str
    readout: str
    score_unit: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A spiking network in chip integers. Populations are in topological order; read-outs, one or more, are the last.

    ``state_minimum`` and ``state_maximum`` bound the saturating membrane potential, in weight units.
    ``schedule`` is ``pipelined`` where no population is gated, ``exact`` where every population is whose count could
    depend on the timing of spikes, else ``mixed``. ``target`` names the chip description it was compiled for.
    ``neuron`` is the model of every firing population; any but ``PLAIN_IF`` needs the schedule ``pipelined``.
    ``score_unit`` times a read-out's final potential is the score as the float network gives it; None where unknown.
    Where the program was compiled for several ``outputs``, they are listed, each with its own unit, in the order that
    they were named in; labels refer to the first.
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
    pulses: tuple[Pulse, ...] = ()
    neuron: NeuronModel = PLAIN_IF
    score_unit: float | None = None
    outputs: tuple[Output, ...] = ()

    @property
    def firing(self) -> tuple[Population, ...]:
        """The populations that fire: all but the read-outs."""
        return tuple(p for p in self.populations if p.threshold is not None)

    @property
    def readouts(self) -> tuple[Population, ...]:
        """The populations whose final potentials are the results."""
        return tuple(p for p in self.populations if p.threshold is None)

    @property
    def readout(self) -> Population:
        """The first read-out: labels and predictions refer to it."""
        return self.readouts[0]

    @property
    def named_outputs(self) -> tuple[Output, ...]:
        """Its outputs; a single one is called as its read-out."""
        return self.outputs or (Output(self.readout.name, self.readout.name, self.score_unit),)

    @property
    def depth(self) -> int:
        """Steps from the input to the window of the last read-out."""
        return max(p.depth for p in self.readouts)

    @property
    def window(self) -> int:
        """Steps from one sample to the next: a neuron model's first passes, then T.

        2T where a population is gated, for it fires after it integrated.
        """
        return self.first_pass_steps + self.timesteps * (2 if any(p.gated for p in self.populations) else 1)

    @property
    def first_pass_steps(self) -> int:
        """Steps of every window before the T that count: tau for ``srp``; for ``cos`` rho for each layer in turn.

        In turn come the firing populations on the longest path.
        """
        phases = max(self.levels().values()) if self.neuron.name == COS else 1
        return self.neuron.first_pass * phases

    def levels(self) -> dict[str, int]:
        """Firing populations on the longest path from the input to each, itself included; ``INPUT`` is 0."""
        found = {INPUT: 0}
        for population in self.populations:
            before = max((found[p.source] for p in self.incoming(population.name)), default=0)
            found[population.name] = before + (0 if population.threshold is None else 1)
        return found

    @property
    def latency(self) -> int:
        """Steps from a sample's first input to its last read-out: depth + first passes + T."""
        return self.depth + self.first_pass_steps + self.timesteps

    def steps(self, samples: int) -> int:
        """Steps until the last of ``samples`` samples is read out: (N - 1) * window + latency."""
        return (samples - 1) * self.window + self.latency

    def fires_after(self, name: str) -> int:
        """Steps of the window that pass before ``name``, a population or ``INPUT``, begins to send: T where gated."""
        return self.timesteps if name != INPUT and self.population(name).gated else 0

    def potential_of_pulses(self, target: str) -> dict[int, IntArray]:
        """Summed pulses into ``target`` by step of its window (from 1)."""
        summed: dict[int, IntArray] = {}
        for pulse in self.pulses:
            if pulse.target == target:
                summed[pulse.step] = summed.get(pulse.step, np.zeros((), dtype=np.int64)) + pulse.potential
        return summed

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


def latency_with_gates(program: Program, gates: frozenset[str]) -> int:
    """Steps from a sample's first input to its last read-out if just the populations in ``gates`` were gated."""
    sends_after = {INPUT: 0}
    for population in program.populations:
        depth = 1 + max(sends_after[p.source] for p in program.incoming(population.name))
        sends_after[population.name] = depth + (program.timesteps if population.name in gates else 0)
    return max(sends_after[p.name] for p in program.readouts) + program.timesteps
