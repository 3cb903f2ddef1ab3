"""What each epoch cost, in a file beside the results: processor time, which other jobs on the machine hardly change."""

from __future__ import annotations

import json
from pathlib import Path

NAME = "seconds.jsonl"
"""Not in train.json: the same training gives the same record, but never the same seconds."""


def append_seconds(folder: Path, round_name: str, epoch: int, seconds: float) -> None:
    """Add one line for ``epoch`` (from 1) of a round; a resumed training goes on in the same file."""
    line = {"round": round_name, "epoch": epoch, "seconds": round(seconds, 2)}
    with (folder / NAME).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
