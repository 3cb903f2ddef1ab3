"""What a model file computes, by implementations that are not ours: ONNX Runtime, and ONNX's reference evaluator."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx.reference

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
    try:
        session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
        (result,) = session.run(None, {session.get_inputs()[0].name: samples})
    except Exception:  # its errors derive from no common class; the evaluator then decides
        return None
    return np.asarray(result)


def by_evaluator(model: bytes, samples: Array) -> Array | None:
    """Result of ONNX's reference evaluator; None where it fails."""
    proto = onnx.load_model_from_string(model)
    if any(o.version < 14 for o in proto.opset_import) and any(
        n.op_type == "BatchNormalization" for n in proto.graph.node
    ):
        # Up to opset 13 it mixes the statistics of the batch into the frozen ones.
        return None
    given = {t.name for t in proto.graph.initializer}
    name = next(v.name for v in proto.graph.input if v.name not in given)
    try:
        with np.errstate(all="ignore"):
            (result,) = onnx.reference.ReferenceEvaluator(proto).run(None, {name: samples})
    except Exception:  # it raises whatever its operators raise
        return None
    return np.asarray(result)


def differs(found: Array, expected: Array, tolerance: float) -> Any:
    """Largest difference as a share of the range of ``expected``, where it is above ``tolerance``; else 0."""
    if found.size != expected.size:
        return float("inf")
    scale = max(1e-3, float(np.abs(expected).max(initial=0)))
    error = float(np.abs(found.reshape(expected.shape) - expected).max(initial=0)) / scale
    return error if not error <= tolerance else 0.0
