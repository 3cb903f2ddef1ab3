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
from ..ir.network import Network, evaluate
from ..ir.operators import AnyFloat
from ..ir.rates import evaluate_rates
from ..ir.spiking import SpikingNetwork
from ..pipeline import Pipeline
from ..report import LedgerRow

BoolArray = npt.NDArray[np.bool_]

_BATCH = 32
LEDGER_SAMPLES = 256
"""Calibration samples that the ledger is measured on, at most."""


def predictions_of(network: Network, inputs: AnyFloat) -> IntArray:
    """Class that the float network gives to each sample."""
    parts = [
        evaluate(network, inputs[i : i + _BATCH])[network.output].reshape(len(inputs[i : i + _BATCH]), -1)
        for i in range(0, len(inputs), _BATCH)
    ]
    return predicted(np.concatenate(parts))


def _rate_predictions(spiking: SpikingNetwork, inputs: AnyFloat) -> IntArray:
    parts = [
        evaluate_rates(spiking, inputs[i : i + _BATCH])[spiking.readout.name].reshape(len(inputs[i : i + _BATCH]), -1)
        for i in range(0, len(inputs), _BATCH)
    ]
    return predicted(np.concatenate(parts))


def _spike_predictions(program: Program, samples: Samples) -> IntArray:
    from ...runtime.simulator import simulate

    return simulate(program, encode(program.input, samples.inputs)[0]).predictions


def _on_grid(inputs: AnyFloat, spiking: SpikingNetwork) -> AnyFloat:
    """Inputs as they will be encoded; as they are before the encoding is chosen."""
    signal = spiking.input
    if signal.minimum == signal.maximum:
        return inputs
    steps = np.clip(np.rint(inputs / signal.step), signal.minimum, signal.maximum)
    return np.asarray(steps * signal.step, dtype=inputs.dtype)


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
    """Measure every stage on labelled calibration data; without labels the accuracies are None.

    The figures show where accuracy goes; they are not test accuracies, because thresholds and potentials were
    fitted to the same data.
    """
    samples = None if calibration is None else calibration.first(LEDGER_SAMPLES)
    stages = list(_stages(pipeline, samples))
    labels = None if samples is None else samples.labels
    rows = []
    for stage, predictions, note in stages:
        right = None if labels is None or predictions is None else predictions == labels
        count = 0 if labels is None else len(labels)
        rows.append(LedgerRow(stage, None if right is None else float(np.count_nonzero(right) / count), count, note))
    first, last = stages[0][1], stages[-1][1]
    if labels is None or first is None or last is None:
        return Ledger(tuple(rows), None)
    return Ledger(tuple(rows), Loss.between(first == labels, last == labels))


def _stages(pipeline: Pipeline, samples: Samples | None) -> Iterator[tuple[str, IntArray | None, str]]:
    """Name, predictions on labelled ``samples`` and description of each stage."""
    stages = pipeline.stages
    program = pipeline.state.program
    assert program is not None, "the ledger is measured on a complete pipeline"
    labelled = samples if samples is not None and samples.labels is not None else None
    inputs = None if labelled is None else labelled.as_float()

    def of_network(name: str) -> IntArray | None:
        return None if inputs is None else predictions_of(stages[name].network, inputs)

    def of_rates(name: str) -> IntArray | None:
        spiking = stages[name].spiking
        return None if inputs is None or spiking is None else _rate_predictions(spiking, _on_grid(inputs, spiking))

    spikes = None if labelled is None else _spike_predictions(program, labelled)
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
    yield "spikes", spikes, f"the program itself at T = {program.timesteps}, simulated"


def accuracy_lost(loss: Loss | None, bound: float) -> Iterator[Diagnostic]:
    """W213 where more than ``bound`` points are lost, by more than the standard error; nothing without a measure."""
    if loss is None or loss.points - loss.error <= bound:
        return
    yield Diagnostic(
        "W213",
        f"the program loses {loss.points:.1f} +- {loss.error:.1f} points of accuracy against the ANN on "
        f"{loss.samples} calibration samples",
        measured=float(f"{loss.points:.3g}"),
        limit=bound,
        unit="points",
        hint="raise --timesteps, use --schedule exact, or choose a target with wider numbers; see the report's ledger",
    )
