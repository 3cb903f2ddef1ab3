"""Random networks for every target: refused with a reason, or compiled into a program that keeps every promise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec import targets
from spikec.compiler.analysis.ledger import ledger
from spikec.compiler.ir.network import evaluate
from spikec.compiler.ir.rates import evaluate_rates
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes.contract import Compilation, Context
from spikec.compiler.pipeline import Pipeline, passes_for, run_passes
from spikec.runtime.agreement import compare
from spikec.runtime.encoding import encode
from spikec.runtime.program import INPUT, IntArray, Program
from spikec.runtime.program.rules import problems
from spikec.runtime.program.storage import program_files
from spikec.runtime.reference.network import run_reference, synaptic_input
from spikec.runtime.simulator import simulate
from spikec.targets import Target
from spikec.targets.diagnostic import UnusableInput

SEEDS = st.integers(0, 2**32 - 1)
CASES = {
    "seed": SEEDS,
    "name": st.sampled_from(("lava", "loihi1", "loihi2")),
    "timesteps": st.sampled_from((1, 2, 3, 5, 8)),
    "weight_bits": st.sampled_from((None, 2, 4)),
    "calibrated": st.booleans(),
}


def compiled(network: Any, context: Context) -> Pipeline | None:
    """The pipeline's result; None where the network was refused with a complete diagnostic."""
    try:
        return run_passes(network, context, passes_for(CompileOptions()))
    except UnusableInput as refusal:
        found = refusal.diagnostics
    assert found
    for diagnostic in found:
        assert diagnostic.code in ("E210", "E221", "E222")
        assert diagnostic.place.layer is not None
        assert diagnostic.hint is not None
    return None


def trains_of(program: Program, samples: IntArray) -> tuple[dict[str, IntArray], dict[str, tuple[int, int]]]:
    """Messages of every population and the extremes of its u, layer by layer and without saturation."""
    steps = [program.input.messages(samples, step, program.timesteps) for step in range(program.timesteps)]
    sent: dict[str, IntArray] = {INPUT: np.stack(steps, axis=1)}
    extremes = {}
    for population in program.populations:
        v = np.broadcast_to(population.initial_potential, (len(samples), *population.shape)).astype(np.int64)
        spikes = np.zeros((len(samples), program.timesteps, *population.shape), dtype=np.int64)
        reached = []
        for step in range(program.timesteps):
            for n in range(len(samples)):
                received = [
                    synaptic_input(p, sent[p.source][n, step], population.shape)
                    for p in program.incoming(population.name)
                ]
                v[n] = v[n] + sum(received) + population.bias
            reached += [int(v.min()), int(v.max())]
            if population.threshold is not None:
                spikes[:, step] = v >= population.threshold
                v = v - population.threshold * spikes[:, step]
        sent[population.name], extremes[population.name] = spikes, (min(reached), max(reached))
    return sent, extremes


def assert_within(program: Program, target: Target) -> None:
    for projection in program.projections:
        weight = projection.synapses.weight
        assert int(np.abs(weight).max(initial=0)) <= target.weights.maximum.value
        assert not (weight % target.weights.step.value).any()
        assert 0 <= projection.exponent <= target.weights.exponent_maximum.value
        assert projection.delay >= 0
        assert target.delay_maximum is None or projection.delay <= target.delay_maximum.value
    for population in program.populations:
        assert target.bias_representable(population.bias).all()
        potential: npt.NDArray[np.int64] = population.initial_potential
        assert target.state_minimum <= int(potential.min())
        assert int(potential.max()) <= target.state_maximum
        if population.threshold is None:
            continue
        assert int(population.threshold.min()) >= 1
        assert int(population.threshold.max()) <= target.threshold_limit.value
        configurations = target.neuron.threshold_configurations
        assert configurations is None or len(np.unique(population.threshold)) <= configurations.value
    graded = target.graded_input
    if graded is not None and graded.value > 1:
        low, high = program.input.message_range(program.timesteps)
        assert max(-low, high) < 1 << graded.value


@settings(max_examples=60, deadline=None, derandomize=True)
@given(**CASES)
def test_every_promise_is_kept(
    random_network: Callable[[int], Any],
    seed: int,
    name: str,
    timesteps: int,
    weight_bits: int | None,
    calibrated: bool,
) -> None:
    drawn, target = random_network(seed), targets.load(name)
    context = Context(target, timesteps, drawn.images if calibrated else None, weight_bits)
    pipeline = compiled(drawn.network, context)
    if pipeline is None:
        return
    program = pipeline.state.program
    assert program is not None
    assert not list(problems(program))
    assert_within(program, target)
    assert not [d for d in pipeline.diagnostics if d.code[0] == "E"]

    samples, _ = encode(program.input, drawn.images.inputs[:2])
    fast, slow = simulate(program, samples, record=True), run_reference(program, samples, record=True)
    assert compare(program, [slow, fast]).first_difference is None

    sent, extremes = trains_of(program, samples)
    proofs = pipeline.records[-1].effect["layers"]
    for layer, (lowest, highest) in extremes.items():
        assert proofs[layer]["proven"]
        assert proofs[layer]["lowest"] <= lowest <= highest <= proofs[layer]["highest"]
    assert fast.spike_trains is not None
    for layer, trains in fast.spike_trains.items():
        assert np.array_equal(trains, sent[layer].reshape(trains.shape))

    rows = ledger(pipeline, context.calibration).rows
    has_labels = context.calibration is not None and context.calibration.labels is not None
    assert [row.accuracy is not None for row in rows] == [has_labels] * len(rows)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(**CASES)
def test_the_same_bytes_twice(
    random_network: Callable[[int], Any],
    seed: int,
    name: str,
    timesteps: int,
    weight_bits: int | None,
    calibrated: bool,
) -> None:
    def files() -> dict[str, bytes] | None:
        drawn = random_network(seed)
        context = Context(targets.load(name), timesteps, drawn.images if calibrated else None, weight_bits)
        pipeline = compiled(drawn.network, context)
        if pipeline is None:
            return None
        assert pipeline.state.program is not None
        return dict(program_files(pipeline.state.program))

    assert files() == files()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=SEEDS)
def test_rates_with_levels_are_the_activations(random_network: Callable[[int], Any], seed: int) -> None:
    drawn = random_network(seed)
    if not drawn.exact_levels:
        return
    passes = passes_for(CompileOptions())
    floats = passes[: [p.name for p in passes].index("fold-constants")]
    state: Compilation = run_passes(drawn.network, Context(targets.load("lava"), 4), floats).state
    spiking = state.spiking
    assert spiking is not None
    samples = drawn.images.as_float().astype(np.float64)
    expected = evaluate(drawn.network, samples, frozenset(p.activation for p in spiking.populations))
    rates = evaluate_rates(spiking, samples)
    for population in spiking.populations:
        wanted = expected[population.activation] / population.spike_value
        # Doubles. A value within rounding of a level may fall to either side; random numbers do not lie there.
        scale = max(1.0, float(np.abs(wanted).max())) if population.threshold is None else 1.0
        np.testing.assert_allclose(
            rates[population.name].reshape(wanted.shape), wanted, rtol=0, atol=1e-7 * scale, err_msg=population.name
        )
