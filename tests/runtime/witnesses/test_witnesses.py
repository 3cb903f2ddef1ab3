"""Other people's neurons give the spikes of the reference; what they do not compute is refused, and so is a failure.

The scripts are run here in this process: what they import takes seconds, and the guard around them is tested with
scripts that import nothing.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import setuptools._distutils

from spikec.runtime.agreement import compare
from spikec.runtime.backends import run_backend
from spikec.runtime.execution import Execution
from spikec.runtime.guarded_script import Ended
from spikec.runtime.program import (
    INPUT,
    ConvSynapses,
    DenseSynapses,
    InputEncoding,
    IntArray,
    Population,
    Program,
    Projection,
    Pulse,
    SparseSynapses,
)
from spikec.runtime.program.geometry import ConvGeometry
from spikec.runtime.program.neuron_models import graded
from spikec.runtime.program.rules import problems
from spikec.runtime.witnesses import backends, limits
from spikec.targets.diagnostic import Diagnostic, UnusableInput

SAMPLES: IntArray = np.random.default_rng(5).integers(0, 8, (3, 2, 4, 5))
NONE: IntArray = np.zeros(1, dtype=np.int64)


def module_of(script: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(script.stem, script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_here(script: Path, directory: Path, deadline: float) -> Ended:
    """In place of the guard: the script's ``main`` in this process."""
    assert deadline > 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(script), str(directory)])
        _with_distutils_of_setuptools(patch)
        module_of(script).main()
    return Ended(0, False, "")


def _with_distutils_of_setuptools(patch: pytest.MonkeyPatch) -> None:
    """What brian2 finds in a process of its own; here other tests may have loaded Python's."""
    for name in [name for name in sys.modules if name.startswith("distutils.")]:
        patch.delitem(sys.modules, name)
    patch.setitem(sys.modules, "setuptools", setuptools)
    patch.setitem(sys.modules, "distutils", setuptools._distutils)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "run_script", run_here)


def mixed_program(*, spread: bool = False, state: tuple[int, int] = (-60, 131071)) -> Program:
    """Each kind of synapse, a delayed short path, pulses, saturation below, several spikes' worth of potential."""
    random = np.random.default_rng(3)

    def weights(*shape: int) -> IntArray:
        return random.integers(-20, 21, size=shape)

    geometry = ConvGeometry((2, 1), (1, 0, 2, 1), (1, 2), groups=2)
    return Program(
        name="every part",
        target="lava",
        schedule="pipelined",
        timesteps=4,
        state_minimum=state[0],
        state_maximum=state[1],
        input=InputEncoding((2, 4, 5), (0, 1, 2), (2, 4, 5), 1.0, 0, 7, None, spread),
        populations=(
            Population("maps", (4, 3, 2), random.integers(9, 40, (4, 1, 1)), np.array(30), np.array(-4), 1),
            Population("middle", (6,), np.array(35), random.integers(0, 90, 6), NONE, 2),
            Population("wide", (5,), np.array(6_601), np.array([6_600, 0, 4_000, 6_600, 9]), np.array(7), 4),
            Population("scores", (4,), None, NONE, random.integers(-9, 9, 4), 5),
        ),
        projections=(
            Projection("a", INPUT, "maps", ConvSynapses(weights(4, 1, 3, 3), geometry)),
            Projection("b", "maps", "middle", SparseSynapses.of_matrix(weights(6, 24)), exponent=1),
            Projection("c", "maps", "wide", DenseSynapses(weights(5, 24)), exponent=8, delay=2),
            Projection("d", "middle", "scores", DenseSynapses(weights(4, 6)), delay=2),
            Projection("e", "wide", "scores", DenseSynapses(weights(4, 5))),
        ),
        pulses=(Pulse("p", "middle", 2, np.array(11), axons=0), Pulse("q", "middle", 3, np.array(-5), exponent=1)),
    )


def gated_program() -> Program:
    random = np.random.default_rng(4)
    return replace(
        mixed_program(),
        schedule="exact",
        state_minimum=-9000,
        populations=(
            Population("held", (6,), np.array(90), np.array(-5000), NONE, 1, gated=True),
            Population("scores", (4,), None, NONE, NONE, 6),
        ),
        projections=(
            Projection("a", INPUT, "held", DenseSynapses(random.integers(-1, 3, (6, 40)))),
            Projection("b", "held", "scores", DenseSynapses(random.integers(-9, 10, (4, 6)))),
        ),
        pulses=(Pulse("gate", "held", 5, np.array(5000), axons=0),),
    )


