"""Maps of cores say in letters and figures what is on each core, wherever it lies, and how full it is."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from spikec import targets
from spikec.compiler.mapping import Placement, place
from spikec.compiler.report import Report, report_dict, report_from_json, report_html, report_json, report_text
from spikec.compiler.report.core_drawing import core_drawing, cores_note, grid_place
from spikec.compiler.report.core_map import core_map
from spikec.compiler.report.core_text import core_text
from spikec.compiler.report.keys import keys_of
from spikec.compiler.report.placed import Budget, CoreMap
from spikec.compiler.report.traffic_tables import activity_table, chips_table, traffic_tables
from spikec.runtime.program.geometry import ConvGeometry
from spikec.targets.diagnostic import UnusableInput

from ..mapping.programs import conv_program
from .test_forms_of_a_report import ACTIVITY, CORES, TRAFFIC, report

MESH = CoreMap(
    chip_cores=16,
    mesh=(2, 2, 4),
    arranged=True,
    place=(0, 1, 4, 8, 15, 16),
    layers={"a": (0, 1, 2), "b": (2, 3, 4, 5)},
    budgets=(Budget("neurons", 1000), Budget("synapse memory", 2000)),
    fullest=(0, 0, 1, 1, 0, 1),
    used=(1000, 999, 1500, 10, 500, 2500),
)


def mapped(cores: CoreMap) -> Report:
    return replace(report(), core_map=cores, traffic=TRAFFIC, activity=ACTIVITY)


PROGRAM = conv_program(4, (40, 40), 16, 3, ConvGeometry())


def placed(target: str = "loihi1") -> Placement:
    return place(PROGRAM, targets.load(target))


def test_a_placement_gives_the_map() -> None:
    placement, loihi = placed(), targets.load("loihi1")
    found = core_map(placement, loihi, None)
    assert found is not None
    assert (found.mesh, found.chip_cores, found.arranged) == ((8, 4, 4), 128, False)
    assert found.place == tuple(range(placement.cores))
    assert set(found.layers) == {layer.name for layer in placement.layers}
    for core, (budget, used) in enumerate(zip(found.fullest, found.used, strict=True)):
        shares = {each.name: placement.use[each.name][core] / each.limit for each in found.budgets}
        assert shares[found.budgets[budget].name] == max(shares.values())
        assert used == placement.use[found.budgets[budget].name][core]


def test_tiles_lie_where_the_traffic_put_them() -> None:
    placement, loihi = placed(), targets.load("loihi1")
    tiles = -(-placement.cores // 4)
    found = core_map(placement, loihi, np.arange(tiles)[::-1] + 3)
    assert found is not None
    assert found.arranged
    assert found.place == tuple(4 * (tiles - 1 - core // 4 + 3) + core % 4 for core in range(placement.cores))


def test_without_budgets_there_is_no_map(monkeypatch: pytest.MonkeyPatch) -> None:
    lava = targets.load("lava")
    assert core_map(placed("lava"), lava, None) is None
    monkeypatch.setattr("spikec.compiler.report.core_map.MOST_CORES", placed().cores - 1)
    assert core_map(placed(), targets.load("loihi1"), None) is None


def test_without_a_mesh_cores_stand_in_order() -> None:
    loihi2 = targets.load("loihi2")
    found = core_map(placed("loihi2"), loihi2, None)
    assert found is not None
    assert (found.mesh, found.chip_cores) == ((), 120)
    assert "in no source" in cores_note(found)


def test_a_mesh_is_drawn_column_by_column_in_blocks() -> None:
    assert [grid_place(MESH, k) for k in (0, 1, 2, 3)] == [(0, 0), (1, 0), (0, 1), (1, 1)]
    assert [grid_place(MESH, k) for k in (4, 8, 15)] == [(0, 2), (2, 0), (3, 3)]
    assert grid_place(CORES, 17) == (1, 1)


def test_letters_and_percentages_stand_on_every_core() -> None:
    drawing = core_drawing(mapped(MESH))
    assert drawing is not None
    first, second = drawing.chips
    shown = {(cell.x, cell.y): (cell.key, cell.text + cell.mark) for cell in first.cells}
    assert list(shown.values()) == [("A", "100n"), ("A", "99n"), ("A+", "75m"), ("B", "0m"), ("B", "50n")]
    assert [cell.text for cell in second.cells] == ["125"], "more than there is shows as more than 100"
    assert (first.unused.count("M"), second.unused.count("M")) == (11, 15)
    page = report_html(mapped(MESH))
    assert "B b: synapse memory 2,500 of 2,000, 125.0 %" in page
    assert page.count('aria-label="Chip 1 by') == 2
    assert "has a +" in cores_note(MESH)


def test_text_has_the_same_maps() -> None:
    text = core_text(mapped(MESH), 80)
    assert text.split("\n\n")[0].split("\n") == ["chip 1", "AAB.   990.", "....   ....", "A...   7...", "...B   ...5"]
    assert core_text(mapped(MESH), 5) == ""
    assert text in report_text(mapped(MESH))


def test_more_chips_than_can_be_drawn_are_counted() -> None:
    place_of_each = tuple(16 * chip for chip in range(200))
    many = replace(
        MESH, place=place_of_each, layers={"a": (0,), "b": tuple(range(1, 200))}, fullest=(0,) * 200, used=(1,) * 200
    )
    drawing = core_drawing(mapped(many))
    assert drawing is not None
    assert len(drawing.chips) == 128
    assert "72 more chips not drawn" in cores_note(many)
    huge = replace(MESH, mesh=(), chip_cores=5000)
    assert core_drawing(mapped(huge)) is None
    assert core_text(mapped(huge), 80) == ""
    assert "chip 1" in report_html(mapped(huge)), "the table is there all the same"


def test_tables_of_chips_traffic_and_activity() -> None:
    rows = [[cell.text for cell in row] for row in chips_table(mapped(MESH), MESH).rows]
    assert rows == [
        ["chip 1", "5 of 16", "A B", "100.0 % of neurons"],
        ["chip 2", "1 of 16", "B", "125.0 % of synapse memory"],
    ]
    flows, between = traffic_tables(mapped(MESH))
    assert [column.title for column in flows.columns] == ["from", "to", "messages", "share"]
    assert [cell.text for cell in flows.rows[1]] == ["a", "b", "20", "40.6 %"]
    assert [cell.text for cell in between.rows[0]] == ["chip 1 to 2", "20", "100.0 %"]
    activity = activity_table(mapped(MESH))
    assert activity is not None
    assert [cell.text for cell in activity.rows[0]] == ["a", "12.5 %", "1.00 %", "0.00 %", "50.00 %"]
    crossed = replace(TRAFFIC, flows=tuple(replace(each, crossings=7.0) for each in TRAFFIC.flows))
    assert traffic_tables(replace(mapped(MESH), traffic=crossed))[0].columns[-1].title == "over chip edges"
    assert traffic_tables(report()) == ()
    assert activity_table(report()) is None


def test_keys_are_letters_while_there_are_any() -> None:
    names = [f"n{n}" for n in range(60)]
    assert list(keys_of(names[:28]).values())[-3:] == ["Z", "a", "b"]
    assert list(keys_of(names).values())[-1] == "60"


def test_json_keeps_the_map_and_refuses_one_that_contradicts_itself() -> None:
    whole = mapped(MESH)
    back = report_from_json(report_json(whole))
    assert back == whole
    assert report_html(back) == report_html(whole)
    assert "core_map" not in report_dict(report())


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("used", [1], "the same number"),
        ("place", [0, 1, 4, 8, 15, 15], "no place"),
        ("place", [0, 1, 4, 8, 15, -1], "no place"),
        ("place", [0, 1, 4, 8, 15, 1 << 60], "no place"),
        ("chip_cores", 0, "no place"),
        ("fullest", [0, 0, 1, 1, 0, 2], "names no budget"),
        ("mesh", [2, 2, 5], "no mesh"),
        ("mesh", [2, 8], "no mesh"),
        ("layers", {"a": [0]}, "cores of the layers"),
        ("layers", {"a": [0], "b": [6]}, "cores of the layers"),
    ],
)
def test_edited_maps(key: str, value: object, problem: str) -> None:
    content = json.loads(report_json(mapped(MESH)))
    content["core_map"][key] = value
    with pytest.raises(UnusableInput, match=re.escape(problem)):
        report_from_json(json.dumps(content))


def test_edited_sources() -> None:
    content = json.loads(report_json(report()))
    content["layers"][0]["sources"] = ["b"]
    with pytest.raises(UnusableInput, match="comes later"):
        report_from_json(json.dumps(content))
    content["layers"][0] |= {"name": "b", "sources": ["input"]}
    with pytest.raises(UnusableInput, match="two layers of one name"):
        report_from_json(json.dumps(content))
