"""What to do about operators that have no counterpart in integrate-and-fire neurons."""

from __future__ import annotations

from .graph import OnnxNode

_AVERAGE = "retrain with average pooling or a strided convolution in its place"
_FUNCTION = "neurons add and compare: take this function out of the network, then retrain"
_FEED_FORWARD = "only feed-forward networks can be compiled: use convolutions or dense layers over time"
_BATCH_NORM = "retrain with batch normalisation, whose statistics are fixed after training"
_NO_GATES = "neurons only add: retrain with convolutions or dense layers in place of attention and gates"
_NO_DYNAMIC = (
    "it takes its scale from each sample anew, but synapses and thresholds are fixed: quantise the model statically, "
    "with calibration data, or give the float model"
)
_NO_TREES = "a tree ensemble is no neural network: only convolutional and dense networks can be compiled"
_NO_CLASSICAL = "only convolutional and dense networks can be compiled: do this step outside of the model"
_OPTIMISED = "give the model as it was before onnxruntime's optimiser fused its operators"

_HINTS: dict[str, str] = {
    **dict.fromkeys(("LpPool", "GlobalLpPool", "MaxRoiPool"), _AVERAGE),
    "Shrink": _FUNCTION,
    **dict.fromkeys(("LSTM", "GRU", "RNN", "Loop", "Scan"), _FEED_FORWARD),
    **dict.fromkeys(("LayerNormalization", "InstanceNormalization", "GroupNormalization", "LRN"), _BATCH_NORM),
    **dict.fromkeys(("RMSNormalization", "MeanVarianceNormalization", "LpNormalization"), _BATCH_NORM),
    **dict.fromkeys(("Attention", "MultiHeadAttention"), _NO_GATES),
    "DynamicQuantizeLinear": _NO_DYNAMIC,
    "If": "have the model written for one case, so that the condition is constant",
}

_OF_SCORES = frozenset({"ArgMax", "ArgMin", "TopK", "Softmax", "LogSoftmax", "Hardmax", "NonMaxSuppression"})
"""What is done to finished scores."""

_ELSEWHERE = "remove the operator from the network and retrain, or compute it outside of the model"


def hint_for(node: OnnxNode, *, is_readable: bool) -> str:
    """What the user can do about an operator that is not supported.

    ``is_readable`` tells whether the network up to the first value that ``node`` reads can be compiled.
    """
    if node.domain == "ai.onnx.ml":
        return _NO_TREES if node.operator.startswith("TreeEnsemble") else _NO_CLASSICAL
    if node.domain == "com.microsoft" and node.operator.startswith(("Fused", "Nchwc", "Bias", "Skip")):
        return _OPTIMISED
    if node.domain:
        return f"spikec knows the standard operators of ONNX alone: write {node.operator} with these"
    if node.operator in _OF_SCORES and is_readable:
        return f"to compile the network up to it, name the value that it reads: --output-name {node.input(0)}"
    return _HINTS.get(node.operator, _ELSEWHERE)
