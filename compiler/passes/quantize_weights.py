"""Choose each population's integer threshold and each projection's exponent; round the weights.

    W'_ij -> round(W'_ij Theta_i / (2^e step)) step 2^e / Theta_i

One Theta per output channel where the target has a threshold for each, a few classes of them where it limits
distinct thresholds, one for the read-out, whose potentials are compared with each other. Exponents are spent where
projections of unlike size meet in one population, and together, with Theta, until a unit is small beside a threshold:
bias and initial potential are rounded to whole units. Nothing is clipped: Theta shrinks until every weight fits, every
state stays inside its width (see ``scales``), and what that costs in bits is the pass's effect. With calibration
data a weight is rounded up or down so that the errors of a neuron's weights cancel (see ``error_feedback``), and its
bias takes out the mean of what is left; without, every weight goes to the nearest. A pool that was folded into a kernel
is rounded as one weight per window (see ``unfolded_pools``). Weights of a channel that lie on a
grid, as a quantiser's do, are kept where that is no worse: its Theta is the one at which they are whole steps.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ...targets import Target
from ...targets.diagnostic import Diagnostic, Place, UnusableInput
from ...targets.records import dataclass
from ..arithmetic import log2, mean
from ..ir.operators import FloatArray
from ..ir.spiking import Population, Projection, SparseMap
from .contract import Compilation, Context, Outcome, spiking_level
from .drives import Drive, drives_of, in_parts, largest_weight, values_of_rows
from .exponents import Choice, choose_exponents, weight_maximum
from .fan_in_moments import Messages, RecentMoments, calibration_messages, fan_in_blocks, fan_ins_apart
from .rounding import Moments, Rounding, candidate_thresholds, has_equal_columns, round_against, round_to_nearest
from .scales import choose_thresholds, leaves_ranges, limit_configurations
from .weight_grids import grid_thresholds

_FEW_WEIGHT_LEVELS = 7
_SMALLER = 0.97
_SHARE_OF_COUNTING = 0.1
"""What keeping equal weights equal may cost over a window, as a share of 1/12 threshold squared: what counting in whole
spikes costs."""


@dataclass(frozen=True)
class QuantizeWeights:
    """W' -> round(W' Theta / (2^e step)) step 2^e / Theta, with the largest Theta that fits."""

    name: str = "quantize-weights"
    preserves: bool = False

    def run(self, state: Compilation, context: Context) -> Outcome:
        """Set thresholds and exponents; the effect lists bits and errors per population."""
        spiking, activity = spiking_level(state), state.activity
        assert activity is not None, "this pass runs after encode-input, which measures what sources send"
        populations, projections, effects, remarks = [], [], {}, []
        calibration, shared = context.calibration, context.shared
        messages = None if calibration is None else calibration_messages(state.network, spiking, calibration, shared)
        recent, done = RecentMoments(shared), 0
        total = sum(p.map.weight.size for p in spiking.projections)
        for population in spiking.populations:
            drives = drives_of(spiking, population, activity, context.timesteps)
            choice = choose_exponents(population, drives, context)
            incoming = spiking.incoming(population.name)
            blocks = None if messages is None else _moments(incoming, population, messages, recent)
            rounding = _fitting_rounding(population, drives, choice, blocks, context)
            remarks += _remarks(population, drives, choice, rounding.threshold, context)
            scaled = replace(population, integer_threshold=_shaped(rounding.threshold, population))
            populations.append(rounding.corrected(scaled))
            projections += [_on_grid(d, e) for d, e in zip(rounding.drives, choice.exponents, strict=True)]
            method = "nearest" if blocks is None else "error feedback"
            effects[population.name] = {"rounding": method, **_effect(drives, choice, rounding, context)}
            done += sum(p.map.weight.size for p in incoming)
            context.progress(done, total)
        errors = tuple(d for d in remarks if d.code[0] == "E")
        if errors:
            raise UnusableInput(errors)
        order = {p.name: i for i, p in enumerate(spiking.projections)}
        projections.sort(key=lambda p: order[p.name])
        rounded = spiking.with_parts(tuple(populations), tuple(projections))
        return Outcome(replace(state, spiking=rounded), {"layers": effects}, tuple(remarks))


def _moments(
    incoming: tuple[Projection, ...], population: Population, messages: Messages, recent: RecentMoments
) -> Moments:
    return [*fan_in_blocks(incoming, population, messages, recent), *fan_ins_apart(incoming, population, messages)]


def _fitting_rounding(
    population: Population, drives: list[Drive], choice: Choice, blocks: Moments | None, context: Context
) -> Rounding:
    """Round at thresholds that keep the ranges afterwards too; few bits of equal sign add up when rounded up."""
    highest = _as_of_driven(choice.ceiling.threshold, population, drives)
    while True:
        rounding = _rounding(population, drives, choice, highest, blocks, context)
        threshold, corrected = rounding.threshold, rounding.corrected(population)
        leaves = leaves_ranges(context.target, corrected, rounding.drives, threshold, context.timesteps)
        if population.threshold is not None:
            leaves &= threshold > context.target.threshold_step
        if not leaves.any():
            return rounding
        highest = np.where(leaves, np.minimum(threshold, highest) * _SMALLER, highest)


def _as_of_driven(highest: FloatArray, population: Population, drives: list[Drive]) -> FloatArray:
    """No channel without input above those with: where thresholds are limited in number, it would set their spacing."""
    bias = np.broadcast_to(population.bias, population.shape).reshape(population.shape[0], -1)
    is_driven = bias.any(axis=1)
    for drive in drives:
        is_driven = is_driven | drive.weight.any(axis=(1, 2))
    return np.minimum(highest, highest.max(where=is_driven, initial=1.0)) if is_driven.any() else highest


def _rounding(
    population: Population,
    drives: list[Drive],
    choice: Choice,
    highest: FloatArray,
    blocks: Moments | None,
    context: Context,
) -> Rounding:
    step = context.target.weights.step.value
    if blocks is None:
        threshold = _thresholds(population, drives, choice.exponents, highest, context.target)
        return round_to_nearest(drives, choice.exponents, threshold, step)
    thresholds: tuple[FloatArray, FloatArray | None]
    if _has_free_thresholds(population, context.target):
        own = grid_thresholds(drives, choice.exponents, highest, step)
        thresholds = candidate_thresholds(drives, highest), np.where(np.isnan(own), highest, own)
    else:
        thresholds = _thresholds(population, drives, choice.exponents, highest, context.target)[None], None
    limits = step, weight_maximum(context)
    if has_equal_columns(drives):
        equal = round_against(blocks, drives, choice.exponents, thresholds, limits, keep_equal=True)
        if float(mean(equal.square_error)) <= _SHARE_OF_COUNTING / (12 * context.timesteps**2):
            return equal
    return round_against(blocks, drives, choice.exponents, thresholds, limits)


def _has_free_thresholds(population: Population, target: Target) -> bool:
    if population.threshold is None or target.threshold_step > 1:
        return False
    configurations = target.neuron.threshold_configurations
    return configurations is None or population.shape[0] <= configurations.value


def _thresholds(
    population: Population, drives: list[Drive], exponents: tuple[int, ...], highest: FloatArray, target: Target
) -> FloatArray:
    if population.threshold is None:
        return np.full_like(highest, highest.min())
    if not _has_free_thresholds(population, target):
        return _limited(highest, target)
    step = target.weights.step.value
    return choose_thresholds(drives, exponents, highest, step, grid_thresholds(drives, exponents, highest, step))


def _limited(highest: FloatArray, target: Target) -> FloatArray:
    """Thresholds below ``highest`` that the target can tell apart, multiples of its step."""
    step = target.threshold_step
    whole = np.asarray(np.maximum(np.floor(highest / step) * step, step))
    configurations = target.neuron.threshold_configurations
    if configurations is None:
        return whole
    return np.asarray(np.floor(limit_configurations(whole, configurations.value) / step) * step)


def _shaped(threshold: FloatArray, population: Population) -> FloatArray:
    return threshold.reshape(-1, *(1,) * (len(population.shape) - 1))


def _on_grid(drive: Drive, exponent: int) -> Projection:
    linear = drive.projection.map
    if drive.kernel is not None:
        return replace(drive.projection, map=drive.kernel.folded(drive.weight), exponent=exponent)
    assert isinstance(linear, SparseMap), "every other map has a kernel"
    values = values_of_rows(linear, drive.weight)
    return replace(drive.projection, map=replace(linear, weight=values), exponent=exponent)


def _levels_used(drives: list[Drive], choice: Choice, threshold: FloatArray, step: int) -> float:
    """Largest weight of the finest projection, in steps."""
    used = [
        float((largest_weight(d) * threshold).max() / (step << e))
        for d, e in zip(drives, choice.exponents, strict=True)
    ]
    return max(used, default=0.0)


def _effect(drives: list[Drive], choice: Choice, rounding: Rounding, context: Context) -> dict[str, Any]:
    threshold = rounding.threshold
    worst = _worst_rounding(rounding, drives)
    step = context.target.weights.step.value
    own = np.rint(grid_thresholds(drives, choice.exponents, choice.ceiling.threshold, step))
    kept = int(np.count_nonzero(own == threshold))
    used = log2(_levels_used(drives, choice, threshold, context.target.weights.step.value) + 1) + 1
    return {
        "weight_bits": float(f"{used:.3g}"),
        "bits_gained_per_channel": float(f"{mean(log2(threshold / threshold.min())):.3g}"),
        "threshold_configurations": len(np.unique(threshold)),
        "limited_by": dict(sorted(choice.ceiling.binding.items())),
        "exponents": list(choice.exponents),
        "worst_rounding": float(f"{worst:.3g}"),
        "rms_input_error": float(f"{np.sqrt(mean(rounding.square_error)):.3g}"),
        "bias_correction": float(f"{np.abs(rounding.mean_error).max():.3g}"),
        "clipped": 0,
        **({"kept": kept} if kept else {}),
    }


def _worst_rounding(rounding: Rounding, drives: list[Drive]) -> float:
    worst = 0.0
    for rows, part in in_parts(drives, len(rounding.threshold)):
        for given, kept in zip(part, rounding.drives, strict=True):
            worst = max(worst, float(np.abs(kept.weight[rows] - given.weight).max()))
    return worst


def _remarks(
    population: Population, drives: list[Drive], choice: Choice, threshold: FloatArray, context: Context
) -> list[Diagnostic]:
    place = Place(layer=population.name, nodes=tuple(o.node for o in population.origins))
    smallest = float(choice.ceiling.threshold.min())
    least = context.target.threshold_step
    if population.threshold is not None and smallest < least:
        reason = ", ".join(sorted(choice.ceiling.binding))
        return [
            Diagnostic(
                "E210",
                f"no integer threshold is small enough for the neuron's input ({reason})",
                place,
                measured=float(f"{smallest:.3g}"),
                limit=least,
                unit="weight units",
                hint=f"{_fewer_steps(context)}choose a target with a wider state, or retrain with smaller weights here",
            )
        ]
    levels = round(_levels_used(drives, choice, threshold, context.target.weights.step.value), 1)
    wanted = min(_FEW_WEIGHT_LEVELS, weight_maximum(context) / context.target.weights.step.value)
    is_full = "weight range" in choice.ceiling.binding
    if not drives or not any(d.weight.any() for d in drives) or levels >= wanted or is_full:
        return []
    reason = ", ".join(sorted(choice.ceiling.binding))
    return [
        Diagnostic(
            "W211",
            f"weights use only {levels:.1f} steps either side of zero, so that every state fits ({reason})",
            place,
            measured=float(f"{log2(levels + 1) + 1:.2g}"),
            limit=4,
            unit="bits",
            hint=f"{_fewer_steps(context)}choose a target with a wider state",
        )
    ]


def _fewer_steps(context: Context) -> str:
    return "lower --timesteps, or " if context.timesteps > 1 else ""
