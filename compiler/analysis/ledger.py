"""Accuracy from stage to stage: what each step between the float network and the spikes costs."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ...runtime.encoding import encode
from ...runtime.execution import predicted
from ...runtime.program import IntArray, Program
from ...runtime.samples import Samples
from ...targets.diagnostic import Diagnostic
from ...targets.records import dataclass
from ..arithmetic import mean, total
from ..ir.network import Network
from ..ir.operators import AnyFloat
from ..passes.contract import LEDGER_SAMPLES, spiking_level
from ..pipeline import Pipeline
from ..report import LedgerRow
from .class_scores import network_scores, rate_scores

BoolArray = npt.NDArray[np.bool_]


def predictions_of(network: Network, inputs: AnyFloat) -> IntArray:
    """Class that the float network gives to each sample, by its first result."""
    return predicted(network_scores(network, inputs))


def _spike_scores(program: Program, samples: Samples) -> AnyFloat:
    from ...runtime.simulator import simulate

    return simulate(program, encode(program.input, samples.inputs)[0]).readout.astype(np.float64)


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


def ledger(pipeline: Pipeline, calibration: Samples | None) -> Ledger:
    """Measure every stage on calibration data: accuracy where it has labels, and what the scores have of the ANN's.

    The figures show where accuracy goes; they are not test accuracies, because thresholds and potentials were
    fitted to the same data.
    """
    samples = None if calibration is None else calibration.first(LEDGER_SAMPLES)
    stages = list(_stages(pipeline, samples))
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


def _stages(pipeline: Pipeline, samples: Samples | None) -> Iterator[tuple[str, AnyFloat | None, str]]:
    """Name, scores of ``samples`` and description of each stage."""
    stages = pipeline.stages
    program = pipeline.state.program
    assert program is not None, "the ledger is measured on a complete pipeline"
    inputs = None if samples is None else samples.as_float()

    def of_network(name: str) -> AnyFloat | None:
        return None if inputs is None else network_scores(stages[name].network, inputs)

    def of_rates(name: str) -> AnyFloat | None:
        if inputs is None or name in pipeline.scores:
            return pipeline.scores.get(name)
        return rate_scores(spiking_level(stages[name]), inputs)

    yield "ANN", of_network("recognise-activations"), "the model as given, float"
    if stages["fit-pieces"] is not stages["expand-activations"]:
        yield "fitted", of_network("fit-pieces"), "functions that no neuron computes fitted by pieces, float"
    if stages["average-maxima"] is not stages["fit-pieces"]:
        yield "averaged", of_network("average-maxima"), "every maximum replaced by an average, float"
    yield "QC-ANN", of_network("calibrate-thresholds"), "every activation quantised and clipped, float"
    if stages["expand-maxima"] is not stages["calibrate-thresholds"]:
        yield "maxima", of_network("expand-maxima"), "every maximum computed by neurons, float"
    yield "folded", of_rates("balance-thresholds"), "batch norm and linear maps folded, float"
    yield "integer weights", of_rates("quantize-weights"), "weights and input on the chip's grid"
    spikes = None if samples is None else _spike_scores(program, samples)
    yield "spikes", spikes, f"the program itself at T = {program.timesteps}, simulated"


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
