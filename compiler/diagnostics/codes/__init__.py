"""Every diagnostic code, in one table."""

from __future__ import annotations

from dataclasses import replace

from ..code import Code
from . import (
    by_layer,
    data_in_time,
    given_modules,
    graded,
    inputs,
    lava_processes,
    layer_cores,
    machine,
    numbers,
    reading,
    resources,
    running,
    sanafe,
    targets,
    topology,
    training,
    witnesses,
    workers,
)

FAMILIES = (
    reading,
    given_modules,
    topology,
    numbers,
    resources,
    graded,
    lava_processes,
    layer_cores,
    by_layer,
    running,
    inputs,
    data_in_time,
    machine,
    training,
    targets,
    sanafe,
    witnesses,
    workers,
)

CODES: dict[str, Code] = {code.id: code for family in FAMILIES for code in family.CODES}


def entry_of(code: str) -> Code | None:
    """Entry of ``code``; of a warning without one, that of the error which an uncertain limit made a warning."""
    if code in CODES or not code.startswith("W"):
        return CODES.get(code)
    error = CODES.get(f"E{code[1:]}")
    if error is None:
        return None
    return replace(
        error,
        id=code,
        title=f"{error.title}, by an uncertain limit",
        why=f"{error.why} The limit is an assumption of the chip's description, or sources disagree on it, so this is "
        "a warning and no error, and the verdict is unknown.",
        example=error.example.replace(error.id, code).replace("error W", "warning W"),
    )
