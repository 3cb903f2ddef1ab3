"""Messages between layers and between chips, against a count of every pair of a neuron and a core."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec.compiler.analysis.flows import measure_flows
from spikec.compiler.analysis.residuals import measure_activity
from spikec.compiler.analysis.traffic import measure_traffic
from spikec.runtime.program import INPUT
from spikec.runtime.program.entries import entries_of
from spikec.runtime.program.geometry import ConvGeometry
from spikec.targets import Target

from .test_traffic import GEOMETRIES, LOIHI, boxed, drawn_program, scattered


def small_chips() -> Target:
    """Chips of one column of two tiles of two cores."""
    sizes = {"cores_per_tile": 2, "mesh_columns": 1, "mesh_rows": 2}
    numbers = {name: replace(getattr(LOIHI.chip, name), value=value) for name, value in sizes.items()}
    return replace(LOIHI, chip=replace(LOIHI.chip, **numbers))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), GEOMETRIES, st.booleans())
def test_flows_are_counted_pair_by_pair(seed: int, geometry: ConvGeometry, in_boxes: bool) -> None:
    program, target = drawn_program(seed, geometry=geometry), small_chips()
    random = np.random.default_rng(seed)
    cores = boxed(program) if in_boxes else scattered(program, random)
    samples = random.integers(0, 8, (3, *program.input.shape))
    spikes = measure_activity(program, samples).spikes
    found = measure_flows(program, target, cores, spikes, samples)
    assert {(each.source, each.target) for each in found.along} == {(p.source, p.target) for p in program.projections}
    once: dict[tuple[str, int, int], int] = {}
    for flow in found.along:
        reached = set()
        for projection in program.projections:
            if (projection.source, projection.target) == (flow.source, flow.target):
                entries = entries_of(program, projection)
                reached |= set(zip(entries.source.tolist(), cores[flow.target][entries.target].tolist(), strict=True))
        if flow.source == INPUT:
            live = samples != 0
            sent = program.timesteps * live.sum(axis=0).ravel()
            assert flow.crossings == 0
        else:
            sent = spikes[flow.source].ravel()
            own = cores[flow.source]
            assert flow.crossings == sum(int(sent[n]) for n, core in reached if own[n] // 4 != core // 4)
            once |= {(flow.source, n, core): int(sent[n]) for n, core in reached}
        assert flow.messages == sum(int(sent[n]) for n, _ in reached)
    between = np.zeros_like(found.between)
    for (source, neuron, core), messages in once.items():
        between[cores[source][neuron] // 4, core // 4] += messages
    assert np.array_equal(found.between, between)


def test_flows_and_traffic_count_the_same_messages() -> None:
    program, target = drawn_program(3, geometry=ConvGeometry()), small_chips()
    cores = scattered(program, np.random.default_rng(3))
    samples = np.random.default_rng(3).integers(0, 8, (2, *program.input.shape))
    traffic = measure_traffic(program, target, cores, samples)
    found = measure_flows(program, target, cores, measure_activity(program, samples).spikes, samples)
    assert found.between.sum() == sum(layer.messages for layer in traffic.layers if layer.name != INPUT)
    assert found.between.sum() - np.trace(found.between) == traffic.crossings
    given_messages = sum(flow.messages for flow in found.along if flow.source == INPUT)
    assert given_messages == next(layer.messages for layer in traffic.layers if layer.name == INPUT)


def test_without_a_mesh_all_is_one_chip() -> None:
    program = drawn_program(1, geometry=ConvGeometry())
    target = replace(LOIHI, chip=replace(LOIHI.chip, mesh_rows=None))
    samples = np.ones((1, *program.input.shape), dtype=np.int64)
    spikes = measure_activity(program, samples).spikes
    found = measure_flows(program, target, scattered(program, np.random.default_rng(1)), spikes, samples)
    assert found.between.shape == (1, 1)
    assert not any(flow.crossings for flow in found.along)
