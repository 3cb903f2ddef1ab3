"""The method bias-per-step against a search by hand, and what its programs ask of a chip."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest

from spikec import targets
from spikec.compiler.compilation import Built, build_from, build_program
from spikec.compiler.evaluation.evaluation import evaluate_models
from spikec.compiler.frontend.model import read_model
from spikec.compiler.ir.network import evaluate
from spikec.compiler.methods.bias_per_step import with_bias_per_step
from spikec.compiler.methods.table import METHODS
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes.calibrate_initial_potential import aim_of
from spikec.runtime.encoding import encode
from spikec.runtime.program import Program
from spikec.runtime.program.rules import problems
from spikec.runtime.reference.network import run_reference
from spikec.runtime.samples import Samples
from spikec.runtime.simulator import simulate
from spikec.targets.diagnostic import UnusableInput
from spikec.targets.facts import Flag, Status
from spikec.targets.schema import Target

_T = 3


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A map of two channels, and six neurons behind it."""
    quantised = "d{0} = Div (h{0}, unit) s{0} = Add (d{0}, half) f{0} = Floor (s{0}) "
    quantised += "c{0} = Clip (f{0}, zero, top) a{0} = Mul (c{0}, unit) "
    text = (
        '<ir_version: 8, opset_import: ["" : 17]> net (float[N,1,3,3] x) => (float[N,3] y) {'
        f"h1 = Conv (x, w1, b1) {quantised.format(1)} g = Flatten (a1) "
        f"h2 = Gemm <transB = 1> (g, w2, b2) {quantised.format(2)} y = Gemm <transB = 1> (a2, w3) }}"
    )
    network = onnx.parser.parse_model(text)
    random = np.random.default_rng(7)
    tensors = {"w1": random.normal(size=(2, 1, 2, 2)), "b1": np.array([0.1, 0.4])}
    tensors |= {"w2": random.normal(size=(6, 8)), "b2": np.full(6, 0.2), "w3": random.normal(size=(3, 6))}
    tensors |= {"unit": np.array(0.25), "half": np.array(0.5), "zero": np.array(0.0), "top": np.array(4.0)}
    for name, value in tensors.items():
        network.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value, dtype=np.float32), name))
    file = tmp_path_factory.mktemp("model") / "net.onnx"
    file.write_bytes(network.SerializeToString())
    return file


@pytest.fixture(scope="module")
def data() -> Samples:
    random = np.random.default_rng(1)
    return Samples(random.integers(0, 256, size=(40, 1, 3, 3)).astype(np.uint8), np.arange(40) % 3)


def _pulsing() -> Target:
    """A chip that sets any bias for a single step."""
    chip = targets.load("lava")
    return replace(chip, neuron=replace(chip.neuron, pulsed_bias=Flag(True, "this test", Status.MEASURED)))


def _built(model: Path, data: Samples, chip: Target) -> Built:
    options = CompileOptions(timesteps=_T, calibration=data)
    return build_from(read_model(model), chip, METHODS["bias-per-step"].options(options))


def _wanted(built: Built, name: str, data: Samples) -> Any:
    """Activations of a layer in spikes per step."""
    meant = built.spiking.population(name)
    network = aim_of(built.pipeline.state, built.context).network
    return evaluate(network, data.as_float(), frozenset((meant.activation,)))[meant.activation] / meant.spike_value


def _counts(program: Program, data: Samples) -> dict[str, Any]:
    trains = simulate(program, encode(program.input, data.inputs)[0], record=True).spike_trains
    assert trains is not None
    return {name: each.sum(axis=1, dtype=np.int64) for name, each in trains.items()}


