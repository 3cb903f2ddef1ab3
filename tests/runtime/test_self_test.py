"""Artefacts that carry inputs with expected counts: what is kept, and what is noticed."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikec.runtime.encoding import encode
from spikec.runtime.program import INPUT, DenseSynapses, InputEncoding, IntArray, Population, Program, Projection
from spikec.runtime.program.storage import program_files
from spikec.runtime.reference.network import run_reference
from spikec.runtime.samples import Samples
from spikec.runtime.self_test import (
    MOST_BYTES,
    SelfTest,
    expected_layers,
    first_unexpected,
    load_self_test,
    make_self_test,
    self_test_file,
)
from spikec.targets.diagnostic import UnusableInput


def program_of(size: int = 6, **encoding: Any) -> Program:
    random = np.random.default_rng(0)
    zero: IntArray = np.zeros(1, np.int64)
    return Program(
        name="small",
        target="lava",
        schedule="pipelined",
        timesteps=4,
        state_minimum=-(1 << 31),
        state_maximum=(1 << 31) - 1,
        input=replace(InputEncoding((size,), (0,), (size,), 1 / 255, 0, 255), **encoding),
        populations=(
            Population("hidden", (5,), np.array([6000]), zero, zero, 1),
            Population("scores", (3,), None, zero, zero, 2),
        ),
        projections=(
            Projection("in", INPUT, "hidden", DenseSynapses(random.integers(-9, 20, (5, size)))),
            Projection("out", "hidden", "scores", DenseSynapses(random.integers(-9, 20, (3, 5)))),
        ),
    )


def written(folder: Path, program: Program, kept: SelfTest) -> Path:
    files = program_files(program)
    for name, content in {**files, "selftest.json": self_test_file(kept, files["program.json"])}.items():
        (folder / name).write_bytes(content)
    return folder


def made(program: Program, calibration: Samples | None = None, work: int = 1000) -> SelfTest:
    found = make_self_test(program, calibration, work)
    assert found is not None
    return found


def test_the_first_calibration_samples_are_kept(tmp_path: Path) -> None:
    program = program_of()
    given = np.random.default_rng(1).integers(0, 256, (9, 6)).astype(np.uint8)
    kept = made(program, Samples(given, None))
    np.testing.assert_array_equal(kept.inputs, given[:4])
    read = load_self_test(written(tmp_path, program, kept), program)
    np.testing.assert_array_equal(read.inputs, given[:4])
    assert read.inputs.dtype == np.uint8
    assert read.layers == kept.layers
    execution = run_reference(program, encode(program.input, read.inputs)[0], record=True)
    assert first_unexpected(program, read, execution) is None
    assert kept.layers["hidden"].count == execution.spike_counts["hidden"] > 0
    assert len(made(program, Samples(given, None), work=300_000_000).inputs) == 1


@pytest.mark.parametrize(
    "encoding", [{}, {"minimum": -255}, {"integers": (-128, 127), "step": 1.0, "minimum": -128}, {"frames": True}]
)
def test_without_data_they_are_made_alike_everywhere(tmp_path: Path, encoding: dict[str, Any]) -> None:
    program = program_of(**encoding)
    kept = made(program)
    assert self_test_file(kept, b"") == self_test_file(made(program), b"")
    assert kept.inputs.shape == (2, *([4] if program.input.frames else []), 6)
    assert len(np.unique(kept.inputs)) > 5
    encoded, remarks = encode(program.input, kept.inputs)
    assert not remarks
    assert (encoded.min() < 0) == (program.input.minimum < 0)
    np.testing.assert_array_equal(load_self_test(written(tmp_path, program, kept), program).inputs, kept.inputs)


def test_large_samples_cost_few_bytes() -> None:
    program = program_of(MOST_BYTES + 1)
    for calibration in (None, Samples(np.zeros((3, MOST_BYTES + 1), np.uint8), None)):
        kept = made(program, calibration)
        assert kept.inputs.shape == (2, MOST_BYTES + 1)
        assert kept.inputs.any()
        assert len(self_test_file(kept, b"")) < 8000
    assert make_self_test(program, None, work=1 << 40) is None


def test_what_differs_is_found(tmp_path: Path) -> None:
    program = program_of()
    kept = made(program)
    encoded, _ = encode(program.input, kept.inputs)
    other = replace(
        program, populations=(replace(program.populations[0], bias=np.array([-3000])), program.populations[1])
    )
    found = first_unexpected(program, kept, run_reference(other, encoded, record=True))
    assert found is not None
    assert (found.backend, found.layer) == ("reference", "hidden")
    assert found.found < found.expected
    turned = run_reference(program, encoded, record=True)
    assert turned.spike_trains is not None
    moved = replace(turned, spike_trains={"hidden": turned.spike_trains["hidden"][::-1]})
    same_number = first_unexpected(program, kept, moved)
    assert same_number is not None
    assert same_number.found == same_number.expected
    assert expected_layers(program, turned) == kept.layers


def test_edited_and_foreign_files_are_refused(tmp_path: Path) -> None:
    program = program_of()
    folder = written(tmp_path, program, made(program))
    file = folder / "selftest.json"
    whole = file.read_text()

    def refusal(text: str) -> str:
        file.write_text(text)
        with pytest.raises(UnusableInput) as caught:
            load_self_test(folder, program)
        (problem,) = caught.value.diagnostics
        assert problem.place.file
        assert problem.hint
        return problem.code

    document = json.loads(whole)
    layers = [{**each, "count": each["count"] + 1} for each in document["content"]["layers"]]
    assert refusal(json.dumps({**document, "content": {**document["content"], "layers": layers}})) == "E616"
    assert refusal(json.dumps({**document, "program_digest": "0" * 64})) == "E616"
    assert refusal(json.dumps({**document, "format": "spikec-selftest/9"})) == "E612"
    assert refusal(whole[:-20]) == "E611"
    assert refusal("[]") == "E611"
    for change in (
        {"type": "object"},
        {"values": "?"},
        {"values": ""},
        {"shape": [2, 7]},
        {"shape": [0, 6]},
        {"shape": [10**9, 6]},
        {"type": "float32", "values": base64.b64encode(np.array([np.nan], "<f4").tobytes()).decode()},
    ):
        content = {**document["content"], "inputs": {**document["content"]["inputs"], **change}}
        assert refusal(resealed(document, content)) == "E611", change
    assert refusal(resealed(document, {**document["content"], "layers": []})) == "E611"
    file.unlink()
    with pytest.raises(UnusableInput, match="E037"):
        load_self_test(folder, program)


def resealed(document: dict[str, Any], content: dict[str, Any]) -> str:
    from spikec.runtime.program.digest import digest_of

    digest = digest_of(json.dumps(content, sort_keys=True).encode())
    return json.dumps({**document, "content": content, "digest": digest})
