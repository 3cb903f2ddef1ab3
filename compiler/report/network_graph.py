"""The network as a graph with what each layer costs: nodes and lines to draw, and a table whose rows stand beside them.

Rows have a height of their own, so that the graph's nodes lie beside them whatever the width of the page.
"""

from __future__ import annotations

from ...runtime.program import INPUT
from ...targets.records import dataclass
from .content import CostRow, LayerRow, Report
from .graph_layout import Line, graph_layout
from .keys import hue_of, keys_of
from .summary import NOTHING, in_units, percent
from .tables import Cell, Column, ReportTable, reads_text

ROW = 32
"""Height of a row, and of the heading above the first."""
_LANE = 30
_NARROW_LANE = 14
_MOST_WIDE_LANES = 6
_BOX = (24, 20)
_SMALL_BOX = (10, 10)
_THOUSANDS = ((10**9, "G"), (10**6, "M"), (10**3, "k"))


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A box around (``x``, ``y``) for the input or a layer; ``key`` stands in it, ``hue`` is its colour's."""

    x: int
    y: int
    key: str
    hue: int
    title: str
    href: str
    is_joined: bool


@dataclass(frozen=True, slots=True)
class NetworkGraph:
    """An SVG of ``width`` x ``height`` with ``paths``, ``nodes`` of ``box`` (width, height) over them, and a table.

    ``arrows`` are the tips of lines that end at a node. Small boxes, where many lanes run, hold no letter.
    """

    width: int
    height: int
    paths: tuple[str, ...]
    arrows: tuple[tuple[int, int], ...]
    nodes: tuple[GraphNode, ...]
    box: tuple[int, int]
    has_letters: bool
    table: ReportTable


def network_graph(report: Report) -> NetworkGraph | None:
    """The graph of a report's layers; None without a program, or where nothing tells who reads whom."""
    if not report.layers or not all(row.sources for row in report.layers):
        return None
    rows = {INPUT: 0, **{row.name: number for number, row in enumerate(report.layers, 1)}}
    reads = [[rows[source] for source in row.sources if source in rows] for row in report.layers]
    layout = graph_layout([[], *reads])
    is_narrow = layout.width > _MOST_WIDE_LANES
    lane = _NARROW_LANE if is_narrow else _LANE
    box = _SMALL_BOX if is_narrow else _BOX
    centres = [(_x(each, lane), _y(row)) for row, each in enumerate(layout.lanes)]
    return NetworkGraph(
        width=layout.width * lane,
        height=ROW * (len(rows) + 1),
        paths=tuple(_path(line, lane) for line in layout.lines),
        arrows=tuple((x, y - box[1] // 2) for x, y in centres[1:]),
        nodes=tuple(_nodes(report, centres)),
        box=box,
        has_letters=not is_narrow,
        table=graph_table(report, with_keys=is_narrow),
    )


def _x(lane: int, width: int) -> int:
    return lane * width + width // 2


def _y(row: int) -> int:
    return ROW * (row + 1) + ROW // 2


def _path(line: Line, width: int) -> str:
    begin, end, top, bottom = _x(line.begin, width), _x(line.end, width), _y(line.row - 1), _y(line.row)
    if begin == end:
        return f"M{begin} {top}V{bottom}"
    middle = (top + bottom) // 2
    return f"M{begin} {top}C{begin} {middle} {end} {middle} {end} {bottom}"


def _nodes(report: Report, centres: list[tuple[int, int]]) -> list[GraphNode]:
    keys = keys_of([row.name for row in report.layers])
    (x, y), *others = centres
    nodes = [GraphNode(x, y, "in", 0, "the input", "", False)]
    for number, (row, (x, y)) in enumerate(zip(report.layers, others, strict=True)):
        joined = len(set(row.sources)) > 1
        title = f"{keys[row.name]} {row.name}, reads {', '.join(dict.fromkeys(row.sources))}"
        nodes.append(GraphNode(x, y, keys[row.name], hue_of(number), title, f"layer-{number + 1}", joined))
    return nodes


def graph_table(report: Report, *, with_keys: bool) -> ReportTable:
    """What each layer reads and costs: cores, and its share of the energy, or of the synaptic events without figures.

    The input's row comes first. ``with_keys`` puts letters before names, where the boxes of the graph hold none.
    """
    cost = report.cost
    priced = cost is not None and cost.estimate is not None
    counted = {} if cost is None else {row.layer: row for row in cost.rows}
    amounts = {name: _amount(row, priced) for name, row in counted.items()}
    total = sum(amounts.values())
    keys = {INPUT: INPUT, **keys_of([row.name for row in report.layers])}
    columns = [Column("layer"), Column("reads"), Column("shape"), Column("neurons", True), Column("cores", True)]
    if cost is not None:
        columns += [Column("energy" if priced else "events", True), Column("share", True)]
    blank = (Cell("") for _ in columns[1:])
    rows = [(Cell(INPUT, anchor="input"), *blank)]
    for number, row in enumerate(report.layers, 1):
        cells = _cells(row, number, keys, with_keys=with_keys)
        rows.append((*cells, *_cost_cells(amounts.get(row.name), total, priced)) if cost is not None else cells)
    return ReportTable("Network", tuple(columns), tuple(rows), _note(report, priced))


def _amount(row: CostRow, priced: bool) -> float:
    return (row.joules or 0.0) if priced else row.synaptic_events


def _cells(row: LayerRow, number: int, keys: dict[str, str], *, with_keys: bool) -> tuple[Cell, ...]:
    return (
        Cell(row.name, key=keys[row.name] if with_keys else "", links=((row.name, f"layer-{number}"),)),
        Cell(reads_text(row, keys)),
        Cell("x".join(map(str, row.shape)) or NOTHING),
        Cell(f"{row.neurons:,}"),
        Cell(f"{row.cores:,}"),
    )


def _cost_cells(amount: float | None, total: float, priced: bool) -> tuple[Cell, Cell]:
    if amount is None:
        return Cell(NOTHING), Cell(NOTHING)
    share = amount / total if total else 0.0
    return Cell(in_units(amount, "J") if priced else _shortly(amount)), Cell(percent(share), share=share)


def _shortly(count: float) -> str:
    """A count in thousands, millions or billions; the table of energy has all digits."""
    scale, mark = next((each for each in _THOUSANDS if count >= each[0]), (1, ""))
    return f"{count / scale:.1f} {mark}" if mark else f"{count:,.0f}"


def _note(report: Report, priced: bool) -> str:
    note = "From the input down, a letter for each layer; one that sums several sources has a bold frame."
    if report.cost is None:
        return f"{note} What the layers cost is not known without calibration data."
    what = "estimated energy of a sample" if priced else "synaptic events of a sample"
    return f"{note} Shares are of the {what}."
