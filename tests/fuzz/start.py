"""Loads this folder as a package of its own name, so that no other ``tests`` or ``fuzz`` is found in its place."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

package = ModuleType("spikec_fuzz")
package.__path__ = [str(Path(__file__).parent)]
sys.modules[package.__name__] = package
importlib.import_module("spikec_fuzz.main").main()
