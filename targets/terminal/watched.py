"""Standard output under watch, so that a failure of it is told from one of any other file."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from typing import Any


class WatchedStream:
    """A text stream that remembers the first error of writing to it as ``fault``."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.fault: OSError | None = OSError(errno.EBADF, "it is closed") if stream is None else None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write ``text``; raise what the stream raises."""
        with self._remembering():
            return int(self._stream.write(text))

    def flush(self) -> None:
        """Send on what was written; raise what the stream raises."""
        with self._remembering():
            self._stream.flush()

    def finish(self) -> OSError | None:
        """Send on what is left, and return what stopped anything from leaving; nothing can fail after that."""
        if self.fault is None:
            with contextlib.suppress(OSError):
                self.flush()
        if self.fault is not None:
            self._let_go()
        return self.fault

    @contextlib.contextmanager
    def _remembering(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.fault = self.fault or error
            raise

    def _let_go(self) -> None:
        # What is still to be flushed as Python ends goes where it cannot fail again.
        with contextlib.suppress(AttributeError, io.UnsupportedOperation):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


@contextlib.contextmanager
def watched_stdout() -> Iterator[WatchedStream]:
    """Watch ``sys.stdout`` while the block runs."""
    before = sys.stdout
    watched = WatchedStream(before)
    sys.stdout = watched
    try:
        yield watched
    finally:
        sys.stdout = before
