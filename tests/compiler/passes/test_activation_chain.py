"""Chains that are one neuron between linear maps: one-sided bounds, signs, factors and bounds per channel."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spikec.compiler.ir.network import Network, Node, Origin, evaluate
from spikec.compiler.ir.operators import (
    BatchNorm,
    Clip,
    FloatArray,
    Floor,
    Offset,
    Operator,
    Relu,
    Round,
    Scale,
)
from spikec.compiler.passes.recognise_activations import recognised
from spikec.targets.diagnostic import UnusableInput


def scale(factor: float) -> Scale:
    return Scale(np.array(factor))


def offset(amount: float) -> Offset:
    return Offset(np.array(amount))


def chain(*operators: Operator, shape: tuple[int, ...] = (4,)) -> Network:
    nodes: list[Node] = []
    for k, operator in enumerate(operators):
        source = nodes[-1].name if nodes else "input"
        nodes.append(Node(f"n{k}", operator, (source,), shape, (Origin(f"/act/{k}", type(operator).__name__),)))
    return Network("net", shape, tuple(nodes), nodes[-1].name)


def require_equal(network: Network, samples: FloatArray) -> Network:
    """The network with its activations recognised, after comparing all of its results."""
    result = recognised(network)
    np.testing.assert_allclose(
        evaluate(result, samples)[result.output], evaluate(network, samples)[network.output], rtol=1e-12, atol=1e-12
    )
    return result


def operators_of(network: Network) -> list[str]:
    return [type(node.operator).__name__ for node in network.nodes]


def codes(network: Network) -> set[str]:
    try:
        recognised(network)
    except UnusableInput as refused:
        return {problem.code for problem in refused.diagnostics}
    return set()


PER_CHANNEL = np.array([0.5, 2.0, -0.25, 1.0])

BETWEEN_LINEAR_MAPS: dict[str, tuple[list[Operator], list[str]]] = {
    "signed levels": ([scale(8), Round(), Clip(-7, 7), scale(1 / 8)], ["Offset", "QuantizeClip", "Offset"]),
    "levels from one": ([scale(4), Floor(), Clip(1, 5)], ["Scale", "Offset", "QuantizeClip", "Offset"]),
    "falling": ([Clip(0, 1), scale(-4), Floor()], ["Scale", "Offset", "QuantizeClip", "Offset"]),
    "rounded up": (
        [Clip(0, 1), scale(4), scale(-1), Floor(), scale(-1), scale(0.25)],
        ["Scale", "Offset", "QuantizeClip", "Scale", "Offset"],
    ),
    "hard tanh": ([Clip(-1, 1)], ["Offset", "QuantizeClip", "Offset"]),
    "below zero": ([Clip(-2, -1)], ["Offset", "QuantizeClip", "Offset"]),
    "only an upper bound": ([Clip(-math.inf, 1)], ["Scale", "Offset", "Relu", "Scale", "Offset"]),
    "only a lower bound": ([Clip(0.5, math.inf)], ["Offset", "Relu", "Offset"]),
    "two one-sided bounds": ([Clip(-math.inf, 1), Clip(0, math.inf)], ["QuantizeClip"]),
    "negative threshold": ([scale(4 / -0.5), Floor(), Clip(0, 4), scale(-0.5 / 4)], ["Scale", "QuantizeClip", "Scale"]),
    "negative threshold of a clip": ([scale(1 / -0.5), Clip(0, 1), scale(-0.5)], ["Scale", "QuantizeClip", "Scale"]),
    "factor per channel inside": ([Relu(), Scale(np.abs(PER_CHANNEL)), Floor(), Clip(0, 4)], ["Scale", "QuantizeClip"]),
    "sign per channel inside": (
        [Clip(-2, 2), Scale(PER_CHANNEL), Scale(1 / PER_CHANNEL), Relu()],
        ["QuantizeClip"],
    ),
    "bound per channel": (
        [Relu(), Offset(-np.abs(PER_CHANNEL)), scale(-1), Relu(), scale(-1), Offset(np.abs(PER_CHANNEL))],
        ["Scale", "QuantizeClip", "Scale"],
    ),
    "one-sided bound per channel": (
        [Offset(np.abs(PER_CHANNEL)), Relu(), Offset(-np.abs(PER_CHANNEL)), Relu()],
        ["Relu"],
    ),
    "dead channel": (
        [Relu(), Scale(np.array([1.0, 0, 1, 1])), Clip(0, 1), scale(4), Floor()],
        ["Scale", "QuantizeClip", "Scale"],
    ),
}


@pytest.mark.parametrize("form", BETWEEN_LINEAR_MAPS)
def test_a_neuron_between_linear_maps(form: str) -> None:
    operators, expected = BETWEEN_LINEAR_MAPS[form]
    # Between the steps of every form above, and beyond all bounds.
    samples = np.random.default_rng(0).permutation(np.arange(-6, 6, 1 / 32) + 1 / 99).reshape(-1, 4)
    result = require_equal(chain(*operators), samples)
    assert operators_of(result) == expected


def test_channels_that_are_all_constant_but_for_different_reasons_are_told_as_constant() -> None:
    levels: list[Operator] = [Clip(-1.0, 0.5), Floor(), Scale(np.array([0.25, 0.25, 0.25, 0.0]))]
    assert codes(chain(*levels, Clip(0.0, 0.0))) == {"E111"}


def test_a_batch_norm_inside_of_an_activation() -> None:
    norm = BatchNorm(np.array([1.0, -2.0]), np.array([0.5, 0.25]), np.zeros(2), np.array([0.25, 1.0]), 0.0)
    network = chain(Relu(), norm, scale(4), Floor(), Clip(-8, 8), shape=(2, 2, 1))
    samples = np.random.default_rng(0).normal(size=(200, 2, 2, 1))
    result = require_equal(network, samples)
    assert [o for o in operators_of(result) if o in ("BatchNorm", "QuantizeClip", "Relu")] == [
        "Relu",
        "BatchNorm",
        "QuantizeClip",
    ]


def test_a_batch_norm_in_front_stays_for_the_layer_before_it() -> None:
    norm = BatchNorm(np.ones(2), np.full(2, 0.3), np.zeros(2), np.ones(2), 0.0)
    network = chain(norm, scale(4), Floor(), Clip(0, 4), scale(0.25), shape=(2, 2, 1))
    assert operators_of(recognised(network)) == ["BatchNorm", "QuantizeClip"]


def constants(values: list[float]) -> st.SearchStrategy[FloatArray]:
    """One number, or one per channel."""
    return st.one_of(
        st.sampled_from(values).map(np.array), st.lists(st.sampled_from(values), min_size=4, max_size=4).map(np.array)
    )


ANY_CONSTANT = st.one_of(
    st.just(Relu()),
    st.just(Floor()),
    st.builds(Clip, st.sampled_from([-math.inf, -1.0, 0.0, 0.5]), st.sampled_from([0.5, 1.0, 4.0, math.inf])),
    st.builds(Scale, constants([0.25, 0.5, 2.0, 4.0, -1.0, -0.5, 0.0])),
    st.builds(Offset, constants([0.5, 0.25, -0.25, 1.0, -1.0])),
)


@settings(max_examples=600, deadline=None)
@given(st.lists(ANY_CONSTANT, min_size=1, max_size=8))
@example([Relu(), Scale(np.array([2.0, 4.0, 0.5, 0.0])), Floor(), Clip(-math.inf, 4.0)])
@example([Clip(-math.inf, 1.0), Scale(np.array([2.0, -4.0, 0.5, 1.0])), Clip(0.0, math.inf)])
@example([Clip(-1.0, 0.5), Floor(), Scale(np.array([0.25, 0.25, 0.25, 0.0])), Relu()])
@example([Clip(-1.0, 0.5), Floor(), Scale(np.array([0.0, 0.25, 0.0, 0.25])), Clip(0.0, 0.0)])
def test_constants_per_channel_and_one_sided_bounds_are_recognised_exactly(operators: list[Operator]) -> None:
    network = chain(*operators)
    if problems := codes(network):
        assert problems <= {"E110", "E111"}
        return
    result = recognised(network)
    assert not [node for node in result.nodes if isinstance(node.operator, Clip | Floor | Round)]
    # A step is a double whose constants may be thirds; off the dyadic grid no sample lies on one.
    samples: FloatArray = (np.arange(-12, 12, 1 / 16) + 1e-5).reshape(-1, 4)
    np.testing.assert_allclose(
        evaluate(result, samples)[result.output], evaluate(network, samples)[network.output], rtol=1e-9, atol=1e-9
    )


ANY_CLIP = st.one_of(
    st.just(Relu()),
    st.builds(Clip, st.sampled_from([-1.0, 0.0]), st.sampled_from([0.5, 2.0, math.inf])),
    st.builds(Clip, st.just(-math.inf), st.sampled_from([0.5, 2.0])),
    st.builds(scale, st.sampled_from([-2.0, 0.5])),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(ANY_CLIP, min_size=1, max_size=6))
def test_clips_without_rounding_are_always_neurons_unless_they_are_constant(operators: list[Operator]) -> None:
    assert codes(chain(*operators)) <= {"E111"}


@given(
    levels=st.integers(1, 16),
    missing=st.sampled_from([0.0, 1e-15, 1e-9, 1e-7, 1e-3]),
    factor=st.sampled_from([1 / 3, 0.7, 3.0]),
    rounds=st.booleans(),
)
def test_a_bound_of_the_file_is_taken_to_its_last_digit(
    levels: int, missing: float, factor: float, rounds: bool
) -> None:
    bound = levels - missing - (0.5 if rounds else 0.0)
    low = -0.5 if rounds else 0.0
    network = chain(scale(factor), Relu(), Clip(low, bound), Round() if rounds else Floor())
    samples = np.linspace(-2, 40, 200).reshape(-1, 4)
    if codes(network):
        assert levels == 1
        assert missing or rounds
    else:
        require_equal(network, samples)


@pytest.mark.parametrize("bound", [1 / 3, 0.7, 1.1, 6 / 7])
def test_a_bound_that_was_multiplied_is_whole_where_it_nearly_is(bound: float) -> None:
    for levels in range(1, 17):
        result = recognised(chain(Relu(), Clip(-math.inf, bound), scale(levels / bound), Floor()))
        assert f"levels={levels}," in str(result.nodes)
