"""Write functions that no neuron computes as sums of clipped rectifiers, fitted on calibration data.

    f(x) ~ y_0 + sum_k s_k clip(x - b_k, 0, w_k)

Every term is a population; ``piecewise_fit`` says how breakpoints and slopes are found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ...runtime.samples import Samples
from ...targets.diagnostic import Diagnostic, Place, UnusableInput
from ...targets.records import dataclass
from ..arithmetic import total
from ..ir.activations import FITTED, Curve
from ..ir.network import Network, Node, evaluate, unused_name
from ..ir.operators import Add, AnyFloat, FloatArray, Offset, Operator, QuantizeClip, Scale
from .contract import Compilation, Context, Outcome
from .join_functions import with_joined_functions
from .piecewise_fit import Pieces, best_pieces, function_values

DEFAULT_PIECES = 4
MOST_PIECES = 32

_BATCH = 32
_VALUES = 4096
"""Values of x that a fit is made on: evenly spaced among the sorted ones of all samples."""
_COARSE = 0.02
"""Error, as a share of what the function ranges over, from which a finding tells of it."""


@dataclass(frozen=True)
class FitPieces:
    """Every function of one number becomes a sum of at most ``pieces`` clipped rectifiers per entry.

    Those that follow each other, with nothing but scalar factors, amounts and rectifiers in between, are one function.
    """

    pieces: int = DEFAULT_PIECES
    name: str = "fit-pieces"
    preserves: bool = False

    def run(self, state: Compilation, context: Context) -> Outcome:
        """Fit all functions; ``fitted`` has the error of each on calibration data, which there has to be (E226)."""
        network = with_joined_functions(state.network)
        curves = [node for node in network.nodes if isinstance(node.operator, FITTED)]
        if not curves:
            return Outcome(state, {"fitted": {}})
        if context.calibration is None:
            raise UnusableInput(_lacks_data(node) for node in curves)
        values = _values_of(network, curves, context.calibration)
        fits = {node.name: best_pieces(node.operator, values[node.name], self.pieces) for node in curves}
        writing = _Writing({node.name for node in network.nodes})
        nodes = tuple(
            new
            for node in network.nodes
            for new in (writing.pieces(node, fits[node.name]) if node.name in fits else (node,))
        )
        effect = {node.name: _figures(node, values[node.name], fits[node.name]) for node in curves}
        coarse = tuple(_coarse(node, effect[node.name]) for node in curves if effect[node.name]["error"] > _COARSE)
        return Outcome(replace(state, network=network.with_nodes(nodes)), {"fitted": effect}, coarse)


def _lacks_data(node: Node) -> Diagnostic:
    return Diagnostic(
        "E226",
        f"{_title(node.operator)} is fitted by pieces, and there is no calibration data to fit it on",
        Place(layer=node.name, nodes=tuple(o.node for o in node.origins)),
        hint="give --calibration FILE.npz with a few hundred training inputs",
    )


def _coarse(node: Node, figures: dict[str, Any]) -> Diagnostic:
    return Diagnostic(
        "W117",
        f"{figures['function']} in {figures['pieces']} pieces is off by more than a fiftieth of its range",
        Place(layer=node.name, nodes=tuple(o.node for o in node.origins)),
        measured=figures["error"],
        limit=_COARSE,
        unit="of its range, root mean square",
        hint="give more pieces by --pieces",
    )


def _title(operator: Operator) -> str:
    if isinstance(operator, Curve):
        return f"the function {operator.function}"
    return "a product of functions of one number"


def _figures(node: Node, values: FloatArray, fit: Pieces) -> dict[str, Any]:
    wanted, found = function_values(node.operator, values), fit.at(values)
    width = float(wanted.max() - wanted.min()) or 1.0
    used = int(np.count_nonzero(fit.rises))
    return {
        "function": node.operator.function if isinstance(node.operator, Curve) else "composite",
        "pieces": used,
        "neurons": used * int(np.prod(node.shape)),
        "error": float(np.sqrt(total(np.square(found - wanted)) / len(values))) / width,
        "worst": float(np.abs(found - wanted).max()) / width,
        "from": float(values[0]),
        "to": float(values[-1]),
    }


def _values_of(network: Network, curves: list[Node], calibration: Samples) -> dict[str, FloatArray]:
    """Values that each function is applied to in rising order, ``_VALUES`` of them at most, with both ends."""
    sources = frozenset(node.inputs[0] for node in curves)
    kept: dict[str, list[AnyFloat]] = {name: [] for name in sources}
    inputs = calibration.as_float()
    for first in range(0, len(inputs), _BATCH):
        with np.errstate(over="ignore", invalid="ignore"):
            found = evaluate(network, inputs[first : first + _BATCH], sources)
        for name, parts in kept.items():
            parts.append(_spread(found[name].ravel()))
    values = {name: _spread(np.concatenate(parts)).astype(np.float64) for name, parts in kept.items()}
    endless = [node for node in curves if not _is_finite(node.operator, values[node.inputs[0]])]
    if endless:
        raise UnusableInput(
            Diagnostic(
                "E113",
                f"{_title(node.operator)} is infinite or no number on calibration data, so no pieces come near to it",
                Place(layer=node.name, nodes=tuple(o.node for o in node.origins)),
                hint="bound what it is applied to, and retrain",
            )
            for node in endless
        )
    return {node.name: values[node.inputs[0]] for node in curves}


def _is_finite(operator: Operator, values: FloatArray) -> bool:
    return bool(np.isfinite(values).all() and np.isfinite(function_values(operator, values)).all())


def _spread(values: AnyFloat) -> AnyFloat:
    """``values`` in rising order, or evenly spaced ones of them with both ends."""
    rising = np.sort(values)
    if rising.size <= _VALUES:
        return rising
    places = np.arange(_VALUES, dtype=np.int64) * (rising.size - 1) // (_VALUES - 1)
    return np.asarray(rising[places])


class _Writing:
    """Writes pieces as nodes and names them."""

    def __init__(self, taken: set[str]) -> None:
        self._taken = taken

    def pieces(self, node: Node, fit: Pieces) -> Iterator[Node]:
        """The nodes that stand for ``node``; the last has its name."""
        widths, rises = fit.widths, fit.rises
        ends = []
        for k in np.flatnonzero(rises):
            start = self._node(node, f"from{k + 1}", Offset(np.array(-fit.breakpoints[k])), node.inputs[0])
            piece = self._node(node, f"piece{k + 1}", QuantizeClip(float(widths[k]), None), start.name)
            slope = self._node(node, f"slope{k + 1}", Scale(np.array(rises[k] / widths[k])), piece.name)
            yield from (start, piece, slope)
            ends.append(slope.name)
        if not ends:
            nothing = self._node(node, "nothing", Scale(np.zeros(())), node.inputs[0])
            yield nothing
            ends = [nothing.name]
        if len(ends) > 1:
            joined = replace(self._node(node, "sum", Add(), ends[0]), inputs=tuple(ends))
            yield joined
            ends = [joined.name]
        yield replace(node, operator=Offset(np.array(fit.heights[0])), inputs=(ends[0],))

    def _node(self, of: Node, part: str, operator: Operator, source: str) -> Node:
        name = unused_name(f"{of.name}.{part}", self._taken)
        self._taken.add(name)
        return Node(name, operator, (source,), of.shape, of.origins)
