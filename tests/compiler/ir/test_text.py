"""What dumps print."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from spikec import targets
from spikec.compiler.ir.network import Network
from spikec.compiler.ir.operators import Conv, Relu
from spikec.compiler.ir.spiking import SpikingNetwork
from spikec.compiler.ir.text import print_network, print_program, print_spiking
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes.contract import Context
from spikec.compiler.pipeline import passes_for, run_passes


def test_three_levels(network: Network, spiking: SpikingNetwork, golden: Callable[[str, str], None]) -> None:
    golden("network.txt", print_network(network))
    golden("spiking.txt", print_spiking(spiking))
    program = run_passes(network, Context(targets.load("loihi2"), 4), passes_for(CompileOptions())).state.program
    assert program is not None
    golden("program.txt", print_program(program))


def test_operators_without_numbers_and_clips(clipped: Network, golden: Callable[[str, str], None]) -> None:
    golden("clip.txt", print_network(clipped))
    assert "Relu(conv1) {}" in print_network(
        clipped.with_nodes(tuple(replace(n, operator=Relu()) if n.name == "act1" else n for n in clipped.nodes))
    )


def test_a_changed_weight_changes_the_text(network: Network) -> None:
    conv = network.node("conv2").operator
    assert isinstance(conv, Conv)
    changed = replace(conv, weight=conv.weight * 1.001)
    nodes = tuple(replace(n, operator=changed) if n.name == "conv2" else n for n in network.nodes)
    assert print_network(network.with_nodes(nodes)) != print_network(network)
