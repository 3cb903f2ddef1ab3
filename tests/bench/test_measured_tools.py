"""Tools that are started or made for a measurement: the demo of another install, the source network in integers."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import pytest

from .imagenet import watched
from .main import Settings
from .must_show import BEFORE, CORE, FULL
from .on_demo import Install, measure_demo
from .peers.source_ann import in_onnxruntime, quantised

_INTERPRETER = """#!/bin/sh
case $* in
    *demo*) echo '{"seconds": {"simulator": SECONDS, "lava": 9.0}}' ;;
    *) echo "Python 3.13, numpy 2.4" ;;
esac
"""


def interpreter(file: Path, seconds: float) -> Path:
    file.write_text(_INTERPRETER.replace("SECONDS", str(seconds)), encoding="utf-8")
    file.chmod(0o755)
    return file


def test_the_demo_of_every_install_runs_once_per_round_and_names_its_versions(tmp_path: Path) -> None:
    installs = [
        Install(CORE, interpreter(tmp_path / "core", 0.25)),
        Install(FULL, interpreter(tmp_path / "full", 0.5)),
        Install(CORE, interpreter(tmp_path / "other", 0.75)),
    ]
    core, full, other = measure_demo(tmp_path, installs, rounds=2)
    assert (core.tool, core.values, core.note) == (CORE, (0.25, 0.25), "Python 3.13, numpy 2.4")
    assert (full.tool, full.values) == (FULL, (0.5, 0.5))
    assert (other.tool, other.values) == (CORE, (0.75, 0.75))


def test_installs_are_told_apart(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    settings = Settings(False, 5, (1, 2), core_pythons=(one, two), full_pythons=(one,), before_pythons=(two,))
    given = [(install.name, install.python) for install in settings.pythons_of_demo]
    ours = Path(sys.executable)
    assert given == [(CORE, one), (CORE, two), (FULL, ours), (FULL, one), (BEFORE, two)]


def test_a_process_is_watched_without_what_its_parent_holds(tmp_path: Path) -> None:
    held = np.ones(1 << 27, dtype=np.uint8)
    wall, cpu, peak = watched(
        [sys.executable, "-c", "x = bytearray(b'1' * 50_000_000); print('said')"], tmp_path / "log"
    )
    assert held.nbytes / 1e9 > peak > 0.05, "134 MB are the parent's"
    assert cpu > 0
    assert wall > 0
    assert (tmp_path / "log").read_text() == "said\n"
    with pytest.raises(OSError, match="no such thing"):
        watched([sys.executable, "-c", "import sys; sys.exit('no such thing')"], tmp_path / "log")


def convolution(file: Path) -> Path:
    random = np.random.default_rng(0)
    weight = random.normal(size=(4, 3, 3, 3)).astype(np.float32) * np.array([1, 4, 16, 64], np.float32).reshape(
        4, 1, 1, 1
    )
    nodes = [
        onnx.helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        onnx.helper.make_node("Relu", ["c"], ["y"]),
    ]
    values = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", channels, 8, 8])
        for name, channels in (("x", 3), ("y", 4))
    ]
    graph = onnx.helper.make_graph(nodes, "one", values[:1], values[1:], [onnx.numpy_helper.from_array(weight, "w")])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(file))
    return file


@pytest.mark.slow  # loading onnxruntime's quantiser takes seconds
def test_the_source_network_is_quantised_per_channel_around_its_operators(tmp_path: Path) -> None:
    model = convolution(tmp_path / "float.onnx")
    images = np.random.default_rng(1).random((8, 3, 8, 8), dtype=np.float32)
    file = quantised(model, images, tmp_path)
    graph = onnx.load(str(file)).graph
    assert {"QuantizeLinear", "DequantizeLinear", "Conv"} <= {node.op_type for node in graph.node}
    by_type = {tuple(one.dims): one.data_type for one in graph.initializer}
    assert by_type[4, 3, 3, 3] == onnx.TensorProto.INT8
    assert any(one.data_type == onnx.TensorProto.FLOAT and tuple(one.dims) == (4,) for one in graph.initializer)
    floats, integers = (np.asarray(in_onnxruntime(one, images, 1)()) for one in (model, file))
    assert np.abs(integers - floats).max() <= 0.02 * np.abs(floats).max()
    written = file.stat().st_mtime_ns
    assert quantised(model, images, tmp_path) == file
    assert file.stat().st_mtime_ns == written
