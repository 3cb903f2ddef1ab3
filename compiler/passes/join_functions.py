"""Functions of one number that follow each other, as one: fitted together they cost one layer of populations."""

from __future__ import annotations

from dataclasses import replace

from ..ir.activations import FITTED, Composite
from ..ir.network import Network, Node, needed
from ..ir.operators import Offset, Operator, QuantizeClip, Relu, Scale


def with_joined_functions(network: Network) -> Network:
    """``network`` with every row of functions that only the next one reads as one ``Composite``."""
    joined = {run[-1].name: run for run in _runs(network) if _is_worth_joining(run)}
    if not joined:
        return network
    nodes = tuple(_composite(joined[node.name]) if node.name in joined else node for node in network.nodes)
    return network.with_nodes(needed(nodes, network.output))


def _runs(network: Network) -> list[list[Node]]:
    """Rows of scalar functions, each from its first to its last that is not linear."""
    runs: dict[str, list[Node]] = {}
    for node in network.nodes:
        if not _is_scalar(node.operator):
            continue
        before = runs.get(node.inputs[0])
        is_only_reader = len(network.consumers(node.inputs[0])) == 1 and node.inputs[0] != network.output
        if before is not None and is_only_reader:
            del runs[node.inputs[0]]
            runs[node.name] = [*before, node]
        elif not _is_affine(node.operator):
            runs[node.name] = [node]
    return [_without_affine_end(run) for run in runs.values()]


def _without_affine_end(run: list[Node]) -> list[Node]:
    while _is_affine(run[-1].operator):
        run = run[:-1]
    return run


def _is_worth_joining(run: list[Node]) -> bool:
    nonlinear = [node for node in run if not _is_affine(node.operator)]
    return len(nonlinear) > 1 and any(isinstance(node.operator, FITTED) for node in nonlinear)


def _composite(run: list[Node]) -> Node:
    steps = tuple((node.operator, (place,)) for place, node in enumerate(run))
    origins = tuple(dict.fromkeys(origin for node in run for origin in node.origins))
    return replace(run[-1], operator=Composite(steps), inputs=run[0].inputs, origins=origins)


def _is_affine(operator: Operator) -> bool:
    return isinstance(operator, Scale | Offset)


def _is_scalar(operator: Operator) -> bool:
    """Whether an operator is the same function of every entry, and has no levels of its own that would be lost."""
    match operator:
        case Scale(constant) | Offset(constant):
            return constant.size == 1
        case QuantizeClip():
            return operator.levels is None
    return isinstance(operator, (Relu, *FITTED))
