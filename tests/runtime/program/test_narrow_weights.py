"""Weights of maps are held as narrow as they are stored; what is computed of them is what wide ones give."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spikec.runtime.program import ConvSynapses, DenseSynapses, Program, Projection, SparseSynapses, Weights
from spikec.runtime.program.geometry import ConvGeometry
from spikec.runtime.program.storage import content_digest, load_program, program_files
from spikec.runtime.program.synapses import fan_in_weight, narrowest, window_input_range
from spikec.runtime.reference.network import run_reference
from spikec.runtime.simulator import simulate
from spikec.runtime.simulator.reduction import fan_in, reduce_synapses

LOWEST = -128
"""Its magnitude is no 8-bit integer."""


def with_weights_of(program: Program, kind: type[np.signedinteger]) -> Program:  # type: ignore[type-arg]
    """Every weight of ``program`` in ``kind``, the first of each map ``LOWEST``."""

    def changed(projection: Projection) -> Projection:
        weight: Weights = np.clip(projection.synapses.weight, -127, 127).astype(kind)
        weight.flat[0] = LOWEST
        return replace(projection, synapses=replace(projection.synapses, weight=weight))

    return replace(program, projections=tuple(changed(p) for p in program.projections))


@pytest.mark.parametrize(("largest", "kind"), [(127, np.int8), (128, np.int16), (40000, np.int32), (1 << 40, np.int64)])
def test_the_narrowest_type_holds_all_values(largest: int, kind: type[np.signedinteger]) -> None:  # type: ignore[type-arg]
    given = np.array([-largest, 0, largest])
    assert narrowest(given).dtype == kind
    np.testing.assert_array_equal(narrowest(given), given)


@pytest.mark.parametrize("exponent", [0, 6])
def test_effective_weights_are_wide(exponent: int) -> None:
    narrow = DenseSynapses(np.array([[LOWEST, 127]], dtype=np.int8))
    weight = Projection("p", "input", "a", narrow, exponent).effective_weight
    assert weight.dtype == np.int64
    assert weight.tolist() == [[LOWEST << exponent, 127 << exponent]]


@pytest.mark.parametrize("pool", [1, 2])
def test_the_simulator_s_forms_are_wide(pool: int) -> None:
    kernel = np.full((3, 2, 2, 2), LOWEST, dtype=np.int8)
    kernel[0, 0, 0, 0] += 2 - pool
    synapses = ConvSynapses(kernel, ConvGeometry(stride=(2, 2)))
    form = reduce_synapses(synapses, (2, 4, 4), (3, 2, 2)).form
    assert fan_in(form).max() == 128 * 8 // pool**2


def test_coordinates_have_wide_weights() -> None:
    assert SparseSynapses.of_matrix(np.array([[LOWEST, 0]], dtype=np.int8)).weight.dtype == np.int64


def test_narrow_weights_compute_what_wide_ones_do(program: Program) -> None:
    narrow, wide = (with_weights_of(program, kind) for kind in (np.int8, np.int64))
    assert program_files(narrow) == program_files(wide)
    assert content_digest(narrow) == content_digest(wide)
    for one, other in zip(narrow.projections, wide.projections, strict=True):
        np.testing.assert_array_equal(fan_in_weight(narrow, one), fan_in_weight(wide, other))
    for population in narrow.populations:
        np.testing.assert_array_equal(window_input_range(narrow, population), window_input_range(wide, population))
    encoding = narrow.input
    samples = np.random.default_rng(0).integers(encoding.minimum, encoding.maximum + 1, (3, *encoding.shape))
    found, expected = simulate(narrow, samples, record=True), run_reference(wide, samples)
    np.testing.assert_array_equal(found.readout, expected.readout)
    assert found.spike_counts == expected.spike_counts


def test_a_loaded_program_s_weights_are_as_its_file_has_them(program: Program, tmp_path: Path) -> None:
    files = program_files(with_weights_of(program, np.int64))
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    loaded = load_program(tmp_path)
    assert {p.synapses.weight.dtype for p in loaded.projections} == {np.dtype(np.int8)}
    assert {p.bias.dtype for p in loaded.populations} == {np.dtype(np.int64)}
    assert program_files(loaded) == files


def test_tensors_of_another_byte_order_are_read_as_numbers(program: Program, tmp_path: Path) -> None:
    files = program_files(program)
    with np.load(io.BytesIO(files["tensors.npz"])) as archive:
        swapped = {name: archive[name].astype(archive[name].dtype.newbyteorder(">")) for name in archive.files}
    content = io.BytesIO()
    np.savez(content, **swapped)
    document = json.loads(files["program.json"])
    document["digests"] = {"tensors.npz": hashlib.sha256(content.getvalue()).hexdigest()}
    (tmp_path / "tensors.npz").write_bytes(content.getvalue())
    (tmp_path / "program.json").write_text(json.dumps(document))
    loaded = load_program(tmp_path)
    assert program_files(loaded) == files
    assert all(p.synapses.weight.dtype.isnative for p in loaded.projections)
