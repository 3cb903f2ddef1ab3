"""What all reader tests need: compare with ONNX Runtime, and collect diagnostics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph, RuntimeException

from spikec import targets
from spikec.compiler.frontend.reading import read_onnx
from spikec.compiler.ir.network import Network, evaluate
from spikec.compiler.ir.operators import AnyFloat, Transpose
from spikec.compiler.ir.rates import evaluate_rates
from spikec.compiler.passes.balance_thresholds import BalanceThresholds
from spikec.compiler.passes.calibrate_thresholds import CalibrateThresholds
from spikec.compiler.passes.compose_linear_maps import ComposeLinearMaps
from spikec.compiler.passes.contract import Context
from spikec.compiler.passes.fold_batch_norm import FoldBatchNorm
from spikec.compiler.passes.recognise_activations import RecogniseActivations
from spikec.compiler.pipeline import run_passes
from spikec.runtime.samples import Samples
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


def require_canonical(network: Network, *, is_permuted: bool = False) -> None:
    """Names are unique; shapes are what is computed; transposes stay at the input and before a reshape.

    Elsewhere they stay only in a network that is said to be permuted.
    """
    names = [node.name.lower() for node in network.nodes]
    assert len(set(names)) == len(names)
    for node in network.nodes:
        assert node.operator.result_shape(tuple(network.shape(name) for name in node.inputs)) == node.shape
        assert node.origins
        if isinstance(node.operator, Transpose) and node.inputs != ("input",) and not is_permuted:
            readers = network.consumers(node.name)
            assert all(type(reader.operator).__name__ in ("Reshape", "Relu", "Offset") for reader in readers)


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
        require_canonical(network, is_permuted=any(remark.code == "I016" for remark in remarks))
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

    return parse


def parse(
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


FLOAT_PASSES = (
    RecogniseActivations(),
    FoldBatchNorm(),
    CalibrateThresholds("percentile", 100.0),
    ComposeLinearMaps(),
    BalanceThresholds(),
)


def require_levels(
    model: bytes, *, quantised: bool = False, may_be_constant: bool = False, samples: AnyFloat | None = None
) -> None:
    """Level 1 and the rates of level 2 are what the runtime computes; thresholds are the largest values seen.

    A model that is ``quantised`` has levels of its own, otherwise they are left out.
    """
    network, _ = read_onnx(model)
    if samples is None:
        samples = np.random.default_rng(0).normal(0.3, 1.0, (6, *network.input_shape)).astype(np.float32)
    expected = runtime_result(model, samples, None).reshape(len(samples), -1).astype(np.float64)
    scale = max(1.0, float(np.abs(expected).max()))
    exact = samples.astype(np.float64)
    result = evaluate(network, exact)[network.output].reshape(len(samples), -1)
    np.testing.assert_allclose(result, expected, rtol=RELATIVE, atol=RELATIVE * scale)
    calibration = Samples(samples.astype(np.float32), None, network.integers)
    context = Context(targets.load("lava"), 4, calibration)
    try:
        spiking = run_passes(network, context, FLOAT_PASSES).state.spiking
    except UnusableInput as refused:
        if may_be_constant and {problem.code for problem in refused.diagnostics} <= {"E111", "E222"}:
            return
        raise
    assert spiking is not None
    rates = evaluate_rates(spiking, exact, continuous=not quantised)[spiking.readout.name].reshape(len(samples), -1)
    np.testing.assert_allclose(rates, expected, rtol=RELATIVE, atol=RELATIVE * scale)


@pytest.fixture
def levels_agree() -> Callable[..., None]:
    """``require_levels`` of this file."""
    return require_levels


@pytest.fixture
def compile_codes() -> Callable[[bytes], list[str]]:
    """``compile_codes(model)``: the codes with which the float passes end."""

    def collect(model: bytes) -> list[str]:
        network, _ = read_onnx(model)
        with pytest.raises(UnusableInput) as caught:
            run_passes(network, Context(targets.load("lava"), 4), FLOAT_PASSES)
        return [problem.code for problem in caught.value.diagnostics]

    return collect


@pytest.fixture
def same_winner() -> Callable[[bytes, AnyFloat], bool | None]:
    """``same_winner(model, samples)``: whether each sample's largest score is where the runtime's is.

    None where the model is refused by either.
    """

    def compare(model: bytes, samples: AnyFloat) -> bool | None:
        try:
            network, _ = read_onnx(model)
            expected = runtime_result(model, samples, None)
        except (UnusableInput, RuntimeException, Fail, InvalidGraph):
            return None
        scores = evaluate(network, samples)[network.output].reshape(len(samples), -1)
        return bool((scores.argmax(axis=1) == expected.reshape(len(samples), -1).argmax(axis=1)).all())

    return compare
