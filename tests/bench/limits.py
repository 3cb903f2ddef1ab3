"""What this processor can do at most, on one thread, measured by small loops: weights added, bytes moved."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .measure import alternating
from .rows import Row

PART, UNIT = "limits", "G/s"
NEAREST, NEAR, FAR = "weights added, rows of 16 KiB", "weights added, rows of 512 KiB", "weights added, rows of 128 MiB"
MOVED = "bytes copied, read and written, 128 MiB"

_ROW = 256
_ROWS_READ = 1 << 14
_AHEAD = 8
_LINE = 64
_TABLES = {NEAREST: 1 << 14, NEAR: 1 << 19, FAR: 1 << 27}
_COPIED = 1 << 27


def measure_limits(folder: Path, rounds: int) -> Iterator[Row]:
    """Rows of part ``limits``, by processor time; the loop is compiled for this machine, OSError without a compiler."""
    add_rows = _compiled(folder)
    calls: dict[str, Callable[[], object]] = {
        name: _adding(add_rows, size, seed) for seed, (name, size) in enumerate(_TABLES.items())
    }
    calls[MOVED] = partial(np.copyto, *np.ones((2, _COPIED), dtype=np.uint8))
    work = {**dict.fromkeys(_TABLES, _ROWS_READ * _ROW), MOVED: 2 * _COPIED}
    for name, timings in alternating(calls, rounds).items():
        yield Row(PART, "", name, UNIT, tuple(work[name] / seconds / 1e9 for seconds in timings.cpu), threads=1)


def _adding(add_rows: Callable[..., object], size: int, seed: int) -> Callable[[], object]:
    room = np.ones(size + _LINE, dtype=np.uint8)
    rows = room[-room.ctypes.data % _LINE :]
    order = np.random.default_rng(seed).integers(0, size // _ROW, _ROWS_READ + _AHEAD, dtype=np.int32)
    sums = np.empty(_ROW, dtype=np.uint8)
    return partial(add_rows, rows, order, _ROWS_READ, sums)


def _compiled(folder: Path) -> Callable[..., object]:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise OSError("the part limits needs a C compiler")
    library = folder / "limits.so"
    source = Path(__file__).with_name("limits.c")
    command = [compiler, "-O3", "-march=native", "-shared", "-fPIC", str(source), "-o", str(library)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    add_rows = ctypes.CDLL(str(library)).add_rows
    add_rows.restype = None

    def call(
        rows: npt.NDArray[np.uint8], order: npt.NDArray[np.int32], count: int, sums: npt.NDArray[np.uint8]
    ) -> None:
        pointers = [ctypes.c_void_p(array.ctypes.data) for array in (rows, order, sums)]
        add_rows(pointers[0], pointers[1], ctypes.c_int64(count), pointers[2])

    return call
