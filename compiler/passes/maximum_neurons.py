"""Nodes of level 1 that a maximum becomes: differences, rectified by neurons, and their sum."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import field, replace

import numpy as np

from ...targets.records import dataclass
from ..ir.maxima import AnySpike, MaximumNeuron, MaxPool, Taps
from ..ir.network import Node, unused_name
from ..ir.operators import Add, Offset, Operator, QuantizeClip, Relu, Scale, Shape
from .maximum_windows import Axis, Form, continued, planned
from .value_ranges import Range, covering

MOST_NEURONS = 4
"""Neurons that share the range of one difference; wider ones are compared in T levels."""

_AXES = ("rows", "columns")
_FUZZ = 1e-9


@dataclass(frozen=True, slots=True)
class Expanded:
    """What a maximum became: ``depth`` populations on its longest path; the last node has the maximum's name."""

    nodes: tuple[Node, ...]
    neurons: int
    depth: int
    is_exact: bool


@dataclass(frozen=True, slots=True)
class Rectifier(Relu):
    """ReLU of a difference that is never above ``bound``, which may be infinite; to be given a threshold."""

    bound: float


def spikes_joined(node: Node, source: QuantizeClip) -> Expanded:
    """One neuron for each maximum of spikes of ``source``, in a window of one step."""
    pool = node.operator if isinstance(node.operator, MaxPool) else None
    neuron = AnySpike(source.threshold, source.levels, 0.5, pool)
    return Expanded((replace(node, operator=neuron),), math.prod(node.shape), 1, True)


def compared_values(node: Node, ranges: list[Range], taken: set[str]) -> Expanded:
    """Tree of comparisons of values of one shape, of the given ranges."""
    building = _Building(node, taken)
    values = [_Value((name,), values) for name, values in zip(node.inputs, ranges, strict=True)]
    depth = 0
    while len(values) > 1:
        paired = [building.larger(one, other) for one, other in zip(values[::2], values[1::2], strict=False)]
        values = [*paired, *values[2 * len(paired) :]]
        depth += 1
    building.finish(values[0].terms)
    return building.result(depth)


def compared_windows(
    node: Node, shape: Shape, values: Range, taken: set[str], *, is_padded_behind: bool, is_wide_behind: bool
) -> Expanded:
    """Comparisons along both axes of the windows of a map of ``shape``.

    Where a layer behind pads, and the sum of entries and comparisons could not be composed with it into convolutions,
    or where it is a wide matrix that would have columns for all of them, the sum becomes a population of its own.
    Padding stands for the lowest of ``values``, or where there is none for entries of the map.
    """
    assert isinstance(node.operator, MaxPool)
    building = _Building(node, taken)
    pool, source = node.operator, node.inputs[0]
    is_padded = _pads(pool, shape)
    if is_padded and not math.isfinite(values.low):
        edges, pool = continued(pool, shape)
        source, shape, is_padded = building.add("edges", edges, (source,), edges.shape), edges.shape, False
    size = (shape[1], shape[2])
    plan = planned(pool, size)
    is_kept = (is_wide_behind or (plan.is_open and is_padded_behind)) and _shares(values, values.width) == 1
    # Nothing that is padded with may be larger than a value.
    low = values.low if is_padded or is_kept else 0.0
    if low:
        source = building.add("from_zero", Offset(np.array(-low)), (source,), shape)
    sources = [_Source(source, Axis(0, 1, size[0]), Axis(0, 1, size[1]), 0)]
    for comparison in plan.comparisons:
        rows, columns = comparison.rows, comparison.columns
        difference = building.added(building.read(comparison.difference, sources, rows, columns), "difference")
        name = building.rectified(difference, values, values.width, _AXES[comparison.axis])
        depth = 1 + max(sources[k].depth for k in comparison.difference)
        sources.append(_Source(name, rows, columns, depth))
    terms = building.read(plan.result, sources, plan.rows, plan.columns)
    depth = max(sources[k].depth for k in plan.result)
    if is_kept:
        terms = (building.kept(building.added(terms, "sum"), values),)
    building.finish(terms, low)
    return building.result(depth + is_kept)


def _pads(pool: MaxPool, shape: Shape) -> bool:
    return any(amount > 0 for amount in pool.geometry((shape[1], shape[2])).padding)


@dataclass(frozen=True, slots=True)
class _Value:
    """The sum of ``terms``."""

    terms: tuple[str, ...]
    range: Range


@dataclass(frozen=True, slots=True)
class _Source:
    """A map or a comparison, known at ``rows`` x ``columns``, ``depth`` populations behind the map."""

    name: str
    rows: Axis
    columns: Axis
    depth: int


def _shares(values: Range, highest: float) -> int:
    """Neurons that compute relu of a difference of ``values`` up to ``highest`` exactly; 0 where none do."""
    if values.amplitude is None or not math.isfinite(highest):
        return 0
    count = max(1, math.ceil(highest / values.amplitude - _FUZZ))
    return count if count <= MOST_NEURONS else 0


