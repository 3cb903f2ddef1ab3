"""Fit thresholds, initial potentials and weights to the spike counts of the window that the network will run with.

``calibrate-thresholds`` looks at activations one by one; what a layer really counts in T steps also depends on what the
layers before it lost: their levels, what they clipped, when their spikes came. So the network is run as integers that
no chip limits (see ``trial_program``), layer by layer, each on the spikes of those that are fitted already:

    weights and bias    bring its input back to that of the float network           (``fit_weights``)
    threshold, v0       least squared error of theta N / T per channel               (``choose_by_counts``)
                        v0 apart between neighbours, whose spikes then are too       (``staggered_starts``)

Read-outs get the bias that their scores miss, and weights where that is nearer on held-out data.

A threshold of k old ones makes a spike worth k: weights into the channel become w / k, those out of it w k. Only layers
whose activation had no levels for T steps take part, and those that a maximum compares keep their threshold. The
network is run without fit as well, with potentials alone calibrated; what is nearer to the float network's scores on a
held-out part of the calibration data is kept, and I034 says so.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

from ...runtime.program.neuron_models import IF
from ...targets.diagnostic import Diagnostic
from ...targets.records import dataclass
from ..ir.spiking import INPUT, SpikingNetwork
from .contract import Compilation, Context, Outcome, spiking_level
from .gate_populations import with_gated
from .layer_by_layer_counts import CountData, LayerByLayer, without_most

_FEWEST_SAMPLES = 8
_KEPT_VALUES = 1 << 26
"""Activations of all samples together that are kept at most (256 MiB)."""
_KEPT_SPIKES = 1 << 28
"""Spikes of the largest layer, over all samples and steps."""

_SAMPLES_WITHOUT_FIT = 32
"""Samples that potentials alone are calibrated on."""


@dataclass(frozen=True)
class FitCounts:
    """theta, v0, W and b of layers without levels of their own, by least squares on counts over T steps."""

    name: str = "fit-counts"
    preserves: bool = False

    def run(self, state: Compilation, context: Context) -> Outcome:
        """Fit what can be fitted; unchanged where held-out data does not gain by it."""
        spiking, calibration = spiking_level(state), context.calibration
        free = _fitted_populations(state, spiking)
        if not free or context.neuron != IF or context.aim is not None:
            return Outcome(state, {"kept": False, "reason": "no layer whose threshold is free"})
        samples = 0 if calibration is None else _samples_that_fit(spiking, context.timesteps, len(calibration))
        if calibration is None or samples < _FEWEST_SAMPLES:
            return Outcome(state, {"kept": False, "reason": "no calibration data (8 samples at least)"})
        data = CountData.of(state, context, calibration.first(samples), free)
        gated = with_gated(spiking, context)
        as_given = LayerByLayer(gated, context, without_most(data, _SAMPLES_WITHOUT_FIT), fits=False).result()
        fitted = LayerByLayer(gated, context, data, fits=True).result()
        kept = fitted.distance < as_given.distance
        effect: dict[str, Any] = {
            "kept": kept,
            "samples": data.fitted,
            "held_out_samples": samples - data.fitted,
            "held_out_divergence": {
                name: float(f"{run.distance:.6g}") for name, run in (("as given", as_given), ("fitted", fitted))
            },
            "layers": fitted.layers if kept else {},
        }
        remark = _remark(as_given.distance, fitted.distance, samples - data.fitted)
        if not kept:
            return Outcome(state, effect, (remark,))
        return Outcome(replace(state, spiking=_as_before(fitted.spiking, spiking)), effect, (remark,))


def _fitted_populations(state: Compilation, spiking: SpikingNetwork) -> frozenset[str]:
    return frozenset(p.name for p in spiking.firing if p.activation in state.measured and not p.takes_largest)


def _samples_that_fit(spiking: SpikingNetwork, timesteps: int, given: int) -> int:
    sizes = [prod(p.shape) for p in spiking.populations]
    return min(given, _KEPT_VALUES // sum(sizes), _KEPT_SPIKES // (max(sizes) * timesteps))


def _as_before(fitted: SpikingNetwork, spiking: SpikingNetwork) -> SpikingNetwork:
    """``fitted`` without what only the trial had: encoded input and gates."""
    value = fitted.input.message_value
    projections = [
        replace(p, map=replace(p.map, weight=p.map.weight / value)) if p.source == INPUT else p
        for p in fitted.projections
    ]
    populations = [
        replace(p, hold=old.hold, closed=old.closed)
        for p, old in zip(fitted.populations, spiking.populations, strict=True)
    ]
    return replace(spiking, populations=tuple(populations), projections=tuple(projections))


def _remark(as_given: float, fitted: float, held_out: int) -> Diagnostic:
    result = "kept" if fitted < as_given else "dropped"
    return Diagnostic(
        "I034",
        f"on {held_out} held-out samples the scores are {fitted:.3g} from those of the float network with thresholds "
        f"and weights fitted to counts, and {as_given:.3g} without: the fit is {result}",
        hint="nothing to do; --no-calibrate leaves the fit out",
    )
