"""Write activations of both signs as an excitatory and an inhibitory population: x = relu(x) - relu(-x).

    y = x where x > 0, else slope x:                     y = relu(x) - slope relu(-x)
    y = clip(x, -a, b):                                  y = clip(x, 0, b) - clip(-x, 0, a)
    y = u clip(floor(x / u + s), -m, n), 0 < s < 1:      the same, n levels on the one side and m on the other

The fan-out's weights carry slopes and signs. A range around zero is also one population with an offset behind it. The
pair resolves it in as many steps on either side, and zero takes no spikes at all; docs/activations.md has figures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..ir.activations import LeakyRelu
from ..ir.network import Network, Node, unused_name
from ..ir.operators import Add, Offset, Operator, QuantizeClip, Relu, Scale
from .activation_chain import FUZZ
from .contract import Compilation, Context, Outcome

_SMALLER_SIDE = 1 / 8
"""Share of a range on the smaller side of zero, below which a second population gains too little."""
_SHIFTS = (0.25, 0.75)
"""Roundings between which -x rounds as x does but at ties."""


@dataclass(frozen=True)
class ExpandActivations:
    """One ``LeakyRelu`` or two-sided ``QuantizeClip`` becomes the difference of two one-sided activations."""

    name: str = "expand-activations"
    preserves: bool = True

    def run(self, state: Compilation, context: Context) -> Outcome:
        """Expand every activation of both signs; ``pairs`` counts them.

        A quantiser with as many levels as there are steps stays one population, which has its very codes.
        """
        network = state.network
        expansion = _Expansion(network, context.timesteps)
        nodes = tuple(new for node in network.nodes for new in expansion.expanded(node))
        if not expansion.pairs:
            return Outcome(state, {"pairs": 0})
        return Outcome(replace(state, network=network.with_nodes(nodes)), {"pairs": expansion.pairs})


class _Expansion:
    """Replaces nodes one after the other and names what it adds."""

    def __init__(self, network: Network, timesteps: int) -> None:
        self._network = network
        self._timesteps = timesteps
        self._taken = {node.name for node in network.nodes}
        self.pairs = 0

    def expanded(self, node: Node) -> Iterator[Node]:
        """``node`` or what it becomes; the last of it has its name."""
        operator = node.operator
        if isinstance(operator, LeakyRelu):
            yield from self._pair(node, node.inputs[0], (Relu(), Relu()), operator.slope, None)
            return
        sides = self._sides(node)
        if sides is None:
            yield node
            return
        source, on, off, zero = sides
        yield from self._pair(node, source, (on, off), np.ones(()), zero)

    def _sides(self, node: Node) -> tuple[str, QuantizeClip, QuantizeClip, float] | None:
        """What is read without its offset, the activations of either side, and the value behind at zero."""
        front = next((n for n in self._network.nodes if n.name == node.inputs[0]), None)
        if front is None or not isinstance(node.operator, QuantizeClip) or not isinstance(front.operator, Offset):
            return None
        amount = front.operator.amount
        if amount.size != 1 or node.operator.levels == self._timesteps:
            return None
        sides = _around_zero(node.operator, float(amount.ravel()[0]))
        return None if sides is None else (front.inputs[0], *sides)

    def _pair(
        self,
        node: Node,
        source: str,
        sides: tuple[Operator, Operator],
        slope: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
        zero: float | None,
    ) -> Iterator[Node]:
        self.pairs += 1
        on = self._node(node, "on", sides[0], source)
        minus = self._node(node, "minus", Scale(np.array(-1.0)), source)
        off = self._node(node, "off", sides[1], minus.name)
        weighted = self._node(node, "slope", Scale(-slope), off.name)
        yield from (on, minus, off, weighted)
        if zero is None:
            yield replace(node, operator=Add(), inputs=(on.name, weighted.name))
            return
        total = replace(self._node(node, "sum", Add(), on.name), inputs=(on.name, weighted.name))
        yield total
        yield replace(node, operator=Offset(np.array(zero)), inputs=(total.name,))

    def _node(self, of: Node, part: str, operator: Operator, source: str) -> Node:
        name = unused_name(f"{of.name}.{part}", self._taken)
        self._taken.add(name)
        return Node(name, operator, (source,), of.shape, of.origins)


def _around_zero(operator: QuantizeClip, zero: float) -> tuple[QuantizeClip, QuantizeClip, float] | None:
    """The activation of x + ``zero`` as those of x and -x; None where x has one sign or a side is too small."""
    share = zero / operator.threshold
    if not _SMALLER_SIDE <= share <= 1 - _SMALLER_SIDE:
        return None
    if operator.levels is None:
        return QuantizeClip(operator.threshold - zero, None), QuantizeClip(zero, None), zero
    unit = operator.threshold / operator.levels
    below = round(zero / unit)
    if abs(zero / unit - below) > FUZZ * operator.levels or not _SHIFTS[0] <= operator.shift <= _SHIFTS[1]:
        return None
    above = operator.levels - below
    on = QuantizeClip(above * unit, above, operator.shift)
    return on, QuantizeClip(below * unit, below, 1 - operator.shift), below * unit
