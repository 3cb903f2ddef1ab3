"""What SANA-FE needs of a program, as files: a chip, the network on its cores, and a script that runs them.

``network.json`` says which populations and projections there are and when their windows begin; ``network.npz`` holds
their integers. The input is not sent as messages, which no Loihi takes as integers: the current that it causes in the
first layer is a bias that changes from step to step, and costs nothing.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...targets import Target
from ..program import INPUT, IntArray, Population, Program
from ..program.entries import Entries, entries_of
from .architecture import architecture

ARCHITECTURE, STRUCTURE, ARRAYS, SCRIPT = "architecture.yaml", "network.json", "network.npz", "run.py"


def sanafe_files(program: Program, target: Target, cores: dict[str, IntArray], samples: IntArray) -> dict[str, bytes]:
    """Files by name for encoded ``samples`` (N, *input shape) of ``program`` on chips of ``target``.

    ``cores``: for each population the core of each neuron, in C order. E331 for a target without costs or tiles.
    """
    numbers = {population.name: number for number, population in enumerate(program.populations)}
    arrays: dict[str, npt.NDArray[Any]] = {}
    for population, number in zip(program.populations, numbers.values(), strict=True):
        neurons = _neuron_arrays(program, population, cores[population.name])
        arrays |= {f"population{number}.{name}": values for name, values in neurons.items()}
    projections: list[dict[str, int]] = []
    for projection in program.projections:
        entries = entries_of(program, projection)
        target_number = numbers[projection.target]
        if projection.source == INPUT:
            key = f"population{target_number}.current"
            current = _current(program, entries, samples, program.populations[target_number].neurons)
            arrays[key] = current + arrays[key] if key in arrays else current
            continue
        name = f"projection{len(projections)}"
        arrays |= {f"{name}.{end}": getattr(entries, end).astype(np.int32) for end in ("source", "target", "weight")}
        projections.append({"source": numbers[projection.source], "target": target_number, "delay": projection.delay})
    delays = any(projection["delay"] for projection in projections)
    structure = {
        "name": program.name,
        "timesteps": program.timesteps,
        "window": program.window,
        "samples": len(samples),
        "steps": program.steps(len(samples)),
        "delays": delays,
        "neuron": _neuron(program),
        "populations": [_population(program, population) for population in program.populations],
        "projections": projections,
    }
    every_core = np.concatenate(list(cores.values()))
    chip = architecture(target, int(every_core.max()) + 1, int(np.bincount(every_core).max()), delays=delays)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return {
        ARCHITECTURE: chip.encode(),
        STRUCTURE: (json.dumps(structure, indent=2, sort_keys=True) + "\n").encode(),
        ARRAYS: buffer.getvalue(),
        SCRIPT: (Path(__file__).parent / SCRIPT).read_bytes(),
    }


def cores_in_order(program: Program, neurons_per_core: int) -> dict[str, IntArray]:
    """A core of its own for every ``neurons_per_core`` neurons of each population: enough where no cost is asked."""
    cores, used = {}, 0
    for population in program.populations:
        cores[population.name] = used + np.arange(population.neurons, dtype=np.int64) // neurons_per_core
        used = int(cores[population.name][-1]) + 1
    return cores


def _neuron(program: Program) -> dict[str, float | str]:
    """SANA-FE's neuron as ours: no leak, reset by subtraction, a potential that stays in the state from below."""
    return {
        "reset_mode": "soft",
        "reverse_reset_mode": "saturate",
        "reverse_threshold": float(program.state_minimum),
        "leak_decay": 1.0,
        "input_decay": 0.0,
        "threshold": 1e12,
        "bias": 0.0,
    }


def _population(program: Program, population: Population) -> dict[str, Any]:
    return {
        "name": population.name,
        "shape": list(population.shape),
        "neurons": population.neurons,
        "depth": population.depth,
        "fires_after": program.fires_after(population.name),
        "readout": population.threshold is None,
    }


def _neuron_arrays(program: Program, population: Population, cores: IntArray) -> dict[str, npt.NDArray[Any]]:
    def everywhere(values: IntArray) -> IntArray:
        return np.asarray(np.broadcast_to(values, population.shape).ravel(), dtype=np.int64)

    found: dict[str, npt.NDArray[Any]] = {
        "core": cores.astype(np.int32),
        "initial": everywhere(population.initial_potential),
        "bias": everywhere(population.bias),
    }
    if population.threshold is not None:
        found["threshold"] = everywhere(population.threshold)
    pulses = program.potential_of_pulses(population.name)
    return found | {f"pulse{step}": everywhere(potential) for step, potential in pulses.items()}


def _current(program: Program, entries: Entries, samples: IntArray, neurons: int) -> IntArray:
    """(N, T or 1, neurons): what the input adds to each neuron at each step of the window."""
    changes = program.input.spread or program.input.has_frames(samples)
    steps = program.timesteps if changes else 1
    found = np.zeros((len(samples), steps, neurons), dtype=np.int64)
    for sample, step in np.ndindex(len(samples), steps):
        sent = program.input.sent(samples[sample : sample + 1], step, program.timesteps).ravel()
        # Sums of integers below 2^53, which a program has been checked for.
        found[sample, step] = np.bincount(entries.target, entries.weight * sent[entries.source], neurons)
    return found
