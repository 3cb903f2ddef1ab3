"""Codes 3xx: what a core or a chip has."""

from __future__ import annotations

from ..code import Code

CODES: tuple[Code, ...] = ()
