"""A table of methods as ``spikec evaluate --json`` printed it, and the costs of ``zoo --costs --json``, read back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...runtime.program.storage import read_text
from ...targets.diagnostic import UnusableInput, refuse
from ...targets.records import dataclass
from .evaluation import Evaluation, EvaluationRow, Measurement
from .paired import Difference

_LARGEST = 1 << 31
_COUNTS = ("timesteps", "latency", "steps_per_sample")
_SHARES = ("accuracy", "spread", "float_accuracy", "float_spread", "error")


@dataclass(frozen=True, slots=True)
class NetworkCost:
    """What training one network took, with those that it starts from; ``seconds`` None where they were not kept."""

    epochs: float
    seconds: float | None


def read_table(file: str | Path) -> Evaluation:
    """Return what was evaluated. Raises ``UnusableInput`` (E638) for a file that is no table, or one without rows."""
    try:
        return _evaluation(json.loads(read_text(Path(file))))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _unusable("this is not what 'evaluate' prints with --json", file, "spikec evaluate ... --json") from error


def read_tables(files: Sequence[str | Path]) -> Evaluation:
    """Return one table with the rows of all ``files``, which were measured on as many samples each.

    Raises ``UnusableInput`` (E638) as ``read_table`` does, and for files that do not go together.
    """
    tables = [read_table(file) for file in files]
    rows = [row for table in tables for row in table.rows]
    if len({table.samples for table in tables}) > 1:
        raise _unusable("its rows are of another number of samples", files[-1], "spikec evaluate ... --limit N")
    if len({(row.method, row.training, row.timesteps) for row in rows}) < len(rows):
        raise _unusable(
            "a row of it stands in another table too", files[-1], "spikec evaluate ... --methods NAMES --json"
        )
    against = {table.against for table in tables if table.against is not None}
    accuracies = {kind: value for table in tables for kind, value in table.ann_accuracy.items()}
    return Evaluation(accuracies, tables[0].samples, tuple(rows), against=against.pop() if len(against) == 1 else None)


def read_costs(file: str | Path) -> Mapping[str, NetworkCost]:
    """Return the costs of networks by their name in the zoo. Raises ``UnusableInput`` (E638) for another file."""
    try:
        networks = json.loads(read_text(Path(file)))["networks"]
        return {_text(each["name"]): _cost(each["epochs"], each["seconds"]) for each in networks}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        command = "spikec zoo NAME -o FOLDER --costs --json"
        raise _unusable("this is not what 'zoo --costs' prints with --json", file, command) from error


def _unusable(message: str, file: str | Path, command: str) -> UnusableInput:
    return refuse("E638", message, file=file, hint=f"give the output of '{command}'")


def _cost(epochs: Any, seconds: Any) -> NetworkCost:
    return NetworkCost(_positive(epochs), None if seconds is None else _positive(seconds))


def _evaluation(document: dict[str, Any]) -> Evaluation:
    (samples,) = {_count(row["samples"]) for row in document["rows"]}
    rows = tuple(_row({key: value for key, value in row.items() if key != "samples"}) for row in document["rows"])
    ann = {_text(kind): _share(accuracy) for kind, accuracy in document["ann_accuracy"].items()}
    against = document.get("against")
    return Evaluation(ann, samples, rows, against=None if against is None else _text(against))


def _row(row: dict[str, Any]) -> EvaluationRow:
    measurements = tuple(_measurement(each) for each in row["measurements"])
    if not measurements:
        raise ValueError("a row is of one network at least")
    differences = {key: _difference(row[key]) for key in ("to_ann", "difference") if row.get(key) is not None}
    made = EvaluationRow(**{**row, "measurements": measurements, **differences})
    for name in ("method", "training"):
        _text(getattr(made, name))
    for name in _COUNTS:
        _count(getattr(made, name))
    for name in _SHARES:
        if name == "accuracy" or getattr(made, name) is not None:
            _share(getattr(made, name))
    if type(made.plain_if) is not bool or type(made.in_range) is not bool:
        raise ValueError("a flag is true or false")
    return made


def _measurement(measurement: dict[str, Any]) -> Measurement:
    made = Measurement(**measurement)
    _text(made.model)
    for accuracy in (made.ann_accuracy, made.accuracy):
        _share(accuracy)
    if type(made.seed) is not int or type(made.trained_timesteps) is not int:
        raise ValueError("seeds and T are whole numbers")
    return made


def _difference(difference: dict[str, Any]) -> Difference:
    made = Difference(**difference)
    if not -1 <= _number(made.mean) <= 1:
        raise ValueError(made.mean)
    _share(made.error)
    return made


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(value)
    return float(value)


def _share(value: Any) -> float:
    if not 0 <= _number(value) <= 1:
        raise ValueError(value)
    return float(value)


def _positive(value: Any) -> float:
    if not 0 <= _number(value) < _LARGEST:
        raise ValueError(value)
    return float(value)


def _count(value: Any) -> int:
    if type(value) is not int or not 0 < value < _LARGEST:
        raise ValueError(value)
    return value


def _text(value: Any) -> str:
    if type(value) is not str:
        raise TypeError(value)
    return value
