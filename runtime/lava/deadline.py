"""How long a run on Lava may take before something must be wrong."""

from __future__ import annotations

from ..program import DenseSynapses, Program, Projection, SparseSynapses

_START_SECONDS = 90.0
_SAFETY = 15.0
"""Lava shares the machine with whatever else runs."""
_STEP_OF_PROCESS = 1e-3
_STEP_OF_NEURON = 1e-7
_MULTIPLICATION = 1e-9
"""Seconds; a single-threaded matrix product needs a tenth of it."""
_SPARSE_MULTIPLICATION = 5e-8
_STOCK_PAIR = 1e-5
_STOCK_MULTIPLICATION = 2e-9
"""Lava's Conv calls scipy once per pair of channels: a fixed cost and one per kernel value and source neuron."""


def default_deadline(program: Program, samples: int, *, stock: bool) -> float:
    """Seconds that ``samples`` samples may take: several times what a slow machine needs."""
    steps = program.steps(samples)
    processes = 2 + len(program.populations) + 2 * (len(program.projections) + len(program.pulses))
    neurons = sum(population.neurons for population in program.populations)
    step = processes * _STEP_OF_PROCESS + neurons * _STEP_OF_NEURON
    step += sum(_synapses_seconds(program, projection, stock) for projection in program.projections)
    return _START_SECONDS + _SAFETY * steps * step


def _synapses_seconds(program: Program, projection: Projection, stock: bool) -> float:
    weight = projection.synapses.weight
    if isinstance(projection.synapses, SparseSynapses):
        return weight.size * _SPARSE_MULTIPLICATION
    if isinstance(projection.synapses, DenseSynapses):
        return weight.size * _MULTIPLICATION
    positions = program.population(projection.target).neurons // weight.shape[0]
    if not stock:
        return weight.size * positions * _MULTIPLICATION
    _, rows, columns = program.source_shape(projection)
    kernel = weight.shape[2] * weight.shape[3]
    return weight.size / kernel * (_STOCK_PAIR + rows * columns * kernel * _STOCK_MULTIPLICATION)
