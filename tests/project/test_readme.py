"""What the README shows is what the commands print, but for how long they took and for how many samples."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

from spikec import CompileOptions, check_model
from spikec.__main__ import run
from spikec.compiler.report import report_text
from spikec.models.commands.demo import load_shipped_samples
from spikec.runtime.lava import availability
from spikec.runtime.samples import Samples

README = Path(__file__).parents[2] / "README.md"


def shown_after(words: str) -> list[str]:
    """Lines of the first block of output after ``words``."""
    text = README.read_text(encoding="utf-8")
    assert text.count(words) == 1
    after = text[text.index(words) :].split("\n\n")[1].splitlines()
    assert all(line.startswith("    ") for line in after)
    return [line[4:] for line in after]


def without_figures(lines: list[str]) -> list[str]:
    return [re.sub(r"\d[\d.,]*", "N", line) for line in lines]


def test_the_demo_prints_what_the_readme_shows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    test, calibration = load_shipped_samples()
    few: tuple[Samples, Samples] = (test.first(4), calibration.first(16))
    # The package has a command of the module's name.
    monkeypatch.setattr(sys.modules["spikec.models.commands.demo"], "load_shipped_samples", lambda: few)
    monkeypatch.chdir(tmp_path)
    assert run(["demo", "--verify-samples", "2"]) == 0
    printed = without_figures(capsys.readouterr().out.splitlines())
    shown = without_figures(shown_after("`bash .ci/spikec demo` on a fresh clone"))
    if availability().available:
        assert printed == shown
    else:
        assert [line for line in printed if "Lava" not in line and "verify" not in line] == [
            line for line in shown if "lava" not in line
        ]
    for line in printed[-2:]:
        assert Path(line.split(": ")[1]).is_file()


def test_a_finding_looks_as_the_readme_shows(tmp_path: Path) -> None:
    shown = shown_after("`spikec check vgg16.onnx --target loihi1`")
    (cores,) = (int(found) for line in shown for found in re.findall(r"measured (\d+)", line))
    # As many cores for the map, less one for the read-out; 512 neurons of two compartments fill one.
    model = onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : 17]> net (float[N,1,512,{cores - 1}] x) => (float[N,2] y) '
        "{ c = Conv (x, w1) d = Div (c, unit) r = Round (d) k = Clip (r, zero, top) m = Mul (k, unit) "
        "p = GlobalAveragePool (m) f = Flatten (p) y = Gemm (f, w2) }"
    )
    tensors = {"w1": np.ones((1, 1, 1, 1)), "w2": np.ones((1, 2)), "unit": 0.25, "zero": 0.0, "top": 4.0}
    for name, value in tensors.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value, dtype=np.float32), name))
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    text = report_text(check_model(tmp_path / "net.onnx", CompileOptions(target="loihi1")))
    (block,) = re.findall(r"^error E305.+?(?=\n\n)", text, re.MULTILINE | re.DOTALL)
    found, wanted = (without_hint(lines) for lines in (block.splitlines(), shown))
    assert found == wanted


def without_hint(lines: list[str]) -> list[str]:
    """Lines of a finding but for its hint, which names a layer."""
    hint, see = (next(k for k, line in enumerate(lines) if word in line) for word in ("= hint", "= see"))
    return lines[:hint] + lines[see:]
