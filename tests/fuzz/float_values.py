"""What a model file computes, by implementations that are not ours: ONNX Runtime, and ONNX's reference evaluator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnx
import onnx.helper
import onnx.reference
from onnx.reference.op_run import OpRun

from .choices import Array

_Places = tuple[slice | int, ...]
_ALL_MAPS: _Places = (slice(None), slice(None))

_NODE_OPSET = 19
"""In which a node alone is given to ONNX Runtime: one that it knows, and whose operators mean what later ones do."""


def by_runtime(model: bytes, samples: Array) -> Array | None:
    """Results of ONNX Runtime, side by side; None where it does not take the file."""
    proto = onnx.load_model_from_string(model)
    given = {t.name for t in proto.graph.initializer}
    name = next(v.name for v in proto.graph.input if v.name not in given)
    try:
        return _side_by_side(_run_by_runtime(proto, {name: samples}))
    except Exception:  # its errors derive from no common class; the evaluator then decides
        return None


def _run_by_runtime(proto: onnx.ModelProto, inputs: dict[str, Array]) -> Sequence[Array]:
    import onnxruntime

    # It refuses newer versions of the format for their number alone.
    proto.ir_version = min(proto.ir_version, 10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # Its optimiser makes one quantiser of two in a row, also where their steps differ.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    results: Sequence[Array] = session.run(None, inputs)
    return results


def _side_by_side(results: Sequence[Array]) -> Array:
    """The only result, or several, flat, one after the other."""
    if len(results) == 1:
        return np.asarray(results[0])
    return np.concatenate([np.reshape(each, (len(each), -1)) for each in results], axis=1)


class Pad(OpRun):
    """Amounts below zero crop; the evaluator's own operator takes none."""

    def _run(
        self, data: Array, *inputs: Array | None, mode: str | None = None, pads: Any = None, value: Any = None
    ) -> tuple[Array]:
        amounts, number, axes = (*(inputs or (pads, value)), None, None)[:3]
        places = range(data.ndim) if axes is None else [int(axis) for axis in axes]
        assert amounts is not None
        edges = [(0, 0)] * data.ndim
        for place, before, after in zip(places, amounts[: len(places)], amounts[len(places) :], strict=True):
            edges[place] = int(before), int(after)
        way: dict[str, Any] = {"mode": mode or "constant"}
        if way["mode"] == "constant":
            way["constant_values"] = number or 0
        grown = np.pad(data, [(max(0, b), max(0, a)) for b, a in edges], **way)
        kept = (slice(max(0, -b), n - max(0, -a)) for (b, a), n in zip(edges, grown.shape, strict=True))
        return (grown[tuple(kept)],)


class GlobalMaxPool(OpRun):
    """Over all axes of the map; the evaluator's own operator knows maps of two axes alone."""

    def _run(self, data: Array) -> tuple[Array]:
        return (data.max(axis=tuple(range(2, data.ndim)), keepdims=True),)


class _ByRuntime(OpRun):
    """ONNX Runtime's operator, in a model of this node alone."""

    def _run(self, *inputs: Array | None, **_: Any) -> tuple[Array]:
        given = {f"x{place}": each for place, each in enumerate(inputs) if each is not None}
        node = onnx.NodeProto()
        node.CopyFrom(self.onnx_node)
        node.input[:] = ["" if each is None else f"x{place}" for place, each in enumerate(inputs)]
        node.output[:] = ["y"]
        element = onnx.helper.np_dtype_to_tensor_dtype
        tensors = [onnx.helper.make_tensor_value_info(n, element(x.dtype), x.shape) for n, x in given.items()]
        result = onnx.helper.make_tensor_value_info("y", tensors[0].type.tensor_type.elem_type, None)
        graph = onnx.helper.make_graph([node], "node", tensors, [result])
        proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", _NODE_OPSET)])
        return (_run_by_runtime(proto, given)[0],)


