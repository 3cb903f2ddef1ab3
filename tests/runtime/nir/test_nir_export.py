"""What is written as NIR gives the program's counts with the readers of sinabs and snnTorch, and says what does not."""

from __future__ import annotations

import importlib.util
import json
import runpy
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nir
import numpy as np
import pytest

from spikec.runtime.nir import checked, graph, layout, limits
from spikec.runtime.nir.other_readers import find_differences, measure_reader
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
from spikec.targets.diagnostic import UnusableInput

SAMPLES: IntArray = np.random.default_rng(5).integers(0, 8, (3, 2, 4, 5))
NONE: IntArray = np.zeros(1, dtype=np.int64)
LIMIT = 131071


def residual(timesteps: int = 4) -> Program:
    """Groups, uneven padding, a dilated kernel, a delayed shortcut, sparse synapses, potentials above a threshold."""
    random = np.random.default_rng(3)

    def weights(*shape: int) -> IntArray:
        return random.integers(-20, 21, size=shape)

    first = ConvGeometry((2, 1), (1, 1, 2, 1), (1, 2), groups=2)
    return Program(
        name="a/residual net",
        target="lava",
        schedule="pipelined",
        timesteps=timesteps,
        state_minimum=-90,
        state_maximum=LIMIT,
        input=InputEncoding((2, 4, 5), (0, 1, 2), (2, 4, 5), 1.0, 0, 7),
        populations=(
            Population("maps", (4, 3, 3), random.integers(9, 40, (4, 1, 1)), np.array(60), np.array(-4), 1),
            Population("class", (3, 3, 3), np.array(35), random.integers(0, 90, (3, 1, 1)), NONE, 2),
            Population("sum", (3, 3, 3), random.integers(9, 50, (3, 1, 1)), np.array(9), np.array(7), 3),
            Population("flat", (5,), random.integers(9, 50, 5), np.array(9), random.integers(-9, 9, 5), 4),
            Population("scores", (4,), None, np.array(3), random.integers(50, 60, 4), 5),
        ),
        projections=(
            Projection("a", INPUT, "maps", ConvSynapses(weights(4, 1, 3, 3), first)),
            Projection("b", "maps", "class", ConvSynapses(weights(3, 4, 2, 1), ConvGeometry(padding=(1, 0, 0, 0))), 1),
            Projection("c", "class", "sum", ConvSynapses(weights(3, 3, 3, 3), ConvGeometry(padding=(1, 1, 1, 1)))),
            Projection("d", "maps", "sum", ConvSynapses(weights(3, 4, 1, 1), ConvGeometry()), delay=1),
            Projection("e", "sum", "flat", SparseSynapses.of_matrix(weights(5, 27)), exponent=1),
            Projection("f", "flat", "scores", DenseSynapses(weights(4, 5) // 9)),
            Projection("g", "sum", "scores", DenseSynapses(weights(4, 27) // 9), delay=1),
        ),
    )


def exported(program: Program, folder: Path) -> Path:
    assert not list(problems(program))
    assert not limits.find_problems(program)
    for name, content in graph.nir_files(program, SAMPLES).items():
        (folder / name).write_bytes(content)
    return folder


def check(folder: Path, *options: str) -> dict[str, dict[str, object]]:
    """The check's results; it is run in this process, for its imports take seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["run.py", str(folder), *options])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(folder / "run.py"), run_name="__main__")
    results: dict[str, dict[str, object]] = json.loads((folder / "results.json").read_text())
    assert ended.value.code == int(not all(result["equal"] for result in results.values()))
    return results


@pytest.mark.filterwarnings("ignore")
def test_other_peoples_readers_give_the_programs_counts(tmp_path: Path) -> None:
    found = check(exported(residual(), tmp_path))
    assert {name: (result["equal"], result.get("error")) for name, result in found.items()} == {
        "sinabs": (True, None),
        "snntorch": (True, None),
    }
    assert found["sinabs"]["counts"] == 3 * (36 + 27 + 27 + 5)
    plain = check(tmp_path, "all", "plain")
    assert not plain["sinabs"]["equal"]
    assert "spike counts differ" in str(plain["sinabs"]["said"])
    assert "cannot run it" in str(plain["snntorch"]["said"])


def test_the_graph_is_readable_and_says_what_nir_has_no_place_for(tmp_path: Path) -> None:
    exported(residual(), tmp_path)
    read = nir.read(tmp_path / "network.nir")
    kinds = [type(read.nodes[name]).__name__ for name in sorted(read.nodes)]
    assert kinds == [
        *("Input", "Conv2d", "IF", "Conv2d", "IF", "Conv2d", "Conv2d", "IF"),
        *("Flatten", "Affine", "IF", "Affine", "Affine", "Output"),
    ]
    assert all(source < target for source, target in read.edges)
    assert all(np.unique(node.v_threshold).size == 1 for node in read.nodes.values() if isinstance(node, nir.IF))
    said = json.loads(read.metadata["spikec"])
    assert (said["schema"], said["reset"], said["timesteps"]) == ("spikec-nir/1", "subtract", 4)
    assert [each["delay"] for each in said["projections"]] == [0, 0, 0, 1, 0, 0, 1]
    assert said["encoding"]["maximum"] == 7
    node = next(each["node"] for each in said["layers"] if each["layer"] == "flat")
    program = residual()
    threshold = program.population("flat").threshold
    assert threshold is not None
    assert np.array_equal(read.metadata["states"][node]["threshold"], threshold)
    assert np.array_equal(read.metadata["states"][node]["initial_potential"], [9] * 5)
    affine = next(source for source, target in read.edges if target == node)
    matrix = np.rint(read.nodes[affine].weight * read.metadata["states"][node]["threshold"][:, None])
    entries = program.projections[4].synapses
    assert isinstance(entries, SparseSynapses)
    assert np.array_equal(matrix[entries.target, entries.source], 2 * entries.weight)


def test_the_same_program_gives_the_same_bytes() -> None:
    assert graph.nir_files(residual(), SAMPLES) == graph.nir_files(residual(), SAMPLES)


def single(timesteps: int, initial: int) -> Program:
    """Input -> a neuron that fires at 10 -> its count."""
    one = np.ones((1, 1), dtype=np.int64)
    return replace(
        residual(timesteps),
        input=InputEncoding((1,), (0,), (1,), 1.0, 0, 100),
        populations=(
            Population("n", (1,), np.array([10]), np.array([initial]), NONE, 1),
            Population("out", (1,), None, NONE, NONE, 2),
        ),
        projections=(
            Projection("in", INPUT, "n", DenseSynapses(one)),
            Projection("up", "n", "out", DenseSynapses(one)),
        ),
    )


@pytest.mark.parametrize(
    ("timesteps", "initial", "to_zero", "different"),
    [(4, 0, True, 1), (4, 0, False, 0), (4, 5, True, 3), (4, 5, False, 3), (1, 0, True, 0), (1, 5, True, 2)],
)
def test_what_another_reader_computes(timesteps: int, initial: int, to_zero: bool, different: int) -> None:
    """Four steps of 4, 7, 9, 14: subtracting 1, 2, 3, 4 spikes from 0, and 2, 3, 4, 4 from 5; to zero 1, 2, 2, 4."""
    samples: IntArray = np.array([[4], [7], [9], [14]])
    assert measure_reader(single(timesteps, initial), samples, to_zero=to_zero).different_counts == different


def test_what_other_readers_compute_is_told() -> None:
    told = {each.code: each.message for each in find_differences(residual(), SAMPLES)}
    assert set(told) == {"W760", "W761"}
    assert "of 285 spike counts differ, and" in told["W760"]
    assert find_differences(single(1, 0), np.array([[4], [12]])) == []


def with_population(name: str, **fields: object) -> Callable[[Program], Program]:
    def change(program: Program) -> Program:
        populations = [replace(p, **fields) if p.name == name else p for p in program.populations]  # type: ignore[arg-type]
        return replace(program, populations=tuple(populations))

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: replace(p, neuron=graded()), "no neuron of the model 'graded'"),
        (lambda p: replace(p, pulses=(Pulse("p", "sum", 2, np.array(11), axons=0),)), "no gates and pulses"),
        (with_population("flat", threshold=None), "the program has 2 read-outs"),
    ],
)
def test_what_nir_does_not_say_is_refused(change: Callable[[Program], Program], message: str) -> None:
    found = limits.find_problems(change(residual()))
    assert [each.code for each in found] == ["E765"]
    assert message in found[0].message


def test_a_matrix_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LARGEST_MATRIX", 80)
    found = limits.find_problems(residual())
    assert [(each.code, each.place.layer, each.measured) for each in found] == [
        ("E765", "flat", 135.0),
        ("E765", "scores", 108.0),
    ]


@pytest.mark.parametrize(
    ("change", "layer", "message"),
    [
        (lambda p: replace(p, state_maximum=300), "maps", "saturates"),
        (with_population("sum", threshold=np.arange(20, 47).reshape(3, 3, 3)), "sum", "several thresholds"),
    ],
)
def test_where_a_reader_may_differ_is_told(change: Callable[[Program], Program], layer: str, message: str) -> None:
    program = change(residual())
    found = limits.find_warnings(program, layout.Layout.of(program))
    assert {each.code for each in found} == {"W762"}
    assert any(each.place.layer == layer and message in each.message for each in found)


def test_sums_too_large_for_rounded_weights_are_counted_in_weight_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "LARGEST_SUM", 100)
    program = residual()
    assert layout.Layout.of(program).differs(program.population("flat"))


def test_packages_that_are_not_there_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for call in (graph.require_nir, lambda: checked.check_files(tmp_path)):
        with pytest.raises(UnusableInput) as refusal:
            call()
        assert refusal.value.diagnostics[0].code == "E764"


@pytest.mark.parametrize(
    ("script", "code"), [("raise MemoryError('no room')", "E762"), ("import time\ntime.sleep(60)", "E763")]
)
def test_a_check_that_fails_or_hangs_is_told(tmp_path: Path, script: str, code: str) -> None:
    for name in (graph.GRAPH, graph.SAMPLES):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / graph.SCRIPT).write_text(script)
    with pytest.raises(UnusableInput) as refusal:
        checked.check_files(tmp_path, deadline=0.5 if code == "E763" else 60.0)
    assert [each.code for each in refusal.value.diagnostics] == [code]


def test_what_the_check_found_is_passed_on(tmp_path: Path) -> None:
    for name in (graph.GRAPH, graph.SAMPLES):
        (tmp_path / name).write_bytes(b"")
    result = '{"sinabs": {"equal": false, "said": "not equal"}}'
    (tmp_path / graph.SCRIPT).write_text(
        f"import pathlib, sys\n(pathlib.Path(sys.argv[1]) / 'results.json').write_text('{result}')\nsys.exit(1)"
    )
    assert checked.check_files(tmp_path) == (False, ["not equal"])
    assert (tmp_path / "results.json").exists()
