"""Sparse synapses: what is stored is what is loaded, and coordinates that are not in order are refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec.runtime.program import (
    INPUT,
    ConvSynapses,
    DenseSynapses,
    InputEncoding,
    Population,
    Program,
    Projection,
    SparseSynapses,
)
from spikec.runtime.program.artefact import write_artefact
from spikec.runtime.program.geometry import ConvGeometry
from spikec.runtime.program.rules import problems
from spikec.runtime.program.storage import load_program, program_files
from spikec.runtime.program.synapses import fan_in_weight, sum_of_runs, summed_input_range
from spikec.runtime.program.window_range import window_range
from spikec.runtime.reference.network import run_reference
from spikec.targets.diagnostic import UnusableInput

Ints = npt.NDArray[np.int64]
ZERO = np.zeros(1, dtype=np.int64)


def random_matrix(seed: int, targets: int, sources: int, density: float) -> Ints:
    random = np.random.default_rng(seed)
    weight = random.integers(-200, 201, (targets, sources))
    return weight * (random.random(weight.shape) < density)


def program(matrix: Ints, last: Ints | None = None, *, exponent: int = 2, is_sparse: bool = True) -> Program:
    """Graded input (2, 3, 2) onto a map (2, 2, 3), that onto a read-out of four."""

    def synapses(weight: Ints) -> SparseSynapses | DenseSynapses:
        return SparseSynapses.of_matrix(weight) if is_sparse else DenseSynapses(weight)

    return Program(
        "sparse", "lava", "pipelined", 3, -(1 << 30), (1 << 30) - 1,
        InputEncoding((2, 3, 2), (0, 1, 2), (2, 3, 2), 1.0, -3, 9),
        (
            Population("map", (2, 2, 3), np.array([700]), np.array([50]), ZERO, 1),
            Population("out", (4,), None, ZERO, ZERO, 2),
        ),
        (
            Projection("in", INPUT, "map", synapses(matrix), exponent),
            Projection("last", "map", "out", synapses(np.ones((4, 12), dtype=np.int64) if last is None else last)),
        ),
    )  # fmt: skip


def saved(folder: Path, content: Program) -> Path:
    write_artefact(folder, program_files(content))
    return folder


def test_round_trip(tmp_path: Path) -> None:
    original = program(random_matrix(0, 12, 12, 0.3), random_matrix(1, 4, 12, 0.5))
    loaded = load_program(saved(tmp_path / "out", original))
    assert program_files(loaded) == program_files(original)
    for before, after in zip(original.projections, loaded.projections, strict=True):
        assert isinstance(before.synapses, SparseSynapses)
        assert isinstance(after.synapses, SparseSynapses)
        for part in ("weight", "source", "target"):
            found: Ints = getattr(after.synapses, part)
            assert found.dtype == np.int64
            assert found.tolist() == getattr(before.synapses, part).tolist()
    with np.load(tmp_path / "out" / "tensors.npz") as archive:
        assert archive["in/source"].dtype == archive["in/target"].dtype == np.int8


def test_a_projection_of_no_synapse_is_kept(tmp_path: Path) -> None:
    empty = program(random_matrix(0, 12, 12, 0.3), np.zeros((4, 12), dtype=np.int64))
    loaded = load_program(saved(tmp_path / "out", empty))
    assert loaded.projections[1].synapses.weight.shape == (0,)
    samples = np.full((2, 2, 3, 2), 9)
    assert run_reference(loaded, samples).readout.tolist() == [[0] * 4] * 2


def place_of_the_fault(synapses: SparseSynapses) -> str:
    sound = program(random_matrix(0, 12, 12, 0.3))
    broken = replace(sound, projections=(replace(sound.projections[0], synapses=synapses), sound.projections[1]))
    (found,) = problems(broken)
    assert (found.code, found.place.layer) == ("E613", "in")
    return found.message


@pytest.mark.parametrize(
    ("weight", "source", "target", "message"),
    [
        ([1, 2], [0, 0], [1, 0], "do not ascend"),
        ([1, 2], [1, 0], [3, 3], "do not ascend"),
        ([1, 2], [4, 4], [3, 3], "do not ascend"),
        ([1, 0], [0, 1], [3, 3], "is 0"),
        ([1, 2], [0, 12], [3, 3], "no source neuron 12 among 12"),
        ([1, 2], [-1, 2], [3, 3], "no source neuron -1"),
        ([1, 2], [0, 1], [3, 12], "no target neuron 12"),
        ([1, 2], [0, 1], [-4, 3], "no target neuron -4"),
        ([1, 2, 3], [0, 1], [3, 3], "not one for one"),
        ([[1, 2]], [[0, 1]], [[3, 3]], "not one for one"),
        ([1 << 40, 2], [0, 1], [3, 3], "does not fit 32 bits"),
    ],
)
def test_broken_coordinates_are_refused(weight: Any, source: Any, target: Any, message: str) -> None:
    assert message in place_of_the_fault(SparseSynapses(np.array(weight), np.array(source), np.array(target)))


def test_a_stored_program_with_broken_coordinates_is_refused(tmp_path: Path) -> None:
    sound = program(random_matrix(0, 12, 12, 0.3))
    first = sound.projections[0].synapses
    assert isinstance(first, SparseSynapses)
    turned = SparseSynapses(first.weight[::-1], first.source[::-1], first.target[::-1])
    broken = replace(sound, projections=(replace(sound.projections[0], synapses=turned), sound.projections[1]))
    with pytest.raises(UnusableInput, match="do not ascend"):
        load_program(saved(tmp_path / "out", broken))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"coordinates": {"source": "in/source"}}, "'target' is missing"),
        ({"coordinates": None}, "not an object"),
        ({"coordinates": {"source": "in/source", "target": "nothing"}}, "'nothing' is missing"),
        ({"coordinates": {"source": "in/source", "target": "in/target", "more": 1}}, "'more' means nothing here"),
        ({"geometry": {}}, "a geometry and coordinates"),
    ],
)
def test_damaged_descriptions_of_coordinates(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = saved(tmp_path / "out", program(random_matrix(0, 12, 12, 0.3))) / "program.json"
    document = json.loads(path.read_text())
    document["projections"][0] |= changes
    path.write_text(json.dumps(document))
    with pytest.raises(UnusableInput, match=message) as caught:
        load_program(path.parent)
    assert [d.code for d in caught.value.diagnostics] == ["E611"]


def test_other_arrays_must_not_be_empty() -> None:
    sound, none = program(random_matrix(0, 12, 12, 0.3)), np.zeros(0, dtype=np.int64)
    for change in ({"threshold": none}, {"bias": none}, {"initial_potential": none}):
        populations = (replace(sound.populations[0], **change), sound.populations[1])  # type: ignore[arg-type]
        assert {p.place.layer for p in problems(replace(sound, populations=populations))} == {"map"}
    geometry = ConvGeometry(padding=(0, 0, -2, 0))
    no_kernel = ConvSynapses(np.zeros((2, 2, 0, 1), dtype=np.int64), geometry)
    first = replace(sound.projections[0], synapses=no_kernel)
    assert "do not map" in next(problems(replace(sound, projections=(first, sound.projections[1])))).message


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 6), max_size=30), st.integers(0, 99))
def test_sums_of_runs(targets: list[int], seed: int) -> None:
    target = np.array(sorted(targets), dtype=np.int64)
    values = np.random.default_rng(seed).integers(-(1 << 60), 1 << 60, len(target))
    expected = [sum(int(v) for v, t in zip(values, target, strict=True) if t == i) for i in range(8)]
    wrapped = [(e + (1 << 63)) % (1 << 64) - (1 << 63) for e in expected]
    assert sum_of_runs(values, target, 8).tolist() == wrapped


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.1, 0.6]))
def test_ranges_are_those_of_the_same_weights_as_a_matrix(seed: int, density: float) -> None:
    matrix, last = random_matrix(seed, 12, 12, density), random_matrix(seed + 1, 4, 12, density)
    sparse, dense = program(matrix, last), program(matrix, last, is_sparse=False)
    for a, b in zip(sparse.projections, dense.projections, strict=True):
        assert fan_in_weight(sparse, a).tolist() == fan_in_weight(dense, b).tolist()
    for name in ("map", "out"):
        one, other = (summed_input_range(p, p.population(name)) for p in (sparse, dense))
        assert np.array_equal(one[0], other[0])
        assert np.array_equal(one[1], other[1])
        first, second = (window_range(p, p.population(name)) for p in (sparse, dense))
        assert np.array_equal(first.lowest, second.lowest)
        assert np.array_equal(first.highest, second.highest)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_sparse_program_computes_what_the_matrix_computes(seed: int) -> None:
    matrix, last = random_matrix(seed, 12, 12, 0.3), random_matrix(seed + 1, 4, 12, 0.6)
    samples = np.random.default_rng(seed).integers(-3, 10, (2, 2, 3, 2))
    sparse = run_reference(program(matrix, last), samples)
    dense = run_reference(program(matrix, last, is_sparse=False), samples)
    assert sparse.readout.tolist() == dense.readout.tolist()
    assert sparse.spike_counts == dense.spike_counts
