"""Runs of operators that treat every entry by itself: within one, activations are looked for."""

from __future__ import annotations

from ..ir.network import Network, Node
from .activation_chain import AFFINE, NONLINEAR

_LONGEST = 64
"""Operators in one run; an activation has about ten at most."""


def is_elementwise(node: Node) -> bool:
    """Whether runs are made of ``node``."""
    return isinstance(node.operator, NONLINEAR + AFFINE)


def reader_counts(network: Network) -> dict[str, int]:
    """How often each value is read, the result once more."""
    counts = {network.output: 1}
    for node in network.nodes:
        for name in node.inputs:
            counts[name] = counts.get(name, 0) + 1
    return counts


def elementwise_runs(network: Network, readers: dict[str, int]) -> list[tuple[Node, ...]]:
    """All nodes, with those that follow each other elementwise and are read only once put together."""
    runs: list[list[Node]] = []
    ending: dict[str, list[Node]] = {}
    for node in network.nodes:
        run = ending.pop(node.inputs[0], None) if is_elementwise(node) else None
        if run is None or len(run) >= _LONGEST or readers[node.inputs[0]] > 1:
            run = []
            runs.append(run)
        run.append(node)
        if is_elementwise(node):
            ending[node.name] = run
    order = {node.name: place for place, node in enumerate(network.nodes)}
    return [tuple(run) for run in sorted(runs, key=lambda run: order[run[-1].name])]


def nonlinear(run: tuple[Node, ...]) -> tuple[int, ...]:
    """Places of ``run`` whose operators clip or round."""
    return tuple(place for place, node in enumerate(run) if isinstance(node.operator, NONLINEAR))
