"""Work in parts that stand alone: which comes next, which was lost and runs again, and where they run."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any

from ..targets.diagnostic import Diagnostic, DiagnosticWarning, UnusableInput, refuse
from ..targets.records import dataclass
from .worker import Answer

ATTEMPTS = 3
"""Workers that one shard may cost: a shard that takes too much memory would cost every worker that there is."""

Work = Callable[[Any], Any]
"""Turns what a shard was ``given`` into its result; travels to each worker once, and keeps there what shards share."""


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """A part of the work with a ``name`` of its own, for which a worker is ``given`` one value.

    Shards of one ``group`` share what a worker keeps, so they go to the same one where that keeps nobody waiting. A
    shard comes ``after`` others, by name.
    """

    name: str
    given: Any
    group: str = ""
    after: tuple[str, ...] = ()


Results = Generator[tuple[Shard, Any], None, None]
"""Shards with their results; to be closed by whom it was made for, which ends what still works on them."""


@dataclass(frozen=True, slots=True)
class Workers:
    """Where shards run: in ``jobs`` processes, on the ``cluster`` at an address of dask, or, by default, here."""

    jobs: int | None = None
    cluster: str | None = None


HERE = Workers()


def run_shards(work: Work, shards: Sequence[Shard], workers: Workers = HERE) -> Results:
    """Yield each shard with its result as it is done: here in their order, elsewhere in any.

    In other processes work is done on one thread each, and what it warns of is told here. Raises ``UnusableInput``
    with all that a worker refused, E770 for a shard that cost too many workers, E771 to E774 for a cluster.
    """
    if workers.cluster is not None:
        from .dask_workers import run_on_cluster

        return run_on_cluster(work, shards, workers.cluster)
    if workers.jobs is not None:
        from .worker_processes import run_in_processes

        return run_in_processes(work, shards, workers.jobs)
    return ((shard, work(shard.given)) for shard in shards)


_MEMORY = "if memory ran out, give fewer --jobs, or run it alone, without --jobs and --cluster"


class Agenda:
    """Shards that wait, those that are done, and how often each was lost."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        self._waiting = list(shards)
        self._done: set[str] = set()
        self._lost: dict[str, int] = {}

    @property
    def ready(self) -> list[Shard]:
        """Those that wait for no other one, in the order given."""
        return [shard for shard in self._waiting if self._done.issuperset(shard.after)]

    def take(self, group: str, elsewhere: Iterable[str]) -> Shard | None:
        """Take the next shard for a worker whose last one was of ``group``; None where all that wait need others.

        It is one of the same group, or else of one that no other worker is busy with, or else any.
        """
        ready, busy = self.ready, frozenset(elsewhere)
        choices = (
            *(shard for shard in ready if shard.group == group),
            *(shard for shard in ready if shard.group not in busy),
            *ready,
        )
        if not choices:
            return None
        self._waiting.remove(choices[0])
        return choices[0]

    def lose(self, shard: Shard, how: str) -> None:
        """Put back a shard whose worker ended, ``how`` in words; raises E770 where it was not the first."""
        self._lost[shard.name] = lost = self._lost.get(shard.name, 0) + 1
        if lost == ATTEMPTS:
            raise lost_too_often(shard, f"{ATTEMPTS} workers were lost", how)
        message = f"the worker of {shard.name} was lost ({how}), and its work is done again"
        warnings.warn(DiagnosticWarning(Diagnostic("W770", message, hint=_MEMORY)), stacklevel=2)
        self._waiting.insert(0, shard)

    def finish(self, shard: Shard, told: Answer) -> Any:
        """Return the result that a worker has told of ``shard``, with its warnings; raises what it refused."""
        for diagnostic in told.warned:
            warnings.warn(DiagnosticWarning(diagnostic), stacklevel=2)
        if told.refused:
            raise UnusableInput(told.refused)
        self._done.add(shard.name)
        return told.result


def lost_too_often(shard: Shard, what: str, how: str) -> UnusableInput:
    """E770: a shard was tried as often as it may be."""
    return refuse("E770", f"{what} on {shard.name} ({how})", hint=_MEMORY)
