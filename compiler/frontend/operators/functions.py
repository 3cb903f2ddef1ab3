"""Functions of one number: some are exact sums of rectifiers, the others are fitted by pieces later on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...ir.activations import Curve, LeakyRelu
from ...ir.operators import Clip, Offset
from ..builder import Builder, Value, finite
from ..graph import OnnxNode
from ..refusal import Refusal
from .elementwise import per_sample, scaled, shifted
from .handler import Handler

_SELU = (1.67326319217681884765625, 1.05070102214813232421875)
"""alpha and gamma that ONNX gives to Selu."""


def _curve(function: str) -> Handler:
    def read(node: OnnxNode, builder: Builder) -> Value:
        return builder.emit(node, Curve(function), builder.tensor(node))

    return read


def _with_numbers(function: str, **defaults: float) -> Handler:
    """A curve whose parameters are attributes of the node, by name."""

    def read(node: OnnxNode, builder: Builder) -> Value:
        numbers = tuple(_finite(node, name, default) for name, default in defaults.items())
        return builder.emit(node, Curve(function, numbers), builder.tensor(node))

    return read


def _finite(node: OnnxNode, name: str, default: float) -> float:
    number = node.number(name, default)
    if not np.isfinite(number):
        hint = "onnx.checker.check_model tells more; the program that wrote the file has to write it correctly"
        raise Refusal("E004", f"{node.operator} has {number} as its {name}", hint)
    return number


def _celu(node: OnnxNode, builder: Builder) -> Value:
    alpha = _finite(node, "alpha", 1.0)
    if alpha == 0:
        raise Refusal("E111", "Celu divides by its alpha, which is zero", "train with an alpha above zero")
    return builder.emit(node, Curve("celu", (alpha,)), builder.tensor(node))


def _gelu(node: OnnxNode, builder: Builder) -> Value:
    function = "gelu by tanh" if node.text("approximate", "none") == "tanh" else "gelu"
    return builder.emit(node, Curve(function), builder.tensor(node))


def _gelu_with_bias(function: str) -> Handler:
    """ONNX Runtime's own operators, which may add a constant first."""

    def read(node: OnnxNode, builder: Builder) -> Value:
        tensor, bias = builder.tensor(node), builder.optional_constant(node, 1, "the bias")
        if bias is not None:
            tensor = shifted(node, builder, tensor, finite(bias), part="bias")
        return builder.emit(node, Curve(function), tensor)

    return read


def _power(node: OnnxNode, builder: Builder) -> Value:
    """x^1 is x; whether there are the other powers shows on calibration data."""
    exponents = builder.weights(node, 1, "the exponent")
    tensor = builder.tensor(node)
    exponent = float(exponents.ravel()[0]) if exponents.size else 1.0
    if exponents.size != 1:
        raise Refusal("E102", "Pow has several exponents", "use one exponent for all entries")
    if exponent == 1:
        return tensor
    if not np.isfinite(exponent) or exponent == 0:
        raise Refusal("E111", f"Pow to {exponent:g} gives the same for every input", "remove the node")
    return builder.emit(node, Curve("power", (exponent,)), tensor)


def _leaky(node: OnnxNode, builder: Builder) -> Value:
    slope = np.array(_finite(node, "alpha", 0.01))
    return builder.emit(node, LeakyRelu(slope), builder.tensor(node))


def _prelu(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    slope = per_sample(builder.weights(node, 1, "the slope"), tensor, node, builder)
    return builder.emit(node, LeakyRelu(slope), tensor)


def _abs(node: OnnxNode, builder: Builder) -> Value:
    return builder.emit(node, LeakyRelu(np.array(-1.0)), builder.tensor(node))


def _hard_sigmoid(node: OnnxNode, builder: Builder) -> Value:
    """clip(alpha x + beta, 0, 1)."""
    alpha, beta = np.array(_finite(node, "alpha", 0.2)), np.array(_finite(node, "beta", 0.5))
    tensor = scaled(node, builder, builder.tensor(node), alpha, part="alpha")
    tensor = builder.emit(node, Offset(beta), tensor, part="beta") if beta else tensor
    return builder.emit(node, Clip(0.0, 1.0), tensor)


def _reciprocal(node: OnnxNode, builder: Builder) -> Value:
    return builder.emit(node, Curve("power", (-1.0,)), builder.tensor(node))


def _swish(node: OnnxNode, builder: Builder) -> Value:
    return builder.emit(node, Curve("swish", (_finite(node, "alpha", 1.0),)), builder.tensor(node))


def _plain(functions: dict[str, str], reader: Callable[[str], Handler]) -> dict[str, Handler]:
    return {operator: reader(function) for operator, function in functions.items()}


HANDLERS: dict[str, Handler] = {
    **_plain(
        {
            "Sigmoid": "sigmoid",
            "Tanh": "tanh",
            "Softplus": "softplus",
            "Softsign": "softsign",
            "Erf": "erf",
            "Exp": "exp",
            "Log": "log",
            "Sqrt": "square root",
            "HardSwish": "hard swish",
            "Mish": "mish",
            "Sign": "sign",
        },
        _curve,
    ),
    "Elu": _with_numbers("elu", alpha=1.0),
    "Selu": _with_numbers("elu", alpha=_SELU[0], gamma=_SELU[1]),
    "ThresholdedRelu": _with_numbers("thresholded relu", alpha=1.0),
    "Celu": _celu,
    "Gelu": _gelu,
    "Swish": _swish,
    "Pow": _power,
    "Reciprocal": _reciprocal,
    "LeakyRelu": _leaky,
    "PRelu": _prelu,
    "Abs": _abs,
    "HardSigmoid": _hard_sigmoid,
}

ONNXRUNTIME: dict[str, Handler] = {
    **_plain({"Gelu": "gelu", "BiasGelu": "gelu", "FastGelu": "gelu by tanh"}, _gelu_with_bias),
    "QuickGelu": _with_numbers("swish", alpha=1.702),
}
"""Those of the domain com.microsoft."""
