"""How finely a population's weights can be resolved: the largest integer threshold that every limit allows.

After ``balance-thresholds`` a weight W' counts thresholds per message, so an integer threshold Theta gives the
integer weight round(W' Theta / (2^e step)) step. A larger Theta resolves more; it is bounded by

    weights    |W'| Theta <= maximum 2^e          bias        |b'| Theta <= largest bias
    input      sum |W'| Theta <= input range      threshold   Theta <= largest threshold
    state      |u'| Theta <= state range          for every u' that interval analysis over the window reaches
    gate       B' Theta <= input range            for the pulse that opens a gated population, closes another
"""

from __future__ import annotations

import numpy as np

from ...runtime.program.window_range import after_spike_test
from ...targets import Target
from ...targets.records import dataclass
from ..arithmetic import exp, log, mean, total
from ..ir.operators import FloatArray
from ..ir.spiking import Population
from .drives import Drive, in_parts
from .intervals import potential_range

THRESHOLD_CEILING = 1 << 20
"""Largest integer threshold given to a neuron that no weight limits; keeps idle channels in a sane range."""
_MARGIN_BEFORE_ROUNDING = 0.97
_MARGIN_AFTER_ROUNDING = 0.985
"""Room for biases and initial potentials, which are rounded last: half a weight unit at each of T steps."""

_LEAST_REACH = 2.0
"""Thresholds that a state holds at least: twice where calibration may begin."""

_GATE_ROUNDING = 1 + 1 / 32
"""A gate is rounded up to a whole number of its axons' weight steps."""


@dataclass(frozen=True, slots=True, eq=False)
class Ceiling:
    """Largest Theta per channel (O,), and for each rule that binds how many channels it binds."""

    threshold: FloatArray
    binding: dict[str, int]


def fixed_rules(target: Target, population: Population, drives: list[Drive], timesteps: int) -> dict[str, FloatArray]:
    """Largest Theta per channel (O,) by each rule that no exponent changes; the first is the ceiling of all."""
    channels = population.shape[0]
    rules = {"ceiling": np.full(channels, THRESHOLD_CEILING / _unit(population, drives))}
    if population.threshold is not None:
        rules["threshold range"] = np.full(channels, float(target.threshold_limit.value))
    rules |= _bias_rule(target, population)
    return rules | _range_rules(target, population, drives, timesteps, _MARGIN_BEFORE_ROUNDING)


def ceiling(
    fixed: dict[str, FloatArray], largest: FloatArray, exponents: tuple[int, ...], weight_maximum: int
) -> Ceiling:
    """Largest Theta per channel under ``fixed_rules`` and for weights up to ``largest`` (drives, O)."""
    rules = dict(fixed)
    if exponents:
        rules["weight range"] = _ratio(_scaled(weight_maximum, exponents), largest).min(axis=0)
    # Where rules tie, the weights are what is told.
    names = sorted(rules, key=lambda name: name not in ("ceiling", "weight range"))
    stacked = np.stack([rules[name] for name in names])
    counts = np.bincount(stacked.argmin(axis=0), minlength=len(names))
    return Ceiling(stacked.min(axis=0), {name: int(n) for name, n in zip(names, counts, strict=True) if n})


def _bias_rule(target: Target, population: Population) -> dict[str, FloatArray]:
    if target.neuron.bias_mantissa_maximum is None:
        return {}
    bias = np.broadcast_to(population.bias, population.shape).reshape(population.shape[0], -1)
    largest = int(target.nearest_bias(np.array([1 << 40]))[0])
    return {"bias range": _ratio(largest, np.abs(bias).max(axis=1))}


def _range_rules(
    target: Target, population: Population, drives: list[Drive], timesteps: int, margin: float
) -> dict[str, FloatArray]:
    channels = population.shape[0]
    bias = np.broadcast_to(population.bias, population.shape).reshape(channels, -1)
    low, high = _summed(drives, channels, [(drive.low, drive.high) for drive in drives])
    rules: dict[str, FloatArray] = {}
    if target.neuron.input_bits_maximum is not None:
        input_maximum = (1 << target.neuron.input_bits_maximum.value - 1) - 1
        rules["input range"] = _ratio(input_maximum * margin, np.maximum(high, -low).max(axis=1))
    state = min(target.state_maximum, -target.state_minimum) * margin
    if not population.hold:
        fires = population.threshold is not None
        if fires and target.state_holds_window and timesteps > 1:
            largest = _largest_sum(*_summed(drives, channels, [d.window for d in drives]), timesteps * bias)
        else:
            largest = _largest_potential(population, low + bias, high + bias, timesteps)
        if population.reach is not None and not target.state_holds_window:
            largest = np.minimum(largest, np.maximum(population.reach, _LEAST_REACH))
        rules["state range"] = _ratio(state, largest)
        pulse = _closing(population, low + bias, high + bias, bias, timesteps) if population.closed else None
    else:
        window = _summed(drives, channels, [drive.window for drive in drives])
        pulse, largest = _gated_range(population, *window, timesteps)
        rules["state range"] = _ratio(state, largest)
    if target.neuron.input_bits_maximum is not None and pulse is not None:
        rules["gate range"] = _ratio(input_maximum * margin, pulse)
    return rules


