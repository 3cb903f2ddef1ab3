"""Codes 7xx: training, data sets and checkpoints."""

from __future__ import annotations

from ..code import Code

CODES: tuple[Code, ...] = ()
