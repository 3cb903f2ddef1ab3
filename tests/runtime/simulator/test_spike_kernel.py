"""The kernel in C: each instruction set gives what integers do, alone and as whole layers, and is told of."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec.runtime.agreement import compare
from spikec.runtime.commands.doctor import doctor
from spikec.runtime.program.geometry import ConvGeometry
from spikec.runtime.reference.network import run_reference
from spikec.runtime.simulator import native, simulate
from spikec.runtime.simulator.convolution import NumpyKernel, choose_kernel
from spikec.runtime.simulator.fused import FusedLayer, fused
from spikec.runtime.simulator.native import CHOICE, InstructionSet, available_instruction_sets
from spikec.runtime.simulator.packing import AUTO, BYTES, DENSE, EVENTS, PAIRS, WORDS, PackedWeights, pack
from spikec.runtime.simulator.plan import plan_layers
from spikec.runtime.simulator.reduction import Entries, MapConvolution, Matrix
from spikec.targets.diagnostic import DiagnosticWarning, UnusableInput

from .test_simulator_gates import GATES
from .test_simulator_gates import random_program as random_gated
from .test_simulator_gates import random_samples as samples_of_gated
from .test_simulator_properties import SEEDS, random_program, random_samples

Array = npt.NDArray[np.int64]

SETS = available_instruction_sets()
SOURCES = Path(native.__file__).parent / "kernel"
WEIGHTS = {"bytes": 128, "words": 1 << 9}


@pytest.fixture(params=SETS, ids=lambda one: one.name)
def instructions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> InstructionSet:
    """Each instruction set in turn, which the simulator then takes."""
    monkeypatch.setenv(CHOICE, request.param.name)
    one: InstructionSet = request.param
    return one


def expected_sums(form: MapConvolution, maps: npt.NDArray[np.unsignedinteger[Any]] | Array) -> Array:
    return NumpyKernel(form.weight.astype(np.float64), form.geometry)(maps).astype(np.int64)


def random_convolution(random: np.random.Generator, largest: int) -> tuple[MapConvolution, tuple[int, int, int]]:
    """A convolution of any kind and the size (H, W, C) of a map that it reads."""
    groups = int(random.choice([1, 1, 2, 3]))
    each = (1, int(random.integers(1, 80)))[int(random.random() < 0.8)]
    outputs = groups * int(random.choice([1, 2, 7, 16, 33, 70, 130]))
    kernel, stride, dilation = ([int(k) for k in random.integers(1, most, size=2)] for most in (5, 4, 3))
    padding = [int(p) for p in random.integers(-1, 3, size=4)]
    size = [int(s) for s in random.integers(1, 9, size=2)]
    geometry = ConvGeometry(tuple(stride), tuple(padding), tuple(dilation), groups)  # type: ignore[arg-type]
    fitting = [
        max(1, s, d * (k - 1) + 1 - before - behind)
        for s, d, k, before, behind in zip(size, dilation, kernel, padding[:2], padding[2:], strict=True)
    ]
    weight = random.integers(-largest, largest, size=(outputs, each, *kernel)) * int(random.choice([1, 4]))
    output = geometry.output_size((fitting[0], fitting[1]), (kernel[0], kernel[1]))
    return MapConvolution(weight.astype(np.int64), geometry, output), (fitting[0], fitting[1], groups * each)


@pytest.mark.parametrize("weights", WEIGHTS)
@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, rate=st.sampled_from([0.0, 0.02, 0.1, 0.5, 1.0]), largest=st.sampled_from([1, 3, 127, 255]))
def test_convolutions_of_any_kind_are_exact(weights: str, seed: int, rate: float, largest: int) -> None:
    random = np.random.default_rng(seed)
    form, size = random_convolution(random, WEIGHTS[weights])
    maps = (random.integers(1, largest + 1, size=(2, *size)) * (random.random((2, *size)) < rate)).astype(np.uint8)
    expected = expected_sums(form, maps)
    for one in SETS:
        packed = pack(one, form, 1, largest, False, np.float64)
        assert packed is not None
        np.testing.assert_array_equal(packed(maps), 2 * expected, err_msg=one.name)


def pooled(maps: npt.NDArray[np.uint8], pool: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Sums over blocks, cut off at the edge."""
    missing = [-size % block for size, block in zip(maps.shape[1:3], pool, strict=True)]
    filled = np.pad(maps, ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0)))
    samples, height, width, channels = filled.shape
    blocks = filled.reshape(samples, height // pool[0], pool[0], width // pool[1], pool[1], channels)
    sums: npt.NDArray[np.uint8] = blocks.sum(axis=(2, 4), dtype=np.uint8)
    return sums


@pytest.mark.parametrize("way", [EVENTS, DENSE, AUTO])
@pytest.mark.parametrize("weights", WEIGHTS)
@settings(max_examples=10, deadline=None)
@given(
    seed=SEEDS,
    rate=st.sampled_from([0.05, 0.3, 1.0]),
    pool=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    message=st.sampled_from([1, 2, 3, 4, 15]),
)
def test_pools_and_counts_of_any_size_are_exact(
    weights: str, way: str, seed: int, rate: float, pool: tuple[int, int], message: int
) -> None:
    """A sum has a bit in each of several planes, and the highest may be listed as two of the one beneath."""
    random = np.random.default_rng(seed)
    form, size = random_convolution(random, WEIGHTS[weights])
    cut_off = random.integers(0, pool)
    shape = (2, size[0] * pool[0] - cut_off[0], size[1] * pool[1] - cut_off[1], size[2])
    maps = (random.integers(1, message + 1, size=shape) * (random.random(shape) < rate)).astype(np.uint8)
    largest = message * pool[0] * pool[1]
    expected = expected_sums(form, pooled(maps, pool))
    for one in SETS:
        packed = pack(one, form, 2, largest, False, np.float64)
        assert packed is not None
        np.testing.assert_array_equal(replace(packed, way=way)(maps, pool), 4 * expected, err_msg=one.name)


@settings(max_examples=12, deadline=None)
@given(seed=SEEDS, largest=st.sampled_from([1, 1000]))
def test_signed_messages_are_exact(seed: int, largest: int) -> None:
    random = np.random.default_rng(seed)
    form, size = random_convolution(random, 128)
    maps = random.integers(-largest, largest + 1, size=(2, *size))
    expected = expected_sums(form, maps)
    for one in SETS:
        packed = pack(one, form, 0, largest, True, np.float64)
        assert packed is not None
        np.testing.assert_array_equal(packed(maps), expected, err_msg=one.name)


@settings(max_examples=12, deadline=None)
@given(seed=SEEDS, sources=st.integers(1, 300), targets=st.integers(1, 300), largest=st.sampled_from([1, 4, 300]))
def test_matrices_and_coordinates_are_exact(seed: int, sources: int, targets: int, largest: int) -> None:
    random = np.random.default_rng(seed)
    weight = random.integers(-128, 128, size=(targets, sources)) * (random.random((targets, sources)) < 0.2)
    target, source = np.nonzero(weight)
    entries = Entries(weight[target, source], source, target, targets)
    messages = random.integers(0, largest + 1, size=(3, 1, 1, sources))
    for one in SETS:
        for form in (Matrix(weight.astype(np.int64)), entries):
            packed = pack(one, form, 0, largest, False, np.float64)
            assert packed is not None
            np.testing.assert_array_equal(packed(messages)[:, 0, 0], messages[:, 0, 0] @ weight.T, err_msg=one.name)


def test_the_largest_sums_of_bytes_are_exact() -> None:
    """Rows are added in 16 bits, 256 at a time, and some processors add two products there."""
    for value in (-128, 127):
        form = Matrix(np.full((70, 3000), value, dtype=np.int64))
        for one in SETS:
            for largest in (1, 4, 127, 128, 255):
                packed = pack(one, form, 0, largest, False, np.float64)
                assert packed is not None
                messages = np.full((1, 1, 1, 3000), largest, dtype=np.uint8)
                for way in (EVENTS, DENSE):
                    sums = replace(packed, way=way)(messages)
                    assert set(sums.ravel().tolist()) == {3000.0 * value * largest}, (one.name, largest, way)


def test_weights_are_packed_where_sums_are_exact() -> None:
    def method(largest_weight: int, largest: int, signed: bool = False, sources: int = 4) -> int | None:
        weight = np.array([[largest_weight, *[1] * (sources - 1)]], dtype=np.int64)
        packed = pack(SETS[0], Matrix(weight), 0, largest, signed, np.float64)
        return None if packed is None else packed.method

    assert [method(127, 1), method(127, 255), method(-128, 1), method(128, 1)] == [BYTES, BYTES, BYTES, WORDS]
    assert [method(127, 256), method(127, 1, signed=True), method(1 << 15, 1, signed=True)] == [PAIRS, PAIRS, None]
    assert [method((1 << 31) - 4, 1), method((1 << 31) - 3, 1)] == [WORDS, None]
    assert [method(1, (1 << 15) - 1), method(1, 1 << 15)] == [PAIRS, None]


@settings(max_examples=4, deadline=None)
@given(seed=SEEDS, narrow=st.booleans(), gates=st.sampled_from(sorted(GATES)), batch=st.integers(1, 3))
def test_whole_layers_equal_the_reference(seed: int, narrow: bool, gates: str, batch: int) -> None:
    cases = (
        (random_program(seed, narrow_state=narrow), random_samples(seed, 3)),
        (random_gated(seed, GATES[gates]), samples_of_gated(seed, 3)),
    )
    for program, samples in cases:
        slow = run_reference(program, samples, record=True)
        for one in SETS:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv(CHOICE, one.name)
                assert all(isinstance(fused(layer), FusedLayer) for layer in plan_layers(program))
                fast = simulate(program, samples, record=True, batch=batch, threads=1)
            assert compare(program, [slow, fast]).first_difference is None, one.name
            assert slow.spike_counts == fast.spike_counts
            assert np.array_equal(slow.readout, fast.readout)


def test_threads_and_bands_of_rows_change_nothing(instructions: InstructionSet) -> None:
    random = np.random.default_rng(5)
    weight = random.integers(-128, 128, size=(40, 32, 3, 3)).astype(np.int64)
    form = MapConvolution(weight, ConvGeometry(padding=(1, 1, 1, 1)), (40, 40))
    packed = pack(instructions, form, 0, 1, False, np.float64)
    assert packed is not None
    for samples, rate in ((1, 0.1), (2, 0.9), (7, 0.1)):
        maps = (random.random((samples, 40, 40, 32)) < rate).astype(np.uint8)
        with native.kernel_threads(3):
            np.testing.assert_array_equal(packed(maps), expected_sums(form, maps))


def test_few_spikes_are_added_and_many_multiplied(instructions: InstructionSet) -> None:
    packed = pack(instructions, Matrix(np.ones((64, 1000), dtype=np.int64)), 0, 1, False, np.float64)
    assert packed is not None
    for rate, ways in ((0.01, (1, 0)), (1.0, (0, 1))):
        messages = np.zeros((1, 1, 1, 1, 1000), dtype=np.uint8)
        messages[..., : int(1000 * rate)] = 1
        connection = packed.connection(messages, (1, 1))
        sums = np.empty((1, 1, 1, 64), dtype=np.int32)
        layer = native.LayerOfKernel(
            samples=1, steps=1, height=1, width=1, channels=64, connections=1,
            incoming=(native.Connection * 1)(connection), output=sums.ctypes.data,
        )  # fmt: skip
        instructions.run(layer)
        told = layer.incoming[0]
        # Some have no products that are worth four rows.
        expected = (1, 0) if instructions.costs.product > 4 * instructions.costs.row else ways
        assert (told.by_rows, told.by_product) == expected
        assert set(sums.ravel().tolist()) == {int(1000 * rate)}


def test_a_run_says_how_each_layer_was_computed(instructions: InstructionSet) -> None:
    program, samples = random_program(3), random_samples(3, 5)
    name = instructions.name
    ways = simulate(program, samples, batch=2, threads=1).ways
    assert list(ways) == [p.name for p in program.populations]
    assert {way.kernel for layer in ways.values() for way in layer} - {"numpy"} == {name}
    for layer, told in ways.items():
        assert [way.source for way in told] == [p.source for p in program.incoming(layer)]
        assert all(way.events + way.dense >= 3 for way in told), "a part for each of three batches"


def test_an_instruction_set_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    form = Matrix(np.ones((2, 3), dtype=np.int64))
    for name, kind in (("plain", PackedWeights), ("none", object)):
        monkeypatch.setenv(CHOICE, name)
        kernel = choose_kernel(form, 0, 1)
        assert isinstance(kernel, kind)
        assert isinstance(kernel, PackedWeights) == (name != "none")
        assert name in CliRunner().invoke(doctor, []).output
    monkeypatch.setenv(CHOICE, "mmx")
    with pytest.raises(UnusableInput, match="E646"):
        choose_kernel(form, 0, 1)


@pytest.fixture
def unloaded(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The library is looked for anew, in the test and behind it."""
    monkeypatch.delenv(CHOICE, raising=False)
    for cached in (native._library, native._instruction_set):
        cached.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    for cached in (native._library, native._instruction_set):
        cached.cache_clear()


def test_a_library_that_cannot_be_loaded_is_done_without(tmp_path: Path, unloaded: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "spikes.so"
    broken.write_bytes(b"\x7fELF of another machine")
    unloaded.setattr(native, "_path", lambda: broken)
    with pytest.warns(DiagnosticWarning, match="W646"):
        assert native.chosen_instruction_set() is None
    assert "cannot be loaded" in native.kernel_in_words()
    unloaded.setattr(native, "_path", lambda: None)
    assert "not built" in native.kernel_in_words()


@pytest.mark.parametrize(("of_sources", "other"), [("LayerOfKernel", native.Connection), ("_MEANING", 2)])
def test_a_library_of_other_sources_is_done_without(
    of_sources: str, other: object, unloaded: pytest.MonkeyPatch
) -> None:
    if native._path() is None:
        pytest.skip("no kernel was built")
    unloaded.setattr(native, of_sources, other)
    with pytest.warns(DiagnosticWarning, match="W646.*built from other sources"):
        assert native.chosen_instruction_set() is None


@pytest.mark.parametrize("flags", [(), ("-mavx2", "-mbmi"), ("-mavx2", "-mavx512f", "-mavx512bw", "-mavx512vnni")])
def test_the_sources_compile_without_a_warning(flags: tuple[str, ...]) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    assert compiler is not None, "the kernel is compiled when spikec is installed for its tests"
    on_x86 = flags if any(one.name == "avx2" for one in SETS) else ()
    names = ("-DRUN_PART=run_part_x", "-DVECTOR_WIDTH=vector_width_x")
    command = [compiler, "-std=c11", "-O1", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", *on_x86, *names]
    for source in ("work.c", "dispatch.c"):
        done = subprocess.run([*command, str(SOURCES / source)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
