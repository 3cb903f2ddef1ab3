from __future__ import annotations

import io
import logging
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from spikec.compiler.frontend.reading import read_onnx
from spikec.compiler.ir.network import evaluate
from spikec.compiler.ir.operators import QuantizeClip
from spikec.compiler.passes.recognise_activations import recognised

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

Compare = Callable[..., Any]
FILES = sorted((Path(__file__).parent / "files").glob("*.onnx"))


def softmax(scores: Any) -> Any:
    exponents = np.exp(scores - scores.max(1, keepdims=True))
    return exponents / exponents.sum(1, keepdims=True)


def require_same_after_recognition(read: Any, samples: Any) -> list[QuantizeClip]:
    network = recognised(read.network)
    before = evaluate(read.network, samples)[read.network.output]
    # In doubles the chain and its recognised form differ by rounding only, unless a value lies on a step.
    np.testing.assert_allclose(evaluate(network, samples)[network.output], before, rtol=1e-9, atol=1e-9)
    return [node.operator for node in network.nodes if isinstance(node.operator, QuantizeClip)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_stored_files_of_both_exporters(same_as_runtime: Compare, path: Path) -> None:
    read = same_as_runtime(path.read_bytes(), compared=softmax)
    counts = Counter(read.operators)
    assert (counts["Conv"], counts["Dense"], counts["AveragePool"], counts["Add"]) == (5, 1, 1, 2)
    assert [remark.code for remark in read.remarks] == ["I013"]
    activations = require_same_after_recognition(read, np.random.default_rng(3).normal(size=(2, 3, 8, 8)))
    assert [a.levels for a in activations] == [4] * 5
    assert [a.shift for a in activations] == [0.5] * 5
    np.testing.assert_allclose([a.threshold for a in activations], 1.3, rtol=1e-6)


def test_at_least_two_exporters_are_stored() -> None:
    assert len(FILES) == 4


class QuantiseClip(nn.Module):  # type: ignore[misc, unused-ignore]
    def __init__(self, arrangement: str, threshold: float = 0.7, levels: int = 4) -> None:
        super().__init__()
        self.arrangement = arrangement
        self.threshold = nn.Parameter(torch.tensor(threshold))
        self.levels = levels

    def forward(self, x: Any) -> Any:
        threshold, levels = self.threshold, self.levels
        if self.arrangement == "floor then clamp":
            return threshold * torch.clamp(torch.floor(x * levels / threshold) / levels, 0, 1)
        if self.arrangement == "clamp then floor":
            return torch.floor(torch.clamp(x / threshold, 0, 1) * levels + 0.5) / levels * threshold
        if self.arrangement == "relu, round, minimum":
            return torch.clamp(torch.round(torch.relu(x) / threshold * levels), max=levels) * (threshold / levels)
        if self.arrangement == "merged constants":
            return (threshold / levels) * torch.clamp(torch.floor(x * (levels / threshold) + 0.5), 0, levels)
        if self.arrangement == "tensor bounds":
            clipped = torch.minimum(torch.maximum(x, torch.zeros(())), threshold)
            return torch.floor(clipped * (levels / threshold) + 0.5) * (threshold / levels)
        return F.relu6(x)


class SmallNetwork(nn.Module):  # type: ignore[misc, unused-ignore]
    def __init__(self, arrangement: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(4)
        self.act1 = QuantiseClip(arrangement)
        self.conv2 = nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2)
        self.act2 = QuantiseClip(arrangement, 1.3, 8)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(6, 5)

    def forward(self, x: Any) -> Any:
        x = self.act1(self.norm1(self.conv1(x)))
        x = self.act2(self.conv2(x) + F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 1, 1)))
        return self.head(self.drop(x.mean((2, 3)).reshape(x.size(0), -1)))


def exported(model: Any, *, dynamo: bool, opset: int) -> bytes:
    torch.manual_seed(0)
    model.eval()
    sample = torch.randn(2, 3, 8, 8)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            shapes = ({0: torch.export.Dim("batch")},)
            program = torch.onnx.export(
                model, (sample,), dynamo=True, opset_version=opset, dynamic_shapes=shapes, verbose=False
            )
            return bytes(program.model_proto.SerializeToString())
        content = io.BytesIO()
        axes = {"image": {0: "batch"}}
        torch.onnx.export(
            model, (sample,), content, dynamo=False, opset_version=opset, input_names=["image"], dynamic_axes=axes
        )
        return content.getvalue()


ARRANGEMENTS = {
    "floor then clamp": (0.0, [4, 8], [0.7, 1.3]),
    "clamp then floor": (0.5, [4, 8], [0.7, 1.3]),
    "relu, round, minimum": (0.5, [4, 8], [0.7, 1.3]),
    "merged constants": (0.5, [4, 8], [0.7, 1.3]),
    "tensor bounds": (0.5, [4, 8], [0.7, 1.3]),
    "relu6": (0.0, [None, None], [6.0, 6.0]),
}


def require_recognised(model: bytes, arrangement: str, same_as_runtime: Compare) -> None:
    read = same_as_runtime(model, batch=3)
    activations = require_same_after_recognition(
        read, np.random.default_rng(4).normal(size=(3, *read.network.input_shape))
    )
    shift, levels, thresholds = ARRANGEMENTS[arrangement]
    assert [a.levels for a in activations] == levels
    assert [a.shift for a in activations] == [shift, shift]
    np.testing.assert_allclose([a.threshold for a in activations], thresholds, rtol=1e-6)


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
@pytest.mark.parametrize("opset", [11, 13, 17])
def test_torchscript_exporter(same_as_runtime: Compare, arrangement: str, opset: int) -> None:
    model = exported(SmallNetwork(arrangement), dynamo=False, opset=opset)
    require_recognised(model, arrangement, same_as_runtime)


@pytest.mark.slow
@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
@pytest.mark.parametrize("opset", [18, 20, 23])
def test_dynamo_exporter_in_all_arrangements(same_as_runtime: Compare, arrangement: str, opset: int) -> None:
    model = exported(SmallNetwork(arrangement), dynamo=True, opset=opset)
    require_recognised(model, arrangement, same_as_runtime)


def test_model_converted_to_the_newest_opset_of_the_runtime(same_as_runtime: Compare) -> None:
    # ONNX Runtime lags behind the onnx package: 23 is the newest opset that release 1.23 runs.
    converted = onnx.version_converter.convert_version(onnx.load(FILES[0]), 23)
    same_as_runtime(converted.SerializeToString(), compared=softmax)


def test_the_newest_opset_of_the_onnx_package_is_read() -> None:
    model = onnx.load(FILES[0])
    newest = onnx.defs.onnx_opset_version()
    converted = onnx.version_converter.convert_version(model, newest)
    network, _ = read_onnx(converted.SerializeToString())
    expected, _ = read_onnx(FILES[0])
    samples = np.random.default_rng(5).normal(size=(2, 3, 8, 8))
    np.testing.assert_array_equal(
        evaluate(network, samples)[network.output], evaluate(expected, samples)[expected.output]
    )
