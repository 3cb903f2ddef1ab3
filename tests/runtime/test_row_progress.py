"""A line for each row of a table where nobody looks at a bar."""

from __future__ import annotations

import re
from itertools import count

import pytest

from spikec.runtime.progress import FinishedRow, row_progress

_ROWS = [FinishedRow(n, 4, f"lmpc, T = {2**n}: 91.{n} %", share) for n, share in enumerate((0.1, 0.2, 0.5, 1.0), 1)]


@pytest.mark.parametrize("seconds", [1, 100])
def test_each_row_is_told_once_it_takes_long(
    seconds: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = count(0, seconds)
    monkeypatch.setattr("spikec.runtime.progress.time.monotonic", lambda: next(clock))
    with row_progress("evaluating") as report:
        told = []
        for row in _ROWS:
            report(row)
            told.append(capsys.readouterr().err)
    lines = "".join(told).splitlines()
    assert [re.sub(r" \(.*", "", line) for line in lines] == [f"row {row.done} of 4: {row.words}" for row in _ROWS]
    if seconds == 1:
        assert [text.count("\n") for text in told] == [0, 2, 1, 1]
        assert lines[2].endswith("(1.0 s, about 4 s left)")
        assert lines[3].endswith("(1.0 s)")
    else:
        assert lines[0].endswith("(200.0 s, about 30 min left)")


def test_quiet_and_short_work_tell_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with row_progress("evaluating") as report:
        for row in _ROWS:
            report(row)
    assert capsys.readouterr().err == ""
