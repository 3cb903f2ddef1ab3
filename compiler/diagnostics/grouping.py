"""Equal findings of several layers or nodes told once, where findings are collected."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ...targets.diagnostic import Diagnostic, Place


def grouped(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Merge findings that differ in nothing but layer, nodes and measured value, each at the place of its first.

    A merged finding lists all layers and nodes, and has the worst of the measured values.
    """
    groups: dict[Diagnostic, list[Diagnostic]] = {}
    for diagnostic in diagnostics:
        groups.setdefault(_without_place(diagnostic), []).append(diagnostic)
    return tuple(_merged(members) for members in groups.values())


def _without_place(diagnostic: Diagnostic) -> Diagnostic:
    place = Place(file=diagnostic.place.file, core=diagnostic.place.core)
    return replace(diagnostic, place=place, measured=None)


def _merged(members: list[Diagnostic]) -> Diagnostic:
    distinct = list(dict.fromkeys(members))
    first = distinct[0]
    if len(distinct) == 1:
        return first
    layers = tuple(dict.fromkeys(layer for d in distinct for layer in _layers(d.place)))
    nodes = tuple(dict.fromkeys(node for d in distinct for node in d.place.nodes))
    measured = max((d.measured for d in distinct if d.measured is not None), key=abs, default=None)
    shared = len(layers) > 1
    place = replace(
        first.place, layer=None if shared else first.place.layer, layers=layers if shared else (), nodes=nodes
    )
    return replace(first, place=place, measured=measured)


def _layers(place: Place) -> tuple[str, ...]:
    return place.layers or (() if place.layer is None else (place.layer,))
