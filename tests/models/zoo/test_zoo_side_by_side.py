"""Trainings side by side: in the order of their starts, told in the zoo's order, with the bytes of one process."""

from __future__ import annotations

import importlib
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from spikec.__main__ import run
from spikec.models.zoo import load_zoo, train_zoo
from spikec.models.zoo import training as zoo_training
from spikec.models.zoo.named_lines import NamedLines
from spikec.runtime.shards import Results, Shard, Workers, run_shards
from spikec.targets.diagnostic import UnusableInput

ZOO = """
dataset = "digits"
seeds = [0, 1]
[options]
network = "convnet"
width = 2
epochs_relu = 1
epochs_qc = 1
activation = "round"
[networks.relu]
activation = "relu"
[networks.qcfs]
start = "relu"
"""

WRITER = '''
from pathlib import Path

class Writer:
    """Writes a checkpoint, if that of the start is there."""
    def __init__(self, root):
        self.root = Path(root)
    def __call__(self, training):
        folder = training.folder(self.root)
        start = training.entry.start
        assert start is None or (folder.parent / start / "model.pt").is_file()
        folder.mkdir(parents=True)
        (folder / "model.pt").touch()
'''


@pytest.fixture
def zoo_file(tmp_path: Path) -> Path:
    file = tmp_path / "small.toml"
    file.write_text(ZOO)
    return file


def test_a_training_waits_for_its_start_and_is_told_in_order(
    zoo_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "zoo_writer.py").write_text(WRITER)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("zoo_writer", None)
    writer = importlib.import_module("zoo_writer").Writer(tmp_path / "runs")

    def write(_: Any, shards: list[Shard], workers: Workers) -> Results:
        return run_shards(writer, shards, workers)

    monkeypatch.setattr(zoo_training, "run_shards", write)
    (tmp_path / "runs" / "seed-1" / "relu").mkdir(parents=True)
    (tmp_path / "runs" / "seed-1" / "relu" / "model.pt").touch()
    assert run(["zoo", str(zoo_file), "-o", str(tmp_path / "runs"), "--json", "--jobs", "2"]) == 0
    rows = json.loads(capsys.readouterr().out)["networks"]
    assert [(r["seed"], r["network"], r["was_there"]) for r in rows] == [
        (0, "relu", False),
        (0, "qcfs", False),
        (1, "relu", True),
        (1, "qcfs", False),
    ]


def test_a_folder_that_workers_do_not_share_is_refused(
    zoo_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def elsewhere(_: Any, shards: list[Shard], workers: Workers) -> Results:
        yield from ((shard, None) for shard in shards)

    monkeypatch.setattr(zoo_training, "run_shards", elsewhere)
    with pytest.raises(UnusableInput, match="E775"):
        list(train_zoo(load_zoo(zoo_file), None, tmp_path, workers=Workers(cluster="tcp://far:8786")))  # type: ignore[arg-type]


def test_lines_of_trainings_begin_with_their_names() -> None:
    stream = io.StringIO()
    lines = NamedLines(stream, "seed 0, relu")
    lines.write("relu 1/2: ")
    assert stream.getvalue() == ""
    lines.write("loss 1\nrelu 2/2: loss 0\n")
    assert stream.getvalue() == "seed 0, relu: relu 1/2: loss 1\nseed 0, relu: relu 2/2: loss 0\n"
    assert not lines.isatty()


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Sums of several threads are added in another order, and a worker has one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def written(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "seconds.jsonl")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.slow
def test_trainings_side_by_side_write_the_same_bytes(
    zoo_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], one_thread: None
) -> None:
    told = []
    where: dict[str, list[str]] = {"alone": [], "beside": ["--jobs", "2"]}
    for name, options in where.items():
        assert run(["zoo", str(zoo_file), "-o", str(tmp_path / name), "--device", "cpu", *options]) == 0
        told.append(capsys.readouterr().out)
    alone, beside = (written(tmp_path / name) for name in where)
    assert len(alone) > 4 * 4
    assert beside == alone
    assert told[1] == told[0].replace(str(tmp_path / "alone"), str(tmp_path / "beside"))
