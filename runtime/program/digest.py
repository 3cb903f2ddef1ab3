"""SHA-256 digests that tie the files of an artefact together: report.json to program.json to tensors.npz."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ...targets.diagnostic import UnusableInput, refuse

_BLOCK = 1 << 20


def digest_of(content: bytes) -> str:
    """SHA-256 of ``content`` in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file's content in hexadecimal digits; ``OSError`` if it cannot be read."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            total.update(block)
    return total.hexdigest()


def foreign_file(file: Path, holder: Path) -> UnusableInput:
    """Refusal (E616) of ``file``, which is not the one whose digest stands in ``holder``; to be raised."""
    return refuse(
        "E616",
        f"'{file.name}' is not the file that '{holder.name}' was written with: their digests differ",
        file=file,
        hint="one of them was edited or comes from another compilation: compile the model again with 'spikec compile'",
    )
