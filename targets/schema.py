"""What a chip offers, as frozen data; every number carries its unit, its source and how far it can be trusted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, field, fields
from enum import Enum
from typing import TYPE_CHECKING, Any

from .records import dataclass

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    IntArray = npt.NDArray[np.int64]


class Status(str, Enum):
    """How a number is known."""

    PUBLISHED = "published"
    READ = "read-in-peer-source"
    MEASURED = "measured"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number in ``unit`` and where it was read.

    ``value`` is what programs are judged by. ``least`` and ``most`` bound what the truth can be, where sources disagree
    or where an assumption is one to the safe side: two compartments per neuron where one may do, 120 cores of 128.
    """

    value: int
    unit: str
    source: str
    status: Status
    least: int | None = None
    most: int | None = None

    @property
    def assumed(self) -> bool:
        """No source states the number."""
        return self.status is Status.ASSUMED

    def leaves_open(self, used: int) -> bool:
        """Whether ``used``, which is more than ``value``, need not be too much."""
        return self.assumed if self.most is None else used <= self.most


@dataclass(frozen=True, slots=True)
class Choices:
    """The whole numbers a chip can be set to, ascending, in ``unit``."""

    values: tuple[int, ...]
    unit: str
    source: str
    status: Status

    @property
    def assumed(self) -> bool:
        """No source states the numbers."""
        return self.status is Status.ASSUMED


@dataclass(frozen=True, slots=True)
class Flag:
    """Whether a chip can do something, and where that was read."""

    value: bool
    source: str
    status: Status

    @property
    def assumed(self) -> bool:
        """No source states it."""
        return self.status is Status.ASSUMED


NEURON_MODELS = ("if", "srp", "cos", "msat")
"""Neuron models by name: plain integrate-and-fire, and those of ``spikec.runtime.neuron_models``."""


@dataclass(frozen=True, slots=True)
class Models:
    """The neuron models a target has, of ``NEURON_MODELS``, and where that was read."""

    values: tuple[str, ...]
    source: str
    status: Status

    @property
    def assumed(self) -> bool:
        """No source states it."""
        return self.status is Status.ASSUMED


Fact = Number | Choices | Flag | Models
FACTS = (Number, Choices, Flag, Models)


_MOST = 2**53
"""No chip has more of anything, and arithmetic with it stays within 64 bits."""

_WORD = 62
"""Widest integer that every backend computes with, in bits."""


def _required(unit: str, least: int = 0, most: int = _MOST) -> Any:
    return field(metadata={"unit": unit, "least": least, "most": most})


