"""Give every activation without levels (ReLU, clipped ReLU) the threshold that its neurons will have.

``mse``: threshold = argmin over a grid V of  sum (V/L * clip(round(a L / V), 0, L) - a)^2  on calibration data, L being
the T counts of a window, or the levels that graded neurons are to send, and the grid max(a) * i/100 (Li et al. 2021,
the grid of SNN_Calibration's MMSE search). ``percentile``: the given percentile of all values of a, zeros included
(Rueckauer et al. 2017, Robust Norm).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...runtime.samples import Samples
from ...targets.diagnostic import Diagnostic, Place, UnusableInput
from ...targets.records import dataclass
from ..arithmetic import total
from ..ir.network import Network, Node, evaluate
from ..ir.operators import AnyFloat, QuantizeClip, Relu
from .contract import Compilation, Context, Outcome
from .expand_activations import other_side

_GRID = np.arange(6, 101) / 100
_VALUES_PER_LAYER = 400_000
_BATCH = 32
_MANY_LEVELS = 31
"""Levels of 5 bits; activations that are trained with levels have fewer."""


@dataclass(frozen=True)
class CalibrateThresholds:
    """relu(x) becomes V clip(floor(x L / V + 1/2) / L, 0, 1) with V from calibration data, L = T for spikes."""

    method: str = "mse"
    percentile: float = 99.9
    name: str = "calibrate-thresholds"
    preserves: bool = False

    def run(self, state: Compilation, context: Context) -> Outcome:
        """Replace every activation without levels; needs calibration data where a ReLU has no threshold at all.

        With calibration data, those too whose levels are many more than the steps can hold.
        """
        open_nodes = [n for n in state.network.nodes if _lacks_levels(n)]
        if context.calibration is not None:
            open_nodes += [n for n in state.network.nodes if _loses_levels(n, context.most_levels)]
        if not open_nodes:
            return Outcome(state, {"thresholds": {}})
        if context.calibration is None:
            thresholds = _thresholds_from_clips(open_nodes)
        else:
            thresholds = self._from_data(state.network, open_nodes, context.calibration, context.levels)
        nodes = tuple(
            replace(n, operator=QuantizeClip(thresholds[n.name], context.levels, 0.5)) if n.name in thresholds else n
            for n in state.network.nodes
        )
        method = "clip" if context.calibration is None else self.method
        effect = {"method": method, "thresholds": dict(sorted(thresholds.items()))}
        measured = {} if context.calibration is None else {n.name: n.operator for n in open_nodes}
        return Outcome(replace(state, network=state.network.with_nodes(nodes), measured=measured), effect)

    def _from_data(self, network: Network, nodes: list[Node], calibration: Samples, levels: int) -> dict[str, float]:
        values, largest = _sampled_activations(network, nodes, calibration)
        endless = [n for n in nodes if largest[n.name] == np.inf]
        if endless:
            raise UnusableInput(
                Diagnostic(
                    "E113",
                    "the activation is infinite or no number on calibration data, so it has no threshold",
                    Place(layer=n.name, nodes=tuple(o.node for o in n.origins)),
                    hint="look for factors beyond float32 in front of the layer",
                )
                for n in endless
            )
        silent = [n for n in nodes if largest[n.name] <= 0]
        known = {n.name: width for n in silent if (width := _width(network, n, largest)) > 0}
        dead = [n for n in silent if n.name not in known]
        if dead:
            raise UnusableInput(
                Diagnostic(
                    "E222",
                    "the activation is zero on all calibration data, so it has no threshold",
                    Place(layer=n.name, nodes=tuple(o.node for o in n.origins)),
                    hint="give calibration data from the training set, or remove the layer",
                )
                for n in dead
            )
        heard = [n for n in nodes if n.name not in known]
        return known | {n.name: self._threshold(values[n.name], largest[n.name], levels) for n in heard}

    def _threshold(self, values: AnyFloat, largest: float, levels: int) -> float:
        if self.method == "mse":
            return _smallest_error(values, largest, levels)
        if self.percentile == 100:
            return largest
        at = float(np.percentile(values, self.percentile))
        return at if at > 0 else largest

    def of_rectifiers(self, network: Network, nodes: list[Node], calibration: Samples, levels: int) -> dict[str, float]:
        """Threshold of each of ``nodes`` that is ever above zero on calibration data, and finite there."""
        values, largest = _sampled_activations(network, nodes, calibration)
        known = [n.name for n in nodes if 0 < largest[n.name] < np.inf]
        return {name: self._threshold(values[name], largest[name], levels) for name in known}


def _width(network: Network, silent: Node, largest: dict[str, float]) -> float:
    """Threshold of an activation that calibration data never reaches: where it clips, or that of a pair's other side.

    Zero where there is neither.
    """
    if isinstance(silent.operator, QuantizeClip):
        return silent.operator.threshold
    other = other_side(network, silent)
    return 0.0 if other is None else largest.get(other.name, 0.0)


def _lacks_levels(node: Node) -> bool:
    operator = node.operator
    return isinstance(operator, Relu) or (isinstance(operator, QuantizeClip) and operator.levels is None)


def _loses_levels(node: Node, most: int) -> bool:
    """Whether a quantiser by bits has many more levels than steps: its range is what was seen, and no threshold."""
    levels = node.operator.levels if isinstance(node.operator, QuantizeClip) else None
    return levels is not None and levels >= _MANY_LEVELS and levels >= 2 * most


def _thresholds_from_clips(nodes: list[Node]) -> dict[str, float]:
    unbounded = [n for n in nodes if not isinstance(n.operator, QuantizeClip)]
    if unbounded:
        raise UnusableInput(
            Diagnostic(
                "E221",
                "the ReLU has no threshold, and there is no calibration data to find one",
                Place(layer=n.name, nodes=tuple(o.node for o in n.origins)),
                hint="give --calibration FILE.npz with a few hundred training inputs",
            )
            for n in unbounded
        )
    return {n.name: n.operator.threshold for n in nodes if isinstance(n.operator, QuantizeClip)}


def _sampled_activations(
    network: Network, nodes: list[Node], calibration: Samples
) -> tuple[dict[str, AnyFloat], dict[str, float]]:
    """Values of each activation, at most ``_VALUES_PER_LAYER`` drawn at random, and the largest of all."""
    kept: dict[str, list[AnyFloat]] = {n.name: [] for n in nodes}
    largest = dict.fromkeys(kept, 0.0)
    budget = max(1, _VALUES_PER_LAYER * _BATCH // len(calibration))
    inputs = calibration.as_float()
    random = np.random.default_rng(0)
    for first in range(0, len(inputs), _BATCH):
        with np.errstate(over="ignore", invalid="ignore"):
            values = evaluate(network, inputs[first : first + _BATCH], frozenset(kept))
        for name, parts in kept.items():
            flat = values[name].ravel()
            parts.append(flat if flat.size <= budget else random.choice(flat, budget))
            largest[name] = max(largest[name], float(flat.max()) if np.isfinite(flat).all() else np.inf)
    return {name: np.concatenate(parts) for name, parts in kept.items()}, largest


def _smallest_error(values: AnyFloat, largest: float, levels: int) -> float:
    positive = values[values > 0].astype(np.float64)
    if not positive.size:
        # So sparse that the draw missed every activation: the one that is known decides.
        return largest
    candidates = largest * _GRID
    errors = [_error(positive, v, levels) for v in candidates]
    return float(candidates[int(np.argmin(errors))])


def _error(values: AnyFloat, threshold: float, levels: int) -> float:
    step = threshold / levels
    quantised = np.minimum(np.rint(values / step), levels) * step
    return float(total(np.square(quantised - values)))
