"""A progress bar on stderr for what takes longer than two seconds; none when stderr is not a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Report = Callable[[int, int], None]
"""Called with (done, total)."""

_PATIENCE_SECONDS = 2.0


@contextmanager
def progress_bar(description: str) -> Iterator[Report]:
    """Yield a function to be called with (done, total) as often as wished while the block runs."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    started = time.monotonic()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
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
