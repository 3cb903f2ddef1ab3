"""A NIR graph of integrate-and-fire neurons as the network that they stand for in T steps, an ONNX file.

A neuron that starts at v0, subtracts its threshold theta and fires at most once a step counts, at equal input x in
each of T steps (r x below theta; see docs/nir.md),

    N = clip(floor((T r x + v0) / theta), 0, T)

and its readers get N / T on the mean: an activation with T levels, which compiles into a neuron of the same threshold.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from ...targets.diagnostic import Diagnostic, Place, UnusableInput, refuse
from .nir_file import NirGraph, NirNode, read_nir

Floats = npt.NDArray[np.float32]
_OPSET = 17


def nir_to_onnx(path: Path, timesteps: int, reset: str | None) -> bytes:
    """The ONNX file of a ``.nir`` file for ``timesteps`` T; ``reset`` "subtract" or "zero" where the file does not say.

    Raises ``UnusableInput``: E764 without h5py, E766 for no NIR, E767 for each node that cannot be used, E768 where the
    reset is not stated, or is one to zero and T is not 1.
    """
    graph = read_nir(path)
    _require_reset(path, graph, timesteps, reset)
    writer = _Writer(graph, timesteps)
    problems = []
    for name, node in graph.nodes.items():
        try:
            writer.add(name, node)
        except (ValueError, TypeError, IndexError, KeyError) as error:
            problems.append(Diagnostic("E767", f"the {node.kind} cannot be used: {error}", Place(str(path), name)))
            break  # its readers have no shapes
    if problems:
        raise UnusableInput(problems)
    return writer.content(path.stem)


def _require_reset(path: Path, graph: NirGraph, timesteps: int, reset: str | None) -> None:
    stated = graph.said.get("reset")
    if stated is not None and reset is not None and stated != reset:
        message = f"the file says that its neurons reset by '{stated}', and --reset says '{reset}'"
        raise refuse("E768", message, file=path, hint="leave --reset out")
    chosen = stated or reset
    if chosen is None and timesteps > 1:
        hint = "give --reset subtract for files of sinabs and snnTorch, --reset zero where neurons go back to 0"
        raise refuse(
            "E768", "the file does not say how its neurons are reset, and NIR does not either", file=path, hint=hint
        )
    if chosen == "zero" and timesteps > 1:
        hint = "at --timesteps 1 both resets are the same; or train the network for neurons that subtract"
        message = f"its neurons are reset to zero, and compiled neurons subtract: in {timesteps} steps they differ"
        raise refuse("E768", message, file=path, hint=hint)


class _Writer:
    """Adds nodes one after the other; the value of a node has its name."""

    def __init__(self, graph: NirGraph, timesteps: int) -> None:
        self.graph, self.timesteps = graph, timesteps
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.values: dict[str, str] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.input: str = ""
        self.output: str = ""

    def add(self, name: str, node: NirNode) -> None:
        """Write ``node``; ValueError says why it cannot be."""
        if node.kind == "Input":
            shape = tuple(int(size) for size in np.atleast_1d(node.fields["shape"]))
            if not 1 <= len(shape) <= 4 or min(shape) < 1:
                raise ValueError(f"its shape is {shape}")
            shape = shape[self._is_batched(name, shape) :]
            self.input = name
            self.shapes[name], self.values[name] = shape, self._encoded(name)
            return
        shapes = {self.shapes[source] for source in self.graph.sources[name]}
        if len(shapes) > 1:
            raise ValueError(f"its sources have the shapes {', '.join(map(str, sorted(shapes)))}")
        given = [self.values[source] for source in self.graph.sources[name]]
        value = given[0] if len(given) == 1 else self._op("Sum", given)
        self.values[name], self.shapes[name] = _KINDS[node.kind](self, node, value, shapes.pop(), name)

    def _is_batched(self, name: str, shape: tuple[int, ...]) -> bool:
        """Whether the first axis is that of the sample that the graph was traced with, which Norse leaves there."""
        if shape[0] != 1 or len(shape) not in (2, 4):
            return False
        readers = [node for each, node in self.graph.nodes.items() if name in self.graph.sources.get(each, ())]
        return len(shape) == 4 or all(reader.kind in ("Affine", "Linear") for reader in readers)

    def _encoded(self, name: str) -> str:
        encoding = self.graph.said.get("encoding")
        if encoding is None:
            return name
        steps = self.timesteps if encoding["spread"] else 1
        return self._op("Mul", [name, self._constant(np.array(1 / (float(encoding["step"]) * steps)))])

    def affine(self, node: NirNode, value: str, shape: tuple[int, ...], _: str) -> tuple[str, tuple[int, ...]]:
        weight = _floats(node.fields["weight"])
        bias = _floats(node.fields.get("bias", np.zeros(weight.shape[0])))
        if weight.ndim != 2 or shape != weight.shape[1:] or bias.shape != weight.shape[:1]:
            raise ValueError(f"weight {weight.shape} and bias {bias.shape} do not fit an input of shape {shape}")
        product = self._op("Gemm", [value, self._constant(weight), self._constant(bias)], transB=1)
        return product, (weight.shape[0],)

    def convolution(self, node: NirNode, value: str, shape: tuple[int, ...], _: str) -> tuple[str, tuple[int, ...]]:
        weight, bias = _floats(node.fields["weight"]), _floats(node.fields["bias"])
        groups = int(node.fields["groups"])
        fits = weight.ndim == 4 and len(shape) == 3 and groups > 0 and shape[0] == weight.shape[1] * groups
        if not fits or bias.shape != weight.shape[:1]:
            raise ValueError(f"weight {weight.shape} in {groups} groups does not fit an input of shape {shape}")
        kernel = weight.shape[2:]
        stride, dilation = _pair(node.fields["stride"], 1), _pair(node.fields["dilation"], 1)
        pads = _padding(node.fields["padding"], kernel, dilation)
        attributes = {"strides": stride, "dilations": dilation, "pads": (*pads, *pads), "group": groups}
        result = self._op("Conv", [value, self._constant(weight), self._constant(bias)], **attributes)
        return result, (weight.shape[0], *_sizes(shape, kernel, stride, pads, dilation))

    def pool(self, node: NirNode, value: str, shape: tuple[int, ...], _: str) -> tuple[str, tuple[int, ...]]:
        kernel, stride = _pair(node.fields["kernel_size"], 1), _pair(node.fields["stride"], 1)
        pads = _pair(node.fields["padding"], 0)
        if len(shape) != 3:
            raise ValueError(f"pooling needs maps, not an input of shape {shape}")
        sizes = (shape[0], *_sizes(shape, kernel, stride, pads, (1, 1)))
        attributes = {"kernel_shape": kernel, "strides": stride, "pads": (*pads, *pads), "count_include_pad": 1}
        pooled = self._op("AveragePool", [value], **attributes)
        if node.kind == "AvgPool2d":
            return pooled, sizes
        return self._op("Mul", [pooled, self._constant(np.array(float(np.prod(kernel))))]), sizes

    def flatten(self, node: NirNode, value: str, shape: tuple[int, ...], _: str) -> tuple[str, tuple[int, ...]]:
        first, last = int(node.fields.get("start_dim", 0)), int(node.fields.get("end_dim", -1))
        if first not in (0, 1) or last not in (-1, len(shape) - 1):
            raise ValueError(f"it keeps axes of {shape}: start_dim {first}, end_dim {last}")
        return self._op("Flatten", [value], axis=1), (int(np.prod(shape)),)

    def scale(self, node: NirNode, value: str, shape: tuple[int, ...], _: str) -> tuple[str, tuple[int, ...]]:
        return self._op("Mul", [value, self._constant(_fitting(node.fields["scale"], shape))]), shape

    def neurons(self, node: NirNode, value: str, shape: tuple[int, ...], name: str) -> tuple[str, tuple[int, ...]]:
        threshold, r = _fitting(node.fields["v_threshold"], shape), _fitting(node.fields["r"], shape)
        if threshold.min() <= 0 or r.min() <= 0:
            raise ValueError("a threshold or resistance is not above 0")
        if "v_reset" in node.fields and np.any(node.fields["v_reset"]):
            raise ValueError("it resets to a potential other than 0")
        initial = _fitting(self.graph.initial.get(name, np.zeros(())), shape)
        steps = self._op("Mul", [value, self._constant(self.timesteps * r / threshold)])
        moved = self._op("Add", [steps, self._constant(initial / threshold)])
        bounds = [self._constant(np.array(float(bound))) for bound in (0, self.timesteps)]
        counts = self._op("Clip", [self._op("Floor", [moved]), *bounds])
        return self._op("Mul", [counts, self._constant(np.array(1 / self.timesteps))]), shape

    def leaky(self, node: NirNode, value: str, shape: tuple[int, ...], name: str) -> tuple[str, tuple[int, ...]]:
        """Only without a leak, tau without end: so snnTorch writes a Leaky of beta 1, whose input has the weight 1."""
        tau, r = np.asarray(node.fields["tau"]), np.asarray(node.fields["r"])
        if not (np.isposinf(tau).all() and np.isposinf(r).all()) or np.any(node.fields["v_leak"]):
            raise ValueError(f"its neurons leak: tau is {np.min(tau):.4g} s at least")
        fields = {**node.fields, "r": np.ones(())}
        return self.neurons(NirNode("IF", fields), value, shape, name)

    def end(self, node: NirNode, value: str, shape: tuple[int, ...], _: str) -> tuple[str, tuple[int, ...]]:
        self.output = value
        return value, shape

    def _op(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def _constant(self, values: npt.NDArray[Any]) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(_floats(values)), name))
        return name

    def content(self, title: str) -> bytes:
        """The ONNX file."""
        first = helper.make_tensor_value_info(self.input, TensorProto.FLOAT, ["N", *self.shapes[self.input]])
        last = helper.make_tensor_value_info(self.output, TensorProto.FLOAT, None)
        graph = helper.make_graph(self.nodes, title, [first], [last], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=8)
        return bytes(onnx.shape_inference.infer_shapes(model).SerializeToString())


_KINDS: dict[str, Callable[..., tuple[str, tuple[int, ...]]]] = {
    "Affine": _Writer.affine,
    "Linear": _Writer.affine,
    "Conv2d": _Writer.convolution,
    "SumPool2d": _Writer.pool,
    "AvgPool2d": _Writer.pool,
    "Flatten": _Writer.flatten,
    "Scale": _Writer.scale,
    "IF": _Writer.neurons,
    "LIF": _Writer.leaky,
    "Output": _Writer.end,
}


def _floats(values: Any) -> Floats:
    return np.asarray(values, dtype=np.float32)


def _fitting(values: Any, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """``values`` that broadcast to ``shape``, as few as tell all: one, or one a channel."""
    full = np.broadcast_to(np.asarray(values, dtype=np.float64), shape)
    if np.all(full == full.flat[0]):
        return np.asarray(full.flat[0])
    first = (slice(None), *(slice(1) for _ in shape[1:]))
    by_channel = full[first]
    return np.ascontiguousarray(by_channel if np.all(full == by_channel) else full)


def _pair(value: Any, least: int) -> tuple[int, int]:
    first, *rest = (int(each) for each in np.atleast_1d(value))
    second = rest[0] if rest else first
    if len(rest) > 1 or not least <= min(first, second) <= max(first, second) < 1 << 16:
        raise ValueError(f"{value} are not two sizes")
    return first, second


def _padding(value: Any, kernel: tuple[int, ...], dilation: tuple[int, int]) -> tuple[int, int]:
    if not isinstance(value, bytes | str):
        return _pair(value, 0)
    text = value.decode() if isinstance(value, bytes) else value
    reach = tuple(d * (k - 1) for d, k in zip(dilation, kernel, strict=True))
    if text == "valid":
        return 0, 0
    if text != "same" or any(each % 2 for each in reach):
        raise ValueError(f"padding '{text[:20]}' is not the same on both sides")
    return reach[0] // 2, reach[1] // 2


def _sizes(
    shape: tuple[int, ...], kernel: Any, stride: tuple[int, int], pads: tuple[int, int], dilation: tuple[int, int]
) -> tuple[int, int]:
    rows, columns = (
        (shape[axis + 1] + 2 * pads[axis] - dilation[axis] * (int(kernel[axis]) - 1) - 1) // stride[axis] + 1
        for axis in (0, 1)
    )
    if min(rows, columns) < 1:
        raise ValueError(f"its kernel {tuple(kernel)} is larger than the padded input of shape {shape}")
    return rows, columns
