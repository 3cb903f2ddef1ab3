"""One image: from a warm process by the Python API, and from the command line, start-up and all."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

import spikec
from spikec.models.shipped import shipped_model
from spikec.runtime.program import Program

from .measure import alternating
from .must_show import ONE_IMAGE
from .nets import Images, build_net, compile_net, encoded
from .rows import SHIPPED, SPIKEC, Row
from .ways import as_plain_install, plain_install

ENCODED, COMMAND = "one image, warm, encoded before", "spikec run"


def measure_latency(folder: Path, rounds: int) -> Iterator[Row]:
    """Rows of part ``latency``: one image of the shipped net at T = 4, in ms."""
    net = build_net(SHIPPED, folder)
    program = compile_net(net, 4, "lava")
    image = net.images(1)
    calls: dict[str, Callable[[], object]] = {
        ONE_IMAGE: partial(_simulated, program, image),
        ENCODED: partial(plain_install(program, 1), encoded(program, image)),
    }
    for name, timings in alternating(calls, rounds).items():
        wall, cpu = (tuple(1e3 * seconds for seconds in values) for values in (timings.wall, timings.cpu))
        yield Row("latency", SHIPPED, f"{SPIKEC}, {name}", "ms", wall, 4, 1, threads=1, cpu=cpu)
    yield from _by_command(folder, rounds, image)


def _simulated(program: Program, image: Images) -> object:
    with as_plain_install():
        return spikec.simulate(program, image, threads=1)


def _by_command(folder: Path, rounds: int, image: Images) -> Iterator[Row]:
    artefact, data = folder / "one-image", folder / "one-image.npz"
    np.savez(data, inputs=image)
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder / "compiled")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def spikec_with(*arguments: str) -> None:
        command = [sys.executable, "-m", "spikec", *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=300, env=environment)

    spikec_with("compile", str(shipped_model()), "--timesteps", "4", "-o", str(artefact))
    calls = {COMMAND: partial(spikec_with, "run", str(artefact), "--data", str(data))}
    timings = alternating(calls, rounds, cpu=_seconds_of_children)[COMMAND]
    wall, cpu = (tuple(1e3 * seconds for seconds in values) for values in (timings.wall, timings.cpu))
    yield Row("latency", SHIPPED, COMMAND, "ms", wall, 4, 1, cpu=cpu, note="a process of its own, start-up included")


def _seconds_of_children() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime
