"""Rules on what a program takes of cores and chip."""

from __future__ import annotations

from collections.abc import Iterator

from ...runtime.program import Program
from ...targets import Target
from ...targets.diagnostic import Diagnostic, Place
from ..analysis.host import host_messages
from ..mapping import Placement

_SINGLE_NEURON = {
    "input axons": (
        "E301",
        "one neuron reads more than a core has input axons",
        "use fewer channels or features, a smaller kernel, or groups",
    ),
    "output axons": (
        "E302",
        "one neuron sends to more cores than a core has output axons",
        "make the next layer smaller, so that it takes fewer cores",
    ),
    "synapse memory": (
        "E303",
        "the synapses of one neuron exceed the synapse memory of a core",
        "use fewer inputs per neuron",
    ),
    "neurons": (
        "E304",
        "one neuron needs more compartments than a core has",
        "correct compartments_per_neuron or core.neurons in the target description",
    ),
    "threshold configurations": (
        "E321",
        "one neuron needs more threshold configurations than a core has",
        "correct neuron.threshold_configurations in the target description",
    ),
    "synapse formats": (
        "E322",
        "the projections into the layer need more synapse formats than a core has",
        "give its projections fewer widths, exponents and delays, or let fewer projections end in it",
    ),
    "compartment configurations": (
        "E323",
        "one neuron needs more compartment configurations than a core has",
        "correct core.compartment_configurations in the target description",
    ),
}


def single_neuron_resources(_: Program, target: Target, placement: Placement) -> Iterator[Diagnostic]:
    """E301 to E304 and E321 to E323: every single neuron fits a core."""
    for layer in placement.layers:
        for use in layer.uses:
            if use.limit is None or not use.unplaceable or use.name not in _SINGLE_NEURON:
                continue
            code, message, hint = _SINGLE_NEURON[use.name]
            compartments = target.neuron.compartments_per_neuron
            needs_assumption = (
                use.name == "neurons" and compartments.assumed and compartments.least != compartments.value
            )
            yield Diagnostic(
                code,
                message,
                Place(layer=layer.name),
                measured=use.single_neuron,
                limit=use.limit.value,
                unit=use.unit,
                hint=hint,
                source=use.limit.source,
                assumed=use.limit.leaves_open(use.single_neuron) or needs_assumption,
            )


def chip_cores(_: Program, target: Target, placement: Placement) -> Iterator[Diagnostic]:
    """E305: the program fits the cores of one chip.

    Not judged where a neuron does not fit a core, since the number of cores then means nothing.
    """
    limit = target.chip.cores
    if limit is None or not placement.placeable or placement.cores <= limit.value:
        return
    largest = max(placement.layers, key=lambda layer: layer.cores)
    hint = f"layer {largest.name!r} takes most, {largest.cores} cores: make it smaller"
    rests_on_memory = any(
        fact is not None and fact.assumed for fact in (target.core.neurons, target.core.synapse_memory_bits)
    )
    yield Diagnostic(
        "E305",
        "the program needs more cores than the chip has",
        measured=placement.cores,
        limit=limit.value,
        unit=limit.unit,
        hint=hint,
        source=limit.source,
        assumed=limit.leaves_open(placement.cores) or rests_on_memory,
    )


def chip_synapses(_: Program, target: Target, placement: Placement) -> Iterator[Diagnostic]:
    """E320: the program's synapses are no more than the chip holds.

    Where each weight once would fit and every synapse of its own would not, how kernels are stored decides.
    """
    limit = target.chip.synapses
    if limit is None or placement.synapses <= limit.value:
        return
    once = placement.stored_once
    yield Diagnostic(
        "E320",
        f"the program has more synapses than the chip holds; {once:,} weights if each kernel is stored once",
        measured=placement.synapses,
        limit=limit.value,
        unit=limit.unit,
        hint="use smaller layers, or make sure that the chip's tool chain stores convolution kernels once",
        source=limit.source,
        assumed=once <= limit.value or limit.leaves_open(once),
    )


def messages_of_host(program: Program, target: Target, placement: Placement) -> Iterator[Diagnostic]:
    """W324: the host need not send more messages in a step than the chip's interface passes on."""
    limit = target.chip.host_messages
    if limit is None:
        return
    sent = host_messages(program, target, placement).sent
    if sent > limit.value:
        yield Diagnostic(
            "W324",
            "the host may have to send more messages in a step than the chip's interface passes on",
            measured=sent,
            limit=limit.value,
            unit=limit.unit,
            hint="use a smaller input, or make the first layer smaller, so that fewer cores read each value",
            source=limit.source,
            assumed=limit.leaves_open(sent),
        )


def threshold_configurations(_: Program, target: Target, placement: Placement) -> Iterator[Diagnostic]:
    """W307: distinct thresholds do not spread a layer over more cores than it needs otherwise."""
    limit = target.neuron.threshold_configurations
    if limit is None:
        return
    for layer in placement.layers:
        if layer.boxes > layer.cores_any_threshold:
            yield Diagnostic(
                "W307",
                f"distinct thresholds spread the layer over {layer.boxes} cores instead of {layer.cores_any_threshold}",
                Place(layer=layer.name),
                measured=layer.threshold_configurations,
                limit=limit.value,
                unit=limit.unit,
                hint="accept the cores, or choose a target with more thresholds or with weight exponents",
                source=limit.source,
                assumed=limit.assumed,
            )
