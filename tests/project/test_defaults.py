"""No default of a record is one that Python 3.11 and newer refuse, whichever Python runs the tests."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOT_IMPORTED = ("spikec.runtime.lava.netx.run", "spikec.runtime.sanafe.run", "spikec.runtime.simulator.spikes")
"""Run by the Python of lava-dl or of SANA-FE, and the kernel, which is no module; there are no records in them."""


def records(folder: str) -> Iterator[type]:
    for found in pkgutil.walk_packages([str(ROOT / folder)], f"spikec.{folder}."):
        if found.name in NOT_IMPORTED or found.name.startswith("spikec.runtime.lava."):
            continue
        for value in vars(importlib.import_module(found.name)).values():
            if isinstance(value, type) and dataclasses.is_dataclass(value):
                yield value


@pytest.mark.parametrize("folder", ["compiler", "runtime", "targets", "models"])
def test_defaults_can_be_hashed(folder: str) -> None:
    kinds = set(records(folder))
    assert len(kinds) > 5
    shared = [
        f"{kind.__name__}.{field.name}"
        for kind in kinds
        for field in dataclasses.fields(kind)
        if field.default is not dataclasses.MISSING and field.default.__class__.__hash__ is None
    ]
    assert shared == []
