"""Every pass says in a sentence what it did, whatever it met."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from spikec.compiler.ir.network import Network
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes.contract import Context
from spikec.compiler.pipeline import PASSES, passes_for, run_passes
from spikec.compiler.report.effects import WORDS, effect_in_words


def words(network: Network, context: Context) -> dict[str, str]:
    records = run_passes(network, context, passes_for(CompileOptions())).records
    return {record.name: effect_in_words(record.name, record.effect) for record in records}


def test_every_pass_has_its_words() -> None:
    assert list(WORDS) == [kind().name for kind in PASSES]


def check(told: dict[str, str]) -> None:
    assert set(told) == set(WORDS)
    for sentence in told.values():
        assert re.fullmatch(r"[A-Z0-9][^{}\[\]\n]+\.", sentence)


def test_sentences_with_calibration_data(relu_network: Network, context: Context) -> None:
    told = words(relu_network, replace(context, schedule="mixed", exact_layers=frozenset({"act2"})))
    check(told)
    assert told["calibrate-thresholds"].startswith("4 activations given a threshold by least squared error")


def test_sentences_without_calibration_data_do_not_speak_of_any(quantised_network: Network, context: Context) -> None:
    told = words(quantised_network, replace(context, calibration=None))
    check(told)
    assert told["calibrate-thresholds"].startswith("Every activation had its threshold")
    assert told["calibrate-initial-potential"] == "Not done: no calibration data (8 samples at least)."
    assert "rounded to the nearest" in told["quantize-weights"]
    assert not [sentence for sentence in told.values() if "on calibration data" in sentence]


@pytest.mark.parametrize(
    ("name", "effect", "sentence"),
    [
        ("recognise-activations", {"recognised": 1}, "1 activation found among the elementwise operators."),
        (
            "fold-batch-norm",
            {"folded": 0, "kept_as_scale": 2},
            "No batch norms folded into weights, 2 kept as a scale.",
        ),
        (
            "calibrate-thresholds",
            {"method": "clip", "thresholds": {"a": 6.0}},
            "1 activation given a threshold where it clips, of 6.",
        ),
        ("gate-populations", {"schedule": "mixed", "gated": ["a"]}, "1 layer gated under the schedule mixed."),
        ("align-delays", {"depth": 3, "delayed": {"p": 2}}, "Depth 3, 1 projection delayed by at most 2 steps."),
        ("align-delays", {"depth": 3, "delayed": {}}, "Depth 3, no delay needed."),
        (
            "calibrate-initial-potential",
            {
                "kept": False,
                "chosen": "half threshold",
                "granularity": "channel",
                "samples": 30,
                "held_out_samples": 1,
                "held_out_divergence": {"as compiled": 0.2, "half threshold": 0.1, "calibrated": 0.3},
            },
            "Potentials set to half a threshold, which takes the divergence from the model's scores from 0.2 to 0.1 on "
            "1 held-out sample.",
        ),
        (
            "prove-no-overflow",
            {"layers": {"a": {"proven": False, "width_used": 1.5}, "b": {"proven": True, "width_used": 0.5}}},
            "An overflow is not excluded in 1 layer, potentials may need 150.0 % of the state's width, in 'a'.",
        ),
    ],
)
def test_sentences(name: str, effect: dict[str, Any], sentence: str) -> None:
    assert effect_in_words(name, effect) == sentence
