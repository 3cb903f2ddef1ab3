"""What is known of the messages of a fan-in, for as many samples and channels as fit at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spikec import targets
from spikec.compiler.ir.network import Network
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes import drives
from spikec.compiler.passes.calibrate_initial_potential import aim_of
from spikec.compiler.passes.contract import Context, spiking_level
from spikec.compiler.passes.drives import drives_of, in_parts, mean_square_activity
from spikec.compiler.passes.scales import choose_thresholds
from spikec.compiler.pipeline import passes_for, run_passes
from spikec.runtime.samples import Samples

_SAMPLES = 11


def test_large_maps_are_met_a_few_samples_at_a_time(
    quantised_network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = Samples(np.random.default_rng(0).random((_SAMPLES, 2, 9, 9)).astype(np.float32), None)
    context = Context(targets.load("lava"), 4, images)
    pipeline = run_passes(quantised_network, context, passes_for(CompileOptions(calibrate=False)))
    state, spiking = pipeline.state, spiking_level(pipeline.state)
    aim = aim_of(state, replace(context, calibration=None))
    together = mean_square_activity(state.network, spiking, images), *aim.mean_rates(spiking, images)
    neurons = sum(int(np.prod(p.shape)) for p in spiking.populations)
    monkeypatch.setattr(drives, "_KEPT_VALUES", 3 * neurons)
    assert drives.samples_at_once(spiking, 32) == 3
    in_turn = mean_square_activity(state.network, spiking, images), *aim.mean_rates(spiking, images)
    np.testing.assert_array_equal(in_turn[2], together[2])
    for found, expected in zip(in_turn[:2], together[:2], strict=True):
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, rtol=1e-6)


def test_thresholds_are_chosen_alike_for_all_channels_and_for_some(
    quantised_network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = Context(targets.load("lava"), 4)
    pipeline = run_passes(quantised_network, context, passes_for(CompileOptions(calibrate=False)))
    spiking = spiking_level(pipeline.stages["align-delays"])
    activity = mean_square_activity(quantised_network, spiking, None)
    for population in spiking.populations:
        channels = population.shape[0]
        seen = drives_of(spiking, population, activity, 4)
        given = seen, (0,) * len(seen), np.linspace(100.0, 900.0, channels), 1, np.full(channels, np.nan)
        monkeypatch.undo()
        together = choose_thresholds(*given)
        monkeypatch.setattr(drives, "_ENTRIES_AT_ONCE", 1)
        assert len(list(in_parts(seen, channels))) == channels
        np.testing.assert_array_equal(choose_thresholds(*given), together)
