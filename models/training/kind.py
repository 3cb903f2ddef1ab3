"""What a checkpoint's record says of its last training, in the words of a comparison of methods."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...compiler.frontend.training_record import TrainingRecord

_NOISE = {"gap": "noise", "local": "local-noise"}

_NEARLY_FLOAT = 16
"""Bits of weights from which on rounding them is no part of a training."""


def training_kind(activation: str, record: dict[str, Any]) -> TrainingRecord:
    """Return the kind, T and seed of a training from the ``activation`` of its network and its ``record``.

    A record that lacks what tells more than the activation gives the activation alone. Where firing had a price, the
    kind says so.
    """
    found = _unpriced_kind(activation, record)
    is_priced = record.get("options", {}).get("rate_penalty", 0) > 0 and activation != "relu"
    return replace(found, kind=f"{found.kind}-rate-penalty") if is_priced else found


def _unpriced_kind(activation: str, record: dict[str, Any]) -> TrainingRecord:
    options = record.get("options", {})
    seed = _count(options, "seed")
    calibrated = record.get("weight_calibration")
    if calibrated is not None:
        kind, start = _calibration_kind(calibrated), str(calibrated.get("start", ""))
        return TrainingRecord(kind, _count(calibrated, "timesteps"), seed, start)
    rounds = record.get("rounds", [])
    last = rounds[-1]["round"] if rounds else ""
    if last == "ratenorm":
        return TrainingRecord("ratenorm", 0, seed)
    if last == "noise" and options.get("noise") in _NOISE:
        return TrainingRecord(_NOISE[options["noise"]], _count(options, "noise_timesteps"), seed)
    if last == "deploy":
        return TrainingRecord(_deployment_kind(options), _count(options, "deploy_timesteps"), seed)
    return TrainingRecord(activation, 0, seed)


def _deployment_kind(options: dict[str, Any]) -> str:
    """Name what was left out, the teacher, the rounding, or with the teacher the quantise-and-clip round, or added."""
    untaught = bool(options.get("distillation") == 0)
    unrounded = _count(options, "weight_bits") >= _NEARLY_FLOAT
    shortened = bool(options.get("gradient_norm", 0) > 0)
    if options.get("epochs_qc") == 0 and untaught:
        return "hybrid"
    if options.get("epochs_qc") == 0 and options.get("teacher") == "relu":
        return "deploy-from-relu"
    return "deploy" + "-untaught" * untaught + "-unrounded" * unrounded + "-gradient-norm" * shortened


def _calibration_kind(calibrated: dict[str, Any]) -> str:
    if calibrated.get("gradient") == "straight-through":
        return "calibration-weights"
    if calibrated.get("potentials", True):
        return "lmpc-lwc"
    return "lwc-paper" if calibrated.get("initial") == "printed" else "lwc"


def _count(values: dict[str, Any], name: str) -> int:
    return int(values.get(name, 0))
