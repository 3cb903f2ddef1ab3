"""Events or dense products, as asked for: the same results, told by the run, refused where there is no choice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spikec
from spikec.compiler.compilation import compile_model
from spikec.compiler.options import CompileOptions
from spikec.models.shipped import shipped_model, shipped_samples
from spikec.runtime.agreement import compare
from spikec.runtime.execution import Execution
from spikec.runtime.program import Program
from spikec.runtime.program.neuron_models import srp
from spikec.runtime.reference.network import run_reference
from spikec.runtime.simulator import simulate
from spikec.runtime.simulator.native import CHOICE, available_instruction_sets
from spikec.runtime.simulator.packing import BYTES, COORDINATES, PAIRS, WORDS, PackedWeights
from spikec.runtime.simulator.plan import plan_layers
from spikec.targets.diagnostic import UnusableInput

from .test_simulator_gates import GATES
from .test_simulator_gates import random_program as random_gated
from .test_simulator_gates import random_samples as samples_of_gated
from .test_simulator_kernels import plain_program, plain_samples
from .test_simulator_properties import SEEDS, random_program, random_samples

SETS = available_instruction_sets()
pytestmark = pytest.mark.skipif(not SETS, reason="there is no kernel, which alone has two ways")


@pytest.fixture(scope="module")
def shipped() -> Program:
    return compile_model(shipped_model(), CompileOptions(target="lava", timesteps=4)).program


def parts(execution: Execution) -> dict[str, tuple[int, int]]:
    """Of each layer that could be computed in two ways, how much was as events and how much densely."""
    free = {layer: [way for way in ways if not way.is_fixed] for layer, ways in execution.ways.items()}
    return {layer: (sum(w.events for w in ways), sum(w.dense for w in ways)) for layer, ways in free.items() if ways}


@settings(max_examples=6, deadline=None)
@given(seed=SEEDS, gates=st.sampled_from(sorted(GATES)))
def test_random_networks_give_the_same_in_each_way(seed: int, gates: str) -> None:
    cases = (
        (random_program(seed), random_samples(seed, 3)),
        (random_gated(seed, GATES[gates]), samples_of_gated(seed, 3)),
    )
    for program, samples in cases:
        slow = run_reference(program, samples, record=True)
        for one in SETS:
            for way in ("events", "dense"):
                with pytest.MonkeyPatch.context() as patch:
                    patch.setenv(CHOICE, one.name)
                    fast = simulate(program, samples, record=True, threads=1, way=way)
                assert compare(program, [slow, fast]).first_difference is None, (one.name, way)
                assert np.array_equal(slow.readout, fast.readout)
                for events, dense in parts(fast).values():
                    assert (dense if way == "events" else events) == 0
                    assert events + dense > 0


def test_the_shipped_network_gives_the_same_in_each_way(shipped: Program) -> None:
    with np.load(shipped_samples()) as arrays:
        images = arrays["test_inputs"][:20]
    usual = spikec.simulate(shipped, images, record=True)
    mixed = {"3_Conv": "events", "10_Conv": "dense", "13_Conv": "auto"}
    runs = {way: spikec.simulate(shipped, images, record=True, way=way) for way in ("auto", "events", "dense")}
    runs["by layer"] = spikec.simulate(shipped, images, record=True, way=mixed)
    for name, run in runs.items():
        assert compare(shipped, [usual, run]).equal, name
        assert np.array_equal(run.readout, usual.readout), name
    assert all(dense == 0 < events for events, dense in parts(runs["events"]).values())
    assert all(events == 0 < dense for events, dense in parts(runs["dense"]).values())
    by_layer = parts(runs["by layer"])
    assert (by_layer["3_Conv"][1], by_layer["10_Conv"][0]) == (0, 0)
    # The input is graded: its products have no other way, and it keeps that one.
    (first,) = runs["events"].ways["0_Conv"]
    assert (first.is_fixed, first.events) == (True, 0)
    assert first.dense > 0


def test_a_layer_with_one_way_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    program = plain_program()
    wide = replace(program.projections[1].synapses, weight=program.projections[1].synapses.weight * 300 + 1)
    projections = list(program.projections)
    projections[1] = replace(projections[1], synapses=wide)
    program = replace(program, projections=tuple(projections))
    kernels = [c.kernel for layer in plan_layers(program) for c in layer.incoming]
    methods = {kernel.method for kernel in kernels if isinstance(kernel, PackedWeights)}
    assert methods == {PAIRS, WORDS, BYTES}, "one with dense products alone, one with events alone, one with both"
    assert COORDINATES not in methods
    told = [simulate(program, plain_samples(2), way=way) for way in ("events", "dense")]
    assert np.array_equal(told[0].readout, told[1].readout)
    for run in told:
        (a,), (b,) = run.ways["a"], run.ways["b"]
        assert (a.is_fixed, a.events, b.is_fixed, b.dense) == (True, 0, True, 0)
    monkeypatch.setenv(CHOICE, "none")
    in_numpy = simulate(program, plain_samples(2), way="dense")
    assert np.array_equal(in_numpy.readout, told[0].readout)
    assert all(way.is_fixed and way.kernel == "numpy" for ways in in_numpy.ways.values() for way in ways)


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("sparse", "a layer has no way 'sparse'"),
        ({"b": "sparse"}, "a layer has no way 'sparse'"),
        ({"bb": "dense"}, "the program has no layer 'bb'"),
    ],
)
def test_an_unknown_way_or_layer_is_refused(way: str | dict[str, str], words: str) -> None:
    with pytest.raises(UnusableInput, match=words) as refusal:
        simulate(plain_program(), plain_samples(1), way=way)
    (problem,) = refusal.value.diagnostics
    assert problem.code == "E511"
    assert problem.hint is not None


def test_where_there_is_one_way_none_can_be_chosen() -> None:
    program = replace(plain_program(), neuron=srp(2))
    with pytest.raises(UnusableInput, match=r"E511.*one way alone.*srp"):
        simulate(program, plain_samples(1), way="events")
    assert np.array_equal(
        simulate(program, plain_samples(1), way="auto").readout, simulate(program, plain_samples(1)).readout
    )
