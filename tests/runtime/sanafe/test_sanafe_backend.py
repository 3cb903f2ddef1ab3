"""What is written for SANA-FE computes the program, by a stand-in for SANA-FE; what it cannot compute is refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spikec.runtime.agreement import compare
from spikec.runtime.backends import run_backend
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
from spikec.runtime.program.neuron_models import NeuronModel
from spikec.runtime.program.rules import problems
from spikec.runtime.sanafe.backend import run_sanafe, sanafe_version
from spikec.runtime.sanafe.files import cores_in_order, sanafe_files
from spikec.runtime.sanafe.limits import find_problems
from spikec.targets import load
from spikec.targets.diagnostic import UnusableInput

LIMIT = 131071
SAMPLES: IntArray = np.random.default_rng(5).integers(0, 8, (3, 2, 4, 4))


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module ``sanafe`` that this process and its children find first."""
    folder = tmp_path / "modules"
    (folder / "sanafe-2.2.9.dist-info").mkdir(parents=True)
    (folder / "sanafe-2.2.9.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: sanafe\nVersion: 2.2.9\n")
    shutil.copy(Path(__file__).parent / "stand_in.py", folder / "sanafe.py")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


def make_program(*, spread: bool = False, delay: int = 2) -> Program:
    random = np.random.default_rng(3)

    def weights(*shape: int) -> IntArray:
        return random.integers(-20, 21, size=shape)

    none = np.zeros(1, dtype=np.int64)
    return Program(
        name="every part",
        target="loihi1",
        schedule="pipelined",
        timesteps=4,
        # Narrow below, so that the potential saturates there.
        state_minimum=-60,
        state_maximum=LIMIT,
        input=InputEncoding((2, 4, 4), (0, 1, 2), (2, 4, 4), 1.0, 0, 7, None, spread),
        populations=(
            Population("maps", (3, 2, 2), random.integers(60, 99, (3, 1, 1)), np.array(30), np.array(-4), 1),
            Population("middle", (6,), np.array(35), random.integers(0, 90, 6), none, 2),
            Population(
                "wide", (5,), np.array(66_001), np.array([66_000, 0, 40_000, 66_000, 9]), np.array(7), 2 + delay
            ),
            Population("scores", (4,), None, none, random.integers(-9, 9, 4), 3 + delay),
        ),
        projections=(
            Projection("a", INPUT, "maps", ConvSynapses(weights(3, 2, 3, 3), ConvGeometry((2, 2), (1, 1, 1, 1)))),
            Projection("b", "maps", "middle", SparseSynapses.of_matrix(weights(6, 12)), exponent=1),
            Projection("c", "maps", "wide", DenseSynapses(weights(5, 12)), exponent=8, delay=delay),
            Projection("d", "middle", "scores", DenseSynapses(weights(4, 6)), delay=delay),
            Projection("e", "wide", "scores", DenseSynapses(weights(4, 5))),
        ),
        pulses=(Pulse("p", "middle", 2, np.array(11), axons=0), Pulse("q", "middle", 3, np.array(-5), exponent=1)),
    )


@pytest.mark.parametrize("spread", [False, True])
def test_every_spike_and_potential_is_the_references(stand_in: Path, spread: bool) -> None:
    program = make_program(spread=spread)
    assert not list(problems(program))
    seen: list[tuple[int, int]] = []
    reference = run_backend("reference", program, SAMPLES, record=True)
    found = run_backend("sanafe", program, SAMPLES, record=True, progress=lambda *done: seen.append(done))
    assert compare(program, [reference, found]).document()["first_difference"] is None
    assert found.spike_counts == reference.spike_counts
    assert all(found.spike_counts.values()), "a population that never fires compares nothing"
    assert (found.backend, found.steps, seen) == ("sanafe", program.steps(3), [(3, 3)])
    assert run_sanafe(program, SAMPLES).spike_trains is None


def test_gated_populations_fire_in_their_second_half(stand_in: Path) -> None:
    random = np.random.default_rng(4)
    none = np.zeros(1, dtype=np.int64)
    program = replace(
        make_program(),
        schedule="exact",
        state_minimum=-2000,
        populations=(
            Population("held", (6,), np.array(90), np.array(-1500), np.array(2), 1, gated=True),
            Population("scores", (4,), None, none, none, 6),
        ),
        projections=(
            Projection("a", INPUT, "held", DenseSynapses(random.integers(-4, 8, (6, 32)))),
            Projection("b", "held", "scores", DenseSynapses(random.integers(-9, 10, (4, 6)))),
        ),
        pulses=(Pulse("gate", "held", 5, np.array(1500), axons=0),),
    )
    assert program.window == 8
    reference = run_backend("reference", program, SAMPLES, record=True)
    assert reference.spike_counts["held"]
    assert compare(program, [reference, run_sanafe(program, SAMPLES, record=True)]).equal


