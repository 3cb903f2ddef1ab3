"""The exact schedule: counts are those of the quantised activation, whatever the timing of the spikes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec import targets
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes.contract import Context
from spikec.compiler.passes.gates import with_gates
from spikec.compiler.pipeline import passes_for, run_passes
from spikec.runtime.agreement import compare
from spikec.runtime.encoding import encode
from spikec.runtime.program import INPUT, DenseSynapses, InputEncoding, IntArray, Population, Program, Projection
from spikec.runtime.program.rules import problems
from spikec.runtime.reference.network import run_reference, synaptic_input
from spikec.runtime.simulator import simulate
from spikec.targets.diagnostic import UnusableInput

CASES = {
    "seed": st.integers(0, 2**32 - 1),
    "name": st.sampled_from(("lava", "loihi1", "loihi2")),
    "timesteps": st.integers(1, 8),
    "weight_bits": st.sampled_from((None, 3)),
    "calibrated": st.booleans(),
    "share": st.sampled_from((None, 0.5)),
}


def quantised_counts(program: Program, samples: IntArray) -> dict[str, IntArray]:
    """Counts of the integer quantised network: no time in it, sums and one rounding per layer; and the scores."""
    sent: dict[str, IntArray] = {INPUT: samples if program.input.spread else program.timesteps * samples}
    for population in program.populations:
        opened = sum(p.potential for p in program.pulses if p.target == population.name and population.gated)
        total = np.zeros((len(samples), *population.shape), dtype=np.int64)
        for n in range(len(samples)):
            for projection in program.incoming(population.name):
                total[n] += synaptic_input(projection, sent[projection.source][n], population.shape)
        total += population.initial_potential + opened + program.timesteps * population.bias
        if population.threshold is None:
            sent[population.name] = total
            continue
        sent[population.name] = np.clip(total // population.threshold, 0, program.timesteps)
    return sent


def errors_of(drawn: Any, context: Context) -> set[str]:
    try:
        pipeline = run_passes(drawn.network, context, passes_for(CompileOptions(calibrate=False)))
    except UnusableInput as refusal:
        return {d.code for d in refusal.diagnostics}
    return {d.code for d in pipeline.diagnostics if d.code[0] == "E"}


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    seed=CASES["seed"],
    name=CASES["name"],
    timesteps=st.sampled_from((2, 4, 8, 32)),
    bytes_alone=st.booleans(),
)
def test_what_fits_pipelined_fits_exact(
    random_network: Callable[[int], Any], seed: int, name: str, timesteps: int, bytes_alone: bool
) -> None:
    drawn = random_network(seed)
    context = Context(targets.load(name), timesteps, None if bytes_alone and drawn.exact_levels else drawn.images)
    if not errors_of(drawn, context):
        assert not errors_of(drawn, replace(context, schedule="exact"))


@settings(max_examples=50, deadline=None, derandomize=True)
@given(**CASES)
def test_random_networks_count_as_the_quantised_network(
    random_network: Callable[[int], Any],
    seed: int,
    name: str,
    timesteps: int,
    weight_bits: int | None,
    calibrated: bool,
    share: float | None,
) -> None:
    drawn = random_network(seed)
    context = Context(targets.load(name), timesteps, drawn.images if calibrated else None, weight_bits)
    layers: frozenset[str] = frozenset()
    schedule = "exact"
    try:
        if share is not None:
            state = run_passes(drawn.network, context, passes_for(CompileOptions())).state
            assert state.program is not None
            random = np.random.default_rng(seed)
            layers = frozenset(p.name for p in state.program.populations[:-1] if random.random() < share)
            schedule = "mixed"
        gated = Context(context.target, timesteps, context.calibration, weight_bits, schedule, layers)
        pipeline = run_passes(drawn.network, gated, passes_for(CompileOptions()))
    except UnusableInput as refusal:
        refused = {d.code for d in refusal.diagnostics}
    else:
        refused = set()
    assert refused <= {"E210", "E221", "E222"}
    if refused:
        return
    program = pipeline.state.program
    assert program is not None
    assert not list(problems(program))
    assert not [d for d in pipeline.diagnostics if d.code[0] == "E"]
    samples, _ = encode(program.input, drawn.images.inputs[:3])
    stepped, fast = run_reference(program, samples, record=True), simulate(program, samples, record=True)
    assert compare(program, [stepped, fast]).first_difference is None
    if schedule == "mixed":
        return
    expected = quantised_counts(program, samples)
    assert stepped.spike_trains is not None
    for layer, trains in stepped.spike_trains.items():
        counts = trains.sum(axis=1, dtype=np.int64)
        assert np.array_equal(counts, expected[layer].reshape(counts.shape)), layer
    assert np.array_equal(stepped.readout, expected[program.readout.name].reshape(stepped.readout.shape))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    trains=st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=6),
    weights=st.lists(st.integers(-127, 127), min_size=6, max_size=6),
    threshold=st.integers(1, 300),
    initial=st.integers(-400, 400),
    name=st.sampled_from(("lava", "loihi2")),
)
def test_any_timing_gives_the_same_count(
    trains: list[list[bool]], weights: list[int], threshold: int, initial: int, name: str
) -> None:
    timesteps = 4
    weight = np.array([weights[: len(trains)]], dtype=np.int64)

    def one(value: int) -> IntArray:
        return np.array([value], dtype=np.int64)

    sources = Population("sources", (len(trains),), one(1), one(0), one(0), depth=1)
    neuron = Population("neuron", (1,), one(threshold), one(initial), one(0), depth=2, gated=True)
    readout = Population("readout", (1,), None, one(0), one(0), depth=3 + timesteps)
    program = with_gates(
        Program(
            "any timing",
            name,
            "mixed",
            timesteps,
            -(1 << 31),
            (1 << 31) - 1,
            InputEncoding((len(trains),), (0,), (len(trains),), 1.0, 0, 1),
            (sources, neuron, readout),
            (
                Projection("in", INPUT, "sources", DenseSynapses(np.eye(len(trains), dtype=np.int64))),
                Projection("spikes", "sources", "neuron", DenseSynapses(weight)),
                Projection("out", "neuron", "readout", DenseSynapses(np.ones((1, 1), dtype=np.int64))),
            ),
        ),
        targets.load(name),
    )
    assert not list(problems(program))
    opened = sum(int(p.potential.sum()) for p in program.pulses if p.target == "neuron")
    v = int(program.population("neuron").initial_potential[0])
    count = 0
    for step in range(2 * timesteps):
        if step < timesteps:
            v += sum(w for w, train in zip(weights, trains, strict=False) if train[step])
        v += opened if step == timesteps else 0
        fires = v >= threshold
        assert not (fires and step < timesteps)
        v -= threshold * fires
        count += fires
    total = initial + sum(w * sum(train) for w, train in zip(weights, trains, strict=False))
    assert count == min(max(total // threshold, 0), timesteps)
