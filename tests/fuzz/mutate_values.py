"""Damage to the values of JSON documents, TOML files and archives of arrays."""

from __future__ import annotations

import io
import json
import re
import warnings
import zipfile
from typing import Any

import numpy as np

from .choices import Choices
from .mutate_bytes import mutated_bytes
from .mutate_model import FLOATS, INTEGERS, TEXTS


def mutated_json(choices: Choices, content: bytes) -> bytes:
    """``content`` with one to three of its values replaced, removed, doubled or moved."""
    document = json.loads(content)
    for _ in range(choices.pick((1, 1, 2, 3))):
        container, key = _descend(choices, document)
        if container is None:
            return json.dumps(_scalar(choices)).encode()
        kind = choices.pick(("replace", "replace", "near", "delete", "double", "swap"))
        if kind == "delete":
            del container[key]
        elif kind == "double" and isinstance(container, list):
            container.append(container[key])
        elif kind == "swap":
            keys = list(container) if isinstance(container, dict) else list(range(len(container)))
            other = choices.pick(keys)
            container[key], container[other] = container[other], container[key]
        elif kind == "near" and isinstance(container[key], int):
            container[key] += choices.pick((1, -1))
        else:
            container[key] = _scalar(choices)
    return json.dumps(document, indent=1, sort_keys=True).encode()


def _descend(choices: Choices, document: Any) -> tuple[Any, Any]:
    """A place in the document: what holds a value, and its key or index."""
    container, key, value = None, None, document
    while isinstance(value, dict | list) and value and (container is None or choices.chance(0.8)):
        container = value
        key = choices.pick(sorted(value) if isinstance(value, dict) else range(len(value)))
        value = container[key]
    return container, key


def _scalar(choices: Choices) -> Any:
    deep: Any = []
    for _ in range(choices.pick((0, 1, 500))):
        deep = [deep]
    options: tuple[Any, ...] = (
        choices.pick(INTEGERS),
        choices.pick(FLOATS),
        choices.pick(TEXTS),
        None,
        True,
        deep,
        {},
        1 << 70,
        "0x1p-3",
    )
    return choices.pick(options)


def mutated_toml(choices: Choices, content: bytes) -> bytes:
    """``content`` with values, keys or whole lines changed."""
    lines = content.decode().splitlines()
    for _ in range(choices.pick((1, 1, 2, 3))):
        place = choices.whole(0, len(lines) - 1)
        kind = choices.pick(("value", "value", "value", "delete", "double", "key", "line"))
        if kind == "delete":
            lines[place] = ""
        elif kind == "double":
            lines.insert(place, lines[place])
        elif kind == "key":
            lines[place] = re.sub(r"\w+", choices.pick(("x", "extends", "value", "name")), lines[place], count=1)
        elif kind == "line":
            lines.insert(
                place, choices.pick(('extends = "lava"', "[weights]", "x = 1", 'extends = "./chip.toml"', "="))
            )
        else:
            found = list(re.finditer(r"(?<== )(\[[^\]]*\]|\"[^\"]*\"|[\w.+-]+)", lines[place]))
            if found:
                at = found[choices.whole(0, len(found) - 1)].span()
                lines[place] = lines[place][: at[0]] + _toml(choices) + lines[place][at[1] :]
    return "\n".join(lines).encode()


def _toml(choices: Choices) -> str:
    number = str(choices.pick(INTEGERS))
    options = (
        number,
        "true",
        '""',
        "[]",
        "nan",
        "inf",
        "-inf",
        "1e400",
        "{}",
        "1979-05-27",
        '"x\\u001b[31m"',
        "[[[1]]]",
    )
    return choices.pick((number, choices.pick(options)))


def mutated_archive(choices: Choices, content: bytes, other: bytes) -> bytes:
    """A zip archive with one of its members damaged, renamed, dropped, doubled, or an array of another kind."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    place = choices.whole(0, len(members) - 1)
    name, data = members[place]
    kind = choices.pick(("array", "array", "header", "bytes", "rename", "drop", "double", "swap"))
    if kind == "drop":
        del members[place]
    elif kind == "double":
        members.append((name, data))
    elif kind == "rename":
        members[place] = (choices.pick(("x.npy", "../x.npy", "inputs.npy", "labels.npy", "a/", "\x1b[1m.npy")), data)
    elif kind == "swap":
        other_place = choices.whole(0, len(members) - 1)
        members[place] = (name, members[other_place][1])
        members[other_place] = (members[other_place][0], data)
    elif kind == "bytes" or not data.startswith(b"\x93NUMPY"):
        members[place] = (name, mutated_bytes(choices, data, other))
    elif kind == "header":
        members[place] = (name, _with_header(choices, data))
    else:
        members[place] = (name, _other_array(choices, np.load(io.BytesIO(data), allow_pickle=False)))
    return _archive(members, choices.pick((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))


def _archive(members: list[tuple[str, bytes]], compression: int) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", compression) as archive:
        # Two members of one name are meant.
        warnings.simplefilter("ignore")
        for name, data in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = compression
            archive.writestr(info, data)
    return buffer.getvalue()


def _with_header(choices: Choices, data: bytes) -> bytes:
    """An .npy file whose header tells of another shape, type or order than its data have."""
    shape = choices.pick(
        ("(1000000000000,)", "(-1,)", "(3, 4294967296, 4294967296)", "()", "(2,)", "x", "(9999999999999999999999,)")
    )
    dtype = choices.pick(("<f4", "|O", "|u1", "<U9999999", ">i8", "|V0", "<c16", "<f2", "x"))
    header = f"{{'descr': '{dtype}', 'fortran_order': {choices.pick(('False', 'True', '1'))}, 'shape': {shape}, }}\n"
    packed = header.encode()
    return b"\x93NUMPY\x01\x00" + len(packed).to_bytes(2, "little") + packed + data[128:]


def _other_array(choices: Choices, array: np.ndarray[Any, Any]) -> bytes:
    """The array with another type, shape or number in it."""
    kind = choices.pick(("number", "number", "negated", "type", "shape", "object", "empty"))
    if kind == "number" and array.size:
        array = array.copy()
        flat = array.reshape(-1)
        number = choices.pick(FLOATS) if array.dtype.kind == "f" else choices.pick(INTEGERS)
        with np.errstate(all="ignore"):
            flat[choices.whole(0, array.size - 1)] = np.array(number).astype(array.dtype)
    elif kind == "negated" and array.dtype.kind in "if":
        array = -array
    elif kind == "type":
        with np.errstate(all="ignore"):
            kinds: tuple[Any, ...] = (np.float64, np.int8, np.uint64, np.complex64, np.bool_, "<U3", ">f4")
            array = array.astype(choices.pick(kinds))
    elif kind == "shape":
        array = choices.pick((array.ravel(), array[None], array[:1], array[..., :0], array.reshape(-1, 1)))
    elif kind == "object":
        array = np.array([{"a": 1}, None], dtype=object)
    elif kind == "empty":
        array = array[:0] if array.ndim else np.zeros(0)
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()
