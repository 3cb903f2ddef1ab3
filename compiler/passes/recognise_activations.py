"""Recognise quantise-and-clip activations among the elementwise operators that exporters write for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ...targets.diagnostic import Diagnostic, Place, UnusableInput
from ...targets.records import dataclass
from ..ir.network import Network, Node, unused_name
from ..ir.operators import BatchNorm, Operator, QuantizeClip, Relu, Scale
from .activation_chain import AFFINE, Chain, Neuron, Reason, chains
from .contract import Compilation, Context, Outcome
from .elementwise_runs import elementwise_runs, is_elementwise, nonlinear, reader_counts
from .move_maxima import before_linear_maps, behind_activations
from .unreached_bounds import unreached_bounds, without_bounds

_NEIGHBOURS = 8
"""Factors and amounts on either side of the nonlinear part that are looked at for a threshold that cancels."""


@dataclass(frozen=True, slots=True)
class RecogniseActivations:
    """Replace chains of Scale, Offset, BatchNorm, Clip, Relu, Floor and Round by one ``QuantizeClip`` or ``Relu`` each.

    A chain is accepted when it is a neuron between linear maps: threshold * clip(floor(x levels / threshold + shift)
    / levels, 0, 1) with 0 <= shift < 1 (Xiong et al. 2025, eq. 8, for shift 0 and QCFS, Bu et al. 2022, eq. 15, for
    shift 1/2), clip(x, 0, threshold) or relu(x), with a ``Scale`` and an ``Offset`` in front and behind where needed.
    So thresholds may be negative or one per channel, ranges need not start at zero, and min(x, c) is c - relu(c - x).
    Round is taken as floor(x + 1/2): it differs only where x lies exactly between two levels. Constants may stand in
    any order and be merged. A factor that the chain does not need stays outside of it.

    Raises UnusableInput with every chain that no integrate-and-fire neuron computes: E110 with the reason, E111 for a
    chain that is constant, E112 where a value inside of the chain is read elsewhere.
    """

    name: str = "recognise-activations"
    preserves: bool = False
    """The function stays, but the runner compares without levels, which only this pass makes known."""

    def run(self, state: Compilation, context: Context) -> Outcome:
        """Recognise all activations; ``recognised`` counts them. Bounds that nothing reaches are left out before."""
        unreached = unreached_bounds(state.network, context)
        network = recognised(without_bounds(state.network, unreached))
        if network is state.network:
            return Outcome(state, {"recognised": 0})
        remarks = tuple(bound.remark() for bound in unreached)
        old = {node.name: node for node in state.network.nodes}
        new = [n for n in network.nodes if isinstance(n.operator, QuantizeClip) and old.get(n.name) is not n]
        return Outcome(replace(state, network=network), {"recognised": len(new)}, remarks)


def recognised(network: Network) -> Network:
    """Network with its activations recognised; the same object where there was nothing to do. Errors: see above.

    Maxima come to stand directly behind activations, which give them bounds and levels.
    """
    return before_linear_maps(_recognised(behind_activations(network)))


def _recognised(network: Network) -> Network:
    readers = reader_counts(network)
    runs = elementwise_runs(network, readers)
    rewriting = _Rewriting({node.name for node in network.nodes})
    nodes: list[Node] = []
    problems: list[Diagnostic] = []
    changed = False
    for run in runs:
        rewritten, leftover = rewriting.rewritten(run) if is_elementwise(run[0]) else (run, ())
        nodes += rewritten
        problems += _problems(run, leftover, runs, readers)
        changed = changed or rewritten != run
    if problems:
        raise UnusableInput(problems)
    return network.with_nodes(tuple(nodes)) if changed else network


@dataclass(frozen=True, slots=True)
class _Match:
    """Part ``start:stop`` of a run that is a neuron."""

    start: int
    stop: int
    chain: Chain
    neuron: Neuron

    @property
    def rank(self) -> tuple[bool, bool, bool, bool, int]:
        """No amounts outside; then as much scaling as cancels, so that other factors stay outside; then the longest."""
        length = self.stop - self.start
        is_uniform = self.neuron.is_uniform
        simple = self.neuron.has_no_offsets, self.neuron.is_simple, is_uniform
        return *simple, is_uniform and self.chain.cancels, length if is_uniform else -length


def _match(run: tuple[Node, ...], start: int, stop: int) -> _Match | Reason:
    return next(_matches(run, start, [stop]))


def _matches(run: tuple[Node, ...], start: int, stops: list[int]) -> Iterator[_Match | Reason]:
    growing = chains(tuple(node.operator for node in run[start : max(stops)]), len(run[0].shape))
    return (_matched(start, stop, growing[stop - start]) for stop in stops)


def _matched(start: int, stop: int, chain: Chain | Reason) -> _Match | Reason:
    if isinstance(chain, Reason):
        return chain
    neuron = chain.neuron()
    return neuron if isinstance(neuron, Reason) else _Match(start, stop, chain, neuron)


class _Rewriting:
    """Rewrites runs one after the other and names what it adds."""

    def __init__(self, taken: set[str]) -> None:
        self._taken = taken

    def rewritten(self, run: tuple[Node, ...]) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
        """``run`` with its neurons recognised, and the nodes in it that are none."""
        matches = () if _multiplies_by_zero(run) else _neurons(run)
        nodes: list[Node] = []
        done = 0
        for match in matches:
            nodes += run[done : match.start]
            nodes += self._replacement(run[match.start : match.stop], match.neuron)
            done = match.stop
        return (*nodes, *run[done:]), _outside(run, matches)

    def _replacement(self, nodes: tuple[Node, ...], neuron: Neuron) -> tuple[Node, ...]:
        if len(nodes) == 1 and _is_relu(nodes[0]) and isinstance(neuron.activation, Relu):
            return nodes
        last = nodes[-1]
        origins = tuple(dict.fromkeys(origin for node in nodes for origin in node.origins))
        front, behind = neuron.around()
        operators = (*front, neuron.activation, *behind)
        # The first node of the chain is gone, so its name is free for the first of the new ones.
        first = (nodes[0].name,) if len(nodes) > 1 else ()
        names = [*first[: len(operators) - 1]]
        names += [self._new_name(last.name, o) for o in operators[len(names) : -1]]
        rewired: list[Node] = []
        value = nodes[0].inputs[0]
        for name, operator in zip((*names, last.name), operators, strict=True):
            rewired.append(Node(name, operator, (value,), last.shape, origins))
            value = name
        return tuple(rewired)

    def _new_name(self, stem: str, operator: Operator) -> str:
        name = unused_name(f"{stem}.{type(operator).__name__.lower()}", self._taken)
        self._taken.add(name)
        return name


def _is_relu(node: Node) -> bool:
    return isinstance(node.operator, Relu)


def _neurons(run: tuple[Node, ...]) -> tuple[_Match, ...]:
    """Neurons of ``run``, one behind the other, each with the factors and amounts around it that it needs."""
    matches: list[_Match] = []
    done = 0
    for core in _cover(run, nonlinear(run), {}).cores:
        match = _widened(run, core, done)
        matches.append(_bounded(run, matches[-1], match) if matches else match)
        done = matches[-1].stop
    return tuple(matches)


def _bounded(run: tuple[Node, ...], before: _Match, match: _Match) -> _Match:
    """A rectifier behind a bounded neuron as a clipper, whose other bound its input never leaves."""
    if not isinstance(match.neuron.activation, Relu) or isinstance(before.neuron.activation, Relu):
        return match
    between = tuple(node.operator for node in run[before.stop : match.stop])
    chain = chains(between, len(run[0].shape), before.neuron.bounds)[-1]
    if isinstance(chain, Reason):
        return match
    neuron = chain.neuron()
    bounded = chain.constant() if isinstance(neuron, Reason) and neuron.code == "E111" else neuron
    return match if isinstance(bounded, Reason) else _Match(before.stop, match.stop, chain, bounded)


@dataclass(frozen=True, slots=True)
class _Cover:
    """Neurons one behind the other, from one nonlinear operator to another, and how many of those are in none."""

    cores: tuple[_Match, ...] = ()
    outside: int = 0


def _cover(run: tuple[Node, ...], places: tuple[int, ...], known: dict[int, _Cover]) -> _Cover:
    """The neurons from ``places[0]`` on that leave fewest outside; ``known`` keeps them by where they begin.

    Each takes as many operators as it can, but for those that a later one needs: the bound that changes nothing
    behind one quantiser may be what bounds the next one from below.
    """
    if not places:
        return _Cover()
    if places[0] not in known:
        known[places[0]] = _best_cover(run, places, known)
    return known[places[0]]


def _best_cover(run: tuple[Node, ...], places: tuple[int, ...], known: dict[int, _Cover]) -> _Cover:
    best: _Cover | None = None
    for count, core in _cores(run, places):
        if isinstance(core, Reason):
            return best or _Cover((), sum(not _is_relu(run[place]) for place in places))
        rest = _cover(run, places[count:], known)
        if best is None or rest.outside < best.outside:
            best = _Cover((core, *rest.cores), rest.outside)
        if best.outside == 0:
            # Shorter ones are not looked at, so that a run costs what its length is and not the square of it.
            return best
    if best is not None:
        return best
    rest = _cover(run, places[1:], known)
    return _Cover(rest.cores, rest.outside + 1)


def _cores(run: tuple[Node, ...], places: tuple[int, ...]) -> Iterator[tuple[int, _Match | Reason]]:
    """What begins at ``places[0]`` and is a neuron, the longest first, with how many of ``places`` are in it.

    Bounds that contradict each other end it: they are one activation whose threshold is not positive. Where rounding
    makes the constant, as in relu(-quantised(x)), the parts may well be neurons.
    """
    start = places[0]
    growing = chains(tuple(node.operator for node in run[start : places[-1] + 1]), len(run[0].shape))
    for count in range(len(places), 0, -1):
        stop = places[count - 1] + 1
        chain = growing[stop - start]
        match = _matched(start, stop, chain)
        contradicts = isinstance(match, Reason) and match.code == "E111" and not _rounds(chain)
        if isinstance(match, _Match) or contradicts:
            yield count, match


def _rounds(chain: Chain | Reason) -> bool:
    return isinstance(chain, Chain) and chain.rounded


def _outside(run: tuple[Node, ...], matches: tuple[_Match, ...]) -> tuple[Node, ...]:
    """Operators that only a neuron can compute, and that are in none."""
    inside = {place for match in matches for place in range(match.start, match.stop)}
    return tuple(run[place] for place in nonlinear(run) if place not in inside and not _is_relu(run[place]))


def _widened(run: tuple[Node, ...], core: _Match, first: int) -> _Match:
    """``core`` with those factors and amounts around it, from ``first`` on, that its threshold needs."""
    if core.stop - core.start == 1 and _is_relu(run[core.start]):
        return core
    starts = [start for start in _affine_before(run, core.start) if start >= first]
    stops = _affine_behind(run, core.stop)
    widest = _match(run, starts[-1], stops[-1])
    if isinstance(widest, _Match) and all(widest.rank[:-1]):
        return widest
    found = (match for start in starts for match in _matches(run, start, stops))
    return max((match for match in found if isinstance(match, _Match)), key=lambda match: match.rank, default=core)


def _affine_before(run: tuple[Node, ...], start: int) -> list[int]:
    return [start, *_while_affine(run, range(start - 1, -1, -1))]


def _affine_behind(run: tuple[Node, ...], stop: int) -> list[int]:
    return [stop, *(place + 1 for place in _while_affine(run, range(stop, len(run))))]


def _while_affine(run: tuple[Node, ...], places: range) -> Iterator[int]:
    for place in places[:_NEIGHBOURS]:
        if isinstance(run[place].operator, BatchNorm) or not isinstance(run[place].operator, AFFINE):
            return
        yield place


def _multiplies_by_zero(run: tuple[Node, ...]) -> bool:
    return any(isinstance(node.operator, Scale) and not np.any(node.operator.factor) for node in run)


def _problems(
    run: tuple[Node, ...], leftover: tuple[Node, ...], runs: list[tuple[Node, ...]], readers: dict[str, int]
) -> list[Diagnostic]:
    if not leftover:
        return []
    nodes = tuple(dict.fromkeys(origin.node for node in run for origin in node.origins))
    place = Place(layer=run[-1].name, nodes=nodes)
    shown = " -> ".join(type(node.operator).__name__ for node in run)
    shared = _shared_value(run, runs, readers)
    if shared is not None:
        message = f"activation {run[-1].name} ({shown}): {shared} is read elsewhere too, in the middle of the chain"
        hint = "read the activation's input or its result, or name these as outputs, not a value in between"
        return [Diagnostic("E112", message, place, hint=hint)]
    reason = _reason(run)
    hints = {
        "E110": "retrain with threshold * clip(floor(x * levels / threshold + 1/2) / levels, 0, 1) or a clipped ReLU",
        "E111": "keep thresholds positive in training, for instance by training their logarithm",
    }
    message = f"activation {run[-1].name} ({shown}) {reason.text}"
    return [Diagnostic(reason.code, message, place, hint=hints[reason.code])]


def _shared_value(run: tuple[Node, ...], runs: list[tuple[Node, ...]], readers: dict[str, int]) -> str | None:
    """Value at an end of ``run`` whose other readers keep it from being a neuron with what is on the other side."""
    behind = [(run, other) for other in runs if other[0].inputs[0] == run[-1].name]
    in_front = [(other, run) for other in runs if other[-1].name == run[0].inputs[0]]
    for first, second in (*in_front, *behind):
        if not (is_elementwise(first[0]) and is_elementwise(second[0]) and readers[first[-1].name] > 1):
            continue
        if _count_outside(first + second) < _count_outside(first) + _count_outside(second):
            return first[-1].name
    return None


def _count_outside(run: tuple[Node, ...]) -> int:
    return _cover(run, nonlinear(run), {}).outside


def _reason(run: tuple[Node, ...]) -> Reason:
    if _multiplies_by_zero(run):
        return Reason("E111", "multiplies by zero, so its threshold is zero")
    whole = _match(run, 0, len(run))
    return whole if isinstance(whole, Reason) else Reason("E110", "computes two activations one after the other")
