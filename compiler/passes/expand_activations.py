"""Write activations of both signs as an excitatory and an inhibitory population: x = relu(x) - relu(-x).

    y = x where x > 0, else slope x:                     y = relu(x) - slope relu(-x)
    y = clip(x, -a, b):                                  y = clip(x, 0, b) - clip(-x, 0, a)
    y = u clip(floor(x / u + s), -m, n), 0 < s < 1:      the same, n levels on the one side and m on the other

Behind a LeakyRelu whose slope is not negative, the last two read x on the one side and -slope x on the other. The
fan-out's weights carry slopes and signs. Where neurons are graded and messages have a sign, the third is one
population, exact at ties as well. A range around zero is also one population with an offset behind it. The pair
resolves it in as many steps on either side, and zero takes no spikes at all; docs/activations.md has figures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field, replace

import numpy as np

from ...targets.records import dataclass
from ..ir.activations import LeakyRelu
from ..ir.network import Network, Node, needed, unused_name
from ..ir.operators import Add, FloatArray, Offset, Operator, QuantizeClip, Relu, Scale
from ..ir.signed_quantiser import SignedQuantizeClip
from .activation_chain import FUZZ
from .contract import Compilation, Context, Outcome

_SMALLER_SIDE = 1 / 8
"""Share of a range on the smaller side of zero, below which a second population gains too little."""
_SHIFTS = (0.25, 0.75)
"""Roundings between which -x rounds as x does but at ties."""


@dataclass(frozen=True)
class ExpandActivations:
    """One ``LeakyRelu`` or two-sided ``QuantizeClip`` becomes the difference of two one-sided activations.

    Where messages have a sign, a quantiser is one activation with levels below zero.
    """

    name: str = "expand-activations"
    preserves: bool = True

    def run(self, state: Compilation, context: Context) -> Outcome:
        """Expand every activation of both signs; ``pairs`` counts them, ``signed`` names those that stay one.

        A quantiser with as many levels as there are steps stays one population, which has its very codes.
        """
        network = state.network
        expansion = _Expansion(network, context)
        nodes = tuple(new for node in network.nodes for new in expansion.expanded(node))
        kept = needed(nodes, network.output)
        names = frozenset(node.name for node in kept)
        pairs, signed = len(expansion.off_sides & names), sorted(expansion.signed & names)
        effect = {"pairs": pairs, **({"signed": signed} if signed else {})}
        if not (pairs or signed):
            return Outcome(state, effect)
        return Outcome(replace(state, network=network.with_nodes(kept)), effect)


def _one() -> FloatArray:
    return np.ones(())


@dataclass(frozen=True, slots=True, eq=False)
class _Pair:
    """y = on(gain x) - slope off(-other x) + zero, x being the value ``source``."""

    source: str
    on: Operator
    off: Operator
    gain: FloatArray = field(default_factory=_one)
    other: FloatArray = field(default_factory=_one)
    slope: FloatArray = field(default_factory=_one)
    zero: float = 0.0


class _Expansion:
    """Replaces nodes one after the other and names what it adds."""

    def __init__(self, network: Network, context: Context) -> None:
        self._network = network
        self._nodes = {node.name: node for node in network.nodes}
        self._timesteps = context.timesteps
        self._has_signs = context.graded and context.target.has_signed_payloads
        self._taken = set(self._nodes)
        self.off_sides: set[str] = set()
        self.signed: set[str] = set()

    def expanded(self, node: Node) -> Iterator[Node]:
        """``node`` or what it becomes; the last of it has its name, and those in front may be left without a reader."""
        signed = self._signed(node)
        if signed is not None:
            self.signed.add(signed.name)
            yield signed
            assert isinstance(signed.operator, SignedQuantizeClip)
            yield replace(node, operator=Offset(np.array(signed.operator.below)), inputs=(signed.name,))
            return
        pair = self._pair(node)
        if pair is None:
            yield node
            return
        source = pair.source
        if (pair.gain != 1).any():
            yield (scaled := self._node(node, "plus", Scale(pair.gain), source))
            source = scaled.name
        on = self._node(node, "on", pair.on, source)
        minus = self._node(node, "minus", Scale(-pair.other), pair.source)
        off = self._node(node, "off", pair.off, minus.name)
        self.off_sides.add(off.name)
        weighted = self._node(node, "slope", Scale(-pair.slope), off.name)
        yield from (on, minus, off, weighted)
        if pair.zero == 0:
            yield replace(node, operator=Add(), inputs=(on.name, weighted.name))
            return
        total = replace(self._node(node, "sum", Add(), on.name), inputs=(on.name, weighted.name))
        yield total
        yield replace(node, operator=Offset(np.array(pair.zero)), inputs=(total.name,))

    def _signed(self, node: Node) -> Node | None:
        """A quantiser of a value that an offset moves up by whole levels, as one of the value itself.

        None behind a LeakyRelu, which a pair takes in.
        """
        front = self._nodes.get(node.inputs[0])
        if not self._has_signs or front is None or not isinstance(front.operator, Offset):
            return None
        operator, amount, source = node.operator, front.operator.amount, front.inputs[0]
        if not isinstance(operator, QuantizeClip) or operator.levels is None or amount.size != 1:
            return None
        unit = operator.threshold / operator.levels
        below = round(float(amount.ravel()[0]) / unit)
        is_whole = abs(float(amount.ravel()[0]) / unit - below) <= FUZZ * operator.levels
        if not is_whole or not 1 <= below < operator.levels or self._leaky(source) is not None:
            return None
        signed = SignedQuantizeClip(operator.threshold, operator.levels, operator.shift, below * unit)
        return self._node(node, "signed", signed, source)

    def _pair(self, node: Node) -> _Pair | None:
        if isinstance(node.operator, LeakyRelu):
            return _Pair(node.inputs[0], Relu(), Relu(), slope=node.operator.slope)
        front = self._nodes.get(node.inputs[0])
        if front is None or not isinstance(node.operator, QuantizeClip) or not isinstance(front.operator, Offset):
            return None
        amount = front.operator.amount
        if amount.size != 1 or node.operator.levels == self._timesteps:
            return None
        leaky = self._leaky(front.inputs[0])
        smallest = _SMALLER_SIDE if leaky is None else 0.0
        sides = _around_zero(node.operator, float(amount.ravel()[0]), smallest)
        if sides is None:
            return None
        on, off, zero = sides
        if leaky is None:
            return _Pair(front.inputs[0], on, off, zero=zero)
        source, gain, slope = leaky
        return _Pair(source, on, off, gain, gain * slope, zero=zero)

    def _leaky(self, value: str) -> tuple[str, FloatArray, FloatArray] | None:
        """What a LeakyRelu in front of ``value`` reads, a positive factor behind it, and its slope.

        None where there is none, or one that others read too, so that its own pair is needed.
        """
        node, gain = self._nodes.get(value), _one()
        if node is not None and isinstance(node.operator, Scale) and (node.operator.factor > 0).all():
            gain = node.operator.factor
            if not self._is_read_once(value):
                return None
            value = node.inputs[0]
            node = self._nodes.get(value)
        if node is None or not isinstance(node.operator, LeakyRelu) or not self._is_read_once(value):
            return None
        slope = node.operator.slope
        return (node.inputs[0], gain, slope) if (slope >= 0).all() and slope.any() else None

    def _is_read_once(self, value: str) -> bool:
        return len(self._network.consumers(value)) == 1 and value != self._network.output

    def _node(self, of: Node, part: str, operator: Operator, source: str) -> Node:
        name = unused_name(f"{of.name}.{part}", self._taken)
        self._taken.add(name)
        return Node(name, operator, (source,), of.shape, of.origins)


def other_side(network: Network, node: Node) -> Node | None:
    """The activation that, with ``node``, makes a pair: it reads the same value with the other sign."""
    nodes = {each.name: each for each in network.nodes}
    front = nodes.get(node.inputs[0])
    if front is not None and _turns(front):
        candidates = network.consumers(front.inputs[0])
    else:
        turned = (each for each in network.consumers(node.inputs[0]) if _turns(each))
        candidates = tuple(reader for each in turned for reader in network.consumers(each.name))
    return next((each for each in candidates if isinstance(each.operator, Relu | QuantizeClip)), None)


def _turns(node: Node) -> bool:
    return isinstance(node.operator, Scale) and bool((node.operator.factor == -1).all())


def _around_zero(
    operator: QuantizeClip, zero: float, smallest: float
) -> tuple[QuantizeClip, QuantizeClip, float] | None:
    """The activation of x + ``zero`` as those of x and -x; None where x has one sign or a side is too small."""
    share = zero / operator.threshold
    if not (0 < share < 1 and smallest <= share <= 1 - smallest):
        return None
    if operator.levels is None:
        return QuantizeClip(operator.threshold - zero, None), QuantizeClip(zero, None), zero
    unit = operator.threshold / operator.levels
    below = round(zero / unit)
    above = operator.levels - below
    if abs(zero / unit - below) > FUZZ * operator.levels or not _SHIFTS[0] <= operator.shift <= _SHIFTS[1]:
        return None
    if min(below, above) < 1:
        return None
    on = QuantizeClip(above * unit, above, operator.shift)
    return on, QuantizeClip(below * unit, below, 1 - operator.shift), below * unit
