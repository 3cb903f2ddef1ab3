"""No text that was made printable holds anything that a terminal obeys."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from spikec.targets.diagnostic import Diagnostic, Place
from spikec.targets.terminal.findings import render_line
from spikec.targets.terminal.printable import printable, printable_lines

ANY_TEXT = st.text(st.characters(), max_size=30)  # lone surrogates too, as undecodable file names have them


def obeyed(text: str) -> list[str]:
    return [each for each in text if unicodedata.category(each) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]


def test_what_is_escaped_and_what_is_not() -> None:
    assert printable("conv_1 größe 層") == "conv_1 größe 層"
    assert printable("\x1b]0;pwn\x07") == "\\x1b]0;pwn\\x07"
    assert printable("a\nb\r\tc\x7f\x9b2J") == "a\\nb\\r\\tc\\x7f\\x9b2J"
    assert printable("\u202eevil\u2066\u200b\ufeff\u2028") == "\\u202eevil\\u2066\\u200b\\ufeff\\u2028"
    assert printable("\udcff") == "\\udcff"
    assert printable_lines("a\nb\x1b\n") == "a\nb\\x1b\n"


@given(ANY_TEXT)
def test_nothing_is_left_that_a_terminal_obeys(text: str) -> None:
    assert obeyed(printable(text)) == []
    assert set(obeyed(printable_lines(text))) <= {"\n"}
    printable(text).encode()


@given(ANY_TEXT)
def test_printable_text_stays_as_it_is(text: str) -> None:
    once = printable(text)
    assert printable(once) == once


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT)
def test_diagnostics_are_one_printable_line(message: str, name: str, hint: str) -> None:
    found = Diagnostic("E301", message, Place(name, name, (name, "b"), name), 1, 2, name, hint, name)
    assert obeyed(render_line(found)) == []
