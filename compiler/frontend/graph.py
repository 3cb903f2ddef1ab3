"""The graph of a parsed model as typed, sorted nodes: what the operators of the reader look at."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any

import onnx
import onnx.helper

from ...targets.diagnostic import Diagnostic, Place
from ...targets.records import dataclass
from .refusal import Refusal, listed

WELL_FORMED = "onnx.checker.check_model tells more; the program that wrote the file has to write it correctly"


@dataclass(frozen=True, slots=True, eq=False)
class OnnxNode:
    """One node of the user's file; ``captured`` are values of the outer graph that its subgraphs read."""

    name: str
    operator: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, onnx.AttributeProto] = field(repr=False)
    captured: tuple[str, ...]
    proto: onnx.NodeProto = field(repr=False)

    def input(self, index: int) -> str:
        """Name of an input; empty where it is left out."""
        return self.inputs[index] if index < len(self.inputs) else ""

    def integer(self, name: str, default: int) -> int:
        """Value of an integer attribute."""
        attribute = self._attribute(name, onnx.AttributeProto.INT)
        return default if attribute is None else int(attribute.i)

    def number(self, name: str, default: float) -> float:
        """Value of a float attribute."""
        attribute = self._attribute(name, onnx.AttributeProto.FLOAT)
        return default if attribute is None else float(attribute.f)

    def text(self, name: str, default: str) -> str:
        """Value of a string attribute."""
        attribute = self._attribute(name, onnx.AttributeProto.STRING)
        return default if attribute is None else attribute.s.decode("utf-8", "replace")

    def integers(self, name: str) -> tuple[int, ...] | None:
        """Value of an attribute that lists integers; None where it is left out."""
        attribute = self._attribute(name, onnx.AttributeProto.INTS)
        return None if attribute is None else tuple(int(i) for i in attribute.ints)

    def subgraph(self, name: str) -> onnx.GraphProto:
        """Value of a graph attribute."""
        attribute = self._attribute(name, onnx.AttributeProto.GRAPH)
        if attribute is None:
            raise Refusal("E005", f"{self.operator} lacks its attribute {name}", WELL_FORMED)
        return attribute.g

    def _attribute(self, name: str, kind: int) -> onnx.AttributeProto | None:
        attribute = self.attributes.get(name)
        if attribute is not None and attribute.type != kind:
            raise Refusal("E005", f"attribute {name} of {self.operator} has the wrong type", WELL_FORMED)
        return attribute


@dataclass(frozen=True, slots=True, eq=False)
class SortedGraph:
    """The nodes that the values ``outputs`` need, producers first."""

    nodes: tuple[OnnxNode, ...]
    outputs: tuple[str, ...]
    was_unsorted: bool


def read_nodes(protos: Iterable[onnx.NodeProto]) -> tuple[OnnxNode, ...]:
    """Typed nodes in the file's order; a node without a name is called after its first output."""
    return tuple(_read_node(proto, index) for index, proto in enumerate(protos))


def composed_node(origin: OnnxNode, operator: str, inputs: Iterable[str], attributes: Mapping[str, Any]) -> OnnxNode:
    """A node of the standard set that stands for a part of ``origin``, under its name and with its results.

    An attribute may be one of another node, or a plain value.
    """
    proto = onnx.NodeProto(op_type=operator, name=origin.name, input=inputs, output=origin.outputs[:1])
    for name, value in attributes.items():
        if not isinstance(value, onnx.AttributeProto):
            value = onnx.helper.make_attribute(name, value)
        proto.attribute.append(value)
    return _read_node(proto, 0)


def _read_node(proto: onnx.NodeProto, index: int) -> OnnxNode:
    outputs = tuple(str(name) for name in proto.output)
    first_output = next((name for name in outputs if name), "")
    return OnnxNode(
        name=proto.name or first_output or f"{proto.op_type}_{index}",
        operator=proto.op_type,
        domain="" if proto.domain == "ai.onnx" else proto.domain,
        inputs=tuple(str(name) for name in proto.input),
        outputs=outputs,
        attributes={attribute.name: attribute for attribute in proto.attribute},
        captured=_captured(proto),
        proto=proto,
    )


