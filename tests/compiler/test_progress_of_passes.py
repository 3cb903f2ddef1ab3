"""Passes that take long tell how far they are, also when they are run again with another state range."""

from __future__ import annotations

import numpy as np

from spikec import targets
from spikec.compiler.ir.network import INPUT, Network, Node
from spikec.compiler.ir.operators import Dense, QuantizeClip, Relu
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes.contract import Context
from spikec.compiler.pipeline import passes_for, run_passes
from spikec.compiler.schedule import scheduled
from spikec.runtime.samples import Samples

T = 16
Told = list[tuple[str, list[tuple[int, int]]]]


def network(activation: QuantizeClip | Relu, inputs: int) -> Network:
    random = np.random.default_rng(0)
    first, last = random.normal(size=(20, inputs)), random.normal(size=(5, 20))
    nodes = (
        Node("fc1", Dense(first, np.zeros(20)), (INPUT,), (20,)),
        Node("act1", activation, ("fc1",), (20,)),
        Node("fc2", Dense(last, np.zeros(5)), ("act1",), (5,)),
    )
    return Network("wide", (inputs,), nodes, "fc2")


def context(inputs: int, told: Told) -> Context:
    random = np.random.default_rng(1)
    values = random.random((40, inputs)) * (random.random((40, inputs)) < 0.2)
    data = Samples(values.astype(np.float32), None)
    return Context(targets.load("loihi2"), T, data, progress=lambda done, total: told[-1][1].append((done, total)))


def parts_told(told: Told, name: str) -> list[list[tuple[int, int]]]:
    return [parts for stage, parts in told if stage == name]


def test_weights_and_samples_are_counted_to_the_end() -> None:
    told: Told = []
    scheduled(
        network(QuantizeClip(20.0, T, 0.5), 800),
        context(800, told),
        CompileOptions(),
        lambda name: told.append((name, [])),
    )
    weights = [(16000, 16100), (16100, 16100)]
    assert parts_told(told, "quantize-weights") == [weights, weights], "passes are run twice, and told twice"
    network_run, calibrated, judged = 30 * 4, 30 * 4, 10 * 4
    ends = np.cumsum([network_run, calibrated, judged, 10, 10, 10]).tolist()
    samples = [(end, ends[-1]) for end in ends]
    assert parts_told(told, "calibrate-initial-potential") == [samples, samples], "weighed by the time that they take"


def test_layers_fitted_to_counts_are_counted() -> None:
    told: Told = []
    run_passes(
        network(Relu(), 30), context(30, told), passes_for(CompileOptions()), lambda name: told.append((name, []))
    )
    (parts,) = parts_told(told, "fit-counts")
    assert parts == [(20, 20), (20, 20)], "once with the thresholds as they are, and once with others"
