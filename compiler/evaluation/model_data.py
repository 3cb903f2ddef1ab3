"""Models that are read once, and data as they take them: samples with labels among their classes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...runtime.given_data import Data, samples_of
from ...runtime.samples import Samples
from ...targets.records import dataclass
from ..frontend.model import Model, ModelReader, ModelSource, read_model
from ..options import CompileOptions


@dataclass(frozen=True, slots=True, eq=False)
class GivenModel:
    """A ``model`` that was read, and the ``file`` that it was given as."""

    file: str
    model: Model


def read_given(
    source: ModelSource | GivenModel, options: CompileOptions, readers: Mapping[str, ModelReader] | None
) -> GivenModel:
    """Read a model with the output and sizes of ``options``, unless it was read before; errors as of its reader."""
    if isinstance(source, GivenModel):
        return source
    model = read_model(source, output=options.output, input_shape=options.input_shape, readers=readers)
    return GivenModel(str(source), model)


def samples_for(model: Model, data: Data, limit: int | None) -> Samples:
    """Samples of ``data`` for ``model``, at most ``limit``, evenly spaced; errors as of their readers."""
    network = model.network
    classes = int(np.prod(network.shape(network.results[0])))
    return samples_of(data, network.input_shape, classes=classes, integers=network.integers).evenly(limit)
