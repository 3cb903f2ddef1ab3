"""What spikec knows about one diagnostic code; ``spikec explain`` prints it."""

from __future__ import annotations

from ...targets.records import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """Entry of a stable code such as ``E301``: its letter is the severity, its number is never used again."""

    id: str
    title: str
    what: str
    """What was found, in a sentence or two."""
    why: str
    """Why it matters on a chip or for the result."""
    example: str
    """A line as it is printed, or the input that causes it."""
    fix: str
    """What the user can do."""
