"""Recognise quantise-and-clip activations among the elementwise operators that exporters write for them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ...targets.diagnostic import Diagnostic, Place, UnusableInput
from ..ir.network import Network, Node
from ..ir.operators import Clip, Floor, Offset, Operator, QuantizeClip, Relu, Round, Scale
from .contract import Compilation, Context, Outcome

_FUZZ = 2e-6
"""Relative: constants of a file are float32 (6e-8 each), and a chain multiplies several of them."""

_LONGEST = 64
"""Operators in one chain; an activation has about ten at most."""


@dataclass(frozen=True, slots=True)
class RecogniseActivations:
    """Replace chains of Scale, Offset, Clip, Relu, Floor and Round by one ``QuantizeClip`` each.

    A chain is accepted when it equals a = threshold * clip(floor(g x levels / threshold + shift) / levels, 0, 1)
    with 0 <= shift < 1: Xiong et al. 2025, eq. 8, for shift 0 and QCFS (Bu et al. 2022, eq. 15) for shift 1/2. A gain
    g other than one becomes a ``Scale`` in front. Clipping between 0 and a threshold without rounding becomes
    ``QuantizeClip(threshold, None)``; a plain ReLU stays. Round is taken as floor(x + 1/2): it differs only where
    x lies exactly between two levels. Constants may stand in any order and be merged, one number per tensor; a factor
    per channel on both sides of a chain is linear and stays outside of it, as does a negative factor on one side.

    Raises UnusableInput with every chain that no integrate-and-fire neuron computes: E110 with the reason, E111 for a
    threshold that is not positive, E112 where a value inside of the chain is read elsewhere.
    """

    name: str = "recognise-activations"
    preserves: bool = False
    """The function stays, but the runner compares without levels, which only this pass makes known."""

    def run(self, state: Compilation, context: Context) -> Outcome:
        """Recognise all activations; ``recognised`` counts them."""
        network = recognised(state.network)
        if network is state.network:
            return Outcome(state, {"recognised": 0})
        old = {node.name: node for node in state.network.nodes}
        new = [n for n in network.nodes if isinstance(n.operator, QuantizeClip) and old.get(n.name) is not n]
        return Outcome(replace(state, network=network), {"recognised": len(new)})


def recognised(network: Network) -> Network:
    """Network with its activations recognised; the same object where there was nothing to do. Errors: see above."""
    readers = _reader_counts(network)
    nodes: list[Node] = []
    problems: list[Diagnostic] = []
    changed = False
    for run in _runs(network, readers):
        rewritten, leftover = _rewritten(run) if _is_elementwise(run[0]) else (run, ())
        nodes += rewritten
        problems += _problems(run, leftover, network, readers)
        changed = changed or rewritten != run
    if problems:
        raise UnusableInput(problems)
    return network.with_nodes(tuple(nodes)) if changed else network


@dataclass(frozen=True, slots=True)
class _Reason:
    """Why a chain is not an integrate-and-fire neuron."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class _Chain:
    """x -> height * clip(r(slope x + shift), low, high) + base, where r is floor once ``rounded``."""

    slope: float = 1.0
    shift: float = 0.0
    low: float = -math.inf
    high: float = math.inf
    rounded: bool = False
    height: float = 1.0
    base: float = 0.0

    def then(self, operator: Operator) -> _Chain | _Reason:
        """Chain with one more operator at its end."""
        match operator:
            case Scale():
                return self._scaled(_number(operator.factor))
            case Offset():
                return self._shifted(_number(operator.amount))
            case Relu():
                return self._clipped(0.0, math.inf)
            case Clip():
                return self._clipped(operator.low, operator.high)
            case Floor() | Round():
                return self._rounded(0.5 if isinstance(operator, Round) else 0.0)
        raise TypeError(f"{type(operator).__name__} is not elementwise with one number")

    def _scaled(self, factor: float) -> _Chain | _Reason:
        if factor == 0:
            return _Reason("E110", "multiplies by zero")
        if self.rounded:
            return replace(self, height=self.height * factor, base=self.base * factor)
        bounds = sorted((self.low * factor, self.high * factor))
        return replace(self, slope=self.slope * factor, shift=self.shift * factor, low=bounds[0], high=bounds[1])

    def _shifted(self, amount: float) -> _Chain:
        if self.rounded:
            return replace(self, base=self.base + amount)
        return replace(self, shift=self.shift + amount, low=self.low + amount, high=self.high + amount)

    def _clipped(self, low: float, high: float) -> _Chain | _Reason:
        bounds = sorted(((low - self.base) / self.height, (high - self.base) / self.height))
        for bound in bounds:
            between = self.low < bound < self.high and _as_integer(bound) is None
            if self.rounded and between and math.isfinite(bound):
                return _Reason("E110", f"clips between two of its levels, at {bound:g} steps")
        if self.rounded:
            bounds = [_snapped(bound) for bound in bounds]
        return replace(
            self,
            low=min(max(self.low, bounds[0]), bounds[1]),
            high=max(min(self.high, bounds[1]), bounds[0]),
        )

    def _rounded(self, half: float) -> _Chain | _Reason:
        if self.rounded:
            whole = _as_integer(self.height) is not None and _as_integer(self.base) is not None
            return self if whole else _Reason("E110", "rounds twice, to different steps")
        return replace(
            self,
            shift=self.shift + half,
            low=_floored(self.low + half),
            high=_floored(self.high + half),
            rounded=True,
        )

    @property
    def is_plain(self) -> bool:
        """The result has the unit of the input."""
        return abs(self.slope * self.height - 1) <= _FUZZ

    def neuron(self) -> _Neuron | _Reason:
        """Activation that the chain computes, or why there is none."""
        if self.slope < 0 and self.height < 0 and self.low == 0 and self.is_plain:
            return _Reason("E111", f"has the negative threshold {self.height * self.high:g}")
        if self.slope < 0 or self.height < 0:
            return _Reason("E110", "has a negative factor inside")
        top = self.height * self.high
        if not math.isfinite(self.high):
            return _Reason("E110", "has no largest value: it rounds without clipping")
        if abs(self.base) > _FUZZ * abs(top):
            return _Reason("E110", f"adds {self.base:g} after rounding, so its smallest value is not 0")
        return self._quantiser(top) if self.rounded else self._clipper(top)

    def _quantiser(self, top: float) -> _Neuron | _Reason:
        if self.low != 0:
            return _Reason("E110", f"has levels from {self.low:g} to {self.high:g}, not from 0")
        if self.high < 1:
            return _Reason("E111", f"has {self.high:g} levels above zero, so its threshold is zero")
        shift = 0.0 if -_FUZZ <= self.shift < 0 else self.shift
        if not 0 <= shift < 1:
            return _Reason("E110", f"shifts its input by {shift:g} levels, not by at least 0 and less than 1")
        return _Neuron(QuantizeClip(top, int(self.high), shift), self.slope * self.height)

    def _clipper(self, top: float) -> _Neuron | _Reason:
        if top <= 0:
            return _Reason("E111", f"is clipped from above at {top:g}: the threshold is not positive")
        if abs(self.low) > _FUZZ * top:
            return _Reason("E110", f"clips between {self.low:g} and {top:g}, not from 0")
        if abs(self.shift) > _FUZZ * top:
            return _Reason("E110", f"adds {self.shift:g} before clipping")
        return _Neuron(QuantizeClip(top, None), self.slope)


