"""What each stage has of the float network's scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spikec import CompileOptions, compile_model
from spikec.compiler.analysis import class_scores
from spikec.compiler.analysis import ledger as ledger_module
from spikec.compiler.analysis.ledger import correlation
from spikec.compiler.compilation import build_program
from spikec.compiler.ir.network import Network
from spikec.compiler.ir.operators import AnyFloat
from spikec.models.shipped import shipped_model, shipped_samples
from spikec.runtime.progress import Report
from spikec.runtime.samples import Samples

Rows = dict[str, tuple[float | None, float | None, float | None]]


def rows_of(samples: Samples | None) -> Rows:
    options = CompileOptions(timesteps=4, calibration=samples)
    return {
        r.stage: (r.accuracy, r.agreement, r.correlation) for r in compile_model(shipped_model(), options).report.ledger
    }


@pytest.fixture(scope="module")
def samples() -> Samples:
    with np.load(shipped_samples()) as file:
        return Samples(file["calibration_inputs"][:40], file["calibration_labels"][:40].astype(np.int64))


@pytest.fixture(scope="module")
def labelled(samples: Samples) -> Rows:
    return rows_of(samples)


def test_labels_add_accuracy_and_change_nothing_else(labelled: Rows, samples: Samples) -> None:
    unlabelled = rows_of(replace(samples, labels=None))
    assert [row[1:] for row in labelled.values()] == [row[1:] for row in unlabelled.values()]
    assert None not in {row[0] for row in labelled.values()}
    assert {row[0] for row in unlabelled.values()} == {None}


def test_the_first_stage_is_what_the_others_are_held_against(labelled: Rows) -> None:
    assert labelled["ANN"][1:] == (1.0, 1.0)
    assert all(0.9 < (r or 0) <= 1 for _, *figures in labelled.values() for r in figures)
    assert (labelled["spikes"][2] or 0) < (labelled["folded"][2] or 0)


def test_what_a_pass_ran_the_network_on_is_not_run_again(samples: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    options = CompileOptions(timesteps=4, calibration=samples)
    built = build_program(shipped_model(), options, ledger=True)
    stages, scores = built.pipeline.stages, built.pipeline.scores
    of_level_1 = {name for name, stage in stages.items() if stage.spiking is None}
    assert {"calibrate-thresholds", "recognise-activations"} & scores.keys() == {"calibrate-thresholds"}
    for name in of_level_1 & scores.keys():
        expected = class_scores.network_scores(stages[name].network, samples.as_float())
        np.testing.assert_array_equal(scores[name], expected)
    ran = list[Network]()

    def watched(network: Network, inputs: AnyFloat, progress: Report) -> AnyFloat:
        ran.append(network)
        return class_scores.network_scores(network, inputs, progress)

    monkeypatch.setattr(ledger_module, "network_scores", watched)
    measured = ledger_module.ledger(built.pipeline, samples).rows
    assert ran == [stages["recognise-activations"].network]
    again = ledger_module.ledger(replace(built.pipeline, scores={}), samples).rows
    assert ran[1:] == [stages[name].network for name in ("recognise-activations", "calibrate-thresholds")]
    assert again == measured


def test_nothing_is_measured_without_data() -> None:
    assert set(rows_of(None).values()) == {(None, None, None)}


def test_correlation_is_pearsons() -> None:
    random = np.random.default_rng(0)
    ann: AnyFloat = random.normal(size=(50, 7)).astype(np.float32)
    scores: AnyFloat = ann * np.float32(30) + random.normal(size=ann.shape) + 5.0
    assert correlation(scores, ann) == pytest.approx(np.corrcoef(scores.ravel(), ann.ravel())[0, 1], abs=6e-5)
    assert correlation(np.negative(scores), ann) == -(correlation(scores, ann) or 0)


def test_constant_scores_correlate_with_nothing() -> None:
    assert correlation(np.ones((5, 2)), np.eye(5, 2)) is None