@dataclasses.dataclass(slots=True)
class _Building:
    """Nodes in place of ``node``; ``taken`` names are not used again."""

    node: Node
    taken: set[str]
    nodes: list[Node] = field(default_factory=list)
    neurons: int = 0
    is_exact: bool = True

    def result(self, depth: int) -> Expanded:
        return Expanded(tuple(self.nodes), self.neurons, depth, self.is_exact)

    def add(self, part: str, operator: Operator, inputs: tuple[str, ...], shape: Shape) -> str:
        name = unused_name(f"{self.node.name}.{part}", self.taken)
        self.taken.add(name)
        self.nodes.append(Node(name, operator, inputs, shape, self.node.origins))
        return name

    def finish(self, terms: tuple[str, ...], amount: float = 0.0) -> None:
        """Give the sum of ``terms`` and ``amount`` the maximum's name."""
        last: Operator = Offset(np.array(amount)) if amount else Add()
        inputs = (self.added(terms, "sum"),) if amount else terms
        if not amount and len(terms) == 1:
            last = Scale(np.array(1.0))
        self.nodes.append(replace(self.node, operator=last, inputs=inputs))

    def added(self, terms: tuple[str, ...], part: str) -> str:
        if len(terms) == 1:
            return terms[0]
        return self.add(part, Add(), terms, self._shape(terms[0]))

    def _shape(self, name: str) -> Shape:
        return next((node.shape for node in self.nodes if node.name == name), self.node.shape)

    def rectified(self, difference: str, values: Range, highest: float, part: str) -> str:
        """relu of a difference of ``values`` that is at most ``highest``."""
        shape = self._shape(difference)
        if highest <= 0:
            return self.add(part, Scale(np.array(0.0)), (difference,), shape)
        shares = _shares(values, highest)
        self.neurons += max(1, shares) * math.prod(shape)
        if not shares:
            self.is_exact = False
            return self.add(part, Rectifier(highest), (difference,), shape)
        assert values.amplitude is not None
        neuron = MaximumNeuron(values.amplitude, values.levels, 0.5)
        names = []
        for share in range(shares):
            above = difference
            if share:
                amount = np.array(-share * values.amplitude)
                above = self.add("above", Offset(amount), (difference,), shape)
            names.append(self.add(part, neuron, (above,), shape))
        return self.added(tuple(names), "shared")

    def kept(self, value: str, values: Range) -> str:
        """The maximum itself as a population: ``value`` is on the grid already, and from zero on."""
        assert values.amplitude is not None
        shape = self._shape(value)
        self.neurons += math.prod(shape)
        return self.add("kept", MaximumNeuron(values.amplitude, values.levels, 0.5), (value,), shape)

    def larger(self, one: _Value, other: _Value) -> _Value:
        """a + relu(b - a), a being the value that b exceeds by less."""
        base, rest = one, other
        if one.range.high - other.range.low < other.range.high - one.range.low:
            base, rest = other, one
        both = covering([base.range, rest.range])
        negative = [self.add("negative", Scale(np.array(-1.0)), (term,), self.node.shape) for term in base.terms]
        difference = self.added((*rest.terms, *negative), "difference")
        name = self.rectified(difference, both, rest.range.high - base.range.low, "excess")
        return _Value((*base.terms, name), both)

    def read(self, form: Form, sources: list[_Source], rows: Axis, columns: Axis) -> tuple[str, ...]:
        """Terms of ``form`` at ``rows`` x ``columns``, one for each of its sources."""
        return tuple(self._tapped(sources[k], taps, rows, columns) for k, taps in sorted(form.items()))

    def _tapped(self, source: _Source, taps: dict[tuple[int, int], float], rows: Axis, columns: Axis) -> str:
        strides = _stride(rows, source.rows), _stride(columns, source.columns)
        places = tuple(
            (_place(rows, source.rows, row), _place(columns, source.columns, column), factor)
            for (row, column), factor in sorted(taps.items())
        )
        counts = (rows.count, columns.count)
        is_whole = counts == (source.rows.count, source.columns.count)
        if places == ((0, 0, 1.0),) and strides == (1, 1) and is_whole:
            return source.name
        channels = self.node.shape[0]
        return self.add("entries", Taps(places, strides, counts), (source.name,), (channels, *counts))


def _stride(target: Axis, source: Axis) -> int:
    """Entries of ``source`` from one of ``target`` to the next."""
    if target.count == 1:
        return -(-target.step // source.step)
    assert target.step % source.step == 0, "a comparison is known wherever it is read"
    return target.step // source.step


def _place(target: Axis, source: Axis, offset: int) -> int:
    """Entry of ``source`` that the first of ``target`` reads."""
    steps, rest = divmod(target.start + offset - source.start, source.step)
    assert rest == 0, "a comparison is known wherever it is read"
    return steps
