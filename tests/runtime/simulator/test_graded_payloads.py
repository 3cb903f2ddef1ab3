"""Graded neurons: every way to run them sends the payloads of the reference, signed, wide and saturated ones too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec.runtime.agreement import compare
from spikec.runtime.execution import Execution
from spikec.runtime.program import IntArray, Program
from spikec.runtime.program.neuron_models import PLAIN_IF, graded
from spikec.runtime.program.rules import problems
from spikec.runtime.program.storage import load_program, program_files
from spikec.runtime.reference.network import run_reference
from spikec.runtime.simulator import loops, neurons, simulate
from spikec.runtime.simulator.native import CHOICE
from spikec.runtime.simulator.results import joined_results
from spikec.runtime.simulator.tensors import TensorSimulator
from spikec.targets.diagnostic import UnusableInput

from .test_simulator_properties import SEEDS, random_program, random_samples

PAYLOADS = ((0, 1), (0, 4), (-3, 4), (0, 300), (-70000, 70000))


def graded_program(seed: int, *, narrow_state: bool = False) -> Program:
    """A random program of graded neurons, each layer with payloads of its own."""
    random = np.random.default_rng(seed)
    program = random_program(seed, narrow_state=narrow_state)
    firing = tuple(
        replace(
            p,
            threshold=np.maximum(p.threshold // int(random.choice([1, 8])), 1),
            payloads=PAYLOADS[int(random.integers(len(PAYLOADS)))],
        )
        for p in program.firing
        if p.threshold is not None
    )
    return replace(
        program,
        timesteps=1,
        input=replace(program.input, spread=False),
        populations=(*firing, *program.readouts),
        neuron=graded(),
    )


def by_loops(program: Program, samples: IntArray, monkeypatch: pytest.MonkeyPatch) -> Execution:
    loaded = loops.installed_loops()
    assert loaded is not None, "tests run with numba"
    monkeypatch.setattr(neurons, "loops_for", lambda _: loaded)
    monkeypatch.setenv(CHOICE, "none")
    return simulate(program, samples, record=True)


def by_numpy(program: Program, samples: IntArray, monkeypatch: pytest.MonkeyPatch) -> Execution:
    monkeypatch.setattr(neurons, "loops_for", lambda _: None)
    monkeypatch.setenv(CHOICE, "none")
    return simulate(program, samples, record=True)


def by_tensors(program: Program, samples: IntArray, _: pytest.MonkeyPatch) -> Execution:
    part = TensorSimulator(program, "cpu").run_chunk(samples, record=True)
    return joined_results(program, [part], len(samples), record=True, seconds=0.0)


@pytest.mark.parametrize("run", [by_loops, by_numpy, by_tensors])
@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, narrow=st.booleans())
def test_payloads_are_those_of_the_reference(
    run: Callable[[Program, IntArray, pytest.MonkeyPatch], Execution], seed: int, narrow: bool
) -> None:
    program, samples = graded_program(seed, narrow_state=narrow), random_samples(seed, 3)
    assert not list(problems(program))
    with pytest.MonkeyPatch.context() as monkeypatch:
        fast = run(program, samples, monkeypatch)
    slow = run_reference(program, samples, record=True)
    agreement = compare(program, [slow, fast])
    assert agreement.equal, agreement.first_difference
    assert slow.spike_counts == fast.spike_counts
    assert slow.steps == fast.steps == 3 + program.depth
    assert agreement.compared == {"a": "payloads", "b": "payloads", "c": "payloads", "scores": "potentials"}


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_with_payloads_of_one_bit_they_are_plain_neurons(seed: int) -> None:
    program, samples = graded_program(seed), random_samples(seed, 3)
    one_bit = replace(program, populations=(*(replace(p, payloads=(0, 1)) for p in program.firing), *program.readouts))
    plain = replace(one_bit, neuron=PLAIN_IF)
    assert compare(plain, [run_reference(plain, samples, record=True), simulate(one_bit, samples, record=True)]).equal


def test_a_wrong_payload_is_named_with_its_value() -> None:
    program, samples = graded_program(1), random_samples(1, 2)
    wide = replace(program, populations=(replace(program.populations[0], payloads=(0, 2)), *program.populations[1:]))
    narrow = replace(program, populations=(replace(program.populations[0], payloads=(0, 1)), *program.populations[1:]))
    difference = compare(
        program, [run_reference(wide, samples, record=True), simulate(narrow, samples, record=True)]
    ).first_difference
    assert difference is not None
    assert (difference.layer, difference.values) == ("a", {"reference": 2, "simulator": 1})


def test_a_program_with_payloads_is_stored_and_read(tmp_path: Path) -> None:
    folder, program = tmp_path, graded_program(5)
    for name, content in program_files(program).items():
        (folder / name).write_bytes(content)
    found = load_program(folder)
    assert [p.payloads for p in found.populations] == [p.payloads for p in program.populations]
    assert found.neuron == program.neuron
    samples = random_samples(5, 2)
    assert compare(program, [simulate(e, samples, record=True) for e in (program, found)]).equal


def test_spikes_leave_no_payloads_in_the_file() -> None:
    assert b"payloads" not in program_files(random_program(5))["program.json"]


@pytest.mark.parametrize("payloads", [(1, 4), (-1, 0), (0, 1 << 31), (-(1 << 31), 1)])
def test_payloads_that_are_none_are_refused(payloads: tuple[int, int]) -> None:
    program = graded_program(2)
    wrong = replace(program, populations=(replace(program.populations[0], payloads=payloads), *program.populations[1:]))
    assert any("do not reach from 0" in d.message for d in problems(wrong))


def test_payloads_of_other_neurons_are_refused() -> None:
    program = replace(graded_program(2), neuron=PLAIN_IF)
    wide = replace(program, populations=(replace(program.populations[0], payloads=(0, 9)), *program.populations[1:]))
    assert any("graded neurons alone" in d.message for d in problems(wide))
    readout = replace(program.populations[-1], payloads=(0, 9))
    with_readout = replace(program, neuron=graded(), populations=(*program.populations[:-1], readout))
    assert any("graded neurons alone" in d.message for d in problems(with_readout))


@pytest.mark.parametrize("text", ["[0]", "[4, 0]", "[0, 1.5]", "3", '["a", "b"]'])
def test_damaged_payloads_are_refused_in_a_line(text: str, tmp_path: Path) -> None:
    folder, files = tmp_path, program_files(graded_program(2))
    document = files["program.json"].decode()
    start = document.index('"payloads":')
    end = document.index("]", start) + 1
    (folder / "program.json").write_text(document[:start] + f'"payloads": {text}' + document[end:])
    (folder / "tensors.npz").write_bytes(files["tensors.npz"])
    with pytest.raises(UnusableInput, match="E611"):
        load_program(folder)
