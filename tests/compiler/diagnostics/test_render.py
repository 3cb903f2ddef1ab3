from __future__ import annotations

import json
from collections.abc import Callable

from spikec.compiler.diagnostics import (
    diagnostic_json,
    render_block,
    render_line,
    render_markdown,
    render_summary,
)
from spikec.targets.diagnostic import Diagnostic, Place, Severity

FULL = Diagnostic(
    "E301",
    "one neuron reads too much",
    Place(file="net.onnx", layer="conv2", nodes=("/features/Conv_4", "/features/Relu_5"), core="7"),
    measured=4608,
    limit=4096,
    unit="axons",
    hint="use *fewer* channels | groups",
    source="block.py:9",
)
BARE = Diagnostic("W307", "thresholds cost cores")


def test_line() -> None:
    assert render_line(FULL) == (
        "error E301: net.onnx: layer 'conv2' (onnx /features/Conv_4, /features/Relu_5), core 7: "
        "one neuron reads too much; measured 4608 of 4096 axons [block.py:9]; hint: use *fewer* channels | groups"
    )
    assert render_line(BARE) == "warning W307: thresholds cost cores"


def test_line_stays_one_line() -> None:
    assert "\n" not in render_line(Diagnostic("E301", "a\nb", Place(layer="c\nd"), hint="e\n f"))


def test_every_part_alone() -> None:
    assert render_line(Diagnostic("E301", "m", Place(file="f"))) == "error E301: f: m"
    assert render_line(Diagnostic("E301", "m", Place(nodes=("/a",)))) == "error E301: onnx /a: m"
    assert render_line(Diagnostic("E301", "m", limit=2.5, unit="V")) == "error E301: m; limit 2.5 V"
    assert render_line(Diagnostic("E301", "m", measured=1 / 3)) == "error E301: m; measured 0.333333"


def test_error_against_an_assumed_limit_is_the_warning_of_its_number() -> None:
    found = Diagnostic("E305", "too many", measured=3, limit=2, unit="cores", assumed=True)
    line = render_line(found)
    assert (found.code, found.severity) == ("W305", Severity.WARNING)
    assert line == "warning W305: too many; measured 3 of 2 cores (limit uncertain)"


def test_block_and_markdown(golden: Callable[[str, str], None]) -> None:
    golden("block.txt", "\n\n".join((render_block(FULL), render_block(BARE))) + "\n")
    golden("list.md", "\n".join((render_markdown(FULL), render_markdown(BARE))) + "\n")


def test_json_holds_every_field() -> None:
    content = json.loads(json.dumps(diagnostic_json(FULL)))
    assert content == {
        "code": "E301",
        "severity": "error",
        "message": "one neuron reads too much",
        "place": {
            "file": "net.onnx",
            "layer": "conv2",
            "nodes": ["/features/Conv_4", "/features/Relu_5"],
            "core": "7",
        },
        "measured": 4608,
        "limit": 4096,
        "unit": "axons",
        "hint": "use *fewer* channels | groups",
        "source": "block.py:9",
        "assumed": False,
    }


def test_summary() -> None:
    assert render_summary([FULL, FULL, BARE]) == "2 errors, 1 warning"
    assert render_summary([]) == "no problems"
