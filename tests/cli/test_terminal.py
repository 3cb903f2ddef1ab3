"""What a person sees on a terminal, and what a script reads in a pipe."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., tuple[int, str, str]]
Terminal = Callable[..., tuple[int, str]]
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def on_terminal(*arguments: object, columns: int = 80, **environment: Any) -> tuple[int, str]:
    """Exit code, and all that the command line prints on a terminal of its own."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    inherited = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")}
    started = subprocess.Popen(
        [sys.executable, "-m", "spikec", *map(str, arguments)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**inherited, "TERM": "xterm-256color", **environment},
    )
    os.close(theirs)
    printed = b""
    while True:
        try:
            part = os.read(ours, 1 << 16)
        except OSError:  # what Linux answers where the other end is closed
            break
        if not part:
            break
        printed += part
    os.close(ours)
    return started.wait(timeout=120), printed.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [30, 60, 100])
def test_findings_are_panels_as_wide_as_the_terminal(tmp_path: Path, columns: int) -> None:
    code, printed = on_terminal("check", tmp_path / "a b c d e f g.onnx", columns=columns)
    assert code == 2
    plain = COLOUR.sub("", printed)
    assert "error E001" in plain
    assert "hint" in plain
    assert ("╭" in plain) == (columns >= 40)
    lines = [re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]|\r", "", line) for line in plain.splitlines()]
    assert max(map(len, lines)) <= columns
    assert COLOUR.search(printed)


def test_a_finding_is_told_once(bench: Path) -> None:
    _, printed = on_terminal("check", bench / "net.onnx", "--target", "loihi1", columns=100)
    assert printed.count("W317") == 3  # what decided, the finding, and the layer that has it
    _, printed = on_terminal("check", bench / "net.onnx", "--target", "loihi1", "--format", "json", columns=100)
    assert "╭" in printed


def test_no_colours_where_none_are_wanted() -> None:
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        for argument in ("--help", "complie"):
            code, printed = on_terminal(argument, columns=80, **{name: value})
            assert code in (0, 2)
            assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", printed), printed
    assert COLOUR.search(on_terminal("--help")[1])


def test_a_dumb_terminal_gets_lines() -> None:
    _, printed = on_terminal("complie", TERM="dumb")
    assert printed == "error E631: No such command 'complie'. Did you mean 'compile'?; hint: see 'spikec --help'\n"


def test_results_are_wrapped_on_a_terminal() -> None:
    code, printed = on_terminal("passes", columns=50)
    assert code == 0
    assert max(map(len, printed.splitlines())) <= 50
    assert " ".join(printed.split()) != ""


def test_timings_only_where_they_are_wanted(cli: Cli, bench: Path, tmp_path: Path) -> None:
    compiled = ("compile", bench / "net.onnx", "-o", tmp_path / "out")
    assert cli(*compiled)[2] == ""
    code, out, err = cli(*compiled, "-v")
    assert code == 0
    assert "quantize-weights: " in err
    assert re.search(r"^compiling: \d+\.\d\d s$", err, re.MULTILINE)
    assert "quantize-weights" not in out
    ran = cli("run", tmp_path / "out", "--data", bench / "data.npz", "-v")[2]
    assert re.match(r"reading the program: \d+\.\d\d s\nrunning on simulator: \d", ran)


def test_quiet_leaves_errors_and_the_result(cli: Cli, bench: Path, tmp_path: Path) -> None:
    narrow = ("check", bench / "net.onnx", "--target", "loihi1", "--format", "markdown")
    code, out, err = cli(*narrow)
    assert "warning W317" in err
    assert cli(*narrow, "-q") == (code, out, "")
    code, out, err = cli("check", tmp_path / "none.onnx", "-q")
    assert (code, out) == (2, "")
    assert err.startswith("error E001")


def test_quiet_and_verbose_exclude_each_other(cli: Cli, bench: Path) -> None:
    code, _, err = cli("check", bench / "net.onnx", "-q", "-v")
    assert code == 2
    assert err.startswith("error E631: -q and -v exclude each other")
