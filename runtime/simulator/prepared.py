"""Programs that were made ready to run, kept as long as they live: a server runs one image after the other.

Of each program the last preparation is kept, and of all programs the last few. What is kept refers to no program that a
caller holds, and goes with it.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Generic, TypeVar

from ...targets.records import dataclass
from ..program import Program
from ..program.frozen_arrays import is_frozen

_MOST = 4
"""Programs that are kept at a time."""

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True, eq=False)
class _Kept(Generic[Made]):
    settings: object
    made: Made


class Preparations(Generic[Made]):
    """What was made of programs, by the settings that it was made with; several threads may ask at a time."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._kept: weakref.WeakKeyDictionary[Program, _Kept[Made]] = weakref.WeakKeyDictionary()

    def of(self, program: Program, settings: object, make: Callable[[Program], Made]) -> Made:
        """What ``make`` gives for ``program``, or gave before with equal ``settings``.

        Programs whose arrays can be written to are made ready every time, for they may have changed.
        """
        if not is_frozen(program):
            return make(program)
        with self._lock:
            kept = self._kept.pop(program, None)
            if kept is not None and kept.settings == settings:
                self._kept[program] = kept
                return kept.made
        # A record of the same arrays: with the caller's own one in it, what is kept would keep its key.
        made = make(replace(program))
        with self._lock:
            self._kept.pop(program, None)
            for oldest in list(self._kept)[: max(0, len(self._kept) + 1 - self._most)]:
                del self._kept[oldest]
            self._kept[program] = _Kept(settings, made)
        return made
