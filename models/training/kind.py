"""What a checkpoint's record says of its last training, in the words of a comparison of methods."""

from __future__ import annotations

from typing import Any

from ...compiler.frontend.training_record import TrainingRecord

_AFTER_QUANTISATION = {
    ("noise", "gap"): ("noise", "noise_timesteps"),
    ("noise", "local"): ("local-noise", "noise_timesteps"),
    ("deploy", "gap"): ("deploy", "deploy_timesteps"),
    ("deploy", "local"): ("deploy", "deploy_timesteps"),
    ("deploy", "none"): ("deploy", "deploy_timesteps"),
}
"""By last round and kind of noise: the kind of training, and the option with its T."""


def training_kind(activation: str, record: dict[str, Any]) -> TrainingRecord:
    """Return the kind, T and seed of a training from the ``activation`` of its network and its ``record``.

    A record that lacks what tells more than the activation gives the activation alone.
    """
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
    kind, option = _AFTER_QUANTISATION.get((last, options.get("noise", "none")), (activation, ""))
    return TrainingRecord(kind, _count(options, option), seed)


def _calibration_kind(calibrated: dict[str, Any]) -> str:
    if calibrated.get("gradient") == "straight-through":
        return "calibration-weights"
    return "lmpc-lwc" if calibrated.get("potentials", True) else "lwc"


def _count(values: dict[str, Any], name: str) -> int:
    return int(values.get(name, 0))