PROGRAMS: dict[str, Callable[[], Program]] = {
    "mixed": mixed_program,
    "spread": lambda: mixed_program(spread=True),
    "exact": gated_program,
}


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("backend", ["sinabs", "brian2"])
def test_input_may_change_in_time(backend: str) -> None:
    frames: IntArray = np.random.default_rng(6).integers(0, 8, (2, 4, 2, 4, 5))
    program = mixed_program()
    reference = run_backend("reference", program, frames, record=True)
    assert compare(program, [reference, run_backend(backend, program, frames, record=True)]).equal
    still = run_backend("reference", program, frames[:, 0], record=True)
    assert not compare(program, [reference, still]).equal, "the frames are alike"


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("backend", ["sinabs", "brian2"])
def test_every_spike_and_potential_is_the_references(backend: str) -> None:
    seen: list[tuple[int, int]] = []
    for name, make in PROGRAMS.items():
        program = make()
        assert not list(problems(program))
        reference = run_backend("reference", program, SAMPLES, record=True)
        found = run_backend(backend, program, SAMPLES, record=True, progress=lambda *done: seen.append(done))
        assert compare(program, [reference, found]).first_difference is None, name
        assert found.spike_counts == reference.spike_counts
        assert all(found.spike_counts.values()), "a population that never fires compares nothing"
        assert (found.backend, found.steps) == (backend, program.steps(3))
    assert seen == [(3, 3)] * len(PROGRAMS)


@pytest.mark.usefixtures("here")
def test_saturation_above_is_brian2s_and_refused_where_sinabs_would_pass_it_by() -> None:
    program = mixed_program(state=(-60, 6_700))
    reference = run_backend("reference", program, SAMPLES, record=True)
    free = run_backend("reference", mixed_program(), SAMPLES, record=True)
    assert not compare(program, [reference, free]).equal, "the state is wide enough, so nothing saturates"
    assert compare(program, [reference, run_backend("brian2", program, SAMPLES, record=True)]).equal
    (problem,) = refusal(lambda: run_backend("sinabs", program, SAMPLES))
    assert (problem.code, problem.place.layer, problem.limit) == ("E761", "wide", 6_700.0)


def refusal(call: Callable[[], Execution]) -> tuple[Diagnostic, ...]:
    with pytest.raises(UnusableInput) as refused:
        call()
    return refused.value.diagnostics


@pytest.mark.parametrize("run", [backends.run_sinabs, backends.run_brian2])
def test_other_neurons_are_refused_with_the_state_that_they_need(run: Callable[..., Execution]) -> None:
    (problem,) = refusal(lambda: run(replace(mixed_program(), neuron=graded()), SAMPLES))
    assert problem.code == "E761"
    assert "'graded'" in problem.message


def test_brian2_has_room_for_so_many_synapses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_SYNAPSES", 100)
    program = mixed_program()
    (problem,) = refusal(lambda: backends.run_brian2(program, SAMPLES))
    synapses = sum(np.count_nonzero(projection.synapses.weight) for projection in program.projections[1:])
    assert (problem.code, problem.measured, problem.limit) == ("E761", float(synapses), 100.0)


def test_a_witness_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (problem,) = refusal(lambda: backends.run_brian2(mixed_program(), SAMPLES))
    assert (problem.code, problem.message) == ("E760", "brian2 is not installed")
    assert "spikec[witness]" in (problem.hint or "")
    monkeypatch.setattr(sys, "platform", "darwin")
    (problem,) = refusal(lambda: backends.run_sinabs(mixed_program(), SAMPLES))
    assert problem.code == "E760"


def test_samples_of_another_program_are_refused() -> None:
    assert [each.code for each in refusal(lambda: backends.run_sinabs(mixed_program(), SAMPLES[:, :1]))] == ["E506"]


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script that is run in place of brian2's."""
    path = tmp_path / "script.py"
    monkeypatch.setattr(backends.Witness, "script", property(lambda self: path))
    return path


def test_a_failure_is_told_with_its_last_lines(script: Path) -> None:
    script.write_text("raise MemoryError('no room for another synapse')")
    (problem,) = refusal(lambda: backends.run_brian2(mixed_program(), SAMPLES))
    assert problem.code == "E762"
    assert "MemoryError: no room for another synapse" in (problem.hint or "")


def test_a_hanging_run_ends_at_its_deadline(script: Path) -> None:
    script.write_text("import time\ntime.sleep(60)")
    (problem,) = refusal(lambda: backends.run_brian2(mixed_program(), SAMPLES, deadline=0.5))
    assert (problem.code, problem.limit) == ("E763", 0.5)
