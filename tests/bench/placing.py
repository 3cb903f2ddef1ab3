"""Cores of placements, beside what boxes take at least, and whether nengo-loihi accepts and counts them alike."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from spikec.compiler.mapping import Placement, place
from spikec.runtime.program import Program
from spikec.targets import Target, load

from .loihi_blocks import write_blocks
from .nets import build_net, compile_net
from .recounted import RECOUNT
from .rows import Equality, Row

WORKER = Path(__file__).parent / "nengo_worker.py"
RESOURCES = {
    "compartments": "neurons",
    "in-axons": "input axons",
    "out-axons": "output axons",
    "synapses": "synapse memory",
}


def measure_placing(folder: Path, nets: tuple[str, ...], nengo_python: Path | None) -> Iterator[Row]:
    """Rows of part ``placement``: Loihi with two compartments per neuron, and with one."""
    two = load("loihi1")
    one = replace(two.neuron.compartments_per_neuron, value=1)
    targets = {"two": two, "one": replace(two, neuron=replace(two.neuron, compartments_per_neuron=one))}
    for name in nets:
        program = compile_net(build_net(name, folder), 4, "loihi1")
        for compartments, target in targets.items():
            started = time.process_time()
            placement = place(program, target)
            seconds = time.process_time() - started
            net = f"{name}, {compartments} compartment{'s' * (compartments == 'two')}"
            yield Row("placement", net, "spikec", "cores", (float(placement.cores),), note=f"placed in {seconds:.1f} s")
            yield Row("placement", net, "bound", "cores", (float(placement.bound),), is_ann=True)
            if nengo_python is not None:
                found = _in_nengo(program, target, placement, folder, nengo_python)
                yield Row("placement", net, "nengo-loihi", "cores", (float(placement.cores),), equality=found)


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
