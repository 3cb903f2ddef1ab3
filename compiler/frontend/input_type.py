"""The type that a file gives the model's input: floats, or integers of a range."""

from __future__ import annotations

from collections.abc import Iterator

import onnx

from ...targets.diagnostic import Diagnostic, Place

_FLOATS = (
    onnx.TensorProto.UNDEFINED,
    onnx.TensorProto.FLOAT,
    onnx.TensorProto.FLOAT16,
    onnx.TensorProto.BFLOAT16,
    onnx.TensorProto.DOUBLE,
)
_BITS: dict[int, int] = {
    **dict.fromkeys((onnx.TensorProto.INT8, onnx.TensorProto.UINT8), 8),
    **dict.fromkeys((onnx.TensorProto.INT16, onnx.TensorProto.UINT16), 16),
    **dict.fromkeys((onnx.TensorProto.INT32, onnx.TensorProto.UINT32), 32),
    **dict.fromkeys((onnx.TensorProto.INT64, onnx.TensorProto.UINT64), 64),
}


def input_integers(value: onnx.ValueInfoProto) -> tuple[int, int] | None:
    """Smallest and largest integer of the input's type; None for any other type."""
    kind = value.type.tensor_type.elem_type
    if kind not in _BITS:
        return None
    bits = _BITS[kind]
    return (0, (1 << bits) - 1) if _name(kind).startswith("u") else (-(1 << bits - 1), (1 << bits - 1) - 1)


def input_type_problems(value: onnx.ValueInfoProto, place: Place) -> Iterator[Diagnostic]:
    """Yield E017 for a type that is neither of floats nor of integers."""
    kind = value.type.tensor_type.elem_type
    if kind not in _FLOATS and kind not in _BITS:
        hint = "the model has to take floats or integers"
        yield Diagnostic("E017", f"input {value.name} has the type {_name(kind)}", place, hint=hint)


def _name(kind: int) -> str:
    names = {number: name for name, number in onnx.TensorProto.DataType.items()}
    return str(names.get(kind, kind)).lower()
