"""Programs for the target lava-stock keep the rules of Lava's own neurons, by the choice of their scales."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from spikec import targets
from spikec.compiler.checks.neurons import lava_processes
from spikec.compiler.ir.network import INPUT, Network
from spikec.compiler.ir.operators import Conv, QuantizeClip
from spikec.compiler.mapping import place
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes.contract import Context
from spikec.compiler.pipeline import passes_for, run_passes
from spikec.runtime.program import Program
from spikec.runtime.program.geometry import ConvGeometry
from spikec.targets import Target
from spikec.targets.diagnostic import UnusableInput

STOCK = targets.load("lava-stock")


def compiled(network: Network, timesteps: int, target: Target = STOCK, schedule: str = "pipelined") -> Program:
    options = CompileOptions(timesteps=timesteps, schedule=schedule)
    program = run_passes(network, Context(target, timesteps, schedule=schedule), passes_for(options)).state.program
    assert program is not None
    return program


def codes(program: Program, target: Target = STOCK) -> set[str]:
    return {d.code for d in lava_processes(program, target, place(program, target))}


def two_convolutions(builder: Any, gain: float, channels: int) -> Network:
    net = builder((2, 6, 6))
    net.add("act1", QuantizeClip(1.0 / gain, 4, 0.5), net.conv("conv1", INPUT, channels))
    net.add("act2", QuantizeClip(1.0, 4, 0.5), net.conv("conv2", "act1", channels))
    net.conv("scores", "act2", 3, kernel=6, geometry=ConvGeometry())
    network: Network = net.network()
    return network


def excitatory(network: Network) -> Network:
    """``network`` without inhibition, so that only spikes keep its potentials down."""
    nodes = tuple(
        replace(n, operator=replace(n.operator, weight=np.abs(n.operator.weight)))
        if isinstance(n.operator, Conv)
        else n
        for n in network.nodes
    )
    return replace(network, nodes=nodes)


@pytest.mark.parametrize("schedule", ["pipelined", "exact"])
@pytest.mark.parametrize("timesteps", [1, 2, 4])
def test_programs_of_the_target_run_on_lavas_own_neurons(
    quantised_network: Network, timesteps: int, schedule: str
) -> None:
    program = compiled(quantised_network, timesteps, schedule=schedule)
    assert codes(program) == set()
    for population in program.firing:
        assert population.threshold is not None
        assert population.threshold.size == 1
        assert not (population.threshold % 2).any()
        assert 2 <= int(population.threshold.max()) <= 8190
    for projection in program.projections:
        assert projection.exponent == 0
        assert not (projection.synapses.weight % 2).any()


@pytest.mark.parametrize("timesteps", [2, 16, 64])
@pytest.mark.parametrize(("gain", "channels"), [(0.01, 1), (1.0, 24), (30.0, 4)])
def test_a_window_fits_the_state_that_no_spike_lowers(builder: Any, timesteps: int, gain: float, channels: int) -> None:
    network = two_convolutions(builder, gain, channels)
    assert codes(compiled(network, timesteps)) == set()
    assert codes(compiled(excitatory(network), timesteps)) == set()


def test_without_the_rule_a_window_does_not_fit(builder: Any) -> None:
    lowered = replace(STOCK, neuron=replace(STOCK.neuron, spike_lowers_state=None))
    assert "E341" in codes(compiled(excitatory(two_convolutions(builder, 1.0, 24)), 16, lowered))


def test_other_targets_have_no_such_rules(builder: Any) -> None:
    network = two_convolutions(builder, 1.0, 3)
    for name in ("lava", "loihi1"):
        target = targets.load(name)
        program = compiled(network, 4, target)
        assert codes(program, target) == set()
        assert "E344" in codes(program)


def test_depthwise_layers_beyond_eight_bits_of_groups_are_named(builder: Any) -> None:
    net = builder((130, 3, 3))
    depthwise = ConvGeometry(padding=(1, 1, 1, 1), groups=130)
    net.add("act1", QuantizeClip(1.0, 4, 0.5), net.conv("conv1", INPUT, 130, geometry=depthwise))
    net.conv("scores", "act1", 3, geometry=ConvGeometry())
    assert codes(compiled(net.network(), 1)) == {"E505"}


def test_a_threshold_below_its_step_is_none(builder: Any) -> None:
    narrow = replace(STOCK, neuron=replace(STOCK.neuron, state_bits=replace(STOCK.neuron.state_bits, value=14)))
    with pytest.raises(UnusableInput, match="E210"):
        compiled(two_convolutions(builder, 400.0, 4), 64, narrow)
