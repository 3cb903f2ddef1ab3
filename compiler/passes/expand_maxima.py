"""Compute maxima by neurons: max(a, b) = a + relu(b - a).

Behind quantise-and-clip activations of one threshold and levels, b - a lies on their grid, and the rectifier is an
activation of that threshold and those levels, shifted by half a level so that no last digit matters: as floats, and as
counts under any schedule that keeps counts exact, nothing is lost. Where the values reach over several thresholds (a
sum of activations) or lie closer (an average of them), as many neurons share the range:

    relu(d) = sum_j clip(d - j theta, 0, theta)

Values without a common grid are compared in T levels of their range, as any ReLU is, or in as many as graded neurons
give to one. In a window of one step a maximum of spikes is one neuron that fires where any source does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...targets.diagnostic import Diagnostic, Place, UnusableInput
from ...targets.records import dataclass
from ..ir.maxima import MaximumNeuron, MaxPool
from ..ir.network import INPUT, Network, Node
from ..ir.operators import AveragePool, Conv, Dense, Operator, Pad, QuantizeClip
from ..ir.spiking import InputSignal
from .calibrate_thresholds import CalibrateThresholds
from .contract import Compilation, Context, Outcome
from .encode_input import value_range
from .move_maxima import MAXIMA, before_linear_maps

# What only networks with maxima need is loaded for them alone.
if TYPE_CHECKING:
    from .maximum_neurons import Expanded
    from .value_ranges import Range

_WIDE_MATRIX = 1 << 24
"""Weights of dense layers for the entries of a map (128 MiB of doubles) from which on its maxima are kept apart."""


@dataclass(frozen=True)
class ExpandMaxima:
    """max(a, b) becomes a + relu(b - a)."""

    threshold_method: str = "mse"
    percentile: float = 99.9
    name: str = "expand-maxima"
    preserves: bool = False
    """Where values share a grid the function stays; elsewhere it is that of T levels."""

    def run(self, state: Compilation, context: Context) -> Outcome:
        """Expand every maximum; ``maxima`` tells neurons, depth and whether nothing is lost."""
        # Activations that have become sums of neurons since maxima were moved are sums of rising terms.
        network = before_linear_maps(state.network)
        maxima = [node for node in network.nodes if isinstance(node.operator, MAXIMA)]
        if not maxima:
            return Outcome(state, {"maxima": {}})
        from .value_ranges import value_ranges

        ranges = value_ranges(network, _input_range(network, context))
        taken = {node.name for node in network.nodes}
        joins = context.timesteps == 1 and not context.graded
        expanded = {node.name: _expanded(network, node, ranges, taken, joins_spikes=joins) for node in maxima}
        nodes = [
            new for node in network.nodes for new in (expanded[node.name].nodes if node.name in expanded else (node,))
        ]
        result = self._with_thresholds(network.with_nodes(tuple(nodes)), context)
        effects = {name: _effect(each) for name, each in expanded.items()}
        levels = str(context.levels) if context.graded else "T"
        found = tuple(_finding(node, effects[node.name], levels) for node in maxima)
        return Outcome(replace(state, network=result), {"maxima": effects}, found)

    def _with_thresholds(self, network: Network, context: Context) -> Network:
        """Give every rectifier of a difference without a grid its threshold: by calibration data, within its range."""
        from .maximum_neurons import Rectifier

        rectifiers = {n.name: n.operator for n in network.nodes if isinstance(n.operator, Rectifier)}
        if not rectifiers:
            return network
        open_nodes = [network.node(name) for name in rectifiers]
        measured: dict[str, float] = {}
        if context.calibration is not None:
            by = CalibrateThresholds(self.threshold_method, self.percentile)
            measured = by.of_rectifiers(network, open_nodes, context.calibration, context.levels)
        limits = {name: min(r.bound, measured.get(name, math.inf)) for name, r in rectifiers.items()}
        unbounded = [node for node in open_nodes if not math.isfinite(limits[node.name])]
        if unbounded:
            tell = _without_bounds if context.calibration is None else _never_larger
            raise UnusableInput(tell(node) for node in unbounded)
        neurons = {name: MaximumNeuron(limit, context.levels, 0.5) for name, limit in limits.items()}
        return network.with_nodes(tuple(replace(n, operator=neurons.get(n.name, n.operator)) for n in network.nodes))


def _input_range(network: Network, context: Context) -> Range:
    """What the encoder lets through, which is more than calibration data holds."""
    from .value_ranges import UNKNOWN, Range

    if context.calibration is None:
        return UNKNOWN
    shape = network.input_shape
    signal = InputSignal(shape, tuple(range(len(shape))), shape, integers=network.integers)
    return Range(*value_range(signal, context))


def _expanded(
    network: Network, node: Node, ranges: dict[str, Range], taken: set[str], *, joins_spikes: bool
) -> Expanded:
    from .maximum_neurons import compared_values, compared_windows, spikes_joined

    sources = [None if value == INPUT else network.node(value).operator for value in node.inputs]
    firing = [source for source in sources if isinstance(source, QuantizeClip)]
    alike = len(firing) == len(sources) and len({(s.threshold, s.levels) for s in firing}) == 1
    if joins_spikes and alike and len(node.shape) == 3:
        return spikes_joined(node, firing[0])
    inputs = [ranges[value] for value in node.inputs]
    if isinstance(node.operator, MaxPool):
        shape, behind = network.shape(node.inputs[0]), tuple(_linear_behind(network, node.name))
        rows = sum(len(operator.weight) for operator in behind if isinstance(operator, Dense))
        return compared_windows(
            node,
            shape,
            inputs[0],
            taken,
            is_padded_behind=any(amount > 0 for operator in behind for amount in _padding(operator)),
            is_wide_behind=rows * math.prod(shape) > _WIDE_MATRIX,
        )
    return compared_values(node, inputs, taken)


def _linear_behind(network: Network, value: str) -> Iterator[Operator]:
    """Operators that read ``value``, or a linear function of it."""
    pending, seen = [value], set[str]()
    while pending:
        for reader in network.consumers(pending.pop()):
            if reader.name in seen or isinstance(reader.operator, QuantizeClip):
                continue
            seen.add(reader.name)
            pending.append(reader.name)
            yield reader.operator


def _padding(operator: Operator) -> tuple[int, ...]:
    match operator:
        case Conv():
            return operator.geometry.padding
        case AveragePool() | MaxPool():
            return (*operator.padding, int(operator.ceil))
        case Pad():
            return (*operator.before[1:], *operator.after[1:])
        case _:
            return ()


def _without_bounds(node: Node) -> Diagnostic:
    return Diagnostic(
        "E221",
        "a maximum compares values without bounds, and there is no calibration data to find them",
        Place(layer=node.name, nodes=tuple(o.node for o in node.origins)),
        hint="give --calibration FILE.npz with a few hundred training inputs",
    )


def _never_larger(node: Node) -> Diagnostic:
    return Diagnostic(
        "E222",
        "a maximum compares values without bounds, of which one is never larger on calibration data",
        Place(layer=node.name, nodes=tuple(o.node for o in node.origins)),
        hint="give calibration data from the training set, or take the value that is always larger",
    )


def _effect(expanded: Expanded) -> dict[str, Any]:
    return {"neurons": expanded.neurons, "depth": expanded.depth, "exact": expanded.is_exact}


def _finding(node: Node, effect: dict[str, Any], levels: str) -> Diagnostic:
    way = "and loses nothing" if effect["exact"] else f"and compares in {levels} levels of a range, so it is not exact"
    deep = f"{effect['depth']} {'population' if effect['depth'] == 1 else 'populations'} deep"
    return Diagnostic(
        "I030",
        f"the maximum became {effect['neurons']} neurons, {deep}, {way}",
        Place(layer=node.name, nodes=tuple(o.node for o in node.origins)),
        hint="--maxima average takes none, where the accuracy that the ledger shows for it is enough",
    )
