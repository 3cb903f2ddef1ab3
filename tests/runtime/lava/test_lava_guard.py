"""Whatever happens to a run on Lava, its error reaches the user and nothing stays behind."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from spikec.runtime.lava import availability, run_lava, supervisor
from spikec.runtime.lava.guard import run_guarded
from spikec.runtime.lava.job import Job, prepare_job
from spikec.runtime.lava.sections import cut
from spikec.runtime.program import INPUT, DenseSynapses, InputEncoding, Population, Program, Projection
from spikec.targets.diagnostic import UnusableInput

pytestmark = pytest.mark.skipif(not availability().available, reason=availability().detail)

LONG = 100_000
"""Samples that take many minutes."""


def program() -> Program:
    none, one = np.array(0), np.array(1)
    return Program(
        name="tiny",
        target="free",
        schedule="pipelined",
        timesteps=4,
        state_minimum=-100,
        state_maximum=100,
        input=InputEncoding((2,), (0,), (2,), 1.0, 0, 3),
        populations=(Population("hidden", (3,), one, none, none, 1), Population("out", (2,), None, none, none, 2)),
        projections=(
            Projection("first", INPUT, "hidden", DenseSynapses(np.ones((3, 2), dtype=np.int64))),
            Projection("second", "hidden", "out", DenseSynapses(np.ones((2, 3), dtype=np.int64))),
        ),
    )


def samples(count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.ones((count, 2), dtype=np.int64)


def processes_of(directory: Path) -> list[int]:
    """Living processes that were started for a job, found by its folder in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(directory).encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:  # it ended while we looked
            continue
    return found


def segments(process: int | None = None) -> set[str]:
    """Shared memory of the runs of a process, this one if none is given: other tests may run Lava beside us."""
    return {path.name for path in supervisor.SHARED_MEMORY.glob(f"psm_{process or os.getpid()}_*_*")}


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return prepare_job(tmp_path, program(), samples(LONG), record=False, sections=cut(program(), 1, 1))


def in_the_middle(job: Job, act: Callable[[list[int]], None]) -> Callable[[int, int], None]:
    """Progress that acts once, when the network runs."""
    acted: list[bool] = []

    def progress(_: int, __: int) -> None:
        if not acted:
            acted.append(True)
            act(processes_of(job.directory))

    return progress


def test_a_killed_process_ends_the_run(job: Job) -> None:
    def kill_a_leaf(processes: list[int]) -> None:
        assert len(processes) > 5
        parents = [int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1]) for pid in processes]
        actors = [pid for pid in processes if pid not in parents and parents.count(parents[processes.index(pid)]) > 3]
        os.kill(max(actors), signal.SIGKILL)

    begin = time.monotonic()
    with pytest.raises(UnusableInput) as caught:
        run_guarded(job, 60.0, in_the_middle(job, kill_a_leaf))
    assert time.monotonic() - begin < 30
    diagnostic = caught.value.diagnostics[0]
    assert diagnostic.code == "E502"
    assert "exit code -9" in diagnostic.message
    assert processes_of(job.directory) == []
    assert segments() == set()


def test_an_error_in_a_model_is_shown(job: Job) -> None:
    np.save(job.input_file, np.ones((LONG, 5), dtype=np.int8))
    with pytest.raises(UnusableInput) as caught:
        run_guarded(job, 60.0)
    diagnostic = caught.value.diagnostics[0]
    assert diagnostic.code == "E502"
    assert diagnostic.place.layer == "input"
    assert "ValueError" in diagnostic.message
    assert "broadcast" in str(diagnostic.hint)
    assert processes_of(job.directory) == []


@pytest.mark.slow
def test_an_error_while_building_is_shown(job: Job) -> None:
    job.input_file.unlink()
    with pytest.raises(UnusableInput, match="FileNotFoundError"):
        run_guarded(job, 60.0)
    assert processes_of(job.directory) == []


def test_a_worker_that_cannot_start_is_shown(job: Job) -> None:
    (job.directory / "job.pickle").write_bytes(pickle.dumps(None)[:-1])
    with pytest.raises(UnusableInput) as caught:
        run_guarded(job, 60.0)
    assert caught.value.diagnostics[0].code == "E502"
    assert "EOFError" in str(caught.value.diagnostics[0].hint) or "Unpickling" in str(caught.value.diagnostics[0].hint)


def test_the_deadline_ends_the_run(job: Job) -> None:
    with pytest.raises(UnusableInput) as caught:
        run_guarded(job, 2.5)
    diagnostic = caught.value.diagnostics[0]
    assert (diagnostic.code, diagnostic.limit, diagnostic.unit) == ("E503", 2.5, "s")
    assert processes_of(job.directory) == []
    assert segments() == set()


def test_interrupt_ends_the_run(job: Job) -> None:
    def interrupt(_: list[int]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_guarded(job, 60.0, in_the_middle(job, interrupt))
    assert processes_of(job.directory) == []
    assert segments() == set()


def test_a_killed_supervisor_leaves_nothing(job: Job) -> None:
    def kill_supervisor(processes: list[int]) -> None:
        commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes().decode() for pid in processes}
        os.kill(next(pid for pid, command in commands.items() if "supervisor.py" in command), signal.SIGKILL)

    with pytest.raises(UnusableInput) as caught:
        run_guarded(job, 60.0, in_the_middle(job, kill_supervisor))
    assert caught.value.diagnostics[0].code == "E502"
    wait_for(lambda: processes_of(job.directory) == [])
    assert segments() == set()


PARENT = """
import pickle, sys
from spikec.runtime.lava import run_lava
program, samples = pickle.load(open(sys.argv[1], "rb"))
run_lava(program, samples, record=False, deadline=300.0, progress=lambda done, total: print(done, flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_parent_that_dies_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    arguments = tmp_path / "arguments.pickle"
    arguments.write_bytes(pickle.dumps((program(), samples(LONG))))
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(arguments)],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert parent.stdout is not None
    assert int(parent.stdout.readline()) > 0
    assert segments(parent.pid)
    assert len(processes_of(tmp_path)) > 5
    parent.send_signal(number)
    parent.wait(30)
    wait_for(lambda: processes_of(tmp_path) == [])
    wait_for(lambda: not segments(parent.pid))
    wait_for(lambda: list(tmp_path.iterdir()) == [arguments])


def test_foreign_shared_memory_stays(tmp_path: Path) -> None:
    from multiprocessing.shared_memory import SharedMemory

    foreign = SharedMemory(create=True, size=64)
    try:
        run_lava(program(), samples(2), record=True, deadline=60.0)
        assert (supervisor.SHARED_MEMORY / foreign.name.lstrip("/")).exists()
    finally:
        foreign.close()
        foreign.unlink()


def test_a_full_disk_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(UnusableInput) as caught:
        run_lava(program(), samples(1), record=False)
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == ["E510"]
    assert str(tmp_path) in str(caught.value.diagnostics[0].place.file)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.ones((3, 4), dtype=np.int64), "shape"),
        (np.ones((0, 2), dtype=np.int64), "shape"),
        (np.full((1, 2), 4), "outside 0..3"),
        (np.full((1, 2), -1), "outside 0..3"),
    ],
)
def test_foreign_samples_are_refused(values: np.ndarray[tuple[int, ...], np.dtype[np.int64]], message: str) -> None:
    with pytest.raises(UnusableInput, match=message) as caught:
        run_lava(program(), values, record=False)
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == ["E506"]