class ConvTranspose(OpRun):
    """The evaluator's own operator adds the bias of a group to other channels; the runtime's takes no doubles."""

    def _run(
        self, data: Array, weight: Array, bias: Array | None = None, group: int | None = None, **others: Any
    ) -> tuple[Array]:
        axes, groups = data.ndim - 2, group or 1
        strides, dilations = (others.get(name) or [1] * axes for name in ("strides", "dilations"))
        extra = others.get("output_padding") or [0] * axes
        outputs = weight.shape[1]
        spans = [
            (n - 1) * s + (k - 1) * d + 1 + e
            for n, s, k, d, e in zip(data.shape[2:], strides, weight.shape[2:], dilations, extra, strict=True)
        ]
        order = (*range(2, data.ndim), 0, 1)
        whole = np.zeros((len(data), outputs * groups, *spans), data.dtype)
        for place in np.ndindex(*weight.shape[2:]):
            begins = [p * d for p, d in zip(place, dilations, strict=True)]
            reached = zip(begins, data.shape[2:], strides, strict=True)
            where = (slice(None), slice(None), *(slice(b, b + (n - 1) * s + 1, s) for b, n, s in reached))
            for g, of_group in enumerate(np.split(np.arange(data.shape[1]), groups)):
                part = np.einsum("nc...,co->no...", data[:, of_group], weight[of_group].transpose(*order)[place])
                whole[:, g * outputs : (g + 1) * outputs][where] += part
        edges = _edges(_cut(data.shape[2:], spans, {**others, "strides": strides}))
        inside = (slice(before, span - after) for (before, after), span in zip(edges, spans, strict=True))
        kept = (slice(None), slice(None), *inside)
        result = whole[kept]
        return (result if bias is None else result + bias.reshape(-1, *(1,) * axes),)


class Resize(_ByRuntime):
    """The evaluator's own operator takes a length between two whole numbers for a size."""


class BatchNormalization(OpRun):
    """Frozen statistics; up to opset 13 the evaluator's own operator mixes those of the batch into them."""

    def _run(self, data: Array, *statistics: Array, epsilon: float = 1e-5, **_: Any) -> tuple[Array]:
        scale, offset, mean, variance = (s.reshape(-1, *(1,) * (data.ndim - 2)) for s in statistics)
        result = (data - mean) * scale / np.sqrt(variance + epsilon) + offset
        return (result.astype(data.dtype),)


class AveragePool(OpRun):
    """Windows where the pads say, and never fewer than none where ``auto_pad`` says SAME.

    The evaluator's own operator moves them up by half of what ceil_mode adds, and fails where windows do not meet.
    """

    def _run(self, data: Array, ceil_mode: int = 0, count_include_pad: int = 0, **others: Any) -> tuple[Array]:
        name = others.pop("auto_pad", None) or "NOTSET"
        if name != "NOTSET":
            others["pads"] = _pads_by_name(name, data.shape[2:], **others)
        return (_means(data, bool(ceil_mode), bool(count_include_pad), **others),)


class MaxPool(OpRun):
    """The same windows; padding never wins. The evaluator's own operator lets it, in one dimension."""

    def _run(self, data: Array, ceil_mode: int = 0, storage_order: int = 0, **others: Any) -> tuple[Array]:
        name = others.pop("auto_pad", None) or "NOTSET"
        if name != "NOTSET":
            others["pads"] = _pads_by_name(name, data.shape[2:], **others)
        pads = others.get("pads") or [0] * 2 * (data.ndim - 2)
        values = np.pad(data, [(0, 0), (0, 0), *_edges(pads)], constant_values=-np.inf)
        starts, windows = _windows(data.shape[2:], bool(ceil_mode), **others)
        result = np.empty((*data.shape[:2], *map(len, starts)), data.dtype)
        for place, window in windows:
            inside, target = (_ALL_MAPS + part for part in (window, place))
            result[target] = values[inside].max(axis=tuple(range(2, data.ndim)))
        return (result,)


