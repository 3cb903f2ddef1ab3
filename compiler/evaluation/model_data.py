"""Data for a model: samples as it takes them, with labels among its classes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...runtime.given_data import Data, samples_of
from ...runtime.samples import Samples
from ..frontend.chosen_outputs import Choice
from ..frontend.model import ModelReader, ModelSource, read_model
from ..ir.operators import Shape


def samples_for(
    model: ModelSource,
    input_shape: Shape | None,
    output: Choice,
    data: Data,
    limit: int | None,
    readers: Mapping[str, ModelReader] | None,
) -> Samples:
    """Samples of ``data`` for ``model``, at most ``limit``, evenly spaced; errors as of their readers."""
    network = read_model(model, output=output, input_shape=input_shape, readers=readers).network
    classes = int(np.prod(network.shape(network.results[0])))
    return samples_of(data, network.input_shape, classes=classes, integers=network.integers).evenly(limit)
