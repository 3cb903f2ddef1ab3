"""A promise about speed, memory or cores, held against what was measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Claim:
    """A promise with its measured value; ``limit`` is the least value where ``at_least``, else the largest.

    ``measured`` is None where it was not measured, for the ``reason`` given.
    """

    text: str
    measured: float | None
    limit: float
    unit: str
    at_least: bool
    reason: str = ""

    @property
    def holds(self) -> bool | None:
        """The measured value keeps the limit; None if there is none."""
        if self.measured is None:
            return None
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit

    @property
    def found(self) -> str:
        """The measured value in words."""
        return self.reason if self.measured is None else f"{self.measured:.3g} {self.unit}"

    @property
    def bound(self) -> str:
        """The limit in words."""
        return f"{'>=' if self.at_least else '<='} {self.limit:.4g} {self.unit}"

    @property
    def answer(self) -> str:
        """Whether it holds, in a word or two."""
        return {True: "yes", False: "NO", None: "not measured"}[self.holds]
