"""The backends by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..targets.diagnostic import refuse
from ..targets.suggestion import known_names
from .execution import Execution
from .lava import run_lava, run_lava_stock, run_loihi2
from .program import IntArray, Program
from .progress import Report
from .reference.network import run_reference
from .sanafe.backend import run_sanafe
from .simulator import simulate
from .witnesses.backends import run_brian2, run_sinabs

BACKENDS: dict[str, Callable[..., Execution]] = {
    "reference": run_reference,
    "simulator": simulate,
    "lava": run_lava,
    "lava-stock": run_lava_stock,
    "loihi2": run_loihi2,
    "sanafe": run_sanafe,
    "sinabs": run_sinabs,
    "brian2": run_brian2,
}


def run_backend(
    name: str,
    program: Program,
    samples: IntArray,
    *,
    record: bool = False,
    progress: Report | None = None,
    settings: Mapping[str, int | str] | None = None,
) -> Execution:
    """Run encoded ``samples`` on the backend called ``name``; E640 for a name that is not in ``BACKENDS``.

    ``settings`` are further keyword arguments of that backend.
    """
    if name not in BACKENDS:
        raise refuse("E640", f"there is no backend '{name}'", hint=known_names(name, BACKENDS))
    return BACKENDS[name](program, samples, record=record, progress=progress, **(settings or {}))
