"""What compares or normalises the scores of a sample: kept until it is known whether it ends the network."""

from __future__ import annotations

import math

from ....targets.records import dataclass
from ...ir.operators import AnyFloat, Shape
from ..builder import Builder, Tensor, Value, axis_of
from ..graph import OnnxNode
from ..refusal import Refusal
from .handler import Handler

_LAST_OLD_OPSET = 12
"""Up to here a softmax is taken over all axes from its own on."""


@dataclass(frozen=True, slots=True)
class ScoreHead:
    """Softmax, LogSoftmax or ArgMax over all scores of a sample; never part of a network that is compiled."""

    node: OnnxNode
    shape: Shape
    problem: Refusal | None
    """Why it cannot be left out even at the end of a network; None where it can."""

    @property
    def chooses(self) -> bool:
        """Whether only the place of the highest score is left."""
        return self.node.operator == "ArgMax"

    def result_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """Shape of the result per sample."""
        return self.shape

    def evaluate(self, inputs: tuple[AnyFloat, ...]) -> AnyFloat:
        """There is nothing to compute: AssertionError."""
        raise AssertionError("a network with heads inside is only looked at")


def _softmax(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    old = builder.opset <= _LAST_OLD_OPSET
    axis = axis_of(node.integer("axis", 1 if old else -1), len(tensor.shape), node)
    builder.require_batch_first(axis > 0, node, "runs over the batch")
    behind = () if old else tensor.shape[axis + 1 :]
    problem = _problem(node, tensor, (*tensor.shape[1:axis], *behind), "normalises")
    return builder.emit(node, ScoreHead(node, tensor.sample, problem), tensor)


def _argmax(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    axis = axis_of(node.integer("axis", 0), len(tensor.shape), node)
    builder.require_batch_first(axis > 0, node, "compares samples")
    problem = _problem(node, tensor, (*tensor.shape[1:axis], *tensor.shape[axis + 1 :]), "compares")
    kept = (1,) if node.integer("keepdims", 1) else ()
    shape = (*tensor.shape[1:axis], *kept, *tensor.shape[axis + 1 :])
    result = builder.emit(node, ScoreHead(node, shape, problem), tensor)
    return Tensor(result.value, result.shape, holds_integers=True)


def _problem(node: OnnxNode, tensor: Tensor, apart: Shape, does: str) -> Refusal | None:
    parts = math.prod(apart)
    if parts > 1:
        return Refusal(
            "E102",
            f"{node.operator} {does} each of {parts} parts of the scores {tensor.sample} by itself, which changes "
            "which score wins",
            f"let the {node.operator} run over all scores of a sample, or take the scores before it as the result",
        )
    if math.prod(tensor.sample) == 1:
        return Refusal(
            "E102",
            f"{node.operator} of a single score is the same for every sample",
            "take the score before it as the result",
        )
    return None


HANDLERS: dict[str, Handler] = {"Softmax": _softmax, "LogSoftmax": _softmax, "ArgMax": _argmax}
