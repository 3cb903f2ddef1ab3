"""The figure that each finding against a target judges, of any program on any target: what a trial has to lower."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass as mutable_dataclass

import numpy as np

from ..runtime.program import IntArray, Program
from ..runtime.progress import Report as Progress
from ..runtime.progress import untold
from ..targets import Number, Target
from ..targets.records import dataclass
from .analysis.host import host_messages
from .checks.numbers import signed_bits, worst_input
from .mapping import Placement, place
from .mapping.place_layers import LayerOnCore, layers_on_cores


@mutable_dataclass
class Placed:
    """``program`` on ``target``; placed when a figure first asks for it, unless it is ``known``.

    ``placing`` is asked then for what is told of it.
    """

    program: Program
    target: Target
    known: Placement | None = None
    placing: Callable[[], Progress] = lambda: untold

    @property
    def placement(self) -> Placement:
        """Which cores hold what."""
        if self.known is None:
            self.known = place(self.program, self.target, self.placing())
        return self.known


Measure = Callable[[Placed], int]


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """``measured`` of a program as placed on a target, where ``limit`` is what the target has: None is no limit.

    ``of`` says what is counted where none may be. Weights of fewer bits can lower it where ``by_bits``, and a longer
    window where ``by_window``.
    """

    measured: Measure
    limit: Callable[[Target], int | None]
    of: str = ""
    by_bits: bool = False
    by_window: bool = False


def _value(number: Number | None) -> int | None:
    return None if number is None else number.value


def _single_neuron(resource: str) -> Measure:
    def most(each: Placed) -> int:
        uses = [use for layer in each.placement.layers for use in layer.uses if use.name == resource]
        return max((use.single_neuron for use in uses), default=0)

    return most


def _cores_for_thresholds(each: Placed) -> int:
    return sum(max(layer.boxes - layer.cores_any_threshold, 0) for layer in each.placement.layers)


def _largest_weight(each: Placed) -> int:
    held = [p.synapses.weight for p in each.program.projections] + [p.weight for p in each.program.pulses if p.axons]
    return max(max(int(weight.max(initial=0)), -int(weight.min(initial=0))) for weight in held)


def _between_steps(each: Placed) -> int:
    step = each.target.weights.step.value
    return sum(int(np.count_nonzero(p.synapses.weight % step)) for p in each.program.projections)


def _largest_exponent(each: Placed) -> int:
    return max(p.exponent for p in each.program.projections)


def _largest_threshold(each: Placed) -> int:
    return max((int(p.threshold.max()) for p in each.program.populations if p.threshold is not None), default=0)


def _biases_beyond(each: Placed) -> int:
    return sum(int(np.count_nonzero(~each.target.bias_representable(p.bias))) for p in each.program.populations)


def _outside(values: IntArray, target: Target) -> int:
    return int(np.count_nonzero((values < target.state_minimum) | (values > target.state_maximum)))


def _starts_outside(each: Placed) -> int:
    return sum(_outside(p.initial_potential, each.target) for p in each.program.populations)


def _longest_delay(each: Placed) -> int:
    return max(p.delay for p in each.program.projections)


def _state_beyond(each: Placed) -> int:
    program, target = each.program, each.target
    return max(target.state_minimum - program.state_minimum, program.state_maximum - target.state_maximum, 0)


def _bits_of_input(each: Placed) -> int:
    return max(signed_bits(*worst_input(each.program, p.name)) for p in each.program.populations)


def _bits_of_messages(each: Placed) -> int:
    low, high = each.program.input.message_range(each.program.timesteps)
    return max(high, 0).bit_length() if low >= 0 else signed_bits(low, high)


def _unlike_neurons(each: Placed) -> int:
    return 0 if each.target.has_neuron(each.program.neuron.name) else sum(p.neurons for p in each.program.firing)


def _sent_by_host(each: Placed) -> int:
    return host_messages(each.program, each.target, each.placement).sent


def _layers_misfitting(each: Placed) -> int:
    return sum(bool(one.layer.misfits) for one in _on_layer_cores(each))


def _layers_without_room(each: Placed) -> int:
    return sum(not one.cores for one in _on_layer_cores(each))


def _layers_left(each: Placed) -> int:
    return sum(bool(one.cores) and one.core is None for one in _on_layer_cores(each))


def _on_layer_cores(each: Placed) -> tuple[LayerOnCore, ...]:
    cores = each.target.layer_cores
    return () if cores is None else layers_on_cores(each.program, cores)


def suits_layer_cores(each: Placed) -> bool:
    """Whether every layer has a core, where the target's cores compute a layer each."""
    return all(one.core is not None and not one.layer.misfits for one in _on_layer_cores(each))


def _none_at_all(_: Target) -> int:
    return 0


FIGURES: dict[str, Figure] = {
    "301": Figure(_single_neuron("input axons"), lambda t: _value(t.core.input_axons)),
    "302": Figure(_single_neuron("output axons"), lambda t: _value(t.core.output_axons), by_bits=True),
    "303": Figure(_single_neuron("synapse memory"), lambda t: _value(t.core.synapse_memory_bits), by_bits=True),
    "304": Figure(_single_neuron("neurons"), lambda t: _value(t.core.neurons)),
    "305": Figure(lambda each: each.placement.cores, lambda t: _value(t.chip.cores), by_bits=True),
    "307": Figure(_cores_for_thresholds, _none_at_all, "cores that thresholds cost"),
    "308": Figure(_largest_weight, lambda t: t.weights.maximum.value, by_bits=True),
    "309": Figure(_between_steps, _none_at_all, "weights"),
    "310": Figure(_largest_exponent, lambda t: t.weights.exponent_maximum.value),
    "311": Figure(_largest_threshold, lambda t: t.threshold_limit.value, by_bits=True),
    "312": Figure(_biases_beyond, _none_at_all, "biases", by_bits=True),
    "313": Figure(_starts_outside, _none_at_all, "potentials", by_bits=True),
    "314": Figure(_longest_delay, lambda t: _value(t.delay_maximum)),
    "315": Figure(_state_beyond, _none_at_all, "weight units beyond"),
    "316": Figure(_bits_of_input, lambda t: _value(t.neuron.input_bits_maximum), by_bits=True),
    "317": Figure(_bits_of_messages, lambda t: _value(t.graded_input), by_window=True),
    "319": Figure(_unlike_neurons, _none_at_all, "neurons"),
    "320": Figure(lambda each: each.placement.synapses, lambda t: _value(t.chip.synapses)),
    "321": Figure(_single_neuron("threshold configurations"), lambda t: _value(t.neuron.threshold_configurations)),
    "322": Figure(_single_neuron("synapse formats"), lambda t: _value(t.core.synapse_formats)),
    "323": Figure(_single_neuron("compartment configurations"), lambda t: _value(t.core.compartment_configurations)),
    "324": Figure(_sent_by_host, lambda t: _value(t.chip.host_messages)),
    "325": Figure(_layers_misfitting, _none_at_all, "layers"),
    "326": Figure(_layers_without_room, _none_at_all, "layers"),
    "327": Figure(_layers_left, _none_at_all, "layers"),
}
"""By the number of the finding's code."""
