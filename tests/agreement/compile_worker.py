"""Compile models with calibration data in a process of its own and print the SHA-256 of every file as JSON.

    compile_worker.py FOLDER BLOCKED...

FOLDER holds ``NAME.onnx`` and ``NAME.npz`` (calibration); imports of the modules BLOCKED fail as if they were missing.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType


class Blocked:
    """A finder for which some packages are not there; ``find_spec`` of ``importlib.util`` asks it too."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name.split(".")[0] in self._names:
            raise ModuleNotFoundError(name, name=name)
        return None


def block(names: Sequence[str]) -> None:
    found = importlib.util.find_spec

    def find_spec(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name.split(".")[0] in names else found(name, package)

    importlib.util.find_spec = find_spec
    sys.meta_path.insert(0, Blocked(names))


def main(folder: Path, blocked: Sequence[str]) -> None:
    block(blocked)
    import spikec

    hashes: dict[str, str] = {}
    for model in sorted(folder.glob("*.onnx")):
        options = spikec.CompileOptions(timesteps=4, calibration=model.with_suffix(".npz"))
        files = spikec.compile_model(model, options).files()
        hashes |= {f"{model.stem}/{name}": hashlib.sha256(content).hexdigest() for name, content in files.items()}
    loaded = sorted(name for name in ("torch", "numba") if name in sys.modules)
    sys.stdout.write(json.dumps({"hashes": hashes, "loaded": loaded}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
