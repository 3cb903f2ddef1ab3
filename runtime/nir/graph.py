"""A program as a NIR graph, and the files that go with it.

The graph has an IF node for each population that fires, a Conv2d or Affine for each projection, and ends in the
current of the read-out, which a reader sums up. NIR has no integers: numbers are 32-bit floats, in weight units where
all neurons of a layer have one threshold, and in units of the threshold where not. What NIR has no place for (v0,
reset, units, state, delays, encoding) is in the metadata of the graph.
"""

from __future__ import annotations

import importlib.util
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...targets.diagnostic import refuse
from ...targets.libraries import install_command
from ..program import INPUT, ConvSynapses, IntArray, Population, Program, Projection
from ..program.entries import entries_of
from ..simulator import simulate
from ..witnesses.files import messages_by_step
from .layout import Layout, everywhere, zeros_around

GRAPH, SAMPLES, SCRIPT = "network.nir", "samples.npz", "run.py"
SCHEMA = "spikec-nir/1"

_HALF = 0.5
"""Added to v0: potentials are then never at a threshold, and readers that fire above it fire as those at it."""


def nir_files(program: Program, samples: IntArray) -> dict[str, bytes]:
    """Files by name: the graph, encoded ``samples`` (N, *input shape) with what they must give, and the check.

    Raises ``UnusableInput`` E764 where the package ``nir`` is not installed. The program is one that
    ``limits.find_problems`` has nothing against.
    """
    require_nir()
    import nir

    graph, names = nir_graph(program)
    buffer = io.BytesIO()
    nir.write(buffer, graph)
    return {
        GRAPH: buffer.getvalue(),
        SAMPLES: _samples(program, samples, names),
        SCRIPT: (Path(__file__).parent / "check.py").read_bytes(),
    }


def require_nir() -> None:
    """Raise ``UnusableInput`` E764 where the package ``nir`` is not installed."""
    if importlib.util.find_spec("nir") is None:
        hint = f"'{install_command('nir')}' installs it (extra: spikec[nir])"
        raise refuse("E764", "nir is not installed, which writes graphs", hint=hint)


def nir_graph(program: Program) -> tuple[Any, dict[str, str]]:
    """The graph, and for each population the name of its node; names ascend from the input to the output.

    Readers visit nodes in the order of their names in the file, and take what comes before for what is computed.
    """
    import nir

    layout = Layout.of(program)
    nodes: dict[str, Any] = {}
    edges: list[tuple[str, str]] = []

    def add(kind: str, name: str, node: Any, *sources: str) -> str:
        key = f"n{len(nodes):04d}_{kind}_" + re.sub(r"\W", "_", name, flags=re.ASCII)
        nodes[key] = node
        edges.extend((source, key) for source in sources)
        return key

    names = {INPUT: add("input", program.name, nir.Input({"input": np.array(program.input.shape)}))}
    flat: dict[str, str] = {}
    for population in program.populations:
        bias = layout.bias(population)
        arriving = []
        for projection in program.incoming(population.name):
            source, is_map = projection.source, population.name in layout.maps
            if not is_map and source in layout.maps and source not in flat:
                node = nir.Flatten(input_type={"input": np.array(program.source_shape(projection))}, start_dim=0)
                flat[source] = add("flatten", source, node, names[source])
            node = (
                _convolution(program, projection, bias, layout)
                if is_map
                else _affine(program, projection, bias, layout)
            )
            before = names[source] if is_map else flat.get(source, names[source])
            arriving.append(add("conv" if is_map else "affine", projection.name, node, before))
            bias = np.zeros_like(bias)
        names[population.name] = add(*_neurons(program, population, layout), *arriving)
    return nir.NIRGraph(nodes, edges, metadata=_metadata(program, names, layout)), names


def _neurons(program: Program, population: Population, layout: Layout) -> tuple[str, str, Any]:
    import nir

    shape = population.shape if population.name in layout.maps else (population.neurons,)
    if population.threshold is None:
        return "output", population.name, nir.Output({"output": np.array(shape)})
    threshold = everywhere(population.threshold, population).reshape(shape) / _unit(population, layout)
    node = nir.IF(r=np.ones(shape, dtype=np.float32), v_threshold=threshold.astype(np.float32))
    return "if", population.name, node