def _limit(unit: str, least: int = 0, most: int = _MOST) -> Any:
    return field(default=None, metadata={"unit": unit, "least": least, "most": most})


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Synaptic weights: multiples of ``step`` within +-``maximum``, all of a projection shifted left by 0..exponent."""

    maximum: Number = _required("weight units", 1)
    step: Number = _required("weight units", 1)
    exponent_maximum: Number = _required("bits", 0, _WORD)


@dataclass(frozen=True, slots=True, kw_only=True)
class SynapseFormat:
    """How a core stores the synapses of one input axon: blocks of a header and entries, padded to memory words.

    ``weight_bits`` lists the widths a weight can have (sign included); ``index_bits_minimum`` is the narrowest
    index of a target neuron, None where an entry has no index. With ``delay_with_weight`` an entry holds its delay.

    With ``population_axons`` one input axon can stand for a pixel of a convolution's source, its spikes naming a
    channel, and axons share lists that each shifts by at most ``axon_base_maximum`` neurons; such an axon takes
    ``population_axon_slots`` output axons of its source's core. With ``shared_axons`` several neurons can send to one
    input axon. With ``kernels_once`` a core holds each weight of a
    convolution once, however that is done.
    """

    weight_bits: Choices | None = _limit("bits")
    index_bits_minimum: Number | None = _limit("bits")
    block_size: Number | None = _limit("synapses", 1)
    block_header_bits: Number | None = _limit("bits")
    word_bits: Number | None = _limit("bits", 1)
    delay_with_weight: Flag | None = field(default=None)
    population_axons: Flag | None = field(default=None)
    axon_base_maximum: Number | None = _limit("compartments")
    population_axon_slots: Number | None = _limit("axons", 1)
    shared_axons: Flag | None = field(default=None)
    kernels_once: Flag | None = field(default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Neuron:
    """Integrate-and-fire neurons.

    The signed state has ``state_bits``; synaptic input, threshold and initial potential enter it shifted left by
    ``input_shift``, so one weight unit is ``1 << input_shift`` state units. ``input_bits_maximum`` are the signed
    bits of the summed synaptic input of one step in weight units. A bias is mantissa << exponent in state units.
    With ``pulsed_bias`` it can be set for a single step of every window. None is no limit, but for ``models``: there
    it is plain integrate-and-fire alone. Thresholds are multiples of ``threshold_step``. Where ``spike_lowers_state``
    is false, a spike raises something else instead, and the state has to hold the sum of a window's input. With
    ``lava_processes`` neurons are LIF and ATRLIF processes of Lava's, which have rules of their own.
    """

    state_bits: Number = _required("bits", 2, _WORD)
    input_shift: Number = _required("bits", 0, _WORD)
    compartments_per_neuron: Number = _required("compartments", 1)
    native_subtractive_reset: Flag
    models: Models | None = field(default=None)
    input_bits_maximum: Number | None = _limit("bits", 1, _WORD)
    threshold_maximum: Number | None = _limit("weight units", 1)
    threshold_configurations: Number | None = _limit("thresholds", 1)
    threshold_step: Number | None = _limit("weight units", 1)
    spike_lowers_state: Flag | None = field(default=None)
    lava_processes: Flag | None = field(default=None)
    pulsed_bias: Flag | None = field(default=None)
    bias_mantissa_maximum: Number | None = _limit("state units", 0, 2**31)
    bias_exponent_maximum: Number | None = _limit("bits", 0, 31)


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What one core has; None is no limit or not publicly known (see the target's notes)."""

    neurons: Number | None = _limit("compartments", 1)
    input_axons: Number | None = _limit("axons", 1)
    output_axons: Number | None = _limit("axons", 1)
    synapse_memory_bits: Number | None = _limit("bits", 1)
    synapse_formats: Number | None = _limit("formats", 1)
    compartment_configurations: Number | None = _limit("configurations", 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """What one chip has: ``mesh_columns`` (east to west) x ``mesh_rows`` tiles that share a router each.

    ``host_messages`` are those that a host can send to it in one step.
    """

    cores: Number | None = _limit("cores", 1)
    synapses: Number | None = _limit("synapses", 1)
    cores_per_tile: Number | None = _limit("cores", 1)
    mesh_columns: Number | None = _limit("tiles", 1)
    mesh_rows: Number | None = _limit("tiles", 1)
    host_messages: Number | None = _limit("messages", 1)


_MOST_OF_A_COST = 10**12
"""No event of a chip takes a millijoule or a second."""


def _energy() -> Any:
    return _required("fJ", 0, _MOST_OF_A_COST)


def _time() -> Any:
    return _required("ps", 0, _MOST_OF_A_COST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What events take of energy (fJ) and of their core's time (ps); whole numbers, so that sums are exact.

    A neuron is accessed at every step, updated where its state changes, and spikes. A synaptic event is one synapse
    that a spike reaches. A message goes out once for each core that a spike reaches, comes in there, and takes a hop
    from tile to tile. A step ends with a barrier over all tiles in use: ``barrier_times[i]`` where they are
    ``barrier_tiles[i]`` or more.
    """

    synaptic_event_energy: Number = _energy()
    synaptic_event_time: Number = _time()
    neuron_access_energy: Number = _energy()
    neuron_access_time: Number = _time()
    neuron_update_energy: Number = _energy()
    neuron_update_time: Number = _time()
    spike_energy: Number = _energy()
    spike_time: Number = _time()
    message_out_energy: Number = _energy()
    message_out_time: Number = _time()
    message_in_energy: Number = _energy()
    message_in_time: Number = _time()
    hop_east_west_energy: Number = _energy()
    hop_east_west_time: Number = _time()
    hop_north_south_energy: Number = _energy()
    hop_north_south_time: Number = _time()
    barrier_tiles: Choices = _required("tiles", 1)
    barrier_times: Choices = _required("ps", 0, _MOST_OF_A_COST)

    def barrier_time(self, tiles: int) -> int:
        """Picoseconds that a barrier over ``tiles`` tiles takes."""
        steps, times = self.barrier_tiles.values, self.barrier_times.values
        reached = [time for least, time in zip(steps, times, strict=True) if least <= tiles]
        return reached[-1] if reached else times[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A chip or a simulator that programs are compiled for.

    ``notes`` say what is not publicly known. ``delay_maximum`` counts steps beyond the one that a projection
    costs; ``graded_input`` are the bits of the integers that the input may send, a sign included. ``cost`` is None
    where no figures per event are published; no verdict rests on it.
    """

    name: str
    title: str
    backends: tuple[str, ...]
    notes: tuple[str, ...] = ()
    weights: Weights
    neuron: Neuron
    synapses: SynapseFormat = SynapseFormat()
    core: Core = Core()
    chip: Chip = Chip()
    cost: Cost | None = None
    delay_maximum: Number | None = _limit("steps")
    graded_input: Number | None = _limit("bits", 1)

    @property
    def state_minimum(self) -> int:
        """Least membrane potential in weight units: -131072 for 24 bits of state under a shift of 6."""
        return -(1 << self.neuron.state_bits.value - 1) >> self.neuron.input_shift.value

    @property
    def state_maximum(self) -> int:
        """Largest membrane potential in weight units: 131071 for 24 bits of state under a shift of 6."""
        return (1 << self.neuron.state_bits.value - 1) - 1 >> self.neuron.input_shift.value

    @property
    def threshold_limit(self) -> Number:
        """Largest threshold in weight units: the chip's own limit, or else the largest membrane potential."""
        state = self.neuron.state_bits
        return self.neuron.threshold_maximum or Number(self.state_maximum, "weight units", state.source, state.status)

    @property
    def state_holds_window(self) -> bool:
        """Whether no spike lowers the state, so that it holds all that a window adds to it."""
        lowers = self.neuron.spike_lowers_state
        return lowers is not None and not lowers.value

    @property
    def threshold_step(self) -> int:
        """What thresholds are multiples of, in weight units."""
        return 1 if self.neuron.threshold_step is None else self.neuron.threshold_step.value

    def bias_representable(self, bias: IntArray) -> npt.NDArray[np.bool_]:
        """Whether each bias, in weight units, is a mantissa << exponent that the chip can hold; same shape."""
        equal: npt.NDArray[np.bool_] = self.nearest_bias(bias) == bias
        return equal

    def nearest_bias(self, bias: IntArray) -> IntArray:
        """Return the nearest bias in weight units that the chip can hold, for each of ``bias``; same shape."""
        import numpy as np

        weight_units = np.asarray(bias, dtype=np.int64)
        if self.neuron.bias_mantissa_maximum is None:
            return weight_units
        best: IntArray = np.zeros_like(weight_units)
        for unit, largest in self._bias_grids():
            magnitude = np.minimum((np.abs(weight_units) + (1 << unit >> 1)) >> unit, largest) << unit
            candidate = np.sign(weight_units) * magnitude
            best = np.where(np.abs(candidate - weight_units) < np.abs(best - weight_units), candidate, best)
        return best

    def pulsed_bias_at_least(self, least: IntArray) -> IntArray | None:
        """Smallest biases of one step, in weight units, that are not below ``least`` (>= 0); same shape.

        None where the chip cannot set a bias for one step, or none that large.
        """
        import numpy as np

        if self.neuron.pulsed_bias is None or not self.neuron.pulsed_bias.value:
            return None
        if self.neuron.bias_mantissa_maximum is None:
            return least
        too_large = np.iinfo(np.int64).max
        best = np.full_like(least, too_large)
        for unit, largest in self._bias_grids():
            steps = -(-least >> unit)
            best = np.where(steps <= largest, np.minimum(best, steps << unit), best)
        return None if (best == too_large).any() else best

    def _bias_grids(self) -> Iterator[tuple[int, int]]:
        """Per exponent, the biases that there are: multiples of 1 << unit weight units, up to ``largest`` of them."""
        mantissa, exponent_maximum = self.neuron.bias_mantissa_maximum, self.neuron.bias_exponent_maximum
        assert mantissa is not None, "a bias without a mantissa has no grid"
        shift = self.neuron.input_shift.value
        for exponent in range(exponent_maximum.value + 1 if exponent_maximum else 1):
            unit = max(exponent - shift, 0)
            yield unit, (mantissa.value << exponent >> shift) >> unit

    def facts(self) -> Iterator[tuple[str, Fact]]:
        """Every number and flag that is set, under its dotted key, in the order of the schema."""
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, (Weights, SynapseFormat, Neuron, Core, Chip, Cost)):
                for inner in fields(value):
                    fact = getattr(value, inner.name)
                    if fact is not None:
                        yield f"{entry.name}.{inner.name}", fact
            elif isinstance(value, FACTS):
                yield entry.name, value

    def has_neuron(self, model: str) -> bool:
        """Whether the target's neurons can be of the ``model`` of that name."""
        return model in (("if",) if self.neuron.models is None else self.neuron.models.values)

    def assumed(self) -> tuple[str, ...]:
        """Keys of the numbers that no source states."""
        return tuple(key for key, fact in self.facts() if fact.assumed)

    def unbounded(self) -> tuple[str, ...]:
        """Keys of the assumed numbers that could as well be worse for a program; a verdict rests on them."""
        return tuple(
            key
            for key, fact in self.facts()
            if fact.assumed
            and not key.startswith("cost.")
            and not (isinstance(fact, Number) and (fact.least, fact.most) != (None, None))
        )

    @property
    def digest(self) -> str:
        """SHA-256 of everything in the description, in hexadecimal."""
        text = json.dumps(asdict(self), sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()
