"""Artefacts on disk: round trips, damage, contradictions, hostile descriptions, and writing that never halves."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spikec.runtime.program import (
    INPUT,
    ConvSynapses,
    DenseSynapses,
    InputEncoding,
    Population,
    Program,
    Projection,
    Pulse,
)
from spikec.runtime.program.artefact import check_destination, write_artefact, write_file
from spikec.runtime.program.geometry import ConvGeometry
from spikec.runtime.program.storage import load_program, program_files
from spikec.runtime.simulator import simulate
from spikec.targets.diagnostic import Diagnostic, UnusableInput

Problems = Callable[[Path], list[Diagnostic]]
FILE_OPERATIONS = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.listdir", "os.scandir")
GEOMETRY = ConvGeometry((2, 1), (1, 0, 1, 2), (1, 2), 2)


def program() -> Program:
    random = np.random.default_rng(0)

    def integers(low: int, high: int, *shape: int) -> Any:
        return random.integers(low, high, size=shape)

    return Program(
        name="small",
        target="lava",
        schedule="pipelined",
        timesteps=4,
        state_minimum=-(1 << 31),
        state_maximum=(1 << 31) - 1,
        input=InputEncoding((6, 4, 2), (2, 0, 1), (2, 6, 4), 1 / 255, 0, 255),
        populations=(
            Population(
                "conv", (4, 3, 4), integers(300, 900, 4, 1, 1), integers(0, 300, 4, 3, 4), integers(-9, 9, 1), 1
            ),
            Population("hidden", (7,), integers(100, 90000, 7), np.zeros(1, np.int64), integers(-9, 9, 7), 2),
            Population("scores", (3,), None, np.zeros(1, np.int64), integers(-9, 9, 3), 3),
        ),
        projections=(
            Projection("input-conv", INPUT, "conv", ConvSynapses(integers(-127, 128, 4, 1, 3, 2), GEOMETRY)),
            Projection("conv-hidden", "conv", "hidden", DenseSynapses(integers(-127, 128, 7, 48)), exponent=3),
            Projection("hidden-scores", "hidden", "scores", DenseSynapses(integers(-127, 128, 3, 7))),
            Projection("conv-scores", "conv", "scores", DenseSynapses(integers(-127, 128, 3, 48)), delay=1),
        ),
        pulses=(Pulse("kick", "hidden", 2, integers(1, 100, 7), exponent=4, axons=3),),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_artefact(tmp_path / "out", program_files(program()))
    return tmp_path / "out"


@pytest.fixture
def problems() -> Problems:
    def load(folder: Path) -> list[Diagnostic]:
        started = time.perf_counter()
        with pytest.raises(UnusableInput) as caught:
            load_program(folder)
        assert time.perf_counter() - started < 5  # seconds; nothing large may be built before it is refused
        found = list(caught.value.diagnostics)
        assert all(each.hint and str(folder) in (each.place.file or "") for each in found)
        return found

    return load


def test_round_trip(folder: Path) -> None:
    original, loaded = program(), load_program(folder)
    assert program_files(loaded) == program_files(original)
    samples = np.random.default_rng(1).integers(0, 256, size=(5, 2, 6, 4))
    before, after = (simulate(p, samples, record=True) for p in (original, loaded))
    np.testing.assert_array_equal(before.readout, after.readout)
    assert before.spike_counts == after.spike_counts
    assert sum(before.spike_counts.values()) > 0


def test_tensors_are_narrow_and_carry_no_dates(folder: Path) -> None:
    with zipfile.ZipFile(folder / "tensors.npz") as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    with np.load(folder / "tensors.npz") as archive:
        assert archive["input-conv/weight"].dtype == np.int8
        assert archive["conv/threshold"].dtype == np.int16
        assert archive["hidden/threshold"].dtype == np.int32


@pytest.mark.parametrize("name", ["program.json", "tensors.npz"])
def test_missing_and_truncated_files(folder: Path, problems: Problems, name: str) -> None:
    whole = (folder / name).read_bytes()
    for size in (0, 1, len(whole) // 3, len(whole) - 5):
        (folder / name).write_bytes(whole[:size])
        assert [p.code for p in problems(folder)] == ["E611"]
    (folder / name).unlink()
    (missing,) = problems(folder)
    assert missing.code == "E610"
    assert missing.place.file == str(folder / name)


def test_missing_folder(problems: Problems, tmp_path: Path) -> None:
    assert [p.code for p in problems(tmp_path / "nowhere")] == ["E610"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), name=st.sampled_from(["program.json", "tensors.npz"]))
def test_flipped_bytes_never_end_in_a_traceback(folder: Path, data: st.DataObject, name: str) -> None:
    whole = program_files(program())[name]
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    (folder / name).write_bytes(bytes(damaged))
    found: tuple[Diagnostic, ...] = ()
    try:
        load_program(folder)
    except UnusableInput as refusal:
        found = refusal.diagnostics
    assert {d.code for d in found} <= {"E611", "E612", "E613"}
    (folder / name).write_bytes(whole)


def edits() -> Iterator[tuple[str, Any, str]]:
    """Path into program.json, the value to put there, and the code that it must end with."""
    yield "format", "spikec-program/1", "E612"
    yield "format", 1, "E612"
    yield "schedule", "exact", "E613"
    yield "schedule", "sometimes", "E613"
    yield "schedule", None, "E611"
    yield "populations.1.gated", True, "E613"
    yield "populations.2.gated", True, "E613"
    yield "populations.1.gated", 1, "E611"
    yield "pulses", {}, "E611"
    yield "pulses.0.target", "nobody", "E613"
    yield "pulses.0.step", 0, "E613"
    yield "pulses.0.step", 5, "E613"
    yield "pulses.0.step", 2.5, "E611"
    yield "pulses.0.exponent", 40, "E613"
    yield "pulses.0.axons", -1, "E613"
    yield "pulses.0.axons", 1 << 40, "E613"
    yield "pulses.0.weight", "conv/threshold", "E613"
    yield "pulses.0.weight", "nothing/here", "E611"
    for steps, code in ((0, "E613"), (-4, "E613"), (10**12, "E613"), (10**40, "E611")):
        yield "timesteps", steps, code
    wrong: tuple[Any, ...] = ("4", 4.0, 4.5, True, None, [4], {}, float("nan"), float("inf"))
    for value in wrong:
        yield "timesteps", value, "E611"
    yield "name", 7, "E611"
    yield "state.minimum", 5, "E613"
    yield "state.maximum", 1 << 62, "E613"
    yield "state", [1, 2], "E611"
    yield "input.sample_shape", [-6, -4, 2], "E613"
    yield "input.sample_shape", [1 << 40, 1 << 40, 1 << 40], "E613"
    yield "input.sample_shape", "642", "E611"
    yield "input.shape", [2, 6, 5], "E613"
    yield "input.shape", [], "E613"
    yield "input.axes", [0, 0, 1], "E613"
    yield "input.step", "nan", "E613"
    yield "input.step", "-0x1p-3", "E613"
    yield "input.step", 0.5, "E611"
    yield "input.step", "wide", "E611"
    yield "input.step", "0x1p99999", "E611"
    yield "input.maximum", 1 << 40, "E613"
    yield "input.maximum", -1, "E613"
    yield "populations", [], "E613"
    yield "populations", {}, "E611"
    yield "populations", 3, "E611"
    yield "populations.0", None, "E611"
    yield "populations.0.name", "hidden", "E613"
    yield "populations.0.name", INPUT, "E613"
    yield "populations.0.shape", [1 << 40, 1 << 40, 4], "E613"
    yield "populations.0.shape", [-4, -3, 4], "E613"
    yield "populations.0.shape", [4, 3, 0], "E613"
    yield "populations.0.shape", [], "E613"
    yield "populations.0.threshold", None, "E613"
    yield "populations.0.threshold", "nothing/here", "E611"
    yield "populations.0.threshold", ["conv/threshold"], "E611"
    yield "populations.0.bias", "conv-hidden/weight", "E613"
    yield "populations.1.initial_potential", "input-conv/weight", "E613"
    yield "populations.1.depth", 5, "E613"
    yield "populations.1.depth", -1, "E613"
    yield "projections", [], "E613"
    yield "projections.1.source", "nobody", "E613"
    yield "projections.1.source", "hidden", "E613"
    yield "projections.0.source", "scores", "E613"
    yield "projections.1.target", INPUT, "E613"
    yield "projections.1.delay", -1, "E613"
    yield "projections.1.delay", 3, "E613"
    yield "projections.1.exponent", -1, "E613"
    yield "projections.1.exponent", 10**9, "E613"
    yield "projections.1.weight", "hidden-scores/weight", "E613"
    yield "projections.0.geometry", None, "E613"
    yield "projections.1.geometry", {"stride": [1, 1]}, "E611"
    yield "projections.0.geometry.groups", 0, "E613"
    yield "projections.0.geometry.groups", 3, "E613"
    yield "projections.0.geometry.stride", [0, 1], "E613"
    yield "projections.0.geometry.stride", [1], "E611"
    yield "projections.0.geometry.padding", [1 << 50, 0, 1 << 50, 2], "E613"
    yield "projections.0.geometry.padding", [-9, 0, -9, 2], "E613"
    yield "projections.0.geometry.dilation", [1, 1 << 50], "E613"


@pytest.mark.parametrize(("path", "value", "code"), [pytest.param(*e, id=f"{e[0]}={e[1]!r:.24}") for e in edits()])
def test_hostile_descriptions(folder: Path, problems: Problems, path: str, value: Any, code: str) -> None:
    document = json.loads((folder / "program.json").read_text())
    *parents, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    place = document
    for key in parents:
        place = place[key]
    place[last] = value
    (folder / "program.json").write_text(json.dumps(document))
    assert {p.code for p in problems(folder)} == {code}


def test_every_missing_key_is_named(folder: Path, problems: Problems) -> None:
    document = json.loads((folder / "program.json").read_text())
    for key in set(document) - {"format"}:
        (folder / "program.json").write_text(json.dumps({k: v for k, v in document.items() if k != key}))
        (problem,) = problems(folder)
        assert problem.code == "E611"
        assert f"'{key}'" in problem.message


def test_cyclic_projections(folder: Path, problems: Problems) -> None:
    document = json.loads((folder / "program.json").read_text())
    back = dict(document["projections"][1], name="back", source="hidden", target="conv", delay=0)
    document["projections"].append(back)
    (folder / "program.json").write_text(json.dumps(document))
    assert any("does not come before" in p.message for p in problems(folder))


@pytest.mark.parametrize(
    "text", ["[]", "3", '"x"', "null", "[" * 100_000, "1" * 10_000, '{"format": NaN}', "\ufeff{}", "{}", "{" * 500]
)
def test_descriptions_that_are_none(folder: Path, problems: Problems, text: str) -> None:
    (folder / "program.json").write_text(text, encoding="utf-8")
    assert [p.code for p in problems(folder)] in (["E611"], ["E612"])


def test_hostile_tensors(folder: Path, problems: Problems) -> None:
    with np.load(folder / "tensors.npz") as archive:
        tensors = dict(archive)
    wide = tensors["conv-hidden/weight"].astype(np.int64)
    for value, code in (
        (wide.astype(np.float32), "E611"),
        (wide.astype(np.uint8), "E611"),
        (wide.astype(object), "E611"),
        (wide[:0], "E611"),
        (wide[:5], "E613"),
        (wide + (1 << 40), "E613"),
        (np.full_like(wide, np.iinfo(np.int64).min), "E613"),
    ):
        np.savez(folder / "tensors.npz", **{**tensors, "conv-hidden/weight": value})
        assert {p.code for p in problems(folder)} == {code}
    for name, value, message in (
        ("hidden/bias", np.array([1 << 52]), "potentials can leave the integers"),
        ("conv/threshold", np.array([1 << 53]), "potentials can leave the integers"),
        ("conv/initial_potential", np.array([np.iinfo(np.int64).min]), "initial potential does not fit 62 bits"),
    ):
        np.savez(folder / "tensors.npz", **{**tensors, name: value})
        found = problems(folder)
        assert any(message in p.message for p in found)
        assert {p.place.layer for p in found} == {name.split("/")[0]}
    np.savez(folder / "tensors.npz", **{**tensors, "conv/threshold": np.zeros(1, np.int8)})
    assert [p.message for p in problems(folder)] == ["threshold 0 is below 1"]


def test_tensor_that_claims_to_be_huge(folder: Path, problems: Problems) -> None:
    header = b"{'descr': '<i8', 'fortran_order': False, 'shape': (1000000000000, 1000), }"
    header += b" " * (64 - (10 + len(header) + 1) % 64) + b"\n"
    with zipfile.ZipFile(folder / "tensors.npz", "w") as archive:
        archive.writestr("conv/bias.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    assert [p.code for p in problems(folder)] == ["E611"]


def test_writing_replaces_and_removes_leftovers(folder: Path) -> None:
    parent, files = folder.parent, program_files(program())
    dead = 1 << 22  # above the kernel's largest process id
    (parent / f".out.{dead}.new").mkdir()
    (parent / f".out.{dead}.new" / "program.json").write_text("half")
    (parent / f".out.{dead}.old").mkdir()
    (parent / f".out.{os.getppid()}.new").mkdir()
    write_artefact(folder, {**files, "report.json": b"{}"})
    assert sorted(p.name for p in parent.iterdir()) == [f".out.{os.getppid()}.new", "out"]
    assert (folder / "report.json").exists()
    write_artefact(folder, files)
    assert sorted(p.name for p in folder.iterdir()) == sorted(files)


def test_artefact_that_a_crash_moved_away_comes_back(folder: Path) -> None:
    folder.rename(folder.parent / f".out.{1 << 22}.old")
    with pytest.raises(UnusableInput):
        write_artefact(folder, {"no/such/folder": b""})
    assert load_program(folder).name == "small"


def write_and_die(folder: Path, files: dict[str, bytes], last: int) -> int:
    """Write in a process of its own that is killed at file operation number ``last``; its wait status."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    seen = 0

    def kill(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event in FILE_OPERATIONS and any(str(a).startswith(str(folder.parent)) for a in arguments):
            seen += 1
            if seen == last:
                os.kill(os.getpid(), signal.SIGKILL)

    try:
        sys.addaudithook(kill)
        write_artefact(folder, files)
    finally:
        os._exit(0)


@pytest.mark.parametrize("earlier", [False, True])
def test_killed_at_every_file_operation(tmp_path: Path, earlier: bool) -> None:
    old, new = ({**program_files(program()), "report.json": text} for text in (b"old", b"new"))
    folder = tmp_path / "out"
    for last in range(1, 100):
        if earlier:
            write_artefact(folder, old)
        status = write_and_die(folder, new, last)
        if status == 0:
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
        if folder.exists():
            assert {p.name: p.read_bytes() for p in folder.iterdir()} in (old, new)
        else:
            # Between two renames the earlier artefact lies beside the destination, whole.
            assert all({p.name: p.read_bytes() for p in f.iterdir()} == old for f in tmp_path.glob(".out.*.old"))
            assert bool(list(tmp_path.glob(".out.*.old"))) == earlier
        write_artefact(folder, new)
        assert [p.name for p in tmp_path.iterdir()] == ["out"]
        shutil.rmtree(folder)
    assert status == 0
    assert last > 7
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == new


def test_failed_writing_leaves_the_earlier_artefact(folder: Path) -> None:
    with pytest.raises(UnusableInput) as caught:
        write_artefact(folder, {"program.json": b"", "no/such/folder": b""})
    assert [d.code for d in caught.value.diagnostics] == ["E615"]
    assert load_program(folder).name == "small"
    assert [p.name for p in folder.parent.iterdir()] == ["out"]


def test_destinations_that_are_not_ours(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for place in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(UnusableInput) as caught:
            check_destination(place)
        assert [d.code for d in caught.value.diagnostics] == ["E614"]
    check_destination(tmp_path / "new")
    (tmp_path / "empty").mkdir()
    check_destination(tmp_path / "empty")


def test_write_file(tmp_path: Path) -> None:
    write_file(tmp_path / "a.txt", b"one")
    write_file(tmp_path / "a.txt", b"two")
    assert (tmp_path / "a.txt").read_bytes() == b"two"
    write_file(tmp_path / "new" / "a.txt", b"one")
    for place in (tmp_path, tmp_path / "a.txt" / "b"):
        with pytest.raises(UnusableInput) as caught:
            write_file(place, b"three")
        assert [d.code for d in caught.value.diagnostics] == ["E615"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", "new"]
    assert (tmp_path / "new" / "a.txt").read_bytes() == b"one"
