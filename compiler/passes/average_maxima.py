"""Replace maxima by averages where the user asks for it: no neuron is needed, and the network is another one.

The ledger measures the original, so that what the replacement costs shows there.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...targets.diagnostic import Diagnostic, Place
from ...targets.records import dataclass
from ..ir.maxima import Maximum, MaxPool
from ..ir.network import Network, Node, unused_name
from ..ir.operators import Add, AveragePool, Scale
from .contract import Compilation, Context, Outcome
from .move_maxima import MAXIMA


@dataclass(frozen=True)
class AverageMaxima:
    """max(a, b) becomes (a + b) / 2 under the policy "average"; else nothing changes."""

    policy: str = "exact"
    name: str = "average-maxima"
    preserves: bool = False

    def run(self, state: Compilation, context: Context) -> Outcome:
        """Replace every maximum, and name it in a finding; ``averaged`` lists them."""
        network = state.network
        maxima = [node for node in network.nodes if isinstance(node.operator, MAXIMA)]
        if self.policy != "average" or not maxima:
            return Outcome(state, {"averaged": []})
        taken = {node.name for node in network.nodes}
        nodes = tuple(new for node in network.nodes for new in _averaged(network, node, taken))
        effect = {"averaged": [node.name for node in maxima]}
        return Outcome(replace(state, network=network.with_nodes(nodes)), effect, tuple(_finding(n) for n in maxima))


def _averaged(network: Network, node: Node, taken: set[str]) -> tuple[Node, ...]:
    operator = node.operator
    if isinstance(operator, Maximum):
        total = _before(node, taken)
        return replace(node, name=total, operator=Add()), _scaled(node, total, np.array(1 / len(node.inputs)))
    if not isinstance(operator, MaxPool):
        return (node,)
    if operator.dilation == (1, 1):
        counts = AveragePool(
            operator.kernel, operator.stride, operator.padding, count_padding=False, ceil=operator.ceil
        )
        return (replace(node, operator=counts),)
    _, *size = network.shape(node.inputs[0])
    summed = operator.summed((size[0], size[1]))
    total = _before(node, taken)
    divisor = summed.evaluate((np.ones((1, 1, *size)),))[0]
    return replace(node, name=total, operator=summed), _scaled(node, total, 1 / divisor)


def _before(node: Node, taken: set[str]) -> str:
    name = unused_name(f"{node.name}.total", taken)
    taken.add(name)
    return name


def _scaled(node: Node, total: str, factor: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Node:
    return replace(node, operator=Scale(factor), inputs=(total,))


def _finding(node: Node) -> Diagnostic:
    return Diagnostic(
        "W031",
        "the maximum is replaced by an average, as --maxima average asks",
        Place(layer=node.name, nodes=tuple(o.node for o in node.origins)),
        hint="read in the ledger what it costs, or leave --maxima away",
    )
