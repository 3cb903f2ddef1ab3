"""How each ONNX operator becomes operators of level 1, in one table."""

from __future__ import annotations

from . import (
    branches,
    clipping,
    contractions,
    elementwise,
    heads,
    layout,
    linear,
    padding,
    pooling,
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
    **heads.HANDLERS,
    **linear.HANDLERS,
    **contractions.HANDLERS,
    **transposed_convolution.HANDLERS,
    **pooling.HANDLERS,
    **reductions.HANDLERS,
    **resizing.HANDLERS,
    **layout.HANDLERS,
    **selecting.HANDLERS,
    **padding.HANDLERS,
    **branches.HANDLERS,
    **quantised.HANDLERS,
}
