"""The benchmark's results as JSON and as tables."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from .claims import Claim
from .rows import Equality, Fit, Row, ratio, spread

SCHEMA = "spikec-bench/1"


def as_json(
    machine: dict[str, Any], settings: dict[str, Any], rows: list[Row], fits: list[Fit], held: list[Claim]
) -> str:
    """The whole run: machine, settings, rows with spread and ratio, fits and claims; keys sorted."""
    content = {
        "schema": SCHEMA,
        "machine": machine,
        "settings": settings,
        "rows": [_row(row, rows) for row in rows],
        "fits": [asdict(fit) for fit in fits],
        "claims": [{**asdict(claim), "holds": claim.holds} for claim in held],
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


def print_tables(console: Console, rows: list[Row], fits: list[Fit], held: list[Claim]) -> None:
    """One table per part, then fits and claims."""
    for part in dict.fromkeys(row.part for row in rows):
        console.print(_part_table(part, rows))
    if fits:
        table = Table("net", "over", "seconds = offset + slope * size", "largest deviation", title="linearity")
        for fit in fits:
            line = f"{fit.offset:.4g} + {fit.slope:.4g} * {fit.axis}"
            table.add_row(fit.net, fit.axis, line, f"{100 * fit.deviation:.1f} %")
        console.print(table)
    if held:
        table = Table("claim", "measured", "limit", "holds", title="claims")
        for claim in held:
            sign = ">=" if claim.at_least else "<="
            limit = f"{sign} {claim.limit:.4g} {claim.unit}"
            table.add_row(claim.text, f"{claim.measured:.3g} {claim.unit}", limit, "yes" if claim.holds else "NO")
        console.print(table)


def _part_table(part: str, rows: list[Row]) -> Table:
    table = Table("net", "T", "batch", "tool", "median", "min..max", "ratio to spikec", "results", "note", title=part)
    chosen = [row for row in rows if row.part == part]
    for index, row in enumerate(chosen):
        found, times = ratio(row, rows), spread(row.values)
        table.add_row(
            row.net,
            "" if row.timesteps is None else str(row.timesteps),
            "" if row.batch is None else str(row.batch),
            row.tool,
            f"{times.median:.4g} {row.unit}",
            f"{times.minimum:.4g}..{times.maximum:.4g}",
            "" if found is None else f"{found.median:.2f} ({found.minimum:.2f}..{found.maximum:.2f})",
            "another function" if row.is_ann else _verdict(row.equality),
            row.note,
            end_section=index + 1 < len(chosen) and chosen[index + 1].case != row.case,
        )
    return table


def _verdict(equality: Equality | None) -> str:
    if equality is None:
        return ""
    return "equal" if equality.equal else f"not equal ({100 * equality.share:.3g} % differ)"
