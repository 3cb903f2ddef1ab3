"""The order of the passes, and the runner that verifies between them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import field, replace
from functools import partial
from typing import Any

import numpy as np

from ..runtime.program.rules import problems
from ..runtime.progress import within
from ..targets.diagnostic import Diagnostic, UnusableInput
from ..targets.records import dataclass
from .analysis.class_scores import rate_scores
from .ir.network import Network
from .ir.operators import AnyFloat
from .ir.text import print_network, print_program, print_spiking
from .ir.verify import network_faults, overflowed_nodes, overflowed_populations, spiking_faults
from .kept_stages import MEASURED, is_large, let_go, settled, without_weights
from .options import CompileOptions
from .passes.align_delays import AlignDelays
from .passes.average_maxima import AverageMaxima
from .passes.balance_thresholds import BalanceThresholds
from .passes.calibrate_initial_potential import CalibrateInitialPotential
from .passes.calibrate_state_range import CalibrateStateRange
from .passes.calibrate_thresholds import CalibrateThresholds
from .passes.clip_silent_sources import ClipSilentSources
from .passes.compose_linear_maps import ComposeLinearMaps
from .passes.contract import LEDGER_SAMPLES, Compilation, Context, Outcome, Pass, spiking_level
from .passes.encode_input import EncodeInput
from .passes.expand_activations import ExpandActivations
from .passes.expand_maxima import ExpandMaxima
from .passes.fit_counts import FitCounts
from .passes.fit_pieces import FitPieces
from .passes.fold_batch_norm import FoldBatchNorm
from .passes.fold_constants import FoldConstants
from .passes.fold_integers import FoldIntegers
from .passes.free_ends import FreeEnds
from .passes.gate_populations import GatePopulations
from .passes.prove_no_overflow import ProveNoOverflow
from .passes.quantize_weights import QuantizeWeights
from .passes.recognise_activations import RecogniseActivations
from .passes.split_branches import SplitBranches
from .probe import check_kept, overflow, same_function
from .shared_passes import shared_outcome

PASSES: tuple[type[Pass], ...] = (
    RecogniseActivations,
    FreeEnds,
    ExpandActivations,
    FitPieces,
    AverageMaxima,
    FoldBatchNorm,
    CalibrateThresholds,
    ExpandMaxima,
    SplitBranches,
    ComposeLinearMaps,
    BalanceThresholds,
    FoldConstants,
    ClipSilentSources,
    FitCounts,
    CalibrateStateRange,
    EncodeInput,
    GatePopulations,
    AlignDelays,
    QuantizeWeights,
    FoldIntegers,
    CalibrateInitialPotential,
    ProveNoOverflow,
)

_FLOATS_AT_ONCE = 32
"""Samples."""

PROBE = "probe"
"""Checking that the passes until here kept the function."""

_AFTER: dict[type[Pass], tuple[str, ...]] = {
    BalanceThresholds: (f"ledger after {MEASURED[0]}",),
    QuantizeWeights: (PROBE, f"ledger after {MEASURED[1]}"),
}
"""What may be long between one pass and the next, of a large network."""

STAGES = (
    "read-model",
    *(name for kind in PASSES for name in (kind().name, *_AFTER.get(kind, ()))),
    *("place", "ledger", "check", "try-hints", "report", "write"),
)
"""What the beginning of is reported: reading, every pass, what is measured and checked between them, the steps of the
report, and writing the artefact."""


@dataclass(frozen=True, slots=True)
class PassRecord:
    """What a pass did; ``seconds`` is wall time and never enters an artefact."""

    name: str
    changed: bool
    effect: dict[str, Any]
    seconds: float
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Pipeline:
    """State after all passes and the way there; ``stages`` holds the state after each pass, by name.

    Of a network with more than 2^24 weights at level 2 the stages there are left out (see ``kept_stages``); where a
    ledger is made, ``scores`` (N, classes) are what stages that it measures gave to the calibration samples, of those
    that are not kept and those that a pass ran.
    """

    state: Compilation
    records: tuple[PassRecord, ...]
    diagnostics: tuple[Diagnostic, ...]
    stages: dict[str, Compilation]
    scores: dict[str, AnyFloat] = field(default_factory=dict)

    def printed(self, name: str) -> str:
        """The lowest level that there is after the pass called ``name``, or as it was ``read-onnx``; else KeyError."""
        state = self.stages[name]
        if state.program is not None:
            return print_program(state.program)
        return print_network(state.network) if state.spiking is None else print_spiking(state.spiking)


def passes_for(options: CompileOptions) -> tuple[Pass, ...]:
    """Instantiate ``PASSES`` with the user's options."""
    configured: dict[type[Pass], Pass] = {
        FitPieces: FitPieces(options.pieces),
        AverageMaxima: AverageMaxima(options.maxima),
        CalibrateThresholds: CalibrateThresholds(options.threshold_method, options.percentile),
        ExpandMaxima: ExpandMaxima(options.threshold_method, options.percentile),
        CalibrateInitialPotential: CalibrateInitialPotential(options.granularity, options.iterations),
    }
    left_out: tuple[type[Pass], ...] = () if options.calibrate else (FitCounts, CalibrateInitialPotential)
    if options.threshold_method != "mse":
        left_out = (*left_out, FitCounts)
    return tuple(configured.get(kind) or kind() for kind in PASSES if kind not in left_out)


