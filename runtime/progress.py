"""A progress bar on stderr for what takes longer than two seconds; none in a pipe, none with ``-q``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..targets.terminal.printable import printable
from ..targets.terminal.streams import is_terminal, remark
from ..targets.terminal.verbosity import Verbosity, verbosity

Report = Callable[[int, int], None]
"""Called with (done, total)."""

_PATIENCE_SECONDS = 2.0


@contextmanager
def progress_bar(description: str) -> Iterator[Report]:
    """Yield a function to be called with (done, total) as often as wished while the block runs.

    With ``-v`` the seconds that the block took are told when it is done.
    """
    started = time.monotonic()
    if is_terminal(sys.stderr) and verbosity() is not Verbosity.QUIET:
        with _drawn_bar(printable(description), started) as report:
            yield report
    else:
        yield lambda done, total: None
    if verbosity() is Verbosity.VERBOSE:
        remark(f"{description}: {time.monotonic() - started:.2f} s")


@contextmanager
def _drawn_bar(description: str, started: float) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    name = TextColumn("{task.description}", markup=False)
    columns = (name, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as bar:
        task = bar.add_task(description, total=None, visible=False)

        def report(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, visible=time.monotonic() - started > _PATIENCE_SECONDS)

        yield report


def count_stages(report: Report, total: int) -> Callable[[str], None]:
    """Turn ``report`` into a function to be called with a name as each of ``total`` stages begins."""
    begun: list[str] = []

    def stage(name: str) -> None:
        report(len(begun), total)
        begun.append(name)

    return stage
