"""What the cores of a program use of a chip: shares of its limits, and what has no limit."""

from __future__ import annotations

from ...targets.records import dataclass
from .content import ResourceRow
from .effects import counted
from .summary import BAD, NOTHING, percent
from .tables import Cell, Column, ReportTable


@dataclass(frozen=True, slots=True)
class ResourceUse:
    """``tables`` hold the shares of limits, of the chip and of the fullest core of each layer; ``limits`` has sources.

    ``unlimited`` says in a line what has no limit, with the most that is used; ``unlimited_table`` says it by layer.
    All may be empty.
    """

    tables: tuple[ReportTable, ...]
    limits: ReportTable | None
    unlimited: str
    unlimited_table: ReportTable | None


def resource_use(rows: tuple[ResourceRow, ...]) -> ResourceUse:
    """Sort the rows by what they are about."""
    limited = tuple(row for row in rows if row.limit is not None)
    names = {row.name for row in limited}
    free = tuple(row for row in rows if row.name not in names)
    free_of_layers = tuple(row for row in free if row.layer is not None)
    of_layers = tuple(row for row in rows if row.layer is not None and row.name in names)
    chip = tuple(row for row in limited if row.layer is None)
    tables = (_chip_table(chip) if chip else None, _share_table(of_layers) if of_layers else None)
    return ResourceUse(
        tuple(table for table in tables if table is not None),
        _limit_table(limited) if limited else None,
        _in_a_line(free),
        _count_table(free_of_layers) if free_of_layers else None,
    )


def utilisation(row: ResourceRow) -> float | None:
    """Fraction of the limit that is used; None without a limit. Any use of what there is none of is over the limit."""
    if row.limit is None:
        return None
    if row.limit == 0:
        return 0.0 if row.used == 0 else float("inf")
    return row.used / row.limit


def _chip_table(rows: tuple[ResourceRow, ...]) -> ReportTable:
    columns = (Column("resource"), Column("used", numeric=True), Column("limit", numeric=True), Column("share", True))
    cells = tuple((Cell(row.name), Cell(f"{row.used:,}"), Cell(f"{row.limit:,}"), _share(row)) for row in rows)
    return ReportTable("Chip", columns, cells)


def _share_table(rows: tuple[ResourceRow, ...]) -> ReportTable:
    limits: dict[str, set[str]] = {}
    for row in rows:
        limits.setdefault(row.name, set()).add(f"of {row.limit:,}")
    columns = tuple(
        Column(name, numeric=True, detail=next(iter(each)) if len(each) == 1 else "of its core")
        for name, each in limits.items()
    )
    note = "Share of a core's limits, in the fullest core of each layer."
    return _by_layer("Cores", columns, {(row.layer, row.name): _share(row, f"{row.used:,}") for row in rows}, note)


def _count_table(rows: tuple[ResourceRow, ...]) -> ReportTable:
    units = {row.name: row.unit for row in rows}
    columns = tuple(Column(name, numeric=True, detail=unit) for name, unit in units.items())
    note = "Used by the fullest core of each layer."
    return _by_layer("No limit", columns, {(row.layer, row.name): Cell(f"{row.used:,}") for row in rows}, note)


def _by_layer(
    title: str, columns: tuple[Column, ...], cells: dict[tuple[str | None, str], Cell], note: str
) -> ReportTable:
    layers = tuple(dict.fromkeys(layer for layer, _ in cells if layer is not None))
    rows = tuple(
        (Cell(layer), *(cells.get((layer, column.title), Cell(NOTHING)) for column in columns)) for layer in layers
    )
    return ReportTable(title, (Column("layer"), *columns), rows, note)


def _share(row: ResourceRow, detail: str = "") -> Cell:
    share = utilisation(row)
    if share is None:
        return Cell(NOTHING, detail)
    if share <= 1:
        return Cell(percent(share), detail, share)
    return Cell("none there" if row.limit == 0 else f"{percent(share)} over", detail, share, BAD)


def _limit_table(rows: tuple[ResourceRow, ...]) -> ReportTable:
    facts = dict.fromkeys((row.name, row.limit, row.unit, row.status, row.source) for row in rows)
    columns = (Column("resource"), Column("limit", True), Column("unit"), Column("known as"), Column("source"))
    cells = tuple(
        (Cell(name), Cell(f"{limit:,}"), Cell(unit), Cell(status or NOTHING), Cell(source or NOTHING))
        for name, limit, unit, status, source in facts
    )
    return ReportTable("Limits", columns, cells)


def _in_a_line(rows: tuple[ResourceRow, ...]) -> str:
    largest: dict[str, int] = {}
    for row in rows:
        largest[row.name] = max(row.used, largest.get(row.name, 0))
    listed = ", ".join(f"{name} ({used:,})" for name, used in largest.items())
    return f"{counted(len(largest), 'resource')} without a limit: {listed}" if largest else ""
