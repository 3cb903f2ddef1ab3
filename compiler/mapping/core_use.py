"""How full each core is, of the budgets that every box takes something of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...runtime.program import IntArray
from .pack import Load


def core_use(loads: Sequence[Load], core: IntArray) -> dict[str, IntArray]:
    """By budget what the boxes on each core take together (cores,), where ``core`` (boxes,) is the core of each load.

    A box that has a core for itself takes less of its memory than one that shares it: its lists name fewer neurons.
    """
    names = [name for name in loads[0].alone if all(name in load.alone for load in loads)] if loads else []
    shares = np.bincount(core)[core] > 1
    return {
        name: _total(
            [load.added[name] if several else load.alone[name] for load, several in zip(loads, shares, strict=True)],
            core,
        )
        for name in names
    }


def _total(taken: list[int], core: IntArray) -> IntArray:
    total = np.zeros(int(core.max()) + 1, dtype=np.int64)
    np.add.at(total, core, taken)
    return total
