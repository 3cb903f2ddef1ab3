"""The libraries of training: asked for where they are needed, named when they are not there or broken."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from ..targets.diagnostic import Diagnostic, UnusableInput
from ..targets.libraries import broken_library, install_command

PACKAGE = {"PIL": "pillow", "sklearn": "scikit-learn"}
"""Package to install, where it is not called like its module."""


def require_libraries(*modules: str) -> None:
    """Load ``modules``; raise E708 for every one that is not installed, or else E644 for one that cannot be loaded."""
    missing = [PACKAGE.get(module, module) for module in modules if find_spec(module) is None]
    if missing:
        hint = install_command(*missing)
        raise UnusableInput(Diagnostic("E708", f"{name} is not installed", hint=hint) for name in missing)
    for module in modules:
        try:
            import_module(module)
        except Exception as error:  # whatever a broken installation raises
            raise UnusableInput(broken_library(module, error)) from error
