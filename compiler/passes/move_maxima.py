"""Move maxima to where neurons can compute them: directly behind activations, which bound and quantise.

Each move holds for every input, since max(f(x), f(y)) = f(max(x, y)) for any f that never falls:

* a maximum in front of an activation goes behind it. Where a chain falls, in the channels of sign s = -1, its result
  is s * max(s * f(x)): a minimum;
* a maximum behind factors and amounts goes in front of them;
* a maximum of joined channels becomes one for each branch;
* a maximum of a sum of terms that all rise with one and the same x (the halves of a signed or a leaky activation)
  becomes one for each term.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np

from ...targets.records import dataclass
from ..ir.maxima import Maximum, MaxPool
from ..ir.network import INPUT, Network, Node, unused_name
from ..ir.operators import Add, BatchNorm, FloatArray, Offset, Operator, Pad, QuantizeClip, Scale
from .activation_chain import AFFINE, NONLINEAR

MAXIMA = (MaxPool, Maximum)
"""Operators that take the largest of several values."""

_ACTIVATIONS = (*NONLINEAR, QuantizeClip)

Rewriting = Callable[[Network, Node], Network | None]


def behind_activations(network: Network) -> Network:
    """Network whose maxima follow the activations that followed them; the same object where none does."""
    return _until_settled(network, _moved_behind)


def before_linear_maps(network: Network) -> Network:
    """Network whose maxima read activations where linear maps stood between; the same object where none did."""
    for rewriting in (_before_affine, _per_branch, _per_term):
        network = _until_settled(network, rewriting)
    return network if not _has_affine_in_front(network) else before_linear_maps(network)


def _has_affine_in_front(network: Network) -> bool:
    return any(_before_affine(network, node) is not None for node in _maxima(network))


def _until_settled(network: Network, rewriting: Rewriting) -> Network:
    while True:
        rewritten = next((r for node in _maxima(network) if (r := rewriting(network, node)) is not None), None)
        if rewritten is None:
            return network
        network = rewritten


def _maxima(network: Network) -> Iterator[Node]:
    return (node for node in network.nodes if isinstance(node.operator, MAXIMA))


def _moved_behind(network: Network, maximum: Node) -> Network | None:
    """Apply the elementwise operators behind ``maximum``, if one is an activation, to each of its inputs."""
    chain = _chain_behind(network, maximum)
    if not any(isinstance(node.operator, _ACTIVATIONS) for node in chain):
        return None
    sign = _sign_of(chain, maximum)
    naming = _Naming(network)
    copies: list[Node] = []
    inputs: list[str] = []
    for place, value in enumerate(maximum.inputs):
        shape = network.shape(value)
        for node in chain:
            name = naming.new(f"{node.name}.{place + 1}") if place else node.name
            copies.append(replace(node, name=name, operator=_narrowed(node, maximum), inputs=(value,), shape=shape))
            value = name
        if (sign < 0).any():
            name = naming.new(f"{value}.signed")
            copies.append(replace(copies[-1], name=name, operator=Scale(sign), inputs=(value,)))
            value = name
        inputs.append(value)
    moved = [replace(maximum, inputs=tuple(inputs))]
    if (sign < 0).any():
        moved.append(
            replace(maximum, name=naming.new(f"{maximum.name}.signed"), operator=Scale(sign), inputs=(maximum.name,))
        )
    return _replaced(network, {maximum.name, *(n.name for n in chain)}, chain[-1], [*copies, *moved])


def _chain_behind(network: Network, maximum: Node) -> list[Node]:
    chain: list[Node] = []
    value = maximum.name
    while value != network.output and len(readers := network.consumers(value)) == 1:
        operator = readers[0].operator
        if not isinstance(operator, (*_ACTIVATIONS, *AFFINE)) or not _is_alike(operator, maximum):
            break
        chain.append(readers[0])
        value = readers[0].name
    return chain


def _is_alike(operator: Operator, maximum: Node) -> bool:
    """Whether ``operator`` does the same to all values that ``maximum`` compares with each other."""
    if isinstance(maximum.operator, Maximum) or not isinstance(operator, Scale | Offset):
        return True
    constant = _spread(operator, maximum)
    return bool((constant == constant[:, :1, :1]).all())


def _spread(operator: Scale | Offset, node: Node) -> FloatArray:
    constant = operator.factor if isinstance(operator, Scale) else operator.amount
    return np.broadcast_to(constant, node.shape)


def _narrowed(node: Node, maximum: Node) -> Operator:
    operator = node.operator
    if isinstance(maximum.operator, Maximum) or not isinstance(operator, Scale | Offset):
        return operator
    if isinstance(operator, Scale):
        return Scale(_narrow(operator.factor, node))
    return Offset(_narrow(operator.amount, node))


def _gain(operator: Operator, node: Node) -> FloatArray:
    if isinstance(operator, BatchNorm):
        return operator.gain.reshape(-1, *(1,) * (len(node.shape) - 1))
    return _narrow(operator.factor, node) if isinstance(operator, Scale) else np.ones(())


def _narrow(constant: FloatArray, node: Node) -> FloatArray:
    """``constant`` without the axes along which it repeats, so that it fits a map of another size too."""
    if constant.size == 1:
        return constant.reshape(())
    if len(node.shape) != 3:
        return constant
    spread = np.broadcast_to(constant, node.shape)
    first = spread[:, :1, :1]
    return np.ascontiguousarray(first) if bool((spread == first).all()) else constant


def _sign_of(chain: list[Node], maximum: Node) -> FloatArray:
    sign = np.ones(())
    for node in chain:
        sign = sign * np.where(_gain(node.operator, maximum) < 0, -1.0, 1.0)
    return np.asarray(sign)


def _before_affine(network: Network, maximum: Node) -> Network | None:
    """max(g x + c) = |g| max(s x) + c with s the sign of g, where every value that is compared has the same g and c."""
    read = [_affine_in_front(network, maximum, value) for value in maximum.inputs]
    gain, amount = read[0].gain, read[0].amount
    if not all(_equal(each.gain, gain) and _equal(each.amount, amount) for each in read):
        return None
    sign = np.where(gain < 0, -1.0, 1.0)
    is_sign = bool((np.abs(gain) == 1).all())
    if is_sign and not amount.any() and all(len(each.nodes) < 2 for each in read):
        return None
    naming = _Naming(network)
    before: list[Node] = []
    inputs = [each.value for each in read]
    if (sign < 0).any():
        before = [
            replace(each.nodes[0], name=naming.new(f"{each.value}.signed"), operator=Scale(sign), inputs=(each.value,))
            for each in read
        ]
        inputs = [node.name for node in before]
    behind: list[Operator] = [] if is_sign else [Scale(np.abs(gain))]
    behind += [Offset(amount)] if amount.any() else []
    names = [*(naming.new(f"{maximum.name}.maximum") for _ in behind), maximum.name]
    wired = [replace(maximum, name=names[0], inputs=tuple(inputs))]
    passed = tuple(node for each in read for node in each.nodes)
    origins = tuple(dict.fromkeys(origin for node in (maximum, *passed) for origin in node.origins))
    for (value, name), operator in zip(pairwise(names), behind, strict=True):
        wired.append(Node(name, operator, (value,), maximum.shape, origins))
    return _without_unread(_replaced(network, {maximum.name}, maximum, [*before, *wired]), passed)


@dataclass(frozen=True, slots=True, eq=False)
class _Affine:
    """gain * ``value`` + amount, by ``nodes``, the last first."""

    value: str
    gain: FloatArray
    amount: FloatArray
    nodes: tuple[Node, ...] = ()


def _affine_in_front(network: Network, maximum: Node, value: str) -> _Affine:
    """What ``maximum`` reads, as a function of the last value that no affine operator computes."""
    found = _Affine(value, np.ones(()), np.zeros(()))
    while found.value != INPUT:
        node = network.node(found.value)
        if not isinstance(node.operator, AFFINE) or not _is_alike(node.operator, replace(maximum, shape=node.shape)):
            break
        amount = found.gain * _amount(node.operator, node) + found.amount
        gain = found.gain * _gain(node.operator, node)
        found = _Affine(node.inputs[0], np.asarray(gain), np.asarray(amount), (*found.nodes, node))
    return found


def _amount(operator: Operator, node: Node) -> FloatArray:
    if isinstance(operator, BatchNorm):
        return operator.shift.reshape(-1, *(1,) * (len(node.shape) - 1))
    return _narrow(operator.amount, node) if isinstance(operator, Offset) else np.zeros(())


def _equal(one: FloatArray, other: FloatArray) -> bool:
    return one.shape == other.shape and bool((one == other).all())


def _per_branch(network: Network, maximum: Node) -> Network | None:
    """Windows lie within a channel, so a maximum of joined channels is the joined maxima of each branch's."""
    added = _sum_in_front(network, maximum)
    if added is None:
        return None
    branches = [None if value == INPUT else network.node(value) for value in added.inputs]
    pads = [node for node in branches if node is not None and _pads_channels(node)]
    if len(pads) < len(branches) or not _are_apart(network, pads):
        return None
    naming = _Naming(network)
    pooled: list[Node] = []
    joined: list[Node] = []
    for node in pads:
        name = naming.new(f"{maximum.name}.branch{len(joined)}")
        shape = maximum.operator.result_shape((network.shape(node.inputs[0]),))
        pooled.append(replace(maximum, name=name, inputs=node.inputs, shape=shape))
        joined.append(replace(node, name=naming.new(f"{name}.joined"), inputs=(name,), shape=maximum.shape))
    total = replace(added, name=maximum.name, inputs=tuple(n.name for n in joined), shape=maximum.shape)
    return _without_unread(_replaced(network, {maximum.name}, maximum, [*pooled, *joined, total]), [added, *pads])


