"""Readable names that are unique also as file names, taken from the names in the user's file."""

from __future__ import annotations

import re

from ..ir.network import INPUT

_LONGEST = 64


class Names:
    """Hands out names of letters, digits, ``_``, ``.`` and ``-``; no two differ only in case."""

    def __init__(self) -> None:
        self._taken = {INPUT}
        self._next: dict[str, int] = {}

    def unique(self, wanted: str) -> str:
        """Return ``wanted`` made safe, with a number behind it where that name is taken."""
        stem = sanitised(wanted)
        name = stem
        while name.lower() in self._taken:
            count = self._next.get(stem.lower(), 2)
            self._next[stem.lower()] = count + 1
            name = f"{stem}_{count}"
        self._taken.add(name.lower())
        return name


def sanitised(text: str) -> str:
    """Return ``text`` as a name of at most 64 safe characters; ``/features/0/Conv`` becomes ``features_0_Conv``."""
    safe = re.sub(r"[^A-Za-z0-9_.-]+", "_", text).strip("_.-")
    return safe[-_LONGEST:].lstrip("_.-") or "node"
