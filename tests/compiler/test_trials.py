"""Hints against resources were tried: applied, each lowers the judged figure or meets the limit."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from spikec import CompileOptions, check_model, compile_model, targets
from spikec.compiler.judged_figures import FIGURES, Placed
from spikec.compiler.report import Report
from spikec.runtime.samples import Samples
from spikec.targets.diagnostic import Diagnostic

CONVOLUTION, DENSE = "convolution", "dense"

UNITS = {
    "cores": "cores",
    "synapses": "synapses",
    "neurons": "compartments",
    "input_axons": "axons",
    "output_axons": "axons",
    "synapse_memory_bits": "bits",
}


def _model(folder: Path, kind: str) -> Path:
    """A convolution of 64 channels, or a dense layer of 256 inputs, with levels and a read-out behind it."""
    random = np.random.default_rng(0)
    first, sizes, shape = {
        CONVOLUTION: ("Conv (x, w)", "64,6,6", (8, 64, 3, 3)),
        DENSE: ("Gemm <transB: int = 1> (x, w)", "256", (64, 256)),
    }[kind]
    read_out = 8 * 4 * 4 if kind == CONVOLUTION else 64
    model = onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : 17]> net (float[N,{sizes}] x) => (float[N,3] y) '
        f"{{ c = {first} d = Div (c, unit) r = Round (d) k = Clip (r, zero, top) m = Mul (k, unit) "
        "f = Flatten (m) y = Gemm (f, v) }"
    )
    tensors = {
        "w": random.normal(size=shape) / 10,
        "v": random.normal(size=(read_out, 3)),
        "unit": 0.25,
        "zero": 0.0,
        "top": 4.0,
    }
    for name, value in tensors.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value, dtype=np.float32), name))
    file = folder / "net.onnx"
    file.write_bytes(model.SerializeToString())
    return file


def _chip(folder: Path, limits: str) -> str:
    text = 'extends = "loihi1"\nname = "small"\ntitle = "Small"\n'
    for entry in limits.split():
        key, value = entry.split("=")
        unit = UNITS[key.split(".")[1]]
        text += f'{key} = {{ value = {value}, unit = "{unit}", source = "here", status = "measured" }}\n'
    (folder / "small.toml").write_text(text)
    return str(folder / "small.toml")


def _finding(report: Report, code: str) -> Diagnostic:
    return next(d for d in report.diagnostics if d.code[1:] == code[1:])


@pytest.mark.parametrize(
    ("code", "kind", "limits", "option"),
    [
        ("E305", DENSE, "core.synapse_memory_bits=40000 chip.cores=3", "weight-bits"),
        ("E305", DENSE, "core.neurons=8 chip.cores=4", "target loihi1"),
        ("E301", CONVOLUTION, "core.input_axons=8", "target loihi1"),
        ("E302", DENSE, "core.neurons=2 core.output_axons=2", "target loihi1"),
        ("E303", CONVOLUTION, "core.synapse_memory_bits=8000", "weight-bits"),
        ("E320", CONVOLUTION, "chip.synapses=5000", "target loihi1"),
    ],
)
def test_an_applied_hint_lowers_the_judged_figure(
    tmp_path: Path, code: str, kind: str, limits: str, option: str
) -> None:
    model, small = _model(tmp_path, kind), _chip(tmp_path, limits)
    options = CompileOptions(target=small, timesteps=4)
    hint = _finding(check_model(model, options), code).hint or ""
    applied = re.findall(r"tried: --(weight-bits|target) (\S+) makes ([\d,]+) to ([\d,]+)", hint)
    assert option in [f"{name} {value}" if name == "target" else name for name, value, _, _ in applied]
    number, now = code[1:], Placed(compile_model(model, options).program, targets.load(small))
    judged = FIGURES[number].measured
    for name, value, before, after in applied:
        changed = replace(options, weight_bits=int(value)) if name == "weight-bits" else replace(options, target=value)
        other = Placed(compile_model(model, changed).program, targets.load(changed.target))
        assert (judged(now), judged(other)) == tuple(int(n.replace(",", "")) for n in (before, after))
        found = {d.code[1:] for d in check_model(model, changed).diagnostics}
        assert judged(other) < judged(now) or number not in found


def test_what_does_not_help_is_said_and_not_proposed(tmp_path: Path) -> None:
    """Neurons alone fill the cores: no width of weights changes that."""
    model = _model(tmp_path, DENSE)
    small = _chip(tmp_path, "core.neurons=8 chip.cores=1")
    hint = _finding(check_model(model, CompileOptions(target=small)), "E305").hint or ""
    assert "tried without effect: fewer weight bits" in hint
    assert "--weight-bits" not in hint
    assert "tried: --target loihi1" in hint


def test_accuracy_before_and_after_is_told(tmp_path: Path) -> None:
    model = _model(tmp_path, DENSE)
    small = _chip(tmp_path, "core.synapse_memory_bits=40000 chip.cores=3")
    inputs = np.random.default_rng(1).uniform(size=(40, 256)).astype(np.float32)
    data = Samples(inputs, np.zeros(40, dtype=np.int64))
    hint = _finding(check_model(model, CompileOptions(target=small, calibration=data)), "E305").hint or ""
    assert re.search(
        r"--weight-bits \d makes \d+ to \d+ \(of 3\), [\d.]+ % accuracy on 10 held-out samples \(now [\d.]+ %", hint
    )
