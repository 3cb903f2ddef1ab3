"""Programs on Intel Lava: the backends ``lava`` and ``lava-stock`` and a process for networks of one's own.

``lava-stock`` takes Lava's own processes alone, for programs of the target ``lava-stock`` and others that they compute.

Imports without lava-nc; what needs it says so with E501.
"""

from __future__ import annotations

import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from ...targets.diagnostic import Diagnostic, DiagnosticWarning, UnusableInput, refuse
from ..encoded_samples import check_samples, sample_problems
from ..execution import Execution
from ..program import IntArray, Program
from ..progress import Report
from .availability import Availability, availability, require_lava
from .deadline import default_deadline
from .guard import run_guarded
from .job import Recorded, collect, prepare_job
from .limits import find_problems, require_own_neurons
from .loihi2 import Loihi2Probe, probe_loihi2, require_loihi2
from .sections import Section, available_cores, choose_lanes, cut
from .stock.limits import STOCK_TARGET, find_stock_problems, lava_form

__all__ = [
    "Availability",
    "Loihi2Probe",
    "availability",
    "build_process",
    "probe_loihi2",
    "require_loihi2",
    "run_config",
    "run_lava",
    "run_lava_alone",
    "run_lava_stock",
    "run_loihi2",
]


def run_lava(
    program: Program,
    samples: IntArray,
    *,
    record: bool,
    stock: bool = False,
    fused: bool = True,
    lanes: int | None = None,
    deadline: float | None = None,
    progress: Report | None = None,
) -> Execution:
    """Run ``samples`` (N, *program.input.shape), encoded integers, on Lava in a guarded session of its own.

    They may be frames (N, T, *program.input.shape), the messages of each step.

    ``fused`` computes several populations in one Lava process, for up to ``lanes`` samples side by side (by default
    as many as are fastest); each sample is computed as if it were alone, and ``Execution.steps`` stays the chip's.
    Otherwise every process of the stock graph runs, one sample after the other: with exact fast models of Conv and
    Dense or, where ``stock``, with Lava's own (slow). ``deadline`` in seconds defaults to a generous estimate.
    ``progress`` is called with (samples done, samples). Raises ``UnusableInput``: E501 where Lava cannot run, E512 for
    other neurons than plain ones, E504 and E505 for programs that Lava would compute wrongly, E506 and E028 for
    samples that are not the program's, E502 when a Lava process fails, E503 at the deadline, E510 without room for
    temporary files.
    """
    require_own_neurons(program)
    require_lava()
    if problems := [*find_problems(program, stock=stock), *sample_problems(program, samples, least=1)]:
        raise UnusableInput(problems)
    seconds = default_deadline(program, len(samples), stock=stock) if deadline is None else deadline
    begin = time.perf_counter()
    sections: tuple[Section, ...] = ()
    side_by_side = 1
    if fused and not stock:
        fastest = choose_lanes(program, len(samples), available_cores())
        side_by_side = fastest if lanes is None else max(1, min(lanes, len(samples)))
        sections = cut(program, side_by_side, available_cores())
    recorded = _recorded(
        program, samples, seconds, progress, record=record, stock=stock, sections=sections, lanes=side_by_side
    )
    return Execution(
        backend="lava-stock" if stock else "lava",
        readouts=recorded.readouts,
        spike_counts=recorded.spike_counts,
        spike_trains=recorded.spike_trains if record else None,
        steps=program.steps(len(samples)),
        seconds=time.perf_counter() - begin,
    )


def run_lava_alone(
    program: Program,
    samples: IntArray,
    *,
    record: bool = False,
    deadline: float | None = None,
    progress: Report | None = None,
) -> Execution:
    """Run ``samples`` as ``run_lava`` does, on processes and models of Lava's own alone, neurons included.

    A program at T = 1 runs on LIF, any other on ATRLIF. Raises ``UnusableInput`` as ``run_lava`` does, and with every
    reason why Lava's own processes would compute something else: E341 to E348.
    """
    require_own_neurons(program)
    form = lava_form(program)
    require_lava()
    check_samples(program, samples, least=1)
    seconds = default_deadline(form.program, len(samples), stock=True) if deadline is None else deadline
    begin = time.perf_counter()
    recorded = _recorded(
        form.program, samples, seconds, progress, record=record, stock=True, stock_neurons=form.neurons
    )
    return Execution(
        backend="lava-stock",
        readouts=recorded.readouts,
        spike_counts=recorded.spike_counts,
        spike_trains=recorded.spike_trains if record else None,
        steps=program.steps(len(samples)),
        seconds=time.perf_counter() - begin,
    )


