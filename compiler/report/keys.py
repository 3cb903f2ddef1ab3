"""A letter for each layer, which stands for it where there is no room for its name."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_lowercase, ascii_uppercase

_LETTERS = ascii_uppercase + ascii_lowercase


def keys_of(names: Sequence[str]) -> dict[str, str]:
    """Letters from A on; numbers from 1 on where there are more layers than letters."""
    marks = _LETTERS if len(names) <= len(_LETTERS) else [str(n) for n in range(1, len(names) + 1)]
    return dict(zip(names, marks, strict=False))


def hue_of(number: int) -> int:
    """Hue in degrees of the layer of that number, far from those of its neighbours."""
    # The golden angle: no two of many layers in a row come out alike.
    return number * 137 % 360
