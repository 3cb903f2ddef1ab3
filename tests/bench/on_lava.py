"""Time per step on Lava: spikec's emitted networks against Lava's own Conv model and against lava-dl's netx.

spikec's runs go through its guarded runner; a step's time is the difference of a long and a short run, so that starting
Lava is not in it. A step is one that Lava takes: spikec can compute many samples side by side in a step, while
``Execution.steps`` counts those of a chip, so whatever is compared per step runs in one lane, as the others do. What
the lanes gain is throughput, and is shown in a unit of its own.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spikec.compiler.compilation import compile_model
from spikec.compiler.options import CompileOptions
from spikec.models.commands.demo import load_shipped_samples
from spikec.models.shipped import shipped_model
from spikec.runtime.encoding import encode
from spikec.runtime.execution import Execution
from spikec.runtime.lava import run_lava, supervisor
from spikec.runtime.lava.netx.files import netx_files
from spikec.runtime.program import ConvSynapses, IntArray, Program
from spikec.runtime.reference.network import run_reference

from .nets import build_net, chain, compile_net, encoded
from .rows import SPIKEC, Equality, Row, compare_integers

STOCK, NETX = "Lava's Conv model", "lava-dl netx"
SIDE_BY_SIDE = "spikec, samples side by side"
PER_STEP, PER_SAMPLE_STEP = "ms/step", "ms/step and sample"
REPEATS = 8
"""How often the samples are repeated where throughput is measured."""
NETX_SAMPLES = 40
"""Samples that netx runs and that are compared; its steps are slow and its spikes are read one by one."""
NETX_DEADLINE = 300.0
"""Seconds for one run of netx, whose processes hang when one of them fails."""


class NetxError(Exception):
    """The netx worker did not end well; the message has its last lines."""


def measure_stock(folder: Path, net_name: str, rounds: int, samples: int, *, with_stock: bool) -> Iterator[Row]:
    """VGG-16 at T = 1 per step; Lava's own model for one sample only, because its steps take about ten seconds."""
    net = build_net(net_name, folder)
    program = compile_net(net, 1, "lava")
    net_name = net.name
    inputs = encoded(program, net.images(1 + samples))
    first = inputs[:1]
    ours = run_lava(program, first, record=True, lanes=1)
    values = tuple(_per_step(program, inputs[:1], inputs) for _ in range(rounds))
    yield Row("lava", net_name, SPIKEC, PER_STEP, values, 1, note="emitted network, one sample at a time")
    yield _side_by_side(net_name, program, inputs, rounds)
    if not with_stock:
        return
    stock = run_lava(program, first, record=True, stock=True)
    starting = ours.seconds - ours.steps * float(np.median(values)) / 1e3
    milliseconds = 1e3 * (stock.seconds - starting) / stock.steps
    yield Row(
        "lava",
        net_name,
        STOCK,
        PER_STEP,
        (milliseconds,),
        1,
        equality=compare_integers(_results(ours), _results(stock)),
        note=f"the same network, one run of {stock.steps} steps, less the time that Lava takes to start",
    )


def _results(execution: Execution) -> list[npt.NDArray[np.int64]]:
    trains = execution.spike_trains or {}
    return [execution.readout, *(train.astype(np.int64) for train in trains.values())]


def _per_step(program: Program, short: IntArray, long: IntArray, lanes: int | None = 1) -> float:
    """Milliseconds per step of a chip, from a short and a long run; with one lane, per step of Lava."""
    less = run_lava(program, short, record=False, lanes=lanes)
    more = run_lava(program, long, record=False, lanes=lanes)
    return 1e3 * (more.seconds - less.seconds) / (more.steps - less.steps)


def _side_by_side(net: str, program: Program, samples: IntArray, rounds: int) -> Row:
    # Both runs fill the lanes, and the long one lasts many windows: else starting Lava would be all that is measured.
    long = np.concatenate([samples] * REPEATS)
    values = tuple(_per_step(program, samples, long, lanes=None) for _ in range(rounds))
    note = "throughput: many samples share each step of Lava, so it is not compared per step"
    return Row("lava", net, SIDE_BY_SIDE, PER_SAMPLE_STEP, values, program.timesteps, note=note)


