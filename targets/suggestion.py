"""What somebody may have meant who gave a name that is not known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def known_names(given: str, known: Iterable[str], kind: str = "choose from") -> str:
    """Hint for a name that is not among ``known``: ``did you mean 'lava'? choose from lava, loihi1``."""
    names = tuple(known)
    near = get_close_matches(given, names, n=1)
    return f"{f'did you mean {near[0]!r}? ' if near else ''}{kind} {', '.join(names)}"
