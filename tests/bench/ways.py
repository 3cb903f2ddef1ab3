"""The ways in which spikec's simulator can run a program here: each instruction set, numpy, torch if it uses it.

What there is depends on how spikec was built, on the processor, and on the simulator itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from importlib.util import find_spec

from spikec.runtime.execution import Execution
from spikec.runtime.program import IntArray, Program
from spikec.runtime.simulator import Simulator
from spikec.runtime.simulator.native import CHOICE, available_instruction_sets

from .rows import SPIKEC

_WITH_TORCH = "spikec.runtime.simulator.kernels"
_NUMPY = "none"

Run = Callable[[IntArray], Execution]


def plain_install(program: Program, threads: int) -> Run:
    """As a plain install runs it: the kernel in C with the best instruction set, or the one that the user chose."""
    return _run(program, threads, os.environ.get(CHOICE))


@contextmanager
def as_plain_install() -> Iterator[None]:
    """Let what is simulated inside be simulated as a plain install does it, with the user's choice of kernel."""
    with _kernel_without_torch(os.environ.get(CHOICE)):
        yield


def other_ways(program: Program, threads: int) -> dict[str, Run]:
    """Every way by name, the best one again, so that each is seen beside the others."""
    sets = [one.name for one in available_instruction_sets()]
    ways = {f"{SPIKEC}, {name}": _run(program, threads, name) for name in sets}
    ways[f"{SPIKEC}, numpy"] = _run(program, threads, _NUMPY)
    if find_spec(_WITH_TORCH) is not None and find_spec("torch") is not None:
        ways[f"{SPIKEC}, torch"] = _run(program, threads, _NUMPY, with_torch=True)
    return ways


def _run(program: Program, threads: int, kernel: str | None, *, with_torch: bool = False) -> Run:
    def chosen() -> AbstractContextManager[None]:
        return _kernel(kernel) if with_torch else _kernel_without_torch(kernel)

    with chosen():
        simulator = Simulator(program, device="cpu")

    def run(samples: IntArray) -> Execution:
        with chosen():
            return simulator.run(samples, threads=threads)

    return run


@contextmanager
def _kernel_without_torch(name: str | None) -> Iterator[None]:
    without_torch = nullcontext()
    if find_spec(_WITH_TORCH) is not None:
        without_torch = import_module(_WITH_TORCH).numpy_alone(unless_loaded=False)
    with _kernel(name), without_torch:
        yield


@contextmanager
def _kernel(name: str | None) -> Iterator[None]:
    before = os.environ.get(CHOICE)
    if name is not None:
        os.environ[CHOICE] = name
    try:
        yield
    finally:
        if name is not None:
            os.environ.pop(CHOICE)
            if before is not None:
                os.environ[CHOICE] = before
