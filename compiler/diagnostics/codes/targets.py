"""Codes 8xx: chip descriptions."""

from __future__ import annotations

from ..code import Code

CODES: tuple[Code, ...] = ()
