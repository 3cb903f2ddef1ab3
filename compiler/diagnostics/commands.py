"""``spikec explain``: what a diagnostic code means and what to do about it."""

from __future__ import annotations

import textwrap

import click

from .code import Code
from .codes import CODES

_WIDTH = 100


@click.command()
@click.argument("code", required=False)
def explain(code: str | None) -> None:
    """Say what the diagnostic CODE means, why it matters and how to fix it; without CODE list all."""
    if code is None:
        for entry in sorted(CODES.values(), key=lambda each: (each.id[1:], each.id)):
            click.echo(f"{entry.id}  {entry.title}")
        return
    wanted = code.strip().upper()
    if wanted not in CODES:
        near = _nearest(wanted)
        guess = f" Did you mean {near}?" if near else ""
        raise click.BadParameter(
            f"there is no diagnostic {code!r}.{guess} 'spikec explain' lists all.", param_hint="CODE"
        )
    click.echo(explanation(CODES[wanted]))


COMMANDS: tuple[click.Command, ...] = (explain,)


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
    return textwrap.fill(" ".join(text.split()), _WIDTH, initial_indent="  ", subsequent_indent="  ")
