"""Accuracy against latency between the pipelined and the exact schedule: gates added one by one, neediest first."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from ...runtime.encoding import encode
from ...runtime.progress import FinishedRow, RowReport
from ...runtime.samples import Samples
from ...runtime.shards import HERE, Shard, Workers, run_shards
from ...runtime.simulator import simulate
from ...targets import Target
from ...targets.diagnostic import refuse
from ...targets.records import dataclass
from ..analysis.ledger import predictions_of
from ..compilation import build_from_file, usable_target
from ..frontend.model import Model, ModelReader, ModelSource
from ..options import CompileOptions
from ..schedule import MEASURED_SAMPLES, Misfires, gates_by_need, measure_misfires
from ..shared_results import SharedResults
from .model_data import GivenModel, read_given


@dataclass(frozen=True, slots=True)
class TradeoffPoint:
    """One program: its gated layers, steps until the result and between samples, accuracy (0..1) of its spikes."""

    gated: tuple[str, ...]
    latency: int
    window: int
    accuracy: float


@dataclass(frozen=True, slots=True)
class Tradeoff:
    """``points`` from no gate to all; ``misfires`` of each layer of the pipelined program, in its order.

    Accuracies are of ``samples`` samples; ``digest`` is the model file's SHA-256, ``target`` what was compiled for.
    """

    ann_accuracy: float
    timesteps: int
    misfires: dict[str, Misfires]
    points: tuple[TradeoffPoint, ...]
    samples: int
    digest: str
    target: str

    def document(self) -> dict[str, Any]:
        """As ``tradeoff --json`` prints it."""
        return asdict(self)


def measure_tradeoff(
    model: ModelSource | GivenModel,
    data: Samples,
    options: CompileOptions,
    points: int,
    *,
    readers: Mapping[str, ModelReader] | None = None,
    workers: Workers = HERE,
    progress: RowReport | None = None,
) -> Tradeoff:
    """Compile ``model`` with more and more gates and simulate each program on labelled ``data``.

    Layers are ranked by their misfires on the options' calibration data, ``data`` is only measured on. ``points``
    (2 at least) programs are taken, evenly spaced in their number of gates. ``workers`` says where they are measured,
    which changes no figure.
    """
    target = usable_target(options)
    given = read_given(model, options, readers)
    file, read = given.file, given.model
    network = read.network
    ann = data.accuracy(predictions_of(network, data.as_float()))
    if ann is None:
        raise refuse("E605", "the data has no labels, so no accuracy can be measured", hint="add 'labels' to --data")
    if options.calibration is None:
        raise refuse(
            "E630", "layers are ranked by measuring, and there is no calibration data", hint="give --calibration"
        )
    shared = SharedResults()
    ungated = replace(options, schedule="pipelined")
    pipelined = build_from_file(file, read, target, ungated, readers=readers, shared=shared)
    calibration = pipelined.context.calibration
    assert calibration is not None, "the options have calibration data"
    measured = measure_misfires(pipelined.program, calibration.first(MEASURED_SAMPLES))
    ranked = gates_by_need(pipelined.spiking, measured, pipelined.program)
    numbers = sorted({round(n) for n in np.linspace(0, len(ranked), max(points, 2))})
    shards = [Shard(f"{file} with {number} gates", ranked[:number]) for number in numbers]
    found: dict[str, TradeoffPoint] = {}
    gating = _Gating(file, read, target, data, options, shared)
    with closing(run_shards(gating.point, shards, workers)) as measurements:
        for shard, point in measurements:
            found[shard.name] = point
            if progress is not None:
                done, total = len(found), len(shards)
                words = f"{len(point.gated)} gates: {100 * point.accuracy:.1f} %"
                progress(FinishedRow(done, total, words, done / total))
    return Tradeoff(
        *(ann, options.timesteps, measured, tuple(found[shard.name] for shard in shards)),
        samples=len(data),
        digest=read.section.digest,
        target=pipelined.program.target,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Gating:
    """What all points share."""

    file: str
    model: Model
    target: Target
    data: Samples
    options: CompileOptions
    shared: SharedResults

    def point(self, gated: tuple[str, ...]) -> TradeoffPoint:
        mixed = replace(self.options, schedule="mixed", exact_layers=gated, latency_budget=None)
        program = build_from_file(self.file, self.model, self.target, mixed, shared=self.shared).program
        encoded, _ = encode(program.input, self.data.in_one_window(program.timesteps).inputs)
        accuracy = self.data.accuracy(simulate(program, encoded).predictions)
        assert accuracy is not None, "labels were checked before"
        return TradeoffPoint(gated, program.latency, program.window, accuracy)
