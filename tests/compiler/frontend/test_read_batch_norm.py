"""Batch norm wherever it can stand: the float level and the spiking level are what ONNX Runtime computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Parse = Callable[..., bytes]
Levels = Callable[..., None]

RANDOM = np.random.default_rng(7)


def statistics(channels: int, kind: str, number: int) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    random = np.random.default_rng(number)  # the same in whatever order tests run
    scale, offset, mean = random.normal(size=(3, channels))
    variance = random.uniform(0.2, 2.0, channels)
    if kind == "zero scale":
        scale[0] = 0
    if kind == "zero variance":
        variance[0], scale[0] = 0, 0.01
    return [scale, offset, mean, variance]


PLACES: dict[str, str] = {
    "twice behind a convolution": "a = Conv(x, w) b = BN4(a) c = BN4(b) d = Relu(c)",
    "three times": "a = Conv(x, w) b = BN4(a) c = BN4(b) e = BN4(c) d = Relu(e)",
    "first": "a = BN3(x) b = Conv(a, w) d = Relu(b)",
    "first, with padding": "a = BN3(x) b = Conv <pads = [1, 1, 1, 1]> (a, w) d = Relu(b)",
    "twice on the input": "a = BN3(x) b = BN3(a) c = Conv(b, w) d = Relu(c)",
    "on the input, rectified": "a = BN3(x) b = Relu(a) c = Conv(b, w) d = BN4(c)",
    "pre-activation": "a = BN3(x) b = Relu(a) c = Conv(b, w) e = BN4(c) r = Relu(e) d = Conv(r, u)",
    "in front of a padded convolution": "a = Conv(x, w) r = Relu(a) b = BN4(r) d = Conv <pads = [1, 1, 1, 1]> (b, u)",
    "behind a sum": "a = Conv(x, w) r = Relu(a) b = Add(a, r) c = BN4(b) d = Relu(c)",
    "on both sides of a sum": "a = Conv(x, w) b = BN4(a) r = Relu(b) c = BN4(r) e = Add(b, c) d = BN4(e)",
    "behind a concatenation": "a = Conv(x, w) r = Relu(a) k = Concat <axis = 1> (a, r) b = BN8(k) d = Conv(b, o)",
    "behind pooling": "a = Conv(x, w) r = Relu(a) p = AveragePool <kernel_shape = [2, 2]> (r) b = BN4(p) d = Relu(b)",
    "in front of pooling": "a = Conv(x, w) b = BN4(a) p = AveragePool <kernel_shape = [2, 2]> (b) d = Relu(p)",
    "a layer read twice": "a = Conv(x, w) b = BN4(a) c = BN4(b) r = Relu(c) d = Add(r, a)",
    "a norm read twice": "a = Conv(x, w) b = BN4(a) c = BN4(b) r = Relu(c) d = Add(r, b)",
    "between pieces of an activation": "a = Conv(x, w) r = Relu(a) b = BN4(r) d = Clip(b, zero, one)",
    "flat": "a = Conv(x, w) r = Relu(a) d = Flatten(r) g = MatMul(d, m) h = BN5(g) i = BN5(h) y = Relu(i)",
    "flat, first": "a = Conv(x, w) r = Relu(a) f = GlobalAveragePool(r) d = Flatten(f) h = BN4(d) y = MatMul(h, q)",
    "last": "a = Conv(x, w) r = Relu(a) f = GlobalAveragePool(r) d = Flatten(f) h = MatMul(d, q) y = BN5(h)",
}

CONSTANTS = {
    "w": RANDOM.normal(size=(4, 3, 3, 3)) / 3,
    "u": RANDOM.normal(size=(4, 4, 3, 3)) / 3,
    "o": RANDOM.normal(size=(2, 8, 1, 1)),
    "m": RANDOM.normal(size=(64, 5)) / 8,
    "q": RANDOM.normal(size=(4, 5)),
    "zero": np.array(0.0),
    "one": np.array(1.0),
}


def model(parsed: Parse, body: str, kind: str) -> bytes:
    weights: dict[str, Any] = {}
    for number in range(body.count("BN")):
        place = body.index("BN")
        channels = int(body[place + 2])
        names = [f"n{number}{part}" for part in "sbmv"]
        weights |= dict(zip(names, statistics(channels, kind, number), strict=True))
        end = body.index(")", place)
        value = body[place + 4 : end]
        body = f"{body[:place]}BatchNormalization({value}, {', '.join(names)}{body[end:]}"
    weights |= {name: value for name, value in CONSTANTS.items() if f" {name})" in body or f" {name}," in body}
    if "y =" not in body:
        body += " y = GlobalAveragePool(d)"
    return parsed(body, outputs="float[N,M] y" if "Flatten" in body else "float[N,M,1,1] y", weights=weights)


@pytest.mark.parametrize("kind", ["ordinary", "zero scale", "zero variance"])
@pytest.mark.parametrize("place", PLACES)
def test_batch_norm_anywhere(parsed: Parse, levels_agree: Levels, place: str, kind: str) -> None:
    levels_agree(model(parsed, PLACES[place], kind))


STEPS = st.sampled_from(
    ["BN4({})", "BN4({})", "Relu({})", "Conv <pads = [1, 1, 1, 1]> ({}, u)", "Add({}, a)", "Add({0}, {0})"]
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=1, max_size=6))
def test_any_sequence(parsed: Parse, levels_agree: Levels, steps: list[str]) -> None:
    value, body = "a", "a = Conv(x, w) "
    for place, step in enumerate(steps):
        body += f"s{place} = {step.format(value)} "
        value = f"s{place}"
    levels_agree(model(parsed, body.replace(f"{value} =", "d ="), "ordinary"), may_be_constant=True)