def _captured(proto: onnx.NodeProto) -> tuple[str, ...]:
    names: list[str] = []
    for attribute in proto.attribute:
        for graph in (*((attribute.g,) if attribute.HasField("g") else ()), *attribute.graphs):
            inner = {tensor.name for tensor in graph.initializer} | {value.name for value in graph.input}
            inner |= {name for node in graph.node for name in node.output}
            for node in graph.node:
                names += [name for name in (*node.input, *_captured(node)) if name not in inner]
            names += [value.name for value in graph.output if value.name not in inner]
    return tuple(dict.fromkeys(names))


def sort_for(
    outputs: tuple[str, ...], nodes: tuple[OnnxNode, ...], known: frozenset[str], file: str | None
) -> tuple[SortedGraph | None, list[Diagnostic]]:
    """Keep what ``outputs`` need and sort it; ``known`` are inputs and initialisers. Problems: E005."""
    producers: dict[str, int] = {}
    problems: list[Diagnostic] = []
    for index, node in enumerate(nodes):
        for name in filter(None, node.outputs):
            if name in producers or name in known:
                problems.append(_broken(f"value {name} is defined more than once", (node.name,), file))
            producers[name] = index
    needed, undefined = _needed(outputs, nodes, producers, known)
    problems += [
        _broken(f"value {name} is read but nothing defines it", readers, file) for name, readers in undefined.items()
    ]
    if problems:
        return None, problems
    order = _order(needed, nodes, producers)
    if len(order) < len(needed):
        stuck = tuple(nodes[index].name for index in sorted(needed - set(order)))
        return None, [_broken(f"the graph has a cycle through or before {listed(stuck)}", stuck, file)]
    return SortedGraph(tuple(nodes[i] for i in order), outputs, was_unsorted=_goes_back(order, nodes, producers)), []


def _needed(
    outputs: tuple[str, ...], nodes: tuple[OnnxNode, ...], producers: dict[str, int], known: frozenset[str]
) -> tuple[set[int], dict[str, tuple[str, ...]]]:
    needed: set[int] = set()
    undefined: dict[str, tuple[str, ...]] = {}
    pending: list[tuple[str, tuple[str, ...]]] = [(output, ()) for output in outputs]
    while pending:
        value, readers = pending.pop()
        if not value or value in known:
            continue
        if value not in producers:
            undefined[value] = (*undefined.get(value, ()), *readers)
        elif producers[value] not in needed:
            needed.add(producers[value])
            node = nodes[producers[value]]
            pending += [(name, (node.name,)) for name in (*node.inputs, *node.captured)]
    return needed, undefined


def _order(needed: set[int], nodes: tuple[OnnxNode, ...], producers: dict[str, int]) -> list[int]:
    sources = {
        index: {producers[name] for name in (*nodes[index].inputs, *nodes[index].captured) if name in producers}
        for index in needed
    }
    readers: dict[int, list[int]] = {index: [] for index in needed}
    for index, before in sources.items():
        for source in before:
            readers[source].append(index)
    waiting = {index: len(before) for index, before in sources.items()}
    ready = deque(sorted(index for index, count in waiting.items() if count == 0))
    order = []
    while ready:
        index = ready.popleft()
        order.append(index)
        for reader in sorted(readers[index]):
            waiting[reader] -= 1
            if waiting[reader] == 0:
                ready.append(reader)
    return order


def _goes_back(order: list[int], nodes: tuple[OnnxNode, ...], producers: dict[str, int]) -> bool:
    return any(
        producers[name] >= index
        for index in order
        for name in (*nodes[index].inputs, *nodes[index].captured)
        if name in producers
    )


def _broken(message: str, nodes: tuple[str, ...], file: str | None) -> Diagnostic:
    return Diagnostic("E005", message, Place(file=file, nodes=nodes), hint=WELL_FORMED)
