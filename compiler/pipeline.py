"""The order of the passes, and the runner that verifies between them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..runtime.program.rules import problems
from ..targets.diagnostic import Diagnostic, UnusableInput, refuse
from .ir.network import Network, evaluate
from .ir.operators import AnyFloat, QuantizeClip
from .ir.rates import evaluate_rates
from .ir.text import print_network, print_program, print_spiking
from .ir.verify import network_faults, spiking_faults
from .options import CompileOptions
from .passes.align_delays import AlignDelays
from .passes.balance_thresholds import BalanceThresholds
from .passes.calibrate_initial_potential import CalibrateInitialPotential
from .passes.calibrate_thresholds import CalibrateThresholds
from .passes.compose_linear_maps import ComposeLinearMaps
from .passes.contract import Compilation, Context, Pass
from .passes.fold_batch_norm import FoldBatchNorm
from .passes.fold_integers import FoldIntegers
from .passes.gate_populations import GatePopulations
from .passes.prove_no_overflow import ProveNoOverflow
from .passes.quantize_weights import QuantizeWeights
from .passes.recognise_activations import RecogniseActivations

PASSES: tuple[type[Pass], ...] = (
    RecogniseActivations,
    FoldBatchNorm,
    CalibrateThresholds,
    ComposeLinearMaps,
    BalanceThresholds,
    GatePopulations,
    AlignDelays,
    QuantizeWeights,
    FoldIntegers,
    CalibrateInitialPotential,
    ProveNoOverflow,
)

STAGES = len(PASSES) + 1
"""What ``compile_model`` reports the beginning of: every pass, and the report."""

# The probe runs in doubles without levels, so only reordered sums can differ.
_PROBE_TOLERANCE = 1e-6
_PROBE_SAMPLES = 1
# Half the products of three slices; operands are off by 2^-44, far below the tolerance.
_PROBE_SLICES = 2


@dataclass(frozen=True, slots=True)
class PassRecord:
    """What a pass did; ``seconds`` is wall time and never enters an artefact."""

    name: str
    changed: bool
    effect: dict[str, Any]
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Pipeline:
    """State after all passes and the way there; ``stages`` holds the state after each pass, by name."""

    state: Compilation
    records: tuple[PassRecord, ...]
    diagnostics: tuple[Diagnostic, ...]
    stages: dict[str, Compilation]

    def printed(self, name: str) -> str:
        """The lowest level that there is after the pass called ``name``, or as it was ``read-onnx``; else KeyError."""
        state = self.stages[name]
        if state.program is not None:
            return print_program(state.program)
        return print_network(state.network) if state.spiking is None else print_spiking(state.spiking)


def passes_for(options: CompileOptions) -> tuple[Pass, ...]:
    """Instantiate ``PASSES`` with the user's options."""
    configured: dict[type[Pass], Pass] = {
        CalibrateThresholds: CalibrateThresholds(options.threshold_method, options.percentile),
        CalibrateInitialPotential: CalibrateInitialPotential(options.granularity, options.iterations),
    }
    left_out = () if options.calibrate else (CalibrateInitialPotential,)
    return tuple(configured.get(kind) or kind() for kind in PASSES if kind not in left_out)


def run_passes(
    network: Network, context: Context, passes: tuple[Pass, ...], report: Callable[[str], None] | None = None
) -> Pipeline:
    """Run ``passes`` in order and verify after each; ``report(name)`` is called before each.

    Raises ``UnusableInput`` with what a pass refuses, or with E901 where a pass broke an invariant.
    """
    state = Compilation(network)
    _verify("read-onnx", None, state)
    known: AnyFloat | None = None
    records: list[PassRecord] = []
    diagnostics: list[Diagnostic] = []
    stages = {"read-onnx": state}
    for step in passes:
        if report is not None:
            report(step.name)
        started = time.perf_counter()
        outcome = step.run(state, context)
        seconds = time.perf_counter() - started
        if outcome.state is not state:
            _verify(step.name, state, outcome.state)
            if not _same_function(state, outcome.state):
                known = _checked_function(step, known, state, outcome.state) if step.preserves else None
        records.append(PassRecord(step.name, outcome.state is not state, outcome.effect, seconds))
        diagnostics += outcome.diagnostics
        state = stages[step.name] = outcome.state
    return Pipeline(state, tuple(records), tuple(diagnostics), stages)


def _verify(name: str, before: Compilation | None, after: Compilation) -> None:
    """Raise E901 for what is wrong with a level that is not the one ``before``, which was found right."""
    faults: list[str] = []
    if before is None or after.network is not before.network:
        faults += network_faults(after.network)
    if after.spiking is not None and (before is None or after.spiking is not before.spiking):
        faults += spiking_faults(after.spiking)
    if after.program is not None and (before is None or after.program is not before.program):
        faults += [d.message for d in problems(after.program)]
    if faults:
        raise UnusableInput(
            Diagnostic(
                "E901", f"after {name}: {fault}", hint="this is a fault of spikec; please report it with the model"
            )
            for fault in faults
        )


def _same_function(before: Compilation, after: Compilation) -> bool:
    """Whether what the probe reads is untouched: the very same maps, thresholds and biases."""
    if before.spiking is None or after.spiking is None:
        return before.spiking is after.spiking and before.network is after.network
    return (
        before.spiking.input == after.spiking.input
        and len(before.spiking.projections) == len(after.spiking.projections)
        and all(a.map is b.map for a, b in zip(before.spiking.projections, after.spiking.projections, strict=True))
        and all(
            a.threshold is b.threshold and a.bias is b.bias
            for a, b in zip(before.spiking.populations, after.spiking.populations, strict=True)
        )
    )


def _checked_function(step: Pass, known: AnyFloat | None, before: Compilation, after: Compilation) -> AnyFloat:
    """What the probe gives of ``after``; ``known`` is what it gives of ``before``, where that was computed already."""
    expected = _probe(before) if known is None else known
    found = _probe(after)
    scale = float(np.abs(expected).max()) or 1.0
    error = float(np.abs(expected - found).max()) / scale
    if not error <= _PROBE_TOLERANCE:
        raise refuse(
            "E901",
            f"{step.name} changed the network's function by {error:.2g} of its range",
            hint="this is a fault of spikec; please report it with the model",
        )
    return found


def _probe(state: Compilation) -> AnyFloat:
    """Scores of the latest float level on fixed random samples, with activations that only clip."""
    samples = np.random.default_rng(0).random((_PROBE_SAMPLES, *state.network.input_shape))
    if state.spiking is not None:
        rates = evaluate_rates(state.spiking, samples, continuous=True, count=_PROBE_SLICES)
        return rates[state.spiking.readout.name].reshape(_PROBE_SAMPLES, -1)
    network = _without_levels(state.network)
    return evaluate(network, samples)[network.output].reshape(_PROBE_SAMPLES, -1)


def _without_levels(network: Network) -> Network:
    return network.with_nodes(
        tuple(
            replace(n, operator=replace(n.operator, levels=None)) if isinstance(n.operator, QuantizeClip) else n
            for n in network.nodes
        )
    )
