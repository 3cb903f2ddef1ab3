"""How much a command says: ``-q`` and ``-v``."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import click

_KEY = "spikec.verbosity"
_SECTION = "How much it says"


class Verbosity(IntEnum):
    """QUIET leaves errors and the result; VERBOSE adds the seconds that each stage took."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2


def verbosity() -> Verbosity:
    """What the command that is running was told; NORMAL outside of a command."""
    from click import get_current_context

    context = get_current_context(silent=True)
    chosen = Verbosity.NORMAL if context is None else context.meta.get(_KEY, Verbosity.NORMAL)
    return Verbosity(chosen)


def verbosity_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``-q`` and ``-v``, which ``verbosity`` then tells of."""
    from .help_page import option

    quiet = option(
        "-q",
        "--quiet",
        is_flag=True,
        expose_value=False,
        callback=_choose(Verbosity.QUIET),
        section=_SECTION,
        help="Print errors and the result alone.",
    )
    verbose = option(
        "-v",
        "--verbose",
        is_flag=True,
        expose_value=False,
        callback=_choose(Verbosity.VERBOSE),
        section=_SECTION,
        help="Print the seconds of each stage too.",
    )
    return quiet(verbose(command))


def _choose(level: Verbosity) -> Callable[[click.Context, click.Parameter, bool], None]:
    def choose(context: click.Context, _parameter: click.Parameter, given: bool) -> None:
        if not given:
            return
        if context.meta.setdefault(_KEY, level) != level:
            from click import UsageError

            raise UsageError("-q and -v exclude each other")

    return choose
