"""How near a program's scores come to those that onnxruntime gives for the network itself."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort

from spikec.compiler.compilation import compile_model
from spikec.compiler.options import CompileOptions
from spikec.runtime.encoding import encode
from spikec.runtime.samples import Samples
from spikec.runtime.simulator import simulate

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Nearness:
    """A program beside its network: one line of the table.

    ``correlation`` is Pearson's, over all scores of all test samples; ``agreement`` the share of samples with the same
    highest score; accuracies are shares of samples, None without labels.
    """

    file: str
    target: str
    timesteps: int
    schedule: str
    samples: int
    correlation: float
    agreement: float
    accuracy: float | None
    ann_accuracy: float | None
    verdict: str
    latency: int
    neurons: int
    compile_seconds: float


def scores_of_network(path: Path, inputs: npt.NDArray[Any]) -> Scores:
    """Scores (N, outputs) of each input alone, in front of the softmax that ends the network, where there is one."""
    model = onnx.load(path)
    last = [node.input[0] for node in model.graph.node if node.op_type == "Softmax"][-1:]
    if last:
        del model.graph.output[:]
        model.graph.output.append(onnx.ValueInfoProto(name=last[0]))
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    rows = [np.asarray(session.run(last or None, {name: each[None]})[0]).reshape(1, -1) for each in inputs]
    return np.asarray(np.concatenate(rows), dtype=np.float64)


def nearness(
    path: Path, options: CompileOptions, tests: Samples, network_scores: Scores, name: str | None = None
) -> Nearness:
    """Compile the network, simulate the program on ``tests``, and compare with the network's own scores there."""
    started = time.perf_counter()
    compiled = compile_model(path, options)
    seconds = time.perf_counter() - started
    program = compiled.program
    readout = simulate(program, encode(program.input, tests.inputs)[0]).readout.astype(np.float64)
    return Nearness(
        file=name or path.name,
        target=options.target,
        timesteps=options.timesteps,
        schedule=options.schedule,
        samples=len(tests),
        correlation=correlation(readout, network_scores),
        agreement=share_equal(readout.argmax(axis=1), network_scores.argmax(axis=1)),
        accuracy=None if tests.labels is None else share_equal(readout.argmax(axis=1), tests.labels),
        ann_accuracy=None if tests.labels is None else share_equal(network_scores.argmax(axis=1), tests.labels),
        verdict=compiled.report.verdict,
        latency=program.latency,
        neurons=sum(population.neurons for population in program.populations),
        compile_seconds=round(seconds, 1),
    )


def correlation(one: Scores, other: Scores) -> float:
    """Pearson's correlation of all scores, 0 where either has no spread."""
    if not one.std() or not other.std():
        return 0.0
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def share_equal(one: npt.NDArray[np.int64], other: npt.NDArray[np.int64]) -> float:
    """Share of places at which two vectors are the same."""
    return float((one == other).mean())
