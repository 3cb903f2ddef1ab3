"""Which rows of a comparison are finished, as figures come in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from ...runtime.progress import FinishedRow, RowReport
from .bench import Unit
from .journal import Figures, Journal
from .latency_budgets import is_beyond


class FinishedRows:
    """Tells ``report`` of each of ``rows`` whose figures are all in ``journal``, but for those that are there already.

    ``rows`` have the units of each by its name, ``keys`` what the journal knows each unit by.
    """

    def __init__(
        self, rows: Mapping[str, Sequence[Unit]], keys: Mapping[Unit, str], journal: Journal, report: RowReport
    ) -> None:
        self._keys, self._journal, self._report = keys, journal, report
        self._rows = {name: units for name, units in rows.items() if self._missing(units)}
        self._total = len(rows)
        self._work = self._left()

    def tell(self) -> None:
        """Tell of the rows that were finished since this was last called."""
        for name, units in list(self._rows.items()):
            if not self._missing(units):
                del self._rows[name]
                figures = [self._figures(unit) for unit in units if unit.rounded]
                share = 1 - self._left() / self._work
                done = self._total - len(self._rows)
                self._report(FinishedRow(done, self._total, f"{name}: {_told(figures)}", share))

    def _figures(self, unit: Unit) -> Figures:
        figures = self._journal.figures(self._keys[unit])
        assert figures is not None, "the row's figures are there"
        return figures

    def _missing(self, units: Sequence[Unit]) -> list[Unit]:
        return [unit for unit in units if self._journal.figures(self._keys[unit]) is None]

    def _left(self) -> int:
        """Steps that are still to be simulated, and as much for each program as one of them."""
        return sum(1 + unit.timesteps for units in self._rows.values() for unit in self._missing(units))


def _told(figures: Sequence[Figures]) -> str:
    if any(is_beyond(each) for each in figures):
        return "beyond its latency budget"
    return f"{100 * fmean(each['accuracy'] for each in figures):.1f} %"
