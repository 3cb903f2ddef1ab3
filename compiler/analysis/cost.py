"""What a program costs on its chip: events counted on data, times the target's figures per event.

Counts and figures are whole numbers (femtojoules, picoseconds), so that their sums are exact in any order; only the
last division gives a float. Everything is an estimate, and says whose figures it rests on.
"""

from __future__ import annotations

import math

import numpy as np

from ...runtime.program import INPUT, ConvSynapses, IntArray, Program, Projection
from ...runtime.program.neuron_models import GRADED
from ...targets import Target
from ...targets.cost import Cost
from ...targets.facts import Number
from ..mapping import Placement
from ..mapping.cores_of import cores_of
from ..report.content import CostRow, CostSection, Estimate
from .energy import fan_outs, ratio_of_operations
from .traffic import LayerTraffic, Traffic, measure_traffic

FEMTO, PICO = 10**15, 10**12

SYNAPSE, SOMA, NETWORK = "synapse", "soma", "network"


def measure_cost(program: Program, target: Target, placement: Placement, encoded: IntArray, macs: int) -> CostSection:
    """Count on ``encoded`` samples (N, *input shape), N >= 1, and price; ``macs`` are the ANN's per sample."""
    return cost_of(measure_traffic(program, target, cores_of(placement), encoded), program, target, placement, macs)


def cost_of(traffic: Traffic, program: Program, target: Target, placement: Placement, macs: int) -> CostSection:
    """Price what was counted; ``macs`` are the ANN's per sample."""
    given, *layers = traffic.layers
    multiplies = program.neuron.name == GRADED
    # No figures of messages with payloads are published, and those of spikes are of something else.
    cost = None if multiplies else target.cost
    what = "of messages with a payload " if multiplies else ""
    spent = sum(layer.synaptic_events for layer in layers) / traffic.samples
    first_layer = given.synaptic_events / traffic.samples
    ratio = ratio_of_operations(
        macs,
        first_layer=_synapses_of_input(program),
        accumulates=spent,
        timesteps=program.timesteps,
        multiplies=multiplies,
    )
    dense = sum(_products(program, projection) for projection in program.projections) * program.timesteps
    return CostSection(
        samples=traffic.samples,
        steps=program.latency,
        host_messages=given.messages / traffic.samples,
        host_most=traffic.host_most,
        host_values=sum(population.neurons for population in program.readouts),
        crossings=traffic.crossings / traffic.samples if traffic.tiles else None,
        rows=tuple(_row(layer, cost, traffic) for layer in layers),
        estimate=None if cost is None else estimate(traffic, cost),
        reason="" if cost else f"no energy and time per event {what}are published for {target.title}",
        neurobench=_neurobench(program, placement, target, layers, traffic.samples),
        synaptic_operations={
            "Effective_MACs": first_layer + (spent if multiplies else 0.0),
            "Effective_ACs": 0.0 if multiplies else spent,
            "Dense": float(dense),
        },
        ratio_once=ratio.first_layer_once,
        ratio_every_step=ratio.first_layer_every_step,
    )


def estimate(traffic: Traffic, cost: Cost) -> Estimate:
    """Joules and seconds of a sample."""
    given, *layers = traffic.layers
    by_part = {part: sum(_parts(layer, cost, "value")[part] for layer in layers) for part in (SYNAPSE, SOMA, NETWORK)}
    least, most = (sum(sum(_parts(each, cost, bound).values()) for each in layers) for bound in ("least", "most"))
    scale = traffic.samples * FEMTO
    followed = len(traffic.alone) * PICO
    return Estimate(
        source=cost.synaptic_event_energy.source.partition(":")[0],
        status="estimated",
        joules=sum(by_part.values()) / scale,
        joules_least=least / scale,
        joules_most=most / scale,
        joules_by_part={part: femtojoules / scale for part, femtojoules in by_part.items()},
        input_joules=given.synaptic_events * cost.synaptic_event_energy.value / scale,
        seconds=int(traffic.alone.sum(dtype=np.int64)) / followed,
        seconds_streamed=int(traffic.streamed.sum(dtype=np.int64)) / followed,
    )


def _parts(layer: LayerTraffic, cost: Cost, bound: str) -> dict[str, int]:
    """Femtojoules of all samples: synapses that are reached, neurons, and messages that leave."""

    def figure(number: Number) -> int:
        limit: int | None = getattr(number, bound)
        return number.value if limit is None else limit

    neurons = (
        layer.accesses * figure(cost.neuron_access_energy)
        + layer.updates * figure(cost.neuron_update_energy)
        + layer.spikes * figure(cost.spike_energy)
    )
    sent = layer.messages * (figure(cost.message_out_energy) + figure(cost.message_in_energy))
    east_west, north_south = layer.hops
    hops = east_west * figure(cost.hop_east_west_energy) + north_south * figure(cost.hop_north_south_energy)
    return {SYNAPSE: layer.synaptic_events * figure(cost.synaptic_event_energy), SOMA: neurons, NETWORK: sent + hops}


def _row(layer: LayerTraffic, cost: Cost | None, traffic: Traffic) -> CostRow:
    samples = traffic.samples
    return CostRow(
        layer=layer.name,
        spikes=layer.spikes / samples,
        messages=layer.messages / samples,
        hops=sum(layer.hops) / samples if traffic.tiles else None,
        synaptic_events=layer.synaptic_events / samples,
        updates=layer.updates / samples,
        joules=None if cost is None else sum(_parts(layer, cost, "value").values()) / (samples * FEMTO),
    )


def _synapses_of_input(program: Program) -> int:
    """Multiply-accumulates of the first layer's graded input at one step: an operation per synapse."""
    return int(fan_outs(program)[INPUT].sum())


def _products(program: Program, projection: Projection) -> int:
    """Products with every weight and every source, zero or not, the padding included."""
    synapses = projection.synapses
    if isinstance(synapses, ConvSynapses):
        return program.population(projection.target).neurons * math.prod(synapses.weight.shape[1:])
    return int(synapses.weight.size)


def _neurobench(
    program: Program, placement: Placement, target: Target, layers: list[LayerTraffic], samples: int
) -> dict[str, float]:
    """Footprint in bytes (weights as stored, and potentials), and the shares of weights and spikes that are 0."""
    bits = sum(p.synapses.weight.size * placement.layer(p.target).weight_bits for p in program.projections)
    bits += sum(p.neurons for p in program.populations) * target.neuron.state_bits.value
    weights = sum(p.synapses.weight.size for p in program.projections)
    used = sum(int(np.count_nonzero(p.synapses.weight)) for p in program.projections)
    steps = sum(p.neurons for p in program.firing) * program.timesteps * samples
    spikes = sum(layer.spikes for layer in layers)
    return {
        "footprint": float(-(-bits // 8)),
        "connection_sparsity": (weights - used) / weights if weights else 0.0,
        "activation_sparsity": (steps - spikes) / steps if steps else 0.0,
    }