def _sum_in_front(network: Network, maximum: Node) -> Node | None:
    if not isinstance(maximum.operator, MaxPool) or maximum.inputs[0] == INPUT:
        return None
    node = network.node(maximum.inputs[0])
    return node if isinstance(node.operator, Add) else None


def _pads_channels(node: Node) -> bool:
    return isinstance(node.operator, Pad) and not any((*node.operator.before[1:], *node.operator.after[1:]))


def _are_apart(network: Network, pads: list[Node]) -> bool:
    places = []
    for node in pads:
        assert isinstance(node.operator, Pad)
        places.append((node.operator.before[0], node.operator.before[0] + network.shape(node.inputs[0])[0]))
    return all(stop <= start for (_, stop), (start, _) in pairwise(sorted(places)))


def _per_term(network: Network, maximum: Node) -> Network | None:
    """Every term is largest where x is, so the maximum of the sum is the sum of the maxima."""
    added = _sum_in_front(network, maximum)
    if added is None:
        return None
    terms = [_rising_term(network, value) for value in added.inputs]
    known = [term for term in terms if term is not None]
    if len(known) < len(terms) or len(set(known)) > 1:
        return None
    naming = _Naming(network)
    pooled = [
        replace(maximum, name=naming.new(f"{maximum.name}.term{k}"), inputs=(value,))
        for k, value in enumerate(added.inputs)
    ]
    total = replace(added, name=maximum.name, inputs=tuple(n.name for n in pooled), shape=maximum.shape)
    return _without_unread(_replaced(network, {maximum.name}, maximum, [*pooled, total]), [added])


