"""Events times figures, the units that they are told in, and NeuroBench's metrics of a network counted by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spikec.compiler.analysis.cost import estimate, measure_cost
from spikec.compiler.analysis.traffic import LayerTraffic, Traffic
from spikec.compiler.mapping import place
from spikec.compiler.report.content import CostSection
from spikec.compiler.report.summary import in_units
from spikec.runtime.program import INPUT, DenseSynapses, InputEncoding, IntArray, Population, Program, Projection
from spikec.targets import load

LOIHI = load("loihi1")


def ints(*values: int) -> IntArray:
    return np.array(values, dtype=np.int64)


def two_neurons() -> Program:
    """Two inputs drive two neurons that fire at every step where their input is above 0; one read-out counts them."""
    return Program(
        name="hand",
        target="loihi1",
        schedule="pipelined",
        timesteps=2,
        state_minimum=LOIHI.state_minimum,
        state_maximum=LOIHI.state_maximum,
        input=InputEncoding((2,), (0,), (2,), 1.0, 0, 3),
        populations=(
            Population("pair", (2,), ints(2), ints(0), ints(0), 1),
            Population("sum", (1,), None, ints(0), ints(0), 2),
        ),
        projections=(
            Projection("a", INPUT, "pair", DenseSynapses(np.array([[2, 0], [0, 2]]))),
            Projection("b", "pair", "sum", DenseSynapses(np.array([[2, 2]]))),
        ),
    )


def measured(target_name: str = "loihi1") -> CostSection:
    program, target = two_neurons(), load(target_name)
    return measure_cost(program, target, place(program, target), np.array([[1, 0], [1, 1]]), macs=6)


def test_events_of_two_samples_by_hand() -> None:
    cost = measured()
    pair, scores = cost.rows
    # One neuron fires twice for the first sample, both twice for the second.
    assert (pair.spikes, pair.messages, pair.synaptic_events) == (3, 3, 0)
    assert (scores.spikes, scores.messages, scores.synaptic_events) == (0, 0, 3)
    # Four steps; the pair waits one for its window, the read-out two.
    assert (pair.updates, scores.updates) == (6, 2)
    assert (pair.hops, cost.steps, cost.samples) == (0, 4, 2)
    assert (cost.host_messages, cost.host_values) == (3, 1)
    found = cost.estimate
    assert found is not None
    soma = 12 * 51.2 + 8 * 21.6 + 3 * 69.3
    assert found.joules_by_part == pytest.approx({"synapse": 72e-12, "soma": soma * 1e-12, "network": 333e-12})
    assert found.joules == pytest.approx(sum(found.joules_by_part.values()))
    assert pair.joules == pytest.approx((8 * 51.2 + 6 * 21.6 + 3 * 69.3 + 333) * 1e-12)
    assert found.joules_least == found.joules
    assert found.joules_most == pytest.approx(found.joules + 3 * 11.5e-12)
    assert found.input_joules == pytest.approx(72e-12)
    assert found.source == "SANA-FE arch/loihi.yaml, after Davies et al. 2018"
    # Step 1: two accesses. Steps 2 and 3: accesses, updates and the spikes. Step 4: accesses and updates.
    first, second = (6 * 2 + 2 * (9.7 * 2 + spikes * 35.1) + 9.7 * 2 for spikes in (1, 2))
    assert found.seconds == pytest.approx((4 * 600 + (first + second) / 2) * 1e-9)
    streamed = [2 * 600 + 2 * (9.7 * 2 + spikes * 35.1) for spikes in (1, 2)]
    assert found.seconds_streamed == pytest.approx(sum(streamed) / 2 * 1e-9)


def test_metrics_under_neurobenchs_names() -> None:
    cost = measured()
    assert cost.synaptic_operations == {"Effective_MACs": 3, "Effective_ACs": 3, "Dense": 12}
    assert cost.neurobench["connection_sparsity"] == 2 / 6
    # Two neurons, two steps, two samples, and six spikes.
    assert cost.neurobench["activation_sparsity"] == 2 / 8
    placed = place(two_neurons(), LOIHI)
    bits = 4 * placed.layer("pair").weight_bits + 2 * placed.layer("sum").weight_bits + 3 * 24
    assert cost.neurobench["footprint"] == -(-bits // 8)
    # Eq. 18: two synapses of the input, three accumulates, six operations of the ANN.
    assert cost.ratio_once == pytest.approx((2 * 4.6 + 3 * 0.9) / (6 * 4.6))
    assert cost.ratio_every_step == pytest.approx((4 * 4.6 + 3 * 0.9) / (6 * 4.6))


def test_without_figures_there_are_events_and_a_reason() -> None:
    cost = measured("loihi2")
    assert cost.estimate is None
    assert "no energy and time per event are published for Intel Loihi 2" in cost.reason
    assert [row.joules for row in cost.rows] == [None, None]
    assert [row.hops for row in cost.rows] == [None, None]
    assert [row.synaptic_events for row in cost.rows] == [0, 3]


def test_hops_are_priced_by_direction() -> None:
    cost = LOIHI.cost
    assert cost is not None
    layers = (LayerTraffic(INPUT, 0, 0, 0, 0, (0, 0), 0), LayerTraffic("a", 0, 0, 0, 1, (10, 100), 0))
    traffic = Traffic(1, layers, ints(5_000_000), ints(2_000_000), 2, 2, np.arange(2), 0, 0)
    found = estimate(traffic, cost)
    assert found.joules == pytest.approx((111 + 10 * 3 + 100 * 4.2) * 1e-12)
    assert (found.seconds, found.seconds_streamed) == (5e-6, 2e-6)
    dearer = replace(cost, message_out_energy=replace(cost.message_out_energy, least=100_000, most=120_000))
    assert estimate(traffic, dearer).joules_least == pytest.approx(found.joules - 11e-12)
    assert estimate(traffic, dearer).joules_most == pytest.approx(found.joules + 9e-12)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.25e-4, "125 uJ"),
        (0.0, "0 pJ"),
        (3.5, "3.5 J"),
        (9.994e-7, "999 nJ"),
        (2e-15, "0.002 pJ"),
        (0.0421, "42.1 mJ"),
    ],
)
def test_joules_in_a_unit_that_suits_them(value: float, text: str) -> None:
    assert in_units(value, "J") == text
