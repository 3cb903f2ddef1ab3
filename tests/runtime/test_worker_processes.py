"""Shards in other processes: what comes back, what a lost worker costs, and that nothing is left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from spikec.runtime.shards import Agenda, Shard, Workers, run_shards
from spikec.runtime.worker import Answer
from spikec.targets.diagnostic import DiagnosticWarning, UnusableInput


def shards(count: int) -> list[Shard]:
    return [Shard(f"number {n}", n) for n in range(count)]


def results(work: Any, count: int, jobs: int = 2) -> dict[int, Any]:
    return {shard.given: result for shard, result in run_shards(work, shards(count), Workers(jobs=jobs))}


def test_results_come_from_processes_of_one_thread(work: Any) -> None:
    before = dict(os.environ)
    assert results(work.threads, 3) == dict.fromkeys(range(3), ("1", "1"))
    assert dict(os.environ) == before
    assert multiprocessing.active_children() == []


def test_a_lost_worker_costs_its_shard_which_is_done_again(work: Any, tmp_path: Path) -> None:
    with pytest.warns(DiagnosticWarning) as told:
        found = results(work.Lethal(str(tmp_path), (1, 3)), 5)
    assert found == {n: n * n for n in range(5)}
    messages = sorted(str(each.message) for each in told)
    assert [m.split(" and its")[0] for m in messages] == [
        "W770 the worker of number 1 was lost (killed by SIGKILL),",
        "W770 the worker of number 3 was lost (killed by SIGKILL),",
    ]


def test_a_shard_that_costs_every_worker_ends_the_work(work: Any, tmp_path: Path) -> None:
    with pytest.warns(DiagnosticWarning) as told, pytest.raises(UnusableInput, match="E770 3 workers were lost") as no:
        results(work.Lethal(str(tmp_path), (0,), always=True), 1)
    assert len(told) == 2
    assert "number 0 (killed by SIGKILL)" in str(no.value)
    assert multiprocessing.active_children() == []


def test_all_that_a_worker_says_is_told(work: Any) -> None:
    with pytest.warns(DiagnosticWarning, match="W644 slow 0"):
        assert results(work.refusing, 1) == {0: None}
    with pytest.warns(DiagnosticWarning), pytest.raises(UnusableInput) as refusal:
        results(work.refusing, 2, jobs=1)
    assert [d.code for d in refusal.value.diagnostics] == ["E601", "E602"]
    with pytest.raises(UnusableInput, match="E902 ZeroDivisionError: by nought"):
        results(work.failing, 1)
    assert multiprocessing.active_children() == []


def test_whoever_stops_early_leaves_no_process(work: Any) -> None:
    with closing(run_shards(work.squared, shards(9), Workers(jobs=2))) as found:
        next(found)
        assert len(multiprocessing.active_children()) == 2
    assert multiprocessing.active_children() == []


SLEEPERS = """
import signal
import time
from spikec.runtime.shards import Shard, Workers, run_shards
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells have what they run behind them ignore it
    print("started", flush=True)
    list(run_shards(time.sleep, [Shard(str(n), 60) for n in range(2)], Workers(jobs=2)))
"""


@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_the_process_that_asked(tmp_path: Path, blow: signal.Signals) -> None:
    """By Ctrl-C, without a word of theirs, and even where it had no time to say good-bye."""
    (tmp_path / "sleepers.py").write_text(SLEEPERS)
    asking = subprocess.Popen(
        [sys.executable, str(tmp_path / "sleepers.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert asking.stdout is not None
    assert asking.stderr is not None
    assert asking.stdout.readline() == "started\n"
    while len(_children(asking.pid)) < 3:  # two workers, and the tracker that Python starts with them
        time.sleep(0.05)
    os.killpg(asking.pid, blow) if blow is signal.SIGINT else asking.kill()
    # The pipe ends when nobody holds it any more.
    said = asking.stderr.read()
    assert "worker.py" not in said
    assert asking.wait() != 0


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def taken(agenda: Agenda, group: str, *elsewhere: str) -> str | None:
    shard = agenda.take(group, elsewhere)
    return None if shard is None else shard.name


def test_shards_of_a_group_stay_together_and_starts_come_first() -> None:
    given = {"a1": (), "a2": (), "b2": ("b1",), "b1": (), "c1": ()}
    listed = {name: Shard(name, name, group=name[0], after=after) for name, after in given.items()}
    agenda = Agenda(list(listed.values()))
    assert taken(agenda, "") == "a1"
    assert taken(agenda, "", "a") == "b1"
    assert taken(agenda, "b", "a") == "c1"  # b2 waits for b1
    assert agenda.finish(listed["b1"], Answer(7)) == 7
    assert taken(agenda, "a", "b", "c") == "a2"
    assert taken(agenda, "a", "b", "c") == "b2"
    assert taken(agenda, "a", "b", "c") is None
    with pytest.warns(DiagnosticWarning, match="W770 the worker of c1 was lost"):
        agenda.lose(listed["c1"], "exit code 1")
    assert taken(agenda, "a") == "c1"
