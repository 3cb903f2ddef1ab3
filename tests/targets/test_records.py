"""Records against Python's own dataclasses: the same source made twice."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from typing import Any

import pytest

from spikec.targets.records import dataclass


@dataclass(frozen=True, slots=True)
class Ours:
    """A record."""

    name: str
    size: int = 3
    parts: list[int] = dataclasses.field(default_factory=list)
    note: str = dataclasses.field(default="", repr=False, compare=False)
    doubled: int = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "doubled", 2 * self.size)


@dataclasses.dataclass(frozen=True)
class Pythons:
    """A record."""

    name: str
    size: int = 3
    parts: list[int] = dataclasses.field(default_factory=list)
    note: str = dataclasses.field(default="", repr=False, compare=False)
    doubled: int = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "doubled", 2 * self.size)


@dataclass(frozen=True)
class Longer(Ours):
    """With a field more."""

    last: float = 0.5


@dataclass(frozen=True, eq=False)
class Itself:
    """Equal to itself alone."""

    value: int


@dataclass(frozen=True, kw_only=True)
class Named:
    """No field by position."""

    first: int = 0
    second: int


CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    (("a",), {}),
    (("a", 4, [1]), {}),
    ((), {"name": "a", "note": "n"}),
    (("a", 4, [1], "n"), {}),
]


@pytest.mark.parametrize(("values", "named"), CALLS)
def test_made_shown_and_taken_apart_alike(values: tuple[Any, ...], named: dict[str, Any]) -> None:
    ours, pythons = Ours(*values, **named), Pythons(*values, **named)
    assert repr(ours) == repr(pythons).replace("Pythons", "Ours")
    assert dataclasses.asdict(ours) == dataclasses.asdict(pythons)
    assert str(inspect.signature(Ours)) == str(inspect.signature(Pythons))
    assert dataclasses.asdict(dataclasses.replace(ours, size=9)) == dataclasses.asdict(
        dataclasses.replace(pythons, size=9)
    )


@pytest.mark.parametrize("other", CALLS)
@pytest.mark.parametrize("one", CALLS)
def test_equal_where_pythons_are(
    one: tuple[tuple[Any, ...], dict[str, Any]], other: tuple[tuple[Any, ...], dict[str, Any]]
) -> None:
    ours = Ours(*one[0], **one[1]) == Ours(*other[0], **other[1])
    assert ours == (Pythons(*one[0], **one[1]) == Pythons(*other[0], **other[1]))


@pytest.mark.parametrize(("values", "named"), [((), {}), (("a", 1, [], "n", 5), {}), (("a",), {"nam": 1})])
def test_wrong_arguments_are_refused(values: tuple[Any, ...], named: dict[str, Any]) -> None:
    for kind in (Ours, Pythons):
        with pytest.raises(TypeError, match="argument"):
            kind(*values, **named)


def test_no_two_records_share_a_default_that_is_made() -> None:
    assert Ours("a").parts is not Ours("a").parts


def test_records_hash_by_what_is_compared() -> None:
    assert hash(Named(second=2)) == hash(Named(first=0, second=2))
    assert {Named(second=2), Named(second=2), Named(second=3)} == {Named(second=3), Named(second=2)}
    assert Itself(1) != Itself(1)
    assert len({Itself(1), Itself(1)}) == 2


def test_kinds_are_never_equal() -> None:
    assert Ours("a") != Longer("a")
    assert Longer("a") == Longer("a", 3, [], "n", 0.5)


@pytest.mark.parametrize("name", ["size", "other"])
def test_nothing_can_be_set_or_deleted(name: str) -> None:
    record = Ours("a")
    with pytest.raises(dataclasses.FrozenInstanceError, match=name):
        setattr(record, name, 1)
    with pytest.raises(dataclasses.FrozenInstanceError, match=name):
        delattr(record, name)


@pytest.mark.parametrize("record", [Ours("a", 2, [1]), Longer("b"), Named(second=1)])
def test_copied_and_pickled(record: Any) -> None:
    for twin in (copy.copy(record), copy.deepcopy(record), pickle.loads(pickle.dumps(record))):
        assert twin == record
        assert twin is not record


def test_one_that_is_not_frozen_is_not_made() -> None:
    with pytest.raises(AssertionError, match="changes"):
        dataclass(frozen=False)(type("Changing", (), {}))
