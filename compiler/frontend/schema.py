"""What ONNX says of an operator's inputs and outputs, asked before the operator's reader takes them for granted."""

from __future__ import annotations

import functools

import onnx

from .graph import WELL_FORMED, OnnxNode
from .refusal import Refusal

_REQUIRED = onnx.defs.OpSchema.FormalParameterOption.Single


def require_schema(node: OnnxNode, opset: int | None) -> None:
    """Refuse (E005) a node without an input or output that its operator must have, or with one too many.

    Where the operator set is not known only one input and one output are asked for, because sets differ.
    """
    schema = None if opset is None else _schema(node.operator, node.domain, opset)
    if schema is None:
        least = 0 if node.operator == "Constant" else 1
        _require_count(node, "input", len(tuple(filter(None, node.inputs))), least, len(node.inputs))
        _require_count(node, "output", len(node.outputs), 1, len(node.outputs))
        return
    _require_count(node, "input", len(node.inputs), schema.min_input, schema.max_input)
    _require_count(node, "output", len(node.outputs), schema.min_output, schema.max_output)
    for formal, name in zip(schema.inputs, node.inputs, strict=False):
        if formal.option == _REQUIRED and not name:
            raise Refusal("E005", f"{node.operator} leaves out its input {formal.name}", WELL_FORMED)


@functools.cache
def _schema(operator: str, domain: str, opset: int) -> onnx.defs.OpSchema | None:
    """The operator as ``opset`` has it; as the newest set has it where the file uses it too early."""
    for version in (opset, onnx.defs.onnx_opset_version()):
        if onnx.defs.has(operator, version, domain):
            return onnx.defs.get_schema(operator, version, domain)
    return None


def _require_count(node: OnnxNode, what: str, count: int, least: int, most: int) -> None:
    if least <= count <= most:
        return
    bound = f"needs {least}" if count < least else f"takes at most {most}"
    found = f"{count} {what}" if count == 1 else f"{count or 'no'} {what}s"
    raise Refusal("E005", f"{node.operator} has {found} but {bound}", WELL_FORMED)
