"""Thresholds and potentials chosen by counts: smallest error, equal means."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spikec.compiler.ir.operators import FloatArray
from spikec.compiler.passes.choose_by_counts import Received, chosen_by_counts, chosen_start
from spikec.runtime.encoding import encode
from spikec.runtime.program import DenseSynapses, InputEncoding, Population, Program, Projection
from spikec.runtime.simulator import PopulationSimulator, encoded_input

T = 8
ONE = 1000


def received(values: FloatArray, wanted: FloatArray) -> tuple[Population, Received]:
    """Two neurons that receive ``values`` (N, 2) of their thresholds at every step, and should count ``wanted``."""
    neurons = Population("a", (2,), np.full(2, ONE), np.full(2, ONE // 2), np.zeros(2, dtype=np.int64), 1)
    readout = Population("b", (2,), None, np.zeros(2, dtype=np.int64), np.zeros(2, dtype=np.int64), 2)
    diagonal = np.diag(np.full(2, 1))
    program = Program(
        name="two",
        target="none",
        schedule="pipelined",
        timesteps=T,
        state_minimum=-(1 << 40),
        state_maximum=1 << 40,
        input=InputEncoding((2,), (0,), (2,), 1 / ONE, -4 * ONE, 4 * ONE),
        populations=(neurons, readout),
        projections=(
            Projection("in", "input", "a", DenseSynapses(diagonal)),
            Projection("out", "a", "b", DenseSynapses(diagonal)),
        ),
    )
    simulator = PopulationSimulator(program, neurons)
    sent = {"input": encoded_input(program.input, encode(program.input, values.astype(np.float32))[0], T)}
    by_place = wanted.reshape(len(wanted), 1, 1, 2).astype(np.float32)
    return neurons, Received(simulator, simulator.receive(sent, len(values)), by_place, T, np.array([0.0, 0.0]))


def test_a_channel_of_small_values_gets_a_small_threshold() -> None:
    values = np.random.default_rng(0).random((200, 2)) * [0.2, 1.0]
    neurons, data = received(values, values)
    chosen = chosen_by_counts(neurons, data)
    assert chosen.threshold is not None
    assert 150 <= chosen.threshold[0] <= 200
    assert 780 <= chosen.threshold[1] <= 1000


def test_a_threshold_that_is_given_stays() -> None:
    values = np.random.default_rng(0).random((200, 2)) * 0.2
    neurons, data = received(values, values)
    chosen = chosen_start(neurons, data, np.ones(1))
    assert chosen.threshold is not None
    assert (chosen.threshold == ONE).all()


@pytest.mark.parametrize("lost", [-0.04, 0.04])
def test_potentials_make_the_means_equal(lost: float) -> None:
    values = 0.2 + 0.5 * np.random.default_rng(1).random((400, 2))
    neurons, data = received(values, values + lost)
    chosen = chosen_start(neurons, data, np.ones(1))

    def mean_value(population: Population) -> float:
        spikes = data.simulator.fire(data.input, population.initial_potential, population.threshold)
        return float(spikes.counts.mean()) / T

    wanted = float(values.mean()) + lost
    assert abs(mean_value(chosen) - wanted) < 0.003 < abs(mean_value(neurons) - wanted)


def test_starts_apart_keep_the_means_equal() -> None:
    values = 0.2 + 0.5 * np.random.default_rng(3).random((400, 2))
    neurons, data = received(values, values)
    together = chosen_start(neurons, data, np.ones(1))
    chosen = chosen_start(neurons, replace(data, stagger=np.array([0.25, -0.25])), np.ones(1))
    apart = chosen.initial_potential - together.initial_potential
    spikes = data.simulator.fire(data.input, chosen.initial_potential, chosen.threshold)
    assert abs(float(spikes.counts.mean()) / T - float(values.mean())) < 0.01
    assert (abs(apart) < 20).all(), "each neuron is a channel of its own here, whose mean takes the stagger back"


def test_a_silent_channel_keeps_a_threshold() -> None:
    values = np.random.default_rng(2).random((50, 2)) * [0.0, 1.0]
    neurons, data = received(values, values)
    chosen = chosen_by_counts(neurons, data)
    assert chosen.threshold is not None
    assert (chosen.threshold >= 100).all()
