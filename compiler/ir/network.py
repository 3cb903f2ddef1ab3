"""Level 1: the float network, one node per operator, as read from the user's file and canonicalised."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import field, replace

from ...targets.records import dataclass
from .operators import AnyFloat, Operator, Shape
from .outputs import Outputs

_VALUES_AT_ONCE = 1 << 22
"""Of the largest value on all samples (16 MiB, 32 in doubles): what malloc keeps for the next array."""

INPUT = "input"
"""Name of the network's single input value."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The node of the user's file that something came from."""

    node: str
    operator: str


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One operator; its single result is called ``name`` and has ``shape`` per sample."""

    name: str
    operator: Operator
    inputs: tuple[str, ...]
    shape: Shape
    origins: tuple[Origin, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """Nodes in topological order; ``output`` names the value that is the result (class scores).

    Where there are several results, ``output`` is that of a node ``Outputs``, which only lists them.
    ``integers`` are the smallest and the largest value of an input of an integer type; None for floats.
    """

    name: str
    input_shape: Shape
    nodes: tuple[Node, ...]
    output: str
    integers: tuple[int, int] | None = None
    _by_name: dict[str, Node] = field(init=False, repr=False)
    _readers: dict[str, tuple[Node, ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        readers: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                readers.setdefault(name, []).append(node)
        object.__setattr__(self, "_by_name", {node.name: node for node in reversed(self.nodes)})
        object.__setattr__(self, "_readers", {name: tuple(nodes) for name, nodes in readers.items()})

    def shape(self, value: str) -> Shape:
        """Shape per sample of a value."""
        return self.input_shape if value == INPUT else self.node(value).shape

    def node(self, name: str) -> Node:
        """Return the node that computes ``name``; KeyError if there is none."""
        return self._by_name[name]

    def consumers(self, value: str) -> tuple[Node, ...]:
        """Nodes that read ``value``."""
        return self._readers.get(value, ())

    @property
    def outputs(self) -> tuple[tuple[str, str], ...]:
        """Name in the user's model, and value, of each of several outputs; empty where there is one."""
        end = self._by_name.get(self.output)
        if end is None or not isinstance(end.operator, Outputs):
            return ()
        return tuple(zip(end.operator.names, end.inputs, strict=True))

    @property
    def results(self) -> tuple[str, ...]:
        """The values that are read out, each once; labels refer to the first."""
        return tuple(dict.fromkeys(value for _, value in self.outputs)) or (self.output,)

    def with_nodes(self, nodes: tuple[Node, ...], output: str | None = None) -> Network:
        """Return the same network with other nodes (and output)."""
        return replace(self, nodes=nodes, output=self.output if output is None else output)


def evaluate(network: Network, samples: AnyFloat, keep: frozenset[str] = frozenset()) -> dict[str, AnyFloat]:
    """Values of ``network.output`` and of the values in ``keep`` for a batch ``samples`` (N, *input_shape).

    Every other value is freed as soon as its last reader has run.
    """
    values: dict[str, AnyFloat] = {INPUT: samples}
    wanted = keep | {network.output}
    for node, released in _with_last_uses(network):
        values[node.name] = node.operator.evaluate(tuple(values[name] for name in node.inputs))
        for name in released:
            if name not in wanted:
                del values[name]
    return {name: values[name] for name in wanted}


def evaluated_at_once(network: Network, most: int) -> int:
    """Samples, up to ``most``, that ``evaluate`` best meets together, as no value of one depends on another's.

    What an operator gives to them is an array that is made where one before it was freed.
    """
    largest = max(math.prod(node.shape) for node in network.nodes)
    return min(most, max(1, _VALUES_AT_ONCE // largest))


def _with_last_uses(network: Network) -> Iterator[tuple[Node, tuple[str, ...]]]:
    last: Mapping[str, int] = {name: i for i, node in enumerate(network.nodes) for name in node.inputs}
    for i, node in enumerate(network.nodes):
        yield node, tuple(dict.fromkeys(name for name in node.inputs if last[name] == i))


def needed(nodes: tuple[Node, ...], *results: str) -> tuple[Node, ...]:
    """Those of ``nodes`` that ``results`` are computed from, in their order."""
    used = {*results}
    kept = []
    for node in reversed(nodes):
        if node.name in used:
            used.update(node.inputs)
            kept.append(node)
    return tuple(reversed(kept))


def unused_name(wanted: str, taken: Collection[str]) -> str:
    """Return ``wanted``, with a number behind it where that name is taken."""
    return next(name for name in (wanted, *(f"{wanted}_{n}" for n in range(2, len(taken) + 3))) if name not in taken)
