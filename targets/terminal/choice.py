"""A choice among names, with a guess at what was meant."""

from __future__ import annotations

from typing import Any

import click

from ..suggestion import known_names


class Names(click.Choice[str]):
    """click's choice; what is not among the names is refused with the nearest of them."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name that ``value`` is."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is not known: {known_names(str(value), self.choices)}", param, ctx)
