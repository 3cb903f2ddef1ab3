"""Measures the units of a comparison that its journal does not know, here or by workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing

from ...runtime.progress import FinishedRow, RowReport
from ...runtime.shards import Shard, Workers, run_shards
from .bench import ANN, Bench, Unit
from .finished_rows import FinishedRows
from .journal import Figures, Journal, key_of


def measured_units(
    bench: Bench,
    files: Sequence[str],
    rows: Mapping[str, Sequence[Unit]],
    journal: Journal,
    workers: Workers,
    progress: RowReport | None,
) -> dict[Unit, Figures]:
    """Return figures of every unit of ``rows`` and of every network itself; ``files`` are the networks' names, and
    ``rows`` has the units of each row by its name.

    ``journal`` answers for what it knows, and keeps each figure as it comes. ``progress`` is told of finished rows.
    """
    wanted = dict.fromkeys(Unit(place) for place in range(len(files)))
    wanted |= dict.fromkeys(unit for units in rows.values() for unit in units)
    # Two units may be one measurement: of a file that was given twice.
    keys = {unit: key_of(bench.measured(unit)) for unit in wanted}
    missing = {key: unit for unit, key in reversed(keys.items()) if journal.figures(key) is None}
    finished = FinishedRows(rows, keys, journal, progress or _untold)
    units = [*reversed(missing.values())]
    # What programs share they share best where one follows the other: those of one network at one T.
    windows = list(dict.fromkeys(unit.timesteps for unit in units))
    units.sort(key=lambda unit: (windows.index(unit.timesteps), unit.model))
    shards = [Shard(_name(u, files[u.model]), u, group=f"{files[u.model]} at T = {u.timesteps}") for u in units]
    with closing(run_shards(bench.figures, shards, workers)) as measurements:
        for shard, figures in measurements:
            journal.keep(keys[shard.given], figures)
            finished.tell()
    found = {unit: journal.figures(key) for unit, key in keys.items()}
    return {unit: figures for unit, figures in found.items() if figures is not None}


def _untold(row: FinishedRow) -> None:
    """Nobody asked for progress."""


def _name(unit: Unit, file: str) -> str:
    if unit.method == ANN:
        return f"the ANN of {file}"
    return f"'{unit.method}' at T = {unit.timesteps} of {file}{'' if unit.rounded else ', without rounding'}"
