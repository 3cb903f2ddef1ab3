"""What is to be said of the rows of a comparison beside their figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ...targets.diagnostic import Diagnostic
from ..methods.table import method_called
from ..options import CompileOptions

if TYPE_CHECKING:
    from .evaluation import EvaluationRow


def remarks_on(rows: Sequence[EvaluationRow]) -> Iterator[Diagnostic]:
    """W360 for a method that calibrates potentials and had nothing to do so on, W643 for a row that can overflow."""
    yield from _uncalibrated(rows)
    for row in rows:
        if not row.in_range:
            message = f"potentials of '{row.method}' on networks '{row.training}' can overflow at T = {row.timesteps}"
            yield Diagnostic("W643", message, hint="choose a target with a wider state, or fewer time steps")


def _uncalibrated(rows: Sequence[EvaluationRow]) -> Iterator[Diagnostic]:
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if _calibrates(row.method) and any(each.potentials is None for each in row.measurements):
            found.setdefault((row.method, row.training), []).append(str(row.timesteps))
    for (method, training), timesteps in found.items():
        rows_of = f"'{method}'{f' on networks {training!r}' if training else ''} at T = {', '.join(timesteps)}"
        message = f"{rows_of} did not keep calibrated initial potentials: no calibration data (8 samples at least)"
        hint = "give --calibration FILE.npz with a few hundred training inputs, or leave the method out"
        yield Diagnostic("W360", message, hint=hint)


def _calibrates(method: str) -> bool:
    options = method_called(method).options(CompileOptions())
    return options.calibrate and options.schedule == "pipelined"
