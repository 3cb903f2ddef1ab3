"""Codes 1xx: operators and topology that cannot be compiled."""

from __future__ import annotations

from ..code import Code

CODES: tuple[Code, ...] = ()
