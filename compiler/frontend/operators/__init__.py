"""How each ONNX operator becomes operators of level 1, in one table."""

from __future__ import annotations

from . import branches, elementwise, layout, linear, pooling, quantised
from .handler import Handler

HANDLERS: dict[str, Handler] = {
    **elementwise.HANDLERS,
    **linear.HANDLERS,
    **pooling.HANDLERS,
    **layout.HANDLERS,
    **branches.HANDLERS,
    **quantised.HANDLERS,
}
