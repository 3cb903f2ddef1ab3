"""Compares two runs of the benchmark: what became slower beyond noise; ``bash tests/bench/run --compare OLD NEW``.

Ratios are of medians. Noise is taken from the spread of the rounds, row by row. Tools other than spikec, of the same
version in both runs, tell how much faster or slower the machine itself was; ratios are divided by that.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from .rows import SPIKEC

SCHEMA = "spikec-bench/1"
LEAST_NOISE = 0.03
"""Of several rounds: what a layout of memory or a page more can change however still the machine is."""
NOISE_OF_ONE = 0.1
"""Of what was measured once, whose spread is not known."""
_DEVIATIONS = 3.0
_TO_STANDARD = 1.4826
"""A median absolute deviation as a standard one, of normal noise."""
_FEWEST_CONTROLS = 3
WIDTH_OF_FILES = 220
"""Columns of a table that goes to no terminal."""

_OF_THE_MACHINE = ("cpu", "cores", "instruction_set", "memory_gib")
_COSTS_NO_TIME = ("cores", "uJ", "us")
_MORE_IS_BETTER = ("G/s",)

Key = tuple[Any, ...]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Compared:
    """A row in both runs: ``ratio`` new to old, above 1 where it became slower, and relative ``noise`` of that."""

    key: Key
    old: float
    new: float
    unit: str
    ratio: float
    noise: float
    is_spikec: bool

    @property
    def verdict(self) -> str:
        """``loss`` or ``gain`` beyond noise, or ``same``."""
        if self.ratio > 1 + self.noise:
            return "loss"
        return "gain" if self.ratio < 1 / (1 + self.noise) else "same"

    @property
    def name(self) -> str:
        """What was measured, in a line."""
        part, net, tool, timesteps, batch, threads, _, note = self.key
        numbers = (("T =", timesteps), ("batch", batch), ("threads", threads))
        told = [f"{title} {number}" for title, number in numbers if number is not None]
        return ", ".join(one for one in (part, net, tool, *told, note) if one)


def differences(old: Json, new: Json) -> list[str]:
    """What must be alike for times to be compared, and is not."""
    found = []
    for field in _OF_THE_MACHINE:
        before, after = (run["machine"].get(field) for run in (old, new))
        if before != after:
            found.append(f"{field}: {before} before, {after} now")
    threads = [run["machine"].get("threads", run["machine"].get("threads_per_tool")) for run in (old, new)]
    if threads[0] != threads[1]:
        found.append(f"threads: {threads[0]} before, {threads[1]} now")
    return found


def compared(old: Json, new: Json) -> tuple[list[Compared], float]:
    """Rows that are in both runs, and the factor by which the machine itself became slower (1 if nothing tells)."""
    before = {_key(row): row for row in old["rows"]}
    after = {_key(row): row for row in new["rows"]}
    pairs = [(key, before[key], after[key]) for key in before if key in after and _is_time(before[key])]
    factor = _factor_of_the_machine(pairs, old["machine"]["versions"], new["machine"]["versions"])
    return [_compared(key, one, other, factor) for key, one, other in pairs], factor


def by_processor_time(run: Json) -> Json:
    """The run's rows that have processor time, with that in place of the clock's."""
    return {**run, "rows": [{**row, "values": row["cpu"]} for row in run["rows"] if row.get("cpu")]}


def missing(old: Json, new: Json) -> list[str]:
    """Rows of the old run that the new one does not have."""
    there = {_key(row) for row in new["rows"]}
    return [_compared(_key(row), row, row, 1.0).name for row in old["rows"] if _key(row) not in there]


def _key(row: Json) -> Key:
    # Notes tell the axes of scaling apart, and else only what a row is made of.
    note = f"{row['note']} {row.get('size') or ''}".strip() if row["part"] == "scaling" else ""
    return (
        *(row["part"], row["net"], row["tool"], row["timesteps"], row["batch"], row.get("threads"), row["unit"]),
        note,
    )


def _is_time(row: Json) -> bool:
    return row["unit"] not in _COSTS_NO_TIME


def _compared(key: Key, old: Json, new: Json, factor: float) -> Compared:
    before, after = median(old["values"]), median(new["values"])
    ratio = before / after if old["unit"] in _MORE_IS_BETTER else after / before
    is_time = old["unit"] != "MiB"
    noise = math.hypot(_noise(old["values"]), _noise(new["values"]))
    return Compared(
        key, before, after, old["unit"], ratio / factor if is_time else ratio, noise, old["tool"].startswith(SPIKEC)
    )


def _noise(values: list[float]) -> float:
    """Three standard deviations of the median of these rounds, relative, taken from their absolute deviations."""
    if len(values) == 1:
        return NOISE_OF_ONE
    middle = median(values)
    deviation = median(abs(value - middle) for value in values) / middle
    return max(LEAST_NOISE, _DEVIATIONS * _TO_STANDARD * deviation / math.sqrt(len(values)))


def _factor_of_the_machine(
    pairs: Iterable[tuple[Key, Json, Json]], old: Mapping[str, str], new: Mapping[str, str]
) -> float:
    """Median ratio of what spikec has no part in, where its version is the same; 1 if there is too little of it."""
    ratios = [
        median(after["values"]) / median(before["values"])
        for _, before, after in pairs
        if before["part"] == "simulator"
        and not before["tool"].startswith(SPIKEC)
        and old.get(_library(before["tool"])) == new.get(_library(before["tool"]))
    ]
    return median(ratios) if len(ratios) >= _FEWEST_CONTROLS else 1.0


def _library(tool: str) -> str:
    return tool.split(",")[0].lower()


def table_of(rows: list[Compared]) -> Table:
    """Losses first, then gains, then what stayed."""
    table = Table("", "old", "new", "new to old", "noise", "verdict", title="two runs")
    order = ("loss", "gain", "same")
    for row in sorted(rows, key=lambda row: (not row.is_spikec, order.index(row.verdict))):
        table.add_row(
            row.name,
            f"{row.old:.4g} {row.unit}",
            f"{row.new:.4g} {row.unit}",
            f"{row.ratio:.3f}",
            f"{100 * row.noise:.0f} %",
            row.verdict if row.is_spikec else f"({row.verdict})",
        )
    return table


@click.command()
@click.argument("old", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("new", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--across", is_flag=True, help="compare runs of other processors, instruction sets or threads as well")
@click.option("--processor-time", is_flag=True, help="compare that, which a busy machine changes less than the clock")
def main(old: Path, new: Path, across: bool, processor_time: bool) -> None:
    """Compare two bench.json: exit code 1 if spikec became slower beyond noise, 2 if the runs cannot be compared."""
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH_OF_FILES)
    before, after = _read(old), _read(new)
    if processor_time:
        before, after = by_processor_time(before), by_processor_time(after)
    unlike = differences(before, after)
    for line in unlike:
        console.print(f"the runs differ in {line}", highlight=False, markup=False)
    if unlike and not across:
        _stop("their times are not compared; --across does so all the same")
    rows, factor = compared(before, after)
    if not any(row.is_spikec for row in rows):
        _stop("the runs have no row of spikec in common")
    console.print(table_of(rows))
    _tell_around(console, before, after, factor)
    losses = [row for row in rows if row.is_spikec and row.verdict == "loss"]
    for row in losses:
        console.print(f"LOSS {row.ratio:.2f} times as long: {row.name}", highlight=False, markup=False)
    if losses:
        sys.exit(1)
    console.print("nothing of spikec became slower beyond noise", highlight=False)


def _tell_around(console: Console, before: Json, after: Json, factor: float) -> None:
    if factor != 1:
        console.print(f"the machine: other tools take {factor:.3f} times as long as before; ratios are divided by it")
    for title, run in (("old", before), ("new", after)):
        if run["machine"].get("busy"):
            used = run["machine"]["cores_used_by_others"]
            console.print(f"the machine was BUSY in the {title} run: others used {used} cores", highlight=False)
    gone = missing(before, after)
    if gone:
        console.print(f"not measured any more: {len(gone)} rows ({'; '.join(gone[:3])} ...)", highlight=False)


def _read(file: Path) -> Json:
    try:
        found: Json = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        _stop(f"{file} is no JSON: {error}")
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        _stop(f"{file} is no result of this benchmark ({SCHEMA})")
    return found


def _stop(message: str) -> None:
    click.echo(f"bench: {message}", err=True)
    sys.exit(2)


if __name__ == "__main__":
    main(prog_name="bash tests/bench/run --compare")
