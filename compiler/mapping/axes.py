"""One axis of a convolution: which source indices a run of target indices reads, and by which kernel taps.

A source index reaches the target index t = (s + padding - tap * dilation) / stride by each tap for which that is whole
and lies in the run. Source indices with the same taps share one list of synapses, shifted by their first target. With a
border the run is lined with neurons that never fire, so that every source index keeps all its taps and there are as
many lists as the stride has residues.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ...runtime.program import IntArray
from ...targets.records import dataclass
from .boxes import BoolArray


@dataclass(frozen=True, slots=True)
class Axis:
    """Rows or columns of a convolution between ``sources`` and ``targets`` indices."""

    sources: int
    targets: int
    kernel: int
    stride: int
    dilation: int
    padding: int

    @property
    def position(self) -> IntArray:
        """Source index of each tap (targets, kernel); outside of 0..sources - 1 it is padding."""
        starts = np.arange(self.targets) * self.stride - self.padding
        return np.asarray(starts[:, None] + np.arange(self.kernel) * self.dilation)

    @property
    def inside(self) -> BoolArray:
        """Whether a tap lies inside the source's map (targets, kernel)."""
        position = self.position
        return np.asarray((position >= 0) & (position < self.sources))

    @property
    def reads(self) -> BoolArray:
        """Whether a target index reads a source index (targets, sources)."""
        relation = np.zeros((self.targets, self.sources), dtype=bool)
        targets, taps = np.nonzero(self.inside)
        relation[targets, self.position[targets, taps]] = True
        return relation

    def run(self, first: int, length: int, *, border: bool) -> Run:
        """What the target indices ``first`` .. ``first + length - 1`` read."""
        taps = np.arange(self.kernel) * self.dilation
        reached = np.arange(self.sources)[:, None] + self.padding - taps
        target = reached // self.stride
        whole = reached % self.stride == 0
        here = whole & (target >= first) & (target < first + length)
        sources = np.flatnonzero(here.any(axis=1))
        used = (whole if border else here)[sources]
        target = target[sources]
        nearest = np.where(used, target, first + length).min(axis=1, initial=first + length)
        farthest = np.where(used, target, first - 1).max(axis=1, initial=first - 1)
        lead = max(0, first - int(nearest.min(initial=first)))
        trail = max(0, int(farthest.max(initial=first)) - (first + length - 1))
        return Run(used, nearest - first, farthest - nearest, lead, trail)


@dataclass(frozen=True, eq=False)
class Run:
    """What a run of target indices reads: each of its s source indices by the taps ``used`` (s, kernel).

    ``first_target`` (s,) is the first target index that each source reaches, counted from the start of the run: below
    zero it lies in the border of ``lead`` neurons before it; ``trail`` are those behind. ``span`` (s,) is how far the
    last target index lies behind the first. Runs that read alike are equal, wherever they lie.
    """

    used: BoolArray
    first_target: IntArray
    span: IntArray
    lead: int
    trail: int

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and self._content == other._content

    def __hash__(self) -> int:
        return hash(self._content)

    @property
    def sources(self) -> int:
        """Number of source indices that are read."""
        return len(self.used)

    @cached_property
    def _content(self) -> tuple[object, ...]:
        return self.used.shape, self.used.tobytes(), self.first_target.tobytes(), self.lead, self.trail

    @cached_property
    def lists(self) -> tuple[BoolArray, IntArray]:
        """Each set of taps once (lists, kernel), and which of them each source has (s,)."""
        if not self.sources:
            return self.used, np.zeros(0, dtype=np.int64)
        distinct, which = np.unique(self.used, axis=0, return_inverse=True)
        return distinct, np.asarray(which.reshape(-1))

    @cached_property
    def list_lengths(self) -> IntArray:
        """Number of lists with 0, 1, .. kernel taps (kernel + 1,)."""
        return np.bincount(self.lists[0].sum(axis=1), minlength=self.used.shape[1] + 1)
