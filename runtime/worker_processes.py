"""Shards in processes of this machine: one thread each, ended with the work, replaced where one is lost."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
from collections.abc import Iterator, Sequence
from multiprocessing.connection import wait

from .shards import Agenda, Results, Shard, Work
from .worker import Answer, serve

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
"""Read by the libraries as they are loaded. More threads would fight for the cores of the other workers."""

_SECONDS_TO_END = 5.0


def run_in_processes(work: Work, shards: Sequence[Shard], jobs: int) -> Results:
    """Yield each shard with its result as it is done by one of ``jobs`` processes, at least 1; raises as `run_shards`.

    No process is left when the iterator ends, however it does.
    """
    agenda, content = Agenda(shards), pickle.dumps(work)
    workers: list[_Worker] = []
    try:
        for _ in range(min(jobs, len(shards))):
            workers.append(_Worker(content))
        _give_out(agenda, workers)
        while busy := [worker for worker in workers if worker.shard is not None]:
            heard = wait([worker.connection for worker in busy])
            for worker in (each for each in busy if each.connection in heard):
                shard, told = worker.take_answer()
                if told is None:
                    agenda.lose(shard, worker.how_it_ended())
                    workers[workers.index(worker)] = _Worker(content)
                else:
                    yield shard, agenda.finish(shard, told)
            _give_out(agenda, workers)
    finally:
        for worker in workers:
            worker.end()


def _give_out(agenda: Agenda, workers: Sequence[_Worker]) -> None:
    for worker in workers:
        if worker.shard is None:
            shard = agenda.take(worker.group, (each.group for each in workers if each is not worker))
            if shard is not None:
                worker.give(shard)


class _Worker:
    """A process, and the shard that it works on; its ``group`` is that of its last one."""

    def __init__(self, content: bytes) -> None:
        context = multiprocessing.get_context("spawn")  # threads of torch that were there before a fork hang after it
        self.connection, theirs = context.Pipe()
        self._content: bytes | None = content
        self._process = context.Process(target=serve, args=(theirs,), daemon=True)
        with _single_threaded(), _without_interrupts():
            self._process.start()
        theirs.close()
        self.shard: Shard | None = None
        self.group = ""

    def give(self, shard: Shard) -> None:
        """Let the process begin with ``shard``."""
        self.shard, self.group = shard, shard.group
        with contextlib.suppress(OSError):  # a process that is gone is noticed where it is listened to
            if self._content is not None:
                self.connection.send_bytes(self._content)
                self._content = None
            self.connection.send(shard.given)

    def take_answer(self) -> tuple[Shard, Answer | None]:
        """Return the shard and what the process tells of it, None where it is gone."""
        assert self.shard is not None, "only a worker that was given something answers"
        shard, self.shard = self.shard, None
        try:
            told: Answer = self.connection.recv()
        except (EOFError, OSError):
            return shard, None
        return shard, told

    def how_it_ended(self) -> str:
        """Signal or exit code of a process that is gone, in words."""
        self._process.join(_SECONDS_TO_END)
        self.end()
        code = self._process.exitcode or 0
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def end(self) -> None:
        """End the process, whatever it does."""
        self.connection.close()
        self._process.kill()
        self._process.join()


@contextlib.contextmanager
def _single_threaded() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """A process that is started here hears no Ctrl-C: its worker is ended by the process that asked for it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
