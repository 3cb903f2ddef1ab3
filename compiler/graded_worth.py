"""What a chip's graded messages are worth to a model: its program beside those of plain neurons for the same chip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..runtime.encoding import encode
from ..runtime.lava.encoding import message_bits
from ..runtime.program import Program
from ..runtime.program.neuron_models import GRADED, IF
from ..runtime.progress import Report as Progress
from ..runtime.progress import untold, within
from ..runtime.samples import Samples
from ..targets import Target
from .analysis.cost import measure_cost
from .analysis.traffic import SAMPLES
from .options import CompileOptions
from .report.placed import BesideRow
from .trials import CompileAgain, Trial

_PARTS = 100
"""Of a program."""

_LONGEST_WINDOW = 16
"""Steps at most in which plain neurons count what a graded one sends: beyond it nobody would."""


def beside_plain_neurons(
    program: Program,
    target: Target,
    options: CompileOptions,
    calibration: Samples | None,
    again: CompileAgain,
    macs: int,
    progress: Progress = untold,
) -> tuple[BesideRow, ...]:
    """Rows of graded and of plain neurons; none for a ``program`` of others, without data, or on a chip without both.

    Plain neurons run in one step and in as many as the widest layer has levels. ``again`` compiles the model, ``macs``
    are the ANN's products per sample. ``progress(done, total)`` counts parts of the programs.
    """
    if program.neuron.name != GRADED or calibration is None or not target.has_neuron(GRADED):
        return ()
    samples = calibration.first(SAMPLES)
    compared, rows = tuple(_options(program, options)), list[BesideRow]()
    for place, each in enumerate(compared):
        trial = again(target, each, within(progress, place * _PARTS, (place + 1) * _PARTS, len(compared) * _PARTS))
        rows.append(_row(trial, samples, macs))
        progress(len(rows) * _PARTS, len(compared) * _PARTS)
    return tuple(rows)


def _options(program: Program, options: CompileOptions) -> Iterator[CompileOptions]:
    yield options
    levels = max((p.payloads[1] - p.payloads[0] for p in program.firing), default=1)
    for timesteps in sorted({1, min(levels, _LONGEST_WINDOW)}):
        yield replace(options, neuron=IF, timesteps=timesteps)


def _row(trial: Trial, samples: Samples, macs: int) -> BesideRow:
    program = trial.program
    cost = measure_cost(program, trial.target, trial.placement, encode(program.input, samples.inputs)[0], macs)
    is_graded = program.neuron.name == GRADED
    return BesideRow(
        neurons="graded" if is_graded else "plain",
        timesteps=program.timesteps,
        steps=program.latency,
        window=program.window,
        cores=trial.placement.cores,
        payload_bits=max((message_bits(p.payloads) for p in program.firing), default=0) if is_graded else 0,
        messages=sum(row.messages for row in cost.rows),
        synaptic_events=sum(row.synaptic_events for row in cost.rows),
        operations_ratio=cost.ratio_once,
        accuracy=trial.accuracy,
    )