@dataclass(frozen=True, slots=True)
class _Neuron:
    activation: QuantizeClip
    gain: float


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Part ``start:stop`` of a run with ``nonlinear`` operators in it."""

    start: int
    stop: int
    chain: _Chain
    nonlinear: int

    @property
    def rank(self) -> tuple[int, bool, int]:
        """All of the nonlinearity first; then as much scaling as cancels, so that other factors stay outside."""
        cancels = self.chain.is_plain and self.chain.slope != 1
        return self.nonlinear, cancels, self.stop - self.start


def _number(constant: object) -> float:
    return float(np.asarray(constant, dtype=np.float64).ravel()[0])


def _as_integer(value: float) -> float | None:
    nearest = float(round(value)) if math.isfinite(value) else value
    return nearest if value == nearest or abs(value - nearest) <= _FUZZ * max(1.0, abs(value)) else None


def _snapped(value: float) -> float:
    integer = _as_integer(value)
    return value if integer is None else integer


def _floored(value: float) -> float:
    integer = _as_integer(value)
    return float(math.floor(value)) if integer is None else integer


def _is_elementwise(node: Node) -> bool:
    operator = node.operator
    if isinstance(operator, Scale | Offset):
        constant = operator.factor if isinstance(operator, Scale) else operator.amount
        return constant.size > 0 and bool((constant == constant.ravel()[0]).all())
    return isinstance(operator, Relu | Clip | Floor | Round)


def _is_nonlinear(node: Node) -> bool:
    return isinstance(node.operator, Relu | Clip | Floor | Round)


def _reader_counts(network: Network) -> dict[str, int]:
    counts = {network.output: 1}
    for node in network.nodes:
        for name in node.inputs:
            counts[name] = counts.get(name, 0) + 1
    return counts


def _runs(network: Network, readers: dict[str, int]) -> list[tuple[Node, ...]]:
    """All nodes, with those that follow each other elementwise and are read only once put together."""
    runs: list[list[Node]] = []
    ending: dict[str, list[Node]] = {}
    for node in network.nodes:
        run = ending.pop(node.inputs[0], None) if _is_elementwise(node) else None
        if run is None or len(run) >= _LONGEST or readers[node.inputs[0]] > 1:
            run = []
            runs.append(run)
        run.append(node)
        if _is_elementwise(node):
            ending[node.name] = run
    order = {node.name: place for place, node in enumerate(network.nodes)}
    return [tuple(run) for run in sorted(runs, key=lambda run: order[run[-1].name])]


def _rewritten(run: tuple[Node, ...]) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
    """``run`` with its neurons recognised, and the nodes in it that are none."""
    candidates = _candidates(run)
    matches = [candidate for candidate in candidates if isinstance(candidate.chain.neuron(), _Neuron)]
    if not matches or _bad_threshold(run, candidates) is not None:
        return run, tuple(node for node in run if isinstance(node.operator, Clip | Floor | Round))
    match = max(matches, key=lambda candidate: candidate.rank)
    before, leftover_before = _rewritten(run[: match.start]) if match.start else ((), ())
    after, leftover_after = _rewritten(run[match.stop :]) if match.stop < len(run) else ((), ())
    chain = _replacement(run[match.start : match.stop], match.chain)
    return (*before, *chain, *after), (*leftover_before, *leftover_after)


def _candidates(run: tuple[Node, ...]) -> list[_Candidate]:
    candidates = []
    for start in range(len(run)):
        chain = _Chain()
        nonlinear = 0
        for stop, node in enumerate(run[start:], start + 1):
            longer = chain.then(node.operator)
            if isinstance(longer, _Reason):
                break
            chain = longer
            nonlinear += _is_nonlinear(node)
            if nonlinear:
                candidates.append(_Candidate(start, stop, chain, nonlinear))
    return candidates


def _bad_threshold(run: tuple[Node, ...], candidates: list[_Candidate]) -> _Reason | None:
    """Why a run with a neuron in it is refused all the same: its factors are a threshold that is not positive.

    Dividing by a negative threshold and multiplying by it again is linear outside of the rounding, but surely not
    what was meant.
    """
    if any(isinstance(node.operator, Scale) and _number(node.operator.factor) == 0 for node in run):
        return _Reason("E111", "multiplies by zero, so its threshold is zero")
    reasons = [candidate.chain.neuron() for candidate in candidates if candidate.chain.is_plain]
    return next((reason for reason in reasons if isinstance(reason, _Reason) and reason.code == "E111"), None)


def _replacement(nodes: tuple[Node, ...], chain: _Chain) -> tuple[Node, ...]:
    neuron = chain.neuron()
    assert isinstance(neuron, _Neuron)
    last, value = nodes[-1], nodes[0].inputs[0]
    origins = tuple(dict.fromkeys(origin for node in nodes for origin in node.origins))
    gain: tuple[Node, ...] = ()
    if not chain.is_plain:
        # The first node of the chain is gone, so its name is free; a chain of one node has no gain.
        gain = (Node(nodes[0].name, Scale(np.array(neuron.gain)), (value,), last.shape, origins),)
        value = gain[0].name
    return (*gain, Node(last.name, neuron.activation, (value,), last.shape, origins))


def _problems(
    run: tuple[Node, ...], leftover: tuple[Node, ...], network: Network, readers: dict[str, int]
) -> list[Diagnostic]:
    if not leftover:
        return []
    nodes = tuple(dict.fromkeys(origin.node for node in run for origin in node.origins))
    place = Place(layer=run[-1].name, nodes=nodes)
    shown = " -> ".join(type(node.operator).__name__ for node in run)
    shared = _shared_value(run, network, readers)
    if shared is not None:
        message = f"activation {run[-1].name} ({shown}): {shared} is read elsewhere too, in the middle of the chain"
        hint = "read the activation's input or its result, not a value in between"
        return [Diagnostic("E112", message, place, hint=hint)]
    reason = _bad_threshold(run, _candidates(run)) or _reason(run)
    hints = {
        "E110": "retrain with threshold * clip(floor(x * levels / threshold + 1/2) / levels, 0, 1) or a clipped ReLU",
        "E111": "keep thresholds positive in training, for instance by training their logarithm",
    }
    message = f"activation {run[-1].name} ({shown}) {reason.text}"
    return [Diagnostic(reason.code, message, place, hint=hints[reason.code])]


def _shared_value(run: tuple[Node, ...], network: Network, readers: dict[str, int]) -> str | None:
    elementwise = {node.name for node in network.nodes if _is_elementwise(node)}
    if readers[run[0].inputs[0]] > 1 and run[0].inputs[0] in elementwise:
        return run[0].inputs[0]
    following = [node for node in network.consumers(run[-1].name) if node.name in elementwise]
    return run[-1].name if following and readers[run[-1].name] > 1 else None


def _reason(run: tuple[Node, ...]) -> _Reason:
    chain = _Chain()
    for node in run:
        longer = chain.then(node.operator)
        if isinstance(longer, _Reason):
            return longer
        chain = longer
    neuron = chain.neuron()
    return neuron if isinstance(neuron, _Reason) else _Reason("E110", "computes two activations one after the other")
