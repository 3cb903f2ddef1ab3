from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from spikec import targets
from spikec.compiler.checks import check_program
from spikec.compiler.diagnostics import CODES
from spikec.compiler.frontend.model_section import ModelSection
from spikec.compiler.mapping import place
from spikec.compiler.report import (
    AgreementSection,
    FirstDifference,
    LedgerRow,
    NumbersRow,
    Overflow,
    PassRow,
    Report,
    build_report,
    report_dict,
    report_from_json,
    report_html,
    report_json,
    report_markdown,
    report_text,
    verdict,
)
from spikec.runtime.program import (
    INPUT,
    ConvSynapses,
    DenseSynapses,
    InputEncoding,
    Population,
    Program,
    Projection,
)
from spikec.runtime.program.geometry import ConvGeometry
from spikec.targets.diagnostic import Diagnostic, Place, UnusableInput

MODEL = ModelSection("tiny <net>", "ab" * 32, 46, {"Conv": 1, "Gemm": 1, "Clip": 1})
ORIGINS = {"conv": ("/features/Conv_0", "/features/Clip_1"), "out": ("/Gemm_2",)}


def _program() -> Program:
    encoding = InputEncoding((1, 4, 4), (0, 1, 2), (1, 4, 4), 1 / 255, 0, 255)
    hidden = Population("conv", (2, 2, 2), np.array([40, 50]).reshape(2, 1, 1), np.array(25), np.array(4097), 1)
    readout = Population("out", (5,), None, np.zeros(5, dtype=np.int64), np.zeros(5, dtype=np.int64), 2)
    kernel = np.arange(-18, 18, 2).reshape(2, 1, 3, 3)
    first = Projection("input->conv", INPUT, "conv", ConvSynapses(kernel, ConvGeometry()), exponent=1)
    second = Projection("conv->out", "conv", "out", DenseSynapses(np.full((5, 8), 300)))
    return Program("tiny", "loihi1", "pipelined", 4, -131072, 131071, encoding, (hidden, readout), (first, second))


def _report(*, strict: bool = False) -> Report:
    program, target = _program(), targets.load("loihi1")
    placement = place(program, target)
    difference = FirstDifference("conv", 3, 2, 0, {"lava": 1, "simulator": 0})
    return build_report(
        MODEL,
        target,
        check_program(program, target, placement, origins=ORIGINS),
        program=program,
        placement=placement,
        strict=strict,
        origins=ORIGINS,
        numbers=(
            NumbersRow("conv", 5, 1.5, 0, 0.0123456, Overflow(True, 120000.0)),
            NumbersRow("out", 8, 0.0, 0, 0.5, Overflow(False, None)),
        ),
        ledger=(
            LedgerRow("ANN float", 0.9123, 100, "onnxruntime", 1.0, 1.0),
            LedgerRow("spikes at T = 4", None, 0, "no labels"),
        ),
        agreement=AgreementSection(("lava", "simulator"), 10, False, difference),
        passes=(
            PassRow("fold-batch-norm", True, "2 batch norms folded into weights.", {"folded": 2, "kept_as_scale": 0}),
            PassRow("align-delays", False, "Depth 2, no delay needed.", {"depth": 2, "delayed": {}}),
        ),
    )


def test_json_text_markdown_and_html(golden: Callable[[str, str], None]) -> None:
    report = _report()
    golden("report.json", report_json(report))
    golden("report.txt", report_text(report))
    golden("report.md", report_markdown(report))
    golden("report.html", report_html(report))


def test_read_back_is_the_same_report() -> None:
    report = _report()
    again = report_from_json(report_json(report))
    assert again == report
    assert report_html(again) == report_html(report)


def test_keys_are_sorted_and_nothing_changes_between_runs() -> None:
    text = report_json(_report())
    assert text == report_json(_report())
    content = json.loads(text)
    assert text == json.dumps(content, indent=2, sort_keys=True) + "\n"
    assert content["schema"] == "spikec-report/1"


def test_contents_come_from_program_and_placement() -> None:
    report = _report()
    conv, out = report.layers
    assert (conv.neurons, conv.synapses, conv.stored_once, conv.threshold_configurations) == (8, 68, 17, 2)
    assert (conv.exponents, conv.delays, conv.depth, conv.cores) == ((1,), (0,), 1, 1)
    assert conv.onnx == ORIGINS["conv"]
    assert (conv.status, conv.codes) == ("does-not-fit", ("E312", "W316"))
    assert (out.status, out.codes, out.synapses) == ("does-not-fit", ("E308",), 40)
    assert report.program is not None
    assert (report.program.neurons, report.program.synapses, report.program.cores) == (13, 108, 2)
    rows = {(row.layer, row.name): row for row in report.resources}
    assert (rows["conv", "input axons"].used, rows["conv", "input axons"].limit) == (16, 4096)
    assert rows["out", "synapse memory"].source is not None
    assert (rows[None, "cores"].used, rows[None, "cores"].limit) == (2, 128)
    assert report.target.assumed == targets.load("loihi1").assumed()


ERROR = Diagnostic("E308", "weight", Place(layer="conv"))
UNREADABLE = Diagnostic("E001", "model")
ASSUMED = replace(ERROR, assumed=True)
WARNING = Diagnostic("W307", "thresholds")
INFO = Diagnostic("I999", "remark")


