"""What a model file computes, by implementations that are not ours: ONNX Runtime, and ONNX's reference evaluator."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx.numpy_helper
import onnx.reference
from onnx.reference.op_run import OpRun

from .choices import Array


def by_runtime(model: bytes, samples: Array) -> Array | None:
    """Result of ONNX Runtime; None where it does not take the file."""
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
        (result,) = session.run(None, {session.get_inputs()[0].name: samples})
    except Exception:  # its errors derive from no common class; the evaluator then decides
        return None
    return np.asarray(result)


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


def by_evaluator(model: bytes, samples: Array) -> Array | None:
    """Result of ONNX's reference evaluator; None where it fails."""
    proto = onnx.load_model_from_string(model)
    given = {t.name for t in proto.graph.initializer}
    name = next(v.name for v in proto.graph.input if v.name not in given)
    ours = [BatchNormalization, *([Pad] if _pads_with_zeros(proto) else [])]
    try:
        with np.errstate(all="ignore"):
            (result,) = onnx.reference.ReferenceEvaluator(proto, new_ops=ours).run(None, {name: samples})
    except Exception:  # it raises whatever its operators raise
        return None
    return np.asarray(result)


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
