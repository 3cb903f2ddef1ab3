"""Changes of layout behind operators that change the input's own values, brought in front of these.

A permuted map from the input costs nothing: the samples may as well come in that layout.
"""

from __future__ import annotations

from dataclasses import replace

from ..ir.activations import EXPANDED
from ..ir.network import INPUT, Network, Node
from ..ir.operators import ELEMENTWISE, Operator, Pad, Reshape, Shape, Slice, Transpose
from .views import View, whole, window_on


def moves_first(network: Network) -> Network:
    """Return the same function with transposes and reshapes that follow such operators in front of these."""
    chain = _chain_from_input(network)
    shape = network.input_shape
    moves: list[Node] = []
    operators: list[Node] = []
    for node in chain:
        if not isinstance(node.operator, Transpose | Reshape):
            operators.append(node)
            continue
        swapped = _swapped(operators, node, shape)
        if swapped is None:
            return network
        move, *operators = swapped
        shape = move.shape
        moves.append(move)
    wired: list[Node] = []
    for node in (*moves, *operators):
        wired.append(replace(node, inputs=(wired[-1].name if wired else INPUT,)))
    last = {node.name: wired[-1].name for node in chain[-1:]}
    gone = {node.name for node in chain}
    rest = [
        replace(node, inputs=tuple(last.get(name, name) for name in node.inputs))
        for node in network.nodes
        if node.name not in gone
    ]
    return network.with_nodes((*wired, *rest), last.get(network.output, network.output))


def _chain_from_input(network: Network) -> list[Node]:
    """Nodes from the input to its last move, as long as each value has one reader."""
    chain: list[Node] = []
    value = INPUT
    while len(readers := network.consumers(value)) == 1 and value != network.output:
        if not isinstance(readers[0].operator, (*ELEMENTWISE, *EXPANDED, Pad, Slice, Transpose, Reshape)):
            break
        chain.append(readers[0])
        value = chain[-1].name
    while chain and not isinstance(chain[-1].operator, Transpose | Reshape):
        chain.pop()
    return chain


def _swapped(operators: list[Node], move: Node, shape: Shape) -> list[Node] | None:
    """``move`` followed by ``operators`` that do the same on the moved value, ``shape`` being what the first reads.

    None where that cannot be.
    """
    after: list[Node] = []
    shapes = [shape, *(node.shape for node in operators)]
    for node, read in zip(reversed(operators), reversed(shapes[:-1]), strict=True):
        before = _before(node.shape, move, read)
        if before is None:
            return None
        axes, view = before
        operator = _in_layout(node.operator, axes, view)
        moving = move.operator if isinstance(move.operator, Transpose) else Reshape(view.shape)
        if operator is None or moving.result_shape((read,)) != view.shape:
            return None
        if operator.result_shape((view.shape,)) != move.shape:
            return None
        after.insert(0, replace(node, operator=operator, shape=move.shape))
        move = replace(move, operator=moving, shape=view.shape)
    return [move, *after]


def _before(shape: Shape, move: Node, read: Shape) -> tuple[tuple[int | None, ...], View] | None:
    """Where each axis of ``move``'s result comes from, and ``read`` in its layout; None where that is no reshape.

    Where ``shape``, which ``move`` changes now, has ones, a transpose says which of them is which; a reshape does not.
    """
    if isinstance(move.operator, Transpose):
        axes: tuple[int | None, ...] = move.operator.axes
    else:
        seen = whole("", shape).reshaped(move.shape)
        if seen is None or not seen.keeps_axes:
            return None
        axes = seen.axes_of_base()
    if any(size != 1 and axis not in axes for axis, size in enumerate(read)):
        return None
    view = whole("", read).with_axes(axes)
    return (axes, view) if view.keeps_order or isinstance(move.operator, Transpose) else None


def _in_layout(operator: Operator, axes: tuple[int | None, ...], view: View) -> Operator | None:
    """What does on ``view`` what ``operator`` does on its base; None where the view lacks an axis that is padded."""
    if isinstance(operator, Pad | Slice):
        places = tuple(axes.index(axis) if axis in axes else None for axis in range(len(view.base_shape)))
        return window_on(operator, places, view.shape)
    (single,) = view.inverse().elementwise_on_base(operator)
    return single
