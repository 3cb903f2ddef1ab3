"""An ONNX graph under construction: values with known shapes, and every way to write a constant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper

from .choices import Array, Choices

_TYPES = {np.dtype(np.float32): onnx.TensorProto.FLOAT, np.dtype(np.float64): onnx.TensorProto.DOUBLE}
_NAMES = ("v{}", "/block.{}/out", "onnx::Conv_{}", "Wert é {}", "{}")


@dataclass(frozen=True, slots=True)
class Value:
    """A value of the graph; ``shape`` per sample with channels first, however the graph stores it."""

    name: str
    shape: tuple[int, ...]


class Draft:
    """Nodes and tensors so far. ``last`` says that maps are stored with channels last."""

    def __init__(self, choices: Choices, opset: int, batch: int | None, last: bool, dtype: type) -> None:
        self.choices = choices
        self.opset = opset
        self.batch = batch
        self.last = last
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []
        self.compares = False
        """Whether values are compared with each other, of which only data may tell how large they are."""
        self._pattern = choices.pick(_NAMES)
        self._nameless = choices.chance(0.1)

    @property
    def float_type(self) -> int:
        """ONNX's number of the model's float type."""
        return int(_TYPES[self.dtype])

    def new_name(self) -> str:
        """A name that nothing has yet."""
        return self._pattern.format(len(self.nodes) + 1000 * len(self.tensors) + 1)

    def nodes_of(self, operator: str, inputs: list[str], outputs: int, **attributes: Any) -> list[str]:
        """Add a node with several results and return their names."""
        results = [f"{self.new_name()}{'' if k == 0 else f'_{k}'}" for k in range(outputs)]
        name = "" if self._nameless else f"{operator}_{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(operator, inputs, results, name=name, **attributes))
        return results

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node and return the name of its result."""
        return self.nodes_of(operator, list(inputs), 1, **attributes)[0]

    def stored(self, array: Array) -> str:
        """A constant as an initialiser, as it is."""
        name = self.new_name()
        self.tensors.append(onnx.numpy_helper.from_array(np.asarray(array), name))
        return name

    def integers(self, *entries: int) -> str:
        """A list of integers."""
        return self.constant(np.array(entries, np.int64))

    def number(self, array: Any) -> str:
        """A constant of the model's float type."""
        return self.constant(np.asarray(array, dtype=self.dtype))

    def constant(self, array: Array) -> str:
        """A constant in any of the ways in which files hold them; every way gives the same bits."""
        ways = [self.stored, self._as_identity, self._reshaped]
        if array.dtype.kind == "f" or self.opset >= 9:
            ways.append(self._as_node)
        if array.dtype.kind == "f":
            ways += [self._doubled, self._cast]
        if array.ndim and len(array) > 1:
            ways.append(self._joined)
        if array.ndim == 0 and array.dtype == np.float32 and self.opset >= 12:
            ways.append(self._as_float)
        return (self.choices.pick(ways) if self.choices.chance(0.3) else self.stored)(array)

    def _as_node(self, array: Array) -> str:
        return self.add("Constant", value=onnx.numpy_helper.from_array(array))

    def _as_float(self, array: Array) -> str:
        return self.add("Constant", value_float=float(array))

    def _as_identity(self, array: Array) -> str:
        return self.add("Identity", self.stored(array))

    def _reshaped(self, array: Array) -> str:
        return self.add("Reshape", self.stored(array.ravel()), self.stored(np.array(array.shape, np.int64)))

    def _doubled(self, array: Array) -> str:
        half = self.stored(array / array.dtype.type(2))
        return self.add("Add", half, half) if np.array_equal(array / 2 * 2, array) else self.stored(array)

    def _cast(self, array: Array) -> str:
        return self.add("Cast", self.stored(array.astype(np.float64)), to=_TYPES[array.dtype])

    def _joined(self, array: Array) -> str:
        return self.add("Concat", self.stored(array[:1]), self.stored(array[1:]), axis=0)

    def per_channel(self, entries: Array, value: Value) -> str:
        """One number per channel, shaped to broadcast against ``value``."""
        axes = len(value.shape) - 1
        shape = (-1, *(1,) * (0 if self.last else axes))
        leading = (1,) * self.choices.whole(0, 1 if self.last and axes == 0 else 0)
        return self.number(np.reshape(entries, (*leading, *shape)))

    def axis(self, axis: int, value: Value) -> int:
        """Axis of the stored value (the batch is 0) for axis ``axis`` of the sample, channels first."""
        rank = len(value.shape)
        return (rank if axis == 0 else axis) if self.last else axis + 1

    def channels_first(self, value: Value) -> str:
        """The value with channels stored first, for operators that need them so."""
        rank = len(value.shape)
        if not self.last or rank == 1:
            return value.name
        return self.add("Transpose", value.name, perm=[0, rank, *range(1, rank)])

    def back(self, name: str, shape: tuple[int, ...]) -> Value:
        """The result of an operator with channels first, stored as the graph stores values."""
        rank = len(shape)
        if not self.last or rank == 1:
            return Value(name, shape)
        return Value(self.add("Transpose", name, perm=[0, *range(2, rank + 1), 1]), shape)

    def stored_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape per sample as the graph stores it."""
        return (*shape[1:], shape[0]) if self.last else shape

    def model(self, source: Value, results: Sequence[Value]) -> onnx.ModelProto:
        """The finished model."""
        batch: int | str = self.batch or self.choices.pick(("N", "batch_size", "unk__1"))
        listed = self.opset < 9 or self.choices.chance(0.05)
        inputs = [self._info(source.name, [batch, *self.stored_shape(source.shape)])]
        if listed:
            inputs += [onnx.helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in self.tensors]
        outputs = [self._info(result.name, [batch, *self.stored_shape(result.shape)]) for result in results]
        graph = onnx.helper.make_graph(self.nodes, "fuzz", inputs, outputs, self.tensors)
        imports = [onnx.helper.make_opsetid("", self.opset)]
        version = max(3 if listed else 4, onnx.helper.find_min_ir_version_for(imports))
        return onnx.helper.make_model(graph, ir_version=version, opset_imports=imports, producer_name="fuzz")

    def _info(self, name: str, shape: list[int | str]) -> onnx.ValueInfoProto:
        return onnx.helper.make_tensor_value_info(name, self.float_type, shape)
