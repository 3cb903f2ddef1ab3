"""The ways in which spikec's simulator can run a program here: each instruction set, and numpy.

What there is depends on how spikec was built, and on the processor.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from spikec.runtime.execution import Execution
from spikec.runtime.program import IntArray, Program
from spikec.runtime.simulator import Simulator
from spikec.runtime.simulator.native import CHOICE, available_instruction_sets

from .rows import SPIKEC

_NUMPY = "none"

Run = Callable[[IntArray], Execution]


def plain_install(program: Program, threads: int) -> Run:
    """As a plain install runs it: the kernel in C with the best instruction set, or the one that the user chose."""
    return _run(program, threads, os.environ.get(CHOICE))


@contextmanager
def as_plain_install() -> Iterator[None]:
    """Let what is simulated inside be simulated as a plain install does it, with the user's choice of kernel."""
    with _kernel(os.environ.get(CHOICE)):
        yield


def other_ways(program: Program, threads: int) -> dict[str, Run]:
    """Every way by name, the best one again, so that each is seen beside the others."""
    sets = [one.name for one in available_instruction_sets()]
    ways = {f"{SPIKEC}, {name}": _run(program, threads, name) for name in sets}
    ways[f"{SPIKEC}, numpy"] = _run(program, threads, _NUMPY)
    return ways


def _run(program: Program, threads: int, kernel: str | None) -> Run:
    with _kernel(kernel):
        simulator = Simulator(program, device="cpu")

    def run(samples: IntArray) -> Execution:
        with _kernel(kernel):
            return simulator.run(samples, threads=threads)

    return run


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
