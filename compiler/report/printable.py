"""Strings from a user's files as every rendering may print them: what steers a terminal or a page is shown, escaped."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from ...targets.terminal.printable import printable as printable_text

_Value = TypeVar("_Value")


def printable(value: _Value) -> _Value:
    """Return the record with control characters, line ends and lone surrogates of all its strings escaped."""
    return _printable(value)  # type: ignore[no-any-return]


def _printable(value: Any) -> Any:
    if isinstance(value, str) and type(value) is str:
        return printable_text(value)
    if isinstance(value, tuple):
        return tuple(_printable(each) for each in value)
    if isinstance(value, dict):
        return {_printable(key): _printable(each) for key, each in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{each.name: _printable(getattr(value, each.name)) for each in fields(value)})
    return value
