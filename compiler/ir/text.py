"""Canonical printing of the three levels: stable, one line per item, for dumps and golden files."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from ...runtime.program import ConvSynapses, Program, SparseSynapses, Synapses
from ...runtime.program.geometry import ConvGeometry
from ..arithmetic import total
from .network import Network
from .spiking import ConvMap, LinearMap, Population, SparseMap, SpikingNetwork


def print_network(network: Network) -> str:
    """Level 1, one node per line."""
    lines = [f"network {network.name}", f"  input : {_shape(network.input_shape)}"]
    for node in network.nodes:
        operator = type(node.operator).__name__
        options = ", ".join(_options(node.operator))
        lines.append(f"  {node.name} = {operator}({', '.join(node.inputs)}) {{{options}}} : {_shape(node.shape)}")
    return "\n".join([*lines, f"  output {network.output}", ""])


def print_spiking(spiking: SpikingNetwork) -> str:
    """Level 2, one population or projection per line."""
    signal = spiking.input
    lines = [
        f"spiking network {spiking.name}",
        f"  input {_shape(signal.sample_shape)} axes {signal.axes} as {_shape(signal.shape)} "
        f"step {signal.step:.6g} range {signal.minimum}..{signal.maximum}"
        f"{' spread' if signal.spread_over > 1 else ''}",
    ]
    for population in spiking.populations:
        for projection in spiking.incoming(population.name):
            lines.append(
                f"  projection {projection.name} {_synapses(projection.map)} "
                f"exponent {projection.exponent} delay {projection.delay}"
            )
        parts = [
            f"{title} {'none' if values is None else _array(values)}"
            for title, values in (
                ("threshold", population.threshold),
                ("v0", population.initial_potential),
                ("bias", population.bias),
                ("integer-threshold", population.integer_threshold),
            )
        ]
        lines.append(
            f"  population {population.name} {_shape(population.shape)} depth {population.depth} "
            f"spike-value {_spike_value(population)} {' '.join(parts)}"
            f"{f' hold {population.hold}' if population.hold else ''}"
        )
    return "\n".join([*lines, ""])


def _spike_value(population: Population) -> str:
    low, high = np.min(population.spike_value), np.max(population.spike_value)
    return f"{low:.6g}" if low == high else f"{low:.6g}..{high:.6g}"


def print_program(program: Program) -> str:
    """Level 3, one population or projection per line."""
    encoding = program.input
    lines = [
        f"program {program.name} for {program.target}, {program.schedule}, T = {program.timesteps}, "
        f"state {program.state_minimum}..{program.state_maximum}",
        f"  input {_shape(encoding.sample_shape)} axes {encoding.axes} as {_shape(encoding.shape)} "
        f"step {encoding.step:.6g} range {encoding.minimum}..{encoding.maximum}"
        f"{' spread' if encoding.spread else ''}{' frames' if encoding.frames else ''}",
    ]
    for population in program.populations:
        for projection in program.incoming(population.name):
            lines.append(
                f"  projection {projection.name} {_synapses(projection.synapses)} "
                f"exponent {projection.exponent} delay {projection.delay}"
            )
        threshold = "none" if population.threshold is None else _array(population.threshold)
        lines.append(
            f"  population {population.name} {_shape(population.shape)} depth {population.depth} "
            f"threshold {threshold} v0 {_array(population.initial_potential)} bias {_array(population.bias)}"
            f"{' gated' if population.gated else ''}"
        )
    lines += [
        f"  pulse {pulse.name} into {pulse.target} at step {pulse.step} weight {_array(pulse.weight)} "
        f"exponent {pulse.exponent} axons {pulse.axons}"
        for pulse in program.pulses
    ]
    lines += [f"  output {each.name!r} from {each.readout}" for each in program.outputs]
    return "\n".join([*lines, ""])


def _synapses(synapses: LinearMap | Synapses) -> str:
    weight = _array(synapses.weight)
    if isinstance(synapses, SparseMap | SparseSynapses):
        return f"sparse weight {weight} source {_array(synapses.source)} target {_array(synapses.target)}"
    geometry = f" {_geometry(synapses.geometry)}" if isinstance(synapses, ConvMap | ConvSynapses) else ""
    return f"weight {weight}{geometry}"


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _array(values: np.ndarray[Any, np.dtype[Any]]) -> str:
    if values.size == 0:
        return "none"
    if values.size == 1:
        return f"{values.flat[0]:.6g}"
    return f"{_shape(values.shape)}[{values.min():.6g}..{values.max():.6g} sum {total(values):.6g}]"


def _geometry(geometry: ConvGeometry) -> str:
    return (
        f"stride {_shape(geometry.stride)} padding {','.join(map(str, geometry.padding))} "
        f"dilation {_shape(geometry.dilation)} groups {geometry.groups}"
    )


def _options(operator: object) -> list[str]:
    if not is_dataclass(operator):
        return []
    printed = []
    for entry in fields(operator):
        value = getattr(operator, entry.name)
        if isinstance(value, ConvGeometry):
            printed.append(_geometry(value))
        elif isinstance(value, np.ndarray):
            printed.append(f"{entry.name} {_array(value)}")
        else:
            printed.append(f"{entry.name} {value:.6g}" if isinstance(value, float) else f"{entry.name} {value}")
    return printed
