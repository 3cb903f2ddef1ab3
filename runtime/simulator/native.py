"""The kernel in C: where it is, which of its instruction sets this machine has, and the structures that it reads.

It is a plain library of the package, built with it and loaded by ctypes: one build serves every version of Python.
Where none could be built, all is computed without it, with the same results.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from ...targets.diagnostic import Diagnostic, DiagnosticWarning, refuse
from ...targets.records import dataclass

CHOICE = "SPIKEC_KERNEL"
"""Environment variable that names an instruction set, or "none" to do without the kernel."""

_NONE = "none"

_MEANING = 1
"""As in kernel/layer.h."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Cycles of one core.

    ``product``: four messages times the weights of one output; ``row``: one weight added for a spike; at each place and
    step ``start`` before the first row of a block and plane, and ``finish`` for each output behind the last.
    """

    product: float
    row: float
    start: float
    finish: float


_COSTS = {
    "plain": Costs(3.3, 0.083, 300.0, 3.0),
    "avx2": Costs(0.086, 0.036, 200.0, 0.6),
    "avx512": Costs(0.058, 0.0235, 45.0, 0.8),
    "avx512-vnni": Costs(0.038, 0.0235, 45.0, 0.8),
    "neon": Costs(0.8, 0.12, 200.0, 1.0),
    "neon-dotprod": Costs(0.13, 0.12, 200.0, 1.0),
}
"""Fitted to layers of 16 to 512 channels on a Zen 5, those of ARM counted from their instructions. They decide about
speed alone: the results are the same."""


class Connection(ctypes.Structure):
    """``struct connection`` of kernel/layer.h."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("method", "steps", "largest", "factor")),
        *((name, ctypes.c_int32) for name in ("height", "width", "channels", "groups")),
        *((name, ctypes.c_int32 * 2) for name in ("pool", "kernel", "stride", "padding", "dilation")),
        *((name, ctypes.c_int32) for name in ("is_wide", "block", "dense_block", "segments", "quads_in_16_bits")),
        ("break_even", ctypes.c_double),
        *((name, ctypes.c_void_p) for name in ("messages", "rows", "dense", "starts", "targets")),
        *((name, ctypes.c_int64) for name in ("by_rows", "by_product")),
    )


class LayerOfKernel(ctypes.Structure):
    """``struct layer`` of kernel/layer.h."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("samples", "steps", "height", "width", "channels", "connections")),
        *((name, ctypes.c_int32) for name in ("neuron", "alike", "period", "bias_steps", "lowest", "highest")),
        *((name, ctypes.c_int32) for name in ("least", "most", "width_of_output")),
        *((name, ctypes.c_void_p) for name in ("bias", "threshold", "initial")),
        ("incoming", ctypes.POINTER(Connection)),
        ("output", ctypes.c_void_p),
        *((name, ctypes.c_int32) for name in ("threads", "failed", "received")),
        ("spikes", ctypes.c_int64),
    )


@dataclass(frozen=True, slots=True, eq=False)
class InstructionSet:
    """One of the kernel's: bytes of a vector, channels of a block of dense products, where these begin to pay."""

    library: ctypes.CDLL
    number: int
    name: str
    vector: int
    dense_block: int

    @property
    def costs(self) -> Costs:
        """What decides between rows of weights and dense products."""
        return _COSTS[self.name]

    def run(self, layer: LayerOfKernel) -> None:
        """Run ``layer`` on as many threads as ``kernel_threads`` allows; MemoryError if memory is short."""
        layer.threads = threads_in_use()
        if self.library.spikec_run_layer(ctypes.byref(layer), self.number):
            raise MemoryError("the simulator's kernel found no memory for a layer")


_threads: ContextVar[int] = ContextVar("threads", default=1)


def default_threads() -> int:
    """One for each core that this process may use; fewer where ``OMP_NUM_THREADS`` says so, as to other libraries."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, max(1, int(asked))) if asked.isdecimal() else cores


def threads_in_use() -> int:
    """How many threads the kernel may use for a layer, in this thread; one in a thread that was not told."""
    return _threads.get()


@contextmanager
def kernel_threads(threads: int) -> Iterator[None]:
    """Let the kernel use so many threads for a layer, in this thread."""
    before = _threads.set(threads)
    try:
        yield
    finally:
        _threads.reset(before)


def chosen_instruction_set() -> InstructionSet | None:
    """What layers run on: the best that there is, or the one that ``SPIKEC_KERNEL`` names (E646 if it is not there).

    None where there is no kernel; W646, once, where it cannot be loaded.
    """
    return _instruction_set(os.environ.get(CHOICE, ""))


def available_instruction_sets() -> tuple[InstructionSet, ...]:
    """All that can run here, the plain one first; none where there is no kernel."""
    library = _library()
    if library is None:
        return ()
    found: list[InstructionSet] = []
    while name := library.spikec_instruction_set(len(found)):
        widths = library.spikec_vector_width(len(found))
        found.append(InstructionSet(library, len(found), name.decode(), widths >> 8, widths & 255))
    return tuple(found)


def kernel_in_words() -> str:
    """Which kernel is used, and why none is, in a line."""
    if os.environ.get(CHOICE) == _NONE:
        return f"none ({CHOICE} says so): numpy"
    path = _path()
    if path is None:
        return "none (it was not built when spikec was installed; a C compiler and CMake are needed for it): numpy"
    chosen = chosen_instruction_set()
    return "none (it is there and cannot be loaded): numpy" if chosen is None else f"{chosen.name} ({path.name})"


@functools.cache
def _instruction_set(name: str) -> InstructionSet | None:
    if name == _NONE:
        return None
    sets = available_instruction_sets()
    if not sets or not name:
        return sets[-1] if sets else None
    for one in sets:
        if one.name == name:
            return one
    names = ", ".join([_NONE, *(one.name for one in sets)])
    raise refuse(
        "E646", f"{CHOICE} names '{name}', which the simulator's kernel does not have here", hint=f"has: {names}"
    )


def _path() -> Path | None:
    found = importlib.util.find_spec(f"{__package__}.spikes")
    return None if found is None or found.origin is None else Path(found.origin)


@functools.cache
def _library() -> ctypes.CDLL | None:
    path = _path()
    if path is None:
        return None
    try:
        library = ctypes.CDLL(str(path))
        library.spikec_run_layer.argtypes = (ctypes.POINTER(LayerOfKernel), ctypes.c_int)
        library.spikec_instruction_set.restype = ctypes.c_char_p
        if library.spikec_layout() != _MEANING << 28 | ctypes.sizeof(LayerOfKernel) << 16 | ctypes.sizeof(Connection):
            raise OSError("it was built from other sources")
    except (OSError, AttributeError) as error:
        _warn_without_kernel(error)
        return None
    return library


def _warn_without_kernel(error: Exception) -> None:
    import warnings

    reason = " ".join(f"{error}".split())[:300]
    message = f"the simulator's kernel is installed and cannot be loaded ({reason}); numpy does its work"
    warnings.warn(
        DiagnosticWarning(Diagnostic("W646", message, hint="install spikec again on this machine")), stacklevel=4
    )
