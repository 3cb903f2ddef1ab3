"""What the Lava processes can compute exactly, checked before anything starts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...targets.diagnostic import Diagnostic, Place, refuse
from ..program import ConvSynapses, Program, Projection, Pulse
from ..program.neuron_models import GRADED, IF
from ..program.synapses import fan_in_weight, message_range, sum_by_target
from .encoding import ConvEncoding, encode_convolution, encode_digits

FAST_INPUT_BITS = 32
"""Messages and synaptic input travel as int32."""
STOCK_INPUT_BITS = 24
"""Lava's Conv wraps its sum modulo 2**24."""
STOCK_PARAMETER_LIMIT = 127
"""Lava's Conv model keeps kernel size, stride, padding, dilation and groups in int8."""


def input_bounds(program: Program, projection: Projection) -> tuple[int, int]:
    """Bounds of what ``projection`` adds to any neuron in one step, in weight units."""
    synapses, targets = projection.synapses, program.population(projection.target).neurons
    total = sum_by_target(synapses, projection.effective_weight, targets)
    magnitude = fan_in_weight(program, projection)
    excitation, inhibition = (magnitude + total) // 2, (total - magnitude) // 2
    low, high = message_range(program, projection.source)
    return int((excitation * low + inhibition * high).min()), int((excitation * high + inhibition * low).max())


def require_plain_neurons(program: Program) -> None:
    """Raise ``UnusableInput`` (E512) for another neuron model than plain neurons, which are all that netx has."""
    _require(program, (IF,), "lava-dl's netx", "compile with --timesteps 1 and plain neurons (leave --neuron out)")


def require_own_neurons(program: Program) -> None:
    """Raise ``UnusableInput`` (E512) for a neuron model that no Lava process of ours has."""
    hint = "run it with --backend simulator or reference, or compile with --schedule exact and plain neurons"
    _require(program, (IF, GRADED), "Lava", hint)


def _require(program: Program, models: tuple[str, ...], who: str, hint: str) -> None:
    if program.neuron.name in models:
        return
    state = "; ".join(program.neuron.extra_state)
    raise refuse(
        "E512",
        f"{who} has no neuron of the model '{program.neuron.name}', which needs {state}",
        hint=hint,
    )


def find_problems(program: Program, *, stock: bool) -> list[Diagnostic]:
    """Everything in ``program`` that Lava would compute wrongly; empty if it runs exactly."""
    problems: list[Diagnostic] = []
    for projection in program.projections:
        problems += _range_problems(program, projection, stock)
        if stock and isinstance(projection.synapses, ConvSynapses):
            encoding = encode_convolution(projection.synapses, projection.synapses.weight)
            problems += _parameter_problems(projection, encoding)
    for pulse in program.pulses:
        problems += _pulse_problems(pulse, stock)
    problems += _fan_in_problems(program)
    return problems


def _range_problems(program: Program, projection: Projection, stock: bool) -> Iterator[Diagnostic]:
    bits = STOCK_INPUT_BITS if stock else FAST_INPUT_BITS
    reach = _reach(*input_bounds(program, projection))
    if reach >= 1 << (bits - 1):
        yield _too_wide(projection.name, reach, bits)
        return
    message = _reach(*message_range(program, projection.source))
    partial = message
    if not isinstance(projection.synapses, ConvSynapses):
        partial = max(message, (message + 1) * _largest_digit_sum(program, projection))
    if partial >= 1 << (FAST_INPUT_BITS - 1):
        yield _too_wide(projection.name, partial, FAST_INPUT_BITS)


def _reach(low: int, high: int) -> int:
    return max(-low - 1, high)


def _largest_digit_sum(program: Program, projection: Projection) -> int:
    """Largest sum of one digit's weights into a neuron."""
    targets = program.population(projection.target).neurons
    digits = [e.weights.astype(np.int64) for e in encode_digits(projection.effective_weight)]
    return max(int(sum_by_target(projection.synapses, np.abs(digit), targets).max()) for digit in digits)


def _pulse_problems(pulse: Pulse, stock: bool) -> Iterator[Diagnostic]:
    bits = STOCK_INPUT_BITS if stock else FAST_INPUT_BITS
    reach = _reach(*_pulse_bounds(pulse))
    if reach >= 1 << (bits - 1):
        yield _too_wide(pulse.name, reach, bits)
        return
    axons = max(1, pulse.axons)
    digits = encode_digits(pulse.weight << pulse.exponent)
    partial = 2 * axons * max(int(np.abs(e.weights.astype(np.int64)).max()) for e in digits)
    if partial >= 1 << (FAST_INPUT_BITS - 1):
        yield _too_wide(pulse.name, partial, FAST_INPUT_BITS)


def _pulse_bounds(pulse: Pulse) -> tuple[int, int]:
    return min(0, int(pulse.potential.min())), max(0, int(pulse.potential.max()))


def _fan_in_problems(program: Program) -> Iterator[Diagnostic]:
    for population in program.populations:
        bounds = [input_bounds(program, projection) for projection in program.incoming(population.name)]
        bounds += [_pulse_bounds(pulse) for pulse in program.pulses if pulse.target == population.name]
        if len(bounds) < 2:
            continue
        reach = _reach(sum(low for low, _ in bounds), sum(high for _, high in bounds))
        if reach >= 1 << (FAST_INPUT_BITS - 1):
            yield _too_wide(population.name, reach, FAST_INPUT_BITS)


def _too_wide(layer: str, reach: int, bits: int) -> Diagnostic:
    other = ", or run it with --backend lava" if bits == STOCK_INPUT_BITS else ""
    return Diagnostic(
        "E504",
        f"synaptic input of one step can exceed the {bits} signed bits that Lava adds up",
        Place(layer=layer),
        measured=float(reach),
        limit=float((1 << (bits - 1)) - 1),
        unit="weight units",
        hint=f"compile with fewer weight bits or fewer input bits{other}",
        source="lava-nc 0.10.0, process models of Conv and Dense",
    )


def _parameter_problems(projection: Projection, encoding: ConvEncoding) -> Iterator[Diagnostic]:
    measured = {
        "groups": encoding.groups,
        "kernel size": max(encoding.weight.shape[1:3]),
        "stride": max(encoding.stride),
        "padding": max(encoding.padding),
        "dilation": max(encoding.dilation),
    }
    for parameter, value in measured.items():
        if value > STOCK_PARAMETER_LIMIT:
            yield Diagnostic(
                "E505",
                f"{parameter} {value} wraps in the int8 of Lava's own Conv model",
                Place(layer=projection.name),
                measured=float(value),
                limit=float(STOCK_PARAMETER_LIMIT),
                unit=parameter,
                hint="run it with --backend lava, whose Conv model has no such limit",
                source="lava-nc 0.10.0, lava/proc/conv/models.py",
            )
