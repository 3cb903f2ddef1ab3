"""What a report's parts have to agree on, so that every rendering can rely on it."""

from __future__ import annotations

from collections.abc import Iterator

from .content import Report
from .placed import CoreMap

_NUMBERS_OF_A_MESH = 3


def contradictions(report: Report) -> Iterator[str]:
    """What contradicts itself in a report that was read; nothing in one of ours."""
    layers = [row.name for row in report.layers]
    known = {name: number for number, name in enumerate(layers)}
    if len(known) < len(layers):
        yield "report.layers has two layers of one name"
    for number, row in enumerate(report.layers):
        if any(known.get(source, -1) >= number for source in row.sources):
            yield f"report.layers[{number}].sources names a layer that comes later"
    if report.core_map is not None:
        yield from _of_cores(report.core_map, set(layers))


def _of_cores(cores: CoreMap, layers: set[str]) -> Iterator[str]:
    where = "report.core_map"
    count = len(cores.place)
    if not count or {len(cores.fullest), len(cores.used)} != {count}:
        yield f"{where} does not say the same number of things of every core"
        return
    if cores.chip_cores < 1 or min(cores.place) < 0 or len(set(cores.place)) < count or cores.chips > count:
        yield f"{where}.place is no place for every core"
    if set(cores.layers) != layers or not all(0 <= n < count for held in cores.layers.values() for n in held):
        yield f"{where}.layers are not the cores of the layers"
    if any(budget.limit < 1 for budget in cores.budgets) or not all(0 <= n < len(cores.budgets) for n in cores.fullest):
        yield f"{where}.fullest names no budget"
    if cores.mesh and not _is_mesh(cores):
        yield f"{where}.mesh is no mesh of {cores.chip_cores} cores"


def _is_mesh(cores: CoreMap) -> bool:
    if len(cores.mesh) != _NUMBERS_OF_A_MESH or min(cores.mesh) < 1:
        return False
    columns, rows, of_tile = cores.mesh
    return columns * rows * of_tile == cores.chip_cores
