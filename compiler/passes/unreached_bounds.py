"""Bounds of a clip that no value comes near: written by exporters for none, such as 65504 or 1e30.

As a threshold such a bound would put all values into one level, and min(x, c) = c - relu(c - x) loses x in c's last
digit. So it is left out where calibration data, or without any the range of every value, shows that nothing reaches it.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ...targets.diagnostic import Diagnostic, Place
from ...targets.records import dataclass
from ..ir.network import INPUT, Network, Node, evaluate
from ..ir.operators import Clip, Floor, Offset, Operator, Relu, Round
from .contract import Context
from .elementwise_runs import elementwise_runs, nonlinear, reader_counts
from .encode_input import input_range

if TYPE_CHECKING:
    from .value_ranges import Range

_SAMPLES = 64
_FAR = 1000.0
"""Times the largest value: a threshold there leaves no level for the values even of ten bits."""
_ORDINARY = 1e4
"""Bounds up to here are taken as meant, however small the values are; 65504 is the largest number of 16-bit floats."""


@dataclass(frozen=True, slots=True)
class UnreachedBound:
    """Clip ``node`` and those of its bounds that the values ``reached`` stay far from; infinite where one stays."""

    node: Node
    low: float
    high: float
    reached: Range

    def remark(self) -> Diagnostic:
        """I035."""
        bounds = " and ".join(f"{bound:g}" for bound in (self.low, self.high) if math.isfinite(bound))
        return Diagnostic(
            "I035",
            f"a clip at {bounds} is left out: the values are from {self.reached.low:.3g} to {self.reached.high:.3g}",
            Place(layer=self.node.name, nodes=tuple(origin.node for origin in self.node.origins)),
            hint="nothing to do; a bound that is meant needs calibration data that reaches it",
        )


def unreached_bounds(network: Network, context: Context) -> tuple[UnreachedBound, ...]:
    """Bounds of clips of ``network`` that nothing comes near; without rounding in the run, whose levels they are."""
    runs = elementwise_runs(network, reader_counts(network))
    alone = {run[places[0]].name for run in runs if len(places := nonlinear(run)) == 1}
    rounds = {n.name for run in runs if any(isinstance(m.operator, Floor | Round) for m in run) for n in run}
    clips = [n for n in network.nodes if isinstance(n.operator, Clip) and n.name not in rounds]
    doubtful = [n for n in clips if _is_doubtful(n.operator, is_alone=n.name in alone)]
    if not doubtful:
        return ()
    reached = _reached(network, doubtful, context)
    found = (_unreached(n, reached[n.inputs[0]], is_alone=n.name in alone) for n in doubtful)
    return tuple(bound for bound in found if bound is not None)


def without_bounds(network: Network, unreached: tuple[UnreachedBound, ...]) -> Network:
    """``network`` without these bounds; the same object where there are none."""
    if not unreached:
        return network
    left = {bound.node.name: _remaining(bound) for bound in unreached}
    nodes = tuple(replace(node, operator=left.get(node.name, node.operator)) for node in network.nodes)
    return network.with_nodes(nodes)


def _remaining(bound: UnreachedBound) -> Operator:
    clip = bound.node.operator
    assert isinstance(clip, Clip), "only clips have bounds"
    low = -math.inf if math.isfinite(bound.low) else clip.low
    high = math.inf if math.isfinite(bound.high) else clip.high
    if low == -math.inf and high == math.inf:
        return Offset(np.zeros(()))
    return Relu() if (low, high) == (0.0, math.inf) else Clip(low, high)


def _is_doubtful(operator: Operator, *, is_alone: bool) -> bool:
    assert isinstance(operator, Clip)
    return (is_alone and _is_one_sided(operator)) or _is_large(operator)


def _is_one_sided(clip: Clip) -> bool:
    return math.isinf(clip.low) or math.isinf(clip.high)


def _is_large(clip: Clip) -> bool:
    return any(math.isfinite(bound) and abs(bound) > _ORDINARY for bound in (clip.low, clip.high))


def _unreached(node: Node, reached: Range, *, is_alone: bool) -> UnreachedBound | None:
    """What is left out of ``node``: bounds far from all values; and a bound without another, apart by their width.

    Behind other clips the second would take from an activation the range that it was trained with.
    """
    clip = node.operator
    assert isinstance(clip, Clip)
    if not (math.isfinite(reached.low) and math.isfinite(reached.high)):
        return None
    far = max(_ORDINARY, _FAR * max(abs(reached.low), abs(reached.high)))
    is_apart = is_alone and _is_one_sided(clip)
    low_goes = clip.low < -far or (is_apart and clip.low < reached.low - reached.width)
    high_goes = clip.high > far or (is_apart and clip.high > reached.high + reached.width)
    low = clip.low if low_goes and math.isfinite(clip.low) else -math.inf
    high = clip.high if high_goes and math.isfinite(clip.high) else math.inf
    return None if math.isinf(low) and math.isinf(high) else UnreachedBound(node, low, high, reached)


def _reached(network: Network, clips: list[Node], context: Context) -> dict[str, Range]:
    # Loaded where a bound is doubtful, which few networks have.
    from .value_ranges import Range, value_ranges

    if context.calibration is None:
        return value_ranges(network, Range(*input_range(network.integers, context)))
    names = frozenset(node.inputs[0] for node in clips)
    samples = context.calibration.evenly(_SAMPLES).as_float()
    with np.errstate(over="ignore", invalid="ignore"):
        values = evaluate(network, samples, names) | {INPUT: samples}
    return {name: Range(float(values[name].min()), float(values[name].max())) for name in names}
