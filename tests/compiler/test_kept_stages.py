"""Of a large network level 2 is let go as it is compiled; program, ledger and findings are those of one kept whole."""

from __future__ import annotations

import gc
import json

import numpy as np
import pytest

from spikec import targets
from spikec.compiler import kept_stages
from spikec.compiler.analysis.ledger import Ledger, ledger
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes.contract import Context, spiking_level
from spikec.compiler.pipeline import Pipeline
from spikec.compiler.schedule import scheduled
from spikec.runtime.program.storage import program_files
from spikec.runtime.samples import Samples

from .test_state_range import T, network


def samples() -> Samples:
    random = np.random.default_rng(1)
    inputs = random.random((40, 800)) * (random.random((40, 800)) < 0.2)
    return Samples(inputs.astype(np.float32), random.integers(0, 5, 40))


def compiled(calibration: Samples | None, *, with_ledger: bool = True) -> tuple[Pipeline, Ledger]:
    context = Context(targets.load("loihi2"), T, calibration, ledger=with_ledger)
    pipeline = scheduled(network(), context, CompileOptions())
    return pipeline, ledger(pipeline, calibration) if with_ledger else Ledger((), None)


def contents(pipeline: Pipeline, measured: Ledger) -> tuple[object, ...]:
    assert pipeline.state.program is not None
    effects = [(r.name, r.changed, json.dumps(r.effect, default=str)) for r in pipeline.records]
    return program_files(pipeline.state.program), effects, pipeline.diagnostics, measured.rows, measured.loss


def test_what_a_large_network_becomes_is_what_it_becomes_with_every_stage_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, measured = compiled(samples())
    assert not any(whole.stages[name].spiking for name in whole.scores), "those of level 2 are measured at the end"
    assert [d for d in whole.diagnostics if d.code == "I033"], "passes were run again"
    monkeypatch.setattr(kept_stages, "LARGE", 0)
    large, measured_before = compiled(samples())
    assert large.scores.keys() - whole.scores.keys() == {"balance-thresholds", "quantize-weights"}
    assert contents(large, measured_before) == contents(whole, measured)


@pytest.mark.parametrize("calibration", [None, samples()], ids=["no data", "data"])
def test_no_float_weights_are_left_beside_the_program(
    monkeypatch: pytest.MonkeyPatch, calibration: Samples | None
) -> None:
    monkeypatch.setattr(kept_stages, "LARGE", 0)
    pipeline, _ = compiled(calibration)
    gc.collect()
    levels = [s.spiking for s in (*pipeline.stages.values(), pipeline.state) if s.spiking is not None]
    weights = [p.map.weight for spiking in levels for p in spiking.projections]
    assert weights
    assert all(w.strides == (0, 0) for w in weights)
    assert all(np.isnan(w).all() for w in weights)


def test_what_nobody_makes_a_ledger_of_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_stages, "LARGE", 0)
    pipeline, _ = compiled(samples(), with_ledger=False)
    assert not pipeline.scores


def test_a_small_network_keeps_every_stage() -> None:
    pipeline, _ = compiled(samples())
    assert len(pipeline.stages) == len(pipeline.records) + 1
    before, after = (spiking_level(pipeline.stages[name]) for name in ("align-delays", "quantize-weights"))
    assert all(np.isfinite(p.map.weight).all() for p in (*before.projections, *after.projections))
