"""Accuracies that ``spikec evaluate --json`` or ``tradeoff --json`` printed, for the report on the same model."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...runtime.program.storage import read_text
from ...targets.diagnostic import UnusableInput, refuse
from .placed import AccuracyPoint

SCHEDULES = "schedules"
"""Stands for the method of programs that differ in which layers are gated."""
_LARGEST = 1 << 31


def read_accuracies(file: str | Path, digest: str) -> tuple[AccuracyPoint, ...]:
    """The programs in ``file`` that were made of the model with this SHA-256, by name, T and latency.

    Raises ``UnusableInput`` (E638) for a file that holds no such measurements, or none of this model.
    """
    try:
        return accuracies_in(json.loads(read_text(Path(file))), digest, file)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _unusable("this is not what 'evaluate' or 'tradeoff' prints with --json", file) from error


def accuracies_in(document: Any, digest: str, file: str | Path | None = None) -> tuple[AccuracyPoint, ...]:
    """The same of what was printed, as it was measured; E638 where nothing in it is of this model."""
    found = [point for of, point in _points(document) if of == digest]
    if not found:
        raise _unusable("no figure in it was measured on the report's model", file)
    return tuple(sorted(dict.fromkeys(found), key=_order))


def _order(point: AccuracyPoint) -> tuple[str, str, int, int]:
    return point.method, point.target, point.timesteps, point.latency


def _unusable(message: str, file: str | Path | None) -> UnusableInput:
    hint = "give the output of 'spikec evaluate MODEL ... --json' or 'spikec tradeoff MODEL ... --json' for this model"
    return refuse("E638", message, file=file, hint=hint)


def _points(document: Any) -> Iterator[tuple[str, AccuracyPoint]]:
    """Digest of the model, and the point, of each measurement."""
    if "rows" in document:
        for row in document["rows"]:
            for each in row["measurements"]:
                steps = (row["timesteps"], row["latency"], row["steps_per_sample"])
                about = (row["method"], None, each.get("target", ""))
                yield each.get("digest", ""), _point(about, steps, each["accuracy"], row["samples"])
        return
    for each in document["points"]:
        schedule = (SCHEDULES, len(each["gated"]), document["target"])
        steps = (document["timesteps"], each["latency"], each["window"])
        yield document["digest"], _point(schedule, steps, each["accuracy"], document["samples"])


def _point(about: tuple[Any, int | None, Any], steps: tuple[Any, ...], accuracy: Any, samples: Any) -> AccuracyPoint:
    """Raises ``ValueError`` for what is no accuracy of a program."""
    method, gated, target = about
    counts = (*steps, samples)
    if not all(type(count) is int and 0 < count < _LARGEST for count in counts):
        raise ValueError(counts)
    if not all(type(text) is str for text in (method, target)) or type(accuracy) not in (int, float):
        raise ValueError(about)
    if not (math.isfinite(accuracy) and 0 <= accuracy <= 1):
        raise ValueError(accuracy)
    timesteps, latency, window = steps
    return AccuracyPoint(method, gated, target, timesteps, latency, window, float(accuracy), samples)
