"""Where on a chip's mesh each tile of cores lies: near those that it sends many messages to.

Cores fill tiles, and tiles chips, in the order of the program, so that what a chip's edge is crossed by is what passes
from layer to layer there. Within each chip tiles then change places, always the two whose exchange saves most, until no
exchange saves anything: a quadratic assignment by two-exchange. It is of whole numbers throughout, so that every
processor finds the same places; scipy's solvers of this problem are not.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...runtime.program import IntArray
from ...targets import Target
from ...targets.records import dataclass


@dataclass(frozen=True, slots=True)
class Mesh:
    """Chips side by side, each of ``columns`` x ``rows`` tiles of ``cores`` cores.

    ``across`` and ``along`` are what a hop east-west and one north-south are taken to cost.
    """

    cores: int
    columns: int
    rows: int
    across: int
    along: int

    def tile_of(self, cores: IntArray) -> IntArray:
        """Tile of each core, counted column by column and chip by chip."""
        return np.asarray(cores // self.cores)

    def hops(self, tiles: IntArray, others: IntArray) -> tuple[IntArray, IntArray]:
        """Hops east-west and north-south between tiles, elementwise."""
        (column, row), (other_column, other_row) = (np.divmod(each, self.rows) for each in (tiles, others))
        return np.abs(column - other_column), np.abs(row - other_row)

    def distance(self, tiles: IntArray, others: IntArray) -> IntArray:
        """What a message costs from any of ``tiles`` to any of ``others`` (tiles, others)."""
        across, along = self.hops(tiles[:, None], others[None, :])
        return np.asarray(across * self.across + along * self.along)


def cores_on_mesh(cores: Mapping[str, IntArray], mesh: Mesh, place: IntArray) -> dict[str, IntArray]:
    """Number of the core of each neuron where tile k of cores lies at ``place[k]``."""
    return {name: place[mesh.tile_of(each)] * mesh.cores + each % mesh.cores for name, each in cores.items()}


def mesh_of(target: Target) -> Mesh | None:
    """The mesh of ``target``; None where it is not known."""
    chip, cost = target.chip, target.cost
    if chip.cores_per_tile is None or chip.mesh_columns is None or chip.mesh_rows is None:
        return None
    across, along = (1, 1) if cost is None else (cost.hop_east_west_energy.value, cost.hop_north_south_energy.value)
    return Mesh(chip.cores_per_tile.value, chip.mesh_columns.value, chip.mesh_rows.value, across, along)


def arranged(messages: IntArray, mesh: Mesh) -> IntArray:
    """Place on the mesh of each tile, given the ``messages`` (tiles, tiles) that each sends to each."""
    on_chip = mesh.columns * mesh.rows
    tiles = len(messages)
    places = -(-tiles // on_chip) * on_chip
    traffic = np.zeros((places, places), dtype=np.int64)
    traffic[:tiles, :tiles] = messages
    traffic += traffic.T
    np.fill_diagonal(traffic, 0)
    place = np.arange(places)
    for first in range(0, places, on_chip):
        _exchange(place, slice(first, first + on_chip), traffic[first : first + on_chip], mesh)
    return place[:tiles]


def _exchange(place: IntArray, chip: slice, traffic: IntArray, mesh: Mesh) -> None:
    """Exchange places of tiles of ``chip``, which have this ``traffic``, while that saves something."""
    spots = place[chip].copy()
    among, distance = traffic[:, chip], mesh.distance(spots, spots)
    # What a tile's messages would cost from each spot of the chip, the others staying where they are.
    cost = traffic @ mesh.distance(place, spots)
    spot_of = np.arange(len(spots))
    while True:
        here = cost[:, spot_of]
        now = np.diag(here)
        between = among * distance[np.ix_(spot_of, spot_of)]
        change = here + here.T - now[:, None] - now[None, :] + 2 * between
        best = int(change.argmin())
        if change.flat[best] >= 0:
            break
        a, b = divmod(best, len(spots))
        nearer = distance[spot_of[b]] - distance[spot_of[a]]
        cost += np.outer(among[:, a] - among[:, b], nearer)
        spot_of[[a, b]] = spot_of[[b, a]]
    place[chip] = spots[spot_of]
