"""A softmax at the end is dropped where it keeps which score wins, and refused everywhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Parse = Callable[..., bytes]
Problems = Callable[..., Any]
Compare = Callable[..., Any]

WEIGHT = np.random.default_rng(0).normal(size=(5, 3, 3, 3))
SHAPES = {
    "(5,)": "g = GlobalAveragePool(a) s = Flatten(g)",
    "(5, 1, 1)": "s = GlobalAveragePool(a)",
    "(1, 5)": "g = GlobalAveragePool(a) h = Flatten(g) s = Unsqueeze(h, one)",
    "(5, 4, 4)": "s = Identity(a)",
    "(5, 4)": "g = ReduceMean <keepdims = 0, axes = [3]> (a) s = Identity(g)",
}


@pytest.mark.parametrize("opset", [12, 17])
@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize("axis", [None, -2, 1, 2, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_dropped_only_where_the_winner_stays(
    parsed: Parse,
    same_winner: Callable[[bytes, Any], bool | None],
    shape: str,
    axis: int | None,
    operator: str,
    opset: int,
) -> None:
    attribute = "" if axis is None else f"<axis = {axis}>"
    body = f"a = Conv(x, w) {SHAPES[shape]} y = {operator} {attribute} (s)"
    if opset < 13:
        body = body.replace("Unsqueeze(h, one)", "Unsqueeze <axes = [1]> (h)")
    weights = {"w": WEIGHT, **({"one": [1]} if ", one" in body else {})}
    model = parsed(body, outputs="float[N,M] y", opset=opset, weights=weights)
    samples = np.random.default_rng(1).normal(size=(30, 3, 6, 6)).astype(np.float32)
    kept = same_winner(model, samples)
    if kept is not None:
        assert kept


def test_a_singleton_axis_gives_ones_and_is_refused(parsed: Parse, problems: Problems) -> None:
    body = f"a = Conv(x, w) {SHAPES['(1, 5)']} y = Softmax <axis = 1> (s)"
    (problem,) = problems(parsed(body, outputs="float[N,M] y", weights={"w": WEIGHT, "one": [1]}))
    assert problem.code == "E102"
    assert "changes which score wins" in problem.message
    body = f"a = Conv(x, w) {SHAPES['(5,)']} y = Softmax <axis = 0> (s)"
    (problem,) = problems(parsed(body, outputs="float[N,M] y", weights={"w": WEIGHT}))
    assert problem.code == "E104"
