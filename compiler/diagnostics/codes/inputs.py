"""Codes 6xx: options, data files and compiled artefacts."""

from __future__ import annotations

from ..code import Code

CODES: tuple[Code, ...] = ()
