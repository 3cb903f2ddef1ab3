"""The record in which every layer of spikec says what is wrong: with what, where, by how much, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from .records import dataclass


class Severity(str, Enum):
    """How much a diagnostic matters: an error stops, a warning does not, an info only tells."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


_SEVERITY_OF_LETTER = {"E": Severity.ERROR, "W": Severity.WARNING, "I": Severity.INFO}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a diagnostic applies; whichever parts are known."""

    file: str | None = None
    layer: str | None = None
    nodes: tuple[str, ...] = ()
    """Names of the nodes in the user's ONNX file."""
    core: str | None = None
    layers: tuple[str, ...] = ()
    """All layers of a finding that several share; ``layer`` is None then."""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem or remark.

    ``code`` is stable (``E301``); its letter gives the severity, its entry in ``spikec.compiler.diagnostics.codes``
    the explanation that ``spikec explain`` prints. An error against an uncertain limit becomes the warning of the same
    number: ``E317`` is then ``W317``.
    ``measured`` and ``limit`` are in ``unit``; ``source`` says where the limit was read.
    """

    code: str
    message: str
    place: Place = Place()
    measured: float | None = None
    limit: float | None = None
    unit: str | None = None
    hint: str | None = None
    source: str | None = None
    assumed: bool = False
    """The limit is an assumption or disputed, so what would be an error is a warning, and the verdict ``unknown``."""

    def __post_init__(self) -> None:
        if self.assumed and self.code.startswith("E"):
            object.__setattr__(self, "code", f"W{self.code[1:]}")

    @property
    def severity(self) -> Severity:
        """Severity from the code's letter."""
        return _SEVERITY_OF_LETTER[self.code[0]]


class UnusableInput(Exception):  # noqa: N818 - the name says what the user gave, not what we did
    """The input cannot be used; carries every problem found. The command line turns it into exit code 2."""

    def __init__(self, diagnostics: Iterable[Diagnostic] | Diagnostic) -> None:
        problems = (diagnostics,) if isinstance(diagnostics, Diagnostic) else tuple(diagnostics)
        super().__init__("; ".join(f"{d.code} {d.message}" for d in problems))
        self.diagnostics = problems

    def __reduce__(self) -> tuple[type[UnusableInput], tuple[tuple[Diagnostic, ...]]]:
        """Copied by its diagnostics, where Python would copy an exception by its text."""
        return UnusableInput, (self.diagnostics,)


class DiagnosticWarning(UserWarning):
    """A diagnostic that does not end the work, for callers in Python; the command line prints it as a finding."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(f"{diagnostic.code} {diagnostic.message}; {diagnostic.hint}")
        self.diagnostic = diagnostic


def refuse(
    code: str, message: str, *, file: object = None, layer: str | None = None, hint: str | None = None
) -> UnusableInput:
    """Return the exception for a single problem, to be raised by the caller."""
    place = Place(file=None if file is None else str(file), layer=layer)
    return UnusableInput(Diagnostic(code, message, place, hint=hint))
