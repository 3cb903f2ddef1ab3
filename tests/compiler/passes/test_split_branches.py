"""Activations of joined channels are taken branch by branch where that leaves out zeros, and compute the same."""

from __future__ import annotations

import numpy as np
import pytest

from spikec.compiler.ir.network import INPUT, Network, Node, evaluate
from spikec.compiler.ir.operators import (
    Add,
    BatchNorm,
    Conv,
    Offset,
    Operator,
    Pad,
    QuantizeClip,
    Relu,
    Reshape,
    Scale,
    Shape,
)
from spikec.compiler.passes.compose_linear_maps import ComposeLinearMaps
from spikec.compiler.passes.contract import Compilation, Context
from spikec.compiler.passes.split_branches import SplitBranches, with_split_branches
from spikec.compiler.report import effect_in_words
from spikec.runtime.program.geometry import ConvGeometry
from spikec.targets import load

SHAPE: Shape = (2, 4, 4)
RANDOM = np.random.default_rng(3)
QUANTISER = QuantizeClip(0.7, 4, 0.5)


def conv(inputs: int, outputs: int) -> Conv:
    weight = RANDOM.normal(size=(outputs, inputs, 3, 3))
    return Conv(weight, RANDOM.normal(size=outputs), ConvGeometry(padding=(1, 1, 1, 1)))


def batch_norm(channels: int) -> BatchNorm:
    scale, offset, mean, variance = RANDOM.uniform(0.5, 2, (4, channels))
    return BatchNorm(scale, offset, mean, variance, 1e-5)


def network(*steps: tuple[str, Operator, tuple[str, ...]], shape: Shape = SHAPE) -> Network:
    shapes: dict[str, Shape] = {INPUT: shape}
    nodes = []
    for name, operator, inputs in steps:
        shapes[name] = operator.result_shape(tuple(shapes[value] for value in inputs))
        nodes.append(Node(name, operator, inputs, shapes[name]))
    return Network("net", shape, tuple(nodes), nodes[-1].name)


Step = tuple[str, Operator, tuple[str, ...]]


def joined(name: str, one: tuple[str, int], other: tuple[str, int]) -> tuple[Step, ...]:
    """``name``: the channels of two values, of so many channels each."""
    return (
        (f"{name}.0", Pad((0, 0, 0), (other[1], 0, 0)), (one[0],)),
        (f"{name}.1", Pad((one[1], 0, 0), (0, 0, 0)), (other[0],)),
        (name, Add(), (f"{name}.0", f"{name}.1")),
    )


BEGIN: tuple[Step, ...] = (
    ("a", QUANTISER, (INPUT,)),
    ("conv", conv(2, 3), ("a",)),
    ("b", QUANTISER, ("conv",)),
    ("conv2", conv(3, 2), ("b",)),
)
JOINED = (*BEGIN, *joined("cat", ("a", 2), ("conv2", 2)))
NESTED = (*JOINED, ("c", QUANTISER, ("cat",)), ("conv3", conv(4, 3), ("c",)), *joined("cat2", ("cat", 4), ("conv3", 3)))
SPLIT: dict[str, tuple[tuple[Step, ...], dict[str, int]]] = {
    "joined": ((*JOINED, ("act", QUANTISER, ("cat",))), {"act": 2}),
    "a relu": ((*JOINED, ("act", Relu(), ("cat",))), {"act": 2}),
    "a factor and an amount for each channel": (
        (
            *JOINED,
            ("scale", Scale(RANDOM.normal(size=(4, 1, 1))), ("cat",)),
            ("offset", Offset(RANDOM.normal(size=(4, 4, 4))), ("scale",)),
            ("act", QUANTISER, ("offset",)),
        ),
        {"act": 2},
    ),
    "factors that channels share": (
        (
            *JOINED,
            ("scale", Scale(RANDOM.normal(size=(4, 4))), ("cat",)),
            ("offset", Offset(np.array(0.3)), ("scale",)),
            ("half", Scale(np.full((1, 1, 1), 0.5)), ("offset",)),
            ("act", QUANTISER, ("half",)),
        ),
        {"act": 2},
    ),
    "batch norm": (
        (
            *JOINED,
            ("norm", batch_norm(4), ("cat",)),
            ("act", QUANTISER, ("norm",)),
        ),
        {"act": 2},
    ),
    "joined values that are joined again": ((*NESTED, ("act", QUANTISER, ("cat2",))), {"c": 2, "act": 3}),
    "joined with the input": (
        (*BEGIN, *joined("cat", (INPUT, 2), ("conv2", 2)), ("act", QUANTISER, ("cat",))),
        {"act": 2},
    ),
}


