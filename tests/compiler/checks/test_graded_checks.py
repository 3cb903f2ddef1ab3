"""Which chips take graded neurons, and what is said where they do not: for every layer, with what to do."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from spikec import targets
from spikec.compiler.checks import check_program
from spikec.compiler.mapping import place
from spikec.runtime.program import INPUT, DenseSynapses, InputEncoding, Population, Program, Projection
from spikec.runtime.program.neuron_models import graded
from spikec.runtime.program.rules import problems
from spikec.targets import Number, Status, Target
from spikec.targets.diagnostic import Diagnostic


def program(*payloads: tuple[int, int]) -> Program:
    """Dense layers of two neurons with these payloads, and a read-out."""
    names = [f"layer{index}" for index in range(len(payloads))]
    zero, weight = np.array([0]), DenseSynapses(2 * np.ones((2, 2), dtype=np.int64))
    layers = tuple(
        Population(name, (2,), np.array([8]), np.array([4]), zero, depth, payloads=each)
        for depth, (name, each) in enumerate(zip(names, payloads, strict=True), 1)
    )
    ends = [INPUT, *names, "scores"]
    made = Program(
        name="graded",
        target="loihi2",
        schedule="pipelined",
        timesteps=1,
        state_minimum=-131072,
        state_maximum=131071,
        input=InputEncoding((2,), (0,), (2,), 1.0, 0, 1),
        populations=(*layers, Population("scores", (2,), None, zero, zero, len(ends) - 1)),
        projections=tuple(Projection(f"to {b}", a, b, weight) for a, b in itertools.pairwise(ends)),
        neuron=graded(),
    )
    assert not list(problems(made))
    return made


def found(made: Program, target: Target) -> list[Diagnostic]:
    codes = ("E319", "E350", "E351", "W350", "W351")
    return [d for d in check_program(made, target, place(made, target)) if d.code in codes]


@pytest.mark.parametrize("name", ["loihi1", "lava-stock", "speck2f", "spinnaker2"])
def test_a_chip_without_graded_messages_refuses_every_layer(name: str) -> None:
    target = targets.load(name)
    refused = found(program((0, 4), (0, 8)), target)
    assert [(d.code, d.place.layer, d.measured) for d in refused] == [("E350", "layer0", 4), ("E350", "layer1", 5)]
    for each, high in zip(refused, (4, 8), strict=True):
        assert target.title in each.message
        assert f"0..{high}" in each.message
        assert "loihi2" in str(each.hint)
        assert each.source


@pytest.mark.parametrize("name", ["lava", "programmable"])
def test_simulators_take_graded_neurons_without_a_remark(name: str) -> None:
    assert not found(program((0, 4), (-8, 7)), targets.load(name))


def test_on_loihi_2_the_neuron_is_an_assumption() -> None:
    (remark,) = found(program((0, 4), (-8, 7)), targets.load("loihi2"))
    assert (remark.code, remark.assumed) == ("W350", True)


def test_payloads_are_held_against_the_bits_of_a_message() -> None:
    lava = targets.load("lava")
    narrow = replace(lava, neuron=replace(lava.neuron, payload_bits=Number(4, "bits", "a test", Status.MEASURED)))
    (wide,) = found(program((0, 7), (0, 8), (-8, 7)), narrow)
    assert (wide.code, wide.place.layer, wide.measured, wide.limit) == ("E351", "layer1", 5, 4)
    assert narrow.largest_payload == 7


def test_signs_are_held_against_what_the_chip_sends() -> None:
    lava = targets.load("lava")
    unsigned = replace(lava, neuron=replace(lava.neuron, signed_payloads=None))
    (signed,) = found(program((0, 7), (-1, 7)), unsigned)
    assert (signed.code, signed.place.layer) == ("E351", "layer1")
    assert "have a sign" in signed.message
