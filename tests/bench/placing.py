"""Cores of placements, beside what boxes take at least, and whether nengo-loihi accepts and counts them alike."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from spikec.compiler.compilation import build_program
from spikec.compiler.mapping import Placement, place
from spikec.compiler.options import CompileOptions
from spikec.runtime.program import Program
from spikec.targets import Target, load

from .large_nets import LARGE_NETS
from .loihi_blocks import write_blocks
from .nets import Net, build_net
from .random_nets import LEVELS, write_random
from .recounted import RECOUNT
from .rows import SPIKEC, Equality, Row

WORKER = Path(__file__).parent / "nengo_worker.py"
RESOURCES = {
    "compartments": "neurons",
    "in-axons": "input axons",
    "out-axons": "output axons",
    "synapses": "synapse memory",
}


def measure_placing(folder: Path, nets: tuple[str, ...], nengo_python: Path | None) -> Iterator[Row]:
    """Rows of part ``placement``: Loihi with two compartments per neuron, and with one."""
    for name in nets:
        built = build_net(name, folder)
        program = _built(built)
        for compartments, target in _loihis().items():
            net = f"{built.name}, {compartments}"
            yield from _placed(net, program, target)
            if nengo_python is not None:
                placement = place(program, target)
                found = _in_nengo(program, target, placement, folder, nengo_python)
                yield Row("placement", net, "nengo-loihi", "cores", (float(placement.cores),), equality=found)


def measure_placing_large(folder: Path, nets: tuple[str, ...]) -> Iterator[Row]:
    """The same, and Loihi 2, for networks that take larger images; compiled without calibration data."""
    for name in nets:
        size, build = LARGE_NETS[name]
        file = folder / f"{name}.onnx"
        write_random(file, (3, size, size), build, images=2)
        program = build_program(file, CompileOptions(target="loihi1", timesteps=LEVELS)).program
        for compartments, target in (*_loihis().items(), ("Loihi 2", load("loihi2"))):
            yield from _placed(f"{name} ({size}x{size}), {compartments}", program, target)


def _built(net: Net) -> Program:
    """The program that ``compile_net`` gives, without the hints of a report, which take as long again."""
    return build_program(net.onnx, CompileOptions("loihi1", LEVELS, calibration=net.calibration())).program


def _loihis() -> dict[str, Target]:
    two = load("loihi1")
    one = replace(two.neuron.compartments_per_neuron, value=1)
    return {
        "two compartments": two,
        "one compartment": replace(two, neuron=replace(two.neuron, compartments_per_neuron=one)),
    }


def _placed(net: str, program: Program, target: Target) -> Iterator[Row]:
    started = time.process_time()
    placement = place(program, target)
    seconds = time.process_time() - started
    yield Row("placement", net, SPIKEC, "cores", (float(placement.cores),))
    yield Row("placement", net, "bound", "cores", (float(placement.bound),), is_ann=True)
    yield Row("placement", net, SPIKEC, "s", (seconds,), note="processor time of placing")


def _in_nengo(program: Program, target: Target, placement: Placement, folder: Path, python: Path) -> Equality:
    """Budgets of cores that nengo-loihi counts otherwise; it ends with an error where it refuses a block."""
    file = folder / "blocks.pkl"
    write_blocks(program, target, placement, file)
    ended = subprocess.run(
        [str(python), str(WORKER), str(file)], capture_output=True, text=True, timeout=3600, check=True
    )
    counts, _ = RECOUNT.recount(program, target, placement, decode=False)
    budgets = [
        (used, counts[int(core)].amounts()[RESOURCES[name]])
        for core, of_core in json.loads(ended.stdout).items()
        for name, used in of_core.items()
    ]
    return Equality(len(budgets), sum(theirs != ours for theirs, ours in budgets))
