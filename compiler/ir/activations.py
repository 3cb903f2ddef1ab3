"""Activations of level 1 that no single neuron computes: they become sums of neurons before anything spikes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from ...targets.records import dataclass
from ..arithmetic import exp, log, power
from .operators import AnyFloat, FloatArray, Operator, Shape, unchanged_by

Function: TypeAlias = Callable[..., FloatArray]


@dataclass(frozen=True, slots=True, eq=False)
class LeakyRelu:
    """y = x where x > 0, else slope * x; ``slope`` broadcasts to the sample's shape (PRelu, and Abs with -1)."""

    slope: FloatArray

    def result_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """Unchanged: slopes that would enlarge the sample are an error."""
        return unchanged_by(self.slope, shapes[0])

    def evaluate(self, inputs: tuple[AnyFloat, ...]) -> AnyFloat:
        """Keep what is positive and multiply the rest."""
        (x,) = inputs
        return np.asarray(np.where(x > 0, x, x * self.slope.astype(x.dtype)))


@dataclass(frozen=True, slots=True)
class Curve:
    """y = f(x), f being the function of one number called ``function`` in ``FUNCTIONS``, with its parameters."""

    function: str
    parameters: tuple[float, ...] = ()

    def result_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """Unchanged."""
        return shapes[0]

    def evaluate(self, inputs: tuple[AnyFloat, ...]) -> AnyFloat:
        """Apply the function in doubles."""
        (x,) = inputs
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return np.asarray(FUNCTIONS[self.function](x.astype(np.float64), *self.parameters), dtype=x.dtype)


@dataclass(frozen=True, slots=True)
class Product:
    """y = a * b of two values of one shape; only inside of a ``Composite``."""

    def result_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """That shape."""
        if len(set(shapes)) != 1:
            raise ValueError(f"cannot multiply inputs of shapes {', '.join(map(str, shapes))}")
        return shapes[0]

    def evaluate(self, inputs: tuple[AnyFloat, ...]) -> AnyFloat:
        """Multiply entry by entry."""
        return inputs[0] * inputs[1]


@dataclass(frozen=True, slots=True)
class Quotient:
    """y = a / b of two values of one shape; only inside of a ``Composite``."""

    def result_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """That shape."""
        if len(set(shapes)) != 1:
            raise ValueError(f"cannot divide inputs of shapes {', '.join(map(str, shapes))}")
        return shapes[0]

    def evaluate(self, inputs: tuple[AnyFloat, ...]) -> AnyFloat:
        """Divide entry by entry."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(inputs[0] / inputs[1])


@dataclass(frozen=True, slots=True, eq=False)
class Composite:
    """y = f(x) entry by entry, written as ``steps``: each an operator and the places that it reads.

    Place 0 is x, place k the result of step k - 1; the last step gives y. All constants are single numbers, so that
    f is the same function for every entry.
    """

    steps: tuple[tuple[Operator, tuple[int, ...]], ...]

    def result_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """Unchanged."""
        return shapes[0]

    def evaluate(self, inputs: tuple[AnyFloat, ...]) -> AnyFloat:
        """Take the steps one after the other."""
        values = [inputs[0]]
        for operator, places in self.steps:
            values.append(operator.evaluate(tuple(values[place] for place in places)))
        return values[-1]


def _sigmoid(x: FloatArray) -> FloatArray:
    return 1 / (1 + exp(-x))


def _tanh(x: FloatArray) -> FloatArray:
    return 1 - 2 / (1 + exp(2 * x))


def _softplus(x: FloatArray) -> FloatArray:
    return np.maximum(x, 0) + log(1 + exp(-np.abs(x)))


def _softsign(x: FloatArray) -> FloatArray:
    return x / (1 + np.abs(x))


_ERF_TERMS = 90
_ERF_END = 5.5
"""1 - erf is 7e-15 here."""


def _erf(x: FloatArray) -> FloatArray:
    """2 / sqrt(pi) e^(-x^2) sum_n 2^n x^(2n+1) / (2n+1)!!, whose terms have one sign."""
    inside = np.clip(x, -_ERF_END, _ERF_END)
    square = inside * inside
    series = np.ones_like(square)
    for n in range(_ERF_TERMS, 0, -1):
        series = 1 + series * (2 * square) / (2 * n + 1)
    return np.asarray(2 / np.sqrt(np.pi) * exp(-square) * inside * series)


def _gelu(x: FloatArray) -> FloatArray:
    return x * (1 + _erf(x / np.sqrt(2))) / 2


def _gelu_by_tanh(x: FloatArray) -> FloatArray:
    return x * (1 + _tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x * x * x))) / 2


def _elu(x: FloatArray, alpha: float, gamma: float = 1.0) -> FloatArray:
    return np.asarray(gamma * np.where(x > 0, x, alpha * (exp(np.minimum(x, 0)) - 1)))


def _celu(x: FloatArray, alpha: float) -> FloatArray:
    return np.asarray(np.maximum(x, 0) + np.minimum(0, alpha * (exp(np.minimum(x, 0) / alpha) - 1)))


def _hard_swish(x: FloatArray) -> FloatArray:
    return x * np.clip(x / 6 + 0.5, 0, 1)


def _swish(x: FloatArray, alpha: float = 1.0) -> FloatArray:
    return np.asarray(x * _sigmoid(np.asarray(alpha * x)))


def _mish(x: FloatArray) -> FloatArray:
    return x * _tanh(_softplus(x))


def _thresholded_relu(x: FloatArray, alpha: float) -> FloatArray:
    return np.where(x > alpha, x, 0.0)


FUNCTIONS: dict[str, Function] = {
    "sigmoid": _sigmoid,
    "tanh": _tanh,
    "softplus": _softplus,
    "softsign": _softsign,
    "erf": _erf,
    "exp": exp,
    "log": log,
    "square root": np.sqrt,
    "gelu": _gelu,
    "gelu by tanh": _gelu_by_tanh,
    "elu": _elu,
    "celu": _celu,
    "hard swish": _hard_swish,
    "swish": _swish,
    "mish": _mish,
    "power": power,
    "sign": np.sign,
    "thresholded relu": _thresholded_relu,
}
"""Functions of one number by name, made of single operations so that they are the same on every machine."""

RISING = frozenset(("sigmoid", "tanh", "softplus", "softsign", "erf", "exp", "log", "square root"))
"""Those that are strictly increasing and that a network may end with."""

FITTED = (Curve, Composite)
"""What only a sum of pieces comes near to."""

EXPANDED = (LeakyRelu, *FITTED)
"""What is computed entry by entry, by several neurons each."""
