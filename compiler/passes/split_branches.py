"""Take the activation of joined channels branch by branch, so that each population reads its own branch alone.

An activation that acts on each channel by itself, of values that are joined along the channels, is the joined
activations of the values, each with its part of the factors and amounts in front:

    q(g cat(x, y) + c) = cat(q(g_x x + c_x), q(g_y y + c_y))

As one population it would receive a kernel for all channels from each branch, most of it zeros: a layer of DenseNet
joins up to 25 branches. Where all branches come from the same activations there is nothing to gain.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from ...targets.records import dataclass
from ..ir.network import INPUT, Network, Node, needed, unused_name
from ..ir.operators import LINEAR, Add, BatchNorm, FloatArray, Offset, Operator, Pad, QuantizeClip, Relu, Scale
from .activation_chain import AFFINE
from .contract import Compilation, Context, Outcome


@dataclass(frozen=True)
class SplitBranches:
    """q(g cat(x, y) + c) becomes cat(q(g_x x + c_x), q(g_y y + c_y))."""

    name: str = "split-branches"
    preserves: bool = True

    def run(self, state: Compilation, context: Context) -> Outcome:
        """Split the activations of joined branches; ``split`` says how many parts each has become."""
        network, split = with_split_branches(state.network)
        return Outcome(replace(state, network=network) if split else state, {"split": split})


def with_split_branches(network: Network) -> tuple[Network, dict[str, int]]:
    """The same function with an activation for each branch, and the number of branches by activation."""
    taken = {node.name for node in network.nodes}
    nodes: list[Node] = []
    split: dict[str, int] = {}
    for node in network.nodes:
        chain, branches = _joined_in_front(network, node)
        if len({frozenset(_sources(network, branch.value)) for branch in branches}) > 1:
            split[node.name] = len(branches)
            nodes += _split(network, node, chain, branches, taken)
        else:
            nodes.append(node)
    return (network.with_nodes(needed(tuple(nodes), network.output)), split) if split else (network, split)


@dataclass(frozen=True, slots=True)
class _Branch:
    """``value`` stands in the channels from ``first`` on of what it is joined into, by ``pad``."""

    value: str
    first: int
    pad: Node


def _joined_in_front(network: Network, node: Node) -> tuple[list[Node], list[_Branch]]:
    """Affine operators between ``node``, an activation, and the branches that it reads; none for any other node."""
    if type(node.operator) not in (QuantizeClip, Relu):
        return [], []
    chain: list[Node] = []
    value = node.inputs[0]
    while value != INPUT and isinstance(network.node(value).operator, AFFINE):
        chain.insert(0, network.node(value))
        value = chain[0].inputs[0]
    return chain, list(_branches(network, value, 0))


def _branches(network: Network, value: str, first: int) -> Iterator[_Branch]:
    """What is joined into ``value``, whose channels begin at ``first``; parts of parts where these are joined too."""
    for pad in _joined(network, value):
        assert isinstance(pad.operator, Pad)
        start = first + pad.operator.before[0]
        inner = list(_branches(network, pad.inputs[0], start))
        yield from inner or [_Branch(pad.inputs[0], start, pad)]


def _joined(network: Network, value: str) -> list[Node]:
    """The nodes whose sum ``value`` is, if each fills channels of its own, and all of them every channel."""
    node = None if value == INPUT else network.node(value)
    if node is None or not isinstance(node.operator, Add) or INPUT in node.inputs:
        return []
    pads = [network.node(name) for name in node.inputs]
    places = []
    for pad in pads:
        if not isinstance(pad.operator, Pad) or any((*pad.operator.before[1:], *pad.operator.after[1:])):
            return []
        if pad.operator.before[0] < 0 or pad.operator.after[0] < 0:
            return []
        places.append((pad.operator.before[0], node.shape[0] - pad.operator.after[0]))
    places = [(0, 0), *sorted(places), (node.shape[0], node.shape[0])]
    return pads if all(stop == start for (_, stop), (start, _) in pairwise(places)) else []


def _sources(network: Network, value: str) -> Iterator[str]:
    """Activations, and whatever else is not linear, that ``value`` is a linear function of."""
    pending, seen = [value], set[str]()
    while pending:
        name = pending.pop()
        if name == INPUT or not isinstance(network.node(name).operator, LINEAR):
            yield name
            continue
        new = [each for each in network.node(name).inputs if each not in seen]
        seen.update(new)
        pending += new


def _split(network: Network, node: Node, chain: list[Node], branches: list[_Branch], taken: set[str]) -> list[Node]:
    """``node`` as the sum of its branches' activations, each padded to all channels."""
    nodes: list[Node] = []
    joined: list[str] = []
    for k, branch in enumerate(branches):
        value, shape = branch.value, network.shape(branch.value)
        for each in (*chain, node):
            name = _new_name(f"{each.name}.branch{k}", taken)
            operator = _part(each.operator, len(shape), slice(branch.first, branch.first + shape[0]))
            nodes.append(replace(each, name=name, operator=operator, inputs=(value,), shape=shape))
            value = name
        rest = (0,) * (len(shape) - 1)
        pad = Pad((branch.first, *rest), (node.shape[0] - branch.first - shape[0], *rest))
        joined.append(_new_name(f"{node.name}.joined{k}", taken))
        nodes.append(replace(branch.pad, name=joined[-1], operator=pad, inputs=(value,), shape=node.shape))
    return [*nodes, replace(node, operator=Add(), inputs=tuple(joined))]


def _new_name(wanted: str, taken: set[str]) -> str:
    name = unused_name(wanted, taken)
    taken.add(name)
    return name


def _part(operator: Operator, rank: int, channels: slice) -> Operator:
    """What ``operator`` does to some channels of a value of ``rank`` axes."""
    match operator:
        case BatchNorm(scale, offset, mean, variance, epsilon):
            return BatchNorm(scale[channels], offset[channels], mean[channels], variance[channels], epsilon)
        case Scale(factor):
            return Scale(factor[channels] if _differs(factor, rank) else factor)
        case Offset(amount):
            return Offset(amount[channels] if _differs(amount, rank) else amount)
        case _:
            return operator


def _differs(constant: FloatArray, rank: int) -> bool:
    return constant.ndim == rank and len(constant) > 1
