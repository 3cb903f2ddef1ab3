"""What a chip offers, as frozen data: the keys of its description."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, field, fields
from typing import TYPE_CHECKING

from .cost import Cost
from .facts import FACTS, WORD, Choices, Fact, Flag, Models, Number, limit, required
from .layer_cores import LayerCores
from .records import dataclass

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Synaptic weights: multiples of ``step`` within +-``maximum``, all of a projection shifted left by 0..exponent."""

    maximum: Number = required("weight units", 1)
    step: Number = required("weight units", 1)
    exponent_maximum: Number = required("bits", 0, WORD)


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

    weight_bits: Choices | None = limit("bits")
    index_bits_minimum: Number | None = limit("bits")
    block_size: Number | None = limit("synapses", 1)
    block_header_bits: Number | None = limit("bits")
    word_bits: Number | None = limit("bits", 1)
    delay_with_weight: Flag | None = field(default=None)
    population_axons: Flag | None = field(default=None)
    axon_base_maximum: Number | None = limit("compartments")
    population_axon_slots: Number | None = limit("axons", 1)
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
    ``event_driven`` neurons compare after every spike that comes in, and know no steps; ``clocked_bias`` is added by a
    clock of the chip's own. ``payload_bits`` are those of the integer in a graded neuron's message, a sign included,
    which only neurons with ``signed_payloads`` send.
    """

    state_bits: Number = required("bits", 2, WORD)
    input_shift: Number = required("bits", 0, WORD)
    compartments_per_neuron: Number = required("compartments", 1)
    native_subtractive_reset: Flag
    event_driven: Flag | None = field(default=None)
    clocked_bias: Flag | None = field(default=None)
    models: Models | None = field(default=None)
    input_bits_maximum: Number | None = limit("bits", 1, WORD)
    threshold_maximum: Number | None = limit("weight units", 1)
    threshold_configurations: Number | None = limit("thresholds", 1)
    threshold_step: Number | None = limit("weight units", 1)
    spike_lowers_state: Flag | None = field(default=None)
    lava_processes: Flag | None = field(default=None)
    pulsed_bias: Flag | None = field(default=None)
    payload_bits: Number | None = limit("bits", 2, 32)
    signed_payloads: Flag | None = field(default=None)
    bias_mantissa_maximum: Number | None = limit("state units", 0, 2**31)
    bias_exponent_maximum: Number | None = limit("bits", 0, 31)


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What one core has; None is no limit or not publicly known (see the target's notes)."""

    neurons: Number | None = limit("compartments", 1)
    input_axons: Number | None = limit("axons", 1)
    output_axons: Number | None = limit("axons", 1)
    synapse_memory_bits: Number | None = limit("bits", 1)
    synapse_formats: Number | None = limit("formats", 1)
    compartment_configurations: Number | None = limit("configurations", 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """What one chip has: ``mesh_columns`` (east to west) x ``mesh_rows`` tiles that share a router each.

    ``host_messages`` are those that a host can send to it in one step.
    """

    cores: Number | None = limit("cores", 1)
    synapses: Number | None = limit("synapses", 1)
    cores_per_tile: Number | None = limit("cores", 1)
    mesh_columns: Number | None = limit("tiles", 1)
    mesh_rows: Number | None = limit("tiles", 1)
    host_messages: Number | None = limit("messages", 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A chip or a simulator that programs are compiled for.

    ``notes`` say what is not publicly known. ``delay_maximum`` counts steps beyond the one that a projection
    costs; ``graded_input`` are the bits of the integers that the input may send, a sign included. ``cost`` is None
    where no figures per event are published; no verdict rests on it. ``layer_cores`` is set where a core computes a
    whole layer; ``synapses`` and ``core`` then say nothing.
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
    layer_cores: LayerCores | None = None
    delay_maximum: Number | None = limit("steps")
    graded_input: Number | None = limit("bits", 1)

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
            if isinstance(value, (Weights, SynapseFormat, Neuron, Core, Chip, Cost, LayerCores)):
                for inner in fields(value):
                    fact = getattr(value, inner.name)
                    if fact is not None:
                        yield f"{entry.name}.{inner.name}", fact
            elif isinstance(value, FACTS):
                yield entry.name, value

    @property
    def largest_payload(self) -> int:
        """Largest payload of a graded neuron: that of 32 bits, sign included, where there is no limit."""
        bits = 32 if self.neuron.payload_bits is None else self.neuron.payload_bits.value
        return (1 << bits - 1) - 1

    @property
    def has_signed_payloads(self) -> bool:
        """Whether graded neurons send integers below 0 too."""
        return self.neuron.signed_payloads is not None and self.neuron.signed_payloads.value

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