# What overflows is found by the verification between passes.
@np.errstate(over="ignore", invalid="ignore")
def run_passes(
    network: Network, context: Context, passes: tuple[Pass, ...], report: Callable[[str], None] | None = None
) -> Pipeline:
    """Run ``passes`` in order and verify after each; ``report(name)`` is called before each.

    Raises ``UnusableInput`` with what a pass refuses, or with E901 where a pass broke an invariant.
    """
    state = context.shared.of(("read-onnx", network), lambda: _first_state(network))
    return _continued(Pipeline(state, (), (), {"read-onnx": state}), context, passes, report)


@np.errstate(over="ignore", invalid="ignore")
def run_again(
    pipeline: Pipeline,
    first: type[Pass],
    context: Context,
    passes: tuple[Pass, ...],
    report: Callable[[str], None] | None = None,
) -> Pipeline:
    """Run the ``passes`` from ``first`` on once more, in another ``context`` that those before it do not read.

    They begin with what those before it left in ``pipeline``; raises as ``run_passes``.
    """
    place = next(i for i, step in enumerate(passes) if isinstance(step, first))
    names = ["read-onnx", *(step.name for step in passes[:place])]
    kept = pipeline.records[:place]
    found = tuple(diagnostic for record in kept for diagnostic in record.diagnostics)
    stages = {name: pipeline.stages[name] for name in names if name in pipeline.stages}
    scores = {name: pipeline.scores[name] for name in names if name in pipeline.scores}
    begun = Pipeline(pipeline.stages[names[-1]], kept, found, stages, scores)
    return _continued(begun, context, passes[place:], report)


def settle(pipeline: Pipeline) -> Pipeline:
    """The same when none of its passes is run again any more: what was kept for that is let go."""
    return replace(pipeline, stages=settled(pipeline.stages, pipeline.state))


def _continued(
    begun: Pipeline, context: Context, passes: tuple[Pass, ...], report: Callable[[str], None] | None
) -> Pipeline:
    state, since = begun.state, _Since(begun.state, context)
    records, diagnostics = list(begun.records), list(begun.diagnostics)
    stages, scores = dict(begun.stages), dict(begun.scores)
    for step in passes:
        if report is not None:
            report(step.name)
        started = time.perf_counter()
        with since.checked_where_it_fails(state):
            outcome = shared_outcome(step, state, context)
            seconds = time.perf_counter() - started
            if outcome.state is not state:
                _check_once(context, (state, outcome.state), partial(_verify, step.name, state, outcome.state))
        if report is not None and since.is_checked_before(step, state, outcome.state):
            report(PROBE)
        since = since.after(step, state, outcome.state)
        records.append(PassRecord(step.name, outcome.state is not state, outcome.effect, seconds, outcome.diagnostics))
        diagnostics += outcome.diagnostics
        has_program, state = state.program is not None, outcome.state
        scores |= _evaluated(outcome, stages, context)
        del outcome  # it would hold what is let go until the next pass is done
        if is_large(state) and state.program is not None and not has_program:
            since.check(state)
            state = without_weights(state, context)
            since = _Since(state, context)
        stages[step.name] = state
        let_go(stages, step.name, context)
        if _is_measured(step.name, state, context):
            if report is not None:
                report(f"ledger after {step.name}")
            scores[step.name] = _measured(state, context)
    since.check(state)
    return Pipeline(state, tuple(records), tuple(diagnostics), stages, scores)


