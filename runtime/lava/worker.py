"""Builds and runs one job on Lava: ``python -m spikec.runtime.lava.worker DIRECTORY SEGMENT_PREFIX``.

Started by ``guard.run_guarded`` only: it never stops Lava, because stopping is where Lava hangs; the supervisor ends
the session.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing import process, shared_memory
from pathlib import Path
from typing import Any, NoReturn

from ..program import INPUT
from .job import Job, load_job
from .layout import Layout

_POLL_SECONDS = 0.05
_TRACEBACK_SECONDS = 2.0
_RANDOM_CHARACTERS = 8
_reporting = threading.Lock()


def _name_segments(prefix: str) -> None:
    # The supervisor must know the names of segments even if this process dies at once; the standard library
    # has no public way to choose them for a manager.
    name = f"/{prefix}"
    shared_memory._SHM_NAME_PREFIX = name  # type: ignore[attr-defined]
    shared_memory._SHM_SAFE_NAME_LENGTH = len(name) + _RANDOM_CHARACTERS  # type: ignore[attr-defined]


def _shorten_sockets() -> None:
    # Paths of sockets are limited to 107 bytes, which a long TMPDIR exceeds; relative to this folder they are short.
    process.current_process()._config["tempdir"] = "."  # type: ignore[attr-defined]


def _fail(job: Job, layer: str, error: str, trace: str) -> NoReturn:
    with _reporting:
        partial = job.failure_file.with_suffix(".partial")
        partial.write_text(json.dumps({"process": layer, "error": error, "traceback": trace}))
        partial.rename(job.failure_file)
        os._exit(1)


def _report_dead(job: Job, actors: dict[str, Any]) -> None:
    for name, actor in actors.items():
        if actor.exception:
            error, trace = actor.exception
            _fail(job, name, f"{type(error).__name__}: {error}", trace)
    for name, actor in actors.items():
        if not actor.is_alive():
            _fail(job, name, f"it ended with exit code {actor.exitcode}", "")


def _watch(job: Job, actors: dict[str, Any], finished: threading.Event) -> None:
    # Lava itself waits for ever for a process that died.
    while not finished.wait(_POLL_SECONDS):
        _report_dead(job, actors)


def _actors(runtime: Any) -> dict[str, Any]:
    from lava.magma.compiler.builders.py_builder import PyProcessBuilder

    builders = runtime._executable.proc_builders
    names = [leaf.name for leaf, builder in builders.items() if isinstance(builder, PyProcessBuilder)]
    actors = runtime._messaging_infrastructure.actors
    names += [f"runtime service {index}" for index in range(len(actors) - len(names))]
    return dict(zip(names, actors, strict=True))


def _connect(job: Job) -> Any:
    """The source of the job's input, with the network behind it."""
    from .fused_graph import connect_sections
    from .graph import connect_populations
    from .neurons.process import SampleSource

    program = job.program
    layout = Layout.of(program)
    shape = (job.lanes, layout.neurons(INPUT)) if job.sections else layout.port_shape(INPUT)
    source = SampleSource(
        shape=shape,
        file=job.input_file,
        timesteps=program.timesteps,
        window=program.window,
        encoding=program.input,
        lanes=job.lanes,
        name=INPUT,
    )
    if job.sections:
        connect_sections(program, job.sections, source.s_out, lanes=job.lanes, recordings=job.recordings)
    else:
        connect_populations(program, source.s_out, recordings=job.recordings)
    return source


def _run(job: Job, actors: dict[str, Any]) -> None:
    from lava.magma.core.run_conditions import RunSteps

    from .fused_graph import run_config

    if job.stock_neurons is not None:
        from .stock.session import StockSession

        session = StockSession(job)
        _start(job, session.source, session.run_config(), actors, session.play)
        return
    source = _connect(job)
    config = run_config(stock=job.stock, fused=bool(job.sections))
    _start(job, source, config, actors, lambda: source.run(condition=RunSteps(num_steps=job.steps)))


def _start(job: Job, source: Any, config: Any, actors: dict[str, Any], play: Callable[[], None]) -> None:
    source.create_runtime(run_cfg=config, compile_config={"pypy_channel_size": 4})
    actors.update(_actors(source.runtime))
    finished = threading.Event()
    threading.Thread(target=_watch, args=(job, actors, finished), daemon=True).start()
    play()
    finished.set()


def main(directory: str, prefix: str) -> NoReturn:
    """Run the job in ``directory``, its shared memory named ``prefix`` and random characters; never returns."""
    _name_segments(prefix)
    _shorten_sockets()
    job = load_job(Path(directory))
    actors: dict[str, Any] = {}
    try:
        _run(job, actors)
    except BaseException as error:
        # A process that told Lava of an error sends its traceback a moment later.
        end = time.monotonic() + _TRACEBACK_SECONDS
        while actors and time.monotonic() < end:
            _report_dead(job, actors)
            time.sleep(_POLL_SECONDS)
        _fail(job, "Lava", f"{type(error).__name__}: {error}", traceback.format_exc())
    # Every recording is complete when run() returns.
    with _reporting:
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
