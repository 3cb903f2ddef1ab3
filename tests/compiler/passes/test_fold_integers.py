"""The last step to the chip: what is on the grid stays exact, what is rounded is rounded to nearest and recorded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spikec import targets
from spikec.compiler.ir.spiking import INPUT, DenseMap, InputSignal, Population, Projection, SpikingNetwork
from spikec.compiler.passes.contract import Compilation, Context, Outcome
from spikec.compiler.passes.fold_integers import FoldIntegers
from spikec.runtime.program import DenseSynapses, Program

THETA = 200.0


@pytest.fixture
def balanced(quantised_network: object) -> Compilation:
    """One population in units of its threshold, which is 200 on the chip, and a read-out of scale 50."""
    hidden = Population(
        "hidden",
        (2,),
        np.array([1.0]),
        np.array([0.5, 0.2538]),
        np.array([0.0, -0.0124]),
        1.0,
        "act",
        integer_threshold=np.array([THETA]),
        depth=1,
    )
    scores = Population(
        "scores",
        (1,),
        None,
        np.zeros(1),
        np.array([0.33]),
        1.0,
        "scores",
        integer_threshold=np.array([50.0]),
        depth=2,
    )
    projections = (
        Projection("in", INPUT, "hidden", DenseMap(np.array([[12.0, -8.0], [0.0, 254.0]]) / THETA), exponent=1),
        Projection("out", "hidden", "scores", DenseMap(np.array([[7.0, -3.0]]) / 50.0)),
    )
    spiking = SpikingNetwork("tiny", InputSignal((2,), (0,), (2,), 1 / 255, 0, 255), (hidden, scores), projections)
    return Compilation(quantised_network, spiking)  # type: ignore[arg-type]


def folded(state: Compilation, target: str = "lava") -> tuple[Program, Outcome]:
    outcome = FoldIntegers().run(state, Context(targets.load(target), 4, None))
    assert outcome.state.program is not None
    return outcome.state.program, outcome


def test_weights_and_thresholds_are_exact(balanced: Compilation) -> None:
    program, _ = folded(balanced)
    first, second = (p.synapses for p in program.projections)
    assert isinstance(first, DenseSynapses)
    assert first.weight.tolist() == [[6, -4], [0, 127]]
    assert program.projections[0].effective_weight.tolist() == [[12, -8], [0, 254]]
    assert second.weight.tolist() == [[7, -3]]
    threshold = program.population("hidden").threshold
    assert threshold is not None
    assert threshold.tolist() == [200]
    assert program.readout.threshold is None


def test_potentials_and_biases_are_rounded_and_the_loss_is_recorded(balanced: Compilation) -> None:
    program, outcome = folded(balanced)
    hidden = program.population("hidden")
    assert hidden.initial_potential.tolist() == [100, 51]
    assert hidden.bias.tolist() == [0, -2]
    assert program.readout.bias.tolist() == [16]
    worst = outcome.effect["worst_rounding"]
    assert worst["hidden"]["initial_potential"] == pytest.approx(0.0012)
    assert worst["hidden"]["bias"] == pytest.approx(0.0024)
    assert worst["scores"]["bias"] == pytest.approx(0.01)


def test_biases_are_those_that_the_target_can_hold(balanced: Compilation) -> None:
    assert balanced.spiking is not None
    hidden, scores = balanced.spiking.populations
    large = replace(hidden, bias=np.array([81.51, -20.005]))
    state = replace(balanced, spiking=balanced.spiking.with_parts((large, scores)))
    exact, on_chip = folded(state)[0], folded(state, "loihi1")[0]
    assert exact.population("hidden").bias.tolist() == [16302, -4001]
    held = on_chip.population("hidden").bias
    assert targets.load("loihi1").bias_representable(held).all()
    assert held.tolist() != [16302, -4001]


def test_weights_off_the_grid_are_a_fault(balanced: Compilation) -> None:
    assert balanced.spiking is not None
    first, second = balanced.spiking.projections
    off = replace(first, map=DenseMap(first.map.weight + 0.3 / THETA))
    state = replace(balanced, spiking=balanced.spiking.with_parts(projections=(off, second)))
    with pytest.raises(AssertionError, match="the weights of in are not on the integer grid"):
        folded(state)


def test_a_gated_potential_takes_in_the_biases_of_its_window(balanced: Compilation) -> None:
    assert balanced.spiking is not None
    hidden, scores = balanced.spiking.populations
    state = replace(balanced, spiking=balanced.spiking.with_parts((replace(hidden, hold=4), replace(scores, depth=6))))
    program, _ = folded(state)
    population, gate = program.population("hidden"), program.potential_of_pulses("hidden")[5]
    assert population.gated
    assert population.bias.tolist() == [0]
    # 200 (0.5 + 4 * 0) and 200 (0.2538 - 4 * 0.0124) = 40.84
    assert (population.initial_potential + gate).tolist() == [100, 41]
