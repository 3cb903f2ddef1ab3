"""Functions fitted by pieces: how near they come, what they cost, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from spikec.compiler.ir.activations import FUNCTIONS, Composite, Curve, Product
from spikec.compiler.ir.network import INPUT, Network, evaluate
from spikec.compiler.ir.operators import Add, Offset, Operator, Relu, Scale
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes.contract import Compilation, Context
from spikec.compiler.passes.fit_pieces import FitPieces
from spikec.compiler.passes.piecewise_fit import best_pieces, function_values
from spikec.compiler.pipeline import passes_for, run_passes
from spikec.runtime.samples import Samples
from spikec.targets.diagnostic import UnusableInput

Builder = Callable[..., Any]
PARAMETERS = {"elu": (1.0,), "celu": (1.5,), "power": (2.0,), "thresholded relu": (0.7,)}
POSITIVE = ("log", "square root")


def curve(function: str) -> Curve:
    return Curve(function, PARAMETERS.get(function, ()))


def sorted_values(function: str, count: int = 2000) -> Any:
    values = np.sort(np.random.default_rng(0).normal(size=count) * 2)
    return np.abs(values[values != 0]) + 0.1 if function in POSITIVE else values


def error(operator: Operator, values: Any, pieces: int) -> float:
    values = np.sort(values)
    wanted = function_values(operator, values)
    found = best_pieces(operator, values, pieces).at(values)
    return float(np.sqrt(np.mean((found - wanted) ** 2)) / np.ptp(wanted))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_more_pieces_are_never_worse_and_soon_good(function: str) -> None:
    errors = [error(curve(function), sorted_values(function), pieces) for pieces in range(1, 13)]
    assert all(after <= before + 1e-12 for before, after in pairwise(errors))
    # A jump is a steep piece, whose width is a share of the range.
    assert errors[3] < 0.04
    assert errors[11] < (0.04 if function == "sign" else 0.01)


def test_pieces_are_linear_in_between_and_constant_beyond() -> None:
    fit = best_pieces(Curve("tanh"), np.linspace(-2, 3, 500), 5)
    assert len(fit.breakpoints) == 6
    np.testing.assert_allclose(fit.at(fit.breakpoints), fit.heights, atol=1e-12)
    np.testing.assert_allclose(fit.at(np.array([-9.0, 9.0])), fit.heights[[0, -1]], atol=1e-12)
    middle = (fit.breakpoints[1:] + fit.breakpoints[:-1]) / 2
    np.testing.assert_allclose(fit.at(middle), (fit.heights[1:] + fit.heights[:-1]) / 2, atol=1e-12)


def test_what_is_linear_in_pieces_is_met() -> None:
    values = np.linspace(-2, 2, 641)
    relu = Composite(((Curve("thresholded relu", (0.0,)), (0,)),))
    assert error(relu, values, 2) < 1e-3
    assert error(Curve("elu", (0.0,)), values, 2) < 1e-6


def test_a_single_value_has_a_fit() -> None:
    fit = best_pieces(Curve("exp"), np.full(7, 0.5), 4)
    np.testing.assert_allclose(fit.at(np.array([0.5])), np.exp(0.5), rtol=1e-12)


def network_of(builder: Builder, *operators: Operator) -> Network:
    net = builder((3, 5, 5), seed=3)
    value = INPUT
    for place, operator in enumerate(operators):
        value = net.add(f"act{place}", operator, net.conv(f"conv{place}", value, 4))
    net.conv("last", value, 2)
    return net.network()  # type: ignore[no-any-return]


@pytest.fixture
def pictures() -> Samples:
    random = np.random.default_rng(1)
    return Samples(random.random((40, 3, 5, 5)).astype(np.float32), random.integers(0, 50, 40))


def test_the_network_is_near_the_functions(builder: Builder, context: Context, pictures: Samples) -> None:
    swish = Composite(((Curve("sigmoid"), (0,)), (Product(), (0, 1))))
    network = network_of(builder, Curve("sigmoid"), swish)
    given = replace(context, calibration=pictures)
    outcome = FitPieces(8).run(Compilation(network), given)
    assert set(outcome.effect["fitted"]) == {"act0", "act1"}
    inputs = pictures.as_float()
    found, wanted = (evaluate(n, inputs)[n.output] for n in (outcome.state.network, network))
    assert np.abs(found - wanted).max() < 0.05 * np.ptp(wanted)
    figures = outcome.effect["fitted"]["act1"]
    assert figures["neurons"] == figures["pieces"] * 100 <= 800
    assert 0 < figures["error"] < 0.02
    assert figures["error"] <= figures["worst"]
    assert outcome.diagnostics == ()


def test_functions_in_a_row_are_one(builder: Builder, context: Context, pictures: Samples) -> None:
    net = builder((3, 5, 5), seed=3)
    value = net.add("relu", Relu(), net.conv("conv", INPUT, 4))
    value = net.add("soft", Curve("softplus"), net.add("half", Scale(np.array(0.5)), value))
    value = net.add("tanh", Curve("tanh"), net.add("less", Offset(np.array(-0.7)), value))
    net.conv("last", net.add("out", Scale(np.array(2.0)), value), 2)
    network = net.network()
    outcome = FitPieces(6).run(Compilation(network), replace(context, calibration=pictures))
    assert set(outcome.effect["fitted"]) == {"tanh"}
    names = {type(node.operator).__name__ for node in outcome.state.network.nodes}
    assert names == {"Conv", "Offset", "QuantizeClip", "Scale", "Add"}
    inputs = pictures.as_float()
    found, wanted = (evaluate(n, inputs)[n.output] for n in (outcome.state.network, network))
    assert np.abs(found - wanted).max() < 0.05 * np.ptp(wanted)


def test_a_value_that_others_read_stays(builder: Builder, context: Context, pictures: Samples) -> None:
    net = builder((3, 5, 5), seed=3)
    value = net.add("soft", Curve("softplus"), net.conv("conv", INPUT, 4))
    other = net.add("tanh", Curve("tanh"), value)
    net.conv("last", net.add("sum", Add(), value, other), 2)
    outcome = FitPieces(6).run(Compilation(net.network()), replace(context, calibration=pictures))
    assert set(outcome.effect["fitted"]) == {"soft", "tanh"}


def test_a_coarse_fit_is_told(builder: Builder, context: Context, pictures: Samples) -> None:
    outcome = FitPieces(1).run(
        Compilation(network_of(builder, Curve("power", (2.0,)))), replace(context, calibration=pictures)
    )
    (finding,) = outcome.diagnostics
    assert (finding.code, finding.place.layer) == ("W117", "act0")
    assert "--pieces" in str(finding.hint)


def test_without_data_all_functions_are_named(builder: Builder, context: Context) -> None:
    network = network_of(builder, Curve("sigmoid"), Curve("tanh"))
    with pytest.raises(UnusableInput) as caught:
        FitPieces().run(Compilation(network), replace(context, calibration=None))
    assert [(d.code, d.place.layer) for d in caught.value.diagnostics] == [("E226", "act0"), ("E226", "act1")]


def test_what_is_not_finite_is_refused(builder: Builder, context: Context, pictures: Samples) -> None:
    network = network_of(builder, Curve("log"))
    with pytest.raises(UnusableInput) as caught:
        FitPieces().run(Compilation(network), replace(context, calibration=pictures))
    assert [d.code for d in caught.value.diagnostics] == ["E113"]


def test_the_whole_way_with_a_row_in_the_ledger(builder: Builder, context: Context, pictures: Samples) -> None:
    from spikec.compiler.analysis.ledger import ledger

    network = network_of(builder, Curve("tanh"))
    given = replace(context, calibration=pictures)
    pipeline = run_passes(network, given, passes_for(CompileOptions(pieces=3)))
    assert pipeline.state.program is not None
    assert len(pipeline.state.program.populations) == 4
    assert [row.stage for row in ledger(pipeline, pictures).rows][:3] == ["ANN", "fitted", "QC-ANN"]
