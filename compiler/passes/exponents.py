"""Choose the exponents of a population's projections, and with them how fine its threshold can be."""

from __future__ import annotations

import numpy as np

from ...targets import Target
from ...targets.records import dataclass
from ..arithmetic import mean
from ..ir.operators import FloatArray
from ..ir.spiking import Population
from .contract import Context
from .drives import Drive, largest_weight
from .scales import Ceiling, ceiling, expected_error, fixed_rules, received_activity

_FINE_THRESHOLD = 1 << 13
"""From it on, rounding a bias to whole units costs at most 1/512 of a threshold in 32 steps.

It is the same at every step, and at every position of a map that sees nothing but background, so it does not average
out as the weights' rounding does.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Exponents, the largest Theta that they leave, and the mean square error of the weights that is expected."""

    exponents: tuple[int, ...]
    ceiling: Ceiling
    error: float


def choose_exponents(population: Population, drives: list[Drive], context: Context) -> Choice:
    """Return the exponents that leave the smallest expected error: of the weights, then, raised together, with biases.

    Raising all costs nothing before a range binds; then the weights get coarser, and their error says so.
    """
    largest = context.target.weights.exponent_maximum.value
    candidates = [(0,) * len(drives)]
    if len(drives) > 1:
        candidates += [
            tuple(exponent if i == position else 0 for i in range(len(drives)))
            for position in range(len(drives))
            for exponent in range(1, largest + 1)
        ]
    fixed = fixed_rules(context.target, population, drives, context.timesteps)
    channels = population.shape[0]
    largest_weights, received = (
        np.array([np.broadcast_to(each(drive), channels) for drive in drives]).reshape(-1, channels)
        for each in (largest_weight, received_activity)
    )

    def chosen(exponents: tuple[int, ...]) -> Choice:
        highest = ceiling(fixed, largest_weights, exponents, weight_maximum(context))
        return _choice(population, received, exponents, highest, context.target)

    best = min((chosen(exponents) for exponents in candidates), key=lambda c: c.error)
    raised = [best]
    while max(raised[-1].exponents, default=largest) < largest and not _is_fine(population, raised[-1], context):
        raised.append(chosen(tuple(e + 1 for e in raised[-1].exponents)))
    return min(raised, key=lambda c: c.error + _grid_error(population, c))


def _choice(
    population: Population, received: FloatArray, exponents: tuple[int, ...], highest: Ceiling, target: Target
) -> Choice:
    if population.threshold is not None and highest.threshold.min() < target.threshold_step:
        return Choice(exponents, highest, float("inf"))
    allowed = np.full_like(highest.threshold, highest.threshold.min())
    resolved = allowed if population.threshold is None else highest.threshold
    return Choice(exponents, highest, expected_error(received, exponents, resolved, target.weights.step.value))


def _is_fine(population: Population, choice: Choice, context: Context) -> bool:
    if population.threshold is None:
        return weight_maximum(context) << max(choice.exponents) >= _FINE_THRESHOLD
    return float(choice.ceiling.threshold.min()) >= _FINE_THRESHOLD


def _grid_error(population: Population, choice: Choice) -> float:
    """Mean square error of rounding a bias to whole weight units, in thresholds squared."""
    threshold = choice.ceiling.threshold
    resolved = np.full_like(threshold, threshold.min()) if population.threshold is None else np.floor(threshold)
    return float(mean(np.square(1 / np.maximum(resolved, 1e-100)))) / 12


def weight_maximum(context: Context) -> int:
    """Largest integer weight, of the target or of the bits that were asked for."""
    weights = context.target.weights
    if context.weight_bits is None:
        return weights.maximum.value
    return min(weights.maximum.value, ((1 << context.weight_bits - 1) - 1) * weights.step.value)
