"""The recount of the placement's tests, taken by its path, since tests are no package."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

_FILE = Path(__file__).parents[1] / "compiler" / "mapping" / "recount.py"


def _module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("placement_recount", _FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their own module up while they are made.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


RECOUNT = _module()
