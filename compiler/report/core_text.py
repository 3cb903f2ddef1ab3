"""The cores of each chip in characters: by layer, and by the tenths that the fullest budget is full."""

from __future__ import annotations

from .content import Report
from .core_drawing import drawn_chips, grid_place, layers_on, share_of
from .keys import keys_of
from .placed import CoreMap

_EMPTY = "."
_BETWEEN = "   "
LEGEND = "Left a letter for the first layer on a core, right the tenths that its fullest budget is full; . is not used."


def core_text(report: Report, width: int) -> str:
    """A block of lines for each chip, as wide as its two maps; empty where they are wider than ``width``."""
    cores = report.core_map
    if cores is None:
        return ""
    keys = keys_of([row.name for row in report.layers])
    order = {name: number for number, name in enumerate(keys)}
    by_layer, by_share = dict[int, str](), dict[int, str]()
    for core, names in enumerate(layers_on(cores)):
        place = cores.place[core]
        by_layer[place] = keys[min(names, key=order.__getitem__)] if names else "?"
        by_share[place] = str(min(int(10 * share_of(cores, core)), 9))
    blocks = []
    for chip in range(drawn_chips(cores)):
        maps = zip(_grid(cores, chip, by_layer), _grid(cores, chip, by_share), strict=True)
        blocks.append("\n".join((f"chip {chip + 1}", *(left + _BETWEEN + right for left, right in maps))))
    text = "\n\n".join(blocks)
    return text if max(map(len, text.split("\n"))) <= width else ""


def _grid(cores: CoreMap, chip: int, marks: dict[int, str]) -> list[str]:
    wide = max(map(len, marks.values()))
    grid: dict[int, dict[int, str]] = {}
    for k in range(cores.chip_cores):
        column, row = grid_place(cores, k)
        mark = marks.get(chip * cores.chip_cores + k, _EMPTY)
        grid.setdefault(row, {})[column] = f"{mark:>{wide}}"
    gap = " " if wide > 1 else ""
    return [gap.join(row[column] for column in sorted(row)) for _, row in sorted(grid.items())]
