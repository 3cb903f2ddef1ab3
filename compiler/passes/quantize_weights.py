"""Choose each population's integer threshold, each projection's exponent and the input's step; round the weights.

    W'_ij -> round(W'_ij Theta_i / (2^e step)) step 2^e / Theta_i

One Theta per output channel where the target has a threshold for each, a few classes of them where it limits
distinct thresholds, one for the read-out, whose potentials are compared with each other. Exponents are spent where
projections of unlike size meet in one population, and together, with Theta, until a unit is small beside a threshold:
bias and initial potential are rounded to whole units. Nothing is clipped: Theta shrinks until every weight fits, every
state stays inside its width (see ``scales``), and what that costs in bits is the pass's effect. With calibration
data a weight is rounded up or down so that the errors of a neuron's weights cancel (see ``error_feedback``), and its
bias takes out the mean of what is left; without, every weight goes to the nearest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...runtime.samples import Samples
from ...targets import Target
from ...targets.diagnostic import Diagnostic, Place, UnusableInput
from ..ir.network import Network, evaluate
from ..ir.operators import FloatArray
from ..ir.spiking import INPUT, InputSignal, Population, Projection, SpikingNetwork
from .contract import Compilation, Context, Outcome, spiking_level
from .fan_in_moments import Block, calibration_messages, fan_in_blocks
from .rounding import Rounding, candidate_thresholds, round_against, round_to_nearest
from .scales import (
    Ceiling,
    Drive,
    ceiling,
    choose_thresholds,
    drive_of,
    expected_error,
    largest_weight,
    leaves_ranges,
    limit_configurations,
)

_CALIBRATION_SAMPLES = 64
_ASSUMED_RATE = 0.25
_FEW_WEIGHT_LEVELS = 7
_FINE_THRESHOLD = 1 << 13
"""From it on, rounding a bias to whole units costs at most 1/512 of a threshold in 32 steps.

It is the same at every step, and at every position of a map that sees nothing but background, so it does not average
out as the weights' rounding does.
"""
_INPUT_BITS = 8
_SMALLER = 0.97


@dataclass(frozen=True, slots=True, eq=False)
class _Choice:
    exponents: tuple[int, ...]
    ceiling: Ceiling
    error: float


@dataclass(frozen=True)
class QuantizeWeights:
    """W' -> round(W' Theta / (2^e step)) step 2^e / Theta, with the largest Theta that fits."""

    name: str = "quantize-weights"
    preserves: bool = False

    def run(self, state: Compilation, context: Context) -> Outcome:
        """Set thresholds, exponents and input step; the effect lists bits and errors per population."""
        spiking = spiking_level(state)
        activity = _mean_square_activity(state.network, spiking, context.calibration)
        spiking = replace(spiking, input=_choose_input(spiking, context, activity))
        spiking = _in_input_steps(spiking)
        populations, projections, effects, remarks = [], [], {}, []
        calibration = context.calibration
        messages = None if calibration is None else calibration_messages(state.network, spiking, calibration)
        for population in spiking.populations:
            drives = _drives(spiking, population, activity)
            choice = _choose(population, drives, context)
            incoming = spiking.incoming(population.name)
            blocks = None if messages is None else fan_in_blocks(incoming, population, messages)
            rounding = _fitting_rounding(population, drives, choice, blocks, context)
            remarks += _remarks(population, drives, choice, rounding.threshold, context)
            scaled = replace(population, integer_threshold=_shaped(rounding.threshold, population))
            populations.append(rounding.corrected(scaled))
            projections += [_on_grid(d, e) for d, e in zip(rounding.drives, choice.exponents, strict=True)]
            method = "nearest" if blocks is None else "error feedback"
            effects[population.name] = {"rounding": method, **_effect(drives, choice, rounding, context)}
        errors = tuple(d for d in remarks if d.code[0] == "E")
        if errors:
            raise UnusableInput(errors)
        order = {p.name: i for i, p in enumerate(spiking.projections)}
        projections.sort(key=lambda p: order[p.name])
        rounded = spiking.with_parts(tuple(populations), tuple(projections))
        encoding = {"step": rounded.input.step, "minimum": rounded.input.minimum, "maximum": rounded.input.maximum}
        effect = {"input": encoding, "layers": effects}
        return Outcome(replace(state, spiking=rounded), effect, tuple(remarks))


def _mean_square_activity(
    network: Network, spiking: SpikingNetwork, calibration: Samples | None
) -> dict[str, FloatArray]:
    """Per source channel: spike probability per step; for the input the mean square of its values."""
    firing = spiking.populations[:-1]
    if calibration is None:
        rates = {p.name: np.full(p.shape[0], _ASSUMED_RATE) for p in firing}
        return {**rates, INPUT: np.full(spiking.input.shape[0], 1 / 3)}
    inputs = calibration.first(_CALIBRATION_SAMPLES).as_float()
    values = evaluate(network, inputs, frozenset(p.activation for p in firing))
    activity = {p.name: _channel_mean(values[p.activation] / p.spike_value) for p in firing}
    arranged = inputs.transpose(0, *(a + 1 for a in spiking.input.axes)).reshape(len(inputs), *spiking.input.shape)
    return {**activity, INPUT: _channel_mean(np.square(arranged))}


def _channel_mean(values: np.ndarray[Any, np.dtype[Any]]) -> FloatArray:
    mean = values.reshape(len(values), values.shape[1], -1).mean(axis=(0, 2), dtype=np.float64)
    return np.asarray(mean + 1e-3 * max(float(mean.max()), 1e-6))


def _choose_input(spiking: SpikingNetwork, context: Context, activity: dict[str, FloatArray]) -> InputSignal:
    """Return the encoding whose own rounding and the weights' rounding that it leaves room for add up to least."""
    encodings = _encodings(spiking.input, context)
    errors = [_first_layer_error(replace(spiking, input=signal), context, activity) for signal in encodings]
    return encodings[int(np.argmin(errors))]