def measure_chain(folder: Path, netx_python: Path | None, rounds: int, samples: int) -> Iterator[Row]:
    """Twenty small convolutions at T = 4, alternating with netx where its environment was made."""
    program = chain(4)
    inputs = np.random.default_rng(3).integers(0, 2, (1 + samples, *program.input.shape)).astype(np.int64)
    compared = inputs[:NETX_SAMPLES]
    # Not measured: the first run reads everything from the disk.
    recorded = run_lava(program, compared, record=True, lanes=1)
    assert recorded.spike_trains is not None
    last = recorded.spike_trains[program.populations[-2].name].astype(np.int64)
    ours, theirs = [], []
    trains: npt.NDArray[np.int64] | None = None
    note = "emitted network with its read-out, one sample at a time"
    for turn in range(rounds):
        ours.append(_per_step(program, inputs[:1], inputs))
        if netx_python is None:
            continue
        try:
            milliseconds, trains = run_netx(folder / f"netx-{turn}", netx_python, program, compared)
        except NetxError as error:
            note, netx_python, trains = f"NOT compared with netx: {error}", None, None
            continue
        theirs.append(milliseconds)
    yield Row("lava", "chain20", SPIKEC, PER_STEP, tuple(ours), 4, note=note)
    yield _side_by_side("chain20", program, inputs, rounds)
    if trains is None:
        return
    equality = compare_integers([last], [trains]) if last.any() else Equality(0, 0)
    note = "hard reset; the weights keep every potential at or below the threshold, so the spikes are the same"
    yield Row("lava", "chain20", NETX, PER_STEP, tuple(theirs), 4, equality=equality, note=note)


def run_netx(
    folder: Path, python: Path, program: Program, samples: IntArray, deadline: float = NETX_DEADLINE
) -> tuple[float, npt.NDArray[np.int64]]:
    """Run the program's convolutions in netx, guarded: milliseconds per step and the last spikes (N, T, neurons).

    ``python`` is the interpreter of an environment with lava-dl. Raises NetxError with the worker's last lines.
    """
    folder.mkdir()
    weights = [p.synapses.weight for p in program.projections if isinstance(p.synapses, ConvSynapses)]
    thresholds = [int(p.threshold.max()) for p in program.populations if p.threshold is not None]
    np.savez(folder / "job.npz", samples=samples, weights=np.stack(weights), thresholds=np.array(thresholds))
    (folder / "job.json").write_text(json.dumps({"timesteps": program.timesteps}))
    worker = Path(__file__).with_name("netx_worker.py")
    _run_guarded(folder, python, worker, "result.npz", deadline)
    with np.load(folder / "result.npz") as result:
        return float(result["milliseconds"]), result["spikes"].astype(np.int64)


def measure_netx_file(folder: Path, netx_python: Path | None, samples: int) -> Iterator[Row]:
    """The shipped network as spikec exports it for netx, at T = 1, against the reference: every spike and score."""
    if netx_python is None:
        return
    test, calibration = load_shipped_samples()
    options = CompileOptions("lava-stock", 1, calibration=calibration)
    program = compile_model(shipped_model(), options).program
    inputs, _ = encode(program.input, test.inputs[:samples])
    expected = run_reference(program, inputs, record=True)
    files = netx_files(program, inputs)
    exported = folder / "netx-file"
    exported.mkdir()
    for name, content in files.items():
        (exported / name).write_bytes(content)
    begin = time.perf_counter()
    _run_guarded(exported, netx_python, exported / "run.py", "results.npz", NETX_DEADLINE)
    seconds = time.perf_counter() - begin
    with np.load(exported / "results.npz") as results:
        found = [results[p.name if p.threshold is not None else "readout"] for p in program.populations]
    equality = compare_integers([trains.reshape(samples, -1) for trains in _in_order(program, expected)], found)
    note = "the exported file, run by lava-dl alone: every layer's spikes and the scores"
    yield Row("netx", "fashion-mnist", NETX, "s", (seconds,), 1, samples, equality=equality, note=note)


def _in_order(program: Program, execution: Execution) -> list[npt.NDArray[Any]]:
    trains = execution.spike_trains or {}
    return [trains[p.name] if p.threshold is not None else execution.readouts[p.name] for p in program.populations]


def _run_guarded(folder: Path, python: Path, script: Path, result: str, deadline: float) -> None:
    """Run ``script FOLDER PREFIX`` under the supervisor until it has written ``result``; NetxError if it does not."""
    prefix = f"psm_{secrets.token_hex(8)}_"
    command = [str(python.absolute()), "-I", str(script), str(folder), prefix]
    guard = [sys.executable, "-I", supervisor.__file__, str(os.getpid()), str(deadline), prefix, str(folder)]
    with open(folder / "log", "wb") as log:
        ended = subprocess.run([*guard, *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False)
    if ended.returncode or not (folder / result).exists():
        lines = (folder / "log").read_text(errors="replace").splitlines()[-8:]
        reason = "passed its deadline" if ended.returncode == supervisor.EXPIRED else "failed"
        raise NetxError(f"lava-dl netx {reason}:\n" + "\n".join(lines))
