"""Placement of populations on cores: ``place(program, target)``."""

from __future__ import annotations

from .place import place
from .placement import HeldProjection, LayerPlacement, Placement, ResourceUse

__all__ = ["HeldProjection", "LayerPlacement", "Placement", "ResourceUse", "place"]
