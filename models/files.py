"""Writing a file so that a reader finds either the old content or the whole new one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ..targets.diagnostic import refuse


def write_atomically(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path``, making its folder; E710 when that is not possible."""
    partial: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
            partial = file.name
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(partial, 0o644)
        os.replace(partial, path)
    except OSError as error:
        if partial is not None:
            Path(partial).unlink(missing_ok=True)
        hint = "make room, or name a folder that can be written"
        raise refuse("E710", f"{path.name} cannot be written: {error.strerror}", file=path, hint=hint) from error
