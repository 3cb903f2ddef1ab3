"""How each ONNX operator becomes operators of level 1, in one table."""

from __future__ import annotations

from . import branches, clipping, elementwise, heads, layout, linear, pooling, quantised
from .handler import Handler

HANDLERS: dict[str, Handler] = {
    **elementwise.HANDLERS,
    **clipping.HANDLERS,
    **heads.HANDLERS,
    **linear.HANDLERS,
    **pooling.HANDLERS,
    **layout.HANDLERS,
    **branches.HANDLERS,
    **quantised.HANDLERS,
}