def _encodings(signal: InputSignal, context: Context) -> list[InputSignal]:
    low, high = 0.0, 1.0
    calibration = context.calibration
    if calibration is not None and calibration.inputs.dtype != np.uint8:
        low, high = float(calibration.inputs.min()), float(calibration.inputs.max())
    # Floats within 0..1 are bytes divided by 255: their grid is kept whatever their largest value happens to be.
    largest = 1.0 if low >= 0 and high <= 1 else max(abs(low), abs(high))
    graded = context.target.graded_input
    # A chip without graded messages is reported by the checks; the encoding is then chosen as if it had them.
    bits = _INPUT_BITS if graded is None or graded.value < 2 else min(_INPUT_BITS, graded.value - (low >= 0))
    encodings = []
    for width in range(bits, 0, -1):
        top = (1 << width) - 1 if low >= 0 else (1 << max(width - 1, 1)) - 1
        encodings.append(replace(signal, step=largest / top, minimum=0 if low >= 0 else -top, maximum=top))
    return encodings


def _first_layer_error(spiking: SpikingNetwork, context: Context, activity: dict[str, FloatArray]) -> float:
    scaled = _in_input_steps(spiking)
    total = 0.0
    for name in sorted({p.target for p in spiking.projections if p.source == INPUT}):
        population = spiking.population(name)
        drives = _drives(scaled, population, activity)
        total += _choose(population, drives, context).error
        total += sum(float(np.square(d.weight).sum(axis=2).mean()) / 12 for d in drives if d.projection.source == INPUT)
    return total


def _in_input_steps(spiking: SpikingNetwork) -> SpikingNetwork:
    step = spiking.input.step
    return spiking.with_parts(
        projections=tuple(
            replace(p, map=replace(p.map, weight=p.map.weight * step)) if p.source == INPUT else p
            for p in spiking.projections
        )
    )


