"""Measures the units of a comparison that its journal does not know, here or by workers."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from contextlib import closing
from typing import TypeVar

from ...runtime.progress import Report as Progress
from ...runtime.shards import Shard, Workers, run_shards
from .bench import ANN, Bench, Unit
from .journal import Figures, Journal, key_of

Row = TypeVar("Row", bound=Hashable)


def measured_units(
    bench: Bench,
    files: Sequence[str],
    rows: Mapping[Row, Sequence[Unit]],
    journal: Journal,
    workers: Workers,
    progress: Progress | None,
) -> dict[Unit, Figures]:
    """Return figures of every unit of ``rows`` and of every network itself; ``files`` are the networks' names.

    ``journal`` answers for what it knows, and keeps each figure as it comes. ``progress`` counts finished rows.
    """
    wanted = dict.fromkeys(Unit(place) for place in range(len(files)))
    wanted |= dict.fromkeys(unit for units in rows.values() for unit in units)
    # Two units may be one measurement: of a file that was given twice.
    keys = {unit: key_of(bench.measured(unit)) for unit in wanted}
    missing = {key: unit for unit, key in reversed(keys.items()) if journal.figures(key) is None}
    shards = [Shard(_name(u, files[u.model]), u, group=files[u.model]) for u in reversed(missing.values())]
    with closing(run_shards(bench.figures, shards, workers)) as measurements:
        for shard, figures in measurements:
            journal.keep(keys[shard.given], figures)
            missing.pop(keys[shard.given])
            if progress is not None:
                progress(sum(missing.keys().isdisjoint(keys[u] for u in units) for units in rows.values()), len(rows))
    found = {unit: journal.figures(key) for unit, key in keys.items()}
    return {unit: figures for unit, figures in found.items() if figures is not None}


def _name(unit: Unit, file: str) -> str:
    if unit.method == ANN:
        return f"the ANN of {file}"
    return f"'{unit.method}' at T = {unit.timesteps} of {file}{'' if unit.rounded else ', without rounding'}"
