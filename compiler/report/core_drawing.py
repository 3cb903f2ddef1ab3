"""The cores of each chip as squares where they lie: by layer, and by the budget that is fullest."""

from __future__ import annotations

import math

from ...targets.records import dataclass
from .content import Report
from .effects import counted
from .keys import hue_of, keys_of
from .placed import CoreMap
from .summary import percent

MOST_CORES = 2048
"""Places for cores that are drawn, at most: as many chips as that holds, the others are counted."""
CELL = (32, 22)
_GAP = 4
_COLUMNS_WITHOUT_MESH = 16

MARKS = {"neurons": "n", "input axons": "i", "output axons": "o", "synapse memory": "m"}
"""Letters that stand for budgets beside a percentage."""


@dataclass(frozen=True, slots=True)
class CoreCell:
    """A core in use at (``x``, ``y``) from the corner of its chip: ``key`` of its first layer, ``text`` in percent.

    ``mark`` is the letter of its fullest budget and ``share`` how full that is, 1 at the limit; ``hue`` is that of its
    first layer.
    """

    x: int
    y: int
    key: str
    text: str
    mark: str
    hue: int
    share: float
    title: str


@dataclass(frozen=True, slots=True)
class ChipDrawing:
    """One chip, counted from 1, ``width`` x ``height``: the ``cells`` in use, and the path of the ``unused`` ones."""

    number: int
    width: int
    height: int
    cores: int
    cells: tuple[CoreCell, ...]
    unused: str


@dataclass(frozen=True, slots=True)
class CoreDrawing:
    """All chips that are drawn, what the letters mean, and what is to be said of them."""

    chips: tuple[ChipDrawing, ...]
    layers: tuple[tuple[str, str], ...]
    marks: tuple[tuple[str, str], ...]
    note: str
    size: tuple[int, int] = CELL


def core_drawing(report: Report) -> CoreDrawing | None:
    """The drawing of a report's map of cores; None where there is none, or a chip has too many cores to draw."""
    found = report.core_map
    if found is None or not drawn_chips(found):
        return None
    keys = keys_of([row.name for row in report.layers])
    used = _used_cells(found, keys)
    return CoreDrawing(
        chips=tuple(_chip(found, number, used) for number in range(drawn_chips(found))),
        layers=tuple((keys[name], name) for name in keys),
        marks=tuple((mark_of(found, n), budget.name) for n, budget in enumerate(found.budgets)),
        note=cores_note(found),
    )


def drawn_chips(cores: CoreMap) -> int:
    """How many chips are drawn."""
    return min(cores.chips, MOST_CORES // cores.chip_cores)


def mark_of(cores: CoreMap, budget: int) -> str:
    """Letter of a budget, by its number."""
    name = cores.budgets[budget].name
    return MARKS.get(name, name[0])


def cores_note(cores: CoreMap) -> str:
    """Where the cores lie, and what a drawing leaves out."""
    hidden = cores.chips - drawn_chips(cores)
    parts = [
        _position_note(cores),
        "A core that several layers share has a + behind the first one's letter." if _shared(cores) else "",
        f"{counted(hidden, 'more chip')} not drawn." if hidden else "",
    ]
    return " ".join(part for part in parts if part)


def _position_note(cores: CoreMap) -> str:
    if not cores.mesh:
        return "Where on the chip its cores lie is in no source: they stand in the order of the program."
    columns, rows, of_tile = cores.mesh
    mesh = f"{columns} x {rows} tiles of {of_tile} cores"
    if cores.arranged:
        return f"{mesh}; tiles lie where the messages that calibration data causes take the shortest ways."
    return f"{mesh}, in the order of the program: no calibration data tells what they send each other."


def layers_on(cores: CoreMap) -> list[list[str]]:
    """Names of the layers on each core, in the order of the program."""
    on: list[list[str]] = [[] for _ in cores.place]
    for name, held in cores.layers.items():
        for core in held:
            on[core].append(name)
    return on


def share_of(cores: CoreMap, core: int) -> float:
    """How full the fullest budget of a core is."""
    return cores.used[core] / cores.budgets[cores.fullest[core]].limit


def in_percent(share: float) -> int:
    """Whole percents, downwards: 100 is full, 101 too much."""
    return math.floor(100 * share)


def _shared(cores: CoreMap) -> bool:
    return any(len(on) > 1 for on in layers_on(cores))


def _used_cells(cores: CoreMap, keys: dict[str, str]) -> dict[int, CoreCell]:
    """Cells of the cores in use, by their place."""
    order = {name: number for number, name in enumerate(keys)}
    cells = {}
    for core, names in enumerate(layers_on(cores)):
        on = sorted(names, key=order.__getitem__)
        share, budget = share_of(cores, core), cores.budgets[cores.fullest[core]]
        listed = ", ".join(f"{keys[name]} {name}" for name in on)
        cells[cores.place[core]] = CoreCell(
            *_position(cores, cores.place[core] % cores.chip_cores),
            key=keys[on[0]] + "+" * (len(on) > 1) if on else "?",
            text=str(in_percent(share)),
            mark=mark_of(cores, cores.fullest[core]),
            hue=hue_of(order[on[0]]) if on else 0,
            share=min(share, 1.0),
            title=f"{listed}: {budget.name} {cores.used[core]:,} of {budget.limit:,}, {percent(share)}",
        )
    return cells


def _chip(cores: CoreMap, number: int, used: dict[int, CoreCell]) -> ChipDrawing:
    first = number * cores.chip_cores
    places = [_position(cores, k) for k in range(cores.chip_cores)]
    unused = [place for k, place in enumerate(places) if first + k not in used]
    return ChipDrawing(
        number + 1,
        max(x for x, _ in places) + CELL[0],
        max(y for _, y in places) + CELL[1],
        cores.chip_cores,
        tuple(used[first + k] for k in range(cores.chip_cores) if first + k in used),
        "".join(f"M{x} {y}h{CELL[0]}v{CELL[1]}h-{CELL[0]}z" for x, y in unused),
    )


def _position(cores: CoreMap, k: int) -> tuple[int, int]:
    """Corner of the core of number ``k`` on its chip."""
    column, row = grid_place(cores, k)
    gaps = _gaps(cores, column, row)
    return column * CELL[0] + gaps[0], row * CELL[1] + gaps[1]


def grid_place(cores: CoreMap, k: int) -> tuple[int, int]:
    """Column and row of the core of number ``k`` on its chip, all tiles drawn as blocks of cores."""
    if not cores.mesh:
        row, column = divmod(k, _COLUMNS_WITHOUT_MESH)
        return column, row
    _, rows, of_tile = cores.mesh
    across = math.ceil(math.sqrt(of_tile))
    down = -(-of_tile // across)
    (tile_column, tile_row), (inner_row, inner_column) = divmod(k // of_tile, rows), divmod(k % of_tile, across)
    return tile_column * across + inner_column, tile_row * down + inner_row


def _gaps(cores: CoreMap, column: int, row: int) -> tuple[int, int]:
    if not cores.mesh:
        return 0, 0
    across = math.ceil(math.sqrt(cores.mesh[2]))
    down = -(-cores.mesh[2] // across)
    return column // across * _GAP, row // down * _GAP