def test_the_script_runs_alone_and_says_what_it_cost(stand_in: Path, tmp_path: Path) -> None:
    program = make_program()
    files = sanafe_files(program, load("loihi1"), cores_in_order(program, 4), SAMPLES)
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    done = subprocess.run(
        [sys.executable, "run.py", ".", "simple"], cwd=tmp_path, env=os.environ, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert (results["samples"], results["steps"], results["timing"]) == (3, program.steps(3), "simple")
    assert results["energy"]["total"] == pytest.approx(1e-9 * program.steps(3))
    assert "simple timing" in done.stdout


def test_the_architecture_has_the_figures_of_the_target_and_room_for_the_cores() -> None:
    program = make_program(delay=0)
    files = sanafe_files(
        program, load("loihi1"), {p.name: np.full(p.neurons, 128) for p in program.populations}, SAMPLES
    )
    text = files["architecture.yaml"].decode()
    for line in (
        "width: 16",
        "name: tile[0..63]",
        "latency_sync: {1: 600000e-12, 2: 1000000e-12, 4: 1400000e-12, 29: 1800000e-12}",
        "energy_process_spike: 24000.0e-15",
        "energy_spike_out: 69300.0e-15",
        "latency_east_hop: 4100.0e-12",
        "latency_south_hop: 6500.0e-12",
        "buffer_position: soma",
        "max_neurons_supported: 27",
    ):
        assert line in text
    assert (
        "accumulator_with_delay"
        in sanafe_files(make_program(), load("loihi1"), cores_in_order(program, 9), SAMPLES)[
            "architecture.yaml"
        ].decode()
    )


def test_a_target_without_costs_has_no_architecture() -> None:
    program = make_program()
    with pytest.raises(UnusableInput) as refusal:
        sanafe_files(program, load("loihi2"), cores_in_order(program, 9), SAMPLES)
    assert [each.code for each in refusal.value.diagnostics] == ["E331"]


def test_sanafe_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("importlib.metadata.version", _not_found)
    with pytest.raises(UnusableInput) as refusal:
        run_sanafe(make_program(), SAMPLES)
    (problem,) = refusal.value.diagnostics
    assert problem.code == "E731"
    assert problem.hint is not None
    assert "install sanafe" in problem.hint
    assert sanafe_version() == "not installed"


def _not_found(name: str) -> str:
    from importlib.metadata import PackageNotFoundError

    raise PackageNotFoundError(name)


def test_another_system_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UnusableInput) as refusal:
        run_sanafe(make_program(), SAMPLES)
    assert refusal.value.diagnostics[0].code == "E731"


def changed(name: str, **fields: object) -> Callable[[Program], Program]:
    def change(program: Program) -> Program:
        populations = [replace(p, **fields) if p.name == name else p for p in program.populations]  # type: ignore[arg-type]
        return replace(program, populations=tuple(populations))

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: replace(p, neuron=NeuronModel("msat")), "no neuron of the model 'msat'"),
        (changed("middle", threshold=np.array(LIMIT + 1)), "threshold is too wide"),
        (lambda p: replace(p, state_maximum=100), "does not saturate"),
        (
            lambda p: replace(p, state_minimum=-(2**31), state_maximum=2**31 - 1, timesteps=1 << 12),
            "potential is too wide",
        ),
        (lambda p: make_program(delay=6), "waits longer"),
        (
            lambda p: replace(p, projections=(*p.projections[:-1], replace(p.projections[-1], exponent=25))),
            "weight is too wide",
        ),
    ],
)
def test_what_it_would_compute_wrongly_is_refused(change: Callable[[Program], Program], message: str) -> None:
    found = find_problems(change(make_program()))
    assert {each.code for each in found} == {"E732"}
    assert any(message in each.message for each in found)


def test_what_it_has_no_room_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_problems(make_program()) == []
    monkeypatch.setattr("spikec.runtime.sanafe.limits.MOST_SYNAPSES", 100)
    assert ["more synapses" in each.message for each in find_problems(make_program())] == [True]


def test_a_failure_is_told_with_its_last_lines(stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN", "fail")
    with pytest.raises(UnusableInput) as refusal:
        run_sanafe(make_program(), SAMPLES)
    (problem,) = refusal.value.diagnostics
    assert problem.code == "E733"
    assert problem.hint is not None
    assert "MemoryError: no room for another synapse" in problem.hint


def test_a_hanging_run_ends_at_its_deadline(stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN", "hang")
    with pytest.raises(UnusableInput) as refusal:
        run_sanafe(make_program(), SAMPLES, deadline=0.5)
    assert [each.code for each in refusal.value.diagnostics] == ["E734"]


def test_samples_of_another_program_are_refused(stand_in: Path) -> None:
    with pytest.raises(UnusableInput) as refusal:
        run_sanafe(make_program(), SAMPLES[:, :1])
    assert [each.code for each in refusal.value.diagnostics] == ["E506"]