def _gated_range(
    population: Population, low: FloatArray, high: FloatArray, timesteps: int
) -> tuple[FloatArray, FloatArray]:
    """Gate and largest potential of each channel (O,) when nothing may fire while ``low`` to ``high`` come in.

    They bound the input that is summed over the ``timesteps`` of the window.
    """
    channels = population.shape[0]
    window = np.broadcast_to(population.initial_potential + timesteps * population.bias, population.shape)
    start = window.reshape(channels, -1)
    needed = np.maximum(start + np.maximum(high, 0) - 1, 0)
    gate = needed.max(axis=1, keepdims=True) * _GATE_ROUNDING
    lowest, highest = start - gate + np.minimum(low, 0), start + high
    return gate[:, 0], np.maximum(np.maximum(highest, -lowest), 1).max(axis=1)


def _closing(population: Population, low: FloatArray, high: FloatArray, bias: FloatArray, timesteps: int) -> FloatArray:
    """Pulse of each channel (O,) after which nothing can fire, whatever a window of drives ``low`` to ``high`` left."""
    initial = np.broadcast_to(population.initial_potential, population.shape).reshape(len(low), -1)
    start, threshold = np.maximum(initial, 1) + np.zeros_like(low), np.ones(1)
    v = start, start
    for _ in range(timesteps):
        v = after_spike_test((v[0] + low, v[1] + high), threshold, unit=0)
    needed = v[1] + timesteps * np.maximum(bias, 0) - 1
    return np.asarray(np.maximum(needed, 0).max(axis=1) * _GATE_ROUNDING)


