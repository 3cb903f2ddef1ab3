"""Graded neurons on Lava: our process between Lava's synapses, fused sections, and what Lava's own cannot be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spikec.runtime.agreement import compare
from spikec.runtime.execution import Execution
from spikec.runtime.lava import availability, run_lava, run_lava_alone, run_lava_stock
from spikec.runtime.lava.netx.files import netx_files
from spikec.runtime.program import (
    INPUT,
    ConvSynapses,
    DenseSynapses,
    InputEncoding,
    IntArray,
    Population,
    Program,
    Projection,
    SparseSynapses,
)
from spikec.runtime.program.geometry import ConvGeometry
from spikec.runtime.program.neuron_models import graded
from spikec.runtime.program.rules import problems
from spikec.runtime.reference.network import run_reference
from spikec.targets.diagnostic import DiagnosticWarning, UnusableInput

needs_lava = pytest.mark.skipif(not availability().available, reason=availability().detail)


@pytest.fixture
def program() -> Program:
    """Payloads with and without a sign, some wider than a byte, over every kind of synapses and a path that waits."""
    random = np.random.default_rng(11)

    def weights(*shape: int) -> IntArray:
        return random.integers(-40, 41, shape).astype(np.int64)

    def layer(name: str, depth: int, payloads: tuple[int, int], threshold: int) -> Population:
        start, bias = random.integers(-9, 30, (2, 3, 1, 1)).astype(np.int64)
        return Population(name, (3, 5, 4), np.array(threshold), start, bias, depth, payloads=payloads)

    same = ConvGeometry(padding=(1, 1, 1, 1))
    scattered = weights(60, 60) * (random.random((60, 60)) < 0.2)
    readout = Population("scores", (4,), None, np.array([3]), np.array([-2]), 4)
    made = Program(
        name="graded",
        target="lava",
        schedule="pipelined",
        timesteps=1,
        state_minimum=-(1 << 23),
        state_maximum=(1 << 23) - 1,
        input=InputEncoding((2, 5, 4), (0, 1, 2), (2, 5, 4), 1.0, -8, 7),
        populations=(
            layer("a", 1, (-7, 9), 60),
            layer("b", 2, (0, 400), 9),
            layer("c", 3, (-300, 5), 800),
            readout,
        ),
        projections=(
            Projection("input-to-a", INPUT, "a", ConvSynapses(weights(3, 2, 3, 3), same)),
            Projection("a-to-b", "a", "b", ConvSynapses(weights(3, 3, 3, 3), same)),
            Projection("b-to-c", "b", "c", SparseSynapses.of_matrix(scattered), exponent=1),
            Projection("a-to-c", "a", "c", DenseSynapses(weights(60, 60)), delay=1),
            Projection("c-to-scores", "c", "scores", DenseSynapses(weights(4, 60))),
            Projection("a-to-scores", "a", "scores", DenseSynapses(300 * weights(4, 60)), delay=2),
        ),
        neuron=graded(),
    )
    assert not list(problems(made))
    return made


@pytest.fixture
def samples() -> IntArray:
    return np.random.default_rng(12).integers(-8, 8, (5, 2, 5, 4)).astype(np.int64)


def assert_equal(program: Program, judged: Execution, samples: IntArray) -> None:
    expected = run_reference(program, samples, record=True)
    assert expected.spike_trains is not None
    for layer in program.firing:
        seen = expected.spike_trains[layer.name]
        assert (seen.min() < 0) == (layer.payloads[0] < 0), "payloads of both signs, where there are any"
        assert seen.max() > 1
    agreement = compare(program, [expected, judged])
    assert agreement.equal, agreement.first_difference
    assert expected.spike_counts == judged.spike_counts


@needs_lava
@pytest.mark.parametrize("lanes", [1, 3])
def test_fused_sections_send_the_payloads_of_the_reference(program: Program, samples: IntArray, lanes: int) -> None:
    assert_equal(program, run_lava(program, samples, record=True, lanes=lanes), samples)


@needs_lava
def test_own_process_between_fast_synapses(program: Program, samples: IntArray) -> None:
    assert_equal(program, run_lava(program, samples, record=True, fused=False), samples)


@needs_lava
def test_own_process_between_lavas_own_synapses_is_told(program: Program, samples: IntArray) -> None:
    with pytest.warns(DiagnosticWarning, match="W341.*E352 a, b, c"):
        execution = run_lava_stock(program, samples, record=True)
    assert_equal(program, execution, samples)


@needs_lava
def test_lavas_own_neurons_alone_are_refused_for_every_layer(program: Program, samples: IntArray) -> None:
    with pytest.raises(UnusableInput) as refusal:
        run_lava_alone(program, samples)
    assert [(d.code, d.place.layer) for d in refusal.value.diagnostics] == [("E352", n) for n in ("a", "b", "c")]


def test_netx_has_no_graded_neurons(program: Program, samples: IntArray) -> None:
    with pytest.raises(UnusableInput, match=r"E512.*netx has no neuron of the model 'graded'"):
        netx_files(program, samples)


@needs_lava
def test_a_state_that_is_too_narrow_saturates_alike(program: Program, samples: IntArray) -> None:
    narrow = replace(program, state_minimum=-2000, state_maximum=1999)
    execution = run_lava(narrow, samples, record=True)
    agreement = compare(narrow, [run_reference(narrow, samples, record=True), execution])
    assert agreement.equal, agreement.first_difference
