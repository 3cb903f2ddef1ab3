"""From the sorted graph of a file to nodes of level 1, collecting every problem on the way."""

from __future__ import annotations

from dataclasses import dataclass

import onnx

from ...targets.diagnostic import Diagnostic, Place
from ..ir.network import INPUT, Node
from ..ir.operators import Shape
from .builder import Builder, Tensor, Unknown, Value
from .constants import FOLDABLE, Constant, constant_node, decode, fold
from .graph import OnnxNode, read_nodes, sort_for
from .operators import HANDLERS
from .refusal import Refusal, listed
from .unsupported import hint_for

_LAYOUT_ONLY = frozenset(
    ("Identity", "Cast", "Dropout", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Softmax", "LogSoftmax")
)


@dataclass(frozen=True, slots=True, eq=False)
class Lowered:
    """Nodes in topological order, the value that is the result, and what was dropped or found."""

    nodes: tuple[Node, ...]
    result: Value
    dropped_softmax: tuple[str, ...]
    problems: tuple[Diagnostic, ...]


def lower(
    nodes: tuple[OnnxNode, ...],
    initializers: dict[str, onnx.TensorProto],
    input_name: str,
    input_shape: Shape,
    output: str,
    opset: int,
    file: str | None,
) -> Lowered:
    """Read every node of ``nodes`` (sorted); ``input_shape`` has the batch axis first."""
    builder = Builder(input_shape[0], input_shape[1:], opset, _tail(nodes, output))
    run = _Lowering(builder, file)
    builder.values[input_name] = Tensor(INPUT, input_shape)
    run.read_initializers(initializers, nodes)
    run.read_nodes(nodes)
    result = builder.values.get(output, Unknown())
    if isinstance(result, Tensor) and result.sample == () and nodes:
        result = builder.reshaped(nodes[-1], result, (1,), part="score")
    return Lowered(tuple(builder.nodes), result, tuple(builder.dropped_softmax), run.collected())


def _tail(nodes: tuple[OnnxNode, ...], output: str) -> frozenset[str]:
    tail = {output}
    broken: set[str] = set()
    for node in reversed(nodes):
        in_tail = node.operator in _LAYOUT_ONLY and all(o in tail for o in node.outputs[:1])
        if in_tail and node.input(0) not in broken:
            tail.add(node.input(0))
        elif not in_tail:
            broken.update(node.inputs)
            tail.difference_update(node.inputs)
    return frozenset(tail)


_ELEMENTWISE = frozenset({"Add", "BatchNormalization", "Clip", "Div", "Floor", "Mul", "Relu", "Round", "Sub"})


class _Lowering:
    def __init__(self, builder: Builder, file: str | None) -> None:
        self._builder = builder
        self._file = file
        self._problems: list[Diagnostic] = []
        self._unsupported: dict[tuple[str, str], list[str]] = {}

    def collected(self) -> tuple[Diagnostic, ...]:
        """All problems; the unsupported operators in one diagnostic per operator."""
        unsupported = tuple(
            Diagnostic(
                "E101",
                f"{operator} has no spiking counterpart: {listed(tuple(names))}",
                Place(file=self._file, nodes=tuple(names)),
                measured=len(names),
                limit=0,
                unit="nodes",
                hint=hint_for(operator, domain),
            )
            for (domain, operator), names in self._unsupported.items()
        )
        return unsupported + tuple(self._problems)

    def read_initializers(self, initializers: dict[str, onnx.TensorProto], nodes: tuple[OnnxNode, ...]) -> None:
        readers = {name: node.name for node in reversed(nodes) for name in (*node.inputs, *node.captured)}
        for name in initializers.keys() & readers.keys():
            try:
                self._builder.values[name] = decode(initializers[name], name)
            except Refusal as refusal:
                self._builder.values[name] = Unknown()
                self._record(refusal, readers[name])

    def read_nodes(self, nodes: tuple[OnnxNode, ...]) -> None:
        for node in nodes:
            try:
                results = self._read(node)
            except Refusal as refusal:
                self._record(refusal, node.name)
                results = self._stand_in(node)
            named = dict(zip(node.outputs, results, strict=False))
            self._builder.values.update({name: named.get(name, Unknown()) for name in node.outputs if name})

    def _stand_in(self, node: OnnxNode) -> tuple[Value, ...]:
        """The operand of a refused elementwise node: it has the result's shape, so later problems are found too."""
        operand = self._builder.values.get(node.inputs[0]) if node.inputs else None
        return (operand,) if node.operator in _ELEMENTWISE and isinstance(operand, Tensor) else ()

    def _read(self, node: OnnxNode) -> tuple[Value, ...]:
        builder = self._builder
        if node.domain == "" and node.operator == "Constant":
            return (constant_node(node),)
        inputs = tuple(builder.values[name] if name else None for name in node.inputs)
        constants = tuple(value for value in inputs if value is None or isinstance(value, Constant))
        foldable = node.domain == "" and node.operator in FOLDABLE
        if foldable and len(constants) == len(inputs) and inputs:
            return fold(node, constants, builder.opset)
        if node.domain == "" and node.operator == "If":
            return self._read_branch(node, inputs[0] if inputs else None)
        handler = HANDLERS.get(node.operator) if node.domain == "" else None
        if handler is None:
            self._unsupported.setdefault((node.domain, node.operator), []).append(node.name)
            return ()
        if any(isinstance(value, Unknown) for value in inputs):
            return ()
        if not inputs or all(name == "" for name in node.inputs):
            raise Refusal("E005", f"{node.operator} has no input", "export the model again")
        results = handler(node, builder)
        return results if isinstance(results, tuple) else (results,)

    def _read_branch(self, node: OnnxNode, condition: Value | None) -> tuple[Value, ...]:
        """Take the branch that a constant condition chooses, as if it stood in the outer graph."""
        if not isinstance(condition, Constant):
            self._unsupported.setdefault(("", "If"), []).append(node.name)
            return ()
        graph = node.subgraph("then_branch" if condition.array.any() else "else_branch")
        initializers = {tensor.name: tensor for tensor in graph.initializer}
        outputs = [value.name for value in graph.output]
        known = frozenset(self._builder.values) | frozenset(initializers)
        inner = read_nodes(graph.node)
        for output in outputs:
            remaining = tuple(n for n in inner if not set(filter(None, n.outputs)) <= self._builder.values.keys())
            ordered, problems = sort_for(output, remaining, known, self._file)
            self._problems += problems
            if ordered is not None:
                self.read_initializers(initializers, ordered.nodes)
                self.read_nodes(ordered.nodes)
            known = frozenset(self._builder.values) | frozenset(initializers)
        return tuple(self._builder.values.get(output, Unknown()) for output in outputs)

    def _record(self, refusal: Refusal, node: str) -> None:
        place = Place(file=self._file, nodes=(node,))
        self._problems.append(Diagnostic(refusal.code, f"{node}: {refusal.message}", place, hint=refusal.hint))
