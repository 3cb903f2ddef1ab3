"""Accuracy from stage to stage: what each step between the float network and the spikes costs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from ...runtime.encoding import encode
from ...runtime.execution import predicted
from ...runtime.program import IntArray, Program
from ...runtime.progress import Report as Progress
from ...runtime.progress import untold, within
from ...runtime.samples import Samples
from ...targets.diagnostic import Diagnostic
from ...targets.records import dataclass
from ..arithmetic import mean, total
from ..ir.network import Network
from ..ir.operators import AnyFloat
from ..kept_stages import MEASURED
from ..passes.contract import LEDGER_SAMPLES, spiking_level
from ..pipeline import Pipeline
from ..report import LedgerRow
from .class_scores import network_scores, rate_scores

_FLOATS, _SPIKES = 4, 1
"""Times that a network and a program take, about: only the time that is told to be left is by them."""

BoolArray = npt.NDArray[np.bool_]


def predictions_of(network: Network, inputs: AnyFloat) -> IntArray:
    """Class that the float network gives to each sample, by its first result."""
    return predicted(network_scores(network, inputs))


def _spike_scores(program: Program, samples: Samples, progress: Progress) -> AnyFloat:
    from ...runtime.simulator import simulate

    return simulate(program, encode(program.input, samples.inputs)[0], progress=progress).readout.astype(np.float64)


@dataclass(frozen=True, slots=True)
class Loss:
    """Accuracy of the ANN less that of the spikes on ``samples`` samples, and its standard error, both in points.

    The samples are the same for both, so only those count on which one is right and the other wrong: with a lost and
    b won of n, the error is sqrt(a + b - (a - b)^2 / n) / n.
    """

    points: float
    error: float
    samples: int

    @classmethod
    def between(cls, right_before: BoolArray, right_after: BoolArray) -> Loss:
        """Loss between two columns that say which samples were classified correctly, (N,) with N >= 1."""
        samples = len(right_before)
        lost = int(np.count_nonzero(right_before & ~right_after))
        won = int(np.count_nonzero(right_after & ~right_before))
        spread = math.sqrt(lost + won - (lost - won) ** 2 / samples)
        return cls(100 * (lost - won) / samples, 100 * spread / samples, samples)


@dataclass(frozen=True, slots=True, eq=False)
class Ledger:
    """Accuracy from stage to stage, and what is lost between the first and the last; None without labels."""

    rows: tuple[LedgerRow, ...]
    loss: Loss | None


def ledger(pipeline: Pipeline, calibration: Samples | None, progress: Progress = untold) -> Ledger:
    """Measure every stage on calibration data: accuracy where it has labels, and what the scores have of the ANN's.

    The figures show where accuracy goes; they are not test accuracies, because thresholds and potentials were
    fitted to the same data. ``progress(done, total)`` counts samples of the stages that are still to be run.
    """
    samples = None if calibration is None else calibration.first(LEDGER_SAMPLES)
    stages = list(_stages(pipeline, samples, progress))
    if samples is None:
        return Ledger(tuple(LedgerRow(stage, None, 0, note) for stage, _, note in stages), None)
    ann = stages[0][1]
    rows = tuple(_row(stage, scores, ann, samples.labels, note) for stage, scores, note in stages)
    spikes = stages[-1][1]
    if samples.labels is None or ann is None or spikes is None:
        return Ledger(rows, None)
    return Ledger(rows, Loss.between(predicted(ann) == samples.labels, predicted(spikes) == samples.labels))


def _row(stage: str, scores: AnyFloat | None, ann: AnyFloat | None, labels: IntArray | None, note: str) -> LedgerRow:
    if scores is None or ann is None:
        return LedgerRow(stage, None, 0, note)
    chosen = predicted(scores)
    accuracy = None if labels is None else _share(chosen == labels)
    return LedgerRow(stage, accuracy, len(scores), note, _share(chosen == predicted(ann)), correlation(scores, ann))


def _share(right: BoolArray) -> float:
    return float(np.count_nonzero(right) / len(right))


def correlation(scores: AnyFloat, ann: AnyFloat) -> float | None:
    """Pearson's r of all ``scores`` (N, outputs) with the ANN's, whatever the unit; None where one is constant."""
    x, y = (values.astype(np.float64).reshape(-1) for values in (scores, ann))
    x, y = x - mean(x), y - mean(y)
    spread = total(np.square(x)) * total(np.square(y))
    return float(f"{total(x * y) / math.sqrt(spread):.4f}") if spread > 0 else None


def _stages(
    pipeline: Pipeline, samples: Samples | None, progress: Progress
) -> Iterator[tuple[str, AnyFloat | None, str]]:
    """Name, scores of ``samples`` and description of each stage."""
    stages = pipeline.stages
    program = pipeline.state.program
    assert program is not None, "the ledger is measured on a complete pipeline"
    inputs = None if samples is None else samples.as_float()
    of_level_1 = {name: stage.network for name, stage in stages.items() if stage.spiking is None}
    known = {of_level_1[name]: scores for name, scores in pipeline.scores.items() if name in of_level_1}
    running = _running(pipeline, known, progress)

    def of_network(name: str) -> AnyFloat | None:
        network = of_level_1[name]
        if inputs is not None and network not in known:
            known[network] = network_scores(network, inputs, next(running))
        return known.get(network)

    def of_rates(name: str) -> AnyFloat | None:
        if inputs is None or name in pipeline.scores:
            return pipeline.scores.get(name)
        return rate_scores(spiking_level(stages[name]), inputs, next(running))

    for name in _changed(pipeline):
        stage, description = _OF_LEVEL_1[name]
        yield stage, of_network(name), description
    yield "folded", of_rates("balance-thresholds"), "batch norm and linear maps folded, float"
    yield "integer weights", of_rates("quantize-weights"), "weights and input on the chip's grid"
    spikes = None if samples is None else _spike_scores(program, samples, next(running))
    yield "spikes", spikes, f"the program itself at T = {program.timesteps}, simulated"


def _running(pipeline: Pipeline, known: Mapping[Network, AnyFloat], progress: Progress) -> Iterator[Progress]:
    """A report for each stage that is run, the program being the last."""
    networks = {pipeline.stages[name].network for name in _changed(pipeline)}
    floats = len(networks - known.keys()) + len({*MEASURED} - pipeline.scores.keys())
    total = floats * _FLOATS + _SPIKES
    for n in range(floats):
        yield within(progress, n * _FLOATS, (n + 1) * _FLOATS, total)
    yield within(progress, total - _SPIKES, total, total)


_OF_LEVEL_1 = {
    "recognise-activations": ("ANN", "the model as given, float"),
    "fit-pieces": ("fitted", "functions that no neuron computes fitted by pieces, float"),
    "average-maxima": ("averaged", "every maximum replaced by an average, float"),
    "calibrate-thresholds": ("QC-ANN", "every activation quantised and clipped, float"),
    "expand-maxima": ("maxima", "every maximum computed by neurons, float"),
}
"""Stage and description of what passes leave at level 1, by the pass."""

_BEFORE = {"fit-pieces": "expand-activations", "average-maxima": "fit-pieces", "expand-maxima": "calibrate-thresholds"}
"""What is a stage only where it is not as the pass before it left it."""


def _changed(pipeline: Pipeline) -> tuple[str, ...]:
    """Passes at level 1 that left a stage of its own."""
    stages = pipeline.stages
    return tuple(n for n in _OF_LEVEL_1 if n not in _BEFORE or stages[n] is not stages[_BEFORE[n]])


def accuracy_lost(loss: Loss | None, bound: float, *, is_graded: bool = False) -> Iterator[Diagnostic]:
    """W213 where more than ``bound`` points are lost, by more than the standard error; nothing without a measure.

    What ``is_graded`` has no steps that could be raised.
    """
    way = "give --levels more of them where ReLUs have none" if is_graded else "raise --timesteps, use --schedule exact"
    if loss is None or loss.points - loss.error <= bound:
        return
    yield Diagnostic(
        "W213",
        f"the program loses {loss.points:.1f} +- {loss.error:.1f} points of accuracy against the ANN on "
        f"{loss.samples} calibration samples",
        measured=float(f"{loss.points:.3g}"),
        limit=bound,
        unit="points",
        hint=f"{way}, or choose a target with wider numbers; see the report's ledger",
    )
