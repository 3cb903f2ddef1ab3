"""Lines of one training among those of others, side by side on one stream: each begins with a name."""

from __future__ import annotations

import io
from typing import TextIO


class NamedLines(io.TextIOBase):
    """A text stream that passes whole lines on to ``stream`` behind ``name``; no terminal, so that no bar is drawn."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream, self._name, self._begun = stream, name, ""

    def write(self, text: str) -> int:
        """Keep what is not yet a line, pass on what is."""
        *lines, self._begun = f"{self._begun}{text}".split("\n")
        for line in lines:
            self._stream.write(f"{self._name}: {line}\n")
        return len(text)

    def flush(self) -> None:
        """Flush the stream behind."""
        self._stream.flush()
