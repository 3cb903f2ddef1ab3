"""What was measured already, in a file of one JSON object per line, so that an interrupted comparison goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ...runtime.samples import Samples
from ...targets.diagnostic import refuse

Figures = dict[str, Any]

_FIGURES = 2
"""What is kept of a measurement: raised when it becomes more, so that an older journal does not answer for it."""


class Journal:
    """Figures by what they were measured of; appended to ``file`` as they come, if there is one.

    Raises ``UnusableInput`` with E638 for a file that is no journal, or cannot be written.
    """

    def __init__(self, file: str | Path | None) -> None:
        self._file = None if file is None else Path(file)
        self._known = {} if self._file is None or not self._file.exists() else _read(self._file)

    def figures(self, measured: dict[str, Any], measure: Callable[[], Figures]) -> Figures:
        """Return what ``measure`` gives for ``measured`` (plain values), from the file where it is there."""
        key = json.dumps({**measured, "spikec": version("spikec"), "figures": _FIGURES}, sort_keys=True)
        if key not in self._known:
            self._known[key] = measure()
            self._append(key)
        return self._known[key]

    def _append(self, key: str) -> None:
        if self._file is None:
            return
        line = json.dumps({"of": json.loads(key), "figures": self._known[key]}, sort_keys=True)
        try:
            with self._file.open("a", encoding="utf-8") as journal:
                journal.write(f"{line}\n")
        except OSError as error:
            hint = "check the path given as --journal"
            raise refuse(
                "E638", f"the journal cannot be written: {error.strerror}", file=self._file, hint=hint
            ) from error


def digest_of(samples: Samples) -> str:
    """SHA-256 of inputs and labels."""
    labels = b"" if samples.labels is None else samples.labels.tobytes()
    in_time = [repr(samples.inputs.shape).encode()] if samples.frames else []
    if samples.events is not None:
        in_time += [samples.events.time.tobytes(), samples.events.place.tobytes()]
    return hashlib.sha256(b"".join([samples.inputs.tobytes(), labels, *in_time])).hexdigest()


def _read(file: Path) -> dict[str, Figures]:
    known: dict[str, Figures] = {}
    try:
        text = file.read_text(encoding="utf-8")
        # A line that was cut off by an interruption has no end; it is measured again.
        complete = text[: text.rfind("\n") + 1]
        for line in complete.splitlines():
            entry = json.loads(line)
            known[json.dumps(entry["of"], sort_keys=True)] = dict(entry["figures"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = "give the file that an earlier evaluation wrote, or a new one"
        raise refuse("E638", f"this is not a journal of measurements: {error}", file=file, hint=hint) from error
    if len(complete) < len(text):
        file.write_text(complete, encoding="utf-8")
    return known
