"""A share of the fuzzer's networks on every run: the same numbers everywhere, judged in this process."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx.checker
import pytest

from spikec.compiler.ir.operators import AveragePool, Round
from spikec.compiler.passes import maximum_windows
from spikec.compiler.passes.maximum_windows import Form
from spikec.runtime.program.program import Program
from spikec.runtime.reference import network as reference
from spikec.targets.diagnostic import Diagnostic, UnusableInput

from . import network_trial
from .float_values import by_evaluator, by_runtime, differs
from .integer_network import step_through
from .network_trial import try_network
from .networks import NetworkSettings, drawn_network
from .verdict import Verdict

SETTINGS = NetworkSettings(seed=20)
CHUNK = 20


@pytest.mark.parametrize("first", range(0, 200, CHUNK))
def test_networks_are_right(first: int) -> None:
    verdicts = {number: try_network(number, SETTINGS) for number in range(first, first + CHUNK)}
    assert {number: v for number, v in verdicts.items() if v.finding} == {}
    assert any(v.kind == "agrees" for v in verdicts.values())


def test_a_number_and_its_decisions_give_one_network() -> None:
    drawn = drawn_network(7, SETTINGS)
    assert drawn_network(7, SETTINGS).model == drawn.model
    assert drawn_network(7, SETTINGS, drawn.decisions).model == drawn.model
    assert drawn_network(7, replace(SETTINGS, seed=1)).model != drawn.model


def test_networks_are_sound_files_of_every_opset() -> None:
    drawn = [drawn_network(number, SETTINGS) for number in range(150)]
    for network in drawn:
        onnx.checker.check_model(network.model)
    assert len({network.opset for network in drawn}) > 15
    assert 5 < sum(network.relu for network in drawn) < 110
    assert 2 < sum(not network.expressible for network in drawn) < 40
    assert {len(network.outputs) for network in drawn} == {0, 2, 3}


def test_most_networks_compute_something_that_both_judges_know() -> None:
    known = 0
    for number in range(40):
        drawn = drawn_network(number, SETTINGS)
        results = by_runtime(drawn.model, drawn.samples), by_evaluator(drawn.model, drawn.samples)
        known += any(r is not None and bool(np.abs(r).max() > 0) for r in results)
    assert known >= 30


def found(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, wrong: object) -> list[Verdict]:
    """Findings of a few networks with something of the product replaced by what is wrong."""
    monkeypatch.setattr(owner, name, wrong)
    return [v for v in (try_network(number, SETTINGS) for number in range(25)) if v.finding]


@pytest.mark.parametrize(("seed", "number"), [(31, 317), (33, 87), (121, 355)])
def test_a_network_without_any_layer_is_rightly_refused(seed: int, number: int) -> None:
    assert try_network(number, NetworkSettings(seed=seed)).kind.startswith("refused E015")


def test_a_network_with_layers_refused_as_having_none_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(model: bytes, **options: object) -> None:
        raise UnusableInput([Diagnostic("E015", "output y is the input itself")])

    findings = found(monkeypatch, network_trial, "read_onnx", refusing)
    assert {v.kind for v in findings} == {"refused although expressible"}


def test_a_wrong_operator_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def floored(self: object, inputs: tuple[np.ndarray, ...]) -> np.ndarray:  # type: ignore[type-arg]
        return np.asarray(np.floor(inputs[0]))

    findings = found(monkeypatch, Round, "evaluate", floored)
    assert any("float level is off" in v.finding for v in findings)


def test_a_wrong_ceil_window_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(self: AveragePool, axis: int, size: int, before: int, after: int) -> int:
        return -(size + before + after - self.kernel[axis]) % self.stride[axis]

    monkeypatch.setattr(AveragePool, "_missing", missing)
    # A window that sees nothing is a sum of nothing by a number of nothing.
    with np.errstate(invalid="ignore"):
        verdicts = [try_network(number, SETTINGS) for number in (34, 81)]
    assert any("float level is off" in v.finding for v in verdicts)


def test_a_wrong_maximum_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def first_alone(self: object, base: Form, rest: Form, target: object, entries: object) -> Form:
        return base

    findings = found(monkeypatch, maximum_windows._Halving, "_compared", first_alone)
    assert any("maxima are off" in v.finding for v in findings)


def test_a_wrong_reference_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def doubled(projection: object, sent: object, shape: object) -> object:
        return 2 * right(projection, sent, shape)  # type: ignore[arg-type]

    right = reference.synaptic_input
    findings = found(monkeypatch, reference, "synaptic_input", doubled)
    assert any("reference differs from the stepper" in v.finding for v in findings)


def test_the_stepper_tells_programs_apart() -> None:
    """Fires at the threshold and not above it, starts from v0, and adds the bias at every step."""
    program = one_neuron(threshold=4, initial=1, bias=3)
    stepped = step_through(program, np.zeros((1, 1), np.int64))
    # u = 4, 3, 6, 5 with a threshold of 4: spikes at steps 1, 3 and 4.
    assert stepped.trains["neuron"].ravel().tolist() == [1, 0, 1, 1]
    assert stepped.extremes["neuron"] == (3, 6)
    assert stepped.readouts["readout"].ravel().tolist() == [3 * 5]


def one_neuron(*, threshold: int, initial: int, bias: int) -> Program:
    from spikec.runtime.program import INPUT, DenseSynapses, InputEncoding, Population, Projection

    def one(value: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.array([value], dtype=np.int64)

    return Program(
        "one",
        "lava",
        "pipelined",
        4,
        -1000,
        1000,
        InputEncoding((1,), (0,), (1,), 1.0, 0, 1),
        (
            Population("neuron", (1,), one(threshold), one(initial), one(bias), 1),
            Population("readout", (1,), None, one(0), one(0), 2),
        ),
        (
            Projection("in", INPUT, "neuron", DenseSynapses(np.array([[1]]))),
            Projection("out", "neuron", "readout", DenseSynapses(np.array([[5]]))),
        ),
    )


def test_differences_are_shares_of_the_range() -> None:
    ones = np.ones((2, 3))
    assert differs(ones, ones, 1e-6) == 0
    assert differs(ones + 1e-3, ones, 1e-6) == pytest.approx(1e-3)
    assert differs(np.full(6, np.nan), ones, 1e-6) != 0
    assert differs(ones[:1], ones, 1e-6) == float("inf")
