"""Whether the compiled loops can be had and pay, and how many threads they use."""

from __future__ import annotations

import functools
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from ...targets.libraries import warn_without
from .native import default_threads, kernel_threads, threads_in_use

_COMPILED = f"{__package__}.compiled"

_WORTH_LOADING = 1 << 20
"""Numbers from which on loading numba pays: below, numpy is done before."""

_WORTH_CALLING = 1 << 12
"""Numbers from which on a loaded loop is faster than numpy: entering it takes some microseconds."""


@functools.cache
def installed_loops() -> ModuleType | None:
    """The loops that numba compiles; None where it is not installed or, with warning W644, cannot be loaded."""
    if importlib.util.find_spec("numba") is None:
        return None
    try:
        from . import compiled
    except Exception as error:  # whatever a broken installation raises; numpy gives the same results
        warn_without("numba", error)
        return None

    compiled.set_threads(threads_in_use())
    return compiled


def loops_for(values: int) -> ModuleType | None:
    """The compiled loops, if they are faster than numpy on ``values`` numbers."""
    return installed_loops() if values >= (_WORTH_CALLING if _COMPILED in sys.modules else _WORTH_LOADING) else None


@contextmanager
def simulator_threads(threads: int | None) -> Iterator[int]:
    """Run the kernel and the loops on ``threads`` threads, by default as many as ``default_threads`` says;
    gives their number.

    What was set comes back at the end; numba is not loaded for it.
    """
    used = threads or default_threads()
    loaded = sys.modules.get(_COMPILED)
    before = None if loaded is None else loaded.set_threads(used)
    try:
        with kernel_threads(used):
            yield used
    finally:
        loaded = sys.modules.get(_COMPILED)
        if loaded is not None:
            loaded.set_threads(before or loaded.MOST_THREADS)
