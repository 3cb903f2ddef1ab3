"""Reading .npz archives that may be damaged or hostile.

Everything that a member claims is compared with what the archive holds before anything is allocated: no Python object
is loaded, no header is longer than one of numpy's, no array larger than its bytes.
"""

from __future__ import annotations

import io
import math
import tokenize
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

_BYTES_LIMIT = 16 << 30
_LARGEST_RATIO = 200
"""Bytes that one byte of an archive may unpack to; images and spikes stay far below, a bomb of zeros has 1,000."""
_ALWAYS_UNPACKED = 64 << 20
_HEADER_LIMIT = 16 << 10
_ENCRYPTED = 1
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

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

    Without ``names`` every member must be an array. Raises ``FileNotFoundError``, ``IsADirectoryError`` or, for
    everything else, ``DamagedArchive``.
    """
    with _damage_told(), _opened(path) as file, zipfile.ZipFile(file) as archive:
        members = [m for m in archive.infolist() if names is None or _array_name(m) in names]
        _check_members(members, path.stat().st_size)
        return {_array_name(member): _read_array(archive, member) for member in members}


def read_array(path: Path) -> npt.NDArray[Any]:
    """The array of an .npy file; Python objects are never loaded. Raises as ``read_archive`` does."""
    with _damage_told(), _opened(path) as file:
        return _read_member(file, path.name, path.stat().st_size)


def array_type(path: Path) -> np.dtype[Any]:
    """What the entries of an .npy file are, of which only the header is read. Raises as ``read_archive`` does."""
    with _damage_told(), _opened(path) as file:
        return _read_header(file, path.name)[2]


def array_names(path: Path) -> tuple[str, ...]:
    """Names of the arrays in an .npz archive, sorted. Raises as ``read_archive`` does."""
    with _damage_told(), _opened(path) as file, zipfile.ZipFile(file) as archive:
        return tuple(sorted({_array_name(member) for member in archive.infolist()}))


@contextmanager
def _damage_told() -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, IsADirectoryError):
        raise
    except _FAULTS as error:
        raise DamagedArchive(str(error).splitlines()[0] if str(error) else type(error).__name__) from error


def _opened(path: Path) -> IO[bytes]:
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise DamagedArchive("it is a device or a pipe, not a file")
    return path.open("rb")


def _array_name(member: zipfile.ZipInfo) -> str:
    return member.filename.removesuffix(".npy")


def _check_members(members: list[zipfile.ZipInfo], stored: int) -> None:
    """Refuse what cannot be arrays, before a byte of it is unpacked."""
    times = Counter(_array_name(member) for member in members)
    for member in members:
        if times[_array_name(member)] > 1:
            raise DamagedArchive(f"it holds '{_array_name(member)}' more than once")
        if member.flag_bits & _ENCRYPTED:
            raise DamagedArchive(f"'{member.filename}' is encrypted")
        if member.compress_type not in _COMPRESSIONS:
            raise DamagedArchive(f"'{member.filename}' is compressed by a method that numpy does not write")
    claimed = sum(member.file_size for member in members)
    if claimed > _BYTES_LIMIT:
        raise DamagedArchive("it claims to hold more than 16 GiB")
    if claimed > max(_ALWAYS_UNPACKED, stored * _LARGEST_RATIO):
        raise DamagedArchive(
            f"its {stored} bytes claim to unpack to {claimed}, more than {_LARGEST_RATIO} times as much"
        )


def _read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> npt.NDArray[Any]:
    with archive.open(member) as stream:
        return _read_member(stream, member.filename, member.file_size)


def _read_member(stream: IO[bytes], name: str, stored: int) -> npt.NDArray[Any]:
    """The array in ``stream``, which is called ``name`` and has ``stored`` bytes."""
    shape, is_fortran, dtype, size = _read_header(stream, name)
    entries = math.prod(shape)
    if size + entries * dtype.itemsize != stored:
        claims = f"{'x'.join(map(str, shape)) or 'one'} of {dtype}"
        raise DamagedArchive(f"'{name}' claims {claims}, and has {stored - size} bytes")
    values = np.empty(entries, dtype)
    _fill(values, stream)
    return values.reshape(shape[::-1]).transpose() if is_fortran else values.reshape(shape)


def _read_header(stream: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, whether in Fortran order, type, and the bytes that the header takes."""
    begin = stream.read(_HEADER_LIMIT)
    # numpy declares no types for its reader of headers.
    numpy_format: Any = np.lib.format
    if not begin.startswith(numpy_format.MAGIC_PREFIX):
        raise DamagedArchive(f"'{name}' is not an array in numpy's format")
    header = io.BytesIO(begin)
    version = numpy_format.read_magic(header)
    readers = {(1, 0): numpy_format.read_array_header_1_0, (2, 0): numpy_format.read_array_header_2_0}
    if version not in readers:
        raise DamagedArchive(f"'{name}' has version {version} of numpy's format, not 1.0 or 2.0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shape, is_fortran, dtype = readers[version](header)
    if dtype.hasobject:
        raise DamagedArchive(f"'{name}' holds Python objects")
    if dtype.itemsize == 0 or min(shape, default=1) < 0:
        raise DamagedArchive(f"'{name}' claims to have shape {shape} and type {dtype}")
    stream.seek(header.tell())
    return tuple(int(extent) for extent in shape), bool(is_fortran), dtype, header.tell()


def _fill(values: npt.NDArray[Any], stream: IO[bytes]) -> None:
    content = values.view(np.uint8).data
    filled = 0
    while filled < len(content):
        part = stream.read(min(len(content) - filled, 1 << 24))
        if not part:
            raise DamagedArchive("it ends too early")
        content[filled : filled + len(part)] = part
        filled += len(part)
    # The checksum is compared when a member is read past its end.
    stream.read(1)
