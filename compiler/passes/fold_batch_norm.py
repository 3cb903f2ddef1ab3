"""Fold frozen batch norm into the convolution or dense layer before it.

    W'_c = W_c g_c,   b'_c = beta_c + (b_c - mu_c) g_c,   g_c = gamma_c / sqrt(var_c + eps)

(Xiong et al. 2025, eq. 7; b_c = 0 where the layer has no bias.) A batch norm that follows anything else, or a layer
that others read too, becomes a per-channel ``Scale`` and ``Offset``, which ``compose-linear-maps`` folds further on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..ir.network import Network, Node
from ..ir.operators import BatchNorm, Conv, Dense, FloatArray, Offset, Scale
from .contract import Compilation, Context, Outcome


@dataclass(frozen=True)
class FoldBatchNorm:
    """y = gamma (W x + b - mu) / sqrt(var + eps) + beta becomes y = W' x + b'."""

    name: str = "fold-batch-norm"
    preserves: bool = True

    def run(self, state: Compilation, context: Context) -> Outcome:
        """Fold every batch norm; ``folded`` and ``kept_as_scale`` count them."""
        network = state.network
        norms = [node for node in network.nodes if isinstance(node.operator, BatchNorm)]
        if not norms:
            return Outcome(state, {"folded": 0, "kept_as_scale": 0})
        folded = 0
        for norm in norms:
            weighted = _foldable_layer(network, norm)
            folded += weighted is not None
            network = _as_scale_and_offset(network, norm) if weighted is None else _fold(network, norm, weighted)
        effect = {"folded": folded, "kept_as_scale": len(norms) - folded}
        return Outcome(replace(state, network=network), effect)


def _foldable_layer(network: Network, norm: Node) -> Node | None:
    source = next((node for node in network.nodes if node.name == norm.inputs[0]), None)
    if source is None or not isinstance(source.operator, Conv | Dense):
        return None
    read_elsewhere = len(network.consumers(source.name)) > 1 or network.output == source.name
    return None if read_elsewhere else source


def _fold(network: Network, norm: Node, weighted: Node) -> Network:
    """The layer keeps its name and takes the batch norm's place."""
    operator, batch_norm = weighted.operator, norm.operator
    assert isinstance(operator, Conv | Dense)
    assert isinstance(batch_norm, BatchNorm)
    gain = batch_norm.gain
    merged = Node(
        weighted.name,
        replace(
            operator,
            weight=operator.weight * _over_axes(gain, operator.weight.ndim),
            bias=batch_norm.offset + (operator.bias - batch_norm.mean) * gain,
        ),
        weighted.inputs,
        norm.shape,
        weighted.origins + norm.origins,
    )

    def reading_layer(node: Node) -> Node:
        inputs = tuple(weighted.name if name == norm.name else name for name in node.inputs)
        return node if inputs == node.inputs else replace(node, inputs=inputs)

    kept = (merged if node is norm else reading_layer(node) for node in network.nodes if node is not weighted)
    output = weighted.name if network.output == norm.name else network.output
    return network.with_nodes(tuple(kept), output)


def _as_scale_and_offset(network: Network, norm: Node) -> Network:
    batch_norm = norm.operator
    assert isinstance(batch_norm, BatchNorm)
    gain = batch_norm.gain
    dimensions = len(norm.shape)
    scale = Node(f"{norm.name}.scale", Scale(_over_axes(gain, dimensions)), norm.inputs, norm.shape, norm.origins)
    amount = _over_axes(batch_norm.offset - batch_norm.mean * gain, dimensions)
    offset = Node(norm.name, Offset(amount), (scale.name,), norm.shape, norm.origins)
    nodes: list[Node] = []
    for node in network.nodes:
        nodes += [scale, offset] if node is norm else [node]
    return network.with_nodes(tuple(nodes))


def _over_axes(per_channel: FloatArray, dimensions: int) -> FloatArray:
    return np.asarray(per_channel.reshape(-1, *(1,) * (dimensions - 1)))
