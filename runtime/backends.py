"""The backends by name; each is imported when it first runs, so that no run waits for those that it does not need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

from ..targets.diagnostic import refuse
from ..targets.suggestion import known_names
from .execution import Execution
from .program import IntArray, Program
from .progress import Report


def _backend(module: str, name: str) -> Callable[..., Execution]:
    def run(program: Program, samples: IntArray, **settings: object) -> Execution:
        execution: Execution = getattr(import_module(module, __package__), name)(program, samples, **settings)
        return execution

    return run


BACKENDS: dict[str, Callable[..., Execution]] = {
    "reference": _backend(".reference.network", "run_reference"),
    "simulator": _backend(".simulator", "simulate"),
    "lava": _backend(".lava", "run_lava"),
    "lava-stock": _backend(".lava", "run_lava_stock"),
    "loihi2": _backend(".lava", "run_loihi2"),
    "sanafe": _backend(".sanafe.backend", "run_sanafe"),
    "sinabs": _backend(".witnesses.backends", "run_sinabs"),
    "brian2": _backend(".witnesses.backends", "run_brian2"),
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
