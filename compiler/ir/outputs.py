"""Several outputs of one network, as a value of level 1."""

from __future__ import annotations

import math

import numpy as np

from ...targets.records import dataclass
from .operators import AnyFloat, Shape


@dataclass(frozen=True, slots=True)
class Outputs:
    """Ends a network that has several outputs: its inputs are their values, in the order that they are asked for.

    ``names`` are theirs in the user's model. The same value may be there under several names.
    """

    names: tuple[str, ...]

    def result_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """All values one after the other, flat."""
        return (sum(math.prod(shape) for shape in shapes),)

    def evaluate(self, inputs: tuple[AnyFloat, ...]) -> AnyFloat:
        """All values one after the other, flat in C order."""
        return np.concatenate([values.reshape(len(values), -1) for values in inputs], axis=1)
