"""Progress on stderr of what takes longer than two seconds, with the time that remains: a bar, or lines in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..targets.records import dataclass
from ..targets.terminal.printable import printable
from ..targets.terminal.streams import is_terminal, remark
from ..targets.terminal.verbosity import Verbosity, verbosity

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.progress import Progress, ProgressColumn

Report = Callable[[int, int], None]
"""Called with (done, total)."""


@dataclass(frozen=True, slots=True)
class FinishedRow:
    """The row that is number ``done`` of ``total`` to be finished, in words, with ``share`` (0..1] of all work done."""

    done: int
    total: int
    words: str
    share: float


RowReport = Callable[[FinishedRow], None]

_PATIENCE_SECONDS = 2.0
_SECONDS_TOLD = 100.0
"""Longer times are told in minutes."""


@contextmanager
def progress_bar(description: str, *, of: str = "") -> Iterator[Report]:
    """Yield a function to be called with (done, total) as often as wished while the block runs; with ``-q`` it is mute.

    Where nobody looks at a bar each further one of what is counted ``of`` is told in a line, if that has a name: what
    takes minutes. With ``-v`` the seconds that the block took are told when it is done.
    """
    started = time.monotonic()
    if verbosity() is Verbosity.QUIET:
        yield lambda done, total: None
    elif is_terminal(sys.stderr):
        with _drawn_bar(printable(description), started) as report:
            yield report
    else:
        yield _told_lines(description, of, started) if of else lambda done, total: None
    if verbosity() is Verbosity.VERBOSE:
        remark(f"{description}: {time.monotonic() - started:.2f} s")


@contextmanager
def row_progress(description: str) -> Iterator[RowReport]:
    """Yield a function to be called with each row of a table as it is finished, while the block runs.

    It draws what ``progress_bar`` does; where nobody looks at a bar, each row is told in a line.
    """
    started = time.monotonic()
    with progress_bar(description) as bar:
        if verbosity() is Verbosity.QUIET or is_terminal(sys.stderr):
            yield lambda row: bar(row.done, row.total)
        else:
            yield _row_lines(started)


def _row_lines(started: float) -> RowReport:
    waiting, last = list[str](), [started]

    def report(row: FinishedRow) -> None:
        now = time.monotonic()
        left = f", {_time_left(now - started, row.share)}" if row.done < row.total else ""
        waiting.append(f"row {row.done} of {row.total}: {row.words} ({now - last[0]:.1f} s{left})")
        last[0] = now
        if now - started > _PATIENCE_SECONDS:
            remark(*waiting)
            waiting.clear()

    return report


def _time_left(seconds: float, share: float) -> str:
    """What remains of work of which ``share`` took ``seconds``."""
    left = seconds / share * (1 - share)
    return f"about {left:.0f} s left" if left < _SECONDS_TOLD else f"about {left / 60:.0f} min left"


def _told_lines(description: str, of: str, started: float) -> Report:
    told = [0]

    def report(done: int, total: int) -> None:
        seconds = time.monotonic() - started
        if done > told[0] and seconds > _PATIENCE_SECONDS:
            left = f", {_time_left(seconds, done / total)}" if done < total else ""
            remark(f"{description}: {done} of {total} {of}{left}")
        told[0] = max(done, told[0])

    return report


@contextmanager
def _drawn_bar(description: str, started: float) -> Iterator[Report]:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    name = TextColumn("{task.description}", markup=False)
    with _patient_bar(started, name, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _patient_bar(started: float, *columns: ProgressColumn) -> Progress:
    """A bar on stderr that is drawn once the work has taken longer than two seconds, reported on or not."""
    from rich.console import Console
    from rich.progress import Progress

    class PatientBar(Progress):
        def get_renderables(self) -> Iterator[RenderableType]:
            if time.monotonic() - started > _PATIENCE_SECONDS:
                yield from super().get_renderables()

    return PatientBar(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False)


class Stages:
    """Told of a stage as it begins, by its name, and of the parts of the one that runs."""

    def __init__(self, begin: Callable[[str], None], part: Report) -> None:
        self._begin = begin
        self._part = part

    def __call__(self, name: str) -> None:
        """The stage ``name`` begins."""
        self._begin(name)

    def part(self, done: int, total: int) -> None:
        """``done`` of ``total`` parts of the stage that runs are finished."""
        self._part(done, total)


def untold(done: int, total: int) -> None:
    """A ``Report`` that nobody listens to."""


def within(report: Report, first: int, last: int, total: int) -> Report:
    """A ``Report`` of parts ``first`` to ``last`` of ``total`` that ``report`` is told of, however it counts itself.

    Of work without parts all is done.
    """
    return lambda done, of: report(first + (last - first) * done // of if of else last, total)


def parts_of(report: Callable[[str], None] | None) -> Report:
    """What to call with the parts of a stage where ``report`` is told of stages: that of ``Stages``, else none."""
    return report.part if isinstance(report, Stages) else untold


@contextmanager
def stage_progress(description: str, names: Sequence[str]) -> Iterator[Stages]:
    """Yield what is to be told of the stages ``names``, in order, while the block runs.

    On a terminal it draws the stage that runs, how much of it is done and how long it still takes; elsewhere, and with
    ``-q``, nothing. With ``-v`` the seconds that the block took are told when it is done.
    """
    started = time.monotonic()
    if verbosity() is not Verbosity.QUIET and is_terminal(sys.stderr):
        with _drawn_stages(printable(description), tuple(names), started) as stages:
            yield stages
    else:
        yield Stages(lambda name: None, untold)
    if verbosity() is Verbosity.VERBOSE:
        remark(f"{description}: {time.monotonic() - started:.2f} s")


@contextmanager
def _drawn_stages(description: str, names: tuple[str, ...], started: float) -> Iterator[Stages]:
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

    text = TextColumn("{task.description}", markup=False)
    with _patient_bar(started, text, BarColumn(), TaskProgressColumn(), TimeRemainingColumn()) as bar:

        def begin(name: str) -> None:
            # A task of its own, so that its pace is that of no other stage.
            for task in bar.task_ids:
                bar.remove_task(task)
            bar.add_task(f"{description}, {names.index(name) + 1} of {len(names)}: {name}", total=None)

        def part(done: int, total: int) -> None:
            for task in bar.task_ids:
                bar.update(task, completed=done, total=total)

        yield Stages(begin, part)
