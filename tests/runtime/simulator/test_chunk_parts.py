"""Parts of a chunk on threads of their own."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec.runtime.agreement import compare
from spikec.runtime.program import IntArray
from spikec.runtime.simulator import Simulator, native, simulation
from spikec.runtime.simulator.chunk_parts import parts_of, run_in_parts
from spikec.runtime.simulator.results import ChunkResult

from .test_simulator_properties import SEEDS, random_program, random_samples


@given(st.integers(0, 300), st.integers(1, 20))
def test_parts_hold_all_samples_in_order_and_are_as_large_as_each_other(samples: int, threads: int) -> None:
    parts = parts_of(samples, threads)
    assert [place for first, last in parts for place in range(first, last)] == list(range(samples))
    sizes = [last - first for first, last in parts]
    assert max(sizes) - min(sizes) <= 1
    assert len(parts) == (threads if samples >= 2 * threads else 1)


def test_every_part_has_a_thread_and_the_kernel_one_in_it() -> None:
    seen: list[tuple[int, int, int]] = []

    def run(samples: IntArray, record: bool, first: int) -> ChunkResult:
        seen.append((first, threading.get_ident(), native.threads_in_use()))
        return ChunkResult({"out": samples}, {}, {})

    samples = np.arange(7)
    with native.kernel_threads(3), ThreadPoolExecutor(3) as others:
        parts = run_in_parts(run, samples, False, 100, 3, others)
        assert native.threads_in_use() == 3
        assert [part.readouts["out"].tolist() for part in parts] == [[0, 1], [2, 3], [4, 5, 6]]
        assert sorted(first for first, _, _ in seen) == [100, 102, 104]
        assert next(thread for first, thread, _ in seen if first == 100) == threading.get_ident()
        assert {threads for _, _, threads in seen} == {1}
        seen.clear()
        run_in_parts(run, samples[:5], False, 0, 3, others)
    assert [(first, threads) for first, _, threads in seen] == [(0, 3)]


def _nothing(samples: IntArray, record: bool, first: int) -> ChunkResult:
    return ChunkResult({}, {}, {})


@pytest.mark.parametrize(("cores", "begin_on"), [((3, 5), [3, 5]), ((3,), []), ((3, 4, 5), [])])
def test_every_thread_begins_on_a_core_of_its_own_where_all_cores_are_used(
    cores: tuple[int, ...], begin_on: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed: dict[int, set[int]] = {}
    begun: list[int] = []

    def restrict(process: int, chosen: set[int]) -> None:
        assert process == 0
        allowed[threading.get_ident()] = set(chosen)
        begun.extend(chosen if len(chosen) == 1 else ())

    monkeypatch.setattr(
        os, "sched_getaffinity", lambda process: allowed.get(threading.get_ident(), set(cores)), raising=False
    )
    monkeypatch.setattr(os, "sched_setaffinity", restrict, raising=False)
    with ThreadPoolExecutor(1) as others:
        run_in_parts(_nothing, np.zeros(8, dtype=np.int64), False, 0, 2, others)
    assert sorted(begun) == begin_on
    assert len(allowed) == len(begin_on)
    assert all(left == set(cores) for left in allowed.values()), "every thread may go where it could before"


def test_threads_that_may_not_choose_their_core_run_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(process: int, chosen: set[int]) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1}, raising=False)
    monkeypatch.setattr(os, "sched_setaffinity", refuse, raising=False)
    with ThreadPoolExecutor(1) as others:
        assert len(run_in_parts(_nothing, np.zeros(8, dtype=np.int64), False, 0, 2, others)) == 2


def test_what_stops_a_part_stops_the_run() -> None:
    def run(samples: IntArray, record: bool, first: int) -> ChunkResult:
        if first:
            raise MemoryError
        return ChunkResult({}, {}, {})

    with ThreadPoolExecutor(1) as others, pytest.raises(MemoryError):
        run_in_parts(run, np.zeros(8, dtype=np.int64), False, 0, 2, others)


@given(seed=SEEDS, narrow=st.booleans(), threads=st.integers(2, 4))
@settings(deadline=None, max_examples=30)
def test_parts_on_threads_change_no_result(seed: int, narrow: bool, threads: int) -> None:
    program, samples = random_program(seed, narrow_state=narrow), random_samples(seed, 9)
    simulator = Simulator(program)
    expected = simulator.run(samples, record=True, threads=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation, "_WORTH_THREADS", 1)
        found = simulator.run(samples, record=True, threads=threads)
    assert compare(program, [expected, found]).equal
    assert found.spike_counts == expected.spike_counts