def _pads_by_name(name: str, sizes: tuple[int, ...], **attributes: Any) -> list[int]:
    rank = len(sizes)
    if name == "VALID":
        return [0] * 2 * rank
    strides, dilations = (attributes.get(key) or [1] * rank for key in ("strides", "dilations"))
    spans = [(k - 1) * d + 1 for k, d in zip(attributes["kernel_shape"], dilations, strict=True)]
    needed = [max(0, (-(-n // s) - 1) * s + span - n) for n, s, span in zip(sizes, strides, spans, strict=True)]
    begin = [n // 2 if name == "SAME_UPPER" else n - n // 2 for n in needed]
    return [*begin, *(n - b for n, b in zip(needed, begin, strict=True))]


def _means(data: Array, ceil: bool, count: bool, **attributes: Any) -> Array:
    pads = attributes.get("pads") or [0] * 2 * (data.ndim - 2)
    counted = np.pad(np.ones(data.shape[2:]), _edges(pads), constant_values=float(count))
    values = np.pad(data, [(0, 0), (0, 0), *_edges(pads)])
    starts, windows = _windows(data.shape[2:], ceil, **attributes)
    result = np.empty((*data.shape[:2], *map(len, starts)), data.dtype)
    for place, window in windows:
        inside, target = (_ALL_MAPS + part for part in (window, place))
        result[target] = values[inside].sum(axis=tuple(range(2, data.ndim))) / counted[window].sum()
    return result


def _windows(
    sizes: tuple[int, ...], ceil: bool, **attributes: Any
) -> tuple[list[list[int]], Iterator[tuple[_Places, _Places]]]:
    """Where windows start on the padded map, along each axis, and for each result its place and its window."""
    kernel, rank = attributes["kernel_shape"], len(sizes)
    strides, dilations = (attributes.get(name) or [1] * rank for name in ("strides", "dilations"))
    pads = attributes.get("pads") or [0] * 2 * rank
    padded = [n + pads[a] + pads[a + rank] for a, n in enumerate(sizes)]
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    steps = [(n - span + (s - 1) * ceil) // s for n, span, s in zip(padded, spans, strides, strict=True)]
    # With ceil_mode, no window begins in the padding at the end.
    starts = [
        [k * s for k in range(step + 1) if not ceil or k * s < n + before]
        for step, s, n, before in zip(steps, strides, sizes, pads, strict=False)
    ]

    def window_at(place: tuple[int, ...]) -> _Places:
        # A slice ends with the padded map, and so does the window.
        begins = [starts[axis][index] for axis, index in enumerate(place)]
        return tuple(slice(b, b + span, d) for b, span, d in zip(begins, spans, dilations, strict=True))

    return starts, ((place, window_at(place)) for place in np.ndindex(*map(len, starts)))


def _cut(sizes: tuple[int, ...], spans: list[int], attributes: dict[str, Any]) -> list[int]:
    """What a transposed convolution cuts off its ``spans``, begins then ends."""
    mode, wanted = attributes.get("auto_pad") or "NOTSET", attributes.get("output_shape")
    if mode == "VALID" or (mode == "NOTSET" and wanted is None):
        return attributes.get("pads") or [0] * 2 * len(sizes)
    wanted = wanted or [n * s for n, s in zip(sizes, attributes["strides"], strict=True)]
    cut = [max(span - length, 0) for span, length in zip(spans, wanted, strict=True)]
    less = [total // 2 for total in cut]
    more = [total - half for total, half in zip(cut, less, strict=True)]
    return [*less, *more] if mode == "SAME_UPPER" else [*more, *less]


def _edges(pads: list[int]) -> list[tuple[int, int]]:
    return list(zip(pads[: len(pads) // 2], pads[len(pads) // 2 :], strict=True))


class QuantizeLinear(OpRun):
    """One scale and one zero point; the evaluator has none below opset 19."""

    def _run(self, data: Array, scale: Array, zero: Array, **_: Any) -> tuple[Array]:
        limits = np.iinfo(zero.dtype)
        return (np.clip(np.rint(data / scale) + zero, limits.min, limits.max).astype(zero.dtype),)


class DequantizeLinear(OpRun):
    """One scale and one zero point."""

    def _run(self, data: Array, scale: Array, zero: Array, **_: Any) -> tuple[Array]:
        return ((data.astype(scale.dtype) - zero.astype(scale.dtype)) * scale,)


def by_evaluator(model: bytes, samples: Array) -> Array | None:
    """Results of ONNX's reference evaluator, side by side; None where it fails."""
    proto = onnx.load_model_from_string(model)
    given = {t.name for t in proto.graph.initializer}
    name = next(v.name for v in proto.graph.input if v.name not in given)
    opset = next(int(entry.version) for entry in proto.opset_import if entry.domain in ("", "ai.onnx"))
    pairs = [QuantizeLinear, DequantizeLinear] if opset < 19 else []
    ours = [AveragePool, MaxPool, GlobalMaxPool, BatchNormalization, Pad, ConvTranspose, Resize, *pairs]
    try:
        with np.errstate(all="ignore"):
            results = list(onnx.reference.ReferenceEvaluator(proto, new_ops=ours).run(None, {name: samples}))
    except Exception:  # it raises whatever its operators raise
        return None
    return _side_by_side(results)


def each_output_alone(model: bytes) -> Iterator[bytes]:
    """The model with one of its outputs and the nodes that this one needs, output by output."""
    proto = onnx.load_model_from_string(model)
    nodes, outputs = list(proto.graph.node), list(proto.graph.output)
    for output in outputs:
        needed = {output.name}
        kept: list[onnx.NodeProto] = []
        for node in reversed(nodes):
            if needed & set(node.output):
                needed |= set(node.input)
                kept.insert(0, node)
        del proto.graph.node[:], proto.graph.output[:]
        proto.graph.node.extend(kept)
        proto.graph.output.append(output)
        yield proto.SerializeToString()


def differs(found: Array, expected: Array, tolerance: float) -> Any:
    """Largest difference as a share of the range of ``expected``, where it is above ``tolerance``; else 0."""
    if found.size != expected.size:
        return float("inf")
    scale = max(1e-3, float(np.abs(expected).max(initial=0)))
    error = float(np.abs(found.reshape(expected.shape) - expected).max(initial=0)) / scale
    return error if not error <= tolerance else 0.0
