"""Chips as data: TOML descriptions, read strictly into frozen dataclasses.

``load(name_or_path)`` gives a ``Target``; ``names()`` lists the shipped ones.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .facts import Choices, Fact, Flag, Models, Number, PerCore, Status
    from .loader import load, names
    from .schema import Target

__all__ = ["Choices", "Fact", "Flag", "Models", "Number", "PerCore", "Status", "Target", "load", "names"]

_LOADER = ("load", "names")


def __getattr__(name: str) -> Any:
    # Imported when they are first asked for: the help page, which stands in this folder, reads no chip.
    if name not in __all__:
        raise AttributeError(f"module 'spikec.targets' has no attribute '{name}'")
    module = ".loader" if name in _LOADER else ".schema" if name == "Target" else ".facts"
    return getattr(import_module(module, __name__), name)
