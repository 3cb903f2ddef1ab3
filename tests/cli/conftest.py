"""A small network and its data on disk, and the command line run in this process."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest

from spikec.__main__ import run

Cli = Callable[..., tuple[int, str, str]]
Model = Callable[..., bytes]

_CONV = "Conv <pads = [1, 1, 1, 1]> (x, w1, b1)"
_QUANTISE = "d = Div (c, unit) r = Round (d) k = Clip (r, zero, top) m = Mul (k, unit)"
_POOL = "AveragePool <kernel_shape = [2, 2], strides = [2, 2]> (m)"


def make_model(*, pool: str = _POOL, after: str = "", flat: str = "p", classes: int = 3, **weights: Any) -> bytes:
    """Conv, quantise-and-clip with 4 levels, pooling, dense; ``weights`` replaces tensors by name."""
    text = (
        '<ir_version: 8, opset_import: ["" : 17]> net (float[N,1,8,8] x) => (float[N,C] y) {'
        f"c = {_CONV} {_QUANTISE} p = {pool} {after} f = Flatten ({flat}) y = Gemm <transB = 1> (f, w2, b2) }}"
    )
    model = onnx.parser.parse_model(text)
    random = np.random.default_rng(0)
    tensors = {
        "w1": 0.4 * random.normal(size=(4, 1, 3, 3)),
        "b1": np.full(4, 0.1),
        "w2": 0.3 * random.normal(size=(classes, 64)),
        "b2": np.zeros(classes),
        "unit": np.array(0.25),
        "zero": np.array(0.0),
        "top": np.array(4.0),
        **weights,
    }
    for name, value in tensors.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value, dtype=np.float32), name))
    return bytes(model.SerializeToString())


def images(count: int = 6) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(1).integers(0, 256, size=(count, 1, 8, 8)).astype(np.uint8)


@pytest.fixture
def model() -> Model:
    return make_model


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with ``net.onnx``, ``data.npz`` (6 labelled uint8 images) and ``artefact``; nobody writes to it."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "net.onnx").write_bytes(make_model())
    np.savez(folder / "data.npz", inputs=images(), labels=np.arange(6) % 3)
    assert run(["compile", str(folder / "net.onnx"), "-o", str(folder / "artefact")]) == 0
    return folder


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """``cli(*arguments)``: exit code, stdout and stderr of the command line, in this process."""

    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


@pytest.fixture
def refused(cli: Cli) -> Callable[..., list[str]]:
    """``refused(*arguments)``: the lines of stderr of a command that must end as unusable input."""

    def call(*arguments: object) -> list[str]:
        code, out, err = cli(*arguments)
        lines = err.splitlines()
        assert code == 2, (code, out, err)
        assert out == ""
        assert lines
        assert all(line.startswith("error E") and "hint: " in line for line in lines), err
        assert "Traceback" not in err
        assert "E902" not in err
        return lines

    return call


@pytest.fixture
def json_of(cli: Cli) -> Callable[..., dict[str, Any]]:
    """``json_of(*arguments)``: the one JSON object that a good command puts on stdout."""

    def call(*arguments: object) -> dict[str, Any]:
        code, out, err = cli(*arguments)
        assert code == 0, err
        document = json.loads(out)
        assert isinstance(document, dict)
        assert out.count("\n") == 1
        return document

    return call


@pytest.fixture
def saved() -> Callable[..., bytes]:
    """``saved(inputs=..., labels=...)``: the bytes of an .npz archive."""

    def save(**arrays: Any) -> bytes:
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        return buffer.getvalue()

    return save


@pytest.fixture
def process() -> Callable[..., subprocess.Popen[str]]:
    """``process(*arguments, **environment)``: start the command line as a process of its own."""

    def start(*arguments: object, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "spikec", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
            # A suite that a shell runs in the background ignores interrupts, and its children would with it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    return start
