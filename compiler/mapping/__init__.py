"""Placement of populations on cores: ``place(program, target)``."""

from __future__ import annotations

from .place import place
from .placement import LayerPlacement, Placement, ResourceUse

__all__ = ["LayerPlacement", "Placement", "ResourceUse", "place"]
