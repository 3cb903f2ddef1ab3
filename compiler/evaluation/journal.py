"""What was measured already, in a file of one JSON object per line, so that an interrupted comparison goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ...runtime.samples import Samples
from ...targets.diagnostic import refuse

Figures = dict[str, Any]

_FIGURES = 2
"""What is kept of a measurement: raised when it becomes more, so that an older journal does not answer for it."""


class Journal:
    """Figures by the key of what they depend on (``key_of``); appended to ``file`` as they come, if there is one.

    Raises ``UnusableInput`` with E638 for a file that is no journal, or cannot be written.
    """

    def __init__(self, file: str | Path | None) -> None:
        self._file = None if file is None else Path(file)
        self._known = {} if self._file is None or not self._file.exists() else _read(self._file)

    def figures(self, key: str) -> Figures | None:
        """Return the figures of what has this ``key``; None where they are not known."""
        return self._known.get(key)

    def keep(self, key: str, figures: Figures) -> None:
        """Keep ``figures`` of what has this ``key``, in the file as well."""
        self._known[key] = figures
        if self._file is None:
            return
        line = json.dumps({"of": json.loads(key), "figures": figures}, sort_keys=True)
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


def key_of(measured: Mapping[str, Any]) -> str:
    """Key of figures by what they depend on, in plain values; those of another version have another."""
    return json.dumps({**measured, "spikec": version("spikec"), "figures": _FIGURES}, sort_keys=True)


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
