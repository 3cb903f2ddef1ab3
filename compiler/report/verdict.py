"""The answer in a word, computed from diagnostics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...targets.diagnostic import Diagnostic, Severity

FITS = "fits"
FITS_WITH_WARNINGS = "fits-with-warnings"
UNKNOWN = "unknown"
NEEDS_CALIBRATION = "needs-calibration"
DOES_NOT_FIT = "does-not-fit"
UNSUPPORTED = "unsupported"

VERDICTS = (FITS, FITS_WITH_WARNINGS, UNKNOWN, NEEDS_CALIBRATION, DOES_NOT_FIT, UNSUPPORTED)

_MODEL_FAMILIES = ("0", "1")
"""First digit of codes about the model file and its operators."""

_LACKS_CALIBRATION = ("E221", "E226")


def verdict(diagnostics: Iterable[Diagnostic], strict: bool = False, rests_on: Sequence[str] = ()) -> str:
    """``unsupported`` if the model cannot be read or expressed, ``does-not-fit`` for any other error.

    ``needs-calibration`` if nothing is wrong but that thresholds are unknown without calibration data; ``unknown`` if
    all that is wrong is so by limits that are not known well enough. With ``strict`` every other warning counts as an
    error, and an answer that ``rests_on`` assumed numbers of the target is unknown. Infos never count.
    """
    counted = tuple(d for d in diagnostics if d.severity is not Severity.INFO)
    errors = tuple(d for d in counted if d.severity is Severity.ERROR or (strict and not d.assumed))
    if any(d.severity is Severity.ERROR and d.code[1] in _MODEL_FAMILIES for d in errors):
        return UNSUPPORTED
    if errors:
        return NEEDS_CALIBRATION if all(d.code in _LACKS_CALIBRATION for d in errors) else DOES_NOT_FIT
    if any(d.assumed for d in counted) or (strict and rests_on):
        return UNKNOWN
    return FITS_WITH_WARNINGS if counted else FITS
