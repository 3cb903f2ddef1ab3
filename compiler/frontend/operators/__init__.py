"""How each ONNX operator becomes operators of level 1, in one table."""

from __future__ import annotations

from ..graph import OnnxNode
from . import (
    branches,
    clipping,
    contractions,
    elementwise,
    functions,
    heads,
    integer_operators,
    layout,
    linear,
    maxima,
    padding,
    pooling,
    qonnx,
    quantised,
    reductions,
    resizing,
    selecting,
    transposed_convolution,
)
from .handler import Handler

HANDLERS: dict[str, Handler] = {
    **elementwise.HANDLERS,
    **clipping.HANDLERS,
    **functions.HANDLERS,
    **heads.HANDLERS,
    **linear.HANDLERS,
    **contractions.HANDLERS,
    **transposed_convolution.HANDLERS,
    **pooling.HANDLERS,
    **maxima.HANDLERS,
    **reductions.HANDLERS,
    **resizing.HANDLERS,
    **layout.HANDLERS,
    **selecting.HANDLERS,
    **padding.HANDLERS,
    **branches.HANDLERS,
    **quantised.HANDLERS,
    **integer_operators.HANDLERS,
}

_DOMAINS: dict[str, dict[str, Handler]] = {
    "": HANDLERS,
    "com.microsoft": {**integer_operators.ONNXRUNTIME, **functions.ONNXRUNTIME},
    **dict.fromkeys(("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general"), qonnx.HANDLERS),
}


def handler_of(node: OnnxNode) -> Handler | None:
    """What reads ``node``; None for an operator that is not read."""
    return _DOMAINS.get(node.domain, {}).get(node.operator)
