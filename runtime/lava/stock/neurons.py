"""How Lava's own neurons compute a population exactly, and what they cannot. Nothing here needs Lava.

Without a gate and at T = 1 the state starts anew at every step, so that it does not matter how it is reset: a LIF
without memory computes u = v0 + input + b >= theta. It fires above its threshold, so for any C

    input + (b + v0 - theta + C) > C - 1

and thresholds, initial potentials and biases of each neuron become one threshold C - 1 of the layer and biases.

In a longer window it is an ATRLIF without decay, whose refractory state r takes the place of the reset:

    m = v - r >= theta_0, then r += 2 theta_0        with Theta = 2 theta_0 and m = u - theta_0

is reset by subtraction of Theta. v itself is never lowered, so the sum of a window's input has to fit it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from enum import Enum

import numpy as np

from ....targets.diagnostic import Diagnostic, Place
from ....targets.records import dataclass
from ...program import IntArray, Population, Program, Pulse
from ...program.synapses import input_range_of_steps, summed_input_range
from ...program.window_range import window_range

INPUT_SHIFT = 6
"""Synaptic input and thresholds enter the state shifted left by it."""
STATE_MAXIMUM = ((1 << 23) - 1) >> INPUT_SHIFT
"""Largest magnitude of current and membrane potential, in weight units: 24 bits of state."""
LIF_THRESHOLD_MAXIMUM = (1 << 17) - 1
ATRLIF_THRESHOLD_MAXIMUM = (1 << 12) - 1
BIAS_MANTISSA_MAXIMUM = (1 << 12) - 1

_LIF_SOURCE = "lava-nc 0.10.0, lava/proc/lif/models.py"
_ATRLIF_SOURCE = "lava-nc 0.10.0, lava/proc/atrlif/models.py"
_TARGET = "compile for the target lava-stock"


class Kind(str, Enum):
    """The process of Lava's that computes a population."""

    LIF = "LIF"
    ATRLIF = "ATRLIF"
    LIF_RESET = "LIFReset"


@dataclass(frozen=True, slots=True, eq=False)
class StockNeurons:
    """What the process of a population is given, in program order.

    ``threshold`` is vth, or theta_0 of an ATRLIF; ``bias`` in weight units broadcasts to the population's shape.
    ``start`` is the state, shifted, that a window of an ATRLIF begins with.
    """

    kind: Kind
    threshold: int
    bias: IntArray
    start: int = 0

    @property
    def bias_mantissa_and_exponent(self) -> tuple[IntArray, IntArray]:
        """The bias as Lava takes it: mantissa << exponent, in units of the state."""
        is_wide = np.abs(self.bias) > BIAS_MANTISSA_MAXIMUM
        return np.where(is_wide, self.bias >> 1, self.bias), np.where(is_wide, INPUT_SHIFT + 1, INPUT_SHIFT)


@dataclass(frozen=True, slots=True, eq=False)
class StockForm:
    """``program`` with the weights that Lava's neurons take, and what each population's ``neurons`` are given.

    The program of the form has odd thresholds doubled, with all that goes in, and pulses for initial potentials that
    differ within a layer; its spikes and read-outs are those of the program that it was made of.
    """

    program: Program
    neurons: dict[str, StockNeurons]


def stock_form(program: Program) -> tuple[StockForm, list[Diagnostic]]:
    """The form of ``program`` on Lava's own neurons, and every reason why it would not compute the same."""
    form, problems, neurons = program, list[Diagnostic](), dict[str, StockNeurons]()
    for population in program.populations:
        if program.window == 1:
            form, neurons[population.name], found = _memoryless(program, form, population)
        elif population.threshold is None:
            form, neurons[population.name], found = _integrating(program, form, population)
        else:
            form, neurons[population.name], found = _soft_reset(program, form, population)
        problems += found
    return StockForm(form, neurons), problems


def _memoryless(
    program: Program, form: Program, population: Population
) -> tuple[Program, StockNeurons, list[Diagnostic]]:
    """A LIF whose current and potential last one step."""
    start = population.initial_potential + population.bias
    if population.threshold is None:
        threshold, bias = LIF_THRESHOLD_MAXIMUM, start
        problems = list(_saturation_problems(program, population))
    else:
        needed = _needed_input(program, population, start)
        common = _common_threshold(needed)
        threshold, bias = common - 1, common - needed
        problems = []
    held = np.where(_has_bias(bias), bias, np.clip(bias, -BIAS_MANTISSA_MAXIMUM, BIAS_MANTISSA_MAXIMUM))
    # A window is one step long, so that axons of its first step fire at every step.
    form = _with_start(form, population.name, bias - held)
    problems += _input_problems(form, population)
    return form, StockNeurons(Kind.LIF, threshold, held), problems