def run_lava_stock(
    program: Program, samples: IntArray, *, record: bool = False, progress: Report | None = None
) -> Execution:
    """Run ``samples`` by Lava's own models: as ``run_lava_alone`` where that is exact.

    Where it is not, a program for the target ``lava-stock`` is refused, and any other has spikec's IntegrateFire as its
    neurons, which the warning W341 says together with the reasons.
    """
    require_own_neurons(program)
    reasons = [] if program.target == STOCK_TARGET else find_stock_problems(program)
    if not reasons:
        return run_lava_alone(program, samples, record=record, progress=progress)
    warnings.warn(DiagnosticWarning(_own_neurons(reasons)), stacklevel=2)
    return run_lava(program, samples, record=record, stock=True, progress=progress)


def _own_neurons(reasons: list[Diagnostic]) -> Diagnostic:
    by_code: dict[str, dict[str, None]] = {}
    for reason in reasons:
        by_code.setdefault(reason.code, {})[str(reason.place.layer)] = None
    told = "; ".join(f"{code} {', '.join(layers)}" for code, layers in sorted(by_code.items()))
    return Diagnostic(
        "W341",
        f"neurons run as spikec's own process, because Lava's would compute something else: {told}",
        hint=f"compile for the target {STOCK_TARGET} to have Lava's own processes alone",
    )


def _recorded(
    program: Program, samples: IntArray, deadline: float, progress: Report | None, *, record: bool, **how: Any
) -> Recorded:
    with _job_folder() as directory:
        try:
            job = prepare_job(Path(directory), program, samples, record=record, **how)
        except OSError as error:
            raise _no_room(error) from error
        run_guarded(job, deadline, progress)
        return collect(job)


def run_loihi2(
    program: Program, samples: IntArray, *, record: bool = False, progress: Report | None = None
) -> Execution:
    """Refuse to run on Loihi 2, saying what is missing: nothing that cannot be verified there is started.

    Raises ``UnusableInput``: E501 or E508 where Lava or the chip was not found (and what was looked for), E509 for
    every process that Lava would silently run on the host instead, the recorder of the read-out among them.
    """
    require_own_neurons(program)
    require_loihi2(program)
    raise refuse(
        "E509",
        "the read-out is recorded by a process that has no model for the chip, so it would run on the host",
        layer=program.readout.name,
        hint="wire spikec.build_process(program) into a Lava network with a read-out of your own",
    )


def _job_folder() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="spikec-lava-")
    except OSError as error:
        raise _no_room(error) from error


def _no_room(error: OSError) -> UnusableInput:
    hint = "free space there, or set TMPDIR to a folder that has some"
    return refuse("E510", f"files of the run cannot be written: {error.strerror}", file=error.filename, hint=hint)


def build_process(program: Program, *, stock: bool = False, name: str | None = None) -> Any:
    """A ``CompiledNetwork``: ``program`` as one Lava process, to be wired into a Lava network in this interpreter.

    Ports: ``a_in`` (*program.input.shape), ``s_out`` and ``v_out`` (*readout.shape), ``s_out_2`` and ``v_out_2`` of a
    second read-out and so on; with T = ``program.timesteps``
    and P = ``program.window``, ``program.input.sent`` of sample n goes in at time steps n*P + 1 .. n*P + T, and
    ``v_out`` is its result at time step n*P + depth + T and at no other. Run it with ``run_config()``. ``stock``: also
    refuse (E504, E505) what Lava's own models of Conv and Dense would compute wrongly.
    Raises ``UnusableInput`` as ``run_lava`` does. Nothing guards such a run: Lava's own behaviour applies.
    """
    require_own_neurons(program)
    require_lava()
    if problems := find_problems(program, stock=stock):
        raise UnusableInput(problems)
    from .network.process import CompiledNetwork

    return CompiledNetwork(program=program, name=name)


def run_config(*, stock: bool = False, fused: bool = True) -> Any:
    """Lava run configuration for ``build_process``; E501 without lava.

    ``fused`` runs the network as a few processes; else each stock process runs, with fast exact models or (``stock``)
    Lava's own. Any other configuration that selects ``fixed_pt`` runs stock processes with Lava's own models.
    """
    require_lava()
    from . import fused_graph

    return fused_graph.run_config(stock=stock, fused=fused)
