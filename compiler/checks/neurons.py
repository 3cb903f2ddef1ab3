"""Rules on a program's neuron model: whether the target has such neurons, and whether their state is wide enough."""

from __future__ import annotations

from collections.abc import Iterator

from ...runtime.program import Program
from ...runtime.program.neuron_models import GRADED, IF
from ...runtime.program.neuron_range import neuron_range
from ...targets import Target
from ...targets.diagnostic import Diagnostic, Place
from ..mapping import Placement
from .numbers import signed_bits


def neuron_model(program: Program, target: Target, _: Placement) -> Iterator[Diagnostic]:
    """E319: the target has neurons of the program's model."""
    if target.has_neuron(program.neuron.name) or program.neuron.name == GRADED:
        return
    models = target.neuron.models
    yield Diagnostic(
        "E319",
        f"the target has no neuron of the model '{program.neuron.name}', with {'; '.join(program.neuron.extra_state)}",
        hint="compile for the target 'programmable', which is simulated, or plain neurons with --schedule exact",
        source=None if models is None else models.source,
    )


def graded_messages(program: Program, target: Target, _: Placement) -> Iterator[Diagnostic]:
    """E350, E351, W350: the chip's neurons send payloads, and as wide ones as each layer does."""
    if program.neuron.name != GRADED:
        return
    limit, models = target.neuron.payload_bits, target.neuron.models
    if models is not None and models.assumed and target.has_neuron(GRADED):
        yield Diagnostic(
            "W350",
            "that the chip's neurons can divide by a threshold was not tried",
            hint="take the program as a plan; 'spikec verify' shows what it computes, in simulators",
            source=models.source,
            assumed=True,
        )
    for population in program.firing:
        low, high = population.payloads
        if not target.has_neuron(GRADED):
            yield Diagnostic(
                "E350",
                f"neurons of {target.title} send spikes without a payload, but the layer's would send {low}..{high}",
                Place(layer=population.name),
                measured=signed_bits(low, high),
                limit=0,
                unit="bits of payload",
                hint="compile with plain neurons (leave --neuron out), or for a target with graded messages: lava, "
                "loihi2, programmable",
                source=None if models is None else models.source,
            )
        elif low < 0 and not target.has_signed_payloads:
            yield Diagnostic(
                "E351",
                f"payloads {low}..{high} have a sign, and those of {target.title} have none",
                Place(layer=population.name),
                hint=f"compile for target {target.name!r}: pairs of layers then take the place of signs",
            )
        elif limit is not None and signed_bits(low, high) > limit.value:
            yield Diagnostic(
                "E351",
                f"payloads {low}..{high} do not fit a graded message",
                Place(layer=population.name),
                measured=signed_bits(low, high),
                limit=limit.value,
                unit=limit.unit,
                hint="train the layer with fewer levels, or give --levels where it has none of its own",
                source=limit.source,
                assumed=limit.assumed,
            )


def neuron_state_range(program: Program, _: Target, __: Placement) -> Iterator[Diagnostic]:
    """E212: no potential of another neuron than plain and graded ones, which a pass has proven, can leave the state."""
    if program.neuron.name in (IF, GRADED):
        return
    for population in program.populations:
        low, high = neuron_range(program, population)
        lowest, highest = int(low.min()), int(high.max())
        if lowest >= program.state_minimum and highest <= program.state_maximum:
            continue
        above = highest > program.state_maximum
        yield Diagnostic(
            "E212",
            f"potentials of the neuron model '{program.neuron.name}' can leave the state's range",
            Place(layer=population.name),
            measured=highest if above else lowest,
            limit=program.state_maximum if above else program.state_minimum,
            unit="weight units",
            hint="lower --timesteps, --first-pass or --weight-bits, or choose a target with a wider state",
        )


def lava_processes(program: Program, target: Target, _: Placement) -> Iterator[Diagnostic]:
    """E341 to E348, E504, E505: Lava's own neurons and synapses compute the program."""
    flag = target.neuron.lava_processes
    if flag is None or not flag.value or program.neuron.name != IF:
        return
    from ...runtime.lava.stock.limits import find_stock_problems

    yield from find_stock_problems(program)


def event_driven_neurons(_: Program, target: Target, __: Placement) -> Iterator[Diagnostic]:
    """W328: the target's neurons know steps, as the program's do."""
    flag = target.neuron.event_driven
    if flag is None or not flag.value:
        return
    yield Diagnostic(
        "W328",
        "the chip's neurons compare after every event and know no steps, so that its spikes can differ from those of "
        "the program, which were verified",
        hint="take the program's accuracy as an estimate, and measure on the chip",
        source=flag.source,
        assumed=True,
    )


def clocked_biases(program: Program, target: Target, _: Placement) -> Iterator[Diagnostic]:
    """W329: biases are added once in every step."""
    flag = target.neuron.clocked_bias
    if flag is None or not flag.value:
        return
    layers = tuple(population.name for population in program.populations if population.bias.any())
    if layers:
        yield Diagnostic(
            "W329",
            "biases are added by a clock of the chip's own, and not once in every step",
            Place(layers=layers) if len(layers) > 1 else Place(layer=layers[0]),
            hint="train without biases and batch norms, or measure on the chip with a clock that ticks once per step",
            source=flag.source,
            assumed=True,
        )
