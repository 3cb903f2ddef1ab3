"""Compose everything linear between two activations into projections, and turn activations into populations.

For an activation a = q(z) with z = sum_k M_k a_k + c, where every M_k is the product of the linear operators on one
path from activation a_k: the population of a receives one projection M_k from each population of a_k, and c per step
as its bias. Pooling, shortcuts, padding, slicing and changes of layout are paths like any other: average pooling
followed by a convolution is one convolution with kernel kron(W, ones) / k^2. A path that is no convolution (uneven
pooling windows, padding of a cropped map) becomes a sparse map, or a matrix where it is filled; all are exact.

The initial potential follows from the activation's levels L and shift s: equal means of quantiser and neuron need
v0 = theta/2 + (s - 1/2) theta T / L, kept within 0..theta/2. For L = T that is v0 = 0 for the floor (eq. 8) and
theta/2 for QCFS. Graded neurons are the quantiser itself, see ``graded_levels``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np

from ...runtime.program import SPIKES
from ...runtime.program.geometry import ConvGeometry
from ...targets.diagnostic import Diagnostic, Place, UnusableInput
from ...targets.records import dataclass
from ..ir import network as level1
from ..ir import operators as op
from ..ir.composition import (
    MappedValue,
    as_map,
    identity,
    reshaped,
    summed,
    then_conv,
    then_dense,
    then_scale,
    then_sparse,
    transposed,
)
from ..ir.maxima import AnySpike, Taps
from ..ir.network import Network, Node, Origin
from ..ir.outputs import Outputs
from ..ir.sparse_maps import TooLargeMap, channel_convolution, refuse_too_many, sum_of_sparse
from ..ir.sparse_operator import SparseLinear
from ..ir.spiking import (
    INPUT,
    ConvMap,
    DenseMap,
    InputSignal,
    LinearMap,
    Population,
    Projection,
    SparseMap,
    SpikingNetwork,
)
from .contract import Compilation, Context, Outcome
from .graded_levels import graded_parameters

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, eq=False)
class _Affine:
    """Value = sum of maps of sources + constant; ``layer`` is the last node with weights on the (first) path."""

    terms: tuple[MappedValue, ...]
    constant: op.FloatArray
    layer: str | None = None


@dataclass(frozen=True)
class ComposeLinearMaps:
    """z = sum_k M_k a_k + c for every activation, M_k being the product of the operators on the path."""

    name: str = "compose-linear-maps"
    preserves: bool = True

    def run(self, state: Compilation, context: Context) -> Outcome:
        """Build level 2 from a network that holds only linear operators and ``QuantizeClip``."""
        network = state.network
        signal, values = _input_signal(network)
        origins = _Origins(network)
        populations: list[Population] = []
        projections: list[Projection] = []
        taken: set[str] = set()
        refused: list[Diagnostic] = []
        for node in network.nodes:
            if node.name in values or isinstance(node.operator, Outputs):
                continue
            if isinstance(node.operator, op.QuantizeClip):
                drive = _drive(node, [values[name] for name in node.inputs])
                name = _unused_name(drive.layer or node.name, node.name, populations)
                populations.append(_population(name, node, drive, context, origins.until(node.name)))
                values[node.name] = _source(name, node.shape)
                projections += _collected(partial(_projections, populations[-1], drive, taken), [], refused)
                continue
            inputs = tuple(values[name] for name in node.inputs)
            # Behind what is refused, nothing is known but the shape: enough to look for further problems.
            unknown = _Affine((), np.zeros(node.shape))
            values[node.name] = _collected(partial(_apply, node, inputs), unknown, refused)
        for result in network.results:
            scores = values[result]
            name = _unused_name(scores.layer or "readout", "readout", populations)
            populations.append(_readout(name, result, network.shape(result), scores, origins.of_readout(result)))
            projections += _collected(partial(_projections, populations[-1], scores, taken), [], refused)
        if refused:
            raise UnusableInput(refused)
        spiking = SpikingNetwork(network.name, signal, tuple(populations), tuple(projections))
        effect = {
            "populations": len(populations),
            "projections": len(projections),
            "matrices": sum(isinstance(p.map, DenseMap) for p in projections),
            "sparse": sum(isinstance(p.map, SparseMap) for p in projections),
        }
        return Outcome(replace(state, spiking=spiking), effect)


def _collected(compute: Callable[[], _Result], otherwise: _Result, refused: list[Diagnostic]) -> _Result:
    try:
        return compute()
    except UnusableInput as refusal:
        refused += refusal.diagnostics
        return otherwise


def _input_signal(network: Network) -> tuple[InputSignal, dict[str, _Affine]]:
    """Layout changes right behind the input are left to the encoder, so that convolutions see maps."""
    value, axes, shape = level1.INPUT, tuple(range(len(network.input_shape))), network.input_shape
    passed = {level1.INPUT}
    while True:
        readers = network.consumers(value)
        if len(readers) != 1 or network.output == value:
            break
        operator = readers[0].operator
        if isinstance(operator, op.Transpose) and len(passed) == 1:
            axes = operator.axes
        elif not isinstance(operator, op.Reshape):
            break
        value, shape = readers[0].name, readers[0].shape
        passed.add(value)
    source = _source(INPUT, shape)
    return InputSignal(network.input_shape, axes, shape, integers=network.integers), dict.fromkeys(passed, source)


def _source(name: str, shape: op.Shape) -> _Affine:
    return _Affine((identity(name, shape),), np.zeros(shape))


def _drive(node: Node, inputs: list[_Affine]) -> _Affine:
    """What the neurons of an activation integrate: its input, or the sum of what a neuron for maxima compares."""
    if not isinstance(node.operator, AnySpike):
        return inputs[0]
    if node.operator.pool is not None:
        _, *size = inputs[0].constant.shape
        taps = node.operator.pool.summed((size[0], size[1]))
        inputs = [_apply(replace(node, operator=taps), (value,)) for value in inputs]
    return _apply(replace(node, operator=op.Add()), tuple(inputs))


def _unused_name(wanted: str, otherwise: str, populations: list[Population]) -> str:
    taken = {INPUT, *(p.name for p in populations)}
    candidates = (wanted, otherwise, *(f"{otherwise}.{n}" for n in range(2, len(taken) + 2)))
    return next(name for name in candidates if name not in taken)


class _Origins:
    """What of the user's file a population stands for: its activation and everything linear in front of it."""

    def __init__(self, network: Network) -> None:
        self._nodes = {node.name: node for node in network.nodes}
        self._places = {node.name: place for place, node in enumerate(network.nodes)}
        self._activations = {n.name for n in network.nodes if isinstance(n.operator, op.QuantizeClip)}

    def of_readout(self, scores: str) -> tuple[Origin, ...]:
        """Origins of the read-out; none where the scores are those of an activation."""
        return () if scores in self._activations else self.until(scores)

    def until(self, value: str) -> tuple[Origin, ...]:
        """Origins of ``value`` and of the linear nodes that it is computed from, in the order of the network."""
        found: set[str] = set()
        pending = [value]
        while pending:
            name = pending.pop()
            node = self._nodes.get(name)
            if node is None or name in found or (name in self._activations and name != value):
                continue
            found.add(name)
            pending += node.inputs
        ordered = sorted(found, key=self._places.__getitem__)
        return tuple(dict.fromkeys(origin for name in ordered for origin in self._nodes[name].origins))


