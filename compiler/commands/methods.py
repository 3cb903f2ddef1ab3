"""``spikec methods``: what the conversion methods are, what each needs, and which apply to a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from ...targets.terminal.help_page import command, json_option
from ...targets.terminal.streams import tell, tell_json
from .compile_options import INPUT_SHAPE, OUTPUT

if TYPE_CHECKING:
    from ..frontend.model import ModelReader


@command()
@click.argument("model", metavar="[MODEL]", required=False, type=click.Path())
@INPUT_SHAPE
@OUTPUT
@json_option
@click.pass_obj
def methods(
    readers: Mapping[str, ModelReader] | None,
    model: str | None,
    input_shape: tuple[int, ...] | None,
    output: tuple[str, ...] | None,
    as_json: bool,
) -> None:
    """List the conversion methods with what each does and needs; with MODEL, say which apply to it, and why not.

    A model of yours, which has no record of its training, takes every method that is no way of training.
    """
    from ..methods.described import ABOUT, needs_of
    from ..methods.table import METHODS

    rows: list[dict[str, Any]] = [
        {"name": name, "about": ABOUT[name], "needs": list(needs_of(method))} for name, method in METHODS.items()
    ]
    if model is not None:
        reasons = _reasons(model, input_shape, output, readers)
        rows = [{**row, "applies": reasons[row["name"]] is None, "reason": reasons[row["name"]]} for row in rows]
    tell_json({"methods": rows}) if as_json else tell(*(line for row in rows for line in _lines(row)))


def _reasons(
    model: str,
    input_shape: tuple[int, ...] | None,
    output: tuple[str, ...] | None,
    readers: Mapping[str, ModelReader] | None,
) -> dict[str, str | None]:
    """Why each method does not apply to the model, calibration data being there; None where it does."""
    from ..evaluation.applicability import inapplicable
    from ..frontend.model import read_model
    from ..methods.table import METHODS
    from ..options import CompileOptions

    read = read_model(model, output=output, input_shape=input_shape, readers=readers)
    options = CompileOptions(calibration="", input_shape=input_shape, output=output)
    found = {name: inapplicable(method, read, (read,), options) for name, method in METHODS.items()}
    return {name: None if reason is None else f"{reason[0]}; {reason[1]}" for name, reason in found.items()}


def _lines(row: Mapping[str, Any]) -> list[str]:
    lines = [f"{row['name']}: {row['about']}"]
    if row["needs"]:
        lines.append(f"    needs {'; '.join(row['needs'])}")
    if "applies" in row:
        lines.append("    applies" if row["applies"] else f"    does not apply: {row['reason']}")
    return lines