def _needed_input(program: Program, population: Population, start: IntArray) -> IntArray:
    """Least input with which each neuron fires; for one that always or never does, one that is as good."""
    assert population.threshold is not None
    low, high = _input_of_step(program, population, 1)
    in_reach = population.threshold <= program.state_maximum
    return np.where(in_reach, np.clip(population.threshold - start, low, high + 1), high + 1)


def _common_threshold(needed: IntArray) -> int:
    """C from 1 that keeps the biases C - ``needed`` small."""
    middle = (int(needed.min()) + int(needed.max())) // 2
    return min(max(middle, 1), LIF_THRESHOLD_MAXIMUM + 1)


def _has_bias(bias: IntArray) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    magnitude = np.abs(bias)
    doubled = (magnitude <= 2 * BIAS_MANTISSA_MAXIMUM) & (bias % 2 == 0)
    return np.asarray((magnitude <= BIAS_MANTISSA_MAXIMUM) | doubled)


def _integrating(
    program: Program, form: Program, population: Population
) -> tuple[Program, StockNeurons, list[Diagnostic]]:
    """A read-out: a LIF without leak that never fires, set to zero as each window begins."""
    neurons = StockNeurons(Kind.LIF_RESET, LIF_THRESHOLD_MAXIMUM, population.bias)
    form = _with_start(form, population.name, population.initial_potential)
    problems = [
        *_saturation_problems(program, population),
        *_bias_problems(population, neurons),
        *_input_problems(form, population),
    ]
    return form, neurons, problems


def _soft_reset(
    program: Program, form: Program, population: Population
) -> tuple[Program, StockNeurons, list[Diagnostic]]:
    """An ATRLIF without decay, set to its initial potential by stock Reset processes."""
    assert population.threshold is not None
    thresholds = np.unique(population.threshold)
    factor = 1 + int(thresholds[0] % 2)
    half = int(thresholds[0]) * factor // 2
    common = (int(population.initial_potential.min()) + int(population.initial_potential.max())) // 2
    neurons = StockNeurons(Kind.ATRLIF, half, population.bias * factor, start=(factor * common - half) << INPUT_SHIFT)
    if factor == 2:
        form = _doubled(form, population.name)
    form = _with_start(form, population.name, factor * (population.initial_potential - common))
    problems = [
        *_threshold_problems(population, thresholds, half),
        *_bias_problems(population, neurons),
        *_saturation_problems(program, population),
        *_sum_problems(form, population, neurons),
        *_input_problems(form, population),
    ]
    return form, neurons, problems


def _doubled(program: Program, name: str) -> Program:
    """``program`` with everything doubled that adds to the potential of the population called ``name``."""
    projections = tuple(replace(p, exponent=p.exponent + 1) if p.target == name else p for p in program.projections)
    pulses = tuple(replace(p, exponent=p.exponent + 1) if p.target == name else p for p in program.pulses)
    return replace(program, projections=projections, pulses=pulses)


def _with_start(program: Program, name: str, potential: IntArray) -> Program:
    """``program`` with ``potential`` given by axons at the first step of every window."""
    if not potential.any():
        return program
    return replace(program, pulses=(*program.pulses, Pulse(f"start of {name}", name, 1, potential)))


def _input_of_step(program: Program, population: Population, step: int) -> tuple[IntArray, IntArray]:
    """Least and largest synaptic input at ``step`` of the window, pulses included."""
    pulsed = program.potential_of_pulses(population.name).get(step, np.zeros((), dtype=np.int64))
    if step > program.timesteps:
        return pulsed, pulsed
    low, high = summed_input_range(program, population)
    return low + pulsed, high + pulsed


