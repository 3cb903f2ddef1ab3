"""Kinds of model files other than ONNX, for the compiler, which reads nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .libraries import require_libraries


def _read_checkpoint(path: Path) -> bytes:
    # torch takes seconds to import and is an extra: only a checkpoint needs it.
    require_libraries("torch")
    from .checkpoint import export_onnx

    return export_onnx(path)


MODEL_READERS: dict[str, Callable[[Path], bytes]] = {".pt": _read_checkpoint}
"""By suffix, a function from the file's path to the bytes of an ONNX file."""
