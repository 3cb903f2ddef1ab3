"""Rules on the numbers of a program: what a target can store and compute."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ...runtime.program import INPUT, IntArray, Program, Weights
from ...runtime.program.synapses import summed_input_range
from ...targets import Number, Target
from ...targets.diagnostic import Diagnostic, Place
from ..mapping import Placement

WEIGHT_UNITS = "weight units"


def _stored_synapses(program: Program) -> Iterator[tuple[str, str, Weights, int]]:
    """What holds them, their target, weights and exponent: every projection, and every pulse that comes by axons."""
    for projection in program.projections:
        kind = f"projection {projection.name!r}"
        yield kind, projection.target, projection.synapses.weight, projection.exponent
    for pulse in program.pulses:
        if pulse.axons:
            yield f"pulse {pulse.name!r}", pulse.target, pulse.weight, pulse.exponent


def weight_range(program: Program, target: Target, _: Placement) -> Iterator[Diagnostic]:
    """E308: every weight lies within +-``target.weights.maximum``."""
    limit = target.weights.maximum
    for kind, layer, weight, _exponent in _stored_synapses(program):
        largest = max(int(weight.max(initial=0)), -int(weight.min(initial=0)))
        if largest > limit.value:
            what = f"{kind} has {_of((weight > limit.value) | (weight < -limit.value))} beyond the weight range"
            hint = "quantise with fewer weight bits (--weight-bits)"
            yield _against("E308", what, layer, largest, limit, hint)


def weight_step(program: Program, target: Target, _: Placement) -> Iterator[Diagnostic]:
    """E309: every weight is a multiple of ``target.weights.step``."""
    limit = target.weights.step
    if limit.value == 1:
        return
    for kind, layer, weight, _exponent in _stored_synapses(program):
        between = weight % limit.value != 0
        if between.any():
            first = int(weight[between].flat[0])
            what = f"{kind} has {_of(between)} between the weight steps, as {first}"
            hint = f"compile for target {target.name!r}: its quantiser keeps to the step"
            yield _against("E309", what, layer, abs(first), limit, hint)


def exponent_range(program: Program, target: Target, _: Placement) -> Iterator[Diagnostic]:
    """E310: every projection's exponent lies in 0..``target.weights.exponent_maximum``."""
    limit = target.weights.exponent_maximum
    for kind, layer, _weight, exponent in _stored_synapses(program):
        if not 0 <= exponent <= limit.value:
            what = f"{kind} has an exponent outside 0..{limit.value}"
            hint = f"compile for target {target.name!r}, or scale the weights down"
            yield _against("E310", what, layer, exponent, limit, hint)


def threshold_range(program: Program, target: Target, _: Placement) -> Iterator[Diagnostic]:
    """E311: every threshold lies in 1..``target.threshold_limit``."""
    limit = target.threshold_limit
    for population in program.populations:
        if population.threshold is None:
            continue
        outside = (population.threshold < 1) | (population.threshold > limit.value)
        if outside.any():
            worst = _farthest(population.threshold[outside])
            what = f"{_of(outside, 'threshold')} outside 1..{limit.value}"
            yield _against("E311", what, population.name, worst, limit, "use fewer weight bits (--weight-bits)")


def bias_representable(program: Program, target: Target, _: Placement) -> Iterator[Diagnostic]:
    """E312: every bias has a mantissa and an exponent on the target."""
    mantissa = target.neuron.bias_mantissa_maximum
    if mantissa is None:
        return
    exponent = target.neuron.bias_exponent_maximum
    shift = exponent.value if exponent else 0
    largest = mantissa.value << shift >> target.neuron.input_shift.value
    limit = Number(largest, WEIGHT_UNITS, mantissa.source, mantissa.status)
    pulsed = [(p.target, p.potential) for p in program.pulses if not p.axons]
    for layer, bias in [*((p.name, p.bias) for p in program.populations), *pulsed]:
        unknown = ~target.bias_representable(bias)
        if unknown.any():
            worst = _farthest(bias[unknown])
            what = (
                f"{_of(unknown, 'bias', 'biases')} without a mantissa up to {mantissa.value} << 0..{shift}, as {worst}"
            )
            hint = f"compile for target {target.name!r}, which rounds biases to what it can hold"
            yield _against("E312", what, layer, abs(worst), limit, hint)