def _convolution(program: Program, projection: Projection, bias: IntArray, layout: Layout) -> Any:
    import nir

    synapses, target = projection.synapses, program.population(projection.target)
    assert isinstance(synapses, ConvSynapses), "what reaches a map is a convolution"
    geometry = synapses.geometry
    around = zeros_around(geometry)
    grown = tuple(tuple(zeros // geometry.dilation[axis] for zeros in around[axis]) for axis in (0, 1))
    weight = np.pad(_ungrouped(projection.effective_weight, geometry.groups), ((0, 0), (0, 0), *grown))
    unit = layout.unit(target)
    scale = 1.0 if unit is None else unit[:, None, None, None]
    top, left, *_ = geometry.padding
    return nir.Conv2d(
        input_shape=tuple(program.source_shape(projection)[1:]),
        weight=(weight / scale).astype(np.float32),
        stride=tuple(geometry.stride),
        padding=(top + around[0][0], left + around[1][0]),
        dilation=tuple(geometry.dilation),
        groups=1,
        bias=(bias / (1.0 if unit is None else unit)).astype(np.float32),
    )


def _ungrouped(weight: IntArray, groups: int) -> IntArray:
    """The kernels (O, I, rows, columns) of a convolution in ``groups``, whose readers take their inputs for all."""
    outputs, inputs, *kernel = weight.shape
    full = np.zeros((outputs, groups * inputs, *kernel), dtype=np.int64)
    for group, kernels in enumerate(weight.reshape(groups, outputs // groups, inputs, *kernel)):
        first = group * outputs // groups
        full[first : first + outputs // groups, group * inputs : (group + 1) * inputs] = kernels
    return full


def _affine(program: Program, projection: Projection, bias: IntArray, layout: Layout) -> Any:
    import nir

    target = program.population(projection.target)
    entries = entries_of(program, projection)
    unit = layout.unit(target)
    scale = np.ones(target.neurons) if unit is None else unit.astype(np.float64)
    weight = np.zeros((target.neurons, int(np.prod(program.source_shape(projection)))), dtype=np.float32)
    weight[entries.target, entries.source] = entries.weight / scale[entries.target]
    return nir.Affine(weight=weight, bias=(bias / scale).astype(np.float32))


def _unit(population: Population, layout: Layout) -> npt.NDArray[np.float64]:
    """The unit of each neuron, in the shape that the population has in the graph."""
    unit = layout.unit(population)
    if population.name not in layout.maps:
        return np.ones(population.neurons) if unit is None else unit.astype(np.float64)
    channels = np.ones(population.shape[0]) if unit is None else unit.astype(np.float64)
    return np.broadcast_to(channels[:, None, None], population.shape)


def _metadata(program: Program, names: dict[str, str], layout: Layout) -> dict[str, Any]:
    encoding = program.input
    said = {
        "schema": SCHEMA,
        "name": program.name,
        "target": program.target,
        "timesteps": program.timesteps,
        "window": program.window,
        "schedule": program.schedule,
        "reset": "subtract",
        "fires": "at the threshold, once a step",
        "state": [program.state_minimum, program.state_maximum],
        "encoding": {
            "sample_shape": list(encoding.sample_shape),
            "axes": list(encoding.axes),
            "shape": list(encoding.shape),
            "step": encoding.step,
            "minimum": encoding.minimum,
            "maximum": encoding.maximum,
            "integers": None if encoding.integers is None else list(encoding.integers),
            "spread": encoding.spread,
        },
        "score_unit": program.score_unit,
        "layers": [
            {"layer": p.name, "node": names[p.name], "depth": p.depth, "shape": list(p.shape)}
            for p in program.populations
        ],
        "projections": [
            {"name": p.name, "source": p.source, "target": p.target, "delay": p.delay, "exponent": p.exponent}
            for p in program.projections
        ],
    }
    states = {names[p.name]: dict(_states(program, p, layout)) for p in program.populations}
    return {"spikec": json.dumps(said, sort_keys=True), "states": states}


def _states(program: Program, population: Population, layout: Layout) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """What a reader has to set before a sample: ``initial`` and ``lowest`` in the graph's units; and the integers."""
    unit = _unit(population, layout)
    initial = everywhere(population.initial_potential, population).reshape(unit.shape)
    yield "initial_potential", np.ascontiguousarray(initial).astype(np.int64)
    if population.threshold is None:
        yield "initial", initial.astype(np.float64)
        return
    yield "initial", (initial + _HALF) / unit
    yield "lowest", (program.state_minimum + _HALF) / unit
    yield "threshold", np.ascontiguousarray(everywhere(population.threshold, population).reshape(unit.shape))


def _samples(program: Program, samples: IntArray, names: dict[str, str]) -> bytes:
    """``frames`` (N, T, *input shape), ``count.NODE`` (N, neurons) and ``readout`` (N, outputs) that they must give."""
    messages = messages_by_step(program, samples)
    frames = np.broadcast_to(messages, (len(samples), program.timesteps, *program.input.shape))
    execution = simulate(program, samples, record=True)
    trains = execution.spike_trains or {}
    counts = {f"count.{names[name]}": train.sum(axis=1, dtype=np.int64) for name, train in trains.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, frames=frames.astype(np.float32), readout=execution.readout, **counts)
    return buffer.getvalue()
