"""Whether the compiled loops can be had and pay, and how many threads they use."""

from __future__ import annotations

import functools
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

from ...targets.libraries import warn_without
from . import kernels
from .native import kernel_threads

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

    return compiled


def loops_for(values: int) -> ModuleType | None:
    """The compiled loops, if they are faster than numpy on ``values`` numbers."""
    loaded = f"{__package__}.compiled" in sys.modules
    return installed_loops() if values >= (_WORTH_CALLING if loaded else _WORTH_LOADING) else None


@contextmanager
def exact_threads(threads: int | None, values: int) -> Iterator[None]:
    """Run on ``threads`` threads (None: as many as torch uses), with 32-bit floats in full precision.

    ``values`` is how many numbers are going to be computed in a loop. A process may have allowed torch to multiply
    32-bit floats as bfloat16 or TF32; what was set comes back at the end.
    """
    with ExitStack() as stack:
        torch, loops = kernels.installed_torch(), loops_for(values)
        if torch is not None:
            before = int(torch.get_num_threads())
            threads = threads or before
            stack.callback(torch.set_num_threads, before)
            torch.set_num_threads(threads)
            stack.enter_context(torch.no_grad())
            stack.enter_context(_full_precision(torch))
        if loops is not None and threads is not None:
            stack.callback(loops.set_threads, loops.set_threads(threads))
        stack.enter_context(kernel_threads(threads))
        yield


@contextmanager
def _full_precision(torch: Any) -> Iterator[None]:
    backends = torch.backends
    parts = [getattr(backends.mkldnn, "conv", None), getattr(backends.mkldnn, "matmul", None), backends.cuda.matmul]
    per_operator = [part for part in parts if hasattr(part, "fp32_precision")]
    before = [part.fp32_precision for part in per_operator]
    overall = None if per_operator else torch.get_float32_matmul_precision()
    try:
        for part in per_operator:
            part.fp32_precision = "ieee"
        # Before torch had one setting per operator it had this one for all.
        if overall is not None:
            torch.set_float32_matmul_precision("highest")
        yield
    finally:
        for part, precision in zip(per_operator, before, strict=True):
            part.fp32_precision = precision
        if overall is not None:
            torch.set_float32_matmul_precision(overall)
