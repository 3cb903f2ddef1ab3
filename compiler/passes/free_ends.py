"""Take the input, and read the scores, without quantisers at these ends that have more levels than there are steps.

As neurons they would count in T steps what the file counts in many more levels. The input is sent as graded integers,
which need no neurons, and the read-out integrates without firing: the numbers on the other side of the quantiser are
there at no cost. So it is within the network where calibration data shows that a quantiser only rounds
(see ``inner_quantisers``).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...targets.diagnostic import Diagnostic, Place
from ...targets.records import dataclass
from ..ir.network import INPUT, Network, Node, evaluate
from ..ir.operators import Offset, QuantizeClip, Reshape, Scale, Transpose
from ..ir.outputs import Outputs
from .contract import Compilation, Context, Outcome
from .encode_input import input_range
from .inner_quantisers import next_rounding

_MANY_LEVELS = 31
"""Levels of 5 bits: of an input that is quantised to fewer, the levels are meant."""
_LINEAR = (Scale, Offset, Reshape, Transpose)


@dataclass(frozen=True)
class FreeEnds:
    """u clip(round(x / u), -m, n) becomes x right behind the input, and as the last thing before a result."""

    name: str = "free-ends"
    preserves: bool = False

    def run(self, state: Compilation, context: Context) -> Outcome:
        """Leave out the quantisers at the ends; ``freed`` names them.

        At the input one that clips nothing of what the input can be; at the end one on both sides of zero, since
        one from zero up is an activation; within, one that only rounds on calibration data.
        """
        network = state.network
        found = (_first_quantiser(network, context), *(_last_quantiser(network, value) for value in network.results))
        quantisers = [each for each in dict.fromkeys(found) if each is not None and _loses_levels(each, context)]
        for quantiser in quantisers:
            network = _without(network, quantiser)
        while (inner := next_rounding(network, _many_levelled(network, context), context)) is not None:
            quantisers.append(inner)
            network = _without(network, inner)
        if not quantisers:
            return Outcome(state, {"freed": []})
        remarks = tuple(_remark(each, context.timesteps) for each in quantisers)
        return Outcome(replace(state, network=network), {"freed": [each.name for each in quantisers]}, remarks)


def _many_levelled(network: Network, context: Context) -> tuple[Node, ...]:
    return tuple(n for n in network.nodes if _levels(n) >= _MANY_LEVELS and _loses_levels(n, context))


def _levels(node: Node) -> int:
    return (node.operator.levels or 0) if isinstance(node.operator, QuantizeClip) else 0


def _loses_levels(quantiser: Node, context: Context) -> bool:
    levels = quantiser.operator.levels if isinstance(quantiser.operator, QuantizeClip) else None
    return levels is not None and levels > context.most_levels


def _without(network: Network, left_out: Node) -> Network:
    nodes = tuple(
        replace(node, inputs=tuple(left_out.inputs[0] if name == left_out.name else name for name in node.inputs))
        for node in network.nodes
        if node.name != left_out.name
    )
    return network.with_nodes(nodes, left_out.inputs[0] if network.output == left_out.name else network.output)


def _first_quantiser(network: Network, context: Context) -> Node | None:
    """The quantiser that alone reads the input, but for linear maps, if nothing can be beyond its range."""
    chain: list[Node] = []
    value = INPUT
    while len(readers := network.consumers(value)) == 1 and isinstance(readers[0].operator, _LINEAR):
        chain.append(readers[0])
        value = readers[0].name
    if len(readers) != 1 or not isinstance(readers[0].operator, QuantizeClip):
        return None
    (quantiser,), operator = readers, readers[0].operator
    if (operator.levels or 0) < _MANY_LEVELS:
        return None
    ends = np.stack([np.full(network.input_shape, end) for end in input_range(network.integers, context)])
    reached = evaluate(network.with_nodes(tuple(chain), value), ends)[value]
    level = operator.threshold / (operator.levels or 1)
    is_inside = bool(reached.min() >= -level and reached.max() <= operator.threshold + level)
    return quantiser if is_inside else None


def _last_quantiser(network: Network, result: str) -> Node | None:
    """The two-sided quantiser with which ``network`` ends at ``result``, but for linear maps."""
    nodes = {node.name: node for node in network.nodes}
    if network.outputs and any(not isinstance(reader.operator, Outputs) for reader in network.consumers(result)):
        return None
    node = nodes.get(result)
    while node is not None and isinstance(node.operator, _LINEAR):
        if len(network.consumers(node.inputs[0])) > 1:
            return None
        node = nodes.get(node.inputs[0])
    if node is None or not isinstance(node.operator, QuantizeClip):
        return None
    front = nodes.get(node.inputs[0])
    if front is None or not isinstance(front.operator, Offset):
        return None
    is_two_sided = (front.operator.amount > 0) & (front.operator.amount < node.operator.threshold)
    return node if is_two_sided.all() else None


def _remark(quantiser: Node, timesteps: int) -> Diagnostic:
    operator = quantiser.operator
    assert isinstance(operator, QuantizeClip)
    return Diagnostic(
        "I031",
        "a quantiser has more levels than there are steps and is no activation, and is left out",
        Place(layer=quantiser.name, nodes=tuple(origin.node for origin in quantiser.origins)),
        measured=operator.levels,
        limit=timesteps,
        unit="levels",
        hint="nothing to do; the numbers that it would round are there without neurons",
    )
