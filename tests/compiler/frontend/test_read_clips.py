"""One bound or two, in every spelling: the float level and the spiking level are what ONNX Runtime computes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Parse = Callable[..., bytes]
Levels = Callable[..., None]
Problems = Callable[..., Any]

RANDOM = np.random.default_rng(5)
CONV = RANDOM.normal(size=(4, 3, 3, 3)) / 3
DENSE = RANDOM.normal(size=(64, 3))
PER_CHANNEL = np.array([0.5, 1.0, 0.25, 2.0]).reshape(4, 1, 1)
NUMBERS = {"c": np.array(1.0), "c2": np.array(0.75), "low": np.array(-0.5), "four": np.array(4.0), "pc": PER_CHANNEL}
NUMBERS |= {"zero": np.array(0.0), "pc2": PER_CHANNEL[::-1] + 1, "neg": -PER_CHANNEL, "map": np.full((4, 4, 4), 0.8)}
NUMBERS |= {"far": 1e30 * PER_CHANNEL, "farneg": -1e30 * PER_CHANNEL}
NUMBERS |= {"mixed": np.array([1, 1e30, 1, 1]).reshape(4, 1, 1)}

SPELLINGS: dict[str, str] = {
    "min of relu": "b = Relu(a) d = Min(b, c)",
    "min first": "b = Min(a, c) d = Relu(b)",
    "clip above of relu": "b = Relu(a) d = Clip(b, , c)",
    "clip below of min": "b = Min(c, a) d = Clip(b, zero)",
    "only an upper bound": "d = Min(a, c)",
    "only an upper bound in a clip": "d = Clip(a, , c)",
    "only a lower bound": "d = Max(c2, a)",
    "only a lower bound in a clip": "d = Clip(a, low)",
    "one operand": "b = Max(a) e = Min(b) d = Relu(e)",
    "the same operand twice": "d = Max(a, a, zero)",
    "several constants": "b = Max(zero, a, low) d = Min(c2, b, c)",
    "bounds per channel": "b = Max(a, zero) d = Min(pc, b)",
    "bounds per channel, both": "b = Max(a, neg) d = Min(b, pc)",
    "upper bound per channel only": "d = Min(a, pc)",
    "no upper bound in any channel": "b = Min(a, far) d = Relu(b)",
    "no lower bound in any channel": "b = Max(a, farneg) d = Min(b, c)",
    "lower bound per channel only": "d = Max(a, pc, pc2)",
    "bound of the whole map": "b = Relu(a) d = Min(b, map)",
    "signed range": "b = Max(a, low) d = Min(b, c)",
    "negative factor between": "b = Relu(a) e = Neg(b) f = Clip(e, low) d = Neg(f)",
    "factor per channel between": "b = Relu(a) e = Div(b, pc) d = Min(e, c)",
    "read twice": "b = Relu(a) e = Min(b, c) d = Add(b, e)",
    "subtracted": "b = Min(a, c) e = Max(a, low) d = Sub(e, b)",
}

QUANTISERS: dict[str, str] = {
    "min behind the floor": "b = Relu(a) e = Mul(b, four) f = Floor(e) d = Min(f, four)",
    "min in front of the floor": "b = Relu(a) e = Min(b, c) f = Mul(e, four) d = Floor(f)",
    "min around the floor": "b = Min(a, c) e = Mul(b, four) f = Floor(e) d = Max(f, zero)",
    "rounded": "e = Mul(a, four) f = Round(e) g = Min(f, four) d = Relu(g)",
    "rounded up": "b = Clip(a, zero, c) e = Mul(b, four) f = Ceil(e) d = Div(f, four)",
    "signed levels": "e = Mul(a, four) f = Round(e) g = Max(f, low4) h = Min(g, four) d = Div(h, four)",
    "factor per channel": "b = Relu(a) e = Div(b, pc) f = Floor(e) d = Min(f, four)",
    "threshold per channel": "e = Div(a, pc) b = Mul(e, four) f = Floor(b) g = Clip(f, zero, four) d = Mul(g, pc)",
    "negative threshold": "e = Div(a, minus) b = Mul(e, four) f = Floor(b) g = Clip(f, zero, four) d = Mul(g, minus)",
    "negative threshold per channel": "e = Div(a, neg) b = Floor(e) g = Clip(b, zero, four) d = Mul(g, neg)",
}


def model(parsed: Parse, body: str, opset: int = 17) -> bytes:
    weights = {"w": CONV, "v": DENSE, "low4": np.array(-3.0), "minus": np.array(-0.5), **NUMBERS}
    names = {"w", "v", *re.findall(r"\w+", body)}
    used = {name: value for name, value in weights.items() if name in names}
    return parsed(
        f"a = Conv(x, w) {body} f0 = Flatten(d) y = MatMul(f0, v)", outputs="float[N,3] y", opset=opset, weights=used
    )


@pytest.mark.parametrize("opset", [13, 18])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_clips_at_both_float_levels(parsed: Parse, levels_agree: Levels, spelling: str, opset: int) -> None:
    levels_agree(model(parsed, SPELLINGS[spelling], opset))


@pytest.mark.parametrize("spelling", QUANTISERS)
def test_quantisers_at_both_float_levels(parsed: Parse, levels_agree: Levels, spelling: str) -> None:
    levels_agree(model(parsed, QUANTISERS[spelling]), quantised=True)


STEPS = st.sampled_from(
    [
        "Relu({})",
        "Min({}, c)",
        "Max({}, low)",
        "Min(pc, {})",
        "Max({}, neg)",
        "Neg({})",
        "Mul({}, c2)",
        "Div({}, pc)",
        "Clip({}, low, c)",
        "Clip({}, zero)",
        "Add({}, low)",
        "Sub(c, {})",
    ]
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=1, max_size=6))
def test_any_sequence_of_clips_and_factors(parsed: Parse, levels_agree: Levels, steps: list[str]) -> None:
    value, body = "a", ""
    for place, step in enumerate(steps):
        body += f"s{place} = {step.format(value)} "
        value = f"s{place}"
    levels_agree(model(parsed, body.replace(f"{value} =", "d ="), 17), may_be_constant=True)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("b = Mul(a, four) d = Floor(b)", "E110"),
        ("b = Relu(a) e = Mul(b, four) d = Floor(e)", "E110"),
        ("b = Floor(a) d = Min(b, four)", "E110"),
        ("b = Relu(a) d = Min(b, zero)", "E111"),
    ],
)
def test_what_no_neuron_computes_is_refused_when_compiled(
    parsed: Parse, compile_codes: Problems, body: str, code: str
) -> None:
    assert compile_codes(model(parsed, body)) == [code]


def test_a_bound_in_some_channels_only_is_refused(parsed: Parse, problems: Problems) -> None:
    assert [problem.code for problem in problems(model(parsed, "b = Relu(a) d = Min(b, mixed)"))] == ["E102"]
