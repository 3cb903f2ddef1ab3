"""Processes that judge one case after the other, are watched while they do, and are replaced when they die."""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait

from .networks import NetworkSettings
from .verdict import Verdict

NETWORK, MUTANT, CHECKPOINT = "network", "mutant", "checkpoint"
"""Kinds of lanes. Mutants are read without torch and numba, checkpoints with torch."""

SECONDS = 10.0
"""Processor time that one network may take; that of mutants is bounded in the lane itself."""

PATIENCE = 120.0
"""Seconds after which a case hangs, however loaded the machine is and however long Lava's processes take to start."""

MEGABYTES = 2048

_FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True, slots=True)
class Case:
    """What a lane is asked: a number, and decisions that replace those it would draw."""

    number: int
    replayed: Sequence[int] | None = None


class Lane:
    """One process and the case that it is at."""

    def __init__(self, kind: str, settings: NetworkSettings) -> None:
        self.kind = kind
        self.settings = settings
        self.case: Case | None = None
        self._start()

    def _start(self) -> None:
        self.connection, theirs = _FORK.Pipe()
        self._process = _FORK.Process(target=_serve, args=(self.kind, self.settings, theirs), daemon=False)
        self._process.start()
        theirs.close()
        # Loading libraries is not the first case's time.
        self.connection.recv()

    def begin(self, case: Case) -> None:
        """Ask for a verdict on ``case``."""
        self.case = case
        self.deadline = time.monotonic() + PATIENCE
        self.connection.send(case)

    def verdict(self) -> Verdict:
        """The answer, once the connection is ready or the deadline is over; a lane that failed is started anew."""
        assert self.case is not None
        verdict = None
        if self.connection.poll(max(0.0, self.deadline - time.monotonic())):
            try:
                verdict = self.connection.recv()
            except EOFError:
                self._process.join()
                verdict = Verdict("crash", f"the process ended with {self._process.exitcode}")
        else:
            verdict = Verdict("over time", f"no verdict after {PATIENCE:.0f} s")
        if verdict.kind in ("crash", "over time", "over memory"):
            self.close()
            self._start()
        self.case = None
        return verdict

    def ask(self, case: Case) -> Verdict:
        """Judge ``case`` and wait for it."""
        self.begin(case)
        return self.verdict()

    def close(self) -> None:
        """End the process."""
        self.connection.close()
        self._process.kill()
        self._process.join()


def runs_lava(kind: str, case: Case) -> bool:
    """Whether a case is run on Lava too; a replayed one is not."""
    return kind == NETWORK and case.replayed is None and case.number % 400 == 7


def judged(
    kind: str, numbers: Sequence[int], settings: NetworkSettings, jobs: int, until: float
) -> Iterator[tuple[int, Verdict]]:
    """Verdicts on ``numbers`` as they come, from ``jobs`` lanes, until the clock shows ``until``."""
    waiting = iter(numbers)
    lanes = [Lane(kind, settings) for _ in range(min(jobs, max(1, len(numbers))))]
    busy: list[Lane] = []

    def occupy(lane: Lane) -> None:
        number = next(waiting, None) if time.monotonic() < until else None
        if number is not None:
            lane.begin(Case(number))
            busy.append(lane)

    try:
        for lane in lanes:
            occupy(lane)
        while busy:
            timeout = min(lane.deadline for lane in busy) - time.monotonic()
            ready = wait([lane.connection for lane in busy], max(0.0, timeout))
            now = time.monotonic()
            for lane in [b for b in busy if b.connection in ready or b.deadline <= now]:
                assert lane.case is not None
                number = lane.case.number
                busy.remove(lane)
                yield number, lane.verdict()
                occupy(lane)
    finally:
        for lane in lanes:
            lane.close()


def _serve(kind: str, settings: NetworkSettings, connection: Connection) -> None:
    """Body of a lane."""
    os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
    trial = _prepared(kind)
    connection.send(None)
    while True:
        try:
            case: Case = connection.recv()
        except EOFError:
            return
        started = time.process_time()
        try:
            verdict = trial(case.number, settings, case.replayed, runs_lava(kind, case))
        except Exception as error:
            verdict = Verdict("traceback", _shown(error))
        seconds = time.process_time() - started
        if seconds > SECONDS and not verdict.finding:
            verdict = Verdict("over time", f"the case took {seconds:.1f} s of the processor")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        if peak > MEGABYTES and not verdict.finding:
            verdict = Verdict("over memory", f"the process holds {peak} MB")
        connection.send(verdict)


def _prepared(kind: str) -> Callable[[int, NetworkSettings, Sequence[int] | None, bool], Verdict]:
    if kind == MUTANT:
        sys.modules["torch"] = sys.modules["numba"] = None  # type: ignore[assignment]
    else:
        import torch

        torch.set_num_threads(1)
    if kind == NETWORK:
        from .network_trial import try_network

        return try_network
    import spikec.__main__

    from .mutant_trial import try_mutant

    assert spikec.__main__, "loaded once, for all the children that run it"
    return lambda number, settings, replayed, lava: try_mutant(number, settings, replayed)


def _shown(error: Exception) -> str:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = "" if frame is None else f" at {os.path.basename(frame.tb_frame.f_code.co_filename)}:{frame.tb_lineno}"
    return f"{type(error).__name__}: {str(error)[:300]}{place}"
