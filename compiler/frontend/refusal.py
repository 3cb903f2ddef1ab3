"""How a part of the reader says that one node or tensor cannot be used, so that reading can go on and find the rest."""

from __future__ import annotations


class Refusal(Exception):  # noqa: N818 - it is a verdict on the user's node, not an error of ours
    """One problem with the node that is being read; the reader turns it into a diagnostic that names the node."""

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


def listed(names: tuple[str, ...], limit: int = 5) -> str:
    """Join the first ``limit`` names and say how many more there are."""
    rest = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {rest} more" if rest > 0 else "")
