"""Every form of a report copes with what is not there, with strange names, and with narrow pages."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from spikec.compiler.frontend.model_section import ModelSection
from spikec.compiler.report import (
    LayerRow,
    LedgerRow,
    NumbersRow,
    Overflow,
    PassRow,
    ProgramSection,
    Report,
    ResourceRow,
    TargetSection,
    report_html,
    report_markdown,
    report_text,
    verdict,
)
from spikec.compiler.report.placed import ActivityRow, Budget, ChipFlowRow, CoreMap, FlowRow, TrafficSection
from spikec.compiler.report.printable import printable
from spikec.compiler.report.resources import utilisation
from spikec.compiler.report.summary import figures
from spikec.compiler.report.tables import folded, layer_tables, ledger_table
from spikec.targets.diagnostic import Diagnostic, Place

CORES = CoreMap(4, (), False, (0, 1, 5), {"a": (0, 1), "b": (1, 2)}, (Budget("neurons", 48),), (0, 0, 0), (24, 48, 12))
TRAFFIC = TrafficSection(
    16, (FlowRow("input", "a", 30.0, None), FlowRow("a", "b", 20.5, None)), (ChipFlowRow(0, 1, 20.5),)
)
ACTIVITY = (ActivityRow("a", 0.125, 0.01, 0.0, 0.5),)

FORMS: dict[str, Callable[[Report], str]] = {"html": report_html, "markdown": report_markdown, "text": report_text}


def layer(name: str, **changes: object) -> LayerRow:
    row = LayerRow(
        name=name,
        onnx=(f"/{name}",),
        shape=(2, 3, 4),
        neurons=24,
        synapses=1_000_000,
        stored_once=40,
        threshold_configurations=3,
        weight_bits=8,
        exponents=(0,),
        delays=(0,),
        depth=1,
        gated=False,
        cores=3,
        tile=(1, 3, 4),
        border=(0, 2),
        held=("population",),
        status="fits",
        codes=(),
        sources=("input",),
    )
    return replace(row, **changes)  # type: ignore[arg-type]


def report(*names: str) -> Report:
    layers = names or ("a", "b")
    return Report(
        schema="spikec-report/1",
        strict=False,
        verdict="fits",
        model=ModelSection("net", "ab" * 32, 1234, {"Conv": 2}),
        target=TargetSection("chip", "A chip", "cd" * 32, ("core.neurons",), ("One note.",)),
        program=ProgramSection("pipelined", 4, 4, 2, 6, 6, 0, 48, 2_000_000, 6, 5),
        layers=tuple(layer(name) for name in layers),
        resources=(
            *(ResourceRow(name, "neurons", 24, 48, "compartments", "a paper", "published") for name in layers),
            *(ResourceRow(name, "output axons", 1_500, None, "axons", None, None) for name in layers),
            ResourceRow(None, "cores", 6, 5, "cores", "a paper", "assumed"),
        ),
        numbers=tuple(NumbersRow(name, 8, 0.5, 0, 0.01, Overflow(True, 500.0)) for name in layers),
        ledger=(LedgerRow("ANN", 0.91, 100, "float"), LedgerRow("spikes", 0.9, 100, "simulated")),
        agreement=None,
        passes=(PassRow("align-delays", True, "Depth 2, no delay needed.", {"depth": 2, "delayed": {}}),),
        diagnostics=(),
    )


def with_findings(*found: Diagnostic, names: tuple[str, ...] = ()) -> Report:
    return replace(report(*names), diagnostics=found, verdict=verdict(found))


EMPTY = {"program": None, "layers": (), "resources": (), "numbers": (), "ledger": (), "passes": (), "neuron": None}


@pytest.mark.parametrize("form", FORMS)
def test_any_section_may_be_absent(form: str) -> None:
    for several in (1, 2, len(EMPTY)):
        for names in itertools.combinations(EMPTY, several):
            shown = FORMS[form](replace(report(), **{name: EMPTY[name] for name in names}))  # type: ignore[arg-type]
            assert "net" in shown
            assert "None" not in shown


def test_what_is_absent_leaves_no_heading() -> None:
    bare = replace(report(), **EMPTY)  # type: ignore[arg-type]
    assert re.findall(r"<h2[^>]*>([^<]*)", report_html(bare)) == ["Made from", "What is not known about the target"]
    assert re.findall(r"^## (.*)", report_markdown(bare), re.MULTILINE) == [
        "Made from",
        "What is not known about the target",
    ]


def test_sections_come_in_the_same_order_in_every_form() -> None:
    full = replace(with_findings(Diagnostic("W307", "thresholds")), core_map=CORES, traffic=TRAFFIC, activity=ACTIVITY)
    order = ["Findings", "Cores", "Accuracy", "Layers", "Traffic", "Activity", "Numbers", "Passes", "Made from"]
    for form, heading in (("html", "<h2[^>]*>{}"), ("markdown", "^## {}"), ("text", "^{}\n-")):
        shown = FORMS[form](full)
        found = [re.search(heading.format(title), shown, re.MULTILINE) for title in order]
        assert [match.start() for match in found if match] == sorted(match.start() for match in found if match)
        assert all(found)
        assert shown.index("90.00 %") < found[0].start()  # type: ignore[union-attr]


HOSTILE = "</style><script>x</script>\x1b[31m\nsecond\tline \u202e|`*\ud800"


@pytest.mark.parametrize("form", FORMS)
def test_names_cannot_steer_what_shows_them(form: str) -> None:
    found = Diagnostic("E308", HOSTILE, Place(file=HOSTILE, layer=HOSTILE, nodes=(HOSTILE,)), hint=HOSTILE)
    hostile = with_findings(found, names=(HOSTILE, "b"))
    hostile = replace(hostile, model=ModelSection(HOSTILE, "ab", 1, {HOSTILE: 1}))
    shown = FORMS[form](hostile)
    assert {c for c in shown if not c.isprintable()} <= {"\n"}
    assert "\\x1b[31m" in shown.replace("\\\\", "\\").replace("\\[", "[")
    shown.encode()
    if form == "html":
        assert "<script" not in shown
        assert shown.count("</style>") == 1


def test_printable_leaves_everything_else_alone() -> None:
    assert printable(report()) == report()
    assert printable("naïve Ünïcode 名前") == "naïve Ünïcode 名前"


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_is_wider_than_the_page(width: int) -> None:
    names = ("conv", "a.very.long.name/" * 6, "x" * 130)
    found = Diagnostic(
        "E308", "m" * 150, Place(layer=names[1], nodes=names), 10**9, 5, "weight units", "h " * 90, names[2]
    )
    assumed = Diagnostic("E317", "short", limit=1, source="a paper " * 20, assumed=True)
    full = with_findings(found, assumed, names=names)
    shown = report_text(full, width)
    assert max(map(len, shown.splitlines())) <= width
    assert "x" * 130 in "".join(shown.split())


def test_resources_without_a_limit_are_one_line() -> None:
    line = "1 resource without a limit: output axons (1,500)"
    assert line in report_text(report())
    assert line in report_markdown(report())
    page = report_html(report())
    assert f"<summary>{line}</summary>" in page
    shares = page[page.index("<h3>Cores") : page.index("<details>")]
    assert "output axons" not in shares


def test_what_is_over_a_limit_says_so() -> None:
    assert "120.0 % over" in report_text(report())
    nothing = ResourceRow("a", "neurons", 1, 0, "compartments", None, None)
    assert utilisation(nothing) == float("inf")
    assert utilisation(replace(nothing, used=0)) == 0
    assert "none there" in report_text(replace(report(), resources=(nothing,)))


def test_columns_that_agree_become_a_remark() -> None:
    layers, _ = layer_tables(report())
    assert [column.title for column in layers.columns] == [
        "layer",
        "key",
        "shape",
        "neurons",
        "synapses",
        "cores",
        "depth",
        "status",
    ]
    same = "The same in every layer: reads input, synapses held population, delay 0, gated no."
    assert layers.note.endswith(same)
    mixed = replace(report(), layers=(layer("a", gated=True), layer("b", codes=("E308",))))
    assert [column.title for column in layer_tables(mixed)[0].columns][-3:] == ["gated", "status", "findings"]


def test_no_column_is_empty() -> None:
    without_numbers = replace(report("only"), numbers=())
    for table in layer_tables(without_numbers):
        for number in range(len(table.columns)):
            assert {row[number].text for row in table.rows} != {"-"}
        assert folded(table) == table


def test_changes_are_from_the_stage_measured_before() -> None:
    stages = (("a", 0.9), ("b", None), ("c", 0.8999), ("d", 0.95))
    table = ledger_table(tuple(LedgerRow(name, accuracy, 100, "") for name, accuracy in stages))
    assert [row[2].text for row in table.rows] == ["-", "-", "-0.01", "+5.01"]
    assert [row[1].text for row in table.rows] == ["90.00 %", "-", "89.99 %", "95.00 %"]


def test_an_unmeasured_ledger_is_a_sentence() -> None:
    unmeasured = replace(report(), ledger=(LedgerRow("ANN", None, 0, "float"), LedgerRow("spikes", None, 0, "")))
    for show in FORMS.values():
        assert "Not measured: that takes calibration data." in show(unmeasured)
    assert "what it is" not in report_text(unmeasured)


def test_without_labels_agreement_stands_for_accuracy() -> None:
    rows = (LedgerRow("ANN", None, 40, "float", 1.0, 1.0), LedgerRow("spikes", None, 40, "simulated", 0.975, 0.9912))
    unlabelled = replace(report(), ledger=rows)
    assert [column.title for column in ledger_table(rows).columns] == ["stage", "agrees", "correlates", "what it is"]
    for show in FORMS.values():
        assert "97.50 %" in show(unlabelled)
        assert "0.991" in show(unlabelled)
    assert [figure.label for figure in figures(unlabelled)][:3] == ["verdict", "cores", "agreement"]


def test_strict_reports_say_how_they_count() -> None:
    strict = replace(with_findings(Diagnostic("W307", "thresholds")), strict=True, verdict="does-not-fit")
    assert report_text(strict).startswith("verdict: does-not-fit (1 warning; warnings count as errors)\n")
