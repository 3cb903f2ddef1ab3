"""Reading .npz archives that may be damaged or hostile."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_BYTES_LIMIT = 16 << 30

# All that zipfile, zlib and numpy's reader raise on files that are not what they should be.
_FAULTS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


class DamagedArchive(Exception):  # noqa: N818 - callers turn it into the diagnostic of their kind of file
    """The file is there but is no sound .npz archive; the message says why."""


def read_archive(path: Path, names: Collection[str] | None = None) -> dict[str, npt.NDArray[Any]]:
    """Arrays of an .npz archive by name, only those in ``names`` if given; Python objects are never loaded.

    Raises ``FileNotFoundError``, ``IsADirectoryError`` or, for everything else, ``DamagedArchive``.
    """
    try:
        with zipfile.ZipFile(path) as members:
            wanted = [m for m in members.infolist() if names is None or m.filename.removesuffix(".npy") in names]
            if sum(member.file_size for member in wanted) > _BYTES_LIMIT:
                raise DamagedArchive("it claims to hold more than 16 GiB")
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files if names is None or name in names}
    except (FileNotFoundError, IsADirectoryError):
        raise
    except _FAULTS as error:
        raise DamagedArchive(str(error).splitlines()[0] if str(error) else type(error).__name__) from error


def array_names(path: Path) -> tuple[str, ...]:
    """Names of the arrays in a sound .npz archive, sorted."""
    with zipfile.ZipFile(path) as members:
        return tuple(sorted(name.removesuffix(".npy") for name in members.namelist()))
