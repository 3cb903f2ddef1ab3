"""Design rules: does a program fit a target? Each rule is a generator of diagnostics, all of them in ``RULES``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from ...runtime.program import Program
from ...targets import Target
from ...targets.diagnostic import Diagnostic
from ..mapping import Placement
from .layer_cores import cores_of_layers, layers_of_cores, memory_of_layers
from .neurons import (
    clocked_biases,
    event_driven_neurons,
    graded_messages,
    lava_processes,
    neuron_model,
    neuron_state_range,
)
from .numbers import (
    bias_representable,
    delay_range,
    exponent_range,
    graded_input_bits,
    initial_potential_range,
    state_range,
    summed_input_bits,
    threshold_range,
    weight_range,
    weight_step,
)
from .resources import (
    chip_cores,
    chip_synapses,
    messages_of_host,
    single_neuron_resources,
    threshold_configurations,
)

Rule = Callable[[Program, Target, Placement], Iterator[Diagnostic]]

RULES: tuple[Rule, ...] = (
    weight_range,
    weight_step,
    exponent_range,
    threshold_range,
    bias_representable,
    initial_potential_range,
    state_range,
    delay_range,
    graded_input_bits,
    summed_input_bits,
    single_neuron_resources,
    threshold_configurations,
    chip_cores,
    chip_synapses,
    messages_of_host,
    layers_of_cores,
    memory_of_layers,
    cores_of_layers,
    neuron_model,
    graded_messages,
    neuron_state_range,
    lava_processes,
    event_driven_neurons,
    clocked_biases,
)


def check_program(
    program: Program,
    target: Target,
    placement: Placement,
    *,
    origins: Mapping[str, tuple[str, ...]] | None = None,
) -> tuple[Diagnostic, ...]:
    """Every diagnostic of every rule.

    ``origins`` maps layers to the ONNX nodes that they came from, to be named in the diagnostics' places.
    """
    found = (diagnostic for rule in RULES for diagnostic in rule(program, target, placement))
    return tuple(_with_nodes(diagnostic, origins or {}) for diagnostic in found)


def _with_nodes(diagnostic: Diagnostic, origins: Mapping[str, tuple[str, ...]]) -> Diagnostic:
    nodes = origins.get(diagnostic.place.layer or "", ())
    return replace(diagnostic, place=replace(diagnostic.place, nodes=tuple(nodes))) if nodes else diagnostic


__all__ = ["RULES", "Rule", "check_program"]
