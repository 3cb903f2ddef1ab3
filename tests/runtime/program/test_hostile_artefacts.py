"""Artefacts that contradict themselves, were edited, or hold what no compilation wrote: refused, never run."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spikec.runtime.program import INPUT, Program
from spikec.runtime.program.storage import load_program, program_files
from spikec.targets.diagnostic import Diagnostic, UnusableInput

Problems = Callable[[Path], list[Diagnostic]]
Edit = Callable[[dict[str, Any]], None]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), name=st.sampled_from(["program.json", "tensors.npz"]))
def test_flipped_bytes_never_end_in_a_traceback(folder: Path, program: Program, data: st.DataObject, name: str) -> None:
    whole = program_files(program)[name]
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    (folder / name).write_bytes(bytes(damaged))
    found: tuple[Diagnostic, ...] = ()
    try:
        load_program(folder)
    except UnusableInput as refusal:
        found = refusal.diagnostics
    assert {d.code for d in found} <= {"E611", "E612", "E613", "E616"}
    (folder / name).write_bytes(whole)


def edits() -> Iterator[tuple[str, Any, str]]:
    """Path into program.json, the value to put there, and the code that it must end with."""
    yield "format", "spikec-program/1", "E612"
    yield "format", "spikec-program/2", "E612"
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
    yield "input.step", "0x1p-1060", "E613"
    yield "input.step", "0x1p200", "E613"
    yield "input.step", 0.5, "E611"
    yield "input.step", "wide", "E611"
    yield "input.step", "0x1p99999", "E611"
    yield "input.maximum", 1 << 40, "E613"
    yield "input.maximum", -1, "E613"
    yield "input.spread", 1, "E611"
    yield "input.spread", None, "E611"
    yield "populations", [], "E613"
    yield "populations", {}, "E611"
    yield "populations", 3, "E611"
    yield "populations.0", None, "E611"
    yield "populations.0.name", "hidden", "E613"
    yield "populations.0.name", INPUT, "E613"
    for name in ("", "a\x1b[31mb", "line\nline", "nul\0"):
        for kind in ("populations", "projections", "pulses"):
            yield f"{kind}.0.name", name, "E613"
    yield "name", "a\x1b[31mb", "E613"
    yield "target", "a\x1b[31mb", "E613"
    yield "projections.1.name", "hidden-scores", "E613"
    yield "projections.0.weights", 3, "E611"
    yield "populations.0.treshold", 3, "E611"
    yield "input.padding", 3, "E611"
    yield "state.bits", 24, "E611"
    yield "gates", [], "E611"
    yield "neuron", None, "E611"
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
def test_hostile_descriptions(folder: Path, problems: Problems, edit: Edit, path: str, value: Any, code: str) -> None:
    document = json.loads((folder / "program.json").read_text())
    *parents, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    place = document
    for key in parents:
        place = place[key]
    place[last] = value
    edit(document)
    assert {p.code for p in problems(folder)} == {code}


def test_every_missing_key_is_named(folder: Path, problems: Problems) -> None:
    document = json.loads((folder / "program.json").read_text())
    for key in set(document) - {"format"}:
        (folder / "program.json").write_text(json.dumps({k: v for k, v in document.items() if k != key}))
        (problem,) = problems(folder)
        assert problem.code == "E611"
        assert f"'{key}'" in problem.message


def test_cyclic_projections(folder: Path, problems: Problems, edit: Edit) -> None:
    document = json.loads((folder / "program.json").read_text())
    back = dict(document["projections"][1], name="back", source="hidden", target="conv", delay=0)
    document["projections"].append(back)
    edit(document)
    assert any("does not come before" in p.message for p in problems(folder))


@pytest.mark.parametrize(
    "text", ["[]", "3", '"x"', "null", "[" * 100_000, "1" * 10_000, '{"format": NaN}', "\ufeff{}", "{}", "{" * 500]
)
def test_descriptions_that_are_none(folder: Path, problems: Problems, text: str) -> None:
    (folder / "program.json").write_text(text, encoding="utf-8")
    assert [p.code for p in problems(folder)] in (["E611"], ["E612"])


@pytest.mark.parametrize("kind", ["populations", "projections", "pulses"])
def test_parts_that_stand_twice(folder: Path, problems: Problems, edit: Edit, kind: str) -> None:
    document = json.loads((folder / "program.json").read_text())
    document[kind].append(document[kind][-1])
    edit(document)
    assert any(p.message == f"two {kind[:-1]}s share a name" for p in problems(folder))


def test_population_that_nothing_reads(folder: Path, problems: Problems, edit: Edit) -> None:
    document = json.loads((folder / "program.json").read_text())
    blind = dict(document["populations"][1], name="blind", depth=9)
    document["populations"].insert(2, blind)
    document["projections"].append(dict(document["projections"][1], name="late", target="blind", delay=7))
    edit(document)
    assert [p.message for p in problems(folder)] == ["no projection leaves the population, so it cannot matter"]


@pytest.mark.parametrize("key", ["timesteps", "digests", "format"])
def test_keys_that_stand_twice(folder: Path, problems: Problems, key: str) -> None:
    text = (folder / "program.json").read_text()
    (folder / "program.json").write_text(text.replace("{", f'{{"{key}": 1,', 1))
    (problem,) = problems(folder)
    assert problem.code == "E611"
    assert f"'{key}' stands twice" in problem.message


@pytest.mark.parametrize("kind", ["populations", "projections", "pulses"])
def test_more_parts_than_any_network_has(folder: Path, problems: Problems, edit: Edit, kind: str) -> None:
    document = json.loads((folder / "program.json").read_text())
    part = document[kind][0]
    document[kind] = [{**part, "name": f"n{number}"} for number in range(20_000)]
    edit(document)
    (problem,) = problems(folder)
    assert problem.code == "E611"
    assert "20000 parts" in problem.message


def test_a_description_far_too_large(folder: Path, problems: Problems) -> None:
    with (folder / "program.json").open("r+b") as file:
        file.truncate(1 << 36)
    (problem,) = problems(folder)
    assert problem.code == "E611"
    assert "32 MiB" in problem.message


def test_files_that_are_none(folder: Path, problems: Problems) -> None:
    for name in ("program.json", "tensors.npz"):
        whole = (folder / name).read_bytes()
        (folder / name).unlink()
        os.mkfifo(folder / name)
        assert [p.code for p in problems(folder)] == ["E611"]
        (folder / name).unlink()
        (folder / name).write_bytes(whole)


def test_hostile_tensors(folder: Path, problems: Problems, edit: Edit) -> None:
    document = json.loads((folder / "program.json").read_text())
    with np.load(folder / "tensors.npz") as archive:
        tensors = dict(archive)
    wide = tensors["conv-hidden/weight"].astype(np.int64)
    for value, code in (
        (wide.astype(np.float32), "E611"),
        (wide.astype(np.uint8), "E611"),
        (wide.astype(object), "E611"),
        (wide[:0], "E613"),
        (wide[:5], "E613"),
        (wide + (1 << 40), "E613"),
        (np.full_like(wide, np.iinfo(np.int64).min), "E613"),
    ):
        np.savez(folder / "tensors.npz", **{**tensors, "conv-hidden/weight": value})
        edit(document)
        assert {p.code for p in problems(folder)} == {code}
    for name, value, message in (
        ("hidden/bias", np.array([1 << 52]), "potentials can leave the integers"),
        ("conv/threshold", np.array([1 << 53]), "potentials can leave the integers"),
        ("conv/initial_potential", np.array([np.iinfo(np.int64).min]), "initial potential does not fit 62 bits"),
    ):
        np.savez(folder / "tensors.npz", **{**tensors, name: value})
        edit(document)
        found = problems(folder)
        assert any(message in p.message for p in found)
        assert {p.place.layer for p in found} == {name.split("/")[0]}
    np.savez(folder / "tensors.npz", **{**tensors, "conv/threshold": np.zeros(1, np.int8)})
    edit(document)
    assert [p.message for p in problems(folder)] == ["threshold 0 is below 1"]


def test_tensor_that_claims_to_be_huge(folder: Path, problems: Problems) -> None:
    header = b"{'descr': '<i8', 'fortran_order': False, 'shape': (1000000000000, 1000), }"
    header += b" " * (64 - (10 + len(header) + 1) % 64) + b"\n"
    with zipfile.ZipFile(folder / "tensors.npz", "w") as archive:
        archive.writestr("conv/bias.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    assert [p.code for p in problems(folder)] == ["E611"]
