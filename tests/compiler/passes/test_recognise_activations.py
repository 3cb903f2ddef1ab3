from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from spikec.compiler.diagnostics.codes import CODES
from spikec.compiler.ir.network import Network, Node, Origin, evaluate
from spikec.compiler.ir.operators import (
    Add,
    Clip,
    Conv,
    Dense,
    FloatArray,
    Floor,
    Offset,
    Operator,
    QuantizeClip,
    Relu,
    Round,
    Scale,
)
from spikec.compiler.passes.recognise_activations import recognised
from spikec.targets.diagnostic import Diagnostic, UnusableInput


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


def only_activation(network: Network) -> QuantizeClip:
    (operator,) = (node.operator for node in network.nodes if isinstance(node.operator, QuantizeClip))
    return operator


def refusal(network: Network) -> Diagnostic:
    with pytest.raises(UnusableInput) as caught:
        recognised(network)
    (problem,) = caught.value.diagnostics
    assert problem.code in CODES
    assert problem.hint
    return problem


FORMS: dict[str, tuple[list[Operator], tuple[float, int | None, float]]] = {
    "floor, clip": ([scale(4 / 0.7), Floor(), scale(0.25), Clip(0, 1), scale(0.7)], (0.7, 4, 0.0)),
    "clip, floor": ([scale(1 / 0.7), Clip(0, 1), scale(4), offset(0.5), Floor(), scale(0.7 / 4)], (0.7, 4, 0.5)),
    "relu, round, min": ([Relu(), scale(4 / 0.7), Round(), Clip(-math.inf, 4), scale(0.7 / 4)], (0.7, 4, 0.5)),
    "clip at threshold": ([Clip(0, 0.7), scale(4 / 0.7), offset(0.5), Floor(), scale(0.7 / 4)], (0.7, 4, 0.5)),
    "offset before division": ([offset(0.35 / 4), scale(4 / 0.7), Floor(), Clip(0, 4), scale(0.7 / 4)], (0.7, 4, 0.5)),
    "split factors": ([scale(1 / 0.7), scale(4), Floor(), Clip(0, 4), scale(0.25), scale(0.7)], (0.7, 4, 0.0)),
    "clip both sides": ([Relu(), scale(4 / 0.7), Floor(), Clip(0, 4), scale(0.7 / 4), Relu()], (0.7, 4, 0.0)),
    "clip of integers": ([Floor(), Clip(0, 15)], (15.0, 15, 0.0)),
    "rounding twice": ([scale(2), Round(), Round(), Clip(0, 3), scale(0.5)], (1.5, 3, 0.5)),
    "relu6": ([Clip(0, 6)], (6.0, None, 0.0)),
    "relu and min": ([Relu(), Clip(-math.inf, 2)], (2.0, None, 0.0)),
    "clip of a fraction": ([scale(1 / 0.7), Clip(0, 1), scale(0.7)], (0.7, None, 0.0)),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_the_activation(form: str) -> None:
    operators, (threshold, levels, shift) = FORMS[form]
    network = chain(*operators)
    result = recognised(network)
    (node,) = result.nodes
    activation = only_activation(result)
    assert activation.levels == levels
    # The constants above are products of a few doubles.
    assert (activation.threshold, activation.shift) == pytest.approx((threshold, shift), rel=1e-12)
    assert (node.name, node.inputs) == (network.output, ("input",))
    assert [origin.node for origin in node.origins] == [f"/act/{k}" for k in range(len(operators))]
    samples = np.random.default_rng(0).normal(0, 1.5, (500, 4))
    before = evaluate(network, samples)[network.output]
    # Both sides are doubles that differ by rounding; no sample lies on a step.
    np.testing.assert_allclose(evaluate(result, samples)[result.output], before, rtol=1e-12, atol=1e-12)


def test_a_gain_becomes_a_scale_in_front() -> None:
    network = chain(scale(3.0), Floor(), Clip(0, 4), scale(0.5))
    result = recognised(network)
    assert operators_of(result) == ["Scale", "QuantizeClip"]
    assert only_activation(result) == QuantizeClip(2.0, 4, 0.0)
    samples = np.random.default_rng(0).normal(0, 1, (500, 4))
    np.testing.assert_array_equal(evaluate(result, samples)["n3"], evaluate(network, samples)["n3"])


def test_factors_around_an_activation_stay_where_they_are() -> None:
    network = chain(scale(0.3), scale(4 / 0.7), Floor(), Clip(0, 4), scale(0.7 / 4), scale(2.0), offset(1.0))
    result = recognised(network)
    assert operators_of(result) == ["Scale", "QuantizeClip", "Scale", "Offset"]
    assert only_activation(result).threshold == pytest.approx(0.7, rel=1e-12)


def test_fuzzy_constants_of_float32() -> None:
    threshold = np.float32(0.7)
    network = chain(Clip(0, float(threshold)), scale(float(4 / threshold)), Floor(), scale(float(threshold / 4)))
    assert only_activation(recognised(network)).levels == 4
    network = chain(scale(4 / 0.7), Floor(), Clip(0, 3.9999998), scale(0.7 / 4))
    assert only_activation(recognised(network)).levels == 4


def test_a_negative_factor_on_one_side_stays_outside() -> None:
    network = chain(scale(-4.0), Floor(), Clip(0, 4), scale(0.25))
    result = recognised(network)
    assert operators_of(result) == ["Scale", "Scale", "QuantizeClip"]
    samples = np.random.default_rng(0).normal(0, 1, (500, 4))
    np.testing.assert_array_equal(evaluate(result, samples)["n3"], evaluate(network, samples)["n3"])
    network = chain(scale(4.0), Floor(), Clip(0, 4), scale(0.25), scale(-1.0))
    assert operators_of(recognised(network)) == ["QuantizeClip", "Scale"]


def test_thresholds_per_channel_stay_outside() -> None:
    thresholds = np.array([0.5, 0.7, 0.9, 1.1])
    network = chain(Scale(1 / thresholds), scale(4), Floor(), scale(0.25), Clip(0, 1), Scale(thresholds))
    result = recognised(network)
    assert operators_of(result) == ["Scale", "QuantizeClip", "Scale"]
    assert only_activation(result) == QuantizeClip(1.0, 4, 0.0)


def test_equal_factors_per_channel_count_as_one_number() -> None:
    network = chain(Scale(np.full(4, 8.0)), Floor(), Clip(0, 4), Scale(np.full(4, 0.125)))
    assert only_activation(recognised(network)) == QuantizeClip(0.5, 4, 0.0)


def test_nothing_to_do_gives_the_same_object() -> None:
    weight = np.eye(4)
    network = chain(Dense(weight, np.zeros(4)), Relu(), scale(2.0), Dense(weight, np.zeros(4)), QuantizeClip(1.0, 4))
    assert recognised(network) is network


def test_two_activations_one_after_the_other() -> None:
    quantiser = (scale(2.0), Floor(), Clip(0, 4), scale(0.5))
    network = chain(*quantiser, scale(0.7), Floor(), Clip(0, 1))
    assert operators_of(recognised(network)) == ["QuantizeClip", "Scale", "QuantizeClip"]


def test_a_clip_that_a_later_one_contains_is_no_neuron_of_its_own() -> None:
    network = chain(Clip(0, 6), offset(-1.0), scale(2), Floor(), Clip(0, 4), scale(0.5))
    assert operators_of(recognised(network)) == ["Offset", "QuantizeClip"]
    samples = np.arange(-12, 12, 1 / 16).reshape(-1, 4)
    require_equal(network, samples)


@pytest.mark.parametrize("end", [Clip(-np.inf, 0.3), Clip(0.3, np.inf)], ids=["above", "below"])
@pytest.mark.parametrize("factor", [1.0, -1.0])
def test_a_bound_between_the_levels_of_a_quantiser_is_a_clipper_with_a_threshold(end: Clip, factor: float) -> None:
    operators = (Floor(), Clip(0, 4), scale(factor / 4), offset(0.5 - factor / 2), end)
    network = require_equal(chain(*operators), np.linspace(-2, 6, 400).reshape(-1, 4))
    activations = [n.operator for n in network.nodes if isinstance(n.operator, QuantizeClip | Relu)]
    assert [type(a) for a in activations] == [QuantizeClip, QuantizeClip]


def test_result_of_an_activation_may_be_read_twice() -> None:
    quantiser = (scale(2.0), Floor(), Clip(0, 4), scale(0.5))
    branches = [*chain(Dense(np.eye(4), np.zeros(4)), *quantiser, scale(3.0), Clip(0, 9)).nodes]
    branches.append(Node("sum", Add(), ("n4", "n6"), (4,), (Origin("/sum", "Add"),)))
    result = recognised(Network("net", (4,), tuple(branches), "sum"))
    assert operators_of(result) == ["Dense", "QuantizeClip", "Scale", "QuantizeClip", "Add"]


REFUSED: dict[str, tuple[list[Operator], str, str]] = {
    "no clip": ([scale(4), Floor(), scale(0.25)], "E110", "no largest value"),
    "no lower clip": ([scale(4), Floor(), Clip(-math.inf, 3)], "E110", "no smallest value"),
    "falling without a lower clip": ([scale(4), Floor(), scale(-1), Clip(-math.inf, 3)], "E110", "no smallest value"),
    "between levels": ([scale(4), Floor(), scale(0.25), Clip(0, 0.9)], "E110", "between two of its levels"),
    "two step sizes": ([Floor(), scale(0.4), Floor(), Clip(0, 3)], "E110", "rounds twice"),
    "levels per channel": (
        [Relu(), Scale(np.array([1.0, 2, 3, 4])), Clip(0, 1), Scale(np.array([1.0, 2, 3, 4])), Floor()],
        "E110",
        "has 1 levels in some channels and 4 in others",
    ),
    "zero threshold": ([scale(0.0), Floor(), Clip(0, 4)], "E111", "threshold is zero"),
    "zero levels": ([scale(4), Floor(), Clip(0, 0)], "E111", "threshold is zero"),
    "clip at zero": ([Clip(0, 0)], "E111", "gives 0 for every input"),
    "clip at a number": ([Relu(), Clip(-math.inf, -2)], "E111", "gives -2 for every input"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_chains_that_are_no_neuron(case: str) -> None:
    operators, code, text = REFUSED[case]
    problem = refusal(chain(*operators))
    assert problem.code == code
    assert text in problem.message
    assert problem.place.nodes == tuple(f"/act/{k}" for k in range(len(operators)))


def test_all_chains_are_reported_at_once() -> None:
    dense = Dense(np.eye(4), np.zeros(4))
    network = chain(scale(7), Round(), dense, Clip(0, 0), dense, Floor())
    with pytest.raises(UnusableInput) as caught:
        recognised(network)
    assert [problem.code for problem in caught.value.diagnostics] == ["E110", "E111", "E110"]


def test_value_read_in_the_middle() -> None:
    nodes = [*chain(Dense(np.eye(4), np.zeros(4)), scale(4), Floor(), Clip(0, 4), scale(0.25)).nodes]
    nodes.append(Node("sum", Add(), ("n2", "n4"), (4,), (Origin("/sum", "Add"),)))
    problem = refusal(Network("net", (4,), tuple(nodes), "sum"))
    assert problem.code == "E112"
    assert "n2" in problem.message


def test_long_chains_take_no_long_time() -> None:
    pairs: list[Operator] = [Relu(), scale(0.5)]
    network = chain(*pairs * 2000)
    started = time.process_time()
    assert operators_of(recognised(network)).count("Relu") < 100
    # A fifth of a second here; the square of 4,000 operators would take minutes.
    assert time.process_time() - started < 5


def test_long_chains_that_leave_an_operator_outside_take_no_long_time() -> None:
    pairs: list[Operator] = [Relu(), scale(0.5)]
    network = chain(*[*pairs * 31, Floor(), scale(0.3)] * 30)
    started = time.process_time()
    with pytest.raises(UnusableInput, match="E110"):
        recognised(network)
    # One second here; widening every neuron that a chain could be would take a minute.
    assert time.process_time() - started < 15


FACTORS = st.floats(0.05, 20.0)


@st.composite
def quantisers(draw: st.DrawFn) -> tuple[list[Operator], float, int, float]:
    """A chain with its threshold, levels and shift; clipping and constants at any place."""
    threshold, levels, shift = draw(FACTORS), draw(st.integers(1, 255)), draw(st.sampled_from([0.0, 0.25, 0.5]))
    early, late = draw(st.booleans()), draw(st.booleans())
    unit = draw(st.sampled_from([1.0, threshold, float(levels), draw(FACTORS)]))
    operators: list[Operator] = [scale(unit / threshold)]
    if early or not late:
        operators.append(Clip(0.0, unit) if draw(st.booleans()) else Relu())
        late = late or isinstance(operators[-1], Relu)
    operators.append(scale(levels / unit))
    if shift == 0.5 and draw(st.booleans()):
        operators.append(Round())
    else:
        operators += [offset(shift), Floor()]
    back = draw(st.sampled_from([1.0, 1 / levels, threshold / levels]))
    operators.append(scale(back))
    if late:
        operators.append(Clip(0.0, levels * back))
    operators.append(scale(threshold / levels / back))
    return operators, threshold, levels, shift


@settings(max_examples=200, deadline=None)
@given(quantiser=quantisers(), seed=st.integers(0, 2**32 - 1))
def test_recognised_chain_computes_the_same(quantiser: tuple[list[Operator], float, int, float], seed: int) -> None:
    operators, threshold, levels, shift = quantiser
    network = chain(*operators)
    result = recognised(network)
    activation = only_activation(result)
    assert activation.levels == levels
    # Up to eight constants, each rounded to a double.
    assert (activation.threshold, activation.shift) == pytest.approx((threshold, shift), rel=1e-12)
    # Between two steps, where the rounding of the constants cannot matter; saturation is checked below.
    steps = np.random.default_rng(seed).integers(-3, levels, (50, 4)) + 0.5 - shift
    samples = steps * threshold / levels
    np.testing.assert_allclose(
        evaluate(result, samples)[result.output], evaluate(network, samples)[network.output], rtol=1e-9
    )
    saturated = evaluate(result, np.full((1, 4), 3 * threshold))[result.output]
    np.testing.assert_allclose(saturated, threshold, rtol=1e-12)


ANY_OPERATOR = st.one_of(
    st.just(Relu()),
    st.just(Floor()),
    st.builds(lambda low, high: Clip(low, low + high), st.sampled_from([0.0, 0.0, -1.0, 0.5]), st.integers(0, 5)),
    st.builds(scale, st.sampled_from([0.25, 0.5, 2.0, 4.0, -1.0])),
    st.builds(offset, st.sampled_from([0.5, 0.25, -0.25, 1.0, -1.0])),
)


@settings(max_examples=500, deadline=None)
@given(st.lists(ANY_OPERATOR, min_size=1, max_size=7))
@example([Relu(), offset(-0.25), Floor(), Clip(0.0, 4.0)])
def test_whatever_is_recognised_computes_the_same_exactly(operators: list[Operator]) -> None:
    network = chain(*operators)
    try:
        result = recognised(network)
    except UnusableInput:
        return
    samples: FloatArray = np.arange(-12, 12, 1 / 16).reshape(-1, 4)
    # All constants are dyadic, so doubles are exact, also on the steps; thresholds in thirds are not.
    assume(all(t.threshold in (0.25, 0.5, 1, 2, 4, 8, 16) for t in _quantisers(result)))
    np.testing.assert_array_equal(evaluate(result, samples)[result.output], evaluate(network, samples)[network.output])


def _quantisers(network: Network) -> list[QuantizeClip]:
    return [node.operator for node in network.nodes if isinstance(node.operator, QuantizeClip)]


def test_convolutions_around_are_left_alone() -> None:
    conv = Conv(np.ones((2, 2, 1, 1)), np.zeros(2))
    network = chain(conv, scale(4), Floor(), Clip(0, 4), scale(0.25), conv, shape=(2, 3, 3))
    result = recognised(network)
    assert operators_of(result) == ["Conv", "QuantizeClip", "Conv"]
    assert result.nodes[0] is network.nodes[0]
