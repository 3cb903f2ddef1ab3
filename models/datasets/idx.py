"""Reader of IDX files, the format of MNIST and Fashion-MNIST (LeCun, Cortes, Burges), plain or gzipped."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...targets.diagnostic import refuse

UNSIGNED_BYTES = 0x08


def read_idx(path: Path, dimensions: int) -> npt.NDArray[np.uint8]:
    """Return the array of an IDX file of unsigned bytes with so many dimensions; E702 says what is wrong with it."""
    content = _content(path)
    header = 4 + 4 * dimensions
    if len(content) < header or content[:2] != b"\0\0":
        raise refuse("E702", "the file is not an IDX file", file=path, hint="take the file as its publisher offers it")
    if (content[2], content[3]) != (UNSIGNED_BYTES, dimensions):
        raise refuse(
            "E702",
            f"the IDX file has type {content[2]:#04x} and {content[3]} dimensions instead of 0x08 and {dimensions}",
            file=path,
            hint="images are unsigned bytes in 3 dimensions, labels in 1: the files may be interchanged",
        )
    shape = tuple(int(count) for count in np.frombuffer(content, ">u4", dimensions, 4))
    if len(content) - header != math.prod(shape):
        raise refuse(
            "E702",
            f"the IDX file announces {math.prod(shape)} bytes of data and holds {len(content) - header}",
            file=path,
            hint="the file is truncated or altered: fetch it again",
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _content(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error) as error:
        message = f"the file cannot be {'unpacked' if path.suffix == '.gz' else 'read'}: {error}"
        raise refuse("E702", message, file=path, hint="the file is truncated or altered: fetch it again") from error
