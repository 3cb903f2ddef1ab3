"""How a network was trained, carried by its ONNX file: what a comparison of conversion methods sorts by."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import onnx

from ...targets.records import dataclass

_KEY = "spikec.training"
"""Entry of the model's metadata that holds the record as JSON."""


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """``kind`` of the last thing that was trained, with the T it was trained for (0: none) and the ``seed``.

    ``start`` is the SHA-256 of the ONNX file of the network that a calibration of weights started from.

    Kinds: relu, clip, ratenorm; floor and round (quantise-and-clip); noise, local-noise and deploy, which follow
    them, deploy with one thing changed, deploy-untaught, deploy-unrounded, deploy-gradient-norm, deploy-from-relu,
    and hybrid; and the calibrations of weights, lwc, lwc-paper, lmpc-lwc and calibration-weights; any of them with
    -rate-penalty behind it where firing had a price. Others are kept as they are.
    """

    kind: str
    timesteps: int = 0
    seed: int = 0
    start: str = ""


def with_training_record(model: bytes, record: TrainingRecord) -> bytes:
    """Return the ONNX file ``model`` with ``record`` in its metadata."""
    parsed = onnx.load_model_from_string(model)
    entry = parsed.metadata_props.add()
    known = {name: value for name, value in asdict(record).items() if name != "start" or value}
    entry.key, entry.value = _KEY, json.dumps(known, sort_keys=True)
    written: bytes = parsed.SerializeToString(deterministic=True)
    return written


def read_training_record(model: Path | bytes) -> TrainingRecord | None:
    """Return the record of an ONNX file that ``read_onnx`` accepts; None where there is none, or a foreign one."""
    content = model if isinstance(model, bytes) else model.read_bytes()
    entries = {e.key: e.value for e in onnx.load_model_from_string(content).metadata_props}
    try:
        found = json.loads(entries[_KEY])
        record = TrainingRecord(found["kind"], found["timesteps"], found["seed"], found.get("start", ""))
    except (KeyError, TypeError, ValueError):
        return None
    texts, numbers = (record.kind, record.start), (record.timesteps, record.seed)
    is_sound = all(isinstance(t, str) for t in texts) and all(isinstance(n, int) and n >= 0 for n in numbers)
    return record if is_sound else None
