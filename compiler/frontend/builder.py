"""The network under construction: what the reader of each operator sees and adds to."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ...targets.records import dataclass
from ..ir.network import INPUT, Node, Origin
from ..ir.operators import Add, AnyFloat, FloatArray, Operator, Pad, Reshape, Shape, Slice, Transpose
from ..ir.sparse_operator import SparseLinear
from ..ir.verify import is_finite
from .constants import Allowance, Constant
from .graph import OnnxNode, composed_node
from .names import Names
from .refusal import Refusal

LARGEST_VALUE = 1 << 24
"""Entries per sample of a value, with its padding."""

_SMALLER = "no chip holds so many neurons: use smaller samples, fewer channels or a larger stride"

BATCH_FIRST = "keep the batch as axis 0 of every value and treat samples independently"
"""What to do about an operator that mixes samples."""


def require_size(node: OnnxNode, entries: int, does: str = "gives") -> None:
    """Refuse a value of no entries, or of more than ``LARGEST_VALUE`` per sample, before it is made."""
    if entries < 1:
        hint = "onnx.shape_inference shows which size is zero; it has to be mended where the file is written"
        raise Refusal("E012", f"{node.operator} {does} no values", hint)
    if entries > LARGEST_VALUE:
        raise Refusal(
            "E108", f"{node.operator} {does} {entries} values per sample, more than {LARGEST_VALUE}", _SMALLER
        )


@dataclass(frozen=True, slots=True)
class Tensor:
    """A value that depends on the network's input: ``value`` of level 1; ``shape`` with the batch axis first.

    ``holds_integers`` until it is cast: arithmetic on it would be that of its type.
    """

    value: str
    shape: Shape
    holds_integers: bool = False

    @property
    def sample(self) -> Shape:
        """Shape without the batch axis."""
        return self.shape[1:]


@dataclass(frozen=True, slots=True)
class Turned:
    """``tensor`` with the batch moved to axis ``place``: to be moved back before anything computes with it."""

    tensor: Tensor
    place: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value of which not even the shape is known; whatever reads it can only be named.

    ``depends_on_input`` tells results of refused nodes and inputs without a size from constants.
    """

    depends_on_input: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """Stands in for a node that was refused, so that those behind it are looked at too; never part of a network."""

    shape: Shape

    def result_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """Whatever onnx or the file gives to the node's result."""
        return self.shape

    def evaluate(self, inputs: tuple[AnyFloat, ...]) -> AnyFloat:
        """There is nothing to compute: AssertionError."""
        raise AssertionError("a network with refused nodes is only looked at")


Value = Tensor | Turned | Constant | Unknown


