"""Text that may hold anything, made safe for a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Return ``text`` in one line with everything that is no visible character escaped: ``a\x1b[2Jb``.

    Escaped are control characters (C0, C1, newlines too), controls of writing direction, other invisible characters,
    separators but the space, and the lone surrogates that stand for undecodable bytes of file names.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _escape(each) for each in text)


def printable_lines(text: str) -> str:
    """Return ``text`` with every line of it made printable; only line feeds stay what they are."""
    return "\n".join(map(printable, text.split("\n")))


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
