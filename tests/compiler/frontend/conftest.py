"""What all reader tests need: compare with ONNX Runtime, and collect diagnostics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
import pytest

from spikec.compiler.frontend.reading import read_onnx
from spikec.compiler.ir.network import Network, evaluate
from spikec.compiler.ir.operators import AnyFloat, Transpose
from spikec.targets.diagnostic import Diagnostic, UnusableInput

RELATIVE = 1e-5
"""ONNX Runtime sums in float32 in an order of its own; a few hundred terms of 6e-8 each stay below this."""


@dataclass(frozen=True)
class Read:
    network: Network
    remarks: tuple[Diagnostic, ...]

    @property
    def operators(self) -> list[str]:
        return [type(node.operator).__name__ for node in self.network.nodes]


ReadAndCompare = Callable[..., Read]
Codes = Callable[..., list[Diagnostic]]
Parse = Callable[..., bytes]


def runtime_result(model: bytes, samples: AnyFloat, output: str | None) -> AnyFloat:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    (result,) = session.run([output or session.get_outputs()[0].name], {session.get_inputs()[0].name: samples})
    return np.asarray(result)


def require_canonical(network: Network) -> None:
    """Transposes may stay only at the input and before a reshape; names are unique; shapes are what is computed."""
    names = [node.name.lower() for node in network.nodes]
    assert len(set(names)) == len(names)
    for node in network.nodes:
        assert node.operator.result_shape(tuple(network.shape(name) for name in node.inputs)) == node.shape
        assert node.origins
        if isinstance(node.operator, Transpose) and node.inputs != ("input",):
            assert all(type(reader.operator).__name__ == "Reshape" for reader in network.consumers(node.name))


@pytest.fixture
def same_as_runtime() -> ReadAndCompare:
    """``same_as_runtime(model, batch=1, output=None, samples=None)``: read, compare on random samples, return."""

    def compare(
        model: bytes,
        *,
        batch: int = 1,
        output: str | None = None,
        samples: AnyFloat | None = None,
        compared: Callable[[AnyFloat], AnyFloat] = lambda scores: scores,
    ) -> Read:
        network, remarks = read_onnx(model, output=output)
        require_canonical(network)
        if samples is None:
            shape = (batch, *network.input_shape)
            samples = np.random.default_rng(0).normal(0.3, 1.0, shape).astype(np.float32)
        expected = runtime_result(model, samples, output)
        result = compared(evaluate(network, samples)[network.output])
        scale = max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(result, expected, rtol=RELATIVE, atol=RELATIVE * scale)
        return Read(network, remarks)

    return compare


@pytest.fixture
def problems() -> Codes:
    """``problems(model)``: the diagnostics with which reading ``model`` ends."""

    def collect(model: object, **options: str) -> list[Diagnostic]:
        with pytest.raises(UnusableInput) as caught:
            read_onnx(model, **options)  # type: ignore[arg-type]
        assert all(problem.hint and problem.message for problem in caught.value.diagnostics)
        return list(caught.value.diagnostics)

    return collect


@pytest.fixture
def parsed() -> Parse:
    """``parsed(body, inputs, outputs, weights, opset)``: the bytes of a model in ONNX text."""

    def build(
        body: str,
        inputs: str = "float[N,3,6,6] x",
        outputs: str = "float[N,M,H,W] y",
        *,
        opset: int = 17,
        weights: dict[str, AnyFloat | list[int] | list[float]] | None = None,
    ) -> bytes:
        text = f'<ir_version: 8, opset_import: ["" : {opset}]> model ({inputs}) => ({outputs}) {{ {body} }}'
        model = onnx.parser.parse_model(text)
        for name, value in (weights or {}).items():
            array = np.asarray(value)
            array = array.astype(np.float32) if array.dtype == np.float64 else array
            model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
        return bytes(model.SerializeToString())

    return build
