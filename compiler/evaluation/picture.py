"""One diagram as an SVG picture."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...targets.diagnostic import UnusableInput, refuse
from ...targets.libraries import broken_library, install_command

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def require_matplotlib() -> None:
    """Raise ``UnusableInput`` (E636, E644) where matplotlib is not there or broken; asked before what takes long."""
    if importlib.util.find_spec("matplotlib") is None:
        raise refuse(
            "E636", "plots are drawn by matplotlib, which is not installed", hint=install_command("matplotlib")
        )
    try:
        import matplotlib.figure  # noqa: F401
    except Exception as error:  # whatever a broken installation raises
        raise UnusableInput(broken_library("matplotlib", error)) from error


def svg_picture(draw: Callable[[Axes], None], inches: tuple[float, float]) -> bytes:
    """Return what ``draw`` puts on empty axes, ``inches`` wide and high: the same drawing gives the same bytes.

    Raises ``UnusableInput`` (E636) where matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    # The salt names the picture's parts, which are otherwise named at random; a date would differ too.
    with rc_context({"svg.hashsalt": "spikec", "svg.fonttype": "none"}):
        figure = Figure(figsize=inches, layout="constrained")
        draw(figure.subplots())
        picture = io.BytesIO()
        figure.savefig(picture, format="svg", metadata={"Date": None})
    return picture.getvalue()
