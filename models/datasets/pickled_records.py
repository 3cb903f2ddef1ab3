"""Reads a pickle as plain records: nothing that it names is imported, called or given a method.

A pickle is a program for a stack machine whose `REDUCE` calls what it names. Here a call only notes what would have
been called, with what; who knows the layout of the file finds the numbers in the notes. Understood are the instructions
that tables of pandas consist of in protocol 1. Work and memory are bounded by the length of the file.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass as mutable_dataclass
from dataclasses import field
from pathlib import Path

from ...targets.diagnostic import refuse
from ...targets.records import dataclass

KNOWN = frozenset(
    (
        "__builtin__.object",
        "__builtin__.slice",
        "_codecs.encode",
        "copy_reg._reconstructor",
        "numpy.dtype",
        "numpy.ndarray",
        "numpy.core.multiarray._reconstruct",
        "pandas.core.frame.DataFrame",
        "pandas.core.indexes.base.Index",
        "pandas.core.indexes.base._new_Index",
        "pandas.core.indexes.range.RangeIndex",
        "pandas.core.internals.managers.BlockManager",
    )
)
"""What tables of numbers are made of, by the names that Python 2 gave."""
MOST_INSTRUCTIONS = 1_000_000
LONGEST_LINE = 200
FETCH_AGAIN = "the file is truncated or altered: fetch it again"


@dataclass(frozen=True, slots=True)
class Named:
    """A class or function that a pickle names; it is not looked up."""

    name: str


@mutable_dataclass(slots=True, eq=False)
class Built:
    """What calling ``made_by`` with ``arguments`` would have given, and the ``state`` it would have been given then."""

    made_by: Named
    arguments: tuple[object, ...]
    state: object = None


@mutable_dataclass(slots=True, eq=False)
class _Machine:
    content: bytes
    position: int = 0
    stack: list[object] = field(default_factory=list)
    below_marks: list[list[object]] = field(default_factory=list)
    memo: dict[int, object] = field(default_factory=dict)
    encoded: int = 0

    def take(self, count: int) -> bytes:
        taken = self.content[self.position : self.position + count]
        if len(taken) < count:
            raise ValueError("the end is missing")
        self.position += count
        return taken

    def number(self, size: int, *, signed: bool = False) -> int:
        return int.from_bytes(self.take(size), "little", signed=signed)

    def line(self) -> str:
        end = self.content.find(b"\n", self.position, self.position + LONGEST_LINE)
        if end < 0:
            raise ValueError("a line does not end")
        text = self.take(end - self.position).decode("ascii")
        self.position += 1
        return text

    def above_mark(self) -> list[object]:
        above, self.stack = self.stack, self.below_marks.pop()
        return above


def read_records(content: bytes, path: Path) -> object:
    """Return what the pickle ``content`` holds: numbers, text, bytes, tuples, lists, dictionaries, `Named`, `Built`.

    ``path`` is for messages. Errors: E702 damaged, E720 it names what is no part of a table.
    """
    machine = _Machine(content)
    try:
        for _ in range(MOST_INSTRUCTIONS):
            code = machine.take(1)
            if code == pickle.STOP:
                (result,) = machine.stack
                return result
            if code not in _INSTRUCTIONS:
                raise ValueError(f"the instruction {code!r} is none of those that tables consist of")
            _INSTRUCTIONS[code](machine)
    except _Unknown as unknown:
        message = f"the file would have Python load {unknown}, which is no part of a table of numbers"
        hint = "nothing of it was executed; take the file as its publisher offers it"
        raise refuse("E720", message, file=path, hint=hint) from unknown
    except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        message = f"the pickle is damaged at byte {machine.position}: {error}"
        raise refuse("E702", message, file=path, hint=FETCH_AGAIN) from error
    message = f"the pickle has more than {MOST_INSTRUCTIONS} instructions, far more than the data set"
    raise refuse("E702", message, file=path, hint=FETCH_AGAIN)


class _Unknown(Exception):  # noqa: N818 - private, and always turned into a diagnostic
    """A name that is not KNOWN."""


def _mark(machine: _Machine) -> None:
    machine.below_marks.append(machine.stack)
    machine.stack = []


def _global(machine: _Machine) -> None:
    name = f"{machine.line()}.{machine.line()}"
    if name not in KNOWN:
        raise _Unknown(name)
    machine.stack.append(Named(name))


def _reduce(machine: _Machine) -> None:
    arguments, called = machine.stack.pop(), machine.stack.pop()
    match called, arguments:
        case Named("_codecs.encode"), (str(text), "latin1"):
            machine.encoded += len(text)
            if machine.encoded > len(machine.content):
                raise ValueError("texts are encoded more than once")
            machine.stack.append(text.encode("latin1"))
        case Named(), tuple():
            machine.stack.append(Built(called, arguments))
        case _:
            raise TypeError("a call is none of a named function")


def _build(machine: _Machine) -> None:
    state, built = machine.stack.pop(), machine.stack[-1]
    if not isinstance(built, Built):
        raise TypeError("a state belongs to nothing")
    built.state = state


def _text(machine: _Machine) -> None:
    machine.stack.append(machine.take(machine.number(4)).decode("utf-8"))


def _truth(machine: _Machine) -> None:
    machine.stack.append({"00": False, "01": True}[machine.line()])


def _tuple(machine: _Machine) -> None:
    above = tuple(machine.above_mark())
    machine.stack.append(above)


def _append(machine: _Machine) -> None:
    above, extended = machine.above_mark(), machine.stack[-1]
    if not isinstance(extended, list):
        raise TypeError("what is no list is extended")
    extended.extend(above)


def _set_items(machine: _Machine) -> None:
    above = machine.above_mark()
    _set(machine, list(zip(above[::2], above[1::2], strict=True)))


def _set_item(machine: _Machine) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    _set(machine, [(key, value)])


def _set(machine: _Machine, items: list[tuple[object, object]]) -> None:
    filled = machine.stack[-1]
    # Only such keys have a hash that no nesting makes deep.
    if not isinstance(filled, dict) or not all(isinstance(key, int | str) for key, _ in items):
        raise TypeError("what is no dictionary of names is filled")
    filled.update(items)


def _remember(size: int) -> Callable[[_Machine], None]:
    def put(machine: _Machine) -> None:
        machine.memo[machine.number(size)] = machine.stack[-1]

    return put


def _recall(size: int) -> Callable[[_Machine], None]:
    return lambda machine: machine.stack.append(machine.memo[machine.number(size)])


def _number(size: int, *, signed: bool = False) -> Callable[[_Machine], None]:
    return lambda machine: machine.stack.append(machine.number(size, signed=signed))


_INSTRUCTIONS: dict[bytes, Callable[[_Machine], None]] = {
    pickle.MARK: _mark,
    pickle.GLOBAL: _global,
    pickle.REDUCE: _reduce,
    pickle.BUILD: _build,
    pickle.NONE: lambda machine: machine.stack.append(None),
    pickle.INT: _truth,
    pickle.BININT: _number(4, signed=True),
    pickle.BININT1: _number(1),
    pickle.BININT2: _number(2),
    pickle.BINUNICODE: _text,
    pickle.EMPTY_TUPLE: lambda machine: machine.stack.append(()),
    pickle.EMPTY_LIST: lambda machine: machine.stack.append([]),
    pickle.EMPTY_DICT: lambda machine: machine.stack.append({}),
    pickle.TUPLE: _tuple,
    pickle.APPENDS: _append,
    pickle.SETITEM: _set_item,
    pickle.SETITEMS: _set_items,
    pickle.BINPUT: _remember(1),
    pickle.LONG_BINPUT: _remember(4),
    pickle.BINGET: _recall(1),
    pickle.LONG_BINGET: _recall(4),
}
