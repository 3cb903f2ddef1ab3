"""``spikec explain``: what a diagnostic code means and what to do about it."""

from __future__ import annotations

import textwrap

import click

from ...targets.terminal.completion import one_of
from ...targets.terminal.help_page import command
from ...targets.terminal.streams import tell, text_width
from .code import Code
from .codes import CODES, entry_of


@command()
@click.argument("code", required=False, shell_complete=one_of(lambda: sorted(CODES)))
def explain(code: str | None) -> None:
    """Say what the diagnostic CODE means, why it matters and how to fix it; without CODE list all."""
    if code is None:
        tell(*(f"{each.id}  {each.title}" for each in sorted(CODES.values(), key=lambda each: (each.id[1:], each.id))))
        return
    entry = entry_of(code.strip().upper())
    if entry is None:
        near = _nearest(code.strip().upper())
        guess = f" Did you mean {near}?" if near else ""
        raise click.BadParameter(
            f"there is no diagnostic {code!r}.{guess} 'spikec explain' lists all.", param_hint="CODE"
        )
    tell(*explanation(entry).split("\n"))


def explanation(code: Code) -> str:
    """Text that ``spikec explain`` prints for one code."""
    sections = (("What", code.what), ("Why", code.why), ("Fix", code.fix))
    what, why, fix = (f"{title}\n{_wrapped(text)}" for title, text in sections)
    example = f"Example\n{textwrap.indent(code.example.strip(), '  ')}"
    return "\n\n".join((f"{code.id}: {code.title}", what, why, example, fix))


def _nearest(wanted: str) -> str | None:
    """Code with the most characters in the same place, counted from the end so that a letter may be missing."""

    def agreement(code: str) -> int:
        return sum(a == b for a, b in zip(reversed(code), reversed(wanted), strict=False))

    best = max(sorted(CODES), key=agreement)
    return best if agreement(best) > 1 else None


def _wrapped(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), text_width(), initial_indent="  ", subsequent_indent="  ")
