"""A population's threshold in other units, and its readers' weights with it: the same network, another spike."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from ...runtime import program as level3
from ..ir.operators import FloatArray
from ..ir.spiking import ConvMap, Population, Projection, SparseMap, SpikingNetwork


def with_choice(
    spiking: SpikingNetwork, layer: level3.Population, chosen: level3.Population, timesteps: int
) -> SpikingNetwork:
    """Give the population that the trial ran as ``layer`` the threshold and the start of ``chosen``."""
    population = spiking.population(layer.name)
    share, start = share_and_start(layer, chosen)
    bias = population.bias
    if population.hold:
        # Counts that depend on no timing are those of an activation that rounds; what is beyond a half is input.
        bias = bias + (start - population.initial_potential) * share / timesteps
        start = population.initial_potential
    changed = replace(
        population, initial_potential=start, bias=bias / share, spike_value=population.spike_value * share
    )
    incoming = tuple(with_rows_scaled(p, population, 1 / share) for p in spiking.incoming(layer.name))
    outgoing = tuple(
        with_sources_scaled(p, population, share.ravel()) for p in spiking.projections if p.source == layer.name
    )
    return with_fitted(spiking, changed, (*incoming, *outgoing))


def with_fitted(spiking: SpikingNetwork, population: Population, projections: tuple[Projection, ...]) -> SpikingNetwork:
    """``spiking`` with another ``population`` and other ``projections`` of these names."""
    changed = {p.name: p for p in projections}
    return spiking.with_parts(
        tuple(population if p.name == population.name else p for p in spiking.populations),
        tuple(changed.get(p.name, p) for p in spiking.projections),
    )


def with_rows_scaled(projection: Projection, target: Population, factor: FloatArray) -> Projection:
    """Weights into each channel of ``target`` times its ``factor``."""
    linear = projection.map
    if isinstance(linear, ConvMap):
        return _with_weight(projection, linear.weight * factor.reshape(-1, 1, 1, 1))
    by_neuron = np.broadcast_to(factor, target.shape).ravel()
    rows = by_neuron[linear.target] if isinstance(linear, SparseMap) else by_neuron[:, None]
    return _with_weight(projection, linear.weight * rows)


def with_sources_scaled(projection: Projection, source: Population, factor: FloatArray) -> Projection:
    """Weights from each channel of ``source`` times its ``factor`` (C,)."""
    linear = projection.map
    if isinstance(linear, ConvMap):
        outputs, inputs = linear.weight.shape[:2]
        group = np.arange(outputs) // (outputs // linear.geometry.groups)
        by_weight = factor[group[:, None] * inputs + np.arange(inputs)]
        return _with_weight(projection, linear.weight * by_weight[:, :, None, None])
    by_neuron = np.repeat(factor, prod(source.shape) // len(factor))
    columns = by_neuron[linear.source] if isinstance(linear, SparseMap) else by_neuron
    return _with_weight(projection, linear.weight * columns)


def _with_weight(projection: Projection, weight: FloatArray) -> Projection:
    return replace(projection, map=replace(projection.map, weight=weight))


def share_and_start(layer: level3.Population, chosen: level3.Population) -> tuple[FloatArray, FloatArray]:
    """Threshold in those of ``layer``, and the initial potential in thresholds."""
    assert layer.threshold is not None, "a read-out has none to choose"
    assert chosen.threshold is not None, "a read-out has none to choose"
    return chosen.threshold / layer.threshold, chosen.initial_potential / chosen.threshold
