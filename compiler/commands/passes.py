"""``spikec passes``: what the compiler does, in its order."""

from __future__ import annotations

import click

from ...targets.suggestion import known_names
from ...targets.terminal.completion import one_of
from ...targets.terminal.help_page import command, json_option
from ...targets.terminal.streams import tell, tell_json

PASS_NAMES = (
    "recognise-activations",
    "free-ends",
    "expand-activations",
    "fit-pieces",
    "average-maxima",
    "fold-batch-norm",
    "calibrate-thresholds",
    "expand-maxima",
    "split-branches",
    "compose-linear-maps",
    "balance-thresholds",
    "fold-constants",
    "clip-silent-sources",
    "fit-counts",
    "calibrate-state-range",
    "encode-input",
    "gate-populations",
    "align-delays",
    "quantize-weights",
    "fold-integers",
    "calibrate-initial-potential",
    "prove-no-overflow",
)


@command()
@click.argument("name", required=False, shell_complete=one_of(lambda: PASS_NAMES))
@json_option
def passes(name: str | None, as_json: bool) -> None:
    """List the passes in their order, or the pass NAME alone, with the equation that each applies."""
    from ..pipeline import PASSES

    if name is not None and name not in PASS_NAMES:
        raise click.BadParameter(f"there is no pass {name!r}; {known_names(name, PASS_NAMES)}", param_hint="NAME")
    rows = [{"name": kind().name, "equation": (kind.__doc__ or "").strip().split("\n\n")[0]} for kind in PASSES]
    listed = [(number, row) for number, row in enumerate(rows, 1) if name in (None, row["name"])]
    if as_json:
        tell_json({"passes": [row for _, row in listed]})
        return
    for number, row in listed:
        tell(f"{number:2}. {row['name']}", *(f"      {line.strip()}" for line in row["equation"].split("\n")))
