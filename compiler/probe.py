"""Whether a pass kept the network's function: scores of a fixed sample before and after, with nothing rounded.

Passes that promise so are asked, those in a row at once. Activations only clip there, so a value beside the edge of a
level moves nothing. Where sums cancel, scores are no measure of what rounding does to them: noise of every value is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from ..targets.diagnostic import Diagnostic, Place, UnusableInput
from ..targets.records import dataclass
from .ir.network import Network, evaluate
from .ir.operators import AnyFloat, Operator, QuantizeClip, Shape
from .ir.outputs import Outputs
from .ir.rates import evaluate_rates
from .ir.verify import numbers_of
from .passes.contract import Compilation

_SAMPLES = 1
# The probe runs in doubles without levels, so only reordered sums can differ.
_TOLERANCE = 1e-6
# Half the products of three slices; operands are off by 2^-44, far below the tolerance where sums do not cancel.
_FEW_SLICES = 2
_WIDEST_SPREAD = 2.0**30
"""Beyond it a sum of products may have no digit of its small terms left."""

_ROUNDING = 2.0**-36
"""Noise beside a value of its size: far above what doubles lose in sums of thousands, far below the tolerance."""
_NOISES = 4

_ABSURD = "look for a weight, a factor or a variance of an absurd size: training diverged, or the file is damaged"


def same_function(before: Compilation, after: Compilation) -> bool:
    """Whether what the probe reads is untouched: the very same maps, thresholds and biases."""
    if before.spiking is None or after.spiking is None:
        return before.spiking is after.spiking and before.network is after.network
    return (
        before.spiking.input == after.spiking.input
        and len(before.spiking.projections) == len(after.spiking.projections)
        and all(a.map is b.map for a, b in zip(before.spiking.projections, after.spiking.projections, strict=True))
        and all(
            a.threshold is b.threshold and a.bias is b.bias
            for a, b in zip(before.spiking.populations, after.spiking.populations, strict=True)
        )
    )


def check_kept(first: Compilation, last: Compilation, again: Callable[[], Iterable[tuple[str, Compilation]]]) -> None:
    """Check that passes kept the function of ``first``, whose ``last`` state is that after all of them.

    ``again`` gives the name and the state of each that promised so, in order; they are asked for where the first and
    the last differ. Raises UnusableInput, naming the pass, with E901 where the function changed by more than rounding
    explains, E227 where a float overflows, E228 where its digits do not reach from the largest constant to a usual one.
    """
    if _difference(first, last, _FEW_SLICES) <= _TOLERANCE:
        return
    before = first
    for name, after in again():
        error = _difference(before, after, None)
        if not error <= _TOLERANCE and not _is_rounding(before, after):
            raise UnusableInput([_explained(name, error, _spread(before.network))])
        before = after


def _difference(before: Compilation, after: Compilation, slices: int | None) -> float:
    expected, found = _probe(before, slices), _probe(after, slices)
    return float(np.abs(expected - found).max()) / (float(np.abs(expected).max()) or 1.0)


def _is_rounding(before: Compilation, after: Compilation) -> bool:
    """Whether scores that cancel are off by less than noise of every value moves them, with no absurd constant."""
    network, random = _without_levels(before.network), np.random.default_rng(0)
    plain = _scores(network)
    moved = max(float(np.abs(_scores(_with_noise(network, random)) - plain).max()) for _ in range(_NOISES))
    error = float(np.abs(_probe(before, None) - _probe(after, None)).max())
    return error <= moved and _spread(before.network) <= _WIDEST_SPREAD


@dataclass(frozen=True, slots=True)
class _Noisy:
    operator: Operator
    factor: AnyFloat

    def result_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        return self.operator.result_shape(shapes)

    def evaluate(self, inputs: tuple[AnyFloat, ...]) -> AnyFloat:
        return self.operator.evaluate(inputs) * self.factor


def _with_noise(network: Network, random: np.random.Generator) -> Network:
    def noise(shape: Shape) -> AnyFloat:
        return 1 + _ROUNDING * random.uniform(-1, 1, (1, *shape))

    return network.with_nodes(
        tuple(
            n if isinstance(n.operator, Outputs) else replace(n, operator=_Noisy(n.operator, noise(n.shape)))
            for n in network.nodes
        )
    )


def _explained(step: str, error: float, spread: float) -> Diagnostic:
    if not np.isfinite(error):
        return overflow(step, None)
    if spread > _WIDEST_SPREAD:
        return Diagnostic(
            "E228",
            f"the largest constant is {spread:.1g} times a usual one: {step} cannot tell sums of both from rounding",
            hint=_ABSURD,
        )
    message = f"{step} changed the network's function by {error:.2g} of its range"
    return Diagnostic("E901", message, hint="this is a fault of spikec; please report it with the model")


def overflow(step: str, layer: str | None) -> Diagnostic:
    """E227: numbers of ``layer``, or those on the way to the result, grow beyond what a float holds in ``step``."""
    message = f"the constants multiply to more than a float holds, as {step} shows"
    return Diagnostic("E227", message, Place(layer=layer), hint=_ABSURD)


def _spread(network: Network) -> float:
    """The largest constant over the smallest of those that lie in the middle of their arrays, zeros aside."""
    arrays = [np.abs(values) for node in network.nodes for values in numbers_of(node.operator)]
    sizes = [np.sort(values[values > 0]) for values in arrays if np.any(values)]
    return max((s[-1] for s in sizes), default=1.0) / min((s[(len(s) - 1) // 2] for s in sizes), default=1.0)


def _probe(state: Compilation, slices: int | None) -> AnyFloat:
    """Scores of the latest float level on fixed random samples, with activations that only clip."""
    if state.spiking is None:
        return _scores(_without_levels(state.network))
    rates = evaluate_rates(state.spiking, _samples(state.network), continuous=True, count=slices)
    return np.concatenate([rates[p.name].reshape(_SAMPLES, -1) for p in state.spiking.readouts], axis=1)


def _samples(network: Network) -> AnyFloat:
    return np.random.default_rng(0).random((_SAMPLES, *network.input_shape))


def _scores(network: Network) -> AnyFloat:
    values = evaluate(network, _samples(network), frozenset(network.results))
    return np.concatenate([values[name].reshape(_SAMPLES, -1) for name in network.results], axis=1)


def _without_levels(network: Network) -> Network:
    return network.with_nodes(
        tuple(
            replace(n, operator=replace(n.operator, levels=None)) if isinstance(n.operator, QuantizeClip) else n
            for n in network.nodes
        )
    )
