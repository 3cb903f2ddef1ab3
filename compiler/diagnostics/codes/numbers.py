"""Codes 2xx: ranges, rounding and overflow."""

from __future__ import annotations

from ..code import Code

CODES: tuple[Code, ...] = ()
