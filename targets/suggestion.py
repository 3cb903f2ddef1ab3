"""What somebody may have meant who gave a name that is not known."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(given: str, known: Iterable[str]) -> str | None:
    """The name among ``known`` that is most like ``given``, if one is like it."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(given, list(known), n=1)), None)


def known_names(given: str, known: Iterable[str], kind: str = "choose from") -> str:
    """Hint for a name that is not among ``known``: ``did you mean 'lava'? choose from lava, loihi1``."""
    names = tuple(known)
    near = nearest(given, names)
    return f"{f'did you mean {near!r}? ' if near else ''}{kind} {', '.join(names)}"