def _population(name: str, node: Node, drive: _Affine, context: Context, origins: tuple[Origin, ...]) -> Population:
    operator = node.operator
    assert isinstance(operator, op.QuantizeClip)
    if context.graded:
        threshold, initial, payloads = graded_parameters(operator)
    else:
        threshold, initial, payloads = operator.threshold, _initial_potential(operator, context.timesteps), SPIKES
    ones = (1,) * len(node.shape)
    return Population(
        name=name,
        shape=node.shape,
        threshold=np.full(ones, threshold),
        initial_potential=np.full(ones, initial),
        bias=per_channel_if_possible(drive.constant),
        spike_value=threshold,
        activation=node.name,
        levels=operator.levels,
        shift=operator.shift,
        takes_largest=isinstance(operator, AnySpike),
        payloads=payloads,
        origins=origins,
    )


def _initial_potential(operator: op.QuantizeClip, timesteps: int) -> float:
    threshold = operator.threshold
    levels = timesteps if operator.levels is None else operator.levels
    initial = float(threshold / 2 + (operator.shift - 0.5) * threshold * timesteps / levels)
    return float(np.clip(initial, 0.0, threshold / 2))


def _readout(name: str, result: str, shape: op.Shape, scores: _Affine, origins: tuple[Origin, ...]) -> Population:
    return Population(
        name=name,
        shape=shape,
        threshold=None,
        initial_potential=np.zeros((1,) * len(shape)),
        bias=per_channel_if_possible(scores.constant),
        spike_value=1.0,
        activation=result,
        origins=origins,
    )


