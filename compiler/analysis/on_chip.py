"""What a program does on its chip, on samples: what that costs, what passes between layers, how its neurons fire."""

from __future__ import annotations

import numpy as np

from ...runtime.program import IntArray, Program
from ...runtime.progress import Report as Progress
from ...runtime.progress import untold, within
from ...targets import Target
from ..mapping import Placement
from ..mapping.cores_of import cores_of
from ..report.measured import OnChip
from ..report.placed import ActivityRow, ChipFlowRow, FlowRow, TrafficSection
from .cost import cost_of
from .flows import Flows, measure_flows
from .residuals import Activity, measure_activity
from .traffic import measure_traffic

_PARTS = 100
_COUNTED, _SEEN = 40, 65
"""Parts done once events are counted, and once potentials are; the rest is for what passes between layers."""


def measure_on_chip(
    program: Program,
    target: Target,
    placement: Placement,
    encoded: IntArray,
    macs: int,
    progress: Progress = untold,
) -> OnChip:
    """Count on ``encoded`` samples (N, *input shape), N >= 1, of a program with plain neurons, and price.

    ``macs`` are the ANN's multiply-accumulates per sample. ``progress(done, total)`` is told shares of the time that it
    takes, about.
    """
    cores = cores_of(placement)
    traffic = measure_traffic(program, target, cores, encoded, progress=within(progress, 0, _COUNTED, _PARTS))
    samples = encoded[: traffic.samples]
    activity = measure_activity(program, samples, within(progress, _COUNTED, _SEEN, _PARTS))
    flows = measure_flows(program, target, cores, activity.spikes, samples, within(progress, _SEEN, _PARTS, _PARTS))
    return OnChip(
        cost_of(traffic, program, target, placement, macs),
        _traffic(flows, len(samples), has_mesh=traffic.tiles > 0),
        _activity(program, activity),
        traffic.place,
    )


def _traffic(flows: Flows, samples: int, *, has_mesh: bool) -> TrafficSection:
    sources, targets = np.nonzero(flows.between)
    return TrafficSection(
        samples,
        tuple(
            FlowRow(each.source, each.target, each.messages / samples, each.crossings / samples if has_mesh else None)
            for each in flows.along
        ),
        tuple(
            ChipFlowRow(a, b, int(flows.between[a, b]) / samples)
            for a, b in zip(sources.tolist(), targets.tolist(), strict=True)
            if a != b
        ),
    )


def _activity(program: Program, activity: Activity) -> tuple[ActivityRow, ...]:
    rows = []
    for name, spikes in activity.spikes.items():
        residuals = activity.residuals[name]
        rate = int(spikes.sum(dtype=np.int64)) / (activity.samples * program.timesteps * spikes.size)
        rows.append(ActivityRow(name, rate, residuals.over, residuals.under, residuals.naive))
    return tuple(rows)
