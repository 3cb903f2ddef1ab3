"""The input that the network is driven by: which it is, and its size per sample, fixed by the file or by the user."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import onnx

from ...targets.diagnostic import Diagnostic, Place
from ...targets.records import dataclass
from ..ir.operators import Shape
from .graph import SortedGraph
from .input_type import input_integers, input_type_problems
from .refusal import listed

LARGEST_INPUT = 1 << 21
"""Values per sample; the largest event camera sends 1280 x 720 x 2, and a host sends every value as a message."""

_EXAMPLE_SIZE = 32


@dataclass(frozen=True, slots=True)
class ModelInput:
    """An input that the result depends on. ``sizes`` has the batch axis first; 0 is unknown, None an unknown rank.

    ``integers`` is the range of an integer type, None for floats.
    """

    name: str
    sizes: Shape | None
    integers: tuple[int, int] | None = None

    @property
    def shape(self) -> Shape | None:
        """Shape with the batch axis first, once every size is known."""
        return self.sizes if self.sizes and min(self.sizes) >= 1 else None

    def at_size(self, size: int) -> ModelInput:
        """Return the input with ``size`` for every unknown one."""
        return replace(self, sizes=None if self.sizes is None else tuple(n or size for n in self.sizes))


def model_inputs(
    graph: onnx.GraphProto, needed: SortedGraph, constants: frozenset[str], given: Shape | None, file: str | None
) -> tuple[tuple[ModelInput, ...], tuple[Diagnostic, ...]]:
    """Inputs that the result needs, with ``given`` sizes per sample for the unknown ones, and all problems with them.

    ``constants`` are the names of initialisers. Problems: E006 unless it is one input, E008 for a size that is not
    known or too large, E021 where ``given`` contradicts the file.
    """
    read = {name for node in needed.nodes for name in (*node.inputs, *node.captured)} | {*needed.outputs}
    values = [value for value in graph.input if value.name not in constants and value.name in read]
    place = Place(file=file)
    if len(values) == 1:
        (value,) = values
        declared = _sizes(value)
        merged = _merged(declared, given)
        problems = (
            *_contradictions(value.name, declared, given, place),
            *_size_problems(value, merged, place),
            *input_type_problems(value, place),
        )
        is_usable = merged is not None and math.prod(merged[1:]) <= LARGEST_INPUT
        return (ModelInput(value.name, merged if is_usable else None, input_integers(value)),), problems
    several = Diagnostic(
        "E006",
        f"the result depends on {len(values)} inputs ({listed(tuple(value.name for value in values)) or 'none'}), "
        "not on one",
        place,
        hint=_number_hint(graph, constants, bool(values)),
    )
    return tuple(ModelInput(value.name, _sizes(value)) for value in values), (several,)


def _number_hint(graph: onnx.GraphProto, constants: frozenset[str], has_inputs: bool) -> str:
    if has_inputs:
        return (
            "a spiking network is driven by one signal: join several inputs before the model, as channels for instance"
        )
    inputs = {value.name for value in graph.input} - constants
    if any(inputs.intersection(node.input) for node in graph.node):
        return "choose by --output-name a value that is computed from the model's input"
    return "no node reads an input: there is no network to compile"


def _sizes(value: onnx.ValueInfoProto) -> Shape | None:
    tensor = value.type.tensor_type
    if not value.type.HasField("tensor_type") or not tensor.HasField("shape") or not tensor.shape.dim:
        return None
    batch, *rest = tensor.shape.dim
    sizes = (int(d.dim_value) if d.HasField("dim_value") else 0 for d in rest)
    return max(1, int(batch.dim_value)), *(max(0, size) for size in sizes)


def _merged(declared: Shape | None, given: Shape | None) -> Shape | None:
    if given is None:
        return declared
    if declared is None:
        return 1, *given
    if len(declared) != len(given) + 1:
        return declared
    return declared[0], *(fixed or wanted for fixed, wanted in zip(declared[1:], given, strict=True))


def _contradictions(name: str, declared: Shape | None, given: Shape | None, place: Place) -> Iterator[Diagnostic]:
    if given is None or declared is None:
        return
    fixed = "x".join(str(size or "?") for size in declared[1:])
    agrees = len(declared) == len(given) + 1 and all(
        size in (0, wanted) for size, wanted in zip(declared[1:], given, strict=True)
    )
    if not agrees:
        yield Diagnostic(
            "E021",
            f"the input shape {'x'.join(map(str, given))} contradicts the file: input {name} has {fixed} per sample",
            place,
            hint="leave --input-shape away: the file fixes every size"
            if 0 not in declared
            else f"keep to what the file fixes, for example --input-shape {_example(declared[1:])}",
        )


def _size_problems(value: onnx.ValueInfoProto, sizes: Shape | None, place: Place) -> Iterator[Diagnostic]:
    name = value.name
    if sizes is None:
        hint = f"give it by --input-shape, for example --input-shape 3x{_EXAMPLE_SIZE}x{_EXAMPLE_SIZE} for images"
        yield Diagnostic("E008", f"input {name} has no shape", place, hint=hint)
    elif len(sizes) < 2:
        hint = "the model has to take (batch, values per sample), with the batch as axis 0"
        yield Diagnostic("E008", f"input {name} has 1 axis: a batch axis is missing", place, hint=hint)
    elif min(sizes) < 1:
        dimensions = value.type.tensor_type.shape.dim[1:]
        shown = ", ".join(str(d.dim_value) if d.HasField("dim_value") else d.dim_param or "?" for d in dimensions)
        hint = f"fix it by --input-shape, for example --input-shape {_example(sizes[1:])}"
        yield Diagnostic("E008", f"input {name} has no fixed size per sample: ({shown})", place, hint=hint)
    elif math.prod(sizes[1:]) > LARGEST_INPUT:
        yield Diagnostic(
            "E008",
            f"input {name} is too large",
            place,
            measured=math.prod(sizes[1:]),
            limit=LARGEST_INPUT,
            unit="values per sample",
            hint="no chip takes such a sample: cut or shrink it before the model",
        )


def _example(sizes: Sequence[int]) -> str:
    return "x".join(str(size or _EXAMPLE_SIZE) for size in sizes)
