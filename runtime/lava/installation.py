"""Installs lava-nc for the Python that runs, also one that its metadata refuses."""

from __future__ import annotations

import importlib
import importlib.util
import shlex
import shutil
import subprocess
import sys

from ...targets.diagnostic import refuse
from ..lava_import import LAVA_VERSION, needs_mending

_PACKAGE = f"lava-nc=={LAVA_VERSION}"
_BESIDE = ("asteval", "networkx", "scipy")
"""What lava-nc imports beside numpy, named here because newer Pythons take newer ones than its metadata allows."""
_STDERR = 2
"""The result goes to stdout, so what an installer says does not."""


def install_command() -> list[str] | None:
    """The command that installs lava-nc for this Python, by pip or else by uv; None where there is neither."""
    what = ["--no-deps", _PACKAGE, *_BESIDE] if needs_mending() else [_PACKAGE]
    if importlib.util.find_spec("pip") is not None:
        regardless = ["--ignore-requires-python"] if needs_mending() else []
        return [sys.executable, "-m", "pip", "install", *regardless, *what]
    uv = shutil.which("uv")
    # uv does not believe a package that names the newest Python for it.
    return None if uv is None else [uv, "pip", "install", "--python", sys.executable, *what]


def install_lava() -> None:
    """Install lava-nc, what the installer says going to stderr; raises ``UnusableInput`` E656 where that fails."""
    command = install_command()
    if command is None:
        hint = f"'{shlex.quote(sys.executable)} -m ensurepip' installs pip"
        raise refuse("E656", "lava-nc cannot be installed: there is neither pip nor uv", hint=hint)
    status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=_STDERR, check=False).returncode
    if status:
        raise refuse(
            "E656",
            f"lava-nc could not be installed: the installer ended with status {status}",
            hint=f"see what it said above; the command was: {shlex.join(command)}",
        )
    importlib.invalidate_caches()
