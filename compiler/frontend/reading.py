"""Read an ONNX model as a canonical float network, and tell of one that cannot be compiled as much as can be read."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import onnx

from ...runtime.progress import Report as Progress
from ...runtime.progress import untold, within
from ...targets.diagnostic import Diagnostic, Place, Severity, UnusableInput
from ...targets.records import dataclass
from ..diagnostics.grouping import grouped
from ..ir.network import INPUT, Network, Node, unused_name
from ..ir.operators import Shape
from ..ir.outputs import Outputs
from .builder import Tensor
from .canonical import canonicalised
from .chosen_outputs import Choice, chosen_outputs, shown_names
from .graph import SortedGraph, read_nodes, sort_for
from .lowering import Lowered, lower, stored_tensors
from .model_file import LoadedModel, load_model
from .model_input import ModelInput, model_inputs
from .names import sanitised

_TRIAL_SIZES = (64, 96)
"""A problem that a model of open size has at both is one at any."""
_LARGEST_TRIAL = 1 << 21
_ORDER = tuple(Severity)
"""Errors first, remarks last."""


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """Everything that one look at a model finds.

    ``network`` is None where ``found`` has an error. ``partial`` is then what was understood of it, before canonical
    form, with a ``Refused`` node for each that was not; None where no size is known. ``operators`` counts the nodes
    that the result needs, ``parameters`` the floats stored for them.
    """

    network: Network | None
    partial: Network | None
    found: tuple[Diagnostic, ...]
    operators: dict[str, int]
    parameters: int


def read_onnx(
    model: Path | bytes, *, output: Choice = None, input_shape: Shape | None = None
) -> tuple[Network, tuple[Diagnostic, ...]]:
    """Read ``model``, a path or the contents of an ONNX file, as level 1.

    ``output`` chooses one of several outputs, or any other value of the graph, or several of them (see
    ``chosen_outputs``); without it the first output is taken with warning W007. Axis 0 of the single input is the
    batch, of any size or symbolic; samples are treated independently. ``input_shape`` per sample fixes the sizes that
    the file leaves open. The network holds only
    operators of ``compiler.ir``: constants are folded, local functions inlined, what keeps the order of the scores
    at the end is dropped (I013 to I015), and channels-last models are turned to (channels, rows, columns).

    Returns the network with all warnings and infos. Raises UnusableInput with every problem found (codes 0xx and 1xx).
    """
    reading = examine_onnx(model, output=output, input_shape=input_shape)
    if reading.network is None:
        raise UnusableInput(reading.found)
    return reading.network, reading.found


def examine_onnx(
    model: Path | bytes,
    *,
    output: Choice = None,
    input_shape: Shape | None = None,
    progress: Progress = untold,
) -> Reading:
    """Read as ``read_onnx`` does, and return what was found whatever it is; ``progress(done, total)`` counts nodes.

    Raises UnusableInput only for what is no ONNX model, or holds no graph that could be looked at.
    """
    file = None if isinstance(model, bytes) else str(model)
    loaded = load_model(model)
    title = sanitised(model.stem if isinstance(model, Path) else loaded.proto.graph.name or "model")
    return _Examination(loaded, title, file, progress).reading(output, input_shape)


def checkable(partial: Network) -> Network:
    """The layers of ``Reading.partial`` that lead to its last one, in canonical form."""
    return canonicalised(partial, None)[0]


class _Examination:
    """One look at a loaded model, which goes on after every problem."""

    def __init__(self, loaded: LoadedModel, title: str, file: str | None, progress: Progress) -> None:
        self._loaded = loaded
        self._graph = loaded.proto.graph
        self._initializers = stored_tensors(self._graph)
        self._title = title
        self._file = file
        self._progress = progress
        self._found: list[Diagnostic] = list(loaded.found)

    def reading(self, output: Choice, input_shape: Shape | None) -> Reading:
        chosen, said = chosen_outputs(self._graph, output, self._file)
        self._found += said
        graph = self._sorted_graph(chosen)
        constants = frozenset(self._initializers)
        inputs, problems = model_inputs(self._graph, graph, constants, input_shape, self._file)
        # A graph that is not well formed has no telling which inputs it needs.
        self._found += [p for p in problems if p.code != "E006" or not self._is_broken]
        lowered = self._lowered(graph, inputs)
        self._found += lowered.problems
        network = None if self._failed else self._network(inputs[0], lowered, chosen)
        read = {name for node in graph.nodes for name in (*node.inputs, *node.captured)}
        return Reading(
            None if self._failed else network,
            self._partial(inputs, lowered),
            grouped(sorted(self._found, key=lambda found: _ORDER.index(found.severity))),
            dict(sorted(Counter(node.operator for node in graph.nodes).items())),
            sum(math.prod(t.dims) for t in self._graph.initializer if t.name in read and t.data_type in _FLOATS),
        )

    @property
    def _failed(self) -> bool:
        return any(problem.severity is Severity.ERROR for problem in self._found)

    @property
    def _is_broken(self) -> bool:
        return any(problem.code == "E005" for problem in self._found)

    def _sorted_graph(self, outputs: tuple[str, ...]) -> SortedGraph:
        """The nodes that ``outputs`` need in order; all of the file's, in its order, where they have none."""
        known = frozenset(self._initializers) | {str(value.name) for value in self._graph.input}
        nodes = read_nodes(self._graph.node)
        ordered, problems = sort_for(outputs, nodes, known, self._file)
        self._found += problems
        if ordered is None:
            return SortedGraph(nodes, outputs, was_unsorted=False)
        if ordered.was_unsorted:
            self._found.append(_unsorted(self._file))
        return ordered

    def _lowered(self, graph: SortedGraph, inputs: tuple[ModelInput, ...]) -> Lowered:
        """Read every node; only what is wrong at any size where a size is open."""
        is_judged = self._loaded.opset is not None and not self._is_broken
        sizes = _TRIAL_SIZES if is_judged and _is_open(inputs) else (0,)
        tried, nodes = list[Lowered](), len(graph.nodes)
        for place, size in enumerate(sizes):
            report = within(self._progress, place * nodes, (place + 1) * nodes, len(sizes) * nodes)
            tried.append(self._lowered_at(graph, tuple(i.at_size(size) for i in inputs) if is_judged else (), report))
        first, last = tried[0], tried[-1]
        shared = tuple(problem for problem in first.problems if problem in last.problems)
        return Lowered(first.nodes, first.results, first.notes, shared)

    def _lowered_at(self, graph: SortedGraph, inputs: tuple[ModelInput, ...], progress: Progress) -> Lowered:
        shapes = {i.name: i.shape for i in inputs}
        return lower(self._loaded, graph, shapes, self._initializers, self._file, progress)

    def _network(self, source: ModelInput, lowered: Lowered, outputs: tuple[str, ...]) -> Network | None:
        self._found += lowered.notes
        place = Place(file=self._file)
        other = "choose by --output-name a value that is computed from the input"
        hint = other if lowered.nodes else "there is no layer between input and result: nothing to compile"
        results = [each for each in lowered.results if isinstance(each, Tensor) and lowered.nodes]
        for output, result in zip(outputs, lowered.results, strict=True):
            if result not in results:
                message = f"output {output} does not depend on the input through any layer"
                self._found.append(Diagnostic("E015", message, place, hint=hint))
        if self._failed:
            return None
        assert source.shape is not None, "an open size is a problem, so there is no network"
        nodes = lowered.nodes if len(outputs) == 1 else (*lowered.nodes, _end(outputs, results, lowered.nodes))
        end = results[0].value if len(outputs) == 1 else nodes[-1].name
        network = Network(self._title, source.shape[1:], nodes, end, source.integers)
        canonical, remarks = canonicalised(network, self._file)
        self._found += remarks
        for output, value in canonical.outputs or ((outputs[0], canonical.output),):
            if value == INPUT:
                self._found.append(Diagnostic("E015", f"output {output} is the input itself", place, hint=hint))
        if not self._failed:
            self._found += _on_labels(canonical, place)
        return canonical

    def _partial(self, inputs: tuple[ModelInput, ...], lowered: Lowered) -> Network | None:
        shape = inputs[0].shape if len(inputs) == 1 else None
        if shape is None or not lowered.nodes:
            return None
        return Network(self._title, shape[1:], lowered.nodes, lowered.nodes[-1].name, inputs[0].integers)


