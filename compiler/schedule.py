"""Which layers to gate: those whose counts are wrong most often, as far as a latency budget goes.

A layer's misfires are measured on the pipelined program with the spikes that its sources really send: a neuron
over-fires where its count N exceeds q = clip(floor((v0 + sum_t I(t)) / theta), 0, T), what the same input gives
whatever its timing, and under-fires where N is below q.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..runtime.encoding import encode
from ..runtime.kernels import convolve
from ..runtime.program import (
    INPUT,
    ConvSynapses,
    IntArray,
    Population,
    Program,
    Projection,
    latency_with_gates,
)
from ..runtime.samples import Samples
from ..runtime.simulator import simulate
from ..targets.diagnostic import Diagnostic, UnusableInput
from .ir.network import Network
from .ir.spiking import SpikingNetwork
from .options import CompileOptions
from .passes.contract import Context, program_level, spiking_level
from .passes.gate_populations import timing_matters
from .pipeline import Pipeline, passes_for, run_passes

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
        return pipeline
    assert context.calibration is not None, "the options' rules ask for calibration data with a budget"
    state = run_passes(network, replace(context, schedule="pipelined"), passes).state
    chosen = choose_gates(spiking_level(state), program_level(state), context.calibration, options.latency_budget)
    return run_passes(network, replace(context, exact_layers=chosen), passes, report)


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
    for name in gates_by_need(spiking, misfires, program.timesteps):
        if latency_with_gates(program, gates | {name}) <= latency_budget:
            gates |= {name}
    return gates


def gates_by_need(spiking: SpikingNetwork, misfires: dict[str, Misfires], timesteps: int) -> tuple[str, ...]:
    """Layers with misfires in which timing matters, those with most first."""
    wrong = {
        p.name: misfires[p.name].share
        for p in spiking.populations
        if timing_matters(spiking, p, timesteps) and misfires[p.name].share > 0
    }
    return tuple(sorted(wrong, key=lambda name: -wrong[name]))


def measure_misfires(program: Program, samples: Samples) -> dict[str, Misfires]:
    """Over- and under-firing of every spiking layer on ``samples``, simulated."""
    encoded, _ = encode(program.input, samples.inputs)
    trains = simulate(program, encoded, record=True).spike_trains
    assert trains is not None
    counts = {name: train.sum(axis=1, dtype=np.int64) for name, train in trains.items()}
    counts[INPUT] = encoded * program.timesteps
    return {p.name: _misfires(program, p, counts) for p in program.populations[:-1]}


def _misfires(program: Program, population: Population, counts: dict[str, IntArray]) -> Misfires:
    assert population.threshold is not None
    expected = timeless_counts(program, population, counts)
    found = counts[population.name].reshape(expected.shape)
    return Misfires(float(np.mean(found > expected)), float(np.mean(found < expected)))


def timeless_counts(program: Program, population: Population, counts: dict[str, IntArray]) -> IntArray:
    """clip(floor((v0 + T b + pulses + sum_j w_j N_j) / theta), 0, T) for source counts N_j (N, ...); (N, *shape)."""
    assert population.threshold is not None
    total = population.initial_potential + program.timesteps * population.bias
    last = program.timesteps + (1 if population.gated else 0)
    total = total + sum(v for step, v in program.potential_of_pulses(population.name).items() if step <= last)
    for projection in program.incoming(population.name):
        total = total + _received(program, projection, counts[projection.source], population)
    return np.clip(total // population.threshold, 0, program.timesteps)


def _received(program: Program, projection: Projection, counts: IntArray, target: Population) -> IntArray:
    # Every sum is below 2^53, which a loaded program has been checked for.
    weight = projection.effective_weight.astype(np.float64)
    messages = counts.reshape(len(counts), *program.source_shape(projection)).astype(np.float64)
    if isinstance(projection.synapses, ConvSynapses):
        return convolve(messages, weight, projection.synapses.geometry).astype(np.int64)
    flat = messages.reshape(len(messages), -1) @ weight.T
    return flat.reshape(-1, *target.shape).astype(np.int64)


def _require_known_layers(pipeline: Pipeline, context: Context) -> None:
    known = [p.name for p in spiking_level(pipeline.state).populations[:-1]]
    unknown = sorted(context.exact_layers - set(known))
    if unknown:
        raise UnusableInput(
            Diagnostic("E634", f"there is no layer '{name}' to gate", hint=f"choose from {', '.join(known)}")
            for name in unknown
        )
