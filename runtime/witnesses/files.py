"""What a witness needs of a program, as files that can be read without spikec.

``network.json`` says which populations and projections there are and when their windows begin; ``network.npz`` holds
their integers, and the messages that the input sends. Projections are kernels, matrices and coordinates as the
program has them, or all of them ``unrolled`` to coordinates.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..program import INPUT, ConvSynapses, IntArray, Population, Program, Projection, SparseSynapses
from ..program.entries import entries_of

STRUCTURE, ARRAYS, RESULT = "network.json", "network.npz", "result.npz"

_Arrays = dict[str, npt.NDArray[Any]]


def write_network(directory: Path, program: Program, samples: IntArray, *, unrolled: bool) -> None:
    """Write ``program`` and its encoded ``samples``, constant ones or frames, to ``directory``."""
    numbers = {population.name: number for number, population in enumerate(program.populations)}
    arrays: _Arrays = {"messages": messages_by_step(program, samples)}
    for number, population in enumerate(program.populations):
        found = _neuron_arrays(program, population)
        arrays |= {f"population{number}.{name}": values for name, values in found.items()}
    projections = []
    for number, projection in enumerate(program.projections):
        kind, found = _synapses(program, projection, unrolled)
        arrays |= {f"projection{number}.{name}": values for name, values in found.items()}
        source = None if projection.source == INPUT else numbers[projection.source]
        projections.append({"source": source, "target": numbers[projection.target], "delay": projection.delay} | kind)
    structure = {
        "timesteps": program.timesteps,
        "window": program.window,
        "steps": program.steps(len(samples)),
        "state": [program.state_minimum, program.state_maximum],
        "populations": [_population(program, population) for population in program.populations],
        "projections": projections,
    }
    (directory / STRUCTURE).write_text(json.dumps(structure))
    np.savez(directory / ARRAYS, **arrays)


def messages_by_step(program: Program, samples: IntArray) -> IntArray:
    """(N, T or 1, *input shape): what the input sends at each step of ``samples``; one where all steps are alike."""
    changes = program.input.spread or program.input.has_frames(samples)
    steps = program.timesteps if changes else 1
    sent = [program.input.sent(samples, step, program.timesteps) for step in range(steps)]
    return np.stack(sent, axis=1)


def _population(program: Program, population: Population) -> dict[str, Any]:
    return {
        "shape": list(population.shape),
        "neurons": population.neurons,
        "depth": population.depth,
        "fires_after": program.fires_after(population.name),
        "readout": population.threshold is None,
    }


def _neuron_arrays(program: Program, population: Population) -> _Arrays:
    def everywhere(values: IntArray) -> IntArray:
        return np.asarray(np.broadcast_to(values, population.shape).ravel(), dtype=np.int64)

    found: _Arrays = {"initial": everywhere(population.initial_potential), "bias": everywhere(population.bias)}
    if population.threshold is not None:
        found["threshold"] = everywhere(population.threshold)
    pulses = program.potential_of_pulses(population.name)
    return found | {f"pulse{step}": everywhere(potential) for step, potential in pulses.items()}


def _synapses(program: Program, projection: Projection, unrolled: bool) -> tuple[dict[str, Any], _Arrays]:
    synapses, weight = projection.synapses, projection.effective_weight
    if unrolled or isinstance(synapses, SparseSynapses):
        entries = entries_of(program, projection)
        ends = {"source": entries.source, "target": entries.target}
        return {"kind": "coordinates"}, ends | {"weight": entries.weight}
    if isinstance(synapses, ConvSynapses):
        geometry = synapses.geometry
        shared = {name: list(getattr(geometry, name)) for name in ("stride", "padding", "dilation")}
        return {"kind": "kernel", "groups": geometry.groups} | shared, {"weight": weight}
    return {"kind": "matrix"}, {"weight": weight}
