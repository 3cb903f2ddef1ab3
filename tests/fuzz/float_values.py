"""What a model file computes, by implementations that are not ours: ONNX Runtime, and ONNX's reference evaluator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import onnx.reference
from onnx.reference.op_run import OpRun

from .choices import Array

_Places = tuple[slice | int, ...]
_ALL_MAPS: _Places = (slice(None), slice(None))


def by_runtime(model: bytes, samples: Array) -> Array | None:
    """Results of ONNX Runtime, side by side; None where it does not take the file."""
    import onnxruntime

    proto = onnx.load_model_from_string(model)
    # It refuses newer versions of the format for their number alone.
    proto.ir_version = min(proto.ir_version, 10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # Its optimiser makes one quantiser of two in a row, also where their steps differ.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
        results = session.run(None, {session.get_inputs()[0].name: samples})
    except Exception:  # its errors derive from no common class; the evaluator then decides
        return None
    return _side_by_side(results)


def _side_by_side(results: Sequence[Array]) -> Array:
    """The only result, or several, flat, one after the other."""
    if len(results) == 1:
        return np.asarray(results[0])
    return np.concatenate([np.reshape(each, (len(each), -1)) for each in results], axis=1)


class Pad(OpRun):
    """Zeros around a value; the evaluator's own operator cannot crop."""

    def _run(self, data: Array, *inputs: Array, pads: list[int] | None = None, **_: Any) -> tuple[Array]:
        amounts = np.asarray(inputs[0] if inputs else pads)
        before, after = amounts[: data.ndim], amounts[data.ndim :]
        grown = np.pad(data, [(max(0, b), max(0, a)) for b, a in zip(before, after, strict=True)])
        kept = (slice(max(0, -b), n - max(0, -a)) for b, a, n in zip(before, after, grown.shape, strict=True))
        return (grown[tuple(kept)],)


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
    """Results of ONNX's reference evaluator, side by side; None where it fails, or is known to compute other things."""
    proto = onnx.load_model_from_string(model)
    if any(_is_misjudged(node) for node in proto.graph.node):
        return None
    given = {t.name for t in proto.graph.initializer}
    name = next(v.name for v in proto.graph.input if v.name not in given)
    pairs = [QuantizeLinear, DequantizeLinear] if _opset(proto) < 19 else []
    ours = [AveragePool, MaxPool, BatchNormalization, *pairs, *([Pad] if _pads_with_zeros(proto) else [])]
    try:
        with np.errstate(all="ignore"):
            results = list(onnx.reference.ReferenceEvaluator(proto, new_ops=ours).run(None, {name: samples}))
    except Exception:  # it raises whatever its operators raise
        return None
    return _side_by_side(results)


def _is_misjudged(node: onnx.NodeProto) -> bool:
    """Whether the evaluator adds a bias to other channels, or takes a length between two whole numbers for a size."""
    values = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    if node.op_type == "ConvTranspose":
        return values.get("group", 1) > 1 and len(node.input) > 2
    return node.op_type == "Resize" and values.get("coordinate_transformation_mode") == b"align_corners"


def _opset(proto: onnx.ModelProto) -> int:
    return next(int(entry.version) for entry in proto.opset_import if entry.domain in ("", "ai.onnx"))


def _pads_with_zeros(proto: onnx.ModelProto) -> bool:
    """Whether every Pad adds zeros at all axes, as those of drawn networks do but for the odd ones."""
    numbers = {t.name for t in proto.graph.initializer if onnx.numpy_helper.to_array(t).any()}
    pads = [n for n in proto.graph.node if n.op_type == "Pad"]
    return not any(a.name == "mode" for n in pads for a in n.attribute) and not any(
        len(n.input) > 2 and n.input[2] in numbers for n in pads
    )


def differs(found: Array, expected: Array, tolerance: float) -> Any:
    """Largest difference as a share of the range of ``expected``, where it is above ``tolerance``; else 0."""
    if found.size != expected.size:
        return float("inf")
    scale = max(1e-3, float(np.abs(expected).max(initial=0)))
    error = float(np.abs(found.reshape(expected.shape) - expected).max(initial=0)) / scale
    return error if not error <= tolerance else 0.0
