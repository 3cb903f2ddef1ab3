"""What a comparison calls a network, from the options of its training."""

from __future__ import annotations

from typing import Any

import pytest

from spikec.compiler.methods.table import METHODS
from spikec.models.training.kind import training_kind

_DEPLOYED = {"deploy_timesteps": 2, "distillation": 1.0, "weight_bits": 8, "epochs_qc": 10}


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({}, "deploy"),
        ({"noise": "gap", "noise_timesteps": 4}, "deploy"),
        ({"distillation": 0.0}, "deploy-untaught"),
        ({"weight_bits": 17}, "deploy-unrounded"),
        ({"weight_bits": 4}, "deploy"),
        ({"gradient_norm": 1.0}, "deploy-gradient-norm"),
        ({"gradient_norm": 0.0}, "deploy"),
        ({"gradient_norm": 1.0, "epochs_qc": 0, "teacher": "relu"}, "deploy-from-relu"),
        ({"distillation": 0.0, "epochs_qc": 0, "weight_bits": 17}, "hybrid"),
        ({"epochs_qc": 0}, "deploy"),
        ({"epochs_qc": 0, "teacher": "relu"}, "deploy-from-relu"),
        ({"epochs_qc": 0, "teacher": "relu", "distillation": 0.0}, "hybrid"),
        ({"teacher": "relu"}, "deploy"),
    ],
)
def test_what_the_deployment_round_leaves_out_is_in_its_name(options: dict[str, Any], kind: str) -> None:
    record = {"options": {**_DEPLOYED, **options, "seed": 3}, "rounds": [{"round": "relu"}, {"round": "deploy"}]}
    found = training_kind("round", record)
    assert (found.kind, found.timesteps, found.seed) == (kind, 2, 3)
    assert METHODS[kind].trained == kind


@pytest.mark.parametrize(("noise", "kind"), [("gap", "noise"), ("local", "local-noise")])
def test_noise_is_named_after_where_it_is_measured(noise: str, kind: str) -> None:
    record = {"options": {"noise": noise, "noise_timesteps": 1}, "rounds": [{"round": "noise"}]}
    assert (training_kind("round", record).kind, training_kind("round", record).timesteps) == (kind, 1)
