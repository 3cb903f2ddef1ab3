"""Help: quick, whole sentences, in groups, as wide as the terminal."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from spikec.__main__ import spikec as command_line

Cli = Callable[..., tuple[int, str, str]]
HEAVY = {"numpy", "onnx", "torch", "rich", "networkx", "jinja2", "matplotlib", "lava"}


def test_help_of_every_command_loads_no_library() -> None:
    code = "\n".join(
        (
            "import sys",
            "from spikec.__main__ import run",
            "names = sys.argv[1:]",
            "assert run(['--help']) == 0 and all(run([name, '--help']) == 0 for name in names)",
            f"print(sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)",
        )
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, *command_line.commands], capture_output=True, text=True, check=True, timeout=60
    )
    assert ended.stderr == "[]\n"


def test_help_page(cli: Cli, golden: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = cli("--help")
    assert (code, err) == (0, "")
    assert cli() == (0, out, "")
    golden("page.txt", out)
    code, out, _ = cli("compile", "--help")
    golden("compile.txt", out)


def test_every_command_is_listed_in_a_whole_sentence(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = cli("--help")
    for each in command_line.listed:
        assert each.sentence.endswith(".")
        assert each.sentence[0].isupper()
        assert f"{each.sentence}\n" in out
        assert each.load().name == each.name
    assert "..." not in out.replace("[ARGS]...", "")


@pytest.mark.parametrize("columns", [24, 40, 66, 80, 132, 300])
def test_pages_are_as_wide_as_the_terminal(cli: Cli, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for name in command_line.commands:
        code, out, _ = cli(name, "--help")
        assert code == 0
        for line in out.splitlines():
            # A single word may be longer than a narrow terminal is wide.
            assert len(line) <= min(columns, 100) or len(line.split()) == 1 or columns < 40, line


@pytest.mark.parametrize("columns", [20, 25, 32])
def test_narrow_terminals_get_whole_words(cli: Cli, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    code, out, _ = cli("train", "--help")
    assert code == 0
    assert "quantise-and-clip" in out


def test_options_of_compile_stand_in_sections(cli: Cli) -> None:
    _, out, _ = cli("compile", "--help")
    titles = [line for line in out.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert titles == ["Options:", "Chip:", "Time:", "Calibration:", "Model and neurons:", "How much it says:"]


def test_colours_of_help_obey_no_color(process: Callable[..., subprocess.Popen[str]]) -> None:
    for environment in ({}, {"FORCE_COLOR": "1"}, {"NO_COLOR": "1"}):
        out, _ = process("--help", **environment).communicate(timeout=60)
        assert "\x1b" not in out  # a pipe
