"""Prove, neuron by neuron, that no membrane potential can leave the state's width during a window.

Interval analysis (see ``intervals``) with I_low = sum of inhibitory weights + b, I_high = sum of excitatory weights
+ b per step, whatever the spikes; padding counts as input, so the bound holds at the edges too. Where it fails the
neuron and the inputs that could do it are named.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...runtime.program import IntArray, Population, Program
from ...runtime.program.synapses import summed_input_range
from ...runtime.program.window_range import window_range
from ...targets import Target
from ...targets.diagnostic import Diagnostic, Place
from ...targets.records import dataclass
from ..ir.operators import FloatArray
from .calibrate_state_range import STATE_MARGIN
from .contract import Compilation, Context, Outcome, program_level, spiking_level


@dataclass(frozen=True)
class ProveNoOverflow:
    """u stays within the state for every input that can occur in T steps."""

    name: str = "prove-no-overflow"
    preserves: bool = True

    def run(self, state: Compilation, context: Context) -> Outcome:
        """Leave the program as it is; the effect gives each population's reachable range and its share of the width."""
        program = program_level(state)
        effect: dict[str, Any] = {}
        found, unproven = [], []
        done, neurons = 0, sum(p.neurons for p in program.populations)
        for population in program.populations:
            reach = window_range(program, population)
            lowest, highest = reach.lowest, reach.highest
            used = max(highest.max() / program.state_maximum, lowest.min() / program.state_minimum)
            effect[population.name] = {
                "lowest": int(lowest.min()),
                "highest": int(highest.max()),
                "width_used": float(f"{used:.4g}"),
                "proven": bool(used <= 1),
            }
            if context.potentials is None or population.gated:
                found += _overflows(program, population, lowest, highest)
            elif used > 1:
                unproven.append(population.name)
            found += _input_overflows(context.target, program, population)
            done += population.neurons
            context.progress(done, neurons)
        if unproven and context.potentials is not None:
            found.append(_calibrated(unproven, state, context.potentials))
        return Outcome(state, {"layers": effect}, tuple(found))


def _calibrated(names: list[str], state: Compilation, potentials: dict[str, FloatArray]) -> Diagnostic:
    """I033: what share of the state data used, and what happens beyond."""
    program = program_level(state)
    thresholds = {p.name: p.integer_threshold for p in spiking_level(state).populations}
    shares = [
        float((potentials[name] * scale.ravel()).max()) / program.state_maximum
        for name in names
        if (scale := thresholds[name]) is not None
    ]
    return Diagnostic(
        "I033",
        f"the state has room for {STATE_MARGIN:g} times the largest potential on calibration data, not for every "
        f"input, in {len(names)} layers; beyond it saturates, alike in every backend",
        measured=float(f"{100 * max(shares):.3g}"),
        limit=100,
        unit="% of the state's width on calibration data",
    )


def _overflows(program: Program, population: Population, lowest: IntArray, highest: IntArray) -> list[Diagnostic]:
    below, above = lowest < program.state_minimum, highest > program.state_maximum
    if not (below.any() or above.any()):
        return []
    side, limit = (highest, program.state_maximum) if above.any() else (lowest, program.state_minimum)
    neuron = np.unravel_index(int(np.abs(side).argmax()), side.shape)
    sources = ", ".join(f"'{p.source}'" for p in program.incoming(population.name))
    wrong = int(np.count_nonzero(below | above))
    return [
        Diagnostic(
            "E212",
            f"{wrong} neurons or channels can leave the state's range, the worst is {tuple(map(int, neuron))} "
            f"under input from {sources} in {program.timesteps} steps",
            Place(layer=population.name),
            measured=int(side[neuron]),
            limit=limit,
            unit="weight units",
            hint="lower --timesteps or --weight-bits, or choose a target with a wider state",
        )
    ]


def _input_overflows(target: Target, program: Program, population: Population) -> list[Diagnostic]:
    bits = target.neuron.input_bits_maximum
    if bits is None:
        return []
    largest = _largest_input(program, population)
    limit = (1 << bits.value - 1) - 1
    if largest <= limit:
        return []
    return [
        Diagnostic(
            "E213",
            "the summed synaptic input of one step can leave its range",
            Place(layer=population.name),
            measured=largest,
            limit=limit,
            unit="weight units",
            source=bits.source,
            hint="lower --weight-bits",
        )
    ]


def _largest_input(program: Program, population: Population) -> int:
    low, high = summed_input_range(program, population)
    largest = max(int(high.max()), -int(low.min()))
    for step, pulse in program.potential_of_pulses(population.name).items():
        at_most, at_least = (high, low) if step <= program.timesteps else (0, 0)
        largest = max(largest, int((pulse + at_most).max()), -int((pulse + at_least).min()))
    return largest
