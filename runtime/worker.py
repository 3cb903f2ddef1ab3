"""What a worker does: it works on what it is given, and tells result, warnings and failures as values."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import threading
import traceback
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from ..targets.diagnostic import Diagnostic, DiagnosticWarning, UnusableInput
from ..targets.records import dataclass
from ..targets.terminal.failures import failure_of

_ONE_AT_A_TIME = threading.Lock()
"""A worker of dask may have several threads; what shards share in a process is made for one."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """The ``result`` of a shard, or all that it was ``refused`` for; and what was ``warned`` of on the way."""

    result: Any = None
    refused: tuple[Diagnostic, ...] = ()
    warned: tuple[Diagnostic, ...] = ()


def answered(work: Callable[[Any], Any], given: Any) -> Answer:
    """Do the work; whatever goes wrong is part of the answer."""
    warned: list[Diagnostic] = []
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.showwarning = _among(warned, warnings.showwarning)
        try:
            return Answer(work(given), warned=tuple(warned))
        except UnusableInput as refusal:
            return Answer(refused=refusal.diagnostics, warned=tuple(warned))
        except Exception as error:  # a fault of ours ends here as it does in the command's own process
            if os.environ.get("SPIKEC_TRACEBACK"):
                traceback.print_exc()
            return Answer(refused=(failure_of(error),), warned=tuple(warned))


def serve(connection: Connection) -> None:
    """Answer what comes through ``connection``: first the work, pickled, then what each shard is given.

    The process ends with the connection, or with the process that started it.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, OSError):
        work = _Unpickled(connection.recv_bytes())
        while True:
            connection.send(answered(work, connection.recv()))


class _Unpickled:
    """Work that is unpickled with the first shard, so that what fails then is told like any other failure."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._work: Callable[[Any], Any] | None = None

    def __call__(self, given: Any) -> Any:
        self._work = self._work or pickle.loads(self._content)
        return self._work(given)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker is started by another process"
    parent.join()
    os._exit(1)


def _among(warned: list[Diagnostic], others: Callable[..., None]) -> Callable[..., None]:
    def show(message: Warning | str, *details: Any, **settings: Any) -> None:
        if isinstance(message, DiagnosticWarning):
            warned.append(message.diagnostic)
        else:
            others(message, *details, **settings)

    return show
