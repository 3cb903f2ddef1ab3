"""Axons, messages, hops and busy times, counted spike by spike and synapse by synapse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec.compiler.analysis import axons as axons_module
from spikec.compiler.analysis.axons import axons_of
from spikec.compiler.analysis.traffic import Traffic, measure_traffic
from spikec.compiler.mapping import place
from spikec.compiler.mapping.cores_of import cores_of
from spikec.compiler.mapping.mesh import cores_on_mesh, mesh_of
from spikec.runtime.program import (
    INPUT,
    ConvSynapses,
    DenseSynapses,
    InputEncoding,
    IntArray,
    Population,
    Program,
    Projection,
    SparseSynapses,
)
from spikec.runtime.program.entries import entries_of
from spikec.runtime.program.geometry import ConvGeometry
from spikec.runtime.program.neuron_models import graded
from spikec.runtime.reference.network import synaptic_input
from spikec.runtime.simulator import simulate
from spikec.targets import Target, load

LOIHI = load("loihi1")


def drawn_program(seed: int, *, geometry: ConvGeometry, spread: bool = False) -> Program:
    """Input -> a convolution -> maps and a dense layer beside each other -> a read-out of both, with every kind of
    synapses; one path is delayed."""
    random = np.random.default_rng(seed)

    def weights(*shape: int) -> IntArray:
        return random.integers(-9, 10, size=shape) * (random.random(shape) < 0.7)

    rows, columns = geometry.output_size((6, 5), (3, 2))
    first, second = (4, 6, 5), (2, rows, columns)
    kernel = weights(2, 4 // geometry.groups, 3, 2)
    none = np.zeros(1, dtype=np.int64)
    return Program(
        name="drawn",
        target="loihi1",
        schedule="pipelined",
        timesteps=3,
        state_minimum=LOIHI.state_minimum,
        state_maximum=LOIHI.state_maximum,
        input=InputEncoding((2, 6, 5), (0, 1, 2), (2, 6, 5), 1.0, 0, 7, None, spread),
        populations=(
            Population("first", first, np.array(40), random.integers(0, 2, first) * 20, np.array(3), 1),
            Population("second", second, np.array(25), none, none, 2),
            Population("third", (5,), np.array(30), np.array(15), none, 2),
            Population("scores", (3,), None, none, none, 3),
        ),
        projections=(
            Projection("a", INPUT, "first", ConvSynapses(weights(4, 2, 3, 3), ConvGeometry(padding=(1, 1, 1, 1)))),
            Projection("b", "first", "second", ConvSynapses(kernel, geometry)),
            Projection("c", "first", "third", SparseSynapses.of_matrix(weights(5, 120))),
            Projection("d", "second", "scores", DenseSynapses(weights(3, 2 * rows * columns)), exponent=1),
            Projection("e", "third", "scores", DenseSynapses(weights(3, 5))),
            Projection("f", "first", "scores", DenseSynapses(weights(3, 120)), delay=1),
        ),
    )


GEOMETRIES = st.sampled_from(
    [
        ConvGeometry(),
        ConvGeometry((2, 1), (1, 1, 1, 0), (1, 1), 2),
        ConvGeometry((1, 2), (0, 2, 1, 1), (2, 1), 1),
        ConvGeometry((3, 3), (-1, 0, 0, -1), (1, 2), 1),
    ]
)


def scattered(program: Program, random: np.random.Generator) -> dict[str, IntArray]:
    """Cores that hold no boxes, and neurons of two layers together."""
    return {p.name: random.integers(0, 7, p.neurons) + 2 * number for number, p in enumerate(program.populations)}


def boxed(program: Program) -> dict[str, IntArray]:
    small = replace(LOIHI.core, neurons=replace(LOIHI.core.neurons, value=24))  # type: ignore[type-var]
    return cores_of(place(program, replace(LOIHI, core=small)))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), GEOMETRIES)
def test_entries_compute_what_the_reference_computes(seed: int, geometry: ConvGeometry) -> None:
    program = drawn_program(seed, geometry=geometry)
    random = np.random.default_rng(seed)
    for projection in program.projections:
        target = program.population(projection.target)
        sent = random.integers(0, 5, program.source_shape(projection))
        entries = entries_of(program, projection)
        assert (entries.weight != 0).all()
        received = np.bincount(entries.target, entries.weight * sent.ravel()[entries.source], target.neurons)
        assert np.array_equal(received, synaptic_input(projection, sent, target.shape).ravel())


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), GEOMETRIES, st.booleans(), st.sampled_from([1, 50, 1 << 22]))
def test_axons_are_the_pairs_that_synapses_make(seed: int, geometry: ConvGeometry, in_boxes: bool, part: int) -> None:
    program = drawn_program(seed, geometry=geometry)
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(axons_module, "_PART", part)
        check_axons(program, seed, in_boxes)


def check_axons(program: Program, seed: int, in_boxes: bool) -> None:
    cores = boxed(program) if in_boxes else scattered(program, np.random.default_rng(seed))
    for source in (INPUT, *(p.name for p in program.populations)):
        expected: dict[tuple[int, int], int] = {}
        for projection in program.projections:
            if projection.source == source:
                entries = entries_of(program, projection)
                for neuron, core in zip(entries.source, cores[projection.target][entries.target], strict=True):
                    expected[int(neuron), int(core)] = expected.get((int(neuron), int(core)), 0) + 1
        found: dict[tuple[int, int], int] = {}
        for part in axons_of(program, source, cores):
            pairs = zip(part.neuron.tolist(), part.core.tolist(), strict=True)
            once = dict(zip(pairs, part.synapses.tolist(), strict=True))
            assert len(once) == len(part.neuron)
            assert not set(once) & set(found)
            found |= once
        assert found == expected


def one_by_one(program: Program, target: Target, cores: dict[str, IntArray], samples: IntArray) -> dict[str, int]:
    """Events, hops and times of ``program`` with every spike followed along every synapse."""
    cost = target.cost
    assert cost is not None
    trains = simulate(program, samples, record=True).spike_trains
    assert trains is not None
    reached: dict[tuple[str, int], dict[int, int]] = {}
    for projection in program.projections:
        entries = entries_of(program, projection)
        for spike, core in zip(entries.source.tolist(), cores[projection.target][entries.target].tolist(), strict=True):
            met = reached.setdefault((projection.source, spike), {})
            met[core] = met.get(core, 0) + 1
    total = dict.fromkeys(("spikes", "messages", "east_west", "north_south", "synaptic_events", "alone"), 0)
    tiles = len({int(core) // 4 for each in cores.values() for core in each})
    for sample in range(len(samples)):
        for step in range(program.latency):
            sending, receiving = dict[int, int](), dict[int, int]()
            for population in program.populations:
                neuron = np.broadcast_to(population.initial_potential, population.shape).ravel()
                for core, potential in zip(cores[population.name].tolist(), neuron.tolist(), strict=True):
                    busy = cost.neuron_access_time.value
                    busy += cost.neuron_update_time.value if potential or step >= population.depth else 0
                    sending[core] = sending.get(core, 0) + busy
            for population in program.firing:
                within = step - population.depth
                if not 0 <= within < program.timesteps:
                    continue
                for spike in np.flatnonzero(trains[population.name][sample, within]).tolist():
                    here = int(cores[population.name][spike])
                    met = reached.get((population.name, spike), {})
                    total["spikes"] += 1
                    total["messages"] += len(met)
                    total["synaptic_events"] += sum(met.values())
                    sending[here] += cost.spike_time.value + len(met) * cost.message_out_time.value
                    for core, synapses in met.items():
                        total["east_west"] += abs(core // 4 // 4 - here // 4 // 4)
                        total["north_south"] += abs(core // 4 % 4 - here // 4 % 4)
                        busy = cost.message_in_time.value + synapses * cost.synaptic_event_time.value
                        receiving[core] = receiving.get(core, 0) + busy
            total["alone"] += max(*sending.values(), *receiving.values(), 0) + cost.barrier_time(tiles)
    return total


def summed(traffic: Traffic) -> dict[str, int]:
    layers = traffic.layers[1:]
    return {
        **{name: sum(getattr(each, name) for each in layers) for name in ("spikes", "messages", "synaptic_events")},
        "east_west": sum(each.hops[0] for each in layers),
        "north_south": sum(each.hops[1] for each in layers),
        "alone": int(traffic.alone.sum()),
    }


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10**6), GEOMETRIES, st.booleans())
def test_every_event_is_counted(seed: int, geometry: ConvGeometry, in_boxes: bool) -> None:
    program = drawn_program(seed, geometry=geometry)
    random = np.random.default_rng(seed)
    # Cores far apart, so that messages take hops both ways.
    cores = {k: 5 * v for k, v in (boxed(program) if in_boxes else scattered(program, random)).items()}
    samples = random.integers(0, 8, (2, *program.input.shape))
    traffic = measure_traffic(program, LOIHI, cores, samples, arrange=False)
    assert summed(traffic) == one_by_one(program, LOIHI, cores, samples)
    arranged = measure_traffic(program, LOIHI, cores, samples)
    mesh = mesh_of(LOIHI)
    assert mesh is not None
    elsewhere = cores_on_mesh(cores, mesh, arranged.place)
    assert summed(arranged) == one_by_one(program, LOIHI, elsewhere, samples)
    assert _priced_hops(arranged) <= _priced_hops(traffic)
    assert sum(each.accesses for each in traffic.layers) == 2 * program.latency * sum(
        p.neurons for p in program.populations
    )


def _priced_hops(traffic: Traffic) -> int:
    cost = LOIHI.cost
    assert cost is not None
    across, along = (sum(each.hops[n] for each in traffic.layers) for n in (0, 1))
    return across * cost.hop_east_west_energy.value + along * cost.hop_north_south_energy.value


def test_updates_begin_with_the_window_where_a_neuron_has_no_initial_potential() -> None:
    program = drawn_program(1, geometry=ConvGeometry())
    traffic = measure_traffic(program, LOIHI, boxed(program), np.zeros((1, *program.input.shape), dtype=np.int64))
    updates = {each.name: each.updates for each in traffic.layers}
    assert program.latency == 6
    charged = int((program.population("first").initial_potential != 0).sum())
    assert updates["first"] == 6 * charged + 5 * (120 - charged)
    assert updates["third"] == 6 * 5
    assert updates["scores"] == 3 * 3


@pytest.mark.parametrize("spread", [False, True])
def test_the_host_sends_what_is_not_zero(spread: bool) -> None:
    program = drawn_program(2, geometry=ConvGeometry(), spread=spread)
    samples = np.zeros((2, *program.input.shape), dtype=np.int64)
    samples[0, 0, 2, 2], samples[1, 1, 0, 0] = 1, 7
    cores = cores_of(place(program, LOIHI))
    entries = entries_of(program, program.projections[0])
    synapses = np.bincount(entries.source, minlength=60)
    first, second = int(synapses[12]), int(synapses[30])
    sent = measure_traffic(program, LOIHI, cores, samples).layers[0]
    # Spread over three steps a 1 is sent once and a 7 three times.
    assert (sent.messages, sent.synaptic_events) == (4, first + 3 * second) if spread else (6, 3 * (first + second))
    assert (sent.name, sent.accesses, sent.spikes) == (INPUT, 0, 0)


def test_a_message_is_one_whatever_its_payload() -> None:
    """The first layer sends where spikes would be, so all that its messages cause is the same; so is the time."""
    drawn = drawn_program(4, geometry=ConvGeometry())
    samples = np.random.default_rng(4).integers(0, 8, (3, 2, 6, 5))

    def of_payloads(payloads: tuple[int, int]) -> Program:
        first, *others = drawn.populations
        silent = [replace(p, threshold=None if p.threshold is None else np.array(1 << 20)) for p in others]
        populations = (replace(first, payloads=payloads, threshold=np.array(9)), *silent)
        return replace(drawn, timesteps=1, populations=populations, neuron=graded())

    wide, narrow = of_payloads((0, 7)), of_payloads((0, 1))
    payloads = simulate(wide, samples, record=True).spike_trains
    assert payloads is not None
    assert payloads["first"].max() > 1
    one, other = (measure_traffic(p, LOIHI, cores_of(place(p, LOIHI)), samples) for p in (wide, narrow))
    sent, same = one.layers[1], other.layers[1]
    assert sent.name == "first"
    assert sent.spikes == np.count_nonzero(payloads["first"]) > 0
    assert (sent.spikes, sent.messages, sent.hops) == (same.spikes, same.messages, same.hops)
    assert [layer.synaptic_events for layer in one.layers] == [layer.synaptic_events for layer in other.layers]
    np.testing.assert_array_equal(one.alone, other.alone)


def test_without_costs_there_are_events_and_no_time() -> None:
    program = drawn_program(3, geometry=ConvGeometry())
    samples = np.full((1, *program.input.shape), 5, dtype=np.int64)
    cores = cores_of(place(program, load("loihi2")))
    traffic = measure_traffic(program, load("loihi2"), cores, samples)
    assert traffic.tiles == 0
    assert len(traffic.alone) == len(traffic.streamed) == 0
    assert summed(traffic)["messages"] > 0
    assert summed(traffic)["east_west"] == 0


def test_in_a_stream_every_neuron_is_in_a_window() -> None:
    program = drawn_program(4, geometry=ConvGeometry())
    cores = cores_of(place(program, LOIHI))
    silent = measure_traffic(program, LOIHI, cores, np.zeros((1, *program.input.shape), dtype=np.int64))
    largest = max(p.neurons for p in program.populations)
    cost = LOIHI.cost
    assert cost is not None
    step = largest * (cost.neuron_access_time.value + cost.neuron_update_time.value) + cost.barrier_time(silent.tiles)
    assert silent.streamed.tolist() >= [program.window * step]
    assert silent.alone[0] > silent.streamed[0]
