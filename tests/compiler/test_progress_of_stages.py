"""Every stage that takes more than two seconds of a large network tells its parts, to the end and in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spikec import CompileOptions, compile_model, targets
from spikec.compiler import kept_stages
from spikec.compiler.pipeline import STAGES
from spikec.models.shipped import shipped_model, shipped_samples
from spikec.runtime.progress import Stages, within
from spikec.runtime.samples import Samples
from spikec.targets import Target

Parts = list[tuple[int, int]]
Told = list[tuple[str, Parts]]

LONG = {
    "read-model": 8,
    "balance-thresholds": 4,
    "ledger after balance-thresholds": 2,
    "fold-constants": 4,
    "encode-input": 1,
    "quantize-weights": 4,
    "ledger after quantize-weights": 2,
    "calibrate-initial-potential": 8,
    "prove-no-overflow": 4,
    "place": 10,
    "ledger": 3,
    "report": 8,
    "write": 5,
}
"""How often each tells of itself at least, on the shipped network and 40 samples."""


@pytest.fixture(scope="module")
def samples() -> Samples:
    with np.load(shipped_samples()) as file:
        return Samples(file["calibration_inputs"][:40], None)


def listening() -> tuple[Told, Stages]:
    told: Told = []
    return told, Stages(lambda name: told.append((name, [])), lambda *part: told[-1][1].append(part))


def is_told_to_its_end(parts: Parts) -> bool:
    done, totals = [part[0] for part in parts], {part[1] for part in parts}
    return done == sorted(done) and totals == {done[-1]}


def test_long_stages_tell_their_parts(samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_stages, "LARGE", 0)
    told, stages = listening()
    options = CompileOptions(timesteps=4, calibration=samples, target="loihi1")
    compiled = compile_model(shipped_model(), options, report=stages)
    stages("write")
    compiled.save(tmp_path / "out", stages.part)
    assert {name for name, _ in told} <= set(STAGES)
    silent = {name: least for name, least in LONG.items() if max(len(p) for n, p in told if n == name) < least}
    assert not silent
    assert all(is_told_to_its_end(parts) for _, parts in told if parts)
    assert next(name for name, _ in told if name == "probe"), "it begins, and counts nothing"


def test_what_a_report_compares_is_told(samples: Samples) -> None:
    told, stages = listening()
    options = CompileOptions(calibration=samples, target="loihi2", neuron="graded", timesteps=1)
    compile_model(shipped_model(), options, report=stages)
    parts = dict(told)["report"]
    assert is_told_to_its_end(parts)
    assert len({done for done, _ in parts}) > 30, "stages and placing of each program that is compared"


def test_hints_that_are_tried_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told, stages = listening()
    load: Callable[[str], Target] = targets.load

    def with_few_cores(name: str) -> Target:
        target = load(name)
        cores = target.chip.cores
        if name != "loihi2" or cores is None:
            return target
        return replace(target, chip=replace(target.chip, cores=replace(cores, value=1)))

    monkeypatch.setattr("spikec.compiler.compilation.load_target", with_few_cores)
    compile_model(shipped_model(), CompileOptions(timesteps=4, target="loihi2"), report=stages)
    parts = dict(told)["try-hints"]
    assert len(set(parts)) > 40, "placing and compiling are told of as well"
    assert is_told_to_its_end(parts)


def test_a_report_within_another_counts_as_much_as_it_is_given() -> None:
    told: Parts = []
    report = within(within(lambda *part: told.append(part), 50, 100, 100), 0, 10, 20)
    for done in range(1, 4):
        report(done, 3)
    assert told == [(57, 100), (65, 100), (75, 100)]


def test_work_without_parts_is_done() -> None:
    told: Parts = []
    within(lambda *part: told.append(part), 2, 5, 10)(0, 0)
    assert told == [(5, 10)]
