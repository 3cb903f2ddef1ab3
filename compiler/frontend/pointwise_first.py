"""Activations in front of a change of layout that no single view describes, such as the weaving of DepthToSpace.

So an activation is laid out as the layer before it, whose weights it shares; what moves its entries comes behind.
"""

from __future__ import annotations

from dataclasses import replace

from ..ir.network import INPUT, Network, Node
from ..ir.operators import Clip, Floor, Offset, QuantizeClip, Relu, Reshape, Round, Scale, Shape, Transpose
from .views import View, whole


def pointwise_first(network: Network) -> Network:
    """Return the same function with operators that treat all entries alike brought before such changes of layout."""
    readers = {value: len(network.consumers(value)) for value in (INPUT, *(node.name for node in network.nodes))}
    readers[network.output] += 1
    nodes: dict[str, Node] = {}
    renamed: dict[str, str] = {}
    for original in network.nodes:
        node = replace(original, inputs=tuple(renamed.get(name, name) for name in original.inputs))
        moves = _moves_before(node, nodes, readers) if _treats_all_alike(node) else []
        source = moves[0].inputs[0] if moves else INPUT
        if not moves or _is_one_view(moves, nodes[source].shape):
            nodes[node.name] = node
            continue
        for move in moves:
            del nodes[move.name]
        first = nodes[node.name] = replace(node, inputs=(source,), shape=nodes[source].shape)
        for move in moves:
            nodes[move.name] = replace(move, inputs=(first.name,))
            first = nodes[move.name]
        renamed[node.name] = first.name
        readers[first.name], readers[node.name] = readers[node.name], 1
    return network.with_nodes(tuple(nodes.values()), renamed.get(network.output, network.output))


def _treats_all_alike(node: Node) -> bool:
    match node.operator:
        case Scale(factor=constant) | Offset(amount=constant):
            return constant.size == 1
        case operator:
            return isinstance(operator, Relu | Clip | Floor | Round | QuantizeClip)


def _moves_before(node: Node, nodes: dict[str, Node], readers: dict[str, int]) -> list[Node]:
    """Changes of layout in front of ``node``, in order, that nothing else reads; none where they are the input's."""
    moves: list[Node] = []
    value = node.inputs[0]
    while value != INPUT and isinstance(nodes[value].operator, Transpose | Reshape) and readers[value] == 1:
        moves.insert(0, nodes[value])
        value = nodes[value].inputs[0]
    return [] if value == INPUT else moves


def _is_one_view(moves: list[Node], shape: Shape) -> bool:
    """Whether one view shows a value of ``shape`` as it is behind ``moves``."""
    view: View | None = whole("", shape)
    for move in moves:
        if view is None:
            return False
        operator = move.operator
        view = view.permuted(operator.axes) if isinstance(operator, Transpose) else view.reshaped(move.shape)
    return view is not None
