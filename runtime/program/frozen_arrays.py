"""Arrays of a program that nobody can change, so that what was derived from them stays true."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from .program import Program


def freeze(record: object) -> None:
    """Make the arrays of a ``record`` read-only: one that owns its memory itself, one that shares it as a copy.

    An array that a caller handed over cannot be written to from then on; a view of it that was made before can, and
    must not be.
    """
    for field in fields(record):  # type: ignore[arg-type]
        array = getattr(record, field.name)
        if isinstance(array, np.ndarray) and not _is_frozen(array):
            own = array if array.base is None else np.array(array)
            own.flags.writeable = False
            object.__setattr__(record, field.name, own)


def is_frozen(program: Program) -> bool:
    """Whether no array of ``program`` can be written to: those that another process sent can."""
    return all(map(_is_frozen, _arrays_of(program)))


def _is_frozen(array: npt.NDArray[Any]) -> bool:
    return not array.flags.writeable and array.base is None


def _arrays_of(program: Program) -> Iterator[npt.NDArray[Any]]:
    holders = (*program.populations, *(p.synapses for p in program.projections), *program.pulses)
    for holder in holders:
        yield from (value for value in vars(holder).values() if isinstance(value, np.ndarray))