@pytest.mark.parametrize(
    ("diagnostics", "plain", "strict"),
    [
        ((), "fits", "fits"),
        ((INFO,), "fits", "fits"),
        ((WARNING, INFO), "fits-with-warnings", "does-not-fit"),
        ((ASSUMED,), "unknown", "unknown"),
        ((ASSUMED, WARNING), "unknown", "does-not-fit"),
        ((ASSUMED, ERROR), "does-not-fit", "does-not-fit"),
        ((ERROR, WARNING), "does-not-fit", "does-not-fit"),
        ((ERROR, UNREADABLE), "unsupported", "unsupported"),
        ((Diagnostic("E101", "operator"),), "unsupported", "unsupported"),
        ((Diagnostic("W101", "operator"),), "fits-with-warnings", "does-not-fit"),
    ],
)
def test_verdict(diagnostics: tuple[Diagnostic, ...], plain: str, strict: str) -> None:
    assert verdict(diagnostics) == plain
    assert verdict(diagnostics, strict=True) == strict
    assert verdict(diagnostics, rests_on=("core.neurons",)) == plain
    rested = verdict(diagnostics, strict=True, rests_on=("core.neurons",))
    assert rested == ("unknown" if strict == "fits" else strict)


def test_report_of_a_model_that_did_not_compile() -> None:
    code = min(code for code in CODES if code.startswith("E1"))
    report = build_report(MODEL, targets.load("lava"), [Diagnostic(code, "operator 'Foo' is unknown")])
    assert (report.verdict, report.program, report.layers) == ("unsupported", None, ())
    assert report_from_json(report_json(report)) == report
    assert "verdict: unsupported (1 error)" in report_text(report)
    assert "<svg" not in report_html(report)


def test_strict_report_counts_warnings() -> None:
    target = targets.load("loihi1")
    report = build_report(MODEL, target, [WARNING], strict=True)
    assert report.verdict == "does-not-fit"
    assert report_from_json(report_json(report)) == report


def _refusal(text: str) -> str:
    with pytest.raises(UnusableInput) as refusal:
        report_from_json(text, "out/report.json")
    (problem,) = refusal.value.diagnostics
    assert problem.code == "E318"
    assert problem.place.file == "out/report.json"
    return problem.message


def _edited(*path: str | int, value: Any) -> str:
    content: Any = json.loads(report_json(_report()))
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return json.dumps(content)


@pytest.mark.parametrize("length", [0, 1, 500, -2])
def test_truncated_report(length: int) -> None:
    assert "not JSON" in _refusal(report_json(_report())[:length])


def test_foreign_reports() -> None:
    assert "has schema None" in _refusal("[1]")
    assert "has schema None" in _refusal("{}")
    assert "'other/2'" in _refusal(_edited("schema", value="other/2"))
    assert "nested too deeply" in _refusal("[" * 100_000)


def test_edited_reports() -> None:
    assert _refusal(_edited("verdict", value="fits")) == "the verdict 'fits' contradicts the report's diagnostics"
    assert "report.layers[0].cores is '1'" in _refusal(_edited("layers", 0, "cores", value="1"))
    assert "report.layers[0].cores is True" in _refusal(_edited("layers", 0, "cores", value=True))
    assert "report.layers is not a list" in _refusal(_edited("layers", value={}))
    assert "report.model is not an object" in _refusal(_edited("model", value=None))
    assert "report.model.operators is not an object" in _refusal(_edited("model", "operators", value=[]))
    assert "report.model has the unknown key 'x'" in _refusal(_edited("model", "x", value=1))
    assert "diagnostics[0].code is 'E999'" in _refusal(_edited("diagnostics", 0, "code", value="E999"))
    missing = report_dict(_report())
    del missing["passes"]
    assert _refusal(json.dumps(missing)) == "report lacks 'passes'"


class _Outline(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_html_is_self_contained_balanced_and_labelled() -> None:
    page = report_html(_report())
    outline = _Outline()
    outline.feed(page)
    assert outline.open == []
    assert not re.search(r"https?://|<script|<link|@import|url\(", page)
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page
    assert "tiny &lt;net&gt;" in page
    assert "tiny <net>" not in page
    tags = [tag for tag, _ in outline.seen]
    assert tags.count("h1") == 1
    assert all(attributes.get("aria-label") for tag, attributes in outline.seen if tag == "svg")
    assert all(attributes.get("scope") for tag, attributes in outline.seen if tag == "th")
    identifiers = [attributes["id"] for _, attributes in outline.seen if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))


def test_a_limit_that_is_passed_says_so_without_colour() -> None:
    report = _report()
    over = tuple(replace(row, used=2 * (row.limit or 0)) for row in report.resources[:1])
    page = report_html(replace(report, resources=over))
    assert (
        '<span class="bar bad" aria-hidden="true"><span style="width: 100%"></span></span><span>200.0 % over</span>'
        in page
    )
    assert "200.0 % over" in report_text(replace(report, resources=over))


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_a_report_holds_finite_numbers(literal: str) -> None:
    text = _edited("numbers", 0, "worst_rounding", value=0.25)
    assert '"worst_rounding": 0.25' in text
    assert literal in _refusal(text.replace('"worst_rounding": 0.25', f'"worst_rounding": {literal}'))