def per_channel_if_possible(constant: op.FloatArray) -> op.FloatArray:
    """``constant`` of a map with one value per channel (C, 1, 1) where these do not vary, else as it is."""
    if constant.ndim != 3:
        return constant
    middle = (constant.min(axis=(1, 2), keepdims=True) + constant.max(axis=(1, 2), keepdims=True)) / 2
    is_even = float(np.abs(constant - middle).max()) <= 1e-12 * float(np.abs(constant).max())
    return middle if is_even else constant


def _projections(target: Population, drive: _Affine, taken: set[str]) -> list[Projection]:
    merged: dict[tuple[object, ...], Projection] = {}
    for term in drive.terms:
        try:
            linear = as_map(term)
        except TooLargeMap as error:
            raise _too_large(target.name, target.origins, error) from error
        key = (term.source, *_form(linear))
        if key in merged:
            sources = int(np.prod(term.source_shape))
            merged[key] = replace(merged[key], map=_sum_of_one_form(merged[key].map, linear, sources))
        else:
            merged[key] = Projection("", term.source, target.name, linear)
    named = []
    for projection in merged.values():
        name, number = f"{projection.source}-to-{target.name}", 1
        while name in taken:
            number += 1
            name = f"{projection.source}-to-{target.name}.{number}"
        taken.add(name)
        named.append(replace(projection, name=name))
    return named


def _form(linear: LinearMap) -> tuple[object, ...]:
    """Maps of one form and one source become one."""
    if isinstance(linear, SparseMap):
        return (SparseMap,)
    return (linear.geometry if isinstance(linear, ConvMap) else None, linear.weight.shape)


def _sum_of_one_form(linear: LinearMap, other: LinearMap, sources: int) -> LinearMap:
    if isinstance(linear, SparseMap) and isinstance(other, SparseMap):
        return sum_of_sparse([linear, other], sources)
    return replace(linear, weight=linear.weight + other.weight)


def _apply(node: Node, inputs: tuple[_Affine, ...]) -> _Affine:
    operator = node.operator
    if not isinstance(operator, (*op.LINEAR, SparseLinear, Taps)):
        raise _neither_linear_nor_activation(node)
    constant = operator.evaluate(tuple(a.constant[None] for a in inputs))[0]
    layer = next((a.layer for a in inputs if a.layer is not None), None)
    if isinstance(operator, op.Conv | op.Dense):
        layer = node.name
    try:
        if isinstance(operator, op.Add):
            return _Affine(summed(term for value in inputs for term in value.terms), constant, layer)
        terms = tuple(_map_term(node, term) for term in inputs[0].terms)
    except TooLargeMap as error:
        raise _too_large(node.name, node.origins, error) from error
    return _Affine(terms, constant, layer)


def _too_large(layer: str, origins: tuple[level1.Origin, ...], error: TooLargeMap) -> UnusableInput:
    return UnusableInput(
        Diagnostic(
            "E223",
            "the linear path into the layer is no convolution, and too large without shared weights",
            Place(layer=layer, nodes=tuple(o.node for o in origins)),
            measured=error.entries,
            limit=error.limit,
            unit="entries",
            hint="let pooling windows divide the map evenly, put an activation between pooling and convolution, "
            "or flatten behind the activation",
        )
    )


