"""Every command on every page: its options are ones that there are, and what can be run here is run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import onnx
import onnx.parser
import pytest

from spikec.__main__ import run, spikec

ROOT = Path(__file__).parents[2]
PAGES = (
    *sorted((ROOT / "docs").rglob("*.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "models/zoo/README.md", "models/shipped/README.md")),
    ROOT / "tests" / "bench" / "README.md",
)

NOT_RUN = {
    r"^spikec demo": "the demo has a test of its own",
    r"^spikec (train|zoo|calibrate-weights)\b": "trains for longer than a test may; the command has tests of its own",
    r"--(data|dataset) FOLDER|--data \w+/|FOLDER/": "needs a data set that is not shipped",
    r"RUNS|runs/|\bseed-": "needs networks that a zoo trained",
    r"--cluster": "needs a cluster, which the tests of the cluster start",
    r"--jobs": "starts processes, which the tests of processes do",
    r"lava-stock|,lava\b|^spikec verify (DIR|out|net)$|sanafe|brian2|netx|nir": "needs Lava or another extra",
    r"--install-lava": "installs; the command has tests of its own",
    r"--output boxes": "needs a model with these outputs",
    r"resnet20|vgg16|mobilenet|models/shipped|docs/methods/": "takes a large model or data for longer than a test may",
    r"tradeoff\.svg": "draws, which the tests of pictures do",
    r"--methods all": "measures for longer than a test may; the comparison of all methods has tests of its own",
}
"""By pattern, why a command is read and not run."""

EXIT_CODES = {"spikec check net.onnx --target all --timesteps 4": {0, 1}}
"""Of commands whose answer may be no; all others end with 0."""


def blocks(text: str) -> Iterator[str]:
    """Lines of code, without what is wrapped over several and without remarks."""
    fenced = False
    joined = re.sub(r" *\\\n *", " ", text)
    for line in joined.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield re.split(r"\s# |  {2,}", line.strip())[0].strip()


def commands(page: Path) -> list[str]:
    """What a page has the reader type, as ``spikec ...``."""
    lines = (line.removeprefix("bash .ci/") for line in blocks(page.read_text(encoding="utf-8")))
    return [line for line in lines if line.startswith("spikec ")]


def is_form(line: str) -> bool:
    """Whether a line tells the form of commands and is not one to be typed."""
    return bool(re.search(r"\.\.\.|\[|\||\b(T|MODEL|NAME|CODE|FILE|TABLE)\b", line))


def options_of(line: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", line))


def command_of(line: str) -> click.Command:
    name = re.split(r"[\s|]", line)[1]
    assert name in spikec.commands, f"there is no command '{name}'"
    return spikec.commands[name]


ALL = [(page, line) for page in PAGES for line in commands(page)]


@pytest.mark.parametrize(("page", "line"), ALL, ids=[f"{p.stem}-{i}" for i, (p, _) in enumerate(ALL)])
def test_a_command_is_one_that_there_is(page: Path, line: str) -> None:
    command = command_of(line)
    if is_form(line):
        known = {flag for p in command.params for flag in (*p.opts, *p.secondary_opts)}
        assert options_of(line) <= known | {"--help"}
        return
    with command.make_context(command.name or "", shlex.split(line)[2:], resilient_parsing=False):
        pass


def reason_not_to_run(line: str) -> str | None:
    return next((reason for pattern, reason in NOT_RUN.items() if re.search(pattern, line)), None)


def test_every_reason_is_needed() -> None:
    unused = [pattern for pattern in NOT_RUN if not any(re.search(pattern, line) for _, line in ALL)]
    assert unused == []


def typed_model() -> onnx.ModelProto:
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> net (float[N,1,8,8] x) => (float[N,10] y) '
        "{ c = Conv <kernel_shape = [3, 3]> (x, w1) d = Div (c, unit) r = Round (d) k = Clip (r, zero, top) "
        "m = Mul (k, unit) f = Flatten (m) y = Gemm (f, w2) }"
    )
    random = np.random.default_rng(0)
    tensors: dict[str, Any] = {"w1": random.normal(size=(3, 1, 3, 3)), "w2": random.normal(size=(108, 10))}
    for name, value in {**tensors, "unit": 0.5, "zero": 0.0, "top": 4.0}.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value, dtype=np.float32), name))
    return model


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a reader is who has a model, data, and has compiled it as DIR and out."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.onnx").write_bytes(typed_model().SerializeToString())
    images = np.random.default_rng(1).integers(0, 256, size=(40, 1, 8, 8)).astype(np.uint8)
    for name in ("test", "calibration", "data", "images"):
        np.savez(tmp_path / f"{name}.npz", inputs=images, labels=np.arange(40) % 10)
    for name in ("DIR", "out"):
        assert run(["compile", "net.onnx", "-o", name, "--calibration", "calibration.npz", "-q"]) == 0
    return tmp_path


RUN = {
    page: [line for line in commands(page) if not is_form(line) and reason_not_to_run(line) is None] for page in PAGES
}


@pytest.mark.parametrize("page", [page for page, lines in RUN.items() if lines], ids=lambda page: page.stem)
def test_what_a_page_says_can_be_typed(page: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for line in RUN[page]:
        code = run(shlex.split(line)[1:])
        said = capsys.readouterr().err
        assert code in EXIT_CODES.get(line, {0}), f"{line}\n{said}"
