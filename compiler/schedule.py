"""Which layers to gate: those whose counts are wrong most often, as far as a latency budget goes.

A layer's misfires are measured on the pipelined program with the spikes that its sources really send: a neuron
over-fires where its count N exceeds q = clip(floor((v0 + sum_t I(t)) / theta), 0, T), what the same input gives
whatever its timing, and under-fires where N is below q. The potentials that are left tell (``residuals``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..runtime.program import Program, latency_with_gates
from ..runtime.progress import untold
from ..runtime.samples import Samples
from ..targets.diagnostic import Diagnostic, UnusableInput
from ..targets.records import dataclass
from ..targets.suggestion import known_names
from .ir.network import Network
from .ir.spiking import SpikingNetwork
from .options import CompileOptions
from .passes.contract import Context, program_level, spiking_level
from .passes.gate_populations import timing_matters
from .pipeline import Pipeline, passes_for, run_passes
from .state_range import with_better_state_range

MEASURED_SAMPLES = 64
"""Calibration samples that misfires are measured on, at most."""


@dataclass(frozen=True, slots=True)
class Misfires:
    """Shares (0..1) of a layer's neurons, over all samples, whose count is above or below what their input adds to."""

    over: float
    under: float

    @property
    def share(self) -> float:
        """Share of neurons with a wrong count."""
        return self.over + self.under


def scheduled(
    network: Network, context: Context, options: CompileOptions, report: Callable[[str], None] | None = None
) -> Pipeline:
    """Run the passes; under a latency budget first without gates, to measure which layers need one."""
    passes = passes_for(options)
    if options.latency_budget is None:
        pipeline = run_passes(network, context, passes, report)
        _require_known_layers(pipeline, context)
        return with_better_state_range(pipeline, context, passes, report)
    assert context.calibration is not None, "the options' rules ask for calibration data with a budget"
    state = run_passes(network, replace(context, schedule="pipelined", ledger=False, progress=untold), passes).state
    chosen = choose_gates(spiking_level(state), program_level(state), context.calibration, options.latency_budget)
    context = replace(context, exact_layers=chosen)
    pipeline = run_passes(network, context, passes, report)
    return with_better_state_range(pipeline, context, passes, report)


def choose_gates(
    spiking: SpikingNetwork, program: Program, calibration: Samples, latency_budget: int
) -> frozenset[str]:
    """Layers to gate, worst first, while the read-out stays within ``latency_budget`` steps of the first input.

    Raises ``UnusableInput`` (E635) where even the program without gates takes longer.
    """
    least = latency_with_gates(program, frozenset())
    if least > latency_budget:
        raise UnusableInput(
            [
                Diagnostic(
                    "E635",
                    "the latency budget is shorter than the network without any gate",
                    measured=least,
                    limit=latency_budget,
                    unit="time steps",
                    hint="raise --latency-budget or lower --timesteps",
                )
            ]
        )
    gates: frozenset[str] = frozenset()
    misfires = measure_misfires(program, calibration.first(MEASURED_SAMPLES))
    for name in gates_by_need(spiking, misfires, program):
        if latency_with_gates(program, gates | {name}) <= latency_budget:
            gates |= {name}
    return gates


def gates_by_need(spiking: SpikingNetwork, misfires: dict[str, Misfires], program: Program) -> tuple[str, ...]:
    """Layers of ``program`` with misfires in which timing matters, those with most first."""
    timesteps, frames = program.timesteps, program.input.frames
    wrong = {
        p.name: misfires[p.name].share
        for p in spiking.populations
        if timing_matters(spiking, p, timesteps, frames=frames) and misfires[p.name].share > 0
    }
    return tuple(sorted(wrong, key=lambda name: -wrong[name]))


def measure_misfires(program: Program, samples: Samples) -> dict[str, Misfires]:
    """Over- and under-firing of every spiking layer on ``samples``, simulated."""
    from .analysis.residuals import measure_residuals

    return {name: Misfires(r.over, r.under) for name, r in measure_residuals(program, samples).items()}


def _require_known_layers(pipeline: Pipeline, context: Context) -> None:
    known = [p.name for p in spiking_level(pipeline.state).firing]
    unknown = sorted(context.exact_layers - set(known))
    if unknown:
        raise UnusableInput(
            Diagnostic("E634", f"there is no layer '{name}' to gate", hint=known_names(name, known)) for name in unknown
        )
