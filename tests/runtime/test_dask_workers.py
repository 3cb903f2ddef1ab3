"""Shards on a cluster of dask: the same results, also where a worker is killed; and what is said of a cluster."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from distributed import LocalCluster

from spikec.runtime import dask_workers
from spikec.runtime.shards import Agenda, Shard, Workers, run_shards
from spikec.runtime.worker import answered
from spikec.targets.diagnostic import DiagnosticWarning, UnusableInput


@pytest.fixture
def cluster() -> Iterator[Callable[[int], str]]:
    """Start a scheduler with so many workers, each a process; gives its address."""
    started = []

    def start(workers: int) -> str:
        found = LocalCluster(
            n_workers=workers,
            processes=True,
            threads_per_worker=1,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        )
        started.append(found)
        return str(found.scheduler_address)

    yield start
    for each in started:
        each.close()


def results(work: Any, address: str, count: int = 6) -> dict[int, Any]:
    shards = [Shard(f"number {n}", n) for n in range(count)]
    return {shard.given: result for shard, result in run_shards(work, shards, Workers(cluster=address))}


def test_a_killed_worker_costs_its_shard(work: Any, tmp_path: Path, cluster: Callable[[int], str]) -> None:
    address = cluster(2)
    assert results(work.Lethal(str(tmp_path), (3,)), address) == {n: n * n for n in range(6)}
    assert (tmp_path / "3").exists()
    with pytest.warns(DiagnosticWarning, match="W644"), pytest.raises(UnusableInput) as refusal:
        results(work.refusing, address)
    assert [d.code for d in refusal.value.diagnostics] == ["E601", "E602"]


@dataclass(eq=False)
class _Future:
    """A result that is seen in each of ``states`` in turn, and stays in the last."""

    states: list[str]

    @property
    def status(self) -> str:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def result(self) -> object:
        return answered(lambda given: given + 1, 1)


class _Client:
    """Gives its futures as tasks are submitted; the first task is the work itself."""

    def __init__(self, *futures: _Future) -> None:
        self._futures = [_Future(["finished"]), *futures]

    def submit(self, *given: object, **options: object) -> _Future:
        return self._futures.pop(0)


@pytest.mark.parametrize("state", ["lost", "pending"])
def test_a_result_that_is_lost_with_its_worker_is_waited_for_again(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_workers, "_done", lambda client, running, address: list(running))
    client = _Client(_Future([state, state, "finished", "lost"]))
    found = dask_workers._results(client, abs, Agenda([Shard("one", 1)]), "tcp://a")
    assert [result for _, result in found] == [2]
    gone = dask_workers._results(_Client(_Future(["cancelled"])), abs, Agenda([Shard("one", 1)]), "tcp://a")
    with pytest.raises(UnusableInput, match="E771 the scheduler at 'tcp://a' is gone"):
        list(gone)


def test_a_cluster_that_is_not_there(work: Any, cluster: Callable[[int], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_workers, "_SECONDS_TO_CONNECT", 0.5)
    for address in ("tcp://127.0.0.1:1", "nonsense://"):
        with pytest.raises(UnusableInput, match="E771 there is no scheduler of dask at"):
            results(work.squared, address)
    with pytest.raises(UnusableInput, match=r"E771 .* has no worker"):
        results(work.squared, cluster(0))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UnusableInput, match="E772"):
        results(work.squared, "tcp://127.0.0.1:1")


class _Unlike:
    """A client of workers that have another spikec, or none."""

    def __init__(self, found: dict[str, str] | Exception) -> None:
        self.found = found

    def run(self, function: Callable[[], str]) -> dict[str, str]:
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def test_every_worker_has_the_same_sources() -> None:
    own = dask_workers.sources_digest()
    dask_workers._require_same_sources(_Unlike({"tcp://a": own}))
    with pytest.raises(UnusableInput, match="E774 1 of 2 workers have another spikec: tcp://b"):
        dask_workers._require_same_sources(_Unlike({"tcp://a": own, "tcp://b": "older"}))
    with pytest.raises(UnusableInput, match="E774 a worker cannot run spikec: ModuleNotFoundError: spikec"):
        dask_workers._require_same_sources(_Unlike(ModuleNotFoundError("spikec")))
