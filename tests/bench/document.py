"""The benchmark's results as JSON and as tables."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from .claim import Claim
from .rates import Rates
from .rows import Equality, Fit, Row, ratio, spread

SCHEMA = "spikec-bench/1"


@dataclass(frozen=True, slots=True)
class Run:
    """All of one run: the machine, what was asked for, rows, rates of what was simulated, fits and claims."""

    machine: dict[str, Any]
    settings: dict[str, Any]
    rows: list[Row]
    rates: list[Rates]
    fits: list[Fit]
    claims: list[Claim]


def as_json(run: Run) -> str:
    """The whole run, rows with spread and ratio; keys sorted."""
    content = {
        "schema": SCHEMA,
        "machine": run.machine,
        "settings": run.settings,
        "rows": [_row(row, run.rows) for row in run.rows],
        "rates": [{**asdict(rates), "rate": rates.rate} for rates in run.rates],
        "fits": [asdict(fit) for fit in run.fits],
        "claims": [{**asdict(claim), "holds": claim.holds} for claim in run.claims],
    }
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def _row(row: Row, rows: list[Row]) -> dict[str, Any]:
    found = ratio(row, rows)
    equality = row.equality
    return {
        **asdict(row),
        "equality": None if equality is None else {**asdict(equality), "equal": equality.equal},
        "spread": asdict(spread(row.values)),
        "ratio": None if found is None else asdict(found),
    }


def print_tables(console: Console, run: Run) -> None:
    """One table per part, then rates, fits and claims."""
    for part in dict.fromkeys(row.part for row in run.rows):
        console.print(_part_table(part, run))
    if run.rates:
        console.print(_rates_table(run.rates))
    if run.fits:
        table = Table("net", "over", "seconds = offset + slope * size", "largest deviation", title="linearity")
        for fit in run.fits:
            line = f"{fit.offset:.4g} + {fit.slope:.4g} * {fit.axis}"
            table.add_row(fit.net, fit.axis, line, f"{100 * fit.deviation:.1f} %")
        console.print(table)
    if run.claims:
        table = Table("claim", "measured", "limit", "holds", title="claims")
        for claim in run.claims:
            table.add_row(claim.text, claim.found, claim.bound, claim.answer)
        console.print(table)


def _part_table(part: str, run: Run) -> Table:
    columns = ("net", "T", "batch", "threads", "tool", "median", "min..max", "processor time", "ratio to spikec")
    busy = ", on a BUSY MACHINE" if run.machine.get("busy") else ""
    table = Table(*columns, "results", "note", title=f"{part}{busy}")
    chosen = [row for row in run.rows if row.part == part]
    for index, row in enumerate(chosen):
        found, times = ratio(row, run.rows), spread(row.values)
        table.add_row(
            row.net,
            *("" if number is None else str(number) for number in (row.timesteps, row.batch, row.threads)),
            row.tool,
            f"{times.median:.4g} {row.unit}",
            f"{times.minimum:.4g}..{times.maximum:.4g}",
            f"{spread(row.cpu).median:.4g}" if row.cpu else "",
            "" if found is None else f"{found.median:.2f} ({found.minimum:.2f}..{found.maximum:.2f})",
            "another function" if row.is_ann else _verdict(row.equality),
            row.note,
            end_section=index + 1 < len(chosen) and chosen[index + 1].case != row.case,
        )
    return table


def _rates_table(found: list[Rates]) -> Table:
    table = Table("net", "T", "rate", "active synapses", "per weight", "rate of each layer in %", title="spike rates")
    for rates in found:
        table.add_row(
            rates.net,
            str(rates.timesteps),
            f"{100 * rates.rate:.1f} %",
            f"{rates.active_synapses / 1e6:.4g} M",
            f"{rates.active_synapses / rates.weights:.2f}",
            " ".join(f"{100 * layer.rate:.0f}" for layer in rates.layers),
        )
    return table


def _verdict(equality: Equality | None) -> str:
    if equality is None:
        return ""
    return "equal" if equality.equal else f"not equal ({100 * equality.share:.3g} % differ)"