def _input_problems(program: Program, population: Population) -> Iterator[Diagnostic]:
    """E346: what a neuron receives at one step fits the current, which wraps."""
    bounds = [_input_of_step(program, population, step) for step in range(1, program.window + 1)]
    reach = max(max(-int(low.min()), int(high.max())) for low, high in bounds)
    if reach > STATE_MAXIMUM:
        yield Diagnostic(
            "E346",
            "the synaptic input of one step can be more than the current of Lava's neurons holds, which wraps",
            Place(layer=population.name),
            measured=reach,
            limit=STATE_MAXIMUM,
            unit="weight units",
            hint=f"{_TARGET}, or with fewer weight bits",
            source=_LIF_SOURCE,
        )


def _sum_problems(program: Program, population: Population, neurons: StockNeurons) -> Iterator[Diagnostic]:
    """E341: all that a window adds fits the potential of an ATRLIF, which no spike lowers.

    Where the population has to be silent, after its window, a potential may be cut off that stays below the threshold.
    """
    start = neurons.start >> INPUT_SHIFT
    low = high = np.full((1,) * len(population.shape), start, dtype=np.int64)
    reach = abs(start)
    pulses = program.potential_of_pulses(population.name)
    received = [*input_range_of_steps(program, population)]
    counted = program.timesteps * (2 if population.gated else 1)
    for step in range(1, counted + 1):
        least, most = received[step - 1] if step <= program.timesteps else (0, 0)
        extra = neurons.bias + pulses.get(step, 0)
        low, high = low + least + extra, high + most + extra
        reach = max(reach, -int(low.min()), int(high.max()))
    silent = program.window - counted
    returns = silent * max(int(neurons.bias.max()), 0) - STATE_MAXIMUM
    if reach > STATE_MAXIMUM or (silent and returns >= neurons.threshold):
        yield Diagnostic(
            "E341",
            "a window's input can add up to more than the potential of ATRLIF holds, which spikes do not lower",
            Place(layer=population.name),
            measured=max(reach, returns + STATE_MAXIMUM),
            limit=STATE_MAXIMUM,
            unit="weight units",
            hint="compile with fewer time steps or fewer weight bits",
            source=_ATRLIF_SOURCE,
        )


def _saturation_problems(program: Program, population: Population) -> Iterator[Diagnostic]:
    """E347: the program's own potential does not saturate, for Lava's would at another value."""
    bounds = window_range(program, population)
    reach = max(int(bounds.highest.max()), -int(bounds.lowest.min()))
    limit = min(program.state_maximum, STATE_MAXIMUM)
    if reach > limit:
        yield Diagnostic(
            "E347",
            "the potential can saturate, and Lava's neurons would give other values then",
            Place(layer=population.name),
            measured=reach,
            limit=limit,
            unit="weight units",
            hint="compile with fewer weight bits or fewer time steps",
            source=_LIF_SOURCE,
        )


def _threshold_problems(population: Population, thresholds: IntArray, half: int) -> Iterator[Diagnostic]:
    """E344, E345: one threshold that theta_0 holds."""
    if len(thresholds) > 1:
        yield Diagnostic(
            "E344",
            "the layer has several thresholds, and an ATRLIF process has one",
            Place(layer=population.name),
            measured=len(thresholds),
            limit=1,
            unit="thresholds",
            hint=_TARGET,
            source="lava-nc 0.10.0, lava/proc/atrlif/process.py",
        )
    if half > ATRLIF_THRESHOLD_MAXIMUM:
        yield Diagnostic(
            "E345",
            "theta_0, half the threshold or an odd threshold itself, does not fit the bits that ATRLIF documents",
            Place(layer=population.name),
            measured=half,
            limit=ATRLIF_THRESHOLD_MAXIMUM,
            unit="weight units",
            hint=_TARGET,
            source=_ATRLIF_SOURCE,
        )


def _bias_problems(population: Population, neurons: StockNeurons) -> Iterator[Diagnostic]:
    """E343: every bias is a mantissa << exponent."""
    missing = ~_has_bias(neurons.bias)
    if missing.any():
        worst = int(np.abs(neurons.bias[missing]).max())
        yield Diagnostic(
            "E343",
            "the bias of a neuron is no mantissa of 13 bits with an exponent up to 7",
            Place(layer=population.name),
            measured=worst,
            limit=BIAS_MANTISSA_MAXIMUM,
            unit="weight units",
            hint=f"{_TARGET}; beyond the limit, and up to twice of it, a bias has to be even",
            source=_LIF_SOURCE,
        )
