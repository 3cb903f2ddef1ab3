"""The map of a program's cores, out of its placement."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...runtime.program import IntArray
from ...targets import Target
from ..mapping import Placement
from ..mapping.candidates import INPUT_AXONS, NEURONS, OUTPUT_AXONS, SYNAPSE_MEMORY
from ..mapping.mesh import mesh_of
from .placed import Budget, CoreMap

BUDGETS = (NEURONS, INPUT_AXONS, OUTPUT_AXONS, SYNAPSE_MEMORY)
"""What every neuron takes something of. Thresholds, formats and configurations count once on a core."""
MOST_CORES = 1 << 15
"""Cores of a map, at most: a program of more fits nothing, and a list of them tells nobody anything."""


def core_map(placement: Placement, target: Target, place: IntArray | None) -> CoreMap | None:
    """Map of the cores; None where the target states no budget that a core could be full of, or for too many cores.

    ``place`` (tiles,) is where on the mesh each tile of cores lies, None where no traffic tells.
    """
    limits = _limits(placement)
    if not limits or placement.cores > MOST_CORES:
        return None
    mesh = mesh_of(target)
    numbers = np.arange(placement.cores)
    if mesh is not None and place is not None:
        numbers = place[mesh.tile_of(numbers)] * mesh.cores + numbers % mesh.cores
    shape = () if mesh is None else (mesh.columns, mesh.rows, mesh.cores)
    on_chip = int(np.prod(shape)) if shape else _cores_of_chip(placement, target)
    use = np.stack([placement.use[name] for name in limits])
    # Shares are quotients of whole numbers: the same on every processor.
    fullest = (use / np.array(list(limits.values()))[:, None]).argmax(axis=0)
    return CoreMap(
        chip_cores=on_chip,
        mesh=shape,
        arranged=mesh is not None and place is not None,
        place=tuple(numbers.tolist()),
        layers={layer.name: tuple(np.unique(layer.core).tolist()) for layer in placement.layers},
        budgets=tuple(Budget(name, limit) for name, limit in limits.items()),
        fullest=tuple(fullest.tolist()),
        used=tuple(use[fullest, np.arange(placement.cores)].tolist()),
    )


def _limits(placement: Placement) -> Mapping[str, int]:
    uses = placement.layers[0].uses if placement.layers else ()
    return {
        use.name: use.limit.value
        for use in uses
        if use.name in BUDGETS and use.limit is not None and use.limit.value and use.name in placement.use
    }


def _cores_of_chip(placement: Placement, target: Target) -> int:
    return placement.cores if target.chip.cores is None else target.chip.cores.value