@pytest.mark.parametrize("name", SPLIT)
def test_the_function_stays(name: str) -> None:
    steps, split = SPLIT[name]
    net = network(*steps, ("scores", conv(7 if "again" in name else 4, 2), ("act",)))
    outcome = SplitBranches().run(Compilation(net), Context(load("lava"), 4))
    changed = outcome.state.network
    assert outcome.effect == {"split": split}
    samples = np.random.default_rng(0).normal(size=(6, *SHAPE))
    found, expected = (evaluate(n, samples)[n.output] for n in (changed, net))
    np.testing.assert_array_equal(found, expected)
    activations = [n for n in changed.nodes if n.name.startswith("act.branch")]
    assert [n.shape[0] for n in activations] == ([2, 2, 3] if "again" in name else [2, 2])


def test_every_population_reads_its_own_branch() -> None:
    net = network(*SPLIT["joined values that are joined again"][0], ("scores", conv(7, 2), ("act",)))
    context = Context(load("lava"), 4)
    state = SplitBranches().run(Compilation(net), context).state
    spiking = ComposeLinearMaps().run(state, context).state.spiking
    assert spiking is not None
    sizes = {p.name: p.map.weight.shape for p in spiking.projections if "branch" in p.target}
    assert sizes == {
        "a-to-c.branch0": (2, 1, 1, 1),
        "a-to-act.branch0": (2, 1, 1, 1),
        "conv-to-act.branch1": (2, 3, 3, 3),
    }


LEFT: dict[str, tuple[Step, ...]] = {
    "branches of the same activation": (
        ("a", QUANTISER, (INPUT,)),
        ("conv", conv(2, 2), ("a",)),
        *joined("cat", ("conv", 2), ("a", 2)),
        ("act", QUANTISER, ("cat",)),
    ),
    "channels that overlap": (
        *BEGIN,
        ("one", Pad((0, 0, 0), (1, 0, 0)), ("a",)),
        ("other", Pad((1, 0, 0), (0, 0, 0)), ("conv2",)),
        ("sum", Add(), ("one", "other")),
        ("act", QUANTISER, ("sum",)),
    ),
    "channels of zeros in between": (
        *BEGIN,
        ("one", Pad((0, 0, 0), (3, 0, 0)), ("a",)),
        ("other", Pad((3, 0, 0), (0, 0, 0)), ("conv2",)),
        ("sum", Add(), ("one", "other")),
        ("act", QUANTISER, ("sum",)),
    ),
    "rows joined": (
        *BEGIN,
        ("one", Pad((0, 0, 0), (0, 4, 0)), ("a",)),
        ("other", Pad((0, 4, 0), (0, 0, 0)), ("conv2",)),
        ("sum", Add(), ("one", "other")),
        ("act", QUANTISER, ("sum",)),
    ),
    "cropped branches": (
        *BEGIN,
        ("one", Pad((-1, 0, 0), (1, 0, 0)), ("a",)),
        ("other", Pad((1, 0, 0), (-1, 0, 0)), ("conv2",)),
        ("sum", Add(), ("one", "other")),
        ("act", QUANTISER, ("sum",)),
    ),
    "reshaped in between": (
        *JOINED,
        ("flat", Reshape((64,)), ("cat",)),
        ("act", QUANTISER, ("flat",)),
    ),
}


@pytest.mark.parametrize("name", LEFT)
def test_what_gains_nothing_or_is_no_join_is_left_alone(name: str) -> None:
    net = network(*LEFT[name])
    changed, split = with_split_branches(net)
    assert (changed is net, split) == (True, {})


def test_told_in_words() -> None:
    assert effect_in_words("split-branches", {"split": {"a": 2, "b": 3}}) == (
        "2 activations of joined values taken branch by branch, by 5 populations."
    )
