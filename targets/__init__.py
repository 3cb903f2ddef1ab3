"""Chips as data: TOML descriptions, read strictly into frozen dataclasses.

``load(name_or_path)`` gives a ``Target``; ``names()`` lists the shipped ones.
"""

from __future__ import annotations

from .loader import load, names
from .schema import Choices, Fact, Flag, Models, Number, Status, Target

__all__ = ["Choices", "Fact", "Flag", "Models", "Number", "Status", "Target", "load", "names"]
