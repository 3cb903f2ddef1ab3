"""Bring the nodes as read to canonical form: maps as (channels, rows, columns), biases inside, nothing unused.

A transpose or a reshape that drops axes moves down past elementwise operators, sums, padding and slicing until it
cancels, or reaches a layer that needs the layout. So the transposes that exporters of channels-last models put around
every convolution vanish, and one-dimensional convolutions become maps of one row throughout. What does not cancel stays
a transpose: the linear map through it is one by coordinates.
"""

from __future__ import annotations

from dataclasses import replace

from ...targets.diagnostic import Diagnostic, Place
from ..ir.activations import EXPANDED
from ..ir.maxima import Maximum
from ..ir.network import INPUT, Network, Node, Origin, needed
from ..ir.operators import (
    ELEMENTWISE,
    Add,
    BatchNorm,
    Conv,
    Dense,
    Offset,
    Operator,
    Pad,
    Reshape,
    Slice,
    Transpose,
)
from ..ir.outputs import Outputs
from .moves_first import moves_first
from .pointwise_first import pointwise_first
from .refusal import listed
from .views import View, long_axes, whole

Origins = tuple[Origin, ...]

_TURNED = f"{INPUT}.turned"


def canonicalised(network: Network, file: str | None) -> tuple[Network, tuple[Diagnostic, ...]]:
    """Return the same function in canonical form, and remarks I016 where a permuted layout had to stay."""
    layout, result = _laid_out(pointwise_first(moves_first(network)))
    remarks = tuple(
        Diagnostic(
            "I016",
            f"the axes of a map are permuted before {reader}, at {listed(nodes)}: its synapses share no weights",
            Place(file=file, layer=reader, nodes=nodes),
            hint="nothing to do where it fits; maps kept as (batch, channels, rows, columns) share their weights",
        )
        for reader, nodes in layout.stuck
    )
    return _without_unused(_with_biases_inside(result)), remarks


def _laid_out(network: Network) -> tuple[_Layout, Network]:
    """Lay the network out with the input as it comes or, where that leaves a permuted map, with its axes permuted."""
    plain = _Layout(network)
    result = plain.run()
    for turn in _turns_of_input(network) if plain.stuck else ():
        layout = _Layout(network, turn)
        turned = layout.run()
        if not layout.stuck:
            return layout, turned
    return plain, result


def _turns_of_input(network: Network) -> tuple[View, ...]:
    """Views of the input that are worth a trial: those of the network's transposes, and the last axis to the front.

    Then these as maps of one row, which is what one-dimensional convolutions make of sequences.
    """
    seen = whole(INPUT, network.input_shape)
    rank = len(seen.shape)
    tried = [node.operator.axes for node in network.nodes if isinstance(node.operator, Transpose)]
    fitting = [axes for axes in tried if len(axes) == rank]
    last_first = (rank - 1, *range(rank - 1))
    turns = [seen.permuted(axes) for axes in dict.fromkeys((*fitting, last_first)) if tried]
    rows = [turn.reshaped((turn.shape[0], 1, turn.shape[1])) for turn in turns if turn is not None and rank == 2]
    return tuple(turn for turn in (*turns, *rows) if turn is not None)


