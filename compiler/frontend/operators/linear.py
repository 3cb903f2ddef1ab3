"""Convolutions, dense layers and batch normalisation."""

from __future__ import annotations

import numpy as np

from ....runtime.program.geometry import ConvGeometry
from ...ir.operators import BatchNorm, Conv, Dense, FloatArray
from ..builder import Builder, Tensor, Value
from ..graph import OnnxNode
from ..refusal import Refusal
from .handler import Handler
from .volumes import conv_of_volume
from .windows import as_map, from_map, read_windows


def _conv(node: OnnxNode, builder: Builder) -> Value:
    tensor = builder.tensor(node)
    weight = builder.weights(node, 1, "the weight")
    bias = builder.weights(node, 2, "the bias") if node.input(2) else np.zeros(weight.shape[:1])
    spatial = weight.ndim - 2
    if spatial not in (1, 2, 3) or len(tensor.shape) != weight.ndim:
        raise Refusal(
            "E102",
            f"Conv has a weight of shape {weight.shape} on a value of shape {tensor.shape}",
            "use one- or two-dimensional convolutions on (batch, channels, ...)",
        )
    groups = node.integer("group", 1)
    if groups < 1 or weight.shape[0] % groups or tensor.shape[1] != weight.shape[1] * groups:
        raise Refusal(
            "E012",
            f"Conv has a weight of shape {weight.shape} in {groups} groups on {tensor.shape[1]} channels",
            "onnx.shape_inference shows the shapes; they have to be mended where the file is written",
        )
    if bias.shape != weight.shape[:1]:
        raise Refusal(
            "E012",
            f"Conv has a bias of shape {bias.shape} for {weight.shape[0]} channels",
            "give every channel one bias",
        )
    if spatial == 3:
        return conv_of_volume(node, builder, tensor, weight, bias)
    windows = read_windows(node, tensor.sample, tuple(weight.shape[2:]))
    kernel = weight.reshape(*weight.shape[:2], *windows.kernel)
    geometry = ConvGeometry(windows.stride, windows.padding, windows.dilation, groups)
    result = builder.emit(node, Conv(kernel, bias, geometry), as_map(node, builder, tensor))
    return from_map(node, builder, result, spatial)


def _gemm(node: OnnxNode, builder: Builder) -> Value:
    if isinstance(builder.value(node, 1), Tensor):
        raise Refusal(
            "E103",
            "Gemm multiplies by a matrix that depends on the network's input",
            "synapses are fixed numbers: attention and other products of signals have no counterpart",
        )
    weight = builder.weights(node, 1, "the weight")
    builder.require_batch_first(node.integer("transA", 0) == 0, node, "transposes its input, which mixes samples")
    tensor = builder.tensor(node)
    _require_matrix(weight, tensor, node)
    scaled = node.number("alpha", 1.0) * (weight if node.integer("transB", 0) else weight.T)
    bias = np.zeros(scaled.shape[0])
    if node.input(2):
        added = node.number("beta", 1.0) * builder.weights(node, 2, "the bias")
        rows = added.reshape(1, -1) if added.ndim < 2 else added
        builder.require_batch_first(
            len(rows) in (1, builder.batch) and bool((rows == rows[:1]).all()),
            node,
            "adds a bias that differs between samples",
        )
        bias = _broadcast(rows[0], bias.shape, node)
    return builder.emit(node, Dense(np.ascontiguousarray(scaled), bias), tensor)


def _broadcast(array: FloatArray, shape: tuple[int, ...], node: OnnxNode) -> FloatArray:
    try:
        return np.broadcast_to(array, shape).copy()
    except ValueError:
        hint = "onnx.shape_inference shows the shapes; they have to be mended where the file is written"
        raise Refusal("E012", f"{node.operator} has a bias of shape {array.shape} for {shape} outputs", hint) from None


def _require_matrix(weight: FloatArray, tensor: Tensor, node: OnnxNode) -> None:
    if weight.ndim != 2 or len(tensor.shape) < 2:
        raise Refusal(
            "E012",
            f"{node.operator} has a weight of shape {weight.shape} on a value of shape {tensor.shape}",
            "multiply (batch, features) by one matrix (features, outputs)",
        )


def _batch_norm(node: OnnxNode, builder: Builder) -> Value:
    if node.integer("training_mode", 0) != 0:
        raise Refusal(
            "E102",
            "BatchNormalization is in training mode",
            "have the model written in evaluation mode, by model.eval() in torch",
        )
    tensor = builder.tensor(node)
    parts = [builder.weights(node, k, what) for k, what in enumerate(("scale", "offset", "mean", "variance"), 1)]
    channels = tensor.sample[:1]
    if any(part.shape != channels for part in parts):
        shapes = ", ".join(str(part.shape) for part in parts)
        hint = "onnx.shape_inference shows the shapes; they have to be mended where the file is written"
        raise Refusal("E012", f"BatchNormalization has statistics of shapes {shapes} for channels {channels}", hint)
    epsilon = node.number("epsilon", 1e-5)
    if not (parts[3] + epsilon > 0).all():
        hint = "the statistics are damaged: go back to an earlier checkpoint"
        raise Refusal("E004", "BatchNormalization has a variance that is not positive", hint)
    return builder.emit(node, BatchNorm(parts[0], parts[1], parts[2], parts[3], epsilon), tensor)


HANDLERS: dict[str, Handler] = {
    "Conv": _conv,
    "Gemm": _gemm,
    "BatchNormalization": _batch_norm,
}
