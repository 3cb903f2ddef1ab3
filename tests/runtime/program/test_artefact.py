"""Artefacts on disk: round trips, damage, files that do not belong together, and writing that never halves."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikec.runtime.program import Program, storage
from spikec.runtime.program.artefact import check_destination, write_artefact, write_file
from spikec.runtime.program.storage import check_artefact, load_program, program_files
from spikec.runtime.simulator import simulate
from spikec.targets.diagnostic import Diagnostic, UnusableInput

Problems = Callable[[Path], list[Diagnostic]]
FILE_OPERATIONS = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.listdir", "os.scandir")


def test_round_trip(folder: Path, program: Program) -> None:
    original, loaded = program, load_program(folder)
    assert program_files(loaded) == program_files(original)
    samples = np.random.default_rng(1).integers(0, 256, size=(5, 2, 6, 4))
    before, after = (simulate(p, samples, record=True) for p in (original, loaded))
    np.testing.assert_array_equal(before.readout, after.readout)
    assert before.spike_counts == after.spike_counts
    assert sum(before.spike_counts.values()) > 0


def test_tensors_are_narrow_and_carry_no_dates(folder: Path) -> None:
    with zipfile.ZipFile(folder / "tensors.npz") as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    with np.load(folder / "tensors.npz") as archive:
        assert archive["input-conv/weight"].dtype == np.int8
        assert archive["conv/threshold"].dtype == np.int16
        assert archive["hidden/threshold"].dtype == np.int32


@pytest.mark.parametrize("name", ["program.json", "tensors.npz"])
def test_missing_and_truncated_files(folder: Path, problems: Problems, name: str) -> None:
    whole = (folder / name).read_bytes()
    for size in (0, 1, len(whole) // 3, len(whole) - 5):
        (folder / name).write_bytes(whole[:size])
        assert [p.code for p in problems(folder)] == ["E611"]
    (folder / name).unlink()
    (missing,) = problems(folder)
    assert missing.code == "E610"
    assert missing.place.file == str(folder / name)


def negated(file: Path) -> None:
    with np.load(file) as archive:
        tensors = dict(archive)
    tensors["conv-hidden/weight"] = -tensors["conv-hidden/weight"]
    np.savez(file, **tensors)


@pytest.mark.parametrize(
    ("edited", "holder", "change"),
    [
        ("tensors.npz", "program.json", negated),
        ("program.json", "report.json", lambda file: file.write_text(file.read_text().replace("small", "other"))),
    ],
)
def test_files_of_different_compilations(
    folder: Path, problems: Problems, edited: str, holder: str, change: Callable[[Path], object]
) -> None:
    digest = hashlib.sha256((folder / "program.json").read_bytes()).hexdigest()
    (folder / "report.json").write_text(json.dumps({"program_digest": digest}))
    assert load_program(folder).name == "small"
    check_artefact(folder, digest)
    change(folder / edited)
    (problem,) = problems(folder)
    assert problem.code == "E616"
    assert problem.place.file == str(folder / edited)
    assert f"'{edited}'" in problem.message
    assert f"'{holder}'" in problem.message
    with pytest.raises(UnusableInput, match="E616"):
        check_artefact(folder, digest)


def test_a_report_without_the_digest_is_of_no_artefact(folder: Path) -> None:
    with pytest.raises(UnusableInput, match="E616"):
        check_artefact(folder, None)


def test_a_report_is_tied_to_tensors_that_are_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = hashlib.sha256((folder / "program.json").read_bytes()).hexdigest()
    monkeypatch.setattr(storage, "read_archive", lambda path: pytest.fail("the tensors are read"))
    check_artefact(folder, digest)
    (folder / "tensors.npz").unlink()
    with pytest.raises(UnusableInput, match="E610"):
        check_artefact(folder, digest)
    os.mkfifo(folder / "tensors.npz")
    with pytest.raises(UnusableInput, match="E610"):
        check_artefact(folder, digest)


def test_missing_folder(problems: Problems, tmp_path: Path) -> None:
    assert [p.code for p in problems(tmp_path / "nowhere")] == ["E610"]


def test_writing_replaces_and_removes_leftovers(folder: Path, program: Program) -> None:
    parent, files = folder.parent, program_files(program)
    dead = 1 << 22  # above the kernel's largest process id
    (parent / f".out.{dead}.new").mkdir()
    (parent / f".out.{dead}.new" / "program.json").write_text("half")
    (parent / f".out.{dead}.old").mkdir()
    (parent / f".out.{os.getppid()}.new").mkdir()
    write_artefact(folder, {**files, "report.json": b"{}"})
    assert sorted(p.name for p in parent.iterdir()) == [f".out.{os.getppid()}.new", "out"]
    assert (folder / "report.json").exists()
    write_artefact(folder, files)
    assert sorted(p.name for p in folder.iterdir()) == sorted(files)


def test_artefact_that_a_crash_moved_away_comes_back(folder: Path) -> None:
    folder.rename(folder.parent / f".out.{1 << 22}.old")
    with pytest.raises(UnusableInput):
        write_artefact(folder, {"no/such/folder": b""})
    assert load_program(folder).name == "small"


def write_and_die(folder: Path, files: dict[str, bytes], last: int) -> int:
    """Write in a process of its own that is killed at file operation number ``last``; its wait status."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    seen = 0

    def kill(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event in FILE_OPERATIONS and any(str(a).startswith(str(folder.parent)) for a in arguments):
            seen += 1
            if seen == last:
                os.kill(os.getpid(), signal.SIGKILL)

    try:
        sys.addaudithook(kill)
        write_artefact(folder, files)
    finally:
        os._exit(0)


@pytest.mark.parametrize("earlier", [False, True])
def test_killed_at_every_file_operation(tmp_path: Path, program: Program, earlier: bool) -> None:
    old, new = ({**program_files(program), "report.json": text} for text in (b"old", b"new"))
    folder = tmp_path / "out"
    for last in range(1, 100):
        if earlier:
            write_artefact(folder, old)
        status = write_and_die(folder, new, last)
        if status == 0:
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
        if folder.exists():
            assert {p.name: p.read_bytes() for p in folder.iterdir()} in (old, new)
        else:
            # Between two renames the earlier artefact lies beside the destination, whole.
            assert all({p.name: p.read_bytes() for p in f.iterdir()} == old for f in tmp_path.glob(".out.*.old"))
            assert bool(list(tmp_path.glob(".out.*.old"))) == earlier
        write_artefact(folder, new)
        assert [p.name for p in tmp_path.iterdir()] == ["out"]
        shutil.rmtree(folder)
    assert status == 0
    assert last > 7
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == new


def test_failed_writing_leaves_the_earlier_artefact(folder: Path) -> None:
    with pytest.raises(UnusableInput) as caught:
        write_artefact(folder, {"program.json": b"", "no/such/folder": b""})
    assert [d.code for d in caught.value.diagnostics] == ["E615"]
    assert load_program(folder).name == "small"
    assert [p.name for p in folder.parent.iterdir()] == ["out"]


def test_destinations_that_are_not_ours(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for place in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(UnusableInput) as caught:
            check_destination(place)
        assert [d.code for d in caught.value.diagnostics] == ["E614"]
    check_destination(tmp_path / "new")
    (tmp_path / "empty").mkdir()
    check_destination(tmp_path / "empty")


def test_write_file(tmp_path: Path) -> None:
    write_file(tmp_path / "a.txt", b"one")
    write_file(tmp_path / "a.txt", b"two")
    assert (tmp_path / "a.txt").read_bytes() == b"two"
    write_file(tmp_path / "new" / "a.txt", b"one")
    for place in (tmp_path, tmp_path / "a.txt" / "b"):
        with pytest.raises(UnusableInput) as caught:
            write_file(place, b"three")
        assert [d.code for d in caught.value.diagnostics] == ["E615"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", "new"]
    assert (tmp_path / "new" / "a.txt").read_bytes() == b"one"