def _drives(spiking: SpikingNetwork, population: Population, activity: dict[str, FloatArray]) -> list[Drive]:
    drives = []
    for projection in spiking.incoming(population.name):
        squares, messages = activity[projection.source], (0, 1)
        if projection.source == INPUT:
            squares = squares / spiking.input.step**2
            messages = (spiking.input.minimum, spiking.input.maximum)
        drives.append(drive_of(projection, population.shape[0], squares, messages))
    return drives


def _weight_maximum(context: Context) -> int:
    weights = context.target.weights
    if context.weight_bits is None:
        return weights.maximum.value
    return min(weights.maximum.value, ((1 << context.weight_bits - 1) - 1) * weights.step.value)


def _choose(population: Population, drives: list[Drive], context: Context) -> _Choice:
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
    best = min((_choice(population, drives, e, context) for e in candidates), key=lambda c: c.error)
    raised = [best]
    while max(raised[-1].exponents, default=largest) < largest and not _is_fine(population, raised[-1], context):
        raised.append(_choice(population, drives, tuple(e + 1 for e in raised[-1].exponents), context))
    return min(raised, key=lambda c: c.error + _grid_error(population, c))


def _choice(population: Population, drives: list[Drive], exponents: tuple[int, ...], context: Context) -> _Choice:
    target = context.target
    highest = ceiling(target, population, drives, exponents, (context.timesteps, _weight_maximum(context)))
    if population.threshold is not None and highest.threshold.min() < 1:
        return _Choice(exponents, highest, float("inf"))
    allowed = np.full_like(highest.threshold, highest.threshold.min())
    resolved = allowed if population.threshold is None else highest.threshold
    return _Choice(exponents, highest, expected_error(drives, exponents, resolved, target.weights.step.value))


def _is_fine(population: Population, choice: _Choice, context: Context) -> bool:
    if population.threshold is None:
        return _weight_maximum(context) << max(choice.exponents) >= _FINE_THRESHOLD
    return float(choice.ceiling.threshold.min()) >= _FINE_THRESHOLD


def _grid_error(population: Population, choice: _Choice) -> float:
    """Mean square error of rounding a bias to whole weight units, in thresholds squared."""
    threshold = choice.ceiling.threshold
    resolved = np.full_like(threshold, threshold.min()) if population.threshold is None else np.floor(threshold)
    return float(np.mean(np.square(1 / np.maximum(resolved, 1e-100)))) / 12


def _fitting_rounding(
    population: Population, drives: list[Drive], choice: _Choice, blocks: list[Block] | None, context: Context
) -> Rounding:
    """Round at thresholds that keep the ranges afterwards too; few bits of equal sign add up when rounded up."""
    highest = choice.ceiling.threshold
    while True:
        rounding = _rounding(population, drives, choice, highest, blocks, context)
        threshold, corrected = rounding.threshold, rounding.corrected(population)
        leaves = leaves_ranges(context.target, corrected, rounding.drives, threshold, context.timesteps)
        if population.threshold is not None:
            leaves &= threshold > 1
        if not leaves.any():
            return rounding
        highest = np.where(leaves, np.minimum(threshold, highest) * _SMALLER, highest)


def _rounding(
    population: Population,
    drives: list[Drive],
    choice: _Choice,
    highest: FloatArray,
    blocks: list[Block] | None,
    context: Context,
) -> Rounding:
    step = context.target.weights.step.value
    if blocks is None:
        threshold = _thresholds(population, drives, choice.exponents, highest, context.target)
        return round_to_nearest(drives, choice.exponents, threshold, step)
    thresholds: tuple[FloatArray, FloatArray | None]
    if _has_free_thresholds(population, context.target):
        thresholds = candidate_thresholds(drives, highest), highest
    else:
        thresholds = _thresholds(population, drives, choice.exponents, highest, context.target)[None], None
    return round_against(blocks, drives, choice.exponents, thresholds, (step, _weight_maximum(context)))


