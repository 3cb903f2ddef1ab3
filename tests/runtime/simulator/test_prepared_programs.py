"""What a program is made ready with is kept as long as it lives, and never used for another program."""

from __future__ import annotations

import gc
import pickle
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import numpy as np
import pytest

import spikec
from spikec.runtime.program import DenseSynapses, Program
from spikec.runtime.program.storage import load_program, program_files
from spikec.runtime.simulator import Simulator, simulate, simulation
from spikec.runtime.simulator.native import CHOICE, available_instruction_sets, kernel_threads, threads_in_use
from spikec.runtime.simulator.plan import plan_layers
from spikec.runtime.simulator.prepared import Preparations

from .test_simulator_gates import random_program as random_gated
from .test_simulator_gates import random_samples as samples_of_gated
from .test_simulator_kernels import plain_program, plain_samples


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[Program]:
    """The programs that are made ready from now on."""
    found = list[Program]()

    def counted(program: Program) -> object:
        found.append(program)
        return plan_layers(program)

    monkeypatch.setattr(simulation, "plan_layers", counted)
    return found


def test_a_program_is_made_ready_once(prepared: list[Program]) -> None:
    program, samples = plain_program(), plain_samples(2)
    first = simulate(program, samples)
    np.testing.assert_array_equal(simulate(program, samples).readout, first.readout)
    np.testing.assert_array_equal(Simulator(program).run(samples).readout, first.readout)
    np.testing.assert_array_equal(spikec.simulate(program, samples / 1.0).readout, first.readout)
    assert len(prepared) == 1
    other = replace(program, timesteps=program.timesteps + 1)
    assert not np.array_equal(simulate(other, samples).readout, first.readout)
    assert len(prepared) == 2


def test_instruction_set_and_way_are_those_of_the_call(
    prepared: list[Program], monkeypatch: pytest.MonkeyPatch
) -> None:
    program, samples = plain_program(), plain_samples(1)

    def kernels() -> set[str]:
        return {way.kernel for ways in simulate(program, samples).ways.values() for way in ways}

    names = ["none", *(one.name for one in available_instruction_sets())]
    for number, name in enumerate(names, 1):
        monkeypatch.setenv(CHOICE, name)
        assert kernels() == kernels() == {"numpy" if name == "none" else name}
        assert len(prepared) == number
    for way in ("events", "dense"):
        simulate(program, samples, way=way)
    assert len(prepared) == len(names) + 2


def test_nothing_can_be_written_to_a_program(tmp_path: object) -> None:
    program = plain_program()
    for name, content in program_files(program).items():
        (tmp_path / name).write_bytes(content)  # type: ignore[operator]
    for one in (program, load_program(tmp_path), replace(program)):  # type: ignore[arg-type]
        for array in (one.populations[0].threshold, one.populations[0].bias, one.projections[0].synapses.weight):
            assert array is not None
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 1


def test_a_view_is_copied_and_an_own_array_taken_over() -> None:
    shared, own = np.ones((4, 3), dtype=np.int64), np.ones((2, 3), dtype=np.int64)
    viewed, taken = DenseSynapses(shared[:2]), DenseSynapses(own)
    shared[...] = 7
    assert viewed.weight.tolist() == [[1, 1, 1]] * 2
    assert taken.weight is own
    assert not own.flags.writeable


def test_a_program_that_can_change_is_made_ready_every_time(prepared: list[Program]) -> None:
    """As one that came from another process can."""
    program, samples = pickle.loads(pickle.dumps(plain_program())), plain_samples(2)
    before = simulate(program, samples).readout
    assert np.array_equal(simulate(program, samples).readout, before)
    assert len(prepared) == 2
    program.projections[-1].synapses.weight[...] *= 2
    np.testing.assert_array_equal(simulate(program, samples).readout, 2 * before)


def test_what_is_kept_goes_with_its_program() -> None:
    made = list[weakref.ref[Program]]()

    def make(program: Program) -> Simulator:
        simulator = Simulator(program)
        made.append(weakref.ref(simulator))  # type: ignore[arg-type]
        return simulator

    kept: Preparations[Simulator] = Preparations()
    program = plain_program()
    assert kept.of(program, 1, make) is kept.of(program, 1, make)
    assert made[0]() is not None
    del program
    gc.collect()
    assert made[0]() is None


def test_the_last_few_are_kept() -> None:
    made = list[int]()

    def numbered(number: int) -> Callable[[Program], int]:
        def make(_: Program) -> int:
            made.append(number)
            return number

        return make

    kept: Preparations[int] = Preparations(most=2)
    programs = [plain_program() for _ in range(3)]
    for number in (0, 1, 0, 2, 0, 1):
        assert kept.of(programs[number], "", numbered(number)) == number
    assert made == [0, 1, 2, 1], "of three the one that was asked for least recently went"


def test_threads_share_what_is_kept() -> None:
    cases = [(random_gated(seed, 0.5), samples_of_gated(seed, 3)) for seed in range(6)]
    expected = [simulate(program, samples, record=True) for program, samples in cases]
    ways = ("auto", "events", "dense")

    def run(turn: int) -> bool:
        number = turn % len(cases)
        found = simulate(*cases[number], record=True, threads=1 + turn % 2, way=ways[turn % 3])
        same = np.array_equal(found.readout, expected[number].readout)
        return same and found.spike_counts == expected[number].spike_counts

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(run, range(120)))


def test_runs_at_the_same_time_have_their_own_number_of_threads() -> None:
    at_once = Barrier(2, timeout=60)

    def seen(threads: int) -> list[int]:
        found = list[int]()
        with kernel_threads(threads):
            at_once.wait()
            found.append(threads_in_use())
            at_once.wait()
        found.append(threads_in_use())
        return found

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(seen, (3, 2))) == [[3, 1], [2, 1]]
    assert threads_in_use() == 1
