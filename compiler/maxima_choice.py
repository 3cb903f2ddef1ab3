"""The policy for maxima where held-out calibration data chooses it: neurons that compute them, or averages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..runtime.encoding import encode
from ..runtime.program import IntArray
from ..runtime.progress import untold
from ..runtime.samples import Samples
from ..targets.diagnostic import Diagnostic, refuse
from ..targets.records import dataclass
from .analysis.ledger import predictions_of
from .ir.network import Network
from .options import CompileOptions
from .passes.contract import Context, program_level
from .passes.move_maxima import MAXIMA
from .pipeline import Pipeline
from .schedule import scheduled

HELD_OUT_SHARE = 4
"""One in so many calibration samples takes no part in the trials and judges them."""

FEWEST_SAMPLES = 8


@dataclass(frozen=True, slots=True)
class _Trial:
    agreement: float
    neurons: int
    latency: int

    def told(self) -> str:
        return f"{100 * self.agreement:.1f} % with {self.neurons} neurons and a latency of {self.latency} steps"


def with_chosen_maxima(
    network: Network, context: Context, options: CompileOptions, report: Callable[[str], None] | None = None
) -> Pipeline:
    """Run the passes; under the policy "measured" first under each of the others, on a part of the calibration data.

    What agrees with the model on more of the held-out samples is kept, and of equals that without further neurons.
    """
    if options.maxima != "measured":
        return scheduled(network, context, options, report)
    if not any(isinstance(node.operator, MAXIMA) for node in network.nodes):
        return scheduled(network, context, replace(options, maxima="exact"), report)
    data = context.calibration
    if data is None or len(data) < FEWEST_SAMPLES:
        hint = f"give --calibration with {FEWEST_SAMPLES} samples at least, or --maxima exact"
        raise refuse(
            "E630", "the policy for maxima is chosen by measuring, and there is too little to measure on", hint=hint
        )
    used = len(data) - len(data) // HELD_OUT_SHARE
    trying = replace(context, calibration=data.between(0, used), ledger=False, progress=untold)
    held_out = data.between(used, len(data))
    trials = {
        policy: _tried(scheduled(network, trying, replace(options, maxima=policy)), held_out)
        for policy in ("exact", "average")
    }
    chosen = max(("average", "exact"), key=lambda policy: trials[policy].agreement)
    pipeline = scheduled(network, context, replace(options, maxima=chosen), report)
    return replace(pipeline, diagnostics=(*pipeline.diagnostics, _finding(trials, chosen, len(held_out))))


def _tried(pipeline: Pipeline, held_out: Samples) -> _Trial:
    from ..runtime.simulator import simulate

    program = program_level(pipeline.state)
    wanted = predictions_of(pipeline.stages["recognise-activations"].network, held_out.as_float())
    found: IntArray = simulate(program, encode(program.input, held_out.inputs)[0]).predictions
    neurons = sum(population.neurons for population in program.firing)
    return _Trial(float(np.count_nonzero(found == wanted)) / len(held_out), neurons, program.latency)


def _finding(trials: dict[str, _Trial], chosen: str, samples: int) -> Diagnostic:
    return Diagnostic(
        "I030",
        f"of {samples} held-out samples the program agrees with the model on {trials['exact'].told()} where maxima are "
        f"computed, and on {trials['average'].told()} where they are averages: {chosen} is kept",
        hint="--maxima exact or --maxima average decide otherwise",
    )
