"""An evaluation on data as a caller gives them: files or arrays, for the command as for Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...runtime.given_data import Data
from ..frontend.model import ModelReader, ModelSource
from ..options import CONSTANT, FRAMES, CompileOptions
from .evaluation import Evaluation, evaluate_models
from .model_data import read_given, samples_for


def evaluate_given(
    models: Sequence[ModelSource],
    data: Data,
    options: CompileOptions | None,
    timesteps: Sequence[int],
    methods: Sequence[str] | str,
    *,
    limit: int | None = None,
    readers: Mapping[str, ModelReader] | None = None,
    **further: Any,
) -> Evaluation:
    """Evaluate on at most ``limit`` samples of ``data``, evenly spaced; see ``evaluate_models`` for the rest.

    Data and calibration data have to be such as the first model takes.
    """
    chosen = options or CompileOptions()
    read = [read_given(model, chosen, readers) for model in models]
    samples = samples_for(read[0].model, data, limit)
    calibration = chosen.calibration
    known = None if calibration is None else samples_for(read[0].model, calibration, None)
    given_as = chosen.input
    if given_as == CONSTANT:
        samples, known = samples.constant(), None if known is None else known.constant()
    elif samples.changes_in_time:
        given_as = FRAMES
    given = replace(chosen, calibration=known, input=given_as)
    return evaluate_models(read, samples, given, timesteps, methods, **further)