class _Layout:
    """Rewrites the nodes in order; every value is known as a view of a value that exists in the result.

    With ``turn``, a view of the input, that is made and the input is seen from it, so that it moves down as others do.
    """

    def __init__(self, network: Network, turn: View | None = None) -> None:
        self._network = network
        self._nodes: dict[str, Node] = {}
        self._views: dict[str, View] = {INPUT: whole(INPUT, network.input_shape)}
        self._origins: dict[str, Origins] = {INPUT: ()}
        self._made: dict[View, str] = {}
        self._names = {INPUT, *(node.name for node in network.nodes)}
        self.stuck: list[tuple[str, tuple[str, ...]]] = []
        self._turn = turn
        if turn is not None:
            self._turn_input(turn)

    def run(self) -> Network:
        for node in self._network.nodes:
            view = self._views[node.name] = self._rewritten(node)
            moved = node.origins if isinstance(node.operator, Transpose | Reshape) else ()
            self._origins[node.name] = () if view.is_base else (*self._origins[node.inputs[0]], *moved)
        output = self._laid_out(self._network.output, "the result")
        return self._network.with_nodes(tuple(self._nodes.values()), output)

    def _turn_input(self, turn: View) -> None:
        transposes = (node for node in self._network.nodes if isinstance(node.operator, Transpose))
        origins = next(transposes).origins
        self._made[turn] = self._make(turn, self._new_name(_TURNED), origins)
        self._views[INPUT] = replace(turn.inverse(), base=self._made[turn])
        self._origins[INPUT] = origins

    def _rewritten(self, node: Node) -> View:
        views = [self._views[name] for name in node.inputs]
        operator = node.operator
        if isinstance(operator, Transpose | Reshape):
            moved = _moved(views[0], operator)
            return self._existing_moved(node) if moved is None else moved
        if _sinks(views[0]) and isinstance(operator, (*ELEMENTWISE, *EXPANDED, BatchNorm)):
            return self._after_elementwise(node, views[0])
        if _sinks(views[0]) and isinstance(operator, Pad | Slice):
            inner = views[0].window_on_base(operator)
            if inner is not None:
                return self._below(node, inner, views)
        if isinstance(operator, Add | Maximum) and all(_sinks(v) and _same_layout(v, views[0]) for v in views):
            return self._below(node, operator, views)
        return self._keep(node)

    def _existing_moved(self, node: Node) -> View:
        assert isinstance(node.operator, Transpose | Reshape)
        moved = _moved(self._existing(node.inputs[0]), node.operator)
        assert moved is not None, "a value that exists can be seen in any layout"
        return moved

    def _below(self, node: Node, operator: Operator, views: list[View]) -> View:
        """Apply ``operator`` to the bases; the view moves behind it."""
        shape = operator.result_shape(tuple(view.base_shape for view in views))
        self._append(replace(node, operator=operator, inputs=tuple(v.base for v in views), shape=shape))
        return views[0].on(node.name, shape)

    def _after_elementwise(self, node: Node, view: View) -> View:
        operators = view.elementwise_on_base(node.operator)
        for operator in operators[:-1]:
            name = self._new_name(f"{node.name}.scale")
            self._append(Node(name, operator, (view.base,), view.base_shape, node.origins))
            view = view.on(name, view.base_shape)
        return self._below(node, operators[-1], [view])

    def _keep(self, node: Node) -> View:
        reader = "the result" if isinstance(node.operator, Outputs) else node.name
        inputs = tuple(self._laid_out(name, reader) for name in node.inputs)
        self._append(replace(node, inputs=inputs))
        return whole(node.name, node.shape)

    def _laid_out(self, value: str, reader: str) -> str:
        """Name of ``value`` for a reader that needs the layout; a permuted map from the input costs nothing."""
        view = self._seen_from_input(self._views[value])
        if not view.keeps_order and view.base != INPUT:
            nodes = tuple(dict.fromkeys(origin.node for origin in self._origins[value]))
            self.stuck.append((reader, nodes))
        return self._existing(value).base

    def _existing(self, value: str) -> View:
        """Make ``value`` a value of the result: a transpose, a reshape or both."""
        view = self._seen_from_input(self._views[value])
        if view.is_base:
            return view
        if view not in self._made:
            name = self._new_name(f"{value}.view") if value in self._nodes else value
            self._made[view] = self._make(view, name, self._origins[value])
        return whole(self._made[view], view.shape)

    def _seen_from_input(self, view: View) -> View:
        """Undo the turn of the input for a value that no operator of another layout has changed."""
        if self._turn is None or view.base != self._made[self._turn] or view.keeps_order:
            return view
        axes = dict(zip(long_axes(self._turn.shape), self._turn.order, strict=True))
        return View(INPUT, self._network.input_shape, tuple(axes[axis] for axis in view.order), view.shape)

    def _make(self, view: View, name: str, origins: Origins) -> str:
        base, shape = view.base, view.base_shape
        if not view.keeps_order:
            axes = view.transpose_axes()
            shape = tuple(shape[axis] for axis in axes)
            inner = name if shape == view.shape else self._new_name(f"{name}.axes")
            self._append(Node(inner, Transpose(axes), (base,), shape, origins))
            base = inner
        if shape != view.shape:
            self._append(Node(name, Reshape(view.shape), (base,), view.shape, origins))
            base = name
        return base

    def _append(self, node: Node) -> None:
        self._nodes[node.name] = node

    def _new_name(self, wanted: str) -> str:
        name, count = wanted, 1
        while name in self._names:
            count += 1
            name = f"{wanted}_{count}"
        self._names.add(name)
        return name


def _moved(view: View, operator: Transpose | Reshape) -> View | None:
    return view.permuted(operator.axes) if isinstance(operator, Transpose) else view.reshaped(operator.shape)


def _sinks(view: View) -> bool:
    """Whether operators move in front of the view: not at the input, and not where a reshape adds or merges axes."""
    longer = len(view.base_shape) - len(view.shape)
    only_ones_move = longer == 0 and view.keeps_axes and not view.is_base
    return view.base != INPUT and (not view.keeps_order or longer > 0 or only_ones_move)


def _same_layout(view: View, other: View) -> bool:
    return (view.base_shape, view.order, view.shape) == (other.base_shape, other.order, other.shape)


def _with_biases_inside(network: Network) -> Network:
    """Make an offset per output behind a convolution or dense layer its bias.

    One number for all outputs stays: it may be the shift of a quantiser, which is not part of the layer.
    """
    readers: dict[str, int] = {}
    for node in network.nodes:
        for name in node.inputs:
            readers[name] = readers.get(name, 0) + 1
    merged: dict[str, Node] = {}
    renamed: dict[str, str] = {}
    for original in network.nodes:
        node = replace(original, inputs=tuple(renamed.get(name, name) for name in original.inputs))
        source = merged.get(node.inputs[0])
        if source is not None and readers[original.inputs[0]] == 1:
            operator = _biased(source.operator, node.operator)
            if operator is not None:
                merged[source.name] = replace(source, operator=operator, origins=(*source.origins, *node.origins))
                renamed[node.name] = source.name
                readers[source.name] = readers.get(node.name, 0)
                continue
        merged[node.name] = node
    return network.with_nodes(tuple(merged.values()), renamed.get(network.output, network.output))


def _biased(layer: Operator, offset: Operator) -> Operator | None:
    if not isinstance(offset, Offset):
        return None
    if isinstance(layer, Dense) and offset.amount.shape == layer.bias.shape:
        return replace(layer, bias=layer.bias + offset.amount)
    if isinstance(layer, Conv) and offset.amount.shape == (*layer.bias.shape, 1, 1):
        return replace(layer, bias=layer.bias + offset.amount.reshape(-1))
    return None


def _without_unused(network: Network) -> Network:
    return network.with_nodes(needed(network.nodes, network.output))
