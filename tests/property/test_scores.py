"""Scores in the network's own units, within the bound that is given for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spikec
from spikec import targets
from spikec.compiler.ir.network import Network, Node, evaluate
from spikec.compiler.ir.operators import Dense, Relu
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes.contract import Context
from spikec.compiler.pipeline import passes_for, run_passes
from spikec.runtime.encoding import encode
from spikec.runtime.program import INPUT, IntArray, Program
from spikec.runtime.program.storage import load_program, program_files
from spikec.runtime.reference.network import synaptic_input
from spikec.runtime.samples import Samples
from spikec.runtime.scores import float_scores
from spikec.runtime.simulator import simulate
from spikec.targets.diagnostic import UnusableInput


def without_levels(program: Program, sample: IntArray) -> Any:
    """Read-out of the network with the program's integers whose activations only clip; ``sample`` is encoded."""
    scale = 1 << 12  # counts in parts of a spike, since synaptic input is of integers
    sent: dict[str, IntArray] = {INPUT: program.timesteps * scale * sample}
    for population in program.populations:
        total = np.full(population.shape, 0, dtype=np.int64) + program.timesteps * scale * population.bias
        for projection in program.incoming(population.name):
            total += synaptic_input(projection, sent[projection.source], population.shape)
        if population.threshold is None:
            return total / scale + population.initial_potential
        sent[population.name] = np.clip(total // population.threshold, 0, program.timesteps * scale)
    raise AssertionError("a program ends with a read-out")


@pytest.mark.parametrize("schedule", ["exact", "pipelined"])
@pytest.mark.parametrize("seed", range(6))
def test_no_score_is_further_off_than_the_bound(random_network: Callable[[int], Any], seed: int, schedule: str) -> None:
    drawn = random_network(seed)
    context = Context(targets.load("lava"), 6, drawn.images, schedule=schedule)
    program = run_passes(drawn.network, context, passes_for(CompileOptions(schedule=schedule))).state.program
    assert program is not None
    assert program.score_unit is not None
    encoded, _ = encode(program.input, drawn.images.inputs[:4])
    execution = simulate(program, encoded)
    scores = float_scores(program, execution)
    assert scores.bound is not None
    assert scores.bound.shape == (execution.readout.shape[1],)
    for n, sample in enumerate(encoded):
        smooth = without_levels(program, sample).reshape(-1)
        error = np.abs(execution.readout[n] - smooth) * program.score_unit
        assert (error <= scores.bound * (1 + 1e-2) + 1e-9).all()
    np.testing.assert_array_equal(scores.values.argmax(axis=1), execution.readout.argmax(axis=1))


def test_scores_come_near_those_of_the_network() -> None:
    """A regression: two layers of ReLU, and numbers that are no scores of classes."""
    random = np.random.default_rng(0)
    sizes, nodes, value = (8, 40, 40, 3), [], INPUT
    for place, (inputs, outputs) in enumerate(pairwise(sizes)):
        weight = random.normal(size=(outputs, inputs)) * np.sqrt(2 / inputs)
        nodes.append(Node(f"fc{place}", Dense(weight, 0.1 * random.normal(size=outputs)), (value,), (outputs,)))
        value = nodes[-1].name
        if outputs != sizes[-1]:
            nodes.append(Node(f"act{place}", Relu(), (value,), (outputs,)))
            value = nodes[-1].name
    network = Network("regression", (8,), tuple(nodes), value)
    samples = Samples(random.random((50, 8)).astype(np.float32), None)
    program = run_passes(
        network, Context(targets.load("lava"), 64, samples), passes_for(CompileOptions())
    ).state.program
    assert program is not None
    found = float_scores(program, simulate(program, encode(program.input, samples.inputs)[0])).values
    wanted = evaluate(network, samples.as_float())[value]
    assert np.abs(found - wanted).max() < 0.1 * np.ptp(wanted)


def test_the_unit_is_stored_and_older_programs_are_refused(
    random_network: Callable[[int], Any], tmp_path: Path
) -> None:
    drawn = random_network(1)
    state = run_passes(
        drawn.network, Context(targets.load("lava"), 4, drawn.images), passes_for(CompileOptions())
    ).state
    program = state.program
    assert program is not None
    for name, content in program_files(program).items():
        (tmp_path / name).write_bytes(content)
    assert load_program(tmp_path).score_unit == program.score_unit
    execution = simulate(program, encode(program.input, drawn.images.inputs[:1])[0])
    with pytest.raises(UnusableInput) as caught:
        spikec.float_scores(replace(program, score_unit=None), execution)
    assert [d.code for d in caught.value.diagnostics] == ["E630"]
