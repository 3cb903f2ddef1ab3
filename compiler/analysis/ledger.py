"""Accuracy from stage to stage: what each step between the float network and the spikes costs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...runtime.encoding import encode
from ...runtime.execution import predicted
from ...runtime.program import IntArray, Program
from ...runtime.samples import Samples
from ..ir.network import Network, evaluate
from ..ir.operators import AnyFloat
from ..ir.rates import evaluate_rates
from ..ir.spiking import SpikingNetwork
from ..pipeline import Pipeline
from ..report import LedgerRow

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


def ledger(pipeline: Pipeline, calibration: Samples | None) -> tuple[LedgerRow, ...]:
    """Measure every stage on labelled calibration data; without labels the accuracies are None.

    The figures show where accuracy goes; they are not test accuracies, because thresholds and potentials were
    fitted to the same data.
    """
    return tuple(_rows(pipeline, None if calibration is None else calibration.first(LEDGER_SAMPLES)))


def _rows(pipeline: Pipeline, samples: Samples | None) -> Iterator[LedgerRow]:
    stages = pipeline.stages
    program = pipeline.state.program
    assert program is not None, "the ledger is measured on a complete pipeline"
    labelled = samples if samples is not None and samples.labels is not None else None
    count = 0 if labelled is None else len(labelled)

    def row(stage: str, predictions: IntArray | None, note: str) -> LedgerRow:
        accuracy = None if labelled is None or predictions is None else labelled.accuracy(predictions)
        return LedgerRow(stage, accuracy, count, note)

    inputs = None if labelled is None else labelled.as_float()

    def of_network(name: str) -> IntArray | None:
        return None if inputs is None else predictions_of(stages[name].network, inputs)

    def of_rates(name: str) -> IntArray | None:
        spiking = stages[name].spiking
        return None if inputs is None or spiking is None else _rate_predictions(spiking, _on_grid(inputs, spiking))

    spikes = None if labelled is None else _spike_predictions(program, labelled)
    yield row("ANN", of_network("recognise-activations"), "the model as given, float")
    if stages["fit-pieces"] is not stages["expand-activations"]:
        note = "functions that no neuron computes fitted by pieces, float"
        yield row("fitted", of_network("fit-pieces"), note)
    yield row("QC-ANN", of_network("calibrate-thresholds"), "every activation quantised and clipped, float")
    yield row("folded", of_rates("balance-thresholds"), "batch norm and linear maps folded, float")
    yield row("integer weights", of_rates("quantize-weights"), "weights and input on the chip's grid")
    yield row("spikes", spikes, f"the program itself at T = {program.timesteps}, simulated")
