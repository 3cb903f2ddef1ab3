"""Which populations are gated, and what their gates are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from spikec import targets
from spikec.compiler.ir.network import Network
from spikec.compiler.ir.text import print_program, print_spiking
from spikec.compiler.options import CompileOptions, option_problems
from spikec.compiler.passes.contract import Context, program_level, spiking_level
from spikec.compiler.pipeline import Pipeline, passes_for, run_passes
from spikec.compiler.schedule import choose_gates, measure_misfires, scheduled
from spikec.runtime.program import Program, latency_with_gates
from spikec.runtime.program.rules import problems
from spikec.runtime.samples import Samples
from spikec.targets.diagnostic import UnusableInput
from spikec.targets.facts import Flag, Number, Status
from spikec.targets.schema import Target


def compiled(network: Network, context: Context, **changes: object) -> Pipeline:
    return run_passes(network, replace(context, **changes), passes_for(CompileOptions()))  # type: ignore[arg-type]


def program_of(network: Network, context: Context, **changes: object) -> Program:
    return program_level(compiled(network, context, **changes).state)


@pytest.mark.parametrize("name", ["gate-populations", "align-delays", "fold-integers", "calibrate-initial-potential"])
def test_result_of_each_pass(
    quantised_network: Network, context: Context, golden: Callable[[str, str], None], name: str
) -> None:
    state = compiled(quantised_network, context, schedule="exact").stages[name]
    golden("exact.txt", print_spiking(spiking_level(state)) if state.program is None else print_program(state.program))


def test_only_layers_whose_input_varies_are_gated(quantised_network: Network, context: Context) -> None:
    program = program_of(quantised_network, context, schedule="exact")
    assert [p.gated for p in program.populations] == [False, *[True] * (len(program.populations) - 2), False]
    assert program.window == 2 * program.timesteps
    assert {p.step for p in program.pulses} == {program.timesteps + 1}


def test_at_one_step_nothing_is_gated(quantised_network: Network, context: Context) -> None:
    program = program_of(quantised_network, context, schedule="exact", timesteps=1)
    assert not any(p.gated for p in program.populations)
    assert (program.schedule, program.window, program.pulses) == ("exact", 1, ())


def test_a_first_layer_that_starts_outside_its_threshold_is_gated(quantised_network: Network, context: Context) -> None:
    state = compiled(quantised_network, context, schedule="exact").stages["balance-thresholds"]
    spiking = spiking_level(state)
    from spikec.compiler.passes.gate_populations import timing_matters

    first = spiking.populations[0]
    assert first.threshold is not None
    for share, matters in ((0.0, False), (0.5, False), (1.0, False), (1.01, True), (-0.01, True)):
        moved = replace(first, initial_potential=share * first.threshold)
        assert timing_matters(spiking, moved, 4) is matters


def test_delays_count_the_gates(quantised_network: Network, context: Context) -> None:
    program = program_of(quantised_network, context, schedule="exact")
    gates = frozenset(p.name for p in program.populations if p.gated)
    assert latency_with_gates(program, gates) == program.depth + program.timesteps
    assert {p.delay for p in program.projections} == {0, 1 + program.timesteps}


@pytest.mark.parametrize("target", ["lava", "loihi1", "loihi2"])
@pytest.mark.parametrize("timesteps", [2, 8])
def test_gates_are_what_the_target_can_deliver(
    quantised_network: Network, context: Context, target: str, timesteps: int
) -> None:
    chip = targets.load(target)
    program = program_of(quantised_network, context, schedule="exact", target=chip, timesteps=timesteps)
    assert not list(problems(program))
    for pulse in program.pulses:
        assert pulse.axons >= 1
        assert pulse.exponent <= chip.weights.exponent_maximum.value
        assert int(np.abs(pulse.weight).max()) <= chip.weights.maximum.value
        assert not (pulse.weight % chip.weights.step.value).any()


def with_pulsed_bias(target: Target, mantissa: int | None, exponent: int = 7) -> Target:
    def number(value: int, unit: str) -> Number:
        return Number(value, unit, "this test", Status.MEASURED)

    neuron = replace(
        target.neuron,
        pulsed_bias=Flag(True, "this test", Status.MEASURED),
        bias_mantissa_maximum=None if mantissa is None else number(mantissa, "state units"),
        bias_exponent_maximum=None if mantissa is None else number(exponent, "bits"),
    )
    return replace(target, neuron=neuron)


@pytest.mark.parametrize("mantissa", [None, 1 << 16])
def test_a_pulsed_bias_is_preferred_where_it_reaches(
    quantised_network: Network, context: Context, mantissa: int | None
) -> None:
    chip = with_pulsed_bias(context.target, mantissa)
    program = program_of(quantised_network, context, schedule="exact", target=chip)
    assert not list(problems(program))
    assert {p.axons for p in program.pulses} == {0}
    assert all(chip.bias_representable(p.potential).all() for p in program.pulses)


def test_axons_are_taken_where_a_pulsed_bias_is_too_small() -> None:
    chip = with_pulsed_bias(targets.load("lava"), 15, exponent=0)
    assert chip.pulsed_bias_at_least(np.array([15])) is not None
    assert chip.pulsed_bias_at_least(np.array([16])) is None
    assert targets.load("lava").pulsed_bias_at_least(np.array([1])) is None


def test_a_smaller_gate_is_refused(quantised_network: Network, context: Context) -> None:
    program = program_of(quantised_network, context, schedule="exact")
    pulse = next(p for p in program.pulses if p.target == program.populations[1].name)
    raised = replace(
        program.populations[1], initial_potential=program.populations[1].initial_potential + pulse.potential
    )
    broken = replace(program, populations=(program.populations[0], raised, *program.populations[2:]))
    assert [d.code for d in problems(broken)] == ["E613"]
    open_end = replace(program, pulses=tuple(p for p in program.pulses if p.target != program.populations[0].name))
    assert [d.place.layer for d in problems(open_end)] == [program.populations[0].name]


def test_layers_with_most_misfires_are_gated_first(
    quantised_network: Network, context: Context, images: Samples
) -> None:
    pipelined = compiled(quantised_network, context)
    program, spiking = program_level(pipelined.state), spiking_level(pipelined.state)
    misfires = measure_misfires(program, images)
    shares = {name: m.share for name, m in misfires.items()}
    assert shares[program.populations[0].name] == 0
    assert max(shares.values()) > 0
    least = latency_with_gates(program, frozenset())
    assert choose_gates(spiking, program, images, least) == frozenset()
    one = choose_gates(spiking, program, images, least + program.timesteps)
    assert max(shares, key=lambda name: shares[name]) in one
    exact = choose_gates(spiking, program, images, 10_000)
    assert exact == {name for name, share in shares.items() if share > 0}
    with pytest.raises(UnusableInput) as refusal:
        choose_gates(spiking, program, images, least - 1)
    assert [d.code for d in refusal.value.diagnostics] == ["E635"]


def test_a_budget_gives_a_mixed_program(quantised_network: Network, context: Context) -> None:
    options = CompileOptions(schedule="mixed", latency_budget=13, calibration=context.calibration)
    pipeline = scheduled(quantised_network, replace(context, schedule="mixed"), options)
    program = program_level(pipeline.state)
    assert program.depth + program.timesteps <= 13
    assert 0 < sum(p.gated for p in program.populations) < len(program.populations) - 2
    assert program.schedule == "mixed"


def test_unknown_layers_are_named(quantised_network: Network, context: Context) -> None:
    options = CompileOptions(schedule="mixed", exact_layers=("conv2", "conv7"))
    with pytest.raises(UnusableInput) as refusal:
        scheduled(quantised_network, replace(context, schedule="mixed", exact_layers=frozenset({"conv7"})), options)
    assert [(d.code, "conv7" in d.message) for d in refusal.value.diagnostics] == [("E634", True)]


@pytest.mark.parametrize(
    "changes",
    [
        {"schedule": "mixed"},
        {"schedule": "mixed", "latency_budget": 9},
        {"schedule": "mixed", "latency_budget": 0, "calibration": "c.npz"},
        {"schedule": "mixed", "latency_budget": 9, "exact_layers": ("a",), "calibration": "c.npz"},
        {"schedule": "exact", "exact_layers": ("a",)},
        {"latency_budget": 9},
    ],
)
def test_contradictory_choices_are_refused(changes: dict[str, object]) -> None:
    assert "E630" in {d.code for d in option_problems(CompileOptions(**changes))}  # type: ignore[arg-type]
