"""Products and quotients of values that are both functions of one number: every spelling of a swish or a GELU.

Neurons multiply no two signals. But x * sigmoid(x), x * clip(x + 3, 0, 6) / 6 and x * (1 + erf(x / sqrt(2))) are
functions of x alone, whatever they are written with, and such a function is a sum of pieces.
"""

from __future__ import annotations

from ...ir.activations import Composite, Curve, LeakyRelu, Product, Quotient
from ...ir.network import Node, Origin
from ...ir.operators import Add, Clip, Offset, Operator, Relu, Scale
from ..builder import Builder, Tensor
from ..graph import OnnxNode

_MOST_STEPS = 64
"""Operators of one function; the longest spelling in use, GELU by tanh, has ten."""


def function_of_one(
    node: OnnxNode, builder: Builder, operator: Product | Quotient, left: Tensor, right: Tensor
) -> Tensor | None:
    """``operator`` on two values as one function of what both are computed from; None where that is no one value."""
    region = _region(builder, {left.value, right.value})
    if region is None or left.shape != right.shape:
        return None
    source, inner = region
    places = {source: 0, **{each.name: place for place, each in enumerate(inner, 1)}}
    steps = [(each.operator, tuple(places[name] for name in each.inputs)) for each in inner]
    steps.append((operator, (places[left.value], places[right.value])))
    origins = tuple(dict.fromkeys((*(o for each in inner for o in each.origins), Origin(node.name, node.operator))))
    name = builder.unique(node.name)
    builder.append([Node(name, Composite(tuple(steps)), (source,), left.sample, origins)])
    return builder.tensor_of(name)


def _region(builder: Builder, values: set[str]) -> tuple[str, list[Node]] | None:
    """The one value that ``values`` are computed from entry by entry, and the nodes in between in their order."""
    nodes = {node.name: (place, node) for place, node in enumerate(builder.nodes)}
    frontier = set(values)
    inner: list[Node] = []
    while len(frontier) > 1:
        known = [nodes[value] for value in frontier if value in nodes]
        _, latest = max(known, key=lambda each: each[0])
        if not _is_of_one_number(latest.operator) or len(inner) == _MOST_STEPS:
            return None
        inner.append(latest)
        frontier = (frontier - {latest.name}) | set(latest.inputs)
    (source,) = frontier
    return source, inner[::-1]


def _is_of_one_number(operator: Operator) -> bool:
    """Whether every entry of the result is the same function of the same entries of what is read."""
    match operator:
        case Scale(constant) | Offset(constant) | LeakyRelu(constant):
            return constant.size == 1
    return isinstance(operator, Add | Clip | Relu | Curve | Composite)
