"""A model is named after its file, whatever bytes that name has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from spikec import CompileOptions, compile_model
from spikec.compiler.report.json_form import report_from_json, report_json
from spikec.models.shipped import shipped_model

_NAMES = {
    b"plain": "plain",
    "Zürich 日本".encode(): "Zürich 日本",
    b"a\x1b[2Jb": r"a\x1b[2Jb",
    b"two\nlines": r"two\nlines",
    "\u202egnp".encode(): r"\u202egnp",
    b"\xff": r"\udcff",
    "\u00a0".encode(): r"\xa0",
}


@pytest.mark.parametrize("name", _NAMES)
def test_a_program_is_named_by_what_can_be_printed_of_its_file(tmp_path: Path, name: bytes) -> None:
    file = tmp_path / os.fsdecode(name + b".onnx")
    file.write_bytes(shipped_model().read_bytes())
    compiled = compile_model(file, CompileOptions(target="lava", timesteps=1))
    assert compiled.program.name == compiled.report.model.name == _NAMES[name]
    assert report_from_json(report_json(compiled.report)) == compiled.report
