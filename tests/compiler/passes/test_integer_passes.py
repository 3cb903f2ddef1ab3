"""Passes that make integers: limits kept, losses recorded, rates matched, overflow proven."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from spikec import targets
from spikec.compiler.ir.network import Network
from spikec.compiler.ir.text import print_program, print_spiking
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes.contract import Compilation, Context
from spikec.compiler.passes.prove_no_overflow import ProveNoOverflow
from spikec.compiler.pipeline import Pipeline, passes_for, run_passes
from spikec.runtime.encoding import encode
from spikec.runtime.program import Program
from spikec.runtime.samples import Samples
from spikec.runtime.simulator import simulate
from spikec.targets.diagnostic import UnusableInput

Golden = Callable[[str, str], None]


def compiled(network: Network, context: Context, **options: object) -> Pipeline:
    return run_passes(network, context, passes_for(CompileOptions(**options)))  # type: ignore[arg-type]


def program_of(pipeline: Pipeline) -> Program:
    assert pipeline.state.program is not None
    return pipeline.state.program


def effect(pipeline: Pipeline, name: str) -> dict[str, object]:
    return next(r.effect for r in pipeline.records if r.name == name)


def test_printed_program(quantised_network: Network, context: Context, golden: Golden) -> None:
    pipeline = compiled(quantised_network, context)
    spiking = pipeline.stages["quantize-weights"].spiking
    assert spiking is not None
    golden("quantised.txt", print_spiking(spiking))
    golden("program.txt", print_program(program_of(pipeline)))


@pytest.mark.parametrize("name", ["lava", "loihi1", "loihi2"])
@pytest.mark.parametrize("timesteps", [1, 4, 32])
def test_every_target_limit_is_kept(quantised_network: Network, context: Context, name: str, timesteps: int) -> None:
    target = targets.load(name)
    pipeline = compiled(quantised_network, replace(context, target=target, timesteps=timesteps))
    program = program_of(pipeline)
    for projection in program.projections:
        weight = projection.synapses.weight
        assert np.abs(weight).max() <= target.weights.maximum.value
        assert not (weight % target.weights.step.value).any()
        assert projection.exponent <= target.weights.exponent_maximum.value
    for population in program.populations:
        assert target.bias_representable(population.bias).all()
        if population.threshold is not None:
            assert population.threshold.max() <= target.threshold_limit.value
            assert np.abs(population.initial_potential).max() <= population.threshold.max()
            configurations = target.neuron.threshold_configurations
            assert configurations is None or len(np.unique(population.threshold)) <= configurations.value
    assert not [d for d in pipeline.diagnostics if d.code in ("E212", "E213")]


def test_narrow_state_takes_bits_from_input_and_weights(quantised_network: Network, context: Context) -> None:
    wide = program_of(compiled(quantised_network, context))
    narrow = program_of(compiled(quantised_network, replace(context, target=targets.load("loihi1"), timesteps=8)))
    assert wide.input.maximum == 255
    assert narrow.input.maximum < 255


def test_weight_bits_lower_the_target(quantised_network: Network, context: Context) -> None:
    program = program_of(compiled(quantised_network, replace(context, weight_bits=3)))
    assert max(int(np.abs(p.synapses.weight).max()) for p in program.projections) == 3


def test_integer_program_is_close_to_the_float_network(quantised_network: Network, context: Context) -> None:
    """At a long window rates reach the activations up to levels, so scores agree to a few percent of their range."""
    images = context.calibration
    assert images is not None
    long = replace(context, timesteps=256)
    nodes = tuple(
        replace(n, operator=replace(n.operator, levels=256)) if n.name.startswith("act") else n  # type: ignore[type-var]
        for n in quantised_network.nodes
    )
    pipeline = compiled(quantised_network.with_nodes(nodes), long, calibrate=False)
    program, spiking = program_of(pipeline), pipeline.state.spiking
    assert spiking is not None
    assert spiking.readout.integer_threshold is not None
    potentials = simulate(program, encode(program.input, images.inputs)[0]).readout
    scale = float(spiking.readout.integer_threshold.flat[0]) * 256
    from spikec.compiler.ir.rates import evaluate_rates

    expected = evaluate_rates(pipeline.stages["align-delays"].spiking, images.inputs / 255.0)["scores"]  # type: ignore[arg-type]
    spread = float(np.ptp(expected))
    assert float(np.abs(potentials / scale - expected).max()) < 0.05 * spread


def mean_rate_gap(pipeline: Pipeline, images: Samples) -> float:
    from spikec.compiler.ir.network import evaluate

    program, spiking = program_of(pipeline), pipeline.state.spiking
    assert spiking is not None
    execution = simulate(program, encode(program.input, images.inputs)[0], record=True)
    assert execution.spike_trains is not None
    names = frozenset(p.activation for p in spiking.populations[:-1])
    wanted = evaluate(pipeline.state.network, images.as_float(), names)
    gaps = [
        abs(float(execution.spike_trains[p.name].mean()) - float(p.rates(wanted[p.activation]).mean()))
        for p in spiking.populations[:-1]
    ]
    return max(gaps)


@pytest.mark.parametrize("granularity", ["neuron", "channel", "layer"])
def test_calibration_matches_mean_rates(quantised_network: Network, context: Context, granularity: str) -> None:
    images = context.calibration
    assert images is not None
    two = replace(context, timesteps=2)
    plain = compiled(quantised_network, two, calibrate=False)
    calibrated = compiled(quantised_network, two, granularity=granularity)
    chosen = effect(calibrated, "calibrate-initial-potential")
    assert chosen["granularity"] == granularity
    if chosen["kept"]:
        assert mean_rate_gap(calibrated, images) < mean_rate_gap(plain, images)


def test_calibration_keeps_what_the_held_out_part_prefers(quantised_network: Network, context: Context) -> None:
    chosen = effect(compiled(quantised_network, replace(context, timesteps=2)), "calibrate-initial-potential")
    divergence = chosen["held_out_divergence"]
    assert isinstance(divergence, dict)
    assert chosen["chosen"] == min(divergence, key=lambda name: divergence[name])
    assert chosen["samples"] == 30
    assert chosen["held_out_samples"] == 10


def test_without_data_nothing_is_calibrated(quantised_network: Network, context: Context) -> None:
    chosen = effect(compiled(quantised_network, replace(context, calibration=None)), "calibrate-initial-potential")
    assert chosen["kept"] is False


def overflowing(program: Program, context: Context, state: Compilation) -> list[str]:
    outcome = ProveNoOverflow().run(replace(state, program=program), context)
    return [d.code for d in outcome.diagnostics]


def test_overflow_is_proven_absent_and_found_when_present(quantised_network: Network, context: Context) -> None:
    pipeline = compiled(quantised_network, context)
    program = program_of(pipeline)
    proof = effect(pipeline, "prove-no-overflow")["layers"]
    assert isinstance(proof, dict)
    highest = max(layer["highest"] for layer in proof.values())
    lowest = min(layer["lowest"] for layer in proof.values())
    exact = replace(program, state_maximum=highest, state_minimum=lowest)
    assert overflowing(exact, context, pipeline.state) == []
    assert overflowing(replace(exact, state_maximum=highest - 1), context, pipeline.state) == ["E212"]
    assert overflowing(replace(exact, state_minimum=lowest + 1), context, pipeline.state) == ["E212"]


def test_summed_input_beyond_the_accumulator_is_found(quantised_network: Network, context: Context) -> None:
    pipeline = compiled(quantised_network, context)
    bits = context.target.neuron.input_bits_maximum
    assert bits is not None
    neuron = replace(context.target.neuron, input_bits_maximum=replace(bits, value=12))
    narrow = replace(context, target=replace(context.target, neuron=neuron))
    assert "E213" in overflowing(program_of(pipeline), narrow, pipeline.state)


def test_state_too_narrow_for_any_threshold_is_refused(quantised_network: Network, context: Context) -> None:
    bits = context.target.neuron.state_bits
    neuron = replace(context.target.neuron, state_bits=replace(bits, value=3))
    tiny = replace(context, target=replace(context.target, neuron=neuron), timesteps=64)
    with pytest.raises(UnusableInput) as refusal:
        compiled(quantised_network, tiny)
    assert {d.code for d in refusal.value.diagnostics} == {"E210"}


def test_few_bits_are_remarked(quantised_network: Network, context: Context) -> None:
    bits = context.target.neuron.state_bits
    neuron = replace(context.target.neuron, state_bits=replace(bits, value=10))
    narrow = replace(context, target=replace(context.target, neuron=neuron), timesteps=16)
    assert "W211" in {d.code for d in compiled(quantised_network, narrow).diagnostics}