def _rising_term(network: Network, value: str) -> str | None:
    """Value that ``value`` is a function of, through an activation, and never falls with; None for anything else."""
    slope = np.ones(())
    while value != INPUT:
        node = network.node(value)
        operator = node.operator
        if isinstance(operator, _ACTIVATIONS):
            return _start_of(network, node.inputs[0], slope)
        if not isinstance(operator, AFFINE) or not _is_alike(
            operator, Node("", MaxPool((1, 1), (1, 1)), (), node.shape)
        ):
            return None
        slope = slope * np.sign(_gain(operator, node))
        value = node.inputs[0]
    return None


def _start_of(network: Network, value: str, slope: FloatArray) -> str | None:
    """Where the affine operators in front of an activation begin."""
    while value != INPUT and isinstance(network.node(value).operator, AFFINE) and len(network.consumers(value)) == 1:
        node = network.node(value)
        if not _is_alike(node.operator, Node("", MaxPool((1, 1), (1, 1)), (), node.shape)):
            return None
        slope = slope * np.sign(_gain(node.operator, node))
        value = node.inputs[0]
    return value if bool((slope >= 0).all()) else None


class _Naming:
    def __init__(self, network: Network) -> None:
        self._taken = {node.name for node in network.nodes}

    def new(self, wanted: str) -> str:
        name = unused_name(wanted, self._taken)
        self._taken.add(name)
        return name


def _replaced(network: Network, gone: set[str], last: Node, new: list[Node]) -> Network:
    """``new`` nodes in place of those that are ``gone``, where ``last`` stood; its readers read the last of ``new``."""
    renamed = {last.name: new[-1].name} if last.name != new[-1].name else {}
    nodes: list[Node] = []
    for node in network.nodes:
        if node.name == last.name:
            nodes += new
        elif node.name not in gone:
            nodes.append(replace(node, inputs=tuple(renamed.get(name, name) for name in node.inputs)))
    return network.with_nodes(tuple(nodes), renamed.get(network.output, network.output))


def _without_unread(network: Network, candidates: Iterable[Node]) -> Network:
    for node in candidates:
        if not network.consumers(node.name) and network.output != node.name:
            network = network.with_nodes(tuple(other for other in network.nodes if other.name != node.name))
    return network