def _has_free_thresholds(population: Population, target: Target) -> bool:
    configurations = target.neuron.threshold_configurations
    return population.threshold is not None and (configurations is None or population.shape[0] <= configurations.value)


def _thresholds(
    population: Population, drives: list[Drive], exponents: tuple[int, ...], highest: FloatArray, target: Target
) -> FloatArray:
    if population.threshold is None:
        return np.full_like(highest, highest.min())
    configurations = target.neuron.threshold_configurations
    if configurations is not None and not _has_free_thresholds(population, target):
        return limit_configurations(np.maximum(np.floor(highest), 1.0), configurations.value)
    return choose_thresholds(drives, exponents, highest, target.weights.step.value)


def _shaped(threshold: FloatArray, population: Population) -> FloatArray:
    return threshold.reshape(-1, *(1,) * (len(population.shape) - 1))


def _on_grid(drive: Drive, exponent: int) -> Projection:
    weight = drive.weight.reshape(drive.projection.map.weight.shape)
    return replace(drive.projection, map=replace(drive.projection.map, weight=weight), exponent=exponent)


def _levels_used(drives: list[Drive], choice: _Choice, threshold: FloatArray, step: int) -> float:
    """Largest weight of the finest projection, in steps."""
    used = [
        float((largest_weight(d) * threshold).max() / (step << e))
        for d, e in zip(drives, choice.exponents, strict=True)
    ]
    return max(used, default=0.0)


def _effect(drives: list[Drive], choice: _Choice, rounding: Rounding, context: Context) -> dict[str, Any]:
    threshold = rounding.threshold
    worst = max(
        (float(np.abs(r.weight - d.weight).max()) for r, d in zip(rounding.drives, drives, strict=True)), default=0.0
    )
    used = np.log2(_levels_used(drives, choice, threshold, context.target.weights.step.value) + 1) + 1
    return {
        "weight_bits": float(f"{used:.3g}"),
        "bits_gained_per_channel": float(f"{np.mean(np.log2(threshold / threshold.min())):.3g}"),
        "threshold_configurations": len(np.unique(threshold)),
        "limited_by": dict(sorted(choice.ceiling.binding.items())),
        "exponents": list(choice.exponents),
        "worst_rounding": float(f"{worst:.3g}"),
        "rms_input_error": float(f"{np.sqrt(rounding.square_error.mean()):.3g}"),
        "bias_correction": float(f"{np.abs(rounding.mean_error).max():.3g}"),
        "clipped": 0,
    }


def _remarks(
    population: Population, drives: list[Drive], choice: _Choice, threshold: FloatArray, context: Context
) -> list[Diagnostic]:
    place = Place(layer=population.name, nodes=tuple(o.node for o in population.origins))
    smallest = float(choice.ceiling.threshold.min())
    if population.threshold is not None and smallest < 1:
        reason = ", ".join(sorted(choice.ceiling.binding))
        return [
            Diagnostic(
                "E210",
                f"no integer threshold is small enough for the neuron's input ({reason})",
                place,
                measured=float(f"{smallest:.3g}"),
                limit=1,
                unit="weight units",
                hint="lower --timesteps, raise --weight-bits, or retrain with smaller weights in this layer",
            )
        ]
    levels = round(_levels_used(drives, choice, threshold, context.target.weights.step.value), 1)
    wanted = min(_FEW_WEIGHT_LEVELS, _weight_maximum(context) / context.target.weights.step.value)
    is_full = "weight range" in choice.ceiling.binding
    if not drives or not any(d.weight.any() for d in drives) or levels >= wanted or is_full:
        return []
    reason = ", ".join(sorted(choice.ceiling.binding))
    return [
        Diagnostic(
            "W211",
            f"weights use only {levels:.1f} steps either side of zero, so that every state fits ({reason})",
            place,
            measured=float(f"{np.log2(levels + 1) + 1:.2g}"),
            limit=4,
            unit="bits",
            hint="lower --timesteps, or choose a target with a wider state",
        )
    ]
