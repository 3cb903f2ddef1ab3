"""Every way to break a sound network is found, and a sound network has no fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from spikec.compiler.ir.network import INPUT, Network
from spikec.compiler.ir.operators import Conv, Dense
from spikec.compiler.ir.spiking import ConvMap, DenseMap, SparseMap, SpikingNetwork
from spikec.compiler.ir.verify import network_faults, spiking_faults
from spikec.runtime.program.geometry import ConvGeometry


def node(network: Network, which: str, **changes: Any) -> Network:
    return network.with_nodes(tuple(replace(n, **changes) if n.name == which else n for n in network.nodes))


def with_nan(values: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    broken = values.copy()
    broken.flat[-1] = np.nan
    return broken


def conv_of(network: Network) -> Conv:
    operator = network.node("conv2").operator
    assert isinstance(operator, Conv)
    return operator


LEVEL_1: dict[str, tuple[Callable[[Network], Network], str]] = {
    "two values of one name": (lambda n: node(n, "conv2", name="conv1"), "called 'conv1'"),
    "a value called input": (lambda n: node(n, "conv1", name=INPUT), "called 'input'"),
    "a value that nobody computes": (lambda n: node(n, "conv2", inputs=("ghost",)), "reads ['ghost']"),
    "out of order": (lambda n: n.with_nodes(tuple(reversed(n.nodes))), "no earlier node"),
    "another shape": (lambda n: node(n, "conv2", shape=(2, 5, 4)), "its operator gives"),
    "operands of unlike shapes": (lambda n: node(n, "sum", inputs=("act1", "pool")), "reads ['pool']"),
    "one operand too many": (lambda n: node(n, "conv2", inputs=("act1", "act1")), "'conv2'"),
    "a weight that does not fit": (
        lambda n: node(n, "conv2", operator=replace(conv_of(n), weight=np.ones((2, 3, 3, 3)))),
        "does not fit",
    ),
    "a weight without columns": (
        lambda n: node(n, "conv2", operator=replace(conv_of(n), weight=np.ones((2, 2, 3)))),
        "'conv2'",
    ),
    "a dense layer on maps": (lambda n: node(n, "conv2", operator=Dense(np.ones((2, 2)), np.ones(2))), "does not fit"),
    "NaN": (
        lambda n: node(n, "conv2", operator=replace(conv_of(n), weight=with_nan(conv_of(n).weight))),
        "not finite",
    ),
    "an infinite threshold": (
        lambda n: node(n, "act2", operator=replace(n.node("act2").operator, threshold=np.inf)),  # type: ignore[type-var]
        "not finite",
    ),
    "no such output": (lambda n: replace(n, output="ghost"), "output 'ghost'"),
}


def test_sound_levels_have_no_fault(network: Network, clipped: Network, spiking: SpikingNetwork) -> None:
    assert list(network_faults(network)) == []
    assert list(network_faults(clipped)) == []
    assert list(spiking_faults(spiking)) == []


@pytest.mark.parametrize("fault", LEVEL_1)
def test_faults_of_level_1(network: Network, fault: str) -> None:
    broken, message = LEVEL_1[fault]
    found = list(network_faults(broken(network)))
    assert any(message in f for f in found), found


def population(spiking: SpikingNetwork, index: int, **changes: Any) -> SpikingNetwork:
    name = spiking.populations[index].name
    return spiking.with_parts(
        populations=tuple(replace(p, **changes) if p.name == name else p for p in spiking.populations)
    )


def projection(spiking: SpikingNetwork, index: int, **changes: Any) -> SpikingNetwork:
    chosen = spiking.projections[index]
    return spiking.with_parts(
        projections=tuple(replace(p, **changes) if p is chosen else p for p in spiking.projections)
    )


def conv_map(spiking: SpikingNetwork, **changes: Any) -> SpikingNetwork:
    linear = spiking.projections[1].map
    assert isinstance(linear, ConvMap)
    return projection(spiking, 1, map=replace(linear, **changes))


LEVEL_2: dict[str, tuple[Callable[[SpikingNetwork], SpikingNetwork], str]] = {
    "two populations of one name": (lambda s: population(s, 1, name=s.populations[0].name), "two populations"),
    "a population called input": (lambda s: population(s, 1, name=INPUT), "two populations"),
    "no population": (lambda s: s.with_parts(populations=()), "no population"),
    "two projections of one name": (lambda s: projection(s, 1, name=s.projections[0].name), "two projections"),
    "an unknown source": (lambda s: projection(s, 1, source="ghost"), "comes from 'ghost'"),
    "a later source": (lambda s: projection(s, 0, source=s.populations[2].name), "not an earlier population"),
    "an unknown target": (lambda s: projection(s, 1, target="ghost"), "goes to 'ghost'"),
    "a read-out with a threshold": (lambda s: population(s, -1, threshold=np.ones(1)), "are read-outs"),
    "a silent layer": (lambda s: population(s, 0, threshold=None), "which is a read-out"),
    "a threshold of zero": (lambda s: population(s, 0, threshold=np.zeros((1, 1, 1))), "not positive"),
    "a threshold that is NaN": (lambda s: population(s, 0, threshold=np.full((1, 1, 1), np.nan)), "not finite"),
    "an infinite bias": (lambda s: population(s, 0, bias=np.full((2, 1, 1), np.inf)), "not finite"),
    "an initial potential that is NaN": (
        lambda s: population(s, 0, initial_potential=np.full((1, 1, 1), np.nan)),
        "not finite",
    ),
    "an infinite scale": (lambda s: population(s, 0, integer_threshold=np.full((1, 1, 1), np.inf)), "not finite"),
    "a bias of another shape": (lambda s: population(s, 0, bias=np.zeros((3, 1, 1))), "does not fit"),
    "a bias of more neurons": (lambda s: population(s, 0, bias=np.zeros((2, 2, 4, 4))), "does not fit"),
    "a weight that is NaN": (lambda s: conv_map(s, weight=with_nan(s.projections[1].map.weight)), "not finite"),
    "a kernel of other channels": (lambda s: conv_map(s, weight=np.ones((2, 3, 3, 3))), "does not map"),
    "a kernel without columns": (lambda s: conv_map(s, weight=np.ones((2, 2, 3))), "does not map"),
    "a stride of zero": (lambda s: conv_map(s, geometry=ConvGeometry(stride=(0, 1))), "does not map"),
    "another padding": (lambda s: conv_map(s, geometry=ConvGeometry()), "does not map"),
    "groups that do not divide": (lambda s: conv_map(s, geometry=ConvGeometry(groups=3)), "does not map"),
    "a matrix of another size": (lambda s: projection(s, -1, map=DenseMap(np.ones((3, 9)))), "does not map"),
    "coordinates out of order": (
        lambda s: projection(s, -1, map=SparseMap(np.ones(2), np.array([1, 0]), np.array([0, 0]))),
        "do not ascend",
    ),
    "coordinates of another target": (
        lambda s: projection(s, -1, map=SparseMap(np.ones(1), np.array([0]), np.array([99]))),
        "no target neuron 99",
    ),
    "a sparse weight that is NaN": (
        lambda s: projection(s, -1, map=SparseMap(np.array([np.nan]), np.array([0]), np.array([0]))),
        "not finite",
    ),
    "a convolution of a vector": (
        lambda s: projection(s, -1, map=ConvMap(np.ones((3, 2, 1, 1)), ConvGeometry())),
        "does not map",
    ),
    "a delay too many": (lambda s: projection(s, 2, delay=s.projections[2].delay + 1), "arrives at depth"),
    "a negative delay": (lambda s: projection(s, 1, delay=-1), "arrives at depth"),
    "another depth": (lambda s: population(s, 1, depth=7), "arrives at depth"),
}


@pytest.mark.parametrize("fault", LEVEL_2)
def test_faults_of_level_2(spiking: SpikingNetwork, fault: str) -> None:
    broken, message = LEVEL_2[fault]
    found = list(spiking_faults(broken(spiking)))
    assert any(message in f for f in found), found
