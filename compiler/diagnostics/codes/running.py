"""Codes 5xx: running programs on a backend."""

from __future__ import annotations

from ..code import Code

CODES: tuple[Code, ...] = ()
