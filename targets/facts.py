"""What is known of a chip: numbers, choices and flags, each with its unit, its source and how far it can be trusted."""

from __future__ import annotations

from dataclasses import field
from enum import Enum
from typing import Any

from .records import dataclass


class Status(str, Enum):
    """How a number is known."""

    PUBLISHED = "published"
    READ = "read-in-peer-source"
    MEASURED = "measured"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number in ``unit`` and where it was read.

    ``value`` is what programs are judged by. ``least`` and ``most`` bound what the truth can be, where sources disagree
    or where an assumption is one to the safe side: two compartments per neuron where one may do, 120 cores of 128.
    """

    value: int
    unit: str
    source: str
    status: Status
    least: int | None = None
    most: int | None = None

    @property
    def assumed(self) -> bool:
        """No source states the number."""
        return self.status is Status.ASSUMED

    def leaves_open(self, used: int) -> bool:
        """Whether ``used``, which is more than ``value``, need not be too much."""
        return self.assumed if self.most is None else used <= self.most


@dataclass(frozen=True, slots=True)
class Choices:
    """The whole numbers a chip can be set to, ascending, in ``unit``."""

    values: tuple[int, ...]
    unit: str
    source: str
    status: Status

    @property
    def assumed(self) -> bool:
        """No source states the numbers."""
        return self.status is Status.ASSUMED


@dataclass(frozen=True, slots=True)
class PerCore:
    """A whole number for every core of a chip whose cores differ, in their order, in ``unit``."""

    values: tuple[int, ...]
    unit: str
    source: str
    status: Status

    @property
    def assumed(self) -> bool:
        """No source states the numbers."""
        return self.status is Status.ASSUMED


@dataclass(frozen=True, slots=True)
class Flag:
    """Whether a chip can do something, and where that was read."""

    value: bool
    source: str
    status: Status

    @property
    def assumed(self) -> bool:
        """No source states it."""
        return self.status is Status.ASSUMED


NEURON_MODELS = ("if", "srp", "cos", "msat", "graded")
"""Neuron models by name: plain integrate-and-fire, and those of ``spikec.runtime.neuron_models``."""


@dataclass(frozen=True, slots=True)
class Models:
    """The neuron models a target has, of ``NEURON_MODELS``, and where that was read."""

    values: tuple[str, ...]
    source: str
    status: Status

    @property
    def assumed(self) -> bool:
        """No source states it."""
        return self.status is Status.ASSUMED


Fact = Number | Choices | PerCore | Flag | Models
FACTS = (Number, Choices, PerCore, Flag, Models)


MOST = 2**53
"""No chip has more of anything, and arithmetic with it stays within 64 bits."""

WORD = 62
"""Widest integer that every backend computes with, in bits."""


def required(unit: str, least: int = 0, most: int = MOST) -> Any:
    """Field of a number that every description has to state, in ``unit``, within ``least..most``."""
    return field(metadata={"unit": unit, "least": least, "most": most})


def limit(unit: str, least: int = 0, most: int = MOST) -> Any:
    """Field of a number that a description can leave out: None, which is no limit."""
    return field(default=None, metadata={"unit": unit, "least": least, "most": most})