def test_the_search_is_the_one_by_hand(model: Path, data: Samples) -> None:
    """The second layer of the finished program, searched again neuron by neuron on the spikes of the first."""
    built = _built(model, data, _pulsing())
    program = METHODS["bias-per-step"].finish(built)
    first, second = program.firing
    (projection,) = program.incoming(second.name)
    trains = simulate(program, encode(program.input, data.inputs)[0], record=True).spike_trains
    assert trains is not None
    current = trains[first.name].astype(np.int64) @ projection.effective_weight.T + second.bias
    wanted = _wanted(built, second.name, data)
    start = built.program.population(second.name).initial_potential
    assert second.threshold is not None
    for neuron in range(6):
        threshold = int(np.broadcast_to(second.threshold, 6)[neuron])

        def error(biases: list[float], neuron: int = neuron, threshold: int = threshold) -> float:
            v = np.full(len(data), np.clip(np.broadcast_to(start, 6)[neuron] + round(biases[0]), -threshold, threshold))
            counts = np.zeros(len(data))
            for step in range(_T):
                v = v + current[:, step, neuron] + (round(biases[step]) if step else 0)
                counts += v >= threshold
                v = v - threshold * (v >= threshold)
            return float(np.mean((counts / _T - wanted[:, neuron]) ** 2))

        best = [0.0] * _T
        for share, step, sign in product((0.5, 0.25, 0.125, 0.0625), range(_T), (1, -1)):
            moved = [*best[:step], best[step] + sign * share * threshold, *best[step + 1 :]]
            best = moved if error(moved) < error(best) - 1e-12 else best
        found = np.mean((_counts(program, data)[second.name][:, neuron] / _T - wanted[:, neuron]) ** 2)
        assert found == pytest.approx(error(best), rel=1e-9)


def test_no_channel_is_further_away_than_before(model: Path, data: Samples) -> None:
    built = _built(model, data, _pulsing())
    program = METHODS["bias-per-step"].finish(built)
    wanted = _wanted(built, program.firing[0].name, data).reshape(len(data), 2, -1)
    errors = [
        ((_counts(p, data)[p.firing[0].name].reshape(len(data), 2, -1) / _T - wanted) ** 2).mean(axis=(0, 2))
        for p in (built.program, program)
    ]
    assert (errors[1] <= errors[0] + 1e-6).all()
    assert errors[1].sum() < errors[0].sum()


@pytest.mark.parametrize("name", ["lava", "loihi1", "loihi2"])
def test_programs_are_such_as_the_chip_can_hold(model: Path, data: Samples, name: str) -> None:
    target = targets.load(name)
    options = METHODS["bias-per-step"].options(CompileOptions(target=name, timesteps=_T, calibration=data))
    program = METHODS["bias-per-step"].finish(build_program(model, options))
    assert not list(problems(program))
    assert {pulse.step for pulse in program.pulses} == {2, 3}
    for pulse in program.pulses:
        assert pulse.axons == 1
        assert np.abs(pulse.weight).max() <= target.weights.maximum.value
        assert not (pulse.weight % target.weights.step.value).any()
        assert pulse.exponent <= target.weights.exponent_maximum.value
    for population in program.firing:
        assert population.threshold is not None
        assert (np.abs(population.initial_potential) <= population.threshold).all()
    encoded, _ = encode(program.input, data.inputs[:3])
    reference, simulated = run_reference(program, encoded), simulate(program, encoded)
    assert np.array_equal(reference.readout, simulated.readout)


def test_a_chip_that_sets_a_bias_for_a_step_needs_no_axon(model: Path, data: Samples) -> None:
    chip = _pulsing()
    program = _built(model, data, chip).program
    population = program.firing[1]
    biases = (np.full(6, 10.4), np.full(6, -7.6), np.zeros(6))
    changed = with_bias_per_step(program, population, biases, chip)
    (pulse,) = changed.pulses
    assert (pulse.step, pulse.axons, pulse.potential.tolist()) == (2, 0, [-8] * 6)
    assert (changed.firing[1].initial_potential == population.initial_potential + 10).all()


def test_it_has_rows_where_there_is_more_than_one_step(model: Path, data: Samples) -> None:
    options = CompileOptions(calibration=data)
    rows = evaluate_models([model], data, options, (1, 2), ("lmpc", "bias-per-step")).rows
    assert [(row.method, row.timesteps) for row in rows] == [("lmpc", 1), ("lmpc", 2), ("bias-per-step", 2)]
    assert rows[1].latency == rows[2].latency
    assert rows[2].plain_if
    with pytest.raises(UnusableInput, match="E637 the method 'bias-per-step' runs at T = 2, 3, 4, 5, 6, 7, 8 alone"):
        evaluate_models([model], data, options, (1, 16), ("bias-per-step",))