def initial_potential_range(program: Program, target: Target, _: Placement) -> Iterator[Diagnostic]:
    """E313: every initial membrane potential lies within the target's state."""
    for population in program.populations:
        potential = population.initial_potential
        outside = (potential < target.state_minimum) | (potential > target.state_maximum)
        if outside.any():
            worst = _farthest(potential[outside])
            bounds = f"{target.state_minimum}..{target.state_maximum}"
            what = f"{_of(outside, 'initial membrane potential')} outside {bounds}"
            limit = _state_bound(target, worst)
            yield _against("E313", what, population.name, worst, limit, "use fewer weight bits (--weight-bits)")


def state_range(program: Program, target: Target, _: Placement) -> Iterator[Diagnostic]:
    """E315: the program saturates no later than the target does."""
    hint = f"compile for target {target.name!r}"
    if program.state_minimum < target.state_minimum:
        what = "the program's membrane potential reaches below the target's"
        yield _against("E315", what, None, program.state_minimum, _state_bound(target, -1), hint)
    if program.state_maximum > target.state_maximum:
        what = "the program's membrane potential reaches above the target's"
        yield _against("E315", what, None, program.state_maximum, _state_bound(target, 1), hint)


def delay_range(program: Program, target: Target, _: Placement) -> Iterator[Diagnostic]:
    """E314: no projection is delayed longer than ``target.delay_maximum``."""
    limit = target.delay_maximum
    if limit is None:
        return
    for projection in program.projections:
        if projection.delay > limit.value:
            what = f"projection {projection.name!r} is delayed too far"
            hint = "shorten the path that is skipped, or put an activation into the skip path, then retrain"
            yield _against("E314", what, projection.target, projection.delay, limit, hint)


def graded_input_bits(program: Program, target: Target, _: Placement) -> Iterator[Diagnostic]:
    """E317: the encoded input fits one graded message."""
    limit = target.graded_input
    low, high = program.input.message_range(program.timesteps)
    bits = max(high, 0).bit_length() if low >= 0 else signed_bits(low, high)
    if limit is not None and bits > limit.value:
        what = f"the encoded input {low}..{high} does not fit a graded message"
        hint = "choose a target with wider graded messages, or compute the first layer outside the chip"
        yield _against("E317", what, INPUT, bits, limit, hint)


def summed_input_bits(program: Program, target: Target, _: Placement) -> Iterator[Diagnostic]:
    """W316: even the worst input of one step stays within ``target.neuron.input_bits_maximum``."""
    limit = target.neuron.input_bits_maximum
    if limit is None:
        return
    for population in program.populations:
        low, high = worst_input(program, population.name)
        bits = signed_bits(low, high)
        if bits > limit.value:
            what = f"the summed synaptic input of one step can reach {low}..{high}, beyond {limit.value} bits"
            hint = "use fewer weight bits (--weight-bits); 'spikec verify' shows whether data reaches the bound"
            yield _against("W316", what, population.name, bits, limit, hint)


def worst_input(program: Program, population: str) -> tuple[int, int]:
    """Least and largest summed synaptic input of one step over all neurons, every source at its worst.

    In weight units. Kernels count as lying wholly inside the map.
    """
    low, high = summed_input_range(program, program.population(population))
    return int(low.min()), int(high.max())


def signed_bits(low: int, high: int) -> int:
    """Bits of the narrowest signed integer that holds ``low`` and ``high``."""
    return max(max(high, 0).bit_length(), (-min(low, 0) - 1).bit_length() if low < 0 else 0) + 1


def _state_bound(target: Target, sign: int) -> Number:
    bits = target.neuron.state_bits
    bound = target.state_maximum if sign > 0 else target.state_minimum
    return Number(bound, WEIGHT_UNITS, bits.source, bits.status)


def _farthest(values: IntArray) -> int:
    return int(values.flat[int(np.argmax(np.abs(values)))])


def _of(offenders: npt.NDArray[np.bool_], singular: str = "weight", plural: str | None = None) -> str:
    count = int(offenders.sum())
    return f"{count} {singular}" if count == 1 else f"{count} {plural or singular + 's'}"


def _against(code: str, message: str, layer: str | None, measured: int, limit: Number, hint: str) -> Diagnostic:
    return Diagnostic(
        code,
        message,
        Place(layer=layer),
        measured=measured,
        limit=limit.value,
        unit=limit.unit,
        hint=hint,
        source=limit.source,
        assumed=limit.leaves_open(measured),
    )
