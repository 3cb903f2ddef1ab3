"""The pass encode-input: which integers stand for the input, and whether they are spread over the window."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from spikec import targets
from spikec.compiler.ir.network import INPUT, Network
from spikec.compiler.ir.operators import QuantizeClip
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes.contract import Context
from spikec.compiler.passes.encode_input import value_range
from spikec.compiler.pipeline import Pipeline, passes_for, run_passes
from spikec.runtime.encoding import encode
from spikec.runtime.program import Program
from spikec.runtime.samples import Samples
from spikec.runtime.simulator import simulate

from .conftest import NetworkBuilder


def wide(builder: type[NetworkBuilder], inputs: int = 784, timesteps: int = 32) -> Network:
    net = builder((inputs,))
    net.dense("fc1", INPUT, 24)
    net.add("act1", QuantizeClip(4.0, timesteps, 0.5), "fc1")
    net.dense("fc2", "act1", 10)
    return net.network()


def compiled(network: Network, target: str, timesteps: int = 32, **options: Any) -> Pipeline:
    return run_passes(network, Context(targets.load(target), timesteps, **options), passes_for(CompileOptions()))


def program_of(pipeline: Pipeline) -> Program:
    assert pipeline.state.program is not None
    return pipeline.state.program


@pytest.mark.parametrize("target", ["loihi1", "loihi2"])
def test_many_inputs_in_a_narrow_state_are_spread(builder: type[NetworkBuilder], target: str) -> None:
    """The same integers at every step would have two bits."""
    pipeline = compiled(wide(builder), target)
    program = program_of(pipeline)
    (remark,) = [d for d in pipeline.diagnostics if d.code == "W212"]
    assert remark.message.startswith(f"the input has {program.input.maximum + 1} levels over the window")
    assert program.input.spread
    assert program.input.maximum >= 31
    assert not program.populations[0].gated


def test_where_nothing_is_gained_the_same_is_sent_at_every_step(builder: type[NetworkBuilder]) -> None:
    pipeline = compiled(wide(builder), "lava")
    assert "W212" not in {d.code for d in pipeline.diagnostics}
    encoding = program_of(pipeline).input
    assert (encoding.spread, encoding.maximum) == (False, 255)
    assert not program_of(compiled(wide(builder), "loihi2", timesteps=1)).input.spread


@pytest.mark.parametrize("neuron", ["srp", "cos", "msat"])
def test_other_neurons_get_the_same_at_every_step(builder: type[NetworkBuilder], neuron: str) -> None:
    assert not program_of(compiled(wide(builder), "loihi2", neuron=neuron)).input.spread


def test_exact_counts_of_spread_input_take_a_gate_and_are_those_of_its_sum(builder: type[NetworkBuilder]) -> None:
    program = program_of(compiled(wide(builder), "loihi2", schedule="exact"))
    assert program.input.spread
    first = program.populations[0]
    assert first.gated
    images = np.random.default_rng(1).random((20, 784)).astype(np.float32)
    encoded, _ = encode(program.input, images)
    (into, _) = program.projections
    opened = sum(p.potential for p in program.pulses if p.target == first.name)
    potential = encoded @ into.effective_weight.T + first.initial_potential + opened
    assert first.threshold is not None
    counts = np.clip(potential // first.threshold, 0, 32)
    trains = simulate(program, encoded, record=True).spike_trains
    assert trains is not None
    assert np.array_equal(trains[first.name].sum(axis=1), counts)
    assert len(np.unique(counts)) > 10


def test_no_encoding_leaves_the_range_of_values(builder: type[NetworkBuilder]) -> None:
    state = compiled(wide(builder, inputs=20), "loihi2").stages["balance-thresholds"]
    assert state.spiking is not None
    signal = state.spiking.input
    data = Samples(np.array([[-3.0, 1.0]], dtype=np.float32), None)
    plain = Context(targets.load("loihi2"), 4)
    assert value_range(signal, plain) == (0.0, 1.0)
    assert value_range(signal, replace(plain, calibration=data)) == pytest.approx((-3.0, 3.0))
