"""Python's ``dataclass`` for frozen records, made in a fifth of the time.

Python compiles six functions for every such class, and a check of a small network loads two hundred of them: a fifth of
its time. Here only ``__init__`` is compiled; what compares, prints and protects a record goes through its fields.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

Record = TypeVar("Record")


class _Factory:
    def __repr__(self) -> str:
        return "<factory>"


_UNSET = _Factory()


def _record(*, frozen: bool, slots: bool = False, eq: bool = True, kw_only: bool = False) -> Callable[[type], type]:
    """Make a class a dataclass, as ``dataclasses.dataclass`` with the same arguments does.

    Only frozen ones are made. ``slots`` is for readers and type checkers: a frozen record takes no other attribute.
    """
    assert frozen, "a record that changes takes dataclasses.dataclass"

    def made(kind: type) -> type:
        kind.__doc__ = kind.__doc__ or kind.__name__
        dataclasses.dataclass(init=False, repr=False, eq=False, kw_only=kw_only)(kind)
        fields = dataclasses.fields(kind)
        methods = {
            "__init__": _initialiser(kind, fields),
            "__repr__": _represented,
            "__setattr__": _refuse_change,
            "__delattr__": _refuse_change,
            **({"__eq__": _is_equal, "__hash__": _hashed} if eq else {}),
        }
        for name, method in methods.items():
            if name not in vars(kind):
                setattr(kind, name, method)
        return kind

    return made


def _initialiser(kind: type, fields: tuple[dataclasses.Field[Any], ...]) -> Callable[..., None]:
    names: dict[str, Any] = {"_set": object.__setattr__, "_UNSET": _UNSET}
    ordered, named, body = ["self"], list[str](), list[str]()
    for field in fields:
        has_factory = field.default_factory is not dataclasses.MISSING
        names[f"_of_{field.name}"] = field.default_factory if has_factory else field.default
        if field.init:
            has_default = has_factory or field.default is not dataclasses.MISSING
            default = ("=_UNSET" if has_factory else f"=_of_{field.name}") if has_default else ""
            (named if field.kw_only else ordered).append(field.name + default)
            value = f"_of_{field.name}() if {field.name} is _UNSET else {field.name}" if has_factory else field.name
            body.append(f" _set(self, '{field.name}', {value})")
        elif has_factory:
            body.append(f" _set(self, '{field.name}', _of_{field.name}())")
    if hasattr(kind, "__post_init__"):
        body.append(" self.__post_init__()")
    signature = ", ".join([*ordered, "*", *named] if named else ordered)
    exec(f"def __init__({signature}):\n" + "\n".join(body or [" pass"]), names)
    initialiser: Callable[..., None] = names["__init__"]
    initialiser.__qualname__ = f"{kind.__qualname__}.__init__"
    initialiser.__annotations__ = {**{f.name: f.type for f in fields if f.init}, "return": None}
    return initialiser


def _compared(record: Any) -> tuple[Any, ...]:
    return tuple(getattr(record, f.name) for f in record.__dataclass_fields__.values() if f.compare)


def _is_equal(self: Any, other: object) -> bool:
    return _compared(self) == _compared(other) if other.__class__ is self.__class__ else NotImplemented


def _hashed(self: Any) -> int:
    return hash(_compared(self))


def _represented(self: Any) -> str:
    shown = (f"{f.name}={getattr(self, f.name)!r}" for f in dataclasses.fields(self) if f.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _refuse_change(self: object, name: str, *_: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot change '{name}' of a {type(self).__qualname__}")


# Type checkers know Python's by its name, and the two take the same arguments.
if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:
    dataclass = _record
