"""What ends a network and keeps the order of a sample's scores: left out, so that the scores are those before it.

A sigmoid, a softmax over all scores, the choice of the best, and quantising or scaling behind them do not change
which score is higher, so neurons need not compute them. A result that joins several heads keeps its order per head.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import field, replace

import numpy as np

from ...targets.records import dataclass
from ..ir.activations import RISING, Curve
from ..ir.network import Node
from ..ir.operators import Add, Clip, Floor, Offset, Pad, Reshape, Round, Scale, Transpose
from .operators.heads import ScoreHead

_LAYOUT = (Reshape, Transpose)
WEAK = (Round, Clip, Floor)
"""Operators that keep the order of two scores or make them equal."""


@dataclass(frozen=True, slots=True, eq=False)
class Ended:
    """``result`` without what ended it, among ``nodes``; what only others still read is among them too.

    ``dropped`` are the nodes that it stands before, from the result backwards. ``parts`` are the sizes of parts
    between which the order of the scores is not kept; none where it is. ``joined`` tells that there are several ends.
    """

    nodes: tuple[Node, ...]
    result: str
    dropped: tuple[Node, ...] = ()
    parts: tuple[int, ...] = ()
    joined: bool = False


def without_ends(nodes: tuple[Node, ...], result: str, unique: Callable[[str], str]) -> Ended:
    """Leave out what keeps the order of the scores; ``unique`` makes names for nodes that are added."""
    dropping = _Dropping({node.name: node for node in nodes}, unique)
    ended = dropping.ended(result)
    return Ended((*nodes, *dropping.added), ended, tuple(dropping.dropped), tuple(dropping.parts), dropping.joined)


def layout_end(nodes: tuple[Node, ...], result: str) -> str:
    """The value that ``result`` has under another shape or order of axes."""
    by_name = {node.name: node for node in nodes}
    while (node := by_name.get(result)) is not None and isinstance(node.operator, _LAYOUT):
        result = node.inputs[0]
    return result


@dataclasses.dataclass(slots=True)
class _Dropping:
    nodes: dict[str, Node]
    unique: Callable[[str], str]
    added: list[Node] = field(default_factory=list)
    dropped: list[Node] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)
    joined: bool = False

    def ended(self, value: str) -> str:
        """Name of the value that stands for ``value`` once its end is left out."""
        end = self._end(value)
        source = end[-1].inputs[0] if end else value
        self.dropped += [node for node in end if not isinstance(node.operator, _LAYOUT)]
        heads = [node.operator for node in end if isinstance(node.operator, ScoreHead)]
        joined = source if heads else self._without_ends_of_parts(source)
        if joined == value:
            return value
        # What is behind the choice of the best has the shape of the choice.
        keeps_shape = not any(head.chooses for head in heads)
        joined = self._moved(joined, [node for node in end if isinstance(node.operator, _LAYOUT) and keeps_shape])
        return self._turned(joined, end) if _turns(end) else joined

    def _end(self, value: str) -> list[Node]:
        """Nodes from ``value`` back to the first that a network may end with, and all that belong to its origin."""
        chain: list[Node] = []
        while (node := self.nodes.get(value)) is not None and _keeps_order(node):
            chain.append(node)
            value = node.inputs[0]
        last = max((place for place, each in enumerate(chain) if _is_function(each)), default=-1)
        while 0 <= last < len(chain) - 1 and chain[last + 1].origins == chain[last].origins:
            last += 1
        return chain[: last + 1]

    def _without_ends_of_parts(self, value: str) -> str:
        """Result that joins several, each without its end; ``value`` itself where it is none or nothing ends them."""
        source = layout_end(tuple(self.nodes.values()), value)
        node = self.nodes.get(source)
        if node is None or not _joins(node, self.nodes):
            return value
        pads = [self.nodes[name] for name in node.inputs]
        # Where one part has no head, what is joined are features.
        if not all(self._end(pad.inputs[0]) for pad in pads):
            return value
        ends = [self.ended(pad.inputs[0]) for pad in pads]
        self.joined = True
        if not self._is_one_function(pads):
            self.parts += [math.prod(self.nodes[pad.inputs[0]].shape) for pad in pads if pad.inputs[0] in self.nodes]
        padded = [self._add(replace(pad, inputs=(end,))) for pad, end in zip(pads, ends, strict=True)]
        joined = self._add(replace(node, inputs=tuple(padded)))
        return self._moved(joined, self._layout(value, source))

    def _layout(self, value: str, source: str) -> list[Node]:
        layout = []
        while value != source:
            layout.append(self.nodes[value])
            value = layout[-1].inputs[0]
        return layout

    def _moved(self, value: str, layout: list[Node]) -> str:
        for node in reversed(layout):
            value = self._add(replace(node, inputs=(value,)))
        return value

    def _is_one_function(self, pads: list[Node]) -> bool:
        """Whether all parts end with the same function of each score alone."""
        ends = [
            [node.operator for node in self._end(pad.inputs[0]) if not isinstance(node.operator, _LAYOUT)]
            for pad in pads
        ]
        return all(end == ends[0] and all(isinstance(operator, Curve) for operator in end) for end in ends)

    def _turned(self, value: str, end: list[Node]) -> str:
        node = next(node for node in end if isinstance(node.operator, Scale))
        named = (each.shape for each in (*self.added, *self.nodes.values()) if each.name == value)
        # The input is no node: its shape is that of what reads it.
        shape = next(named, end[-1].shape)
        return self._add(Node(node.name, Scale(np.array(-1.0)), (value,), shape, node.origins))

    def _add(self, node: Node) -> str:
        named = replace(node, name=self.unique(f"{node.name}.score"))
        self.added.append(named)
        return named.name


def _keeps_order(node: Node) -> bool:
    """Whether the result has the order of what is read, or the reverse of it for a negative factor."""
    match node.operator:
        case Scale(factor):
            return factor.size == 1 and bool(factor.ravel()[0])
        case Offset(amount):
            return amount.size == 1
        case Curve(function):
            return function in RISING
        case ScoreHead():
            return node.operator.problem is None
    return isinstance(node.operator, (*_LAYOUT, *WEAK))


def _is_function(node: Node) -> bool:
    """Whether a node is a head itself; layout, factors and quantisers only stand behind one."""
    if isinstance(node.operator, Clip):
        return any(origin.operator == "HardSigmoid" for origin in node.origins)
    return isinstance(node.operator, ScoreHead | Curve)


def _turns(end: list[Node]) -> bool:
    negative = [n for n in end if isinstance(n.operator, Scale) and n.operator.factor.ravel()[0] < 0]
    return len(negative) % 2 == 1


def _joins(node: Node, nodes: dict[str, Node]) -> bool:
    """Whether a sum puts its parts side by side: every one padded to a place of its own."""
    if not isinstance(node.operator, Add):
        return False
    pads = [nodes.get(name) for name in node.inputs]
    taken = np.zeros(node.shape, dtype=np.int64)
    for pad in pads:
        if pad is None or not isinstance(pad.operator, Pad) or min((*pad.operator.before, *pad.operator.after)) < 0:
            return False
        ends = (n - a for n, a in zip(pad.shape, pad.operator.after, strict=True))
        taken[tuple(slice(b, e) for b, e in zip(pad.operator.before, ends, strict=True))] += 1
    return bool((taken == 1).all())
