"""Read scores before a quantiser at the end of the network that has more levels than there are steps.

As neurons it would count in T steps what the file counts in many more levels, and scores that differ would become
equal. The read-out integrates without firing, so the numbers before the quantiser are there at no cost. They are what
it rounds, and keep its order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...targets.diagnostic import Diagnostic, Place
from ..ir.network import Network, Node
from ..ir.operators import Offset, QuantizeClip, Reshape, Scale, Transpose
from .contract import Compilation, Context, Outcome


@dataclass(frozen=True)
class FreeScores:
    """Scores s u clip(round(x / u), -m, n) + p become s x + p where there are more levels m + n than steps."""

    name: str = "free-scores"
    preserves: bool = False

    def run(self, state: Compilation, context: Context) -> Outcome:
        """Leave out the last quantiser; ``freed`` names it. One from zero up is an activation and stays."""
        network = state.network
        last = _last_quantiser(network, context.timesteps)
        if last is None:
            return Outcome(state, {"freed": []})
        nodes = tuple(
            replace(node, inputs=tuple(last.inputs[0] if name == last.name else name for name in node.inputs))
            for node in network.nodes
            if node is not last
        )
        output = last.inputs[0] if network.output == last.name else network.output
        freed = replace(state, network=network.with_nodes(nodes, output))
        return Outcome(freed, {"freed": [last.name]}, (_remark(last, context.timesteps),))


def _last_quantiser(network: Network, timesteps: int) -> Node | None:
    """The quantiser with which ``network`` ends, but for linear maps, if its levels are lost in T steps."""
    nodes = {node.name: node for node in network.nodes}
    node = nodes.get(network.output)
    while node is not None and isinstance(node.operator, Scale | Offset | Reshape | Transpose):
        if len(network.consumers(node.inputs[0])) > 1:
            return None
        node = nodes.get(node.inputs[0])
    if node is None or not isinstance(node.operator, QuantizeClip) or (node.operator.levels or 0) <= timesteps:
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
        "the quantiser at the end has more levels than there are steps: scores are the numbers before it",
        Place(layer=quantiser.name, nodes=tuple(origin.node for origin in quantiser.origins)),
        measured=operator.levels,
        limit=timesteps,
        unit="levels",
        hint="nothing to do; they are what it would round",
    )
