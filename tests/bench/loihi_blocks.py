"""The cores of a placement as nengo-loihi describes cores, list by list, for its own validation."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from spikec.compiler.mapping import HeldProjection, Placement
from spikec.runtime.program import INPUT, IntArray, Program
from spikec.targets import Target

from .recounted import RECOUNT


def write_blocks(program: Program, target: Target, placement: Placement, file: Path) -> None:
    """Pickle what every core holds: compartments, groups of synapses and groups of output axons.

    A group of synapses has ``lists`` (weights and places, (atoms, entries) each), and per input axon which list it has
    and by how much it shifts it; a group of output axons the group it feeds, and per compartment its axon and atom.
    """
    found: dict[int, dict[str, Any]] = {}
    first_place: dict[tuple[str, tuple[int, ...]], int] = {}
    layers = {layer.name: RECOUNT.boxes(layer) for layer in placement.layers}
    compartments = target.neuron.compartments_per_neuron.value
    base = target.synapses.axon_base_maximum
    assert base is not None
    limit = base.value + 1
    for box in (box for each in layers.values() for box in each):
        core = found.setdefault(box.core, {"compartments": 0, "synapses": [], "axons": []})
        first_place[box.layer.name, box.first] = core["compartments"]
        core["compartments"] += box.places + int(np.prod(box.size)) * (compartments - 1)
    for projection in program.projections:
        layer = placement.layer(projection.target)
        held = next(each for each in layer.held if each.projection == projection.name)
        source_map = RECOUNT.map_of(program.source_shape(projection))
        for box in layers[projection.target]:
            links = RECOUNT.links_into(projection, source_map, box, held)
            offset = first_place[box.layer.name, box.first]
            group = _group(links, held, offset, box.places, limit)
            core = found[box.core]
            core["synapses"].append(group)
            for source in layers.get(projection.source, ()) if projection.source != INPUT else ():
                fed = _fed(source, held, group, first_place[source.layer.name, source.first])
                if fed is not None:
                    found[source.core]["axons"].append({"core": box.core, "group": len(core["synapses"]) - 1, **fed})
    file.write_bytes(pickle.dumps(found))


def _group(links: Any, held: HeldProjection, offset: int, places: int, limit: int) -> dict[str, Any]:
    """A group of synapses; ``axon_of`` gives the axon of a cell (channel, row, column), or of a pixel (row, column)."""
    if held.form == "dense":
        return _dense(links, offset, places)
    assert held.form == "population", "the other forms have no counterpart that counts its index"
    return _population(links, offset, limit)


def _dense(links: Any, offset: int, places: int) -> dict[str, Any]:
    cells = list(zip(links.channel.tolist(), links.row.tolist(), links.column.tolist(), strict=True))
    axon_of = {cell: n for n, cell in enumerate(sorted(set(cells)))}
    weight = np.zeros((len(axon_of), places), dtype=np.int64)
    weight[[axon_of[cell] for cell in cells], links.place] = links.weight
    return {"form": "dense", "weight": weight, "offset": offset, "axon_of": axon_of}


def _population(links: Any, offset: int, limit: int) -> dict[str, Any]:
    atoms = {channel: n for n, channel in enumerate(np.unique(links.channel).tolist())}
    reached: dict[tuple[int, int], dict[int, list[tuple[int, int]]]] = {}
    for channel, row, column, place, weight in zip(*(each.tolist() for each in _columns(links)), strict=True):
        reached.setdefault((row, column), {}).setdefault(atoms[channel], []).append((place, weight))
    lists: dict[bytes, int] = {}
    held: list[tuple[IntArray, IntArray]] = []
    of_axon, bases = [], []
    for of_atoms in (reached[pixel] for pixel in sorted(reached)):
        base = min(place for each in of_atoms.values() for place, _ in each) % limit
        longest = max(map(len, of_atoms.values()))
        index, weight_of = (
            np.zeros((len(atoms), longest), dtype=np.int64),
            np.zeros((len(atoms), longest), dtype=np.int64),
        )
        for atom, each in of_atoms.items():
            for n, (place, weight) in enumerate(sorted(each)):
                index[atom, n], weight_of[atom, n] = place - base + offset, weight
        key = index.tobytes() + weight_of.tobytes()
        if key not in lists:
            lists[key] = len(held)
            held.append((weight_of, index))
        of_axon.append(lists[key])
        bases.append(base)
    axon_of = {pixel: n for n, pixel in enumerate(sorted(reached))}
    return {"form": "population", "lists": held, "of_axon": of_axon, "bases": bases, "axon_of": axon_of, "atoms": atoms}


def _columns(links: Any) -> tuple[IntArray, ...]:
    return links.channel, links.row, links.column, links.place, links.weight


def _fed(source: Any, held: HeldProjection, group: dict[str, Any], first: int) -> dict[str, Any] | None:
    """Axon and atom of each neuron of ``source`` that feeds the group; neurons are compartments from ``first`` on."""
    compartments, axons, atoms = [], [], []
    for place in range(source.places):
        neuron = int(source.neuron_of(np.array(place)))
        if neuron < 0:
            continue
        channel, row, column = (int(n) for n in np.unravel_index(neuron, source.layer.map))
        cell = (row // held.pool[0], column // held.pool[1])
        is_population = group["form"] == "population"
        axon = group["axon_of"].get(cell if is_population else (channel, *cell))
        atom = group["atoms"].get(channel) if is_population else 0
        if axon is None or atom is None:
            continue
        compartments.append(first + place)
        axons.append(axon)
        atoms.append(atom)
    return {"compartments": compartments, "axons": axons, "atoms": atoms} if axons else None
