"""A state with room for what data causes: finer weights, alike in every backend where it saturates, told and chosen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spikec import targets
from spikec.compiler.ir.network import INPUT, Network, Node
from spikec.compiler.ir.operators import Dense, QuantizeClip
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes.contract import Context, spiking_level
from spikec.compiler.pipeline import Pipeline, passes_for, run_passes
from spikec.compiler.schedule import scheduled
from spikec.runtime.agreement import compare
from spikec.runtime.encoding import encode
from spikec.runtime.lava.stock.limits import find_stock_problems
from spikec.runtime.program import Program
from spikec.runtime.program.window_range import window_range
from spikec.runtime.reference.network import run_reference, synaptic_input
from spikec.runtime.samples import Samples
from spikec.runtime.simulator import simulate
from spikec.runtime.simulator.potentials import largest_potentials

T = 16


def network() -> Network:
    """800 inputs, of which the data uses few at a time: the proven bound is far above any potential."""
    random = np.random.default_rng(0)
    first, last = random.normal(size=(20, 800)), random.normal(size=(5, 20))
    return Network(
        "wide",
        (800,),
        (
            Node("fc1", Dense(first, np.zeros(20)), (INPUT,), (20,)),
            Node("act1", QuantizeClip(20.0, T, 0.5), ("fc1",), (20,)),
            Node("fc2", Dense(last, np.zeros(5)), ("act1",), (5,)),
        ),
        "fc2",
    )


def images(count: int = 40) -> Samples:
    random = np.random.default_rng(1)
    return Samples((random.random((count, 800)) * (random.random((count, 800)) < 0.2)).astype(np.float32), None)


def compiled(calibration: Samples | None, target: str = "loihi2") -> Pipeline:
    return scheduled(network(), Context(targets.load(target), T, calibration), CompileOptions())


def program_of(pipeline: Pipeline) -> Program:
    assert pipeline.state.program is not None
    return pipeline.state.program


def bits_of(pipeline: Pipeline) -> float:
    (effect,) = [r.effect for r in pipeline.records if r.name == "quantize-weights"]
    return float(effect["layers"]["fc1"]["weight_bits"])


@pytest.fixture(scope="module")
def calibrated() -> Pipeline:
    return compiled(images())


def test_starved_weights_get_the_room_that_data_leaves(calibrated: Pipeline) -> None:
    proven = compiled(None)
    assert bits_of(calibrated) > bits_of(proven) + 0.5
    (told,) = [d for d in calibrated.diagnostics if d.code == "I033"]
    assert told.measured is not None
    assert 5 < told.measured <= 60
    assert not [d for d in calibrated.diagnostics if d.code[0] == "E"]
    assert not [d for d in proven.diagnostics if d.code == "I033"]
    program = program_of(calibrated)
    assert int(window_range(program, program.populations[0]).highest.max()) > program.state_maximum


def test_where_nothing_starves_the_range_stays_proven() -> None:
    pipeline = compiled(images(), "lava")
    assert not [d for d in pipeline.diagnostics if d.code == "I033"]
    assert all(layer["proven"] for layer in pipeline.records[-1].effect["layers"].values())


@pytest.mark.parametrize(
    ("of_calibrated", "of_proven", "is_calibrated"),
    [
        ([2.0, 2.1, 2.0, 2.1], [1.0, 1.0, 1.1, 1.1], False),
        ([1.0, 1.0, 1.1, 1.1], [2.0, 2.1, 2.0, 2.1], True),
        ([1.0, 9.0, 1.0, 1.3], [8.0, 1.0, 1.0, 1.0], True),  # worse in the mean by less than its error
    ],
)
def test_held_out_data_decides(
    of_calibrated: list[float], of_proven: list[float], is_calibrated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the calibrated range certainly served worse, the proven one would stay."""
    distances = iter((np.array(of_proven), np.array(of_calibrated)))
    monkeypatch.setattr("spikec.compiler.state_range.distances", lambda *_: next(distances))
    assert any(d.code == "I033" for d in compiled(images()).diagnostics) == is_calibrated


def test_backends_agree_where_the_state_saturates(calibrated: Pipeline) -> None:
    program = program_of(calibrated)
    samples = np.full((2, 800), program.input.maximum)
    samples[1, ::2] = 0
    weight = program.projections[0].effective_weight
    samples = np.where(weight.sum(axis=0) > 0, samples, 0)  # all that excites, far beyond the data
    slow, fast = run_reference(program, samples, record=True), simulate(program, samples, record=True)
    assert compare(program, [slow, fast]).first_difference is None
    wide = replace(program, state_minimum=-(1 << 40), state_maximum=1 << 40)
    assert max(int(v.max()) for v in largest_potentials(wide, samples).values()) > program.state_maximum


def test_largest_potentials_are_those_of_every_step() -> None:
    pipeline = run_passes(network(), Context(targets.load("loihi2"), T), passes_for(CompileOptions()))
    program = program_of(pipeline)
    samples, _ = encode(program.input, images(5).inputs)
    found = largest_potentials(program, samples)
    first, readout = program.populations
    assert first.threshold is not None
    trains = run_reference(program, samples, record=True).spike_trains
    assert trains is not None
    largest = {p.name: np.zeros(p.neurons, dtype=np.int64) for p in program.populations}
    for n, sample in enumerate(samples):
        v = np.broadcast_to(first.initial_potential, first.shape)
        scores = np.broadcast_to(readout.initial_potential, readout.shape)
        for step in range(T):
            sent = program.input.messages(sample, step, T)
            v = v + synaptic_input(program.projections[0], sent, first.shape) + first.bias
            largest["fc1"] = np.maximum(largest["fc1"], np.abs(v))
            spikes = trains["fc1"][n, step].astype(np.int64)
            v = v - first.threshold * spikes
            scores = scores + synaptic_input(program.projections[1], spikes, readout.shape) + readout.bias
            largest["fc2"] = np.maximum(largest["fc2"], np.abs(scores))
    for name, values in largest.items():
        assert (found[name] >= values).all()
        start = np.abs(np.broadcast_to(program.population(name).initial_potential, values.shape))
        assert np.array_equal(found[name], np.maximum(values, start))


def test_a_gated_population_stays_proven() -> None:
    context = Context(targets.load("loihi2"), T, images(), schedule="exact")
    pipeline = scheduled(network(), context, CompileOptions())
    program = program_of(pipeline)
    assert not [d for d in pipeline.diagnostics if d.code == "I033"]
    for population in spiking_level(pipeline.state).populations:
        if population.hold:
            bounds = window_range(program, program.population(population.name))
            assert int(bounds.highest.max()) <= program.state_maximum
            assert int(bounds.lowest.min()) >= program.state_minimum


def test_lavas_own_neurons_keep_the_proven_range() -> None:
    """They saturate at other values than the program does."""
    pipeline = compiled(images(), "lava-stock")
    (effect,) = [r.effect for r in pipeline.records if r.name == "calibrate-state-range"]
    assert effect["layers"] == 0
    assert bits_of(pipeline) < 7
    assert not {d.code for d in find_stock_problems(program_of(pipeline))} & {"E347"}
