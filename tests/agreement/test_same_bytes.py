"""One artefact whatever computes it: processor kernels of BLAS and numpy, threads, torch and numba there or not."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from spikec.models.shipped import shipped_model, shipped_samples

WORKER = Path(__file__).with_name("compile_worker.py")
CORE_NEEDS = {
    "Prescott": {"sse3"},
    "Haswell": {"avx2", "fma"},
    "Zen": {"avx2", "fma"},
    "SkylakeX": {"avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512cd"},
}
"""Kernels of OpenBLAS and what Linux calls the instructions that a processor must have to run them."""


def processor_flags() -> set[str]:
    """Instruction sets of an x86 processor as Linux names them; nothing on any other, where BLAS has other kernels."""
    information = Path("/proc/cpuinfo")
    if platform.machine() != "x86_64" or not information.exists():
        return set()
    lines = information.read_text(encoding="utf-8").splitlines()
    flags = next((line.split(":")[1].split() for line in lines if line.startswith("flags")), [])
    return set(flags) | ({"sse3"} if "pni" in flags else set())


CORES = sorted(core for core, needed in CORE_NEEDS.items() if needed <= processor_flags())


def dispatched_features() -> str:
    """What numpy chooses kernels by on this processor, beyond what it always has."""
    umath = np.core._multiarray_umath
    return " ".join(name for name in umath.__cpu_dispatch__ if umath.__cpu_features__[name])


def residual_model(activation: str) -> onnx.ModelProto:
    """Two convolutions around a shortcut, average pooling and a matrix; ``relu`` or quantise-and-clip activations."""
    random = np.random.default_rng(3)
    nodes: list[onnx.NodeProto] = []
    constants: dict[str, Any] = {}

    def node(kind: str, name: str, *inputs: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(name: str, values: Any) -> str:
        constants[name] = np.asarray(values, dtype=np.float32)
        return name

    def conv(name: str, source: str, inputs: int, outputs: int) -> str:
        weight = constant(f"{name}.w", random.normal(size=(outputs, inputs, 3, 3)) * 0.5 / np.sqrt(inputs))
        bias = constant(f"{name}.b", random.normal(size=outputs) * 0.1)
        return node("Conv", name, source, weight, bias, pads=[1, 1, 1, 1])

    def activated(name: str, source: str) -> str:
        if activation == "relu":
            return node("Relu", name, source)
        threshold = float(np.exp(random.normal() * 0.2))
        scaled = node("Div", f"{name}.div", source, constant(f"{name}.step", threshold / 4))
        rounded = node("Floor", f"{name}.floor", node("Add", f"{name}.half", scaled, constant(f"{name}.c", 0.5)))
        clipped = node("Clip", f"{name}.clip", rounded, constant(f"{name}.low", 0), constant(f"{name}.high", 4))
        return node("Mul", name, clipped, f"{name}.step")

    first = activated("a1", conv("c1", "input", 3, 8))
    second = activated("a2", node("Add", "sum", conv("c2", first, 8, 8), first))
    pooled = node("AveragePool", "pool", second, kernel_shape=[2, 2], strides=[2, 2])
    third = activated("a3", conv("c3", pooled, 8, 12))
    flat = node("Flatten", "flat", node("GlobalAveragePool", "mean", third))
    node("Gemm", "scores", flat, constant("fc.w", random.normal(size=(12, 10))), constant("fc.b", np.zeros(10)))
    graph = helper.make_graph(
        nodes,
        "residual",
        [helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, ["batch", 3, 10, 10])],
        [helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    random = np.random.default_rng(4)
    images, labels = random.integers(0, 256, (48, 3, 10, 10), dtype=np.uint8), random.integers(0, 10, 48)
    for activation in ("relu", "quantised"):
        onnx.save(residual_model(activation), folder / f"{activation}.onnx")
        np.savez(folder / f"{activation}.npz", inputs=images, labels=labels)
    (folder / "shipped.onnx").write_bytes(shipped_model().read_bytes())
    with np.load(shipped_samples()) as given:
        inputs, labels = given["calibration_inputs"][:48], given["calibration_labels"][:48]
    np.savez(folder / "shipped.npz", inputs=inputs, labels=labels)
    return folder


def compiled(models: Path, environment: dict[str, str], blocked: tuple[str, ...] = ()) -> dict[str, Any]:
    """What the worker prints under further environment variables."""
    threads = environment.pop("THREADS", "2")
    settings = {"OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads, **environment}
    ran = subprocess.run(
        [sys.executable, str(WORKER), str(models), *blocked],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    result: dict[str, Any] = json.loads(ran.stdout)
    return result


@pytest.fixture(scope="module")
def plain(models: Path) -> dict[str, str]:
    """Hashes with everything that is installed, on whatever kernels this machine chooses."""
    hashes: dict[str, str] = compiled(models, {})["hashes"]
    assert len(hashes) == 15
    return hashes


def test_nothing_but_the_least_that_is_needed(models: Path, plain: dict[str, str]) -> None:
    least = {"OPENBLAS_CORETYPE": "Prescott"} if "Prescott" in CORES else {}
    disabled = {"NPY_DISABLE_CPU_FEATURES": dispatched_features()}
    bare = compiled(models, {**least, **disabled, "THREADS": "1"}, ("torch", "numba"))
    assert bare["loaded"] == []
    assert bare["hashes"] == plain


@pytest.mark.parametrize("core", [core for core in CORES if core in ("Haswell", "SkylakeX")])
def test_kernels_of_blas(models: Path, plain: dict[str, str], core: str) -> None:
    assert compiled(models, {"OPENBLAS_CORETYPE": core}, ("torch",))["hashes"] == plain


@pytest.mark.slow
@pytest.mark.parametrize("blocked", [(), ("torch",), ("numba",), ("torch", "numba")])
@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize("core", CORES)
def test_every_combination(
    models: Path, plain: dict[str, str], core: str, threads: str, blocked: tuple[str, ...]
) -> None:
    assert compiled(models, {"OPENBLAS_CORETYPE": core, "THREADS": threads}, blocked)["hashes"] == plain
