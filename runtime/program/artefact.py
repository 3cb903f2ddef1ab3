"""Writing a compiled artefact so that it is either all there or not there at all."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from pathlib import Path

from ...targets.diagnostic import refuse
from ..progress import Report as Progress
from ..progress import untold, within

_BYTES_AT_ONCE = 8 << 20

ARTEFACT_FILES = ("program.json", "tensors.npz", "selftest.json", "report.json", "report.html")


def check_destination(directory: str | Path, ours: tuple[str, ...] = ARTEFACT_FILES) -> None:
    """Raise ``UnusableInput`` where the files ``ours`` in ``directory`` would take the place of something else."""
    folder = Path(directory)
    if folder.is_dir():
        foreign = sorted(entry.name for entry in folder.iterdir() if entry.name not in ours)
        if foreign:
            raise refuse(
                "E614",
                f"the folder holds other files ({', '.join(foreign[:5])})",
                file=folder,
                hint="give a new folder, or one that holds nothing but an earlier artefact",
            )
    elif folder.exists():
        raise refuse("E614", "this is a file, not a folder", file=folder, hint="give the path of a folder")


def write_artefact(directory: str | Path, files: dict[str, bytes], progress: Progress = untold) -> None:
    """Write ``files`` into ``directory`` in one move, replacing an earlier artefact.

    Everything is written beside the destination first; a crash leaves the earlier artefact, and the next call
    removes what a crashed one left beside it. ``progress(done, total)`` counts bytes.
    """
    check_destination(directory)
    folder = Path(directory).absolute()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder)
        _move_into_place(folder, files, progress)
    except OSError as error:
        reason = error.strerror or str(error)
        raise refuse(
            "E615", f"the artefact cannot be written ({reason})", file=directory, hint="check space and permissions"
        ) from error


def _move_into_place(folder: Path, files: dict[str, bytes], progress: Progress) -> None:
    fresh = folder.with_name(f".{folder.name}.{os.getpid()}.new")
    stale = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    fresh.mkdir()
    try:
        done, total = 0, sum(map(len, files.values()))
        for name, content in files.items():
            _write_through(fresh / name, content, within(progress, done, done + len(content), total))
            done += len(content)
        if folder.exists():
            folder.rename(stale)
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(stale, ignore_errors=True)


def _remove_leftovers(folder: Path) -> None:
    pattern = re.compile(re.escape(f".{folder.name}.") + r"(\d+)\.(new|old)")
    for entry in folder.parent.iterdir():
        match = pattern.fullmatch(entry.name)
        if match is None or _is_running(int(match[1])):
            continue
        if match[2] == "old" and not folder.exists():
            entry.rename(folder)
        else:
            shutil.rmtree(entry, ignore_errors=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def write_file(path: str | Path, content: bytes) -> None:
    """Write one file, making its folder, so that it is either all there or as it was; E615 if that is not possible."""
    file = Path(path).absolute()
    fresh = file.with_name(f".{file.name}.{os.getpid()}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _write_through(fresh, content, untold)
        fresh.replace(file)
    except OSError as error:
        with contextlib.suppress(OSError):
            fresh.unlink()
        reason = error.strerror or str(error)
        raise refuse(
            "E615", f"the file cannot be written ({reason})", file=path, hint="check the path, space and permissions"
        ) from error


def _write_through(file: Path, content: bytes, progress: Progress) -> None:
    with file.open("wb") as stream:
        for first in range(0, len(content), _BYTES_AT_ONCE):
            progress(first + stream.write(memoryview(content)[first : first + _BYTES_AT_ONCE]), len(content))
        stream.flush()
        os.fsync(stream.fileno())
