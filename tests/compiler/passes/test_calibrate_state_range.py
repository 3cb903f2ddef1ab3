"""The pass calibrate-state-range: what data reached bounds the thresholds in place of the proof."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spikec.compiler.ir.network import Network
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes.calibrate_state_range import STATE_MARGIN, CalibrateStateRange
from spikec.compiler.passes.contract import Context
from spikec.compiler.passes.scales import fixed_rules
from spikec.compiler.pipeline import passes_for, run_passes
from spikec.targets import load


def test_reach_is_the_margin_above_what_was_seen(quantised_network: Network) -> None:
    context = Context(load("loihi2"), 4)
    state = run_passes(quantised_network, context, passes_for(CompileOptions())).stages["clip-silent-sources"]
    assert CalibrateStateRange().run(state, context).state is state
    seen = {"conv1": np.array([1.0, 2.0, 3.0, 4.0])}
    spiking = CalibrateStateRange().run(state, replace(context, potentials=seen)).state.spiking
    assert spiking is not None
    reach = {p.name: p.reach for p in spiking.populations}
    assert reach.pop("conv1") is not None
    assert not [r for r in reach.values() if r is not None]
    assert np.array_equal(np.asarray(spiking.population("conv1").reach), STATE_MARGIN * seen["conv1"])


def test_the_rule_of_the_state_takes_it_where_it_is_less(quantised_network: Network) -> None:
    target = load("loihi2")
    state = run_passes(quantised_network, Context(target, 4), passes_for(CompileOptions())).stages["align-delays"]
    assert state.spiking is not None
    population = state.spiking.population("conv1")
    proven = fixed_rules(target, population, [], 4)["state range"]
    near, far = (replace(population, bias=np.full((4, 1, 1), 50.0), reach=np.full(4, r)) for r in (10.0, 1e9))
    limited = fixed_rules(target, near, [], 4)["state range"]
    assert np.allclose(
        limited * 10, fixed_rules(target, replace(near, reach=np.full(4, 20.0)), [], 4)["state range"] * 20
    )
    without = fixed_rules(target, replace(far, reach=None), [], 4)["state range"]
    assert np.array_equal(fixed_rules(target, far, [], 4)["state range"], without)
    assert (limited > without).all()
    assert (proven > limited).all()
