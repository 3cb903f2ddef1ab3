"""``spikec doctor``: what this installation can do."""

from __future__ import annotations

import platform
import shlex
from importlib.metadata import PackageNotFoundError, version

from ...targets.terminal.help_page import command, json_option, option
from ...targets.terminal.streams import tell, tell_json


@command()
@option("--install-lava", is_flag=True, help="First install Intel Lava for this Python.")
@json_option
def doctor(install_lava: bool, as_json: bool) -> None:
    """Say what this installation can do: Python, libraries, Lava, Loihi 2."""
    if install_lava:
        from ..lava.installation import install_lava as install

        install()
    document = installation()
    tell_json(document) if as_json else tell(*(f"{key}: {value}" for key, value in document.items()))


def installation() -> dict[str, str]:
    """What ``doctor`` prints; libraries are looked for and not loaded."""
    from ..lava import availability, probe_loihi2
    from ..simulator.native import kernel_in_words

    lava, loihi = availability(), probe_loihi2()
    packages = ("spikec", "numpy", "onnx", "torch", "numba", "lava-nc", "lava-dl", "sanafe", "sinabs", "brian2")
    return {
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        **{name: _version(name) for name in packages},
        "simulator kernel": kernel_in_words(),
        "lava backend": str(lava),
        **({} if lava.available else _how_to_install()),
        "loihi 2": str(loihi),
    }


def _how_to_install() -> dict[str, str]:
    from ..lava.installation import install_command

    by_hand = install_command()
    if by_hand is None or platform.system() != "Linux":
        return {}
    return {"to install lava": f"spikec doctor --install-lava, or by hand: {shlex.join(by_hand)}"}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
