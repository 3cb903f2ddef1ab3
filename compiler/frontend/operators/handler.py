"""What the reader of one ONNX operator looks like."""

from __future__ import annotations

from collections.abc import Callable

from ..builder import Builder, Value
from ..graph import OnnxNode

Handler = Callable[[OnnxNode, Builder], Value | tuple[Value, ...]]
"""Adds nodes to the builder and returns the node's result, or all results where it has several.

Called only for nodes that are not constant and whose inputs are all understood; raises Refusal.
"""
