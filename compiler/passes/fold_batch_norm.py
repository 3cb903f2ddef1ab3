"""Fold frozen batch norm into the convolution or dense layer before it.

    W'_c = W_c g_c,   b'_c = beta_c + (b_c - mu_c) g_c,   g_c = gamma_c / sqrt(var_c + eps)

(Xiong et al. 2025, eq. 7; b_c = 0 where the layer has no bias.) Several in a row fold one after the other. A batch
norm that follows anything else, or a layer that others read too, becomes a per-channel ``Scale`` and ``Offset``,
which ``compose-linear-maps`` folds further on.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...targets.records import dataclass
from ..ir.network import Network, Node, unused_name
from ..ir.operators import BatchNorm, Conv, Dense, FloatArray, Offset, Scale
from .contract import Compilation, Context, Outcome


@dataclass(frozen=True)
class FoldBatchNorm:
    """y = gamma (W x + b - mu) / sqrt(var + eps) + beta becomes y = W' x + b'."""

    name: str = "fold-batch-norm"
    preserves: bool = True

    def run(self, state: Compilation, context: Context) -> Outcome:
        """Fold every batch norm; ``folded`` and ``kept_as_scale`` count them."""
        folding = _Folding(state.network)
        network = folding.run()
        effect = {"folded": folding.folded, "kept_as_scale": folding.kept_as_scale}
        return Outcome(state if network is state.network else replace(state, network=network), effect)


class _Folding:
    """One walk over the network; ``_kept`` are the nodes of the result, ``_renamed`` the values that moved."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._kept: dict[str, Node] = {}
        self._renamed: dict[str, str] = {}
        self._readers = {network.output: 1}
        self._taken = {node.name for node in network.nodes}
        self.folded = self.kept_as_scale = 0
        for node in network.nodes:
            for name in node.inputs:
                self._readers[name] = self._readers.get(name, 0) + 1

    def run(self) -> Network:
        if not any(isinstance(node.operator, BatchNorm) for node in self._network.nodes):
            return self._network
        for node in self._network.nodes:
            self._add(node)
        output = self._renamed.get(self._network.output, self._network.output)
        return self._network.with_nodes(tuple(self._kept.values()), output)

    def _add(self, original: Node) -> None:
        inputs = tuple(self._renamed.get(name, name) for name in original.inputs)
        node = original if inputs == original.inputs else replace(original, inputs=inputs)
        if not isinstance(node.operator, BatchNorm):
            self._kept[node.name] = node
            return
        layer = self._kept.get(inputs[0])
        if layer is not None and isinstance(layer.operator, Conv | Dense) and self._readers[original.inputs[0]] == 1:
            # The layer keeps its name and takes the batch norm's place.
            del self._kept[layer.name]
            self._kept[layer.name] = _folded(layer, layer.operator, node, node.operator)
            self._renamed[node.name] = layer.name
            self.folded += 1
            return
        self._keep_as_scale(node, node.operator)

    def _keep_as_scale(self, node: Node, norm: BatchNorm) -> None:
        name = unused_name(f"{node.name}.scale", self._taken)
        self._taken.add(name)
        factor, amount = (_over_axes(values, len(node.shape)) for values in (norm.gain, norm.shift))
        self._kept[name] = Node(name, Scale(factor), node.inputs, node.shape, node.origins)
        self._kept[node.name] = Node(node.name, Offset(amount), (name,), node.shape, node.origins)
        self.kept_as_scale += 1


def _folded(layer: Node, operator: Conv | Dense, norm: Node, batch_norm: BatchNorm) -> Node:
    gain = batch_norm.gain
    weight = operator.weight * _over_axes(gain, operator.weight.ndim)
    bias = batch_norm.offset + (operator.bias - batch_norm.mean) * gain
    return Node(
        layer.name, replace(operator, weight=weight, bias=bias), layer.inputs, norm.shape, layer.origins + norm.origins
    )


def _over_axes(per_channel: FloatArray, dimensions: int) -> FloatArray:
    return np.asarray(per_channel.reshape(-1, *(1,) * (dimensions - 1)))
