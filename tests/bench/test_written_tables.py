"""The tables that a run writes into documents: where they go, what they say they were measured on, and of what."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .blocks import BLOCKS, DOCUMENTS, filled
from .claim import Claim
from .document import Run, as_json
from .limits import NEAR, UNIT
from .rates import LayerRate, Rates
from .rows import Equality, Row, linear_fits

MACHINE = {
    "cpu": "Some CPU",
    "cores": 2,
    "memory_gib": 8.0,
    "instruction_set": "avx2",
    "threads": [1, 2],
    "load_at_start": 0.1,
    "load_at_end": 1.9,
    "busy": False,
}
EQUAL, UNEQUAL = Equality(100, 0), Equality(100, 3)


def cell(tool: str, seconds: float, net: str = "vgg16", threads: int = 2, **fields: Any) -> Row:
    is_ann = tool.startswith("onnxruntime")
    return Row("simulator", net, tool, "s", (seconds,), 4, 64, is_ann=is_ann, threads=threads, cpu=(seconds,), **fields)


ROWS = [
    cell("spikec", 0.25),
    cell("spikec, avx2", 0.26, equality=EQUAL),
    cell("sinabs", 2.5, equality=EQUAL),
    cell("snnTorch", 2.25, equality=UNEQUAL),
    cell("onnxruntime", 0.5),
    cell("onnxruntime, int8", 0.125),
    cell("spikec", 0.5, threads=1),
    cell("spikec", 0.25, "resnet20 (random weights)"),
    *(Row("scaling", "vgg16", "spikec", "s", (t / 8,), t, 64, note="over timesteps") for t in (1, 2, 4)),
    Row("limits", "", NEAR, UNIT, (50.0,), threads=1),
]
RATES = [
    Rates("vgg16", 4, 16, (LayerRate("one", 100, 0.25, 3e6), LayerRate("two", 300, 0.05, 1e6)), 1_000_000, 8_000_000)
]


def document(**machine: Any) -> dict[str, Any]:
    claimed = [Claim("one", 2.0, 1.0, "x", False), Claim("two", None, 8, "x", True, "not measured")]
    run = Run({**MACHINE, **machine}, {"rounds": 5}, ROWS, RATES, linear_fits(ROWS), claimed)
    content: dict[str, Any] = json.loads(as_json(run))
    return content


def test_tables_go_where_they_belong_and_name_the_machine() -> None:
    end = "<!-- bench end -->\n"
    text = f"before\n<!-- bench claims -->\nstale\n{end}after\n<!-- bench latency -->\nkept\n{end}"
    written = filled(text, document())
    assert written.startswith(
        "before\n<!-- bench claims -->\nMeasured on Some CPU, 2 cores, 8.0 GiB; kernel avx2, threads 1 and 2;"
    )
    assert (
        "| one | 2 x | <= 1 x | NO |\n| two | not measured | >= 8 x | not measured |\n<!-- bench end -->\nafter"
        in written
    )
    assert "stale" not in written
    assert "<!-- bench latency -->\nkept\n" in written
    assert filled(written, document()) == written


def test_a_busy_machine_is_called_so() -> None:
    busy = document(busy=True, cores_used_by_others=0.7, cores_stolen=0.1)
    assert "BUSY MACHINE: 0.7 cores used by others" in filled("<!-- bench claims -->\n<!-- bench end -->\n", busy)


def test_an_unknown_place_is_an_error() -> None:
    with pytest.raises(ValueError, match="no table 'nothing'"):
        filled("<!-- bench nothing -->\n<!-- bench end -->\n", document())


def test_other_tools_stand_beside_spikec_and_unequal_ones_are_marked() -> None:
    lines = BLOCKS["beside"](document()).splitlines()
    assert (
        lines[0]
        == "| ms for 64 images (processor time) | ResNet-20 (32x32), random weights, T = 4 | VGG-16 (32x32), T = 4 |"
    )
    assert "| spikec | 250 (250) | 250 (250) |" in lines
    assert "| sinabs |  | 2500 (2500) |" in lines
    assert "| snnTorch |  | 2250 (results differ) (2250) |" in lines
    assert not any("avx2" in line for line in lines)
    assert "| avx2 | 260 (260) |" in BLOCKS["kernels"](document()).splitlines()


def test_every_cell_has_processor_time_and_the_source_network() -> None:
    lines = BLOCKS["cells"](document()).splitlines()
    assert "| VGG-16 (32x32) | 4 | 64 | 2 | 250 | 250 | 500 | 125 |" in lines
    assert "| VGG-16 (32x32) | 4 | 64 | 1 | 500 | 500 |  |  |" in lines


def test_rates_limits_and_growth_are_counted() -> None:
    assert "| VGG-16 (32x32) | 4 | 8 M | 10.0 % | 0.50 | 25 5 |" in BLOCKS["rates"](document())
    # 5 million synapses for each of 64 images in half a second.
    assert "| VGG-16 (32x32), T = 4 | 0.64 | 1 % |" in BLOCKS["limits"](document())
    assert "| VGG-16 (32x32) | timesteps | 1 to 4 | " in BLOCKS["growth"](document())


def test_the_places_of_the_documents_are_known() -> None:
    names = [name for file in DOCUMENTS for name in _places(file.read_text(encoding="utf-8"))]
    assert set(names) <= set(BLOCKS)
    assert len(names) >= len(BLOCKS)


def _places(text: str) -> list[str]:
    return [line.split()[2] for line in text.splitlines() if line.startswith("<!-- bench ") and "bench end" not in line]
