"""Every conversion method by its name on the command line; ``mixed:12`` is ``mixed`` within 12 steps of latency."""

from __future__ import annotations

from . import (
    adaptive_threshold,
    bias_per_step,
    calibration,
    exact_schedule,
    graded_messages,
    membrane_potential,
    mixed_schedule,
    offset_spikes,
    quantise_clip,
    rounding_shift,
    spike_masking,
    threshold_norm,
    trained,
)
from .method import Method

METHODS: dict[str, Method] = {
    "max-norm": threshold_norm.MAX_NORM,
    "robust-norm": threshold_norm.ROBUST_NORM,
    "rate-norm": trained.RATE_NORM,
    "opt": rounding_shift.BIAS_SHIFT,
    "opi": rounding_shift.POTENTIAL_SHIFT,
    "calibration-bias": calibration.BIAS,
    "calibration-potential": calibration.POTENTIAL,
    "calibration-weights": trained.CALIBRATED_WEIGHTS,
    "bias-per-step": bias_per_step.BIAS_PER_STEP,
    "msat": adaptive_threshold.MSAT,
    "qc-ann": quantise_clip.QUANTISE_CLIP,
    "qc-ann-paper": quantise_clip.QUANTISE_CLIP_AS_PRINTED,
    "lmpc": membrane_potential.LMPC,
    "lmpc-paper": membrane_potential.LMPC_AS_PRINTED,
    "lwc": trained.LWC,
    "lwc-paper": trained.LWC_AS_PRINTED,
    "lmpc-lwc": trained.LMPC_LWC,
    "qcfs": trained.QCFS,
    "srp": spike_masking.SRP,
    "cos": offset_spikes.COS,
    "noise": trained.NOISE,
    "local-noise": trained.LOCAL_NOISE,
    "hybrid": trained.HYBRID,
    "deploy": trained.DEPLOY,
    "deploy-from-relu": trained.DEPLOY_FROM_RELU,
    "deploy-untaught": trained.DEPLOY_UNTAUGHT,
    "deploy-unrounded": trained.DEPLOY_UNROUNDED,
    "deploy-gradient-norm": trained.DEPLOY_GRADIENT_NORM,
    "exact": exact_schedule.EXACT,
    "mixed": mixed_schedule.MIXED,
    "graded": graded_messages.GRADED,
}

DEFAULT_METHODS = ("qc-ann", "lmpc", "exact")
"""Methods that ``spikec evaluate`` runs where none is named."""


def plain_name(name: str) -> str:
    """The name without a latency budget: ``mixed`` of ``mixed:12``."""
    return name.partition(":")[0]


def is_known(name: str) -> bool:
    """Whether there is a method of this name, and where it has a budget, one that may be."""
    plain, colon, steps = name.partition(":")
    if plain not in METHODS or not colon:
        return plain in METHODS
    return METHODS[plain].needs_budget and steps.isascii() and steps.isdigit() and int(steps) >= 1


def method_called(name: str) -> Method:
    """Return the method of a name that is known; AssertionError for another."""
    assert is_known(name), "names are checked before"
    plain, colon, steps = name.partition(":")
    return METHODS[plain].within(int(steps)) if colon else METHODS[plain]
