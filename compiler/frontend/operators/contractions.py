"""Products of a value with a constant array over any axes: MatMul, Einsum.

An axis is named by a letter. Axes that only the value has in the product and in the result are positions, those of
both operands that the result keeps are groups, and those that it lacks are summed: so every product is a convolution
with a 1x1 kernel in groups, on (groups and summed axes, positions), or a dense layer where there are no positions.
"""

from __future__ import annotations

import math
import string
from collections.abc import Mapping

import numpy as np

from ....runtime.program.geometry import ConvGeometry
from ....targets.records import dataclass
from ...arithmetic import total
from ...ir.operators import Conv, Dense, FloatArray
from ..builder import LARGEST_VALUE, Builder, Tensor, Value
from ..graph import OnnxNode
from ..refusal import Refusal
from .handler import Handler

_CHECK = "onnx.shape_inference shows the shapes; they have to be mended where the file is written"
_FIXED = "synapses are fixed numbers: attention and other products of signals have no counterpart"


@dataclass(frozen=True, slots=True)
class Product:
    """Letters of the axes of a sample, of the constant array, and of the result per sample."""

    sample: str
    weight: str
    result: str


def contracted(node: OnnxNode, builder: Builder, tensor: Tensor, weight: FloatArray, product: Product) -> Tensor:
    """Sum of products over the letters that the result lacks. Every letter comes once in each operand."""
    sizes = {**dict(zip(product.weight, weight.shape, strict=True)), **_sizes(product.sample, tensor)}
    alone = [letter for letter in product.weight if letter not in product.sample + product.result]
    weight = np.asarray(total(weight, tuple(product.weight.index(letter) for letter in alone)) if alone else weight)
    letters = "".join(letter for letter in product.weight if letter not in alone)
    groups = "".join(c for c in product.result if c in product.sample and c in letters)
    outputs = "".join(c for c in product.result if c not in product.sample)
    places = "".join(c for c in product.sample if c in product.result and c not in letters)
    inputs = "".join(c for c in product.sample if c not in product.result)
    spread = {c: sizes[c] for c in inputs if c not in letters}
    entries = weight.size * math.prod(spread.values())
    if entries > LARGEST_VALUE * 8:
        raise Refusal("E107", f"{node.operator} needs {entries} weights", "apply it where there are fewer channels")
    kernel = _ordered(weight, letters, groups + outputs + inputs, spread)
    count = {part: math.prod(sizes[c] for c in part) for part in (groups, outputs, inputs, places)}
    kernel = kernel.reshape(count[groups] * count[outputs], count[inputs])
    result = tuple(sizes[c] for c in product.result)
    if count[places] == 1 and count[groups] == 1:
        flat = builder.reshaped(node, tensor, (count[inputs],), part="flat")
        multiplied = builder.emit(node, Dense(kernel, np.zeros(len(kernel))), flat)
        return builder.reshaped(node, multiplied, result, part="shape")
    first = _permuted(node, builder, tensor, product.sample, groups + inputs + places, "channels_first")
    columns = sizes[places[-1]] if places else 1
    shape = (count[groups] * count[inputs], count[places] // columns, columns)
    as_image = builder.reshaped(node, first, shape, part="map")
    geometry = ConvGeometry(groups=count[groups])
    multiplied = builder.emit(node, Conv(kernel[:, :, None, None], np.zeros(len(kernel)), geometry), as_image)
    order = groups + outputs + places
    shaped = builder.reshaped(node, multiplied, tuple(sizes[c] for c in order), part="shape")
    return _permuted(node, builder, shaped, order, product.result, "channels_last")


def _sizes(letters: str, tensor: Tensor) -> Mapping[str, int]:
    return dict(zip(letters, tensor.sample, strict=True))


def _ordered(weight: FloatArray, letters: str, wanted: str, spread: Mapping[str, int]) -> FloatArray:
    """``weight`` with its axes as ``wanted``; repeated along those that it lacks."""
    present = [letters.index(c) for c in wanted if c in letters]
    aligned = weight.transpose(present).reshape([weight.shape[letters.index(c)] if c in letters else 1 for c in wanted])
    shape = [spread.get(c, size) for c, size in zip(wanted, aligned.shape, strict=True)]
    return np.ascontiguousarray(np.broadcast_to(aligned, shape))


def _permuted(node: OnnxNode, builder: Builder, tensor: Tensor, letters: str, wanted: str, part: str) -> Tensor:
    return builder.transposed(node, tensor, tuple(letters.index(c) for c in wanted), part=part)


def _matmul(node: OnnxNode, builder: Builder) -> Value:
    left, right = builder.value(node, 0), builder.value(node, 1)
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        raise Refusal("E103", "MatMul multiplies two values that depend on the network's input", _FIXED)
    is_first = isinstance(left, Tensor)
    weight = builder.weights(node, 1 if is_first else 0, "the weight")
    return matrix_product(node, builder, builder.tensor(node, 0 if is_first else 1), weight, tensor_first=is_first)


def matrix_product(
    node: OnnxNode, builder: Builder, tensor: Tensor, weight: FloatArray, *, tensor_first: bool
) -> Tensor:
    """``tensor`` times ``weight``, or the reverse, as numpy's matmul has it, over stacks of matrices."""
    rank = len(tensor.shape)
    summed_axis = rank - 1 if tensor_first else rank - 2
    builder.require_batch_first(
        summed_axis > 0, node, "multiplies by a constant matrix on its left, which mixes samples"
    )
    length = 0 if weight.ndim == 0 else weight.shape[0 if weight.ndim == 1 else -2 if tensor_first else -1]
    if length != tensor.shape[summed_axis]:
        what = f"{tensor.shape} with a weight of shape {weight.shape}"
        raise Refusal("E012", f"{node.operator} of {what}", _CHECK)
    reaches_batch = weight.ndim > 2 and weight.ndim >= rank
    kept = not reaches_batch or (weight.ndim == rank and len(weight) == 1)
    builder.require_batch_first(kept, node, f"has a weight of shape {weight.shape} for a value of {tensor.shape}")
    stacked = weight[0] if reaches_batch else weight
    letters = string.ascii_letters[: rank - 1]
    # The rows of a matrix of samples are the samples themselves.
    rows = letters[-2:-1] if tensor_first else letters[-1:]
    summed = letters[-1:] if tensor_first else letters[-2:-1]
    outer = letters[:-2]
    own = string.ascii_letters[-1] if stacked.ndim > 1 else ""
    stack, result_stack = _aligned(node, outer, tensor, stacked)
    matrix = (summed + own) if tensor_first else (own + summed)
    result = result_stack + ((rows + own) if tensor_first else (own + rows))
    return contracted(node, builder, tensor, stacked, Product(letters, stack + matrix, result))


def _aligned(node: OnnxNode, outer: str, tensor: Tensor, weight: FloatArray) -> tuple[str, str]:
    """Letters of the weight's stack, and of the result's: new ones where one of the two is repeated."""
    sizes = weight.shape[:-2]
    if len(sizes) > len(outer):
        raise Refusal("E012", f"{node.operator} of {tensor.shape} with a weight of shape {weight.shape}", _CHECK)
    missing = len(outer) - len(sizes)
    stack, result = "", outer[:missing]
    for place, size in enumerate(sizes):
        letter, own = outer[missing + place], tensor.sample[missing + place]
        if size not in (1, own) and own != 1:
            raise Refusal("E012", f"{node.operator} of {tensor.shape} with a weight of shape {weight.shape}", _CHECK)
        fresh = string.ascii_uppercase[place]
        stack += letter if size == own else fresh
        result += fresh if own == 1 and size > 1 else letter
    return stack, result


def _einsum(node: OnnxNode, builder: Builder) -> Value:
    values = builder.operands(node)
    tensors = [k for k, value in enumerate(values) if isinstance(value, Tensor)]
    if len(tensors) > 1:
        raise Refusal("E103", "Einsum multiplies values that depend on the network's input", _FIXED)
    if len(values) > 2:
        raise Refusal(
            "E102", "Einsum multiplies more than two operands", "multiply the constants with each other first"
        )
    place = tensors[0] if tensors else 0
    tensor = builder.tensor(node, place)
    shapes = [value.shape if isinstance(value, Tensor) else value.array.shape for value in values]
    terms, result = _letters(node, shapes)
    sample = terms[place]
    builder.require_batch_first(result[:1] == sample[:1] != "", node, "does not keep the batch first")
    weight, letters = np.ones(()), ""
    if len(values) == 2:
        weight, letters = builder.weights(node, 1 - place, "the constant"), terms[1 - place]
    builder.require_batch_first(sample[0] not in letters, node, "has a constant for each sample")
    sizes = _sizes(sample[1:], tensor)
    fits = all(sizes.get(c, n) == n for c, n in zip(letters, weight.shape, strict=True))
    if not fits or not set(result[1:]) <= set(sample[1:] + letters):
        raise Refusal("E012", f"Einsum {node.text('equation', '')} does not fit {shapes}", _CHECK)
    return contracted(node, builder, tensor, weight, Product(sample[1:], letters, result[1:]))


def _letters(node: OnnxNode, shapes: list[tuple[int, ...]]) -> tuple[list[str], str]:
    """A letter for every axis of every operand, and those of the result; dots become letters that are not in use."""
    equation = node.text("equation", "").replace(" ", "")
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    free = [c for c in string.ascii_letters if c not in equation]
    dots = max((len(s) - len(t.replace("...", "")) for t, s in zip(terms, shapes, strict=False)), default=0)
    named = "".join(free[: max(0, dots)])
    written = [
        t.replace("...", named[len(named) - max(0, len(s) - len(t) + 3) :] if len(s) > len(t) - 3 else "")
        for t, s in zip(terms, shapes, strict=False)
    ]
    joined = "".join(written)
    implicit = named + "".join(sorted(c for c in set(joined) - set(named) if joined.count(c) == 1))
    result = right.replace("...", named) if arrow else implicit
    fits = len(terms) == len(shapes) and all(len(w) == len(s) for w, s in zip(written, shapes, strict=False))
    if not fits or not all(each.isalpha() or not each for each in (*written, result)):
        raise Refusal("E012", f"Einsum {equation} does not fit {shapes}", _CHECK)
    if any(len(set(each)) < len(each) for each in (*written, result)):
        hint = "take the diagonal by a product with a constant mask, or sum over one of the two axes before"
        raise Refusal("E102", f"Einsum {equation} names an axis twice in one operand", hint)
    return written, result


HANDLERS: dict[str, Handler] = {"MatMul": _matmul, "Einsum": _einsum}
