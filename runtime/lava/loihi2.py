"""Whether Lava can reach a Loihi 2, and whether a network would really run there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ...targets.diagnostic import Diagnostic, Place, UnusableInput, refuse
from ...targets.records import dataclass
from ..program import INPUT, Program
from .availability import availability, require_lava

EXTENSION = "lava.utils.loihi2_profiler"
"""Module of Intel's closed extension lava-loihi by which Lava itself recognises it."""

FindModels = Callable[[Any], Sequence[type]]


@dataclass(frozen=True, slots=True)
class Loihi2Probe:
    """What was found: the extension ``looked_for`` is ``installed``; ``host`` is "SLURM", "ETHERNET" or None."""

    looked_for: str
    installed: bool
    host: str | None

    def __str__(self) -> str:
        if not self.installed:
            return f"not available: {self.looked_for} (Intel's lava-loihi extension) is not installed"
        return f"host {self.host}" if self.host else "not available: lava-loihi is installed, but no host was chosen"


def probe_loihi2() -> Loihi2Probe:
    """Look for Intel's extension and for the host that Lava was told to use; finds neither where Lava is missing."""
    if not availability().available:
        return Loihi2Probe(EXTENSION, False, None)
    from lava.utils import loihi

    return Loihi2Probe(EXTENSION, bool(loihi.is_installed(EXTENSION)), loihi.host)


def find_host_fallbacks(
    processes: Iterable[Any], run_config: Any, find_models: FindModels | None = None
) -> list[Diagnostic]:
    """E509 for each of ``processes`` that ``run_config`` would silently run on the host instead of the chip.

    ``find_models`` gives the models known for a process, Lava's own discovery by default.
    """
    from lava.magma.compiler.compiler_graphs import ProcGroupDiGraphs

    discover = find_models or (lambda process: ProcGroupDiGraphs._find_proc_models(proc=process))
    problems = []
    for process in processes:
        choice = _host_choice(process, run_config, discover)
        if choice is not None:
            problems.append(
                Diagnostic(
                    "E509",
                    f"{type(process).__name__} has no model for a neurocore, so it would run on the host",
                    Place(layer=process.name),
                    hint="install a lava-loihi with a model of this process, or run it with --backend lava",
                    source=f"{type(run_config).__name__} selects {choice}",
                )
            )
    return problems


def _host_choice(process: Any, run_config: Any, find_models: FindModels) -> str | None:
    from lava.magma.core.model.py.model import AbstractPyProcessModel

    try:
        model = run_config.select(process, find_models(process))
    except (AssertionError, NotImplementedError) as error:
        # Lava's way to say that no model fits.
        return f"nothing ({error})"
    return model.__name__ if issubclass(model, AbstractPyProcessModel) else None


def require_loihi2(program: Program) -> None:
    """Raise ``UnusableInput`` unless every process of ``program`` would run on a Loihi 2: E501, E508, E509.

    A program that Lava's own processes compute exactly is asked about as these, any other with ``IntegrateFire``.
    """
    require_lava()
    probe = probe_loihi2()
    if not probe.installed or probe.host is None:
        raise refuse(
            "E508",
            f"Loihi 2 is {probe}",
            hint="install Intel's lava-loihi extension and call lava.utils.loihi.use_slurm_host or use_ethernet_host",
        )
    from lava.magma.core.run_configs import Loihi2HwCfg

    if problems := find_host_fallbacks(_processes(program), Loihi2HwCfg()):
        raise UnusableInput(problems)


def _processes(program: Program) -> tuple[Any, ...]:
    from lava.magma.core.process.ports.ports import OutPort

    from .graph import connect_populations
    from .layout import Layout
    from .stock.graph import connect_lava
    from .stock.limits import find_stock_problems, lava_form

    if find_stock_problems(program):
        return connect_populations(program, OutPort(shape=Layout.of(program).port_shape(INPUT))).processes
    form = lava_form(program)
    return connect_lava(form, OutPort(shape=Layout.of(form.program).port_shape(INPUT))).processes
