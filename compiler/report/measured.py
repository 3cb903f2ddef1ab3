"""What samples did on a chip: the parts of a report that calibration data gives."""

from __future__ import annotations

from ...runtime.program import IntArray
from ...targets.records import dataclass
from .content import CostSection
from .placed import ActivityRow, TrafficSection


@dataclass(frozen=True, slots=True, eq=False)
class OnChip:
    """Cost, traffic and activity on the same samples; ``place`` (tiles,) is where each tile of cores lies.

    ``place`` is empty without a mesh.
    """

    cost: CostSection
    traffic: TrafficSection
    activity: tuple[ActivityRow, ...]
    place: IntArray
