"""Whether spikes are added as events or multiplied as dense products: by measured rates, or as the user says.

Both give the same numbers. A projection whose weights and messages allow one of the two alone keeps that one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ...targets.diagnostic import refuse
from ...targets.suggestion import known_names
from ..program import Program
from ..program.neuron_models import GRADED, IF
from .packing import AUTO, DENSE, EVENTS, PackedWeights
from .plan import Layer

WAYS = (AUTO, EVENTS, DENSE)
"""``auto`` decides for each part of the work from the spikes that are counted there and from what either costs."""

WayOfLayers = str | Mapping[str, str]
"""One of ``WAYS`` for all layers, or for the layers that are named; ``auto`` for the others."""

Chosen = tuple[tuple[str, str], ...]


def chosen_ways(program: Program, way: WayOfLayers, device: str) -> Chosen:
    """The layers of ``program`` for which ``way`` is not ``auto``, each with its way, in the program's order.

    E511 for a way or a layer that there is not, and where the simulator of the program on ``device`` has but one.
    """
    layers = [population.name for population in program.populations]
    by_layer = way if isinstance(way, Mapping) else dict.fromkeys(layers, way)
    for layer, name in by_layer.items():
        if layer not in layers:
            raise refuse("E511", f"the program has no layer '{layer}'", hint=known_names(layer, layers))
        if name not in WAYS:
            raise refuse("E511", f"a layer has no way '{name}'", layer=layer, hint=f"choose from {', '.join(WAYS)}")
    chosen = tuple((layer, by_layer[layer]) for layer in layers if by_layer.get(layer, AUTO) != AUTO)
    if chosen and (device != "cpu" or program.neuron.name not in (IF, GRADED)):
        where = f"neurons of the model '{program.neuron.name}'" if device == "cpu" else f"the device '{device}'"
        raise refuse("E511", f"there is one way alone for {where}", hint=f"leave the way out, or give '{AUTO}'")
    return chosen


def with_ways(layers: tuple[Layer, ...], chosen: Chosen) -> tuple[Layer, ...]:
    """``layers`` with what was chosen for them, where they have both ways."""
    by_layer = dict(chosen)
    return tuple(_with_way(layer, by_layer.get(layer.population.name, AUTO)) for layer in layers)


def _with_way(layer: Layer, way: str) -> Layer:
    if way == AUTO:
        return layer
    incoming = tuple(
        replace(c, kernel=replace(c.kernel, way=way)) if isinstance(c.kernel, PackedWeights) else c
        for c in layer.incoming
    )
    return replace(layer, incoming=incoming)
