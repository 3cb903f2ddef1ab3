"""Comparing runs: whatever one backend does differently is found, first by layer, then sample, step and neuron."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from spikec.runtime.agreement import Difference, compare
from spikec.runtime.backends import BACKENDS, run_backend
from spikec.runtime.execution import Execution
from spikec.runtime.program import INPUT, DenseSynapses, InputEncoding, Population, Program, Projection
from spikec.targets.diagnostic import UnusableInput

IMAGES = np.array([[0, 0], [9, 4], [3, 8]])
Change = Callable[[Program], Program]


def program() -> Program:
    def column(*values: int) -> Any:
        return np.array(values, dtype=np.int64)

    return Program(
        name="small",
        target="lava",
        schedule="pipelined",
        timesteps=4,
        state_minimum=-1000,
        state_maximum=1000,
        input=InputEncoding((2,), (0,), (2,), 1.0, 0, 9),
        populations=(
            Population("first", (3,), column(10, 12, 14), column(5, 6, 7), column(0, 0, 1), 1),
            Population("second", (2,), column(9), column(4), column(0), 2),
            Population("scores", (2,), None, column(0), column(1, -1), 3),
        ),
        projections=(
            Projection("a", INPUT, "first", DenseSynapses(np.array([[1, 0], [0, 2], [1, 1]]))),
            Projection("b", "first", "second", DenseSynapses(np.array([[6, -3, 5], [-2, 7, 4]]))),
            Projection("c", "second", "scores", DenseSynapses(np.array([[3, -1], [-2, 5]]))),
            Projection("skip", "first", "scores", DenseSynapses(np.array([[1, 0, 2], [0, 4, 0]])), delay=1),
        ),
    )


def run(changed: Program, name: str = "reference") -> Execution:
    return replace(run_backend("reference", changed, IMAGES, record=True), backend=name)


def with_population(index: int, **changes: Any) -> Change:
    def change(given: Program) -> Program:
        populations = list(given.populations)
        populations[index] = replace(populations[index], **changes)
        return replace(given, populations=tuple(populations))

    return change


def with_projection(index: int, **changes: Any) -> Change:
    def change(given: Program) -> Program:
        projections = list(given.projections)
        projections[index] = replace(projections[index], **changes)
        return replace(given, projections=tuple(projections))

    return change


def test_equal_runs() -> None:
    agreement = compare(
        program(), [run_backend(name, program(), IMAGES, record=True) for name in ("reference", "simulator")]
    )
    assert agreement.equal
    assert agreement.samples == 3
    assert agreement.document() == {
        "equal": True,
        "samples": 3,
        "backends": ["reference", "simulator"],
        "compared": {"first": "spike trains", "second": "spike trains", "scores": "potentials"},
        "first_difference": None,
    }


@pytest.mark.parametrize(
    ("change", "layer"),
    [
        (with_population(0, bias=np.array([4, 0, 1])), "first"),
        (with_population(0, threshold=np.array([10, 12, 15])), "first"),
        (with_population(0, initial_potential=np.array([0, 0, 0])), "first"),
        (with_population(1, threshold=np.array([5])), "second"),
        (with_population(2, bias=np.array([1, -2])), "scores"),
        (with_projection(1, synapses=DenseSynapses(np.array([[-6, -3, 5], [-2, 7, 4]]))), "second"),
        (with_projection(1, exponent=1), "second"),
        (with_projection(1, delay=1), "second"),
        (with_projection(3, delay=0), "scores"),
        (with_projection(3, synapses=DenseSynapses(np.array([[1, 0, 2], [0, -4, 0]]))), "scores"),
    ],
)
def test_every_change_of_a_program_is_found(change: Change, layer: str) -> None:
    good, bad = run(program()), run(change(program()), "altered")
    agreement = compare(program(), [good, bad])
    found = agreement.first_difference
    assert not agreement.equal
    assert found is not None
    assert found.layer == layer
    assert found.values["reference"] != found.values["altered"]
    if layer == "scores":
        where = np.argwhere(good.readout != bad.readout)[0]
        assert (found.sample, found.neuron, found.step) == (*where, 4)
        assert found.values["reference"] == good.readout[tuple(where)]
    else:
        assert good.spike_trains is not None
        assert bad.spike_trains is not None
        sample, step, neuron = np.argwhere(good.spike_trains[layer] != bad.spike_trains[layer])[0]
        assert (found.sample, found.step, found.neuron) == (sample, step + 1, neuron)
        assert set(found.values.values()) == {0, 1}


def flipped(execution: Execution, name: str, layer: str, place: tuple[int, int, int]) -> Execution:
    assert execution.spike_trains is not None
    trains = {key: train.copy() for key, train in execution.spike_trains.items()}
    trains[layer][place] ^= 1
    return replace(execution, backend=name, spike_trains=trains)


def test_one_flipped_spike_is_named_exactly() -> None:
    good = run(program())
    bad = flipped(good, "altered", "second", (2, 1, 1))
    value = int(good.spike_trains["second"][2, 1, 1])  # type: ignore[index]
    assert compare(program(), [good, bad]).document()["first_difference"] == {
        "layer": "second",
        "neuron": 1,
        "step": 2,
        "sample": 2,
        "values": {"reference": value, "altered": 1 - value},
    }


def test_the_first_of_several_differences_is_named() -> None:
    good = run(program())
    late = flipped(good, "late", "first", (2, 0, 0))
    early = flipped(flipped(good, "early", "first", (1, 3, 2)), "early", "second", (0, 0, 0))
    difference = compare(program(), [good, late, early]).first_difference
    assert difference is not None
    assert (difference.layer, difference.sample, difference.step, difference.neuron) == ("first", 1, 4, 2)
    assert difference.values["late"] == difference.values["reference"] != difference.values["early"]
    assert isinstance(difference, Difference)


def test_runs_without_spike_trains_cannot_be_compared() -> None:
    silent = run_backend("simulator", program(), IMAGES)
    with pytest.raises(ValueError, match="the run on simulator did not record its spike trains"):
        compare(program(), [silent, silent])


def test_backends_by_name() -> None:
    assert tuple(BACKENDS) == ("reference", "simulator", "lava", "lava-stock", "loihi2", "sanafe", "sinabs", "brian2")
    with pytest.raises(UnusableInput, match="E640 there is no backend 'loihi9'") as caught:
        run_backend("loihi9", program(), IMAGES)
    assert (
        caught.value.diagnostics[0].hint
        == "did you mean 'loihi2'? choose from reference, simulator, lava, lava-stock, loihi2, sanafe, sinabs, brian2"
    )