_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE, onnx.TensorProto.BFLOAT16)


def _is_open(inputs: tuple[ModelInput, ...]) -> bool:
    """Whether a size is missing that can be tried out."""
    if not inputs or any(i.sizes is None for i in inputs):
        return False
    trials = [shape for i in inputs if (shape := i.at_size(_TRIAL_SIZES[-1]).shape) is not None]
    return any(i.shape is None for i in inputs) and all(math.prod(shape) <= _LARGEST_TRIAL for shape in trials)


def _end(outputs: tuple[str, ...], results: list[Tensor], nodes: tuple[Node, ...]) -> Node:
    operator = Outputs(shown_names(outputs))
    shape = operator.result_shape(tuple(result.sample for result in results))
    name = unused_name("outputs", {node.name for node in nodes})
    return Node(name, operator, tuple(result.value for result in results), shape)


def _on_labels(network: Network, place: Place) -> Iterator[Diagnostic]:
    """What classes are told by: I017 on several outputs, I022 on a single score."""
    if network.outputs:
        (first, _), *others = network.outputs
        yield Diagnostic(
            "I017",
            f"{1 + len(others)} outputs are compiled; labels and accuracies refer to the first that is named, {first}",
            place,
            measured=1 + len(others),
            unit="outputs",
            hint="nothing to do; name another first where the labels of your data are those of another",
        )
    if math.prod(network.shape(network.results[0])) == 1:
        message = "the model has a single score: class 1 where it is above 0, else class 0"
        hint = "nothing to do for a logit; a score with another threshold needs it subtracted in the last bias"
        yield Diagnostic("I022", message, place, hint=hint)


def _unsorted(file: str | None) -> Diagnostic:
    return Diagnostic(
        "W005",
        "the nodes of the file are not in topological order; they were sorted",
        Place(file=file),
        hint="nothing to do here; other tools may refuse the file",
    )