def leaves_ranges(
    target: Target, population: Population, rounded: list[Drive], threshold: FloatArray, timesteps: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Whether a channel's rounded weights and bias are more than the input, the state or the bias holds, (O,)."""
    rules = _range_rules(target, population, rounded, timesteps, _MARGIN_AFTER_ROUNDING)
    rules |= _bias_rule(target, population)
    return np.asarray(np.stack(list(rules.values())).min(axis=0) < threshold)


def rounded_weight(drive: Drive, exponent: int, threshold: FloatArray, step: int) -> FloatArray:
    """Weights of ``drive`` on the grid step 2^e / Theta, in thresholds per message."""
    grid = ((step << exponent) / threshold)[:, None, None]
    steps = drive.weight / grid
    np.rint(steps, out=steps)
    steps *= grid
    return steps


def _unit(population: Population, drives: list[Drive]) -> float:
    """Thresholds count in thresholds; a read-out has none, so its unit is the largest number in it."""
    if population.threshold is not None:
        return 1.0
    largest = [float(np.abs(values).max()) for values in (population.bias, *(d.weight for d in drives))]
    return max(largest) or 1.0


def _summed(drives: list[Drive], channels: int, bounds: list[tuple[int, int]]) -> tuple[FloatArray, FloatArray]:
    """Least and largest input (O, R) when each source of a drive sends something within its ``bounds``."""
    parts = [_summed_part(part, bounds) for _, part in in_parts(drives, channels)] if drives else []
    if not parts:
        return np.zeros((channels, 1)), np.zeros((channels, 1))
    low, high = (np.concatenate(sides) for sides in zip(*parts, strict=True))
    return low, high


def _summed_part(drives: list[Drive], bounds: list[tuple[int, int]]) -> tuple[FloatArray, FloatArray]:
    low = high = np.zeros((1, 1))
    for drive, (least, most) in zip(drives, bounds, strict=True):
        excitation = total(np.maximum(drive.weight, 0), axis=2, times=drive.times)
        inhibition = total(np.minimum(drive.weight, 0), axis=2, times=drive.times)
        lowest, highest = min(least, 0), max(most, 0)
        low = low + excitation * lowest + inhibition * highest
        high = high + excitation * highest + inhibition * lowest
    return low, high


def _largest_potential(population: Population, low: FloatArray, high: FloatArray, timesteps: int) -> FloatArray:
    # Calibration may later move v0 by up to a threshold either way, so the bound starts from -1..1.
    edge = 0.0 if population.threshold is None else 1.0
    start = (np.full_like(low, -edge), np.full_like(low, edge))
    threshold = None if population.threshold is None else np.ones_like(low)
    lowest, highest = potential_range(low, high, threshold, start, timesteps, unit=0.0)
    return np.asarray(np.maximum(np.maximum(highest, -lowest), edge).max(axis=1))


def _largest_sum(low: FloatArray, high: FloatArray, bias: FloatArray) -> FloatArray:
    """Largest magnitude (O,) of a state that starts half a threshold below the potential and that no spike lowers.

    A window's input adds up to ``low`` to ``high``, its ``bias`` to that of all steps.
    """
    highest, lowest = high + np.maximum(bias, 0), low + np.minimum(bias, 0)
    return np.asarray(np.maximum(np.maximum(highest, -lowest), 0).max(axis=1) + 1.5)


def _scaled(unit: int, exponents: tuple[int, ...]) -> FloatArray:
    """``unit`` times two to each exponent, (drives, 1)."""
    return np.array([[float(unit << exponent)] for exponent in exponents])


def _ratio(limit: float | FloatArray, values: FloatArray) -> FloatArray:
    return np.asarray(np.divide(limit, values, out=np.full(values.shape, np.inf), where=values > 0))


def choose_thresholds(
    drives: list[Drive], exponents: tuple[int, ...], highest: FloatArray, step: int, own: FloatArray
) -> FloatArray:
    """Per channel, the integer Theta in the upper quarter below ``highest``, or next to ``own``, that rounds best.

    ``own`` (O,) is the Theta of the grid that a channel's weights lie on, NaN where they lie on none.
    The error of a channel is sum_j activity_j (round(W'_j Theta) / Theta - W'_j)^2, the mean square error of its
    input per step for independent messages.
    """
    parts = in_parts(drives, len(highest))
    return np.concatenate([_chosen(part, exponents, highest[rows], step, own[rows]) for rows, part in parts])


def _chosen(
    drives: list[Drive], exponents: tuple[int, ...], highest: FloatArray, step: int, own: FloatArray
) -> FloatArray:
    best = np.maximum(np.floor(highest), 1.0)
    smallest = rounding_error(drives, exponents, best, step)
    for share in (0.95, 0.9, 0.85, 0.8, 0.75):
        candidate = np.maximum(np.floor(highest * share), 1.0)
        error = rounding_error(drives, exponents, candidate, step)
        best, smallest = np.where(error < smallest, candidate, best), np.minimum(error, smallest)
    has_own = ~np.isnan(own)
    if not has_own.any():
        return best
    candidate = np.where(has_own, np.rint(np.nan_to_num(own)), best)
    error = rounding_error(drives, exponents, candidate, step)
    return np.where(has_own & (error < smallest), candidate, best)


def rounding_error(drives: list[Drive], exponents: tuple[int, ...], threshold: FloatArray, step: int) -> FloatArray:
    """Mean square error of each channel's input per step, in thresholds squared, (O,)."""
    differences = []
    for drive, exponent in zip(drives, exponents, strict=True):
        differences.append(rounded_weight(drive, exponent, threshold, step))
        differences[-1] -= drive.weight
    return square_error(drives, differences, len(threshold))


def square_error(drives: list[Drive], differences: list[FloatArray], channels: int) -> FloatArray:
    """``rounding_error`` (``channels``,) of weights that are off by ``differences``, which are overwritten."""
    error = np.zeros(channels)
    for drive, lost in zip(drives, differences, strict=True):
        np.square(lost, out=lost)
        lost *= drive.activity
        error += total(lost, axis=(1, 2), times=drive.times) / lost.shape[1]
    return error


def received_activity(drive: Drive) -> FloatArray:
    """Activity summed over the fan-in of each channel, (O,) or (1,) where all channels receive the same."""
    shape = (*drive.activity.shape[:2], drive.weight.shape[2])
    summed = total(np.broadcast_to(drive.activity, shape), axis=(1, 2), times=drive.times)
    return np.asarray(summed / drive.activity.shape[1])


def expected_error(received: FloatArray, exponents: tuple[int, ...], threshold: FloatArray, step: int) -> float:
    """Mean of ``rounding_error`` over channels if every rounding error were uniform.

    ``received`` (drives, O) holds the ``received_activity`` of every drive.
    """
    if not exponents:
        return 0.0
    grid = _scaled(step, exponents) / threshold
    by_drive = mean(np.square(grid) / 12 * received, axis=1)
    return float(np.add.accumulate(by_drive)[-1])


def limit_configurations(threshold: FloatArray, configurations: int) -> FloatArray:
    """Lower each Theta to one of at most ``configurations`` values, spaced evenly in their logarithm."""
    if len(np.unique(threshold)) <= configurations:
        return threshold
    low, high = float(threshold.min()), float(threshold.max())
    classes = np.floor(low * exp(log(high / low) * (np.arange(configurations) / configurations)))
    return np.asarray(classes[np.searchsorted(classes, threshold, side="right") - 1])
