"""``spikec doctor``: what this installation can do."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from ...targets.terminal.help_page import command, json_option
from ...targets.terminal.streams import tell, tell_json


@command()
@json_option
def doctor(as_json: bool) -> None:
    """Say what this installation can do: Python, libraries, Lava, Loihi 2."""
    document = installation()
    tell_json(document) if as_json else tell(*(f"{key}: {value}" for key, value in document.items()))


def installation() -> dict[str, str]:
    """What ``doctor`` prints; libraries are looked for and not loaded."""
    from ..lava import availability, probe_loihi2

    lava, loihi = availability(), probe_loihi2()
    packages = ("spikec", "numpy", "onnx", "torch", "numba", "lava-nc", "lava-dl", "sanafe")
    return {
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        **{name: _version(name) for name in packages},
        "lava backend": str(lava),
        "loihi 2": str(loihi),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