class Builder:
    """Collects nodes of level 1 and knows what every value of the file has become."""

    def __init__(self, batch: int, input_shape: Shape, opset: int) -> None:
        self.batch = batch
        self.opset = opset
        self.allowance = Allowance()
        self.values: dict[str, Value] = {}
        self.nodes: list[Node] = []
        self.read: Callable[[OnnxNode], tuple[Value, ...]] = lambda node: ()
        """Reads a node whose inputs are all in ``values``."""
        self._shapes: dict[str, Shape] = {INPUT: input_shape}
        self._names = Names()

    def emit(self, origin: OnnxNode, operator: Operator, *inputs: Tensor, part: str = "") -> Tensor:
        """Add one node; ``part`` tells apart several nodes from one of the file."""
        values = tuple(tensor.value for tensor in inputs)
        try:
            shape = operator.result_shape(tuple(self._shapes[value] for value in values))
        except ValueError as error:
            hint = "onnx.shape_inference shows the shapes; they have to be mended where the file is written"
            raise Refusal("E012", f"{origin.operator} does not fit its input: {error}", hint) from None
        if not is_finite(operator):
            hint = "no synapse can hold them: check the attributes of the node, and the size of its constants"
            raise Refusal("E004", f"{origin.operator} makes numbers that are not finite of its constants", hint)
        require_size(origin, math.prod(shape))
        name = self._names.unique(f"{origin.name}.{part}" if part else origin.name)
        self.nodes.append(Node(name, operator, values, shape, (Origin(origin.name, origin.operator),)))
        self._shapes[name] = shape
        is_moved = isinstance(operator, Pad | Slice | Reshape | Transpose | Add | SparseLinear)
        return Tensor(name, (self.batch, *shape), is_moved and any(tensor.holds_integers for tensor in inputs))

    def applied(self, origin: OnnxNode, operator: str, *inputs: Value | None, **attributes: Any) -> Value:
        """Read ``operator`` of the standard set on ``inputs`` as if it stood in the file in place of ``origin``."""
        names = ["" if value is None else f"{origin.name} {operator} {k}" for k, value in enumerate(inputs)]
        given = {name: value for name, value in zip(names, inputs, strict=True) if value is not None}
        self.values.update(given)
        results = self.read(composed_node(origin, operator, names, attributes))
        for name in given:
            del self.values[name]
        return results[0] if results else Unknown(depends_on_input=True)

    def unique(self, wanted: str) -> str:
        """Name for a node that no other has."""
        return self._names.unique(wanted)

    def append(self, nodes: Iterable[Node]) -> None:
        """Add nodes that were made elsewhere, under names of ``unique``."""
        for node in nodes:
            self.nodes.append(node)
            self._shapes[node.name] = node.shape

    def tensor_of(self, value: str) -> Tensor:
        """A value of level 1 as the readers of operators see it."""
        return Tensor(value, (self.batch, *self._shapes[value]))

    def reshaped(self, origin: OnnxNode, tensor: Tensor, sample: Shape, part: str = "") -> Tensor:
        """View ``tensor`` under another shape per sample."""
        if tensor.sample == sample:
            return tensor
        return self.emit(origin, Reshape(sample), tensor, part=part)

    def transposed(self, origin: OnnxNode, tensor: Tensor, axes: Shape, part: str = "") -> Tensor:
        """Permute the axes of the sample."""
        if axes == tuple(range(len(axes))):
            return tensor
        return self.emit(origin, Transpose(axes), tensor, part=part)

    def stand_in(self, origin: OnnxNode, sample: Shape) -> Tensor:
        """Result of a refused node, of shape ``sample``, from whatever the node reads of the network's input."""
        values = [self.values.get(name) for name in origin.inputs if name]
        read = [value for value in values if isinstance(value, Tensor)]
        return self.emit(origin, Refused(sample), *(read or [Tensor(INPUT, (self.batch, *self._shapes[INPUT]))]))

    def can_be_result(self, value: str) -> bool:
        """Whether the network up to a value of the file, which is not its input, was understood as a whole."""
        tensor = self.values.get(value)
        if not isinstance(tensor, Tensor) or tensor.value == INPUT:
            return False
        nodes = {node.name: node for node in self.nodes}
        pending, seen = [tensor.value], {INPUT}
        while pending:
            name = pending.pop()
            if name in seen:
                continue
            seen.add(name)
            if isinstance(nodes[name].operator, Refused):
                return False
            pending += nodes[name].inputs
        return True

    def value(self, node: OnnxNode, index: int) -> Value | None:
        """What an input of ``node`` has become; None where it is left out."""
        name = node.input(index)
        return self.values[name] if name else None

    def operands(self, node: OnnxNode) -> list[Tensor | Constant]:
        """All inputs of an operator that takes any number of them."""
        values = [self.values.get(name) for name in node.inputs]
        known = [value for value in values if isinstance(value, Tensor | Constant)]
        if len(known) < len(values):
            hint = "onnx.checker.check_model tells more; the program that wrote the file has to write it correctly"
            raise Refusal("E005", f"{node.operator} leaves out one of its inputs", hint)
        return known

    def tensor(self, node: OnnxNode, index: int = 0) -> Tensor:
        """Input that has to depend on the network's input."""
        value = self.value(node, index)
        if isinstance(value, Tensor):
            return value
        hint = "onnx-simplifier computes such constants and stores them"
        raise Refusal("E102", f"{node.operator} has a constant or nothing as input {index}", hint)

    def constant(self, node: OnnxNode, index: int, what: str) -> Constant:
        """Input that has to be known while reading."""
        constant = self.optional_constant(node, index, what)
        if constant is None:
            hint = "onnx.checker.check_model tells more; the program that wrote the file has to write it correctly"
            raise Refusal("E005", f"{node.operator} lacks its input {index} ({what})", hint)
        return constant

    def optional_constant(self, node: OnnxNode, index: int, what: str) -> Constant | None:
        """Input that has to be known while reading where it is given at all."""
        value = self.value(node, index)
        if isinstance(value, Tensor):
            hint = f"make {what} a constant of the model: a spiking network has fixed synapses and thresholds"
            raise Refusal("E103", f"{what} of {node.operator} depends on the network's input", hint)
        return value if isinstance(value, Constant) else None

    def weights(self, node: OnnxNode, index: int, what: str) -> FloatArray:
        """Constant input as finite floats."""
        return finite(self.constant(node, index, what))

    def integers(self, node: OnnxNode, index: int, what: str) -> tuple[int, ...] | None:
        """Constant input as a list of integers; None where it is left out."""
        constant = self.optional_constant(node, index, what)
        if constant is None:
            return None
        if constant.array.dtype.kind not in "iu" or constant.array.size > 64:
            hint = "onnx.checker.check_model tells more; the program that wrote the file has to write it correctly"
            raise Refusal("E005", f"{what} of {node.operator} is not a short list of integers", hint)
        return tuple(int(entry) for entry in constant.array.ravel())

    def require_batch_first(self, kept: bool, origin: OnnxNode, what: str) -> None:
        """Refuse ``origin`` unless it leaves the batch axis alone."""
        if not kept:
            raise Refusal("E104", f"{origin.operator} {what}", BATCH_FIRST)


def finite(constant: Constant) -> FloatArray:
    """Constant as float64; Refusal E004 with the count where it holds NaN or infinity."""
    try:
        with np.errstate(invalid="ignore"):
            array = constant.array.astype(np.float64, casting="same_kind")
    except (TypeError, ValueError) as error:
        hint = "have the weights stored as float32"
        raise Refusal("E010", f"tensor {constant.tensor} cannot be read: {error}", hint) from None
    bad = int(array.size - np.count_nonzero(np.isfinite(array)))
    if bad:
        kinds = "NaN" if np.isnan(array).any() else "infinite"
        hint = "no synapse can hold them: where training diverged, take the weights from before that"
        raise Refusal("E004", f"tensor {constant.tensor} holds {bad} {kinds} of {array.size} values", hint)
    return array


def axis_of(axis: int, rank: int, origin: OnnxNode) -> int:
    """Axis counted from the front; Refusal where there is none."""
    if not -rank <= axis < rank:
        hint = "onnx.shape_inference shows the shapes; they have to be mended where the file is written"
        raise Refusal("E012", f"{origin.operator} names axis {axis} of a value with {rank} axes", hint)
    return axis % rank
