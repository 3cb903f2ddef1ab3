"""Constant values of the graph: decoding tensors and evaluating nodes whose inputs are all constant."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx.numpy_helper

from ...targets.records import dataclass
from .constant_arithmetic import own_result, summable_operands
from .graph import OnnxNode
from .refusal import Refusal

if TYPE_CHECKING:
    from onnx.reference import ReferenceEvaluator

Array = npt.NDArray[Any]

_FREE_ENTRIES = 1 << 24
_ENTRIES_PER_STORED = 4


class Allowance:
    """How many entries all constants together may have that a file computes, or stores sparse.

    A small file could otherwise exhaust the memory. It grows with what the file stores, because weights are also
    transposed, converted and dequantised.
    """

    def __init__(self) -> None:
        self._left = _FREE_ENTRIES

    def store(self, entries: int) -> None:
        """Count a constant of the file."""
        self._left += _ENTRIES_PER_STORED * entries

    def spend(self, entries: int, what: str) -> None:
        """Count ``entries`` that are about to be made; Refusal where they are too many."""
        if entries > self._left:
            raise Refusal("E011", f"{what} {entries} entries, more than the {self._left} left", _SIMPLIFY)
        self._left -= entries


_DAMAGED = "get the file again: it is damaged, or was written wrongly"
_SIMPLIFY = "onnx-simplifier computes such constants and stores them"


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A value known while reading; ``tensor`` names the tensor of the file that it comes from."""

    array: Array
    tensor: str


StoredTensor = onnx.TensorProto | onnx.SparseTensorProto


def decode(tensor: StoredTensor, name: str, allowance: Allowance) -> Constant:
    """Contents of a stored tensor; Refusal where its data do not match its type and shape."""
    if isinstance(tensor, onnx.SparseTensorProto):
        return _decode_sparse(tensor, name, allowance)
    array = _decode_dense(tensor, name)
    allowance.store(array.size)
    return Constant(array, name)


def _decode_sparse(tensor: onnx.SparseTensorProto, name: str, allowance: Allowance) -> Constant:
    values, indices = _decode_dense(tensor.values, name), _decode_dense(tensor.indices, name)
    shape = tuple(int(n) for n in tensor.dims)
    entries = math.prod(shape)
    allowance.spend(entries, f"the sparse tensor {name} has")
    flat = indices
    if indices.ndim == 2 and indices.shape[1] == len(shape):
        inside = (indices >= 0) & (indices < np.array(shape))
        flat = np.where(inside.all(axis=1), indices @ np.cumprod([1, *shape[:0:-1]])[::-1], -1)
    is_sound = indices.dtype.kind in "iu" and values.ndim == 1 and flat.shape == values.shape
    if not is_sound or bool(((flat < 0) | (flat >= entries)).any()):
        raise Refusal("E010", f"tensor {name} cannot be read: its indices do not fit {shape}", _DAMAGED)
    array = np.zeros(entries, dtype=values.dtype)
    array[flat] = values
    return Constant(array.reshape(shape), name)


def _decode_dense(tensor: onnx.TensorProto, name: str) -> Array:
    problem = "" if tensor.data_type != onnx.TensorProto.STRING else "it holds text"
    try:
        array = np.zeros(()) if problem else onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, RuntimeError, OverflowError, MemoryError) as error:
        problem = str(error).strip() or type(error).__name__
    if problem:
        raise Refusal("E010", f"tensor {name} cannot be read: {problem}", _DAMAGED)
    return array


def constant_node(node: OnnxNode, allowance: Allowance) -> Constant:
    """Value of a Constant node."""
    name = node.outputs[0] if node.outputs else node.name
    if "value" in node.attributes:
        return decode(node.attributes["value"].t, name, allowance)
    if "sparse_value" in node.attributes:
        return decode(node.attributes["sparse_value"].sparse_tensor, name, allowance)
    kinds: dict[str, Callable[[onnx.AttributeProto], Array]] = {
        "value_float": lambda a: np.array(a.f, np.float32),
        "value_floats": lambda a: np.array(a.floats, np.float32),
        "value_int": lambda a: np.array(a.i, np.int64),
        "value_ints": lambda a: np.array(a.ints, np.int64),
    }
    for kind, read in kinds.items():
        if kind in node.attributes:
            return Constant(read(node.attributes[kind]), name)
    raise Refusal("E010", f"tensor {name} cannot be read: it is text or missing", _SIMPLIFY)


def fold(node: OnnxNode, inputs: tuple[Constant | None, ...], opset: int, allowance: Allowance) -> tuple[Constant, ...]:
    """Evaluate a node with the reference implementation of ONNX; Refusal where it cannot or may not be done."""
    arrays = [None if constant is None else constant.array for constant in inputs]
    allowance.spend(_result_size(node, arrays), f"{node.operator} would compute a constant of")
    try:
        with np.errstate(all="ignore"):
            results = _results(node, arrays, opset)
    except Exception as error:  # the evaluator raises whatever numpy or its own operators raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise Refusal("E014", f"{node.operator} on constants cannot be evaluated: {reason}", _SIMPLIFY) from None
    tensor = _tensor_behind(node, inputs)
    return tuple(Constant(np.asarray(result), tensor) for result in results)