def _map_term(node: Node, term: MappedValue) -> MappedValue:
    operator = node.operator
    match operator:
        case op.Conv():
            return then_conv(term, ConvMap(operator.weight, operator.geometry), node.shape)
        case op.Dense():
            return then_dense(term, operator.weight)
        case op.Scale():
            return then_scale(term, operator.factor)
        case op.Offset():
            return term
        case op.AveragePool():
            return _average(operator, term, node.shape)
        case Taps():
            kernel = np.broadcast_to(operator.kernel(), (term.shape[0], 1, *operator.kernel().shape))
            geometry = replace(operator.geometry((term.shape[1], term.shape[2])), groups=term.shape[0])
            return then_conv(term, ConvMap(kernel, geometry), node.shape)
        case op.Pad():
            return _select(term, node.shape, tuple(-b for b in operator.before), (1,) * len(node.shape))
        case op.Slice():
            return _select(term, node.shape, operator.start, operator.step)
        case op.Reshape():
            return reshaped(term, operator.shape)
        case op.Transpose():
            return transposed(term, operator.axes)
        case SparseLinear():
            conv = channel_convolution(operator.map, operator.before, operator.shape)
            return then_sparse(term, operator.map, node.shape) if conv is None else then_conv(term, conv, node.shape)
        case _:
            raise AssertionError(f"{type(operator).__name__} is in LINEAR, but has no map")


def _neither_linear_nor_activation(node: Node) -> UnusableInput:
    return UnusableInput(
        Diagnostic(
            "E224",
            f"{type(node.operator).__name__} is neither linear nor an activation of an integrate-and-fire neuron",
            Place(layer=node.name, nodes=tuple(o.node for o in node.origins)),
            hint="use ReLU, a clipped ReLU or a quantise-and-clip activation",
        )
    )


def _average(pool: op.AveragePool, term: MappedValue, shape: op.Shape) -> MappedValue:
    channels, *size = term.shape
    geometry = replace(pool.geometry((size[0], size[1])), groups=channels)
    divisor = pool.divisor((size[0], size[1]))
    is_even = bool((divisor == divisor.flat[0]).all())
    weight = np.full((channels, 1, *pool.kernel), 1 / divisor.flat[0] if is_even else 1.0)
    pooled = then_conv(term, ConvMap(weight, geometry), shape)
    return pooled if is_even else then_scale(pooled, np.asarray(1 / divisor))


def _select(term: MappedValue, shape: op.Shape, start: op.Shape, step: op.Shape) -> MappedValue:
    """Entry i of each axis is entry ``start + i * step`` of ``term``, zero where there is none."""
    if len(shape) != 3:
        return then_sparse(term, _selection(term.shape, shape, start, step), shape)
    ends = [(shape[a] - 1) * step[a] + 1 + start[a] - term.shape[a] for a in (1, 2)]
    geometry = ConvGeometry((step[1], step[2]), (-start[1], -start[2], ends[0], ends[1]))
    if shape[0] == term.shape[0] and start[0] == 0 and step[0] == 1:
        weight = np.ones((shape[0], 1, 1, 1))
        return then_conv(term, ConvMap(weight, replace(geometry, groups=shape[0])), shape)
    wanted = np.arange(shape[0]) * step[0] + start[0]
    weight = (wanted[:, None] == np.arange(term.shape[0])[None, :]).astype(float)[:, :, None, None]
    return then_conv(term, ConvMap(weight, geometry), shape)


def _selection(before: op.Shape, shape: op.Shape, start: op.Shape, step: op.Shape) -> SparseMap:
    """See ``_select``: each entry that there is, onto its place."""
    refuse_too_many(int(np.prod(shape)))
    wanted = [np.arange(n) * k + s for n, s, k in zip(shape, start, step, strict=True)]
    there = [np.flatnonzero((places >= 0) & (places < n)) for places, n in zip(wanted, before, strict=True)]
    target = np.ravel_multi_index(np.ix_(*there), shape).ravel()
    source = np.ravel_multi_index(np.ix_(*(w[t] for w, t in zip(wanted, there, strict=True))), before).ravel()
    return SparseMap(np.ones(len(target)), source, target)
