"""What to do about operators that have no counterpart in integrate-and-fire neurons."""

from __future__ import annotations

_AVERAGE = "retrain with average pooling or a strided convolution: a maximum of spike rates needs more than one neuron"
_CLIP = "retrain with a quantise-and-clip activation, or with ReLU clipped at a threshold"
_FEED_FORWARD = "only feed-forward networks can be compiled: use convolutions or dense layers over time"
_BATCH_NORM = "retrain with batch normalisation, whose statistics are fixed after training"
_NO_GATES = "integrate-and-fire neurons only add: remove attention and gates, then retrain"
_NO_INTEGERS = "give the float model with quantise-and-clip activations, not its integer deployment"

_HINTS: dict[str, str] = {
    **dict.fromkeys(("MaxPool", "GlobalMaxPool", "LpPool", "GlobalLpPool", "MaxRoiPool", "ReduceMax"), _AVERAGE),
    **dict.fromkeys(("Sigmoid", "HardSigmoid", "Tanh", "Softplus", "Softsign", "Erf", "Gelu", "Mish"), _CLIP),
    **dict.fromkeys(("LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "HardSwish", "Swish", "ThresholdedRelu"), _CLIP),
    **dict.fromkeys(("Abs", "Sign", "Ceil", "Exp", "Log", "Sqrt", "Pow", "Reciprocal", "Shrink"), _CLIP),
    **dict.fromkeys(("LSTM", "GRU", "RNN", "Loop", "Scan"), _FEED_FORWARD),
    **dict.fromkeys(("LayerNormalization", "InstanceNormalization", "GroupNormalization", "LRN"), _BATCH_NORM),
    **dict.fromkeys(("RMSNormalization", "MeanVarianceNormalization", "LpNormalization"), _BATCH_NORM),
    **dict.fromkeys(("Attention", "MultiHeadAttention", "Einsum", "Where", "ReduceSum"), _NO_GATES),
    **dict.fromkeys(("QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"), _NO_INTEGERS),
    **dict.fromkeys(("ArgMax", "TopK"), "take the scores before this node as the result of the model"),
    **dict.fromkeys(("Resize", "Upsample", "ConvTranspose", "DepthToSpace"), "retrain without upsampling"),
    "If": "export the model for one fixed input shape, so that the condition is constant",
}


def hint_for(operator: str, domain: str) -> str:
    """What the user can do about an operator that is not supported."""
    if domain:
        return f"export with operators of standard ONNX instead of {domain}.{operator}"
    return _HINTS.get(operator, "remove the operator from the network and retrain, or compute it outside of the model")