def _results(node: OnnxNode, arrays: list[Array | None], opset: int) -> list[Array]:
    own = own_result(node.operator, arrays)
    if own is not None:
        return [own]
    operands, kind = summable_operands(node.operator, arrays)
    feeds = {f"i{k}": array for k, array in enumerate(operands) if array is not None}
    results = [np.asarray(result) for result in _evaluator(node, operands, opset).run(None, feeds)]
    return results if kind is None else [result.astype(kind) for result in results]


def _tensor_behind(node: OnnxNode, inputs: tuple[Constant | None, ...]) -> str:
    floats = [c for c in inputs if c is not None and c.array.dtype.kind == "f"]
    largest = max(floats, key=lambda constant: constant.array.size, default=None)
    return largest.tensor if largest is not None else next(iter(node.outputs), "")


def _evaluator(node: OnnxNode, arrays: list[Array | None], opset: int) -> ReferenceEvaluator:
    # Some hundred modules, which a model without computed constants does without.
    from onnx.reference import ReferenceEvaluator

    proto = onnx.NodeProto()
    proto.CopyFrom(node.proto)
    del proto.input[:], proto.output[:]
    proto.input.extend("" if array is None else f"i{k}" for k, array in enumerate(arrays))
    proto.output.extend(f"o{k}" for k in range(len(node.outputs)))
    undefined = onnx.TensorProto.UNDEFINED
    inputs = [onnx.helper.make_tensor_value_info(name, undefined, None) for name in proto.input if name]
    outputs = [onnx.helper.make_tensor_value_info(name, undefined, None) for name in proto.output]
    graph = onnx.helper.make_graph([proto], "constant", inputs, outputs)
    # The reference implementation has these from here on, which includes the older meanings.
    version = max(opset, _OLDEST_EVALUATED.get(node.operator, opset))
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", version)])
    return ReferenceEvaluator(model)


_OLDEST_EVALUATED = {"DequantizeLinear": 19, "QuantizeLinear": 21}


def _result_size(node: OnnxNode, arrays: list[Array | None]) -> int:
    known = [array for array in arrays if array is not None]
    try:
        if node.operator == "Gather":
            return known[0].size // known[0].shape[node.integer("axis", 0)] * known[1].size
        return _RESULT_SIZES.get(node.operator, _broadcast_size)(known)
    except (TypeError, ValueError, IndexError, OverflowError, ZeroDivisionError) as error:
        raise Refusal("E014", f"{node.operator} on constants cannot be evaluated: {error}", _SIMPLIFY) from None


def _entries(array: Array) -> list[int]:
    return [int(entry) for entry in array.ravel()[:64]]


def _broadcast_size(arrays: list[Array]) -> int:
    return math.prod(np.broadcast_shapes(*(a.shape for a in arrays)))


def _no_larger(arrays: list[Array]) -> int:
    return sum(a.size for a in arrays)


def _product_size(left: Array, right: Array) -> int:
    """Entries of a matrix product, or a thousandth of its multiplications where they are what takes long."""
    batch = math.prod(np.broadcast_shapes(left.shape[:-2], right.shape[:-2]))
    rows, columns = (*left.shape[-2:-1], 1)[0], (*right.shape[1:][-1:], 1)[0]
    return batch * rows * columns * max(1, left.shape[-1] >> 10)


def _range_size(arrays: list[Array]) -> int:
    start, limit, delta = (float(a) for a in arrays)
    return max(0, math.ceil((limit - start) / delta))


def _expanded_size(arrays: list[Array]) -> int:
    return math.prod(max(1, abs(n)) for n in _entries(arrays[1])) * max(1, arrays[0].size)


_RESULT_SIZES: dict[str, Callable[[list[Array]], int]] = {
    **dict.fromkeys(
        ("Concat", "Flatten", "Identity", "Reshape", "Shape", "Size", "Slice", "Split", "Squeeze", "Transpose"),
        _no_larger,
    ),
    **dict.fromkeys(("Unsqueeze", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum"), _no_larger),
    "ConstantOfShape": lambda arrays: math.prod(_entries(arrays[0])),
    **dict.fromkeys(("CastLike", "DequantizeLinear", "Dropout", "QuantizeLinear"), lambda arrays: arrays[0].size),
    **dict.fromkeys(("CumSum", "DepthToSpace", "SpaceToDepth", "Trilu"), lambda arrays: arrays[0].size),
    **dict.fromkeys(("GatherElements",), lambda arrays: arrays[1].size),
    "Expand": _expanded_size,
    "MatMul": lambda arrays: _product_size(*arrays),
    "Range": _range_size,
    "Tile": _expanded_size,
}

_ELEMENTWISE = (
    *("Abs", "Add", "And", "Cast", "Ceil", "Clip", "Div", "Equal", "Exp", "Floor", "Greater", "GreaterOrEqual"),
    *("Less", "LessOrEqual", "Log", "Max", "Min", "Mod", "Mul", "Neg", "Not", "Or", "Pow", "Reciprocal", "Relu"),
    *("Round", "Sign", "Sqrt", "Sub", "Sum", "Where"),
)

FOLDABLE = frozenset(_RESULT_SIZES) | frozenset(_ELEMENTWISE) | {"Gather"}
"""Operators of the default domain that are evaluated when all inputs are constant."""
