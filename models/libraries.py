"""Optional libraries: asked for where they are needed, named when they are not there."""

from __future__ import annotations

from importlib.util import find_spec

from ..targets.diagnostic import Diagnostic, UnusableInput

PACKAGE = {"PIL": "pillow", "sklearn": "scikit-learn"}
"""Package to install, where it is not called like its module."""


def require_libraries(*modules: str) -> None:
    """Raise E708 for every module that is not installed; called before the first import of one."""
    missing = [PACKAGE.get(module, module) for module in modules if find_spec(module) is None]
    if missing:
        hint = "pip install 'spikec[train]'"
        raise UnusableInput(Diagnostic("E708", f"{name} is not installed", hint=hint) for name in missing)
