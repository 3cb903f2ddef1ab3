"""Lines are wrapped at the width of a terminal, and left whole in a pipe."""

from __future__ import annotations

import pytest

from spikec.targets.terminal.streams import hanging, tell, tell_document


def test_hanging_indent() -> None:
    assert hanging("short", 20) == ["short"]
    assert hanging("  one two three four", 12) == ["  one two", "      three", "      four"]
    assert hanging("see /a/very/long/path/of/a/file", 12) == ["see", "    /a/very/long/path/of/a/file"]


def test_a_pipe_gets_whole_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    tell("word " * 30, "a\nb")
    assert capsys.readouterr().out == "word " * 30 + "\na\\nb\n"


def test_documents_keep_their_lines(capsys: pytest.CaptureFixture[str]) -> None:
    tell_document("a\n\x1b[31mb\n")
    tell_document("c")
    assert capsys.readouterr().out == "a\n\\x1b[31mb\nc\n"
