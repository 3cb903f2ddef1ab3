"""Read an ONNX model as a canonical float network."""

from __future__ import annotations

import math
from pathlib import Path

import onnx

from ...targets.diagnostic import Diagnostic, Place, UnusableInput, refuse
from ..ir.network import Network
from ..ir.operators import Shape
from .builder import Tensor, Unknown
from .canonical import canonicalised
from .graph import SortedGraph, read_nodes, sort_for
from .lowering import Lowered, lower
from .model_file import load_model, opset
from .names import sanitised
from .refusal import listed

_LARGEST_INPUT = 1 << 26
_FIXED = "export with fixed channels and spatial size; only the batch axis may be dynamic"


def read_onnx(model: Path | bytes, *, output: str | None = None) -> tuple[Network, tuple[Diagnostic, ...]]:
    """Read ``model``, a path or the contents of an ONNX file, as level 1.

    ``output`` chooses one of several outputs; without it the first is taken with warning W007. Axis 0 of the single
    input is the batch, of any size or symbolic; samples are treated independently. The network holds only
    operators of ``compiler.ir.operators``: constants are folded, local functions inlined, a softmax at the end is
    dropped (I013), and channels-last models are turned to (channels, rows, columns).

    Returns the network with all warnings and infos. Raises UnusableInput with every problem found (codes 0xx and 1xx).
    """
    file = None if isinstance(model, bytes) else str(model)
    parsed = load_model(model)
    chosen, remarks = _chosen_output(parsed.graph, output, file)
    initializers = {tensor.name: tensor for tensor in parsed.graph.initializer}
    graph = _sorted_graph(parsed.graph, chosen, initializers, file)
    if graph.was_unsorted:
        remarks.append(_unsorted(file))
    name, shape = _single_input(parsed.graph, graph, initializers, file)
    lowered = lower(graph.nodes, initializers, name, shape, chosen, opset(parsed), file)
    if lowered.problems:
        raise UnusableInput((*lowered.problems, *remarks))
    remarks += [_dropped(node, file) for node in lowered.dropped_softmax]
    title = sanitised(model.stem if isinstance(model, Path) else parsed.graph.name or "model")
    return _network(title, shape[1:], lowered, chosen, file), tuple(remarks)


def _network(title: str, input_shape: Shape, lowered: Lowered, output: str, file: str | None) -> Network:
    result = lowered.result
    if isinstance(result, Unknown) or not isinstance(result, Tensor) or not lowered.nodes:
        hint = "export a network whose result is computed from its input"
        raise refuse("E015", f"output {output} does not depend on the input through any layer", file=file, hint=hint)
    network, problems = canonicalised(Network(title, input_shape, lowered.nodes, result.value), file)
    if problems:
        raise UnusableInput(problems)
    if not network.nodes:
        hint = "export a network whose result is computed from its input"
        raise refuse("E015", f"output {output} is the input itself", file=file, hint=hint)
    return network


def _chosen_output(graph: onnx.GraphProto, output: str | None, file: str | None) -> tuple[str, list[Diagnostic]]:
    names = tuple(str(value.name) for value in graph.output)
    if not names:
        hint = "export the model again and make it return its class scores"
        raise refuse("E006", "the model has no output", file=file, hint=hint)
    if output is not None and output not in names:
        hint = f"choose one of: {', '.join(names)}"
        raise refuse("E007", f"the model has no output called {output}", file=file, hint=hint)
    if output is not None or len(names) == 1:
        return output or names[0], []
    warning = Diagnostic(
        "W007",
        f"the model has {len(names)} outputs ({listed(names)}); the first, {names[0]}, is compiled",
        Place(file=file),
        measured=len(names),
        limit=1,
        unit="outputs",
        hint="export the model with the wanted output alone or first, or name it",
    )
    return names[0], [warning]


def _sorted_graph(
    graph: onnx.GraphProto, output: str, initializers: dict[str, onnx.TensorProto], file: str | None
) -> SortedGraph:
    known = frozenset(initializers) | {str(value.name) for value in graph.input}
    ordered, problems = sort_for(output, read_nodes(graph.node), known, file)
    if ordered is None:
        raise UnusableInput(problems)
    return ordered


def _unsorted(file: str | None) -> Diagnostic:
    return Diagnostic(
        "W005",
        "the nodes of the file are not in topological order; they were sorted",
        Place(file=file),
        hint="other tools may refuse the file: export the model again",
    )


def _dropped(node: str, file: str | None) -> Diagnostic:
    return Diagnostic(
        "I013",
        f"the softmax {node} at the end is dropped: it does not change which class wins",
        Place(file=file, nodes=(node,)),
        hint="nothing to do; scores are compared before the softmax",
    )


def _single_input(
    graph: onnx.GraphProto, needed: SortedGraph, initializers: dict[str, onnx.TensorProto], file: str | None
) -> tuple[str, Shape]:
    read = {name for node in needed.nodes for name in (*node.inputs, *node.captured)} | {needed.output}
    inputs = [value for value in graph.input if value.name not in initializers and value.name in read]
    if len(inputs) != 1:
        names = listed(tuple(value.name for value in inputs)) or "none"
        hint = "export a network with a single input; join several inputs before it, for instance as channels"
        raise refuse("E006", f"the result depends on {len(inputs)} inputs ({names}), not on one", file=file, hint=hint)
    return inputs[0].name, _input_shape(inputs[0], file)


def _input_shape(value: onnx.ValueInfoProto, file: str | None) -> Shape:
    tensor = value.type.tensor_type
    if not value.type.HasField("tensor_type") or not tensor.HasField("shape"):
        raise refuse("E008", f"input {value.name} has no shape", file=file, hint=_FIXED)
    if len(tensor.shape.dim) < 2:
        rank = len(tensor.shape.dim)
        raise refuse("E008", f"input {value.name} has {rank} axes: a batch axis is missing", file=file, hint=_FIXED)
    batch, *dimensions = tensor.shape.dim
    sizes = tuple(int(d.dim_value) if d.HasField("dim_value") else 0 for d in dimensions)
    if min(sizes) < 1:
        shown = ", ".join(str(d.dim_value) if d.HasField("dim_value") else d.dim_param or "?" for d in dimensions)
        raise refuse("E008", f"input {value.name} has no fixed size per sample: ({shown})", file=file, hint=_FIXED)
    if math.prod(sizes) > _LARGEST_INPUT:
        raise refuse("E008", f"input {value.name} has {math.prod(sizes)} values per sample", file=file, hint=_FIXED)
    return max(1, int(batch.dim_value)), *sizes
