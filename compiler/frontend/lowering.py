"""From the sorted graph of a file to nodes of level 1, collecting every problem on the way."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Collection, Iterable, Mapping

import onnx

from ...runtime.progress import Report as Progress
from ...runtime.progress import untold
from ...targets.diagnostic import Diagnostic, Place
from ...targets.records import dataclass
from ..ir.network import INPUT, Node, needed
from ..ir.operators import Shape
from .builder import BATCH_FIRST, Builder, Tensor, Turned, Unknown, Value
from .constants import FOLDABLE, Allowance, Constant, StoredTensor, constant_node, decode, fold
from .graph import OnnxNode, SortedGraph, read_nodes, sort_for
from .inferred_shapes import inferred_shapes
from .input_type import input_integers
from .model_file import LoadedModel
from .operators import HANDLERS, handler_of
from .operators.heads import ScoreHead
from .refusal import Refusal
from .schema import require_schema
from .score_ends import layout_end, without_ends
from .score_notes import notes_on
from .unsupported import hint_for

_LAYOUT_ONLY = frozenset(("Identity", "Cast", "Dropout", "Flatten", "Reshape", "Squeeze", "Unsqueeze"))


@dataclass(frozen=True, slots=True, eq=False)
class Lowered:
    """Nodes in topological order, the values that are the results, and what was dropped or found."""

    nodes: tuple[Node, ...]
    results: tuple[Value, ...]
    notes: tuple[Diagnostic, ...]
    problems: tuple[Diagnostic, ...]


def lower(
    loaded: LoadedModel,
    graph: SortedGraph,
    inputs: Mapping[str, Shape | None],
    initializers: Mapping[str, StoredTensor],
    file: str | None,
    progress: Progress,
) -> Lowered:
    """Read every node of ``graph``; ``inputs`` have the batch axis first, or None where their size is not known.

    With several inputs, or none, or one of unknown size, there are only problems to be found. ``progress(done, total)``
    counts nodes.
    """
    shapes = {name: shape for name, shape in inputs.items() if shape is not None}
    batch, *sample = next(iter(shapes.values()), (1,))
    newest = onnx.defs.onnx_opset_version()
    builder = Builder(batch, tuple(sample), loaded.opset or newest)
    run = _Lowering(builder, loaded.opset, lambda: inferred_shapes(loaded.proto, shapes), file)
    run.read_inputs(loaded.proto.graph.input, inputs)
    run.read_initializers(initializers, graph.nodes)
    run.read_nodes(graph.nodes, progress)
    results, notes = run.without_ends(graph, tuple(run.result(graph, output) for output in graph.outputs))
    return Lowered(tuple(builder.nodes), results, notes, run.collected())


_ON_INTEGERS = _LAYOUT_ONLY | {
    *("CastLike", "Concat", "DequantizeLinear", "Expand", "Gather", "Pad", "Shape", "Size", "Slice", "Split"),
    *("DepthToSpace", "GatherElements", "GatherND", "Tile"),
    *("Transpose", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"),
}


_READ = FOLDABLE | HANDLERS.keys() | {"Constant", "If"}


def _require_floats(node: OnnxNode, inputs: tuple[Value | None, ...]) -> None:
    # Operators of other domains are read as several of the standard one, each of which is asked.
    if node.domain or node.operator in _ON_INTEGERS:
        return
    if any(isinstance(value, Tensor) and value.holds_integers for value in inputs):
        hint = "the model's input has to be cast to float before anything computes with it"
        raise Refusal("E016", f"{node.operator} computes with the integers of the model's input", hint)


class _Lowering:
    def __init__(
        self, builder: Builder, opset: int | None, shapes: Callable[[], dict[str, Shape]], file: str | None
    ) -> None:
        self._builder = builder
        self._opset = opset
        self._file = file
        self._inferred = functools.cache(shapes)
        self._problems: list[Diagnostic] = []
        self._unsupported: dict[tuple[str, str], list[OnnxNode]] = {}
        builder.read = self._read

    def collected(self) -> tuple[Diagnostic, ...]:
        """All problems; the unsupported operators in one diagnostic per operator."""
        unsupported = tuple(
            Diagnostic(
                "E101",
                f"spikec does not compile {f'{domain}.' * bool(domain)}{operator}",
                Place(file=self._file, nodes=tuple(node.name for node in nodes)),
                measured=len(nodes),
                unit="node" if len(nodes) == 1 else "nodes",
                hint=hint_for(nodes[0], is_readable=self._builder.can_be_result(nodes[0].input(0))),
            )
            for (domain, operator), nodes in self._unsupported.items()
        )
        return unsupported + tuple(self._problems)

    def read_inputs(self, declared: Collection[onnx.ValueInfoProto], inputs: Mapping[str, Shape | None]) -> None:
        """Make the single input the network's; of several, each is as good as a refused node."""
        values = self._builder.values
        of_integers = {value.name for value in declared if input_integers(value) is not None}
        values.update({value.name: Unknown(depends_on_input=True) for value in declared})
        for name, shape in inputs.items():
            if shape is None:
                continue
            if len(inputs) == 1:
                values[name] = Tensor(INPUT, shape, name in of_integers)
            elif shape[0] == self._builder.batch:
                with contextlib.suppress(Refusal):  # its size is no reason not to look at what reads the others
                    values[name] = self._builder.stand_in(_input_node(name), shape[1:])

    def read_initializers(self, initializers: Mapping[str, StoredTensor], nodes: tuple[OnnxNode, ...]) -> None:
        readers = {name: node.name for node in reversed(nodes) for name in (*node.inputs, *node.captured)}
        for name in initializers.keys() & readers.keys():
            try:
                self._builder.values[name] = _decoded(initializers[name], name, self._builder.allowance)
            except Refusal as refusal:
                self._builder.values[name] = Unknown()
                self._record(refusal, readers[name])

    def result(self, graph: SortedGraph, output: str) -> Value:
        """What an output has become; Unknown, with a problem, where its first axis is not the batch."""
        value = self._builder.values.get(output, Unknown())
        if not isinstance(value, Turned):
            return value
        maker = next(node for node in graph.nodes if output in node.outputs)
        self._record(Refusal("E104", f"{maker.operator} moves the batch axis", BATCH_FIRST), maker.name)
        return Unknown(depends_on_input=True)

    def read_nodes(self, nodes: tuple[OnnxNode, ...], progress: Progress) -> None:
        for place, node in enumerate(nodes):
            try:
                results = self._read(node)
            except Refusal as refusal:
                self._record(refusal, node.name)
                results = ()
            named = dict(zip(node.outputs, results, strict=False))
            for name in filter(None, node.outputs):
                value = named.get(name)
                self._builder.values[name] = self._stand_in(node, name) if value is None else value
            progress(place + 1, len(nodes))

    def without_ends(
        self, graph: SortedGraph, results: tuple[Value, ...]
    ) -> tuple[tuple[Value, ...], tuple[Diagnostic, ...]]:
        """The scores before what keeps their order, with notes; a head that stays is refused."""
        ended: list[Value] = []
        notes: list[Diagnostic] = []
        for output, result in zip(graph.outputs, results, strict=True):
            if isinstance(result, Tensor):
                result, found = self._without_end(result, output if len(results) > 1 else None)
                notes += found
            if isinstance(result, Tensor) and result.sample == () and graph.nodes:
                result = self._builder.reshaped(graph.nodes[-1], result, (1,), part="score")
            ended.append(result)
        known = tuple(value.value for value in ended if isinstance(value, Tensor))
        self._refuse_heads(known, are_all=len(known) == len(ended))
        return tuple(ended), tuple(notes)

    def _without_end(self, result: Tensor, output: str | None) -> tuple[Tensor, Iterable[Diagnostic]]:
        ended = without_ends(tuple(self._builder.nodes), result.value, self._builder.unique)
        if ended.dropped:
            self._builder.append(ended.nodes[len(self._builder.nodes) :])
            result = self._builder.tensor_of(ended.result)
        return result, notes_on(ended, output, self._file)

    def _refuse_heads(self, results: tuple[str, ...], are_all: bool) -> None:
        """Refuse each head that ``results`` still need; every head where these are not all results."""
        nodes = tuple(self._builder.nodes)
        ends = {layout_end(nodes, result) for result in results}
        for node in needed(nodes, *results) if are_all else nodes:
            if not isinstance(node.operator, ScoreHead):
                continue
            onnx_node = node.operator.node
            is_readable = self._builder.can_be_result(onnx_node.input(0))
            message = f"spikec does not compile {onnx_node.operator}, except as the end of a network"
            elsewhere = Refusal("E101", message, hint_for(onnx_node, is_readable=is_readable))
            at_end = node.operator.problem if node.name in ends else None
            self._record(at_end or elsewhere, onnx_node.name)

    def _stand_in(self, node: OnnxNode, output: str) -> Value:
        """A value of the shape that onnx finds, so that what reads a refused node is looked at too."""
        values = [self._builder.values.get(name, Unknown()) for name in (*node.inputs, *node.captured) if name]
        if not any(isinstance(v, Tensor | Turned) or (isinstance(v, Unknown) and v.depends_on_input) for v in values):
            return Unknown()
        shape = self._inferred().get(output)
        if shape is None or shape[0] != self._builder.batch:
            return Unknown(depends_on_input=True)
        try:
            return self._builder.stand_in(node, shape[1:])
        except Refusal:
            return Unknown(depends_on_input=True)

    def _read(self, node: OnnxNode) -> tuple[Value, ...]:
        builder = self._builder
        if node.domain == "" and node.operator in _READ:
            require_schema(node, self._opset)
        if node.domain == "" and node.operator == "Constant":
            return (_constant_of(node, builder.allowance),)
        inputs = tuple(builder.values.get(name, Unknown()) if name else None for name in node.inputs)
        constants = tuple(value for value in inputs if value is None or isinstance(value, Constant))
        foldable = node.domain == "" and node.operator in FOLDABLE
        if foldable and len(constants) == len(inputs) and inputs:
            return fold(node, constants, builder.opset, builder.allowance)
        if node.domain == "" and node.operator == "If":
            return self._read_branch(node, inputs[0] if inputs else None)
        handler = handler_of(node)
        if handler is None and foldable and any(isinstance(value, Unknown) for value in inputs):
            return ()
        if handler is None:
            self._unsupported.setdefault((node.domain, node.operator), []).append(node)
            return ()
        if any(isinstance(value, Unknown) for value in inputs):
            return ()
        if node.operator not in ("Transpose", "GatherND") and any(isinstance(value, Turned) for value in inputs):
            raise Refusal("E104", f"{node.operator} reads a value whose batch axis was moved", BATCH_FIRST)
        _require_floats(node, inputs)
        results = handler(node, builder)
        return results if isinstance(results, tuple) else (results,)

    def _read_branch(self, node: OnnxNode, condition: Value | None) -> tuple[Value, ...]:
        """Take the branch that a constant condition chooses, as if it stood in the outer graph."""
        if not isinstance(condition, Constant):
            self._unsupported.setdefault(("", "If"), []).append(node)
            return ()
        graph = node.subgraph("then_branch" if condition.array.any() else "else_branch")
        initializers = stored_tensors(graph)
        outputs = [value.name for value in graph.output]
        known = frozenset(self._builder.values) | frozenset(initializers)
        inner = read_nodes(graph.node)
        for output in outputs:
            remaining = tuple(n for n in inner if not set(filter(None, n.outputs)) <= self._builder.values.keys())
            ordered, problems = sort_for((output,), remaining, known, self._file)
            self._problems += problems
            if ordered is not None:
                self.read_initializers(initializers, ordered.nodes)
                self.read_nodes(ordered.nodes, untold)
            known = frozenset(self._builder.values) | frozenset(initializers)
        return tuple(self._builder.values.get(output, Unknown()) for output in outputs)

    def _record(self, refusal: Refusal, node: str) -> None:
        place = Place(file=self._file, nodes=(node,))
        self._problems.append(Diagnostic(refusal.code, refusal.message, place, hint=refusal.hint))


def stored_tensors(graph: onnx.GraphProto) -> dict[str, StoredTensor]:
    """Initialisers of a graph by name, dense and sparse."""
    sparse = {str(tensor.values.name): tensor for tensor in graph.sparse_initializer}
    return {**sparse, **{str(tensor.name): tensor for tensor in graph.initializer}}


def _decoded(tensor: StoredTensor, name: str, allowance: Allowance) -> Value:
    """The tensor's contents; Unknown where they lie in an external file that is missing, which was told already."""
    is_missing = isinstance(tensor, onnx.TensorProto) and tensor.data_location == onnx.TensorProto.EXTERNAL
    return Unknown() if is_missing else decode(tensor, name, allowance)


def _constant_of(node: OnnxNode, allowance: Allowance) -> Value:
    attribute = node.attributes.get("value")
    is_missing = attribute is not None and attribute.t.data_location == onnx.TensorProto.EXTERNAL
    return Unknown() if is_missing else constant_node(node, allowance)


def _input_node(name: str) -> OnnxNode:
    (node,) = read_nodes([onnx.NodeProto(name=name, op_type="Input", output=[name])])
    return node
