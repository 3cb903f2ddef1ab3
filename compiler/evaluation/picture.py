"""Diagrams as an SVG picture."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ...targets.diagnostic import UnusableInput, refuse
from ...targets.libraries import broken_library, install_command
from ...targets.records import dataclass
from ...targets.terminal.printable import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_LONGEST_NAME = 24


def shown_name(name: str) -> str:
    """Name of a layer or a method in at most 24 visible characters: of a longer one the middle is left out."""
    text = printable(name)
    return text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME // 2 - 1]}…{text[-_LONGEST_NAME // 2 :]}"


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


@dataclass(frozen=True, slots=True)
class Panels:
    """A picture of ``rows`` x ``columns`` diagrams, ``inches`` wide and high; ``draw`` gets it and their axes."""

    rows: int
    columns: int
    inches: tuple[float, float]
    draw: Callable[[Figure, Sequence[Axes]], None]
    """Axes come row by row."""


def svg_picture(draw: Callable[[Axes], None], inches: tuple[float, float]) -> bytes:
    """Return what ``draw`` puts on empty axes, ``inches`` wide and high: the same drawing gives the same bytes.

    Raises ``UnusableInput`` (E636) where matplotlib is not installed.
    """
    return svg_panels(Panels(1, 1, inches, lambda _, axes: draw(axes[0])))


def svg_panels(panels: Panels) -> bytes:
    """Return the picture; as ``svg_picture``."""
    require_matplotlib()
    from matplotlib import figure as figures
    from matplotlib import rc_context

    # The salt names the picture's parts, which are otherwise named at random; a date would differ too. A dollar in the
    # name of a layer is no formula.
    with rc_context({"svg.hashsalt": "spikec", "svg.fonttype": "none", "text.parse_math": False}):
        figure = figures.Figure(figsize=panels.inches, layout="constrained")
        panels.draw(figure, figure.subplots(panels.rows, panels.columns, squeeze=False).ravel().tolist())
        picture = io.BytesIO()
        figure.savefig(picture, format="svg", metadata={"Date": None})
    return picture.getvalue()
