"""The answer in a word, computed from diagnostics."""

from __future__ import annotations

from collections.abc import Iterable

from ...targets.diagnostic import Diagnostic, Severity

FITS = "fits"
FITS_WITH_WARNINGS = "fits-with-warnings"
NEEDS_CALIBRATION = "needs-calibration"
DOES_NOT_FIT = "does-not-fit"
UNSUPPORTED = "unsupported"

VERDICTS = (FITS, FITS_WITH_WARNINGS, NEEDS_CALIBRATION, DOES_NOT_FIT, UNSUPPORTED)

_MODEL_FAMILIES = ("0", "1")
"""First digit of codes about the model file and its operators."""

_LACKS_CALIBRATION = ("E221", "E226")


def verdict(diagnostics: Iterable[Diagnostic], strict: bool = False) -> str:
    """``unsupported`` if the model cannot be read or expressed, ``does-not-fit`` for any other error.

    ``needs-calibration`` if nothing is wrong but that thresholds are unknown without calibration data.
    With ``strict`` a warning counts as an error, an assumed limit included. Infos never count.
    """
    counted = tuple(d for d in diagnostics if d.severity is not Severity.INFO)
    errors = tuple(d for d in counted if strict or d.severity is Severity.ERROR)
    if any(d.severity is Severity.ERROR and d.code[1] in _MODEL_FAMILIES for d in errors):
        return UNSUPPORTED
    if errors:
        return NEEDS_CALIBRATION if all(d.code in _LACKS_CALIBRATION for d in errors) else DOES_NOT_FIT
    return FITS_WITH_WARNINGS if counted else FITS
