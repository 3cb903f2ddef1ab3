"""Codes 0xx: reading the user's model file."""

from __future__ import annotations

from ..code import Code

CODES: tuple[Code, ...] = ()
