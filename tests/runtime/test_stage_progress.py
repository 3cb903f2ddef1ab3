"""What is drawn of stages: the one that runs, its share and the time left, once all has taken two seconds."""

from __future__ import annotations

import re
import time

import pytest

from spikec.compiler.pipeline import PASSES, STAGES
from spikec.runtime import progress
from spikec.runtime.progress import Stages, parts_of, progress_bar, stage_progress, untold

NAMES = ("read-model", "quantize-weights", "write")
CONTROL = re.compile(r"\x1b\[[?0-9;]*[a-zA-Z]|\r")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "is_terminal", lambda stream: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")


def drawn(capsys: pytest.CaptureFixture[str]) -> str:
    return CONTROL.sub("", capsys.readouterr().err)


@pytest.mark.usefixtures("terminal")
def test_the_stage_that_runs_is_drawn_with_its_share_and_the_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_PATIENCE_SECONDS", 0.0)
    with stage_progress("compiling", NAMES) as stages:
        stages("read-model")
        time.sleep(0.3)
        stages("quantize-weights")
        for done in range(1, 4):
            stages.part(done, 8)
            time.sleep(0.2)
    text = drawn(capsys)
    assert "compiling, 1 of 3: read-model" in text
    assert re.search(r"compiling, 2 of 3: quantize-weights .* 38% 0:00:0[0-9]", text)
    assert "3 of 3" not in text


@pytest.mark.usefixtures("terminal")
def test_a_bar_appears_without_being_called_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_PATIENCE_SECONDS", 0.2)
    with progress_bar("simulating") as report:
        report(1, 4)
        before = drawn(capsys)
        time.sleep(0.6)
    assert "simulating" not in before
    assert "simulating" in drawn(capsys)


@pytest.mark.usefixtures("terminal")
def test_short_work_draws_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with stage_progress("compiling", NAMES) as stages:
        stages("write")
        stages.part(1, 1)
    assert drawn(capsys).strip() == ""


def test_nothing_is_drawn_where_nobody_looks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_PATIENCE_SECONDS", 0.0)
    with stage_progress("compiling", NAMES) as stages:
        stages("write")
        stages.part(1, 1)
    assert capsys.readouterr().err == ""


def test_parts_are_told_to_stages_alone() -> None:
    told: list[object] = []
    stages = Stages(told.append, lambda done, total: told.append((done, total)))
    stages("place")
    parts_of(stages)(1, 2)
    assert told == ["place", (1, 2)]
    assert parts_of(told.append) is untold
    assert parts_of(None) is untold
    assert told == ["place", (1, 2)]


def test_every_pass_is_a_stage() -> None:
    names = [kind().name for kind in PASSES]
    assert [stage for stage in STAGES if stage in names] == names
    assert len(set(STAGES)) == len(STAGES)
