"""Writes small files as the activity data set's: pickles of tables in protocol 1, without pandas."""

from __future__ import annotations

import gzip
import pickle
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

SIGNALS = ("acc-x", "acc-y", "acc-z", "gyro-x", "gyro-y", "gyro-z")
Array = npt.NDArray[Any]


def name(dotted: str) -> bytes:
    module, _, last = dotted.rpartition(".")
    return pickle.GLOBAL + f"{module}\n{last}\n".encode()


def text(value: str) -> bytes:
    encoded = value.encode()
    return pickle.BINUNICODE + struct.pack("<I", len(encoded)) + encoded


def number(value: int) -> bytes:
    return pickle.BININT + struct.pack("<i", value)


def items_of(*parts: bytes) -> bytes:
    return pickle.MARK + b"".join(parts) + pickle.TUPLE


def list_of(*parts: bytes) -> bytes:
    return pickle.EMPTY_LIST + pickle.MARK + b"".join(parts) + pickle.APPENDS


def dictionary(*pairs: tuple[bytes, bytes]) -> bytes:
    return pickle.EMPTY_DICT + pickle.MARK + b"".join(key + value for key, value in pairs) + pickle.SETITEMS


def call(called: str, *arguments: bytes, state: bytes | None = None) -> bytes:
    built = name(called) + items_of(*arguments) + pickle.REDUCE
    return built if state is None else built + state + pickle.BUILD


def array(kind: str, shape: Sequence[int], content: bytes) -> bytes:
    numbers = items_of(*map(number, shape))
    dtype = call("numpy.dtype", text(kind), number(0), number(1))
    by_column = pickle.INT + b"00\n"
    state = items_of(number(1), numbers, dtype, by_column, content)
    return call("numpy.core.multiarray._reconstruct", name("numpy.ndarray"), number(0), state=state)


def values(numbers: Array, kind: str) -> bytes:
    raw = numbers.astype(f"<{kind}").tobytes()
    return array(kind, numbers.shape, call("_codecs.encode", text(raw.decode("latin1")), text("latin1")))


def index(names: Sequence[str]) -> bytes:
    held = array("O8", (len(names),), list_of(*map(text, names)))
    of_names = dictionary((text("data"), held), (text("name"), pickle.NONE))
    return call("pandas.core.indexes.base._new_Index", name("pandas.core.indexes.base.Index"), of_names)


def made(kind: str, state: bytes) -> bytes:
    return call("copy_reg._reconstructor", name(kind), name("__builtin__.object"), pickle.NONE, state=state)


def table(signals: Array, labels: Array, names: Sequence[str] = SIGNALS) -> bytes:
    """A data frame of ``signals`` (columns, samples) called ``names`` and of ``labels`` (samples,)."""
    counted = np.stack([np.arange(len(labels)), labels])
    own = (index(names), index(("sequence", "label")))
    blocks = list_of(values(signals, "f8"), values(counted, "i8"))
    manager = made(
        "pandas.core.internals.managers.BlockManager", items_of(list_of(), blocks, list_of(*own), pickle.NONE)
    )
    return made("pandas.core.frame.DataFrame", dictionary((text("_data"), manager)))


def written(path: Path, people: Mapping[int, Sequence[bytes]]) -> Path:
    """``path`` with the tables of every person by number."""
    content = dictionary(*((number(person), list_of(*tables)) for person, tables in people.items()))
    path.write_bytes(gzip.compress(content + pickle.STOP))
    return path


def person_of(random: np.random.Generator, windows: int = 3) -> bytes:
    """A table in which every activity lasts for so many windows, each with a mean and a frequency of its own."""
    labels = np.repeat(np.arange(1, 7), 64 * (windows + 1))
    time = np.arange(len(labels))
    waves = [np.cos(time * (0.05 * labels + 0.1 * channel)) for channel in range(6)]
    signals = 0.5 * np.stack(waves) + 0.1 * labels + random.normal(0, 0.1, (6, len(labels)))
    return table(signals, labels)


def activity_folder(folder: Path, windows: int = 3) -> Path:
    """``folder`` with made data of ten people, two of whom belong to the test set."""
    random = np.random.default_rng(0)
    written(
        folder / "HAPT.pkl.gz", {person: [person_of(random, windows)] for person in (1, 2, 3, 4, 5, 6, 7, 8, 11, 14)}
    )
    return folder
