"""The cores of a placement as nengo-loihi describes cores, list by list, for its own validation."""

from __future__ import annotations

import itertools
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
    and by how much it shifts it, besides the bits of a weight and a delay; a group of output axons the group it feeds,
    and per compartment its axon and atom.
    """
    layers = {layer.name: RECOUNT.boxes(layer) for layer in placement.layers}
    first_place = RECOUNT.first_places(program, layers)
    found: dict[int, dict[str, Any]] = {}
    for box in itertools.chain.from_iterable(layers.values()):
        core = found.setdefault(box.core, {"compartments": 0, "synapses": [], "axons": []})
        core["compartments"] += box.places
        core["compartments"] += int(np.prod(box.size)) * (target.neuron.compartments_per_neuron.value - 1)
    for projection in program.projections:
        layer = placement.layer(projection.target)
        held = next(each for each in layer.held if each.projection == projection.name)
        source_map = RECOUNT.map_of(program.source_shape(projection))
        for box in layers[projection.target]:
            stored = RECOUNT.lists_into(projection, source_map, box, held, target)
            atoms = np.unique(np.concatenate([channel for channel, _, _ in stored.lists]))
            axon_at = np.full(source_map, -1)
            axon_at[tuple(stored.axons.T)] = np.arange(len(stored.axons))
            core = found[box.core]
            group = _group(stored, atoms, held, first_place[box.layer.name, box.first], box.places)
            core["synapses"].append({"weight_bits": held.weight_bits, "delay_bits": held.delay_bits, **group})
            for source in layers.get(projection.source, ()) if projection.source != INPUT else ():
                fed = _fed(source, held, axon_at, atoms, first_place[source.layer.name, source.first])
                if fed is not None:
                    found[source.core]["axons"].append({"core": box.core, "group": len(core["synapses"]) - 1, **fed})
    file.write_bytes(pickle.dumps(found))


def _group(stored: Any, atoms: IntArray, held: HeldProjection, offset: int, places: int) -> dict[str, Any]:
    if held.form == "dense":
        assert offset == 0, "a list without indices names the neurons of its core in turn"
        weight = np.zeros((len(stored.axons), places), dtype=np.int64)
        for axon, number in enumerate(stored.of_axon):
            _, place, of_place = stored.lists[number]
            weight[axon, place] = of_place
        return {"form": "dense", "weight": weight}
    assert held.form == "population", "the other forms have no counterpart that counts its index"
    lists = [_by_atom(entries, atoms, offset) for entries in stored.lists]
    return {"form": "population", "lists": lists, "of_axon": stored.of_axon.tolist(), "bases": stored.base.tolist()}


def _by_atom(entries: IntArray, atoms: IntArray, offset: int) -> tuple[IntArray, IntArray]:
    """Weights and places of a list, a row per atom, as long as the longest."""
    channel, place, weight = entries[:, np.argsort(entries[0], kind="stable")]
    atom, lengths = np.searchsorted(atoms, channel), np.bincount(np.searchsorted(atoms, channel), minlength=len(atoms))
    column = np.arange(len(atom)) - (np.cumsum(lengths) - lengths)[atom]
    weights, places = (np.zeros((len(atoms), int(lengths.max())), dtype=np.int64) for _ in range(2))
    weights[atom, column], places[atom, column] = weight, place + offset
    return weights, places


def _fed(source: Any, held: HeldProjection, axon_at: IntArray, atoms: IntArray, first: int) -> dict[str, Any] | None:
    """Axon and atom of each neuron of ``source`` that feeds the group; neurons are compartments from ``first`` on.

    ``axon_at`` is the axon of each cell (channel, row, column), a pixel's under channel 0, or -1.
    """
    neuron = source.neuron_of(np.arange(source.places))
    place = np.flatnonzero(neuron >= 0)
    channel, row, column = np.unravel_index(neuron[place], source.layer.map)
    cell = (row // held.pool[0], column // held.pool[1])
    is_population = held.form == "population"
    axon = axon_at[0, cell[0], cell[1]] if is_population else axon_at[channel, cell[0], cell[1]]
    feeds = (axon >= 0) & (np.isin(channel, atoms) if is_population else True)
    if not feeds.any():
        return None
    atom = np.searchsorted(atoms, channel[feeds]) if is_population else np.zeros(int(feeds.sum()), dtype=np.int64)
    return {"compartments": first + place[feeds], "axons": axon[feeds], "atoms": atom}