def _evaluated(outcome: Outcome, stages: dict[str, Compilation], context: Context) -> dict[str, AnyFloat]:
    """What a ledger measures of the ``stages`` of level 1 whose network a pass ran on all calibration samples."""
    if not context.ledger or outcome.scores is None:
        return {}
    network, scores = outcome.state.network, outcome.scores[:LEDGER_SAMPLES]
    return {name: scores for name, state in stages.items() if state.spiking is None and state.network is network}


def _is_measured(name: str, state: Compilation, context: Context) -> bool:
    """Whether a ledger measures the stage ``name``, which is not kept until then."""
    return context.ledger and context.calibration is not None and name in MEASURED and is_large(state)


def _measured(state: Compilation, context: Context) -> AnyFloat:
    """What a ledger measures of a stage at level 2 on calibration data."""
    assert context.calibration is not None, "a ledger is measured on data"
    samples, spiking = context.calibration.first(LEDGER_SAMPLES), spiking_level(state)
    # A few at a time, so that large images are not there as floats all at once.
    scores = list[AnyFloat]()
    for first in range(0, len(samples), _FLOATS_AT_ONCE):
        part = samples.between(first, first + _FLOATS_AT_ONCE).as_float()
        report = within(context.progress, first, first + len(part), len(samples))
        scores.append(rate_scores(spiking, part, report))
    return np.concatenate(scores)


@dataclass(frozen=True, slots=True, eq=False)
class _Since:
    """The passes ``run`` since the state ``first``, none of which was to change what it computes.

    What each of them left is not kept: it is made again where their last state turns out wrong.
    """

    first: Compilation
    context: Context
    run: tuple[Pass, ...] = ()
    promised: bool = False

    def is_checked_before(self, step: Pass, before: Compilation, after: Compilation) -> bool:
        """Whether ``after`` runs the probe on what was promised."""
        return self.promised and not step.preserves and not same_function(before, after)

    def after(self, step: Pass, before: Compilation, after: Compilation) -> _Since:
        """The same and ``step``; begun anew, once all before it are checked, where it may change the function."""
        if same_function(before, after):
            return replace(self, run=(*self.run, step))
        if step.preserves:
            return replace(self, run=(*self.run, step), promised=True)
        self.check(before)
        return _Since(after, self.context)

    def check(self, last: Compilation) -> None:
        """Raise what ``check_kept`` finds in the ``last`` state."""
        if self.promised:
            _check_once(self.context, (self.first, last), partial(check_kept, self.first, last, self._again))

    @contextlib.contextmanager
    def checked_where_it_fails(self, last: Compilation) -> Iterator[None]:
        """Where a pass fails, ask first whether those before it, not checked yet, left it what they promise."""
        try:
            yield
        except Exception:
            self.check(last)
            raise

    def _again(self) -> Iterator[tuple[str, Compilation]]:
        state = self.first
        for step in self.run:
            before, state = state, step.run(state, self.context).state
            if not same_function(before, state):
                yield step.name, state


def _check_once(context: Context, checked: tuple[Hashable, ...], check: Callable[[], None]) -> None:
    """Run ``check``, unless what is ``checked`` was found right before."""
    key = ("checked", *checked)
    if context.shared.find(key) is None:
        check()
        context.shared.keep(key, True)


def _first_state(network: Network) -> Compilation:
    state = Compilation(network)
    _verify("read-onnx", None, state)
    return state


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
        raise UnusableInput(_overflows(name, after) or _own_faults(name, faults))


def _overflows(name: str, state: Compilation) -> list[Diagnostic]:
    """What the numbers of the file make: a file holds only finite ones, and no pass divides by zero."""
    found = overflowed_nodes(state.network) if state.spiking is None else overflowed_populations(state.spiking)
    return [overflow(name, layer) for layer in found]


def _own_faults(name: str, faults: list[str]) -> list[Diagnostic]:
    hint = "this is a fault of spikec; please report it with the model"
    return [Diagnostic("E901", f"after {name}: {fault}", hint=hint) for fault in faults]
