"""Put several boxes on a core where its budgets allow it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...runtime.program import IntArray
from ...targets.records import dataclass
from .boxes import BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class Load:
    """What a box takes of each budget: ``alone`` on its core, or ``added`` to others on one.

    ``kinds`` are things that count once on a core, whoever needs them, by budget: thresholds, formats. ``first`` says
    that the box has to be the first on its core, since its lists name the core's neurons in turn.
    """

    alone: Mapping[str, int]
    added: Mapping[str, int]
    kinds: Mapping[str, frozenset[object]]
    first: bool


def pack(loads: tuple[Load, ...], limits: Mapping[str, int]) -> IntArray:
    """Core of each load: the first one that still has room for it, or a core of its own.

    Loads that have to be the first on a core come first. Cores are counted in the order of loads.
    """
    budgets = tuple(name for name in limits if all(name in load.alone for load in loads))
    shared = tuple(name for name in limits if all(name in load.kinds for load in loads))
    room = np.zeros((len(loads), len(budgets)), dtype=np.int64)
    is_open = np.zeros(len(loads), dtype=bool)
    kinds = dict[int, dict[str, set[object]]]()
    core = np.zeros(len(loads), dtype=np.int64)
    cores = 0
    for n in sorted(range(len(loads)), key=lambda n: not loads[n].first):
        load = loads[n]
        added = np.array([load.added[name] for name in budgets], dtype=np.int64)
        fitting = [] if load.first else _with_room(room[:cores], is_open[:cores], added)
        found = next((k for k in fitting if _kinds_fit(kinds[k], load, shared, limits)), None)
        if found is None:
            found, cores = cores, cores + 1
            room[found] = [limits[name] - load.added[name] for name in budgets]
            kinds[found] = {name: set() for name in shared}
            is_open[found] = (room[found] > 0).all()
        else:
            room[found] -= added
        core[n] = found
        for name in shared:
            kinds[found][name] |= load.kinds[name]
    _, first, which = np.unique(core, return_index=True, return_inverse=True)
    return np.asarray(first.argsort().argsort()[which.reshape(-1)])


def _with_room(room: IntArray, is_open: BoolArray, added: IntArray) -> list[int]:
    return [int(core) for core in np.flatnonzero(is_open & (room >= added).all(axis=1))]


def _kinds_fit(held: Mapping[str, set[object]], load: Load, shared: tuple[str, ...], limits: Mapping[str, int]) -> bool:
    return all(len(held[name] | load.kinds[name]) <= limits[name] for name in shared)
