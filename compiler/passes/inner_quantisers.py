"""Quantisers within a network that only round: neurons in their place would round far more coarsely.

A quantiser of bytes behind a sum, a pool or the last layer of a branch keeps a file's numbers in bytes; T steps hold
fewer levels. Where it neither is an activation nor clips, the sum that it rounds can be that of the next neurons.
"""

from __future__ import annotations

import numpy as np

from ..ir.network import Network, Node, evaluate
from ..ir.operators import Add, AnyFloat, AveragePool, Offset, Pad, QuantizeClip, Relu, Reshape, Scale, Slice, Transpose
from .contract import Context

_LIGHT = (Scale, Offset, Reshape, Transpose, Add, AveragePool, Slice, Pad)
"""Linear maps without weights of their own."""
_NEURONS = (QuantizeClip, Relu)
_SAMPLES = 32
_CLIPPED_SHARE = 1e-3
_ROUNDING = 0.51
"""Of a level: what rounding moves a value by at most."""


def next_rounding(network: Network, candidates: tuple[Node, ...], context: Context) -> Node | None:
    """The first of the quantisers ``candidates`` that only rounds on calibration data; None without any, or data.

    One that keeps two maps with weights apart stays: without it they would become one map, often a larger one.
    """
    apart = [each for each in candidates if not (_weights_in_front(network, each) and _weights_behind(network, each))]
    if context.calibration is None or not apart:
        return None
    names = frozenset(name for each in apart for name in (each.name, each.inputs[0]))
    with np.errstate(over="ignore", invalid="ignore"):
        values = evaluate(network, context.calibration.evenly(_SAMPLES).as_float(), names)
    return next((each for each in apart if _only_rounds(each, values[each.inputs[0]], values[each.name])), None)


def _only_rounds(quantiser: Node, given: AnyFloat, found: AnyFloat) -> bool:
    operator = quantiser.operator
    assert isinstance(operator, QuantizeClip), "the candidates are quantisers"
    level = operator.threshold / (operator.levels or 1)
    is_moved = ~(np.abs(given - found) <= _ROUNDING * level)
    return bool(np.count_nonzero(is_moved) <= _CLIPPED_SHARE * is_moved.size)


def _weights_in_front(network: Network, node: Node) -> bool:
    found = {each.name: each for each in network.nodes}
    pending = list(node.inputs)
    while pending:
        source = found.get(pending.pop())
        if source is None or isinstance(source.operator, _NEURONS):
            continue
        if not isinstance(source.operator, _LIGHT):
            return True
        pending += source.inputs
    return False


def _weights_behind(network: Network, node: Node) -> bool:
    pending = list(network.consumers(node.name))
    while pending:
        reader = pending.pop()
        if isinstance(reader.operator, _NEURONS):
            continue
        if not isinstance(reader.operator, _LIGHT):
            return True
        pending += network.consumers(reader.name)
    return False
