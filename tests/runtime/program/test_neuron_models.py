"""Each neuron model against a scalar loop or by hand; what programs with them say, keep and refuse."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikec.runtime.backends import run_backend
from spikec.runtime.lava import build_process
from spikec.runtime.program import INPUT, DenseSynapses, InputEncoding, Population, Program, Projection, Pulse
from spikec.runtime.program.artefact import write_artefact
from spikec.runtime.program.msat_threshold import constants, exponential, kept_spikes, payload, softplus, value_scale
from spikec.runtime.program.neuron_models import PLAIN_IF, MsatLayer, MsatParameters, NeuronModel, cos, msat, srp
from spikec.runtime.program.neuron_range import neuron_range, stays_in_range
from spikec.runtime.program.rules import problems
from spikec.runtime.program.storage import load_program, program_files
from spikec.runtime.program.window_range import WindowRange, window_range
from spikec.runtime.reference.neurons import SecondPassNeurons
from spikec.runtime.simulator import Simulator, simulate
from spikec.runtime.simulator.neurons import LayerInput
from spikec.runtime.simulator.plan import plan_layer
from spikec.runtime.simulator.second_pass import fire_measured, shifted_potential
from spikec.targets.diagnostic import UnusableInput


def _chain(model: NeuronModel, timesteps: int = 4, threshold: int = 10, initial: int = 5, weight: int = 1) -> Program:
    """One input value onto one neuron, and that onto a read-out with weight 1."""
    one = np.ones((1, 1), dtype=np.int64)
    return Program(
        "chain", "programmable", "pipelined", timesteps, -(1 << 30), (1 << 30) - 1,
        InputEncoding((1,), (0,), (1,), 1.0, -100, 100),
        (
            Population("a", (1,), np.array([threshold]), np.array([initial]), np.array([0]), 1),
            Population("out", (1,), None, np.array([0]), np.array([0]), 2),
        ),
        (Projection("i", INPUT, "a", DenseSynapses(weight * one)), Projection("o", "a", "out", DenseSynapses(one))),
        neuron=model,
    )  # fmt: skip


def _late_inhibition(model: NeuronModel, timesteps: int) -> Program:
    """Input 5 on 'early' (fires at step 1, from v0 = 5) and 'late' (step 2, from v0 = 0), +10 and -20 onto 'n'."""
    first = Population("pair", (2,), np.array([10, 10]), np.array([5, 0]), np.array([0, 0]), 1)
    n = Population("n", (1,), np.array([10]), np.array([5]), np.array([0]), 2)
    out = Population("out", (1,), None, np.array([0]), np.array([0]), 3)
    return Program(
        "pair", "programmable", "pipelined", timesteps, -(1 << 20), 1 << 20,
        InputEncoding((1,), (0,), (1,), 1.0, 0, 9), (first, n, out),
        (
            Projection("i", INPUT, "pair", DenseSynapses(np.array([[1], [1]]))),
            Projection("p", "pair", "n", DenseSynapses(np.array([[10, -20]]))),
            Projection("o", "n", "out", DenseSynapses(np.array([[1]]))),
        ), neuron=model,
    )  # fmt: skip


def test_a_neuron_that_fires_before_its_inhibition_comes_is_silenced() -> None:
    """Over two steps n gets 10 - 20 = -10, so it should be silent; a single step shows it the 10 alone."""
    sample = np.array([[5]])
    assert simulate(_late_inhibition(PLAIN_IF, 1), sample).spike_counts["n"] == 1
    masked = simulate(_late_inhibition(srp(2), 1), sample, record=True)
    assert masked.spike_counts == {"pair": 1, "n": 0}
    assert masked.readout.item() == 0


@pytest.mark.parametrize(("final", "sent"), [(0, 0), (1, 1)])
def test_the_mask_silences_a_potential_of_zero(final: int, sent: int) -> None:
    """theta = 10, one step of input 10 + final from v0 = 0: a spike, and v = final."""
    program = _chain(srp(1), timesteps=1, initial=0)
    assert simulate(program, np.array([[10 + final]])).spike_counts["a"] == sent


@pytest.mark.parametrize(("threshold", "final", "sent"), [(5000, 5, 0), (5000, 6, 1), (5999, 5, 0), (4999, 5, 1)])
@pytest.mark.parametrize("backend", ["reference", "simulator"])
def test_the_mask_is_strict_at_a_thousandth_of_the_threshold(
    threshold: int, final: int, sent: int, backend: str
) -> None:
    program = _chain(srp(1), timesteps=1, threshold=threshold, initial=threshold)
    assert run_backend(backend, program, np.array([[final]])).spike_counts["a"] == sent


def _count(currents: list[int], theta: int, v: int) -> tuple[int, int]:
    """Spikes and last potential of a plain neuron."""
    spikes = 0
    for current in currents:
        v += current
        if v >= theta:
            v -= theta
            spikes += 1
    return spikes, v


CURRENTS = st.lists(st.integers(-40, 60), min_size=1, max_size=12)


@given(CURRENTS, st.integers(1, 25), st.integers(-10, 30))
def test_an_offset_changes_the_count_by_exactly_one_spike(currents: list[int], theta: int, start: int) -> None:
    fired, last = _count(currents, theta, start)
    wanted = fired
    if last < 0 and fired > 0:
        wanted = fired - 1
    if last >= theta and fired < len(currents):
        wanted = fired + 1
    program = _chain(cos(len(currents)), threshold=theta, initial=start)
    neurons = SecondPassNeurons(program, program.populations[0])
    for step, current in enumerate(currents):
        neurons.integrate_and_fire(np.array([current]), 0, step)
    assert _count(currents, theta, int(neurons.start.item()))[0] == wanted

    layer = plan_layer(replace(program, neuron=PLAIN_IF, timesteps=len(currents)), program.populations[0])
    varying: Any = np.array(currents, dtype=layer.bounds.state).reshape(-1, 1, 1, 1, 1)
    measured = fire_measured(layer, LayerInput(1, varying, None, None, None))
    assert int(shifted_potential(layer, measured).item()) == int(neurons.start.item())


@pytest.mark.parametrize("model", [srp(3), cos(3)])
def test_reached_potentials_stay_in_the_proven_range(model: NeuronModel) -> None:
    program = _late_inhibition(model, 2)
    low, high = neuron_range(program, program.population("n"))
    assert int(low.min()) <= -15 - (10 if model.name == "cos" else 0)
    assert int(high.max()) >= 15


@pytest.mark.parametrize("model", [PLAIN_IF, srp(3), cos(3)])
def test_a_state_is_wide_enough_from_its_largest_potential_on(model: NeuronModel) -> None:
    program = _late_inhibition(model, 2)
    reach = window_range if model == PLAIN_IF else neuron_range
    bounds = [reach(program, population) for population in program.populations]
    lows = [b.lowest if isinstance(b, WindowRange) else b[0] for b in bounds]
    highs = [b.highest if isinstance(b, WindowRange) else b[1] for b in bounds]
    low, high = min(int(b.min()) for b in lows), max(int(b.max()) for b in highs)
    assert stays_in_range(replace(program, state_minimum=low, state_maximum=high))
    assert not stays_in_range(replace(program, state_minimum=low + 1, state_maximum=high))
    assert not stays_in_range(replace(program, state_minimum=low, state_maximum=high - 1))


def test_elementary_functions_are_those_of_the_library() -> None:
    x = np.linspace(-39, 39, 4001)
    # The series are cut off at nine digits.
    assert np.allclose(exponential(x), np.exp(x), rtol=1e-9, atol=0)
    assert np.allclose(softplus(x), np.log1p(np.exp(x)), rtol=1e-8, atol=1e-17)
    assert exponential(1e9) == exponential(40.0)
    assert exponential(-1e9) == exponential(-40.0)


def _published_threshold(x: float, v: float, mean: float, top: float, p: MsatParameters) -> float:
    dtt = p.tau_mp * (p.alpha * (v - mean) - top + p.k_a * math.log(1 + math.exp((v - mean) / p.k_i)))
    det = p.tau_rd * math.exp(-x / p.c)
    return top * 1 / (1 + math.exp(-(det + dtt)))


@given(
    st.integers(-5000, 5000), st.integers(-5000, 5000), st.integers(-20000, 20000), st.integers(1, 31),
    st.floats(0.1, 8), st.floats(0.01, 1), st.integers(20, 300),
)  # fmt: skip
def test_payloads_are_the_published_threshold_rounded(
    x: int, v: int, total: int, before: int, top: float, alpha: float, threshold: int
) -> None:
    parameters = MsatParameters(alpha=alpha, tau_mp=0.5)
    scale = float(value_scale(np.array([threshold]), top)[0])
    found = float(payload(float(x), float(v), float(total), float(before), scale, top, constants(parameters)))
    unit = top / (threshold * 256)
    published = 256 * _published_threshold(x * unit, v * unit, total / before * unit, top, parameters) / top
    # Half a payload from rounding, and the nine digits of the series.
    assert 1 <= found <= 256
    assert found == int(found)
    assert abs(found - max(published, 1)) <= 0.5 + 1e-5


def test_an_msat_neuron_is_the_published_one() -> None:
    """A scalar loop in values of the float network, its thresholds rounded to 1/256 of the largest."""
    top, theta, graded, timesteps = 2.0, 50, 7, 12
    parameters = MsatParameters(alpha=0.3, tau_mp=0.5, tau_rd=0.5, layers=(MsatLayer("a", top),))
    v = mean = sent = 0.0
    history: list[float] = []
    x = graded * top / theta
    for t in range(1, timesteps + 1):
        exact = top if t == 1 else _published_threshold(x, v, mean, top, parameters)
        threshold = max(round(256 * exact / top), 1) * top / 256
        v += x
        # Values are whole multiples of top / (256 * 50), so a billionth of that is no difference.
        if v >= threshold - 1e-9:
            v -= threshold
            sent += threshold
        history.append(v)
        mean = sum(history) / len(history)
    program = _chain(msat(parameters), timesteps, threshold=theta, initial=0)
    assert simulate(program, np.array([[graded]])).readout.item() == round(256 * sent / top)
    assert sent > 0


def test_spikes_are_dropped_by_confidence_before_step_16() -> None:
    parameters = MsatParameters(seed=3)
    many = np.arange(200, dtype=np.int64)
    kept = kept_spikes(parameters, 1, 0.3, many, 2, 100)
    # 20,000 draws: the standard deviation of the share is 0.0032.
    assert abs(kept.mean() - 0.3) < 0.015
    assert np.array_equal(kept_spikes(parameters, 1, 0.3, many[50:60], 2, 100), kept[50:60])
    for other in (
        kept_spikes(parameters, 1, 0.3, many, 3, 100),
        kept_spikes(parameters, 2, 0.3, many, 2, 100),
        kept_spikes(replace(parameters, seed=4), 1, 0.3, many, 2, 100),
    ):
        assert abs((other == kept).mean() - 0.58) < 0.02
    silent = MsatParameters(layers=(MsatLayer("a", 1.0, 0.0),))
    train = simulate(_chain(msat(silent), 20, initial=0), np.array([[50]]), record=True).spike_trains
    assert train is not None
    assert train["a"].ravel().tolist() == [0] * 15 + [1] * 5


def test_first_passes_count_as_latency() -> None:
    for model, first in ((PLAIN_IF, 0), (srp(3), 3), (cos(3), 6), (msat(), 0)):
        program = _late_inhibition(model, 2)
        assert program.first_pass_steps == first
        assert (program.window, program.latency, program.steps(10)) == (
            2 + first,
            5 + first,
            9 * (2 + first) + 5 + first,
        )
        assert simulate(program, np.array([[5]])).steps == 5 + first


MODELS = [srp(7), cos(2), msat(MsatParameters(alpha=0.1 + 0.2, layers=(MsatLayer("a", 1 / 3, 0.7),), seed=9))]


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_a_stored_program_keeps_its_neurons(model: NeuronModel, tmp_path: Path) -> None:
    program = _chain(model)
    write_artefact(tmp_path / "a", program_files(program))
    assert load_program(tmp_path / "a").neuron == model
    assert b"neuron" not in program_files(_chain(PLAIN_IF))["program.json"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda n: n.update(model="lif"),
        lambda n: n.update(first_pass=2),
        lambda n: n.update(parameters=None),
        lambda n: n["parameters"].update(c=(0.0).hex()),
        lambda n: n["parameters"].update(alpha=math.nan.hex()),
        lambda n: n["parameters"].update(seed=-1),
        lambda n: n["parameters"]["layers"][0].update(confidence=(1.5).hex()),
        lambda n: n["parameters"]["layers"][0].update(threshold_value=(-1.0).hex()),
        lambda n: n["parameters"]["layers"][0].update(name="out"),
        lambda n: n.update(model="srp", parameters=None, first_pass=0),
        lambda n: n.update(model="cos", first_pass=4),
    ],
)
def test_a_damaged_neuron_model_is_refused(damage: Callable[[object], None], tmp_path: Path) -> None:
    files = program_files(_chain(MODELS[2]))
    document = json.loads(files["program.json"])
    damage(document["neuron"])
    write_artefact(tmp_path / "a", {**files, "program.json": json.dumps(document).encode()})
    with pytest.raises(UnusableInput, match="E613"):
        load_program(tmp_path / "a")


@pytest.mark.parametrize("damage", [lambda d: d["neuron"].pop("model"), lambda d: d.update(neuron={"model": "srp"})])
def test_an_incomplete_neuron_model_is_refused(damage: Callable[[object], None], tmp_path: Path) -> None:
    files = program_files(_chain(srp()))
    document = json.loads(files["program.json"])
    damage(document)
    write_artefact(tmp_path / "a", {**files, "program.json": json.dumps(document).encode()})
    with pytest.raises(UnusableInput, match="E611"):
        load_program(tmp_path / "a")


def test_other_neurons_run_without_gates_and_pulses() -> None:
    pulsed = replace(_chain(srp()), pulses=(Pulse("p", "a", 1, np.array([1])),))
    for program in (pulsed, replace(_chain(cos()), schedule="exact")):
        assert any("without gates" in d.message for d in problems(program))
    assert not list(problems(_chain(srp())))


@pytest.mark.parametrize("backend", ["lava", "lava-stock", "loihi2"])
@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_lava_refuses_other_neurons_naming_their_state(model: NeuronModel, backend: str) -> None:
    with pytest.raises(UnusableInput, match=f"E512.*'{model.name}'") as refusal:
        run_backend(backend, _chain(model), np.array([[1]]))
    assert model.extra_state[0] in refusal.value.diagnostics[0].message
    with pytest.raises(UnusableInput, match="E512"):
        build_process(_chain(model))


def test_other_neurons_run_on_the_processor() -> None:
    assert Simulator(_chain(srp())).device == "cpu"
    with pytest.raises(UnusableInput, match="E511"):
        Simulator(_chain(srp()), device="cuda")
