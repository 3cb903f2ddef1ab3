"""What a model ends with: normalisations that do not change which class wins, and are left out for that."""

from __future__ import annotations

import math

from ...ir.operators import Shape
from ..builder import Builder, Tensor, Value, axis_of
from ..graph import OnnxNode
from ..refusal import Refusal
from ..unsupported import hint_for
from .handler import Handler

_LAST_OLD_OPSET = 12
"""Up to here a softmax is taken over all axes from its own on."""


def _softmax(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    if not set(node.outputs) <= builder.tail:
        hint = hint_for(node, is_readable=builder.can_be_result(node.input(0)))
        raise Refusal("E101", f"spikec does not compile {node.operator}, except as the end of a network", hint)
    apart = math.prod(_groups(node, builder, tensor))
    if apart > 1:
        raise Refusal(
            "E102",
            f"{node.operator} normalises each of {apart} parts of the scores {tensor.sample} by itself, which changes "
            "which score wins",
            "let the softmax run over all scores of a sample, or take the scores before it as the result",
        )
    builder.dropped_softmax.append(node.name)
    return tensor


def _groups(node: OnnxNode, builder: Builder, tensor: Tensor) -> Shape:
    """Lengths of the axes of a sample that the softmax does not run over."""
    old = builder.opset <= _LAST_OLD_OPSET
    axis = axis_of(node.integer("axis", 1 if old else -1), len(tensor.shape), node)
    builder.require_batch_first(axis > 0, node, "runs over the batch")
    behind = () if old else tensor.shape[axis + 1 :]
    return *tensor.shape[1:axis], *behind


HANDLERS: dict[str, Handler] = {"Softmax": _softmax, "LogSoftmax": _softmax}
