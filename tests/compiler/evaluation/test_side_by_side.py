"""Comparisons by several processes: the same bytes as by one, also where a worker is lost on the way."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed import LocalCluster

from spikec.__main__ import run
from spikec.compiler.evaluation import measuring, tradeoff
from spikec.compiler.frontend.training_record import TrainingRecord
from spikec.runtime.shards import Results, Shard, Workers, run_shards

from .test_evaluation import _file

LETHAL = '''
import os, signal
from pathlib import Path

class Lethal:
    """Ends the process that begins with one shard, once."""
    def __init__(self, work, fatal, marker):
        self.work, self.fatal, self.marker = work, fatal, marker
    def __call__(self, given):
        if given == self.fatal and not Path(self.marker).exists():
            Path(self.marker).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.work(given)
'''


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    random = np.random.default_rng(1)
    inputs = random.integers(0, 256, size=(90, 5)).astype(np.uint8)
    np.savez(tmp_path / "data.npz", inputs=inputs, labels=np.arange(90) % 3)
    return [str(_file(tmp_path / f"{n}.onnx", TrainingRecord("round", 0, n), n)) for n in range(2)]


def told(command: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    assert run(command) == 0
    return capsys.readouterr()


def kill_at(place: int, module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the worker end that first begins with the shard at ``place``."""
    (tmp_path / "lethal_work.py").write_text(LETHAL)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("lethal_work", None)
    from lethal_work import Lethal  # type: ignore[import-not-found]

    def run_lethal(work: Any, shards: list[Shard], workers: Workers) -> Results:
        return run_shards(Lethal(work, shards[place].given, str(tmp_path / "was-killed")), shards, workers)

    monkeypatch.setattr(module, "run_shards", run_lethal)


@pytest.mark.slow
def test_a_comparison_with_a_lost_worker_is_that_of_one_process(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, journal = str(tmp_path / "data.npz"), tmp_path / "figures.jsonl"
    command = ["evaluate", *files, "--data", data, "--calibration", data, "--timesteps", "1,4", "--float", "--json"]
    command += ["--methods", "qcfs,lmpc", "--against", "qcfs", "--markdown"]
    alone, _ = told([*command, str(tmp_path / "alone.md")], capsys)
    kill_at(5, measuring, tmp_path, monkeypatch)
    beside, said = told([*command, str(tmp_path / "beside.md"), "--jobs", "2", "--journal", str(journal)], capsys)
    assert beside == alone
    assert (tmp_path / "beside.md").read_bytes() == (tmp_path / "alone.md").read_bytes()
    assert f"warning W770: the worker of 'lmpc' at T = 1 of {files[0]}," in said
    assert len(journal.read_text().splitlines()) == 2 + 2 * 2 * 2 * 2
    monkeypatch.undo()
    again, _ = told([*command, str(tmp_path / "again.md"), "--journal", str(journal)], capsys)
    assert again == alone


@pytest.mark.slow
def test_a_tradeoff_with_a_lost_worker_is_that_of_one_process(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = str(tmp_path / "data.npz")
    command = ["tradeoff", files[0], "--data", data, "--calibration", data, "--json"]
    alone, _ = told(command, capsys)
    kill_at(0, tradeoff, tmp_path, monkeypatch)
    beside, said = told([*command, "--jobs", "2"], capsys)
    assert beside == alone
    assert "warning W770: " in said


@pytest.mark.slow
def test_a_comparison_on_a_cluster_that_loses_a_worker_is_that_of_one_process(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = str(tmp_path / "data.npz")
    command = ["evaluate", *files, "--data", data, "--calibration", data, "--timesteps", "1,4", "--json"]
    command += ["--methods", "qcfs,lmpc"]
    alone, _ = told(command, capsys)
    kill_at(5, measuring, tmp_path, monkeypatch)
    with LocalCluster(n_workers=2, processes=True, threads_per_worker=1, dashboard_address=None) as cluster:
        beside, _ = told([*command, "--cluster", str(cluster.scheduler_address)], capsys)
    assert (tmp_path / "was-killed").exists()
    assert beside == alone


def test_processes_and_a_cluster_are_one_too_many(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", *files, "--data", str(tmp_path / "data.npz"), "--jobs", "2", "--cluster", "tcp://nowhere:1"]
    assert run(command) == 2
    assert "error E773: " in capsys.readouterr().err
