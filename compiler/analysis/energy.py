"""Energy of a spiking network against its ANN by the count of operations: eq. 18 of Xiong et al. 2025.

    ratio = (c alpha + (b - c) beta) / (a alpha)

a: multiply-accumulates of the ANN; b: synaptic operations of the spiking network over its T steps; c: those of b that
are the first layer's, which gets real values and so multiplies; alpha and beta: energy of a multiply-accumulate and of
an accumulate. The paper does not say whether c counts the first layer once, its result being kept, or at each of the T
steps; its printed figures agree with once.
"""

from __future__ import annotations

import math

import numpy as np

from ...runtime.program import INPUT, DenseSynapses, IntArray, Program, Projection, Shape, SparseSynapses
from ...runtime.program.geometry import ConvGeometry
from ...runtime.program.neuron_models import GRADED
from ...targets.records import dataclass
from ..ir.network import Network
from ..ir.operators import Conv, Dense
from .residuals import Activity

MULTIPLY_ACCUMULATE_PICOJOULES = 4.6
"""alpha: a 32-bit float multiplication, 3.7 pJ, and addition, 0.9 pJ, in 45 nm CMOS (Horowitz 2014)."""

ACCUMULATE_PICOJOULES = 0.9
"""beta: a 32-bit float addition in 45 nm CMOS (Horowitz 2014)."""


@dataclass(frozen=True, slots=True)
class EnergyRatio:
    """Energy of the spiking network as a fraction of its ANN's, by eq. 18; None where the ANN multiplies nothing.

    Estimated; a figure of 45 nm CMOS from Horowitz 2014, not of any chip; bias additions, neuron updates and memory
    are ignored by eq. 18, and so are the pulses of gates.

    ``first_layer_once``, ``first_layer_every_step``: the two readings of c. ``synaptic_operations_per_sample``:
    accumulates that spikes cause in a window, or products of payloads, b - c. ``first_layer_macs``: c, counted once.
    ``macs_per_sample``: a.
    """

    first_layer_once: float | None
    first_layer_every_step: float | None
    synaptic_operations_per_sample: float
    first_layer_macs: int
    macs_per_sample: int


@dataclass(frozen=True, slots=True)
class LayerOperations:
    """``spikes`` of one layer, over all samples, and the ``operations`` that they cause in the layers behind it.

    The input has no spikes, and a multiply-accumulate for every synapse at one step.
    """

    spikes: int
    operations: int


def operations_by_layer(program: Program, activity: Activity) -> dict[str, LayerOperations]:
    """Operations of ``INPUT`` and of every firing population of ``program`` with the spikes of ``activity``."""
    reached = fan_outs(program)
    caused = synaptic_operations(activity, reached)
    layers = {name: LayerOperations(int(spikes.sum()), caused[name]) for name, spikes in activity.spikes.items()}
    return {INPUT: LayerOperations(0, activity.samples * int(reached[INPUT].sum())), **layers}


def energy_ratio(macs: int, program: Program, activity: Activity) -> EnergyRatio:
    """Eq. 18 for ``program`` with the spikes of ``activity``, against an ANN of ``macs`` multiply-accumulates.

    A spike costs one operation per synapse that it reaches, the fan-out of its neuron; an input value costs one
    multiply-accumulate per synapse, zero or not. These are the synapses that the chip has: pooling and residual sums
    folded, none into the padding, none with weight 0.
    """
    reached = fan_outs(program)
    operations = sum(synaptic_operations(activity, reached).values())
    return ratio_of_operations(
        macs,
        first_layer=int(reached[INPUT].sum()),
        accumulates=operations / activity.samples,
        timesteps=program.timesteps,
        multiplies=program.neuron.name == GRADED,
    )


def ratio_of_operations(
    macs: int, *, first_layer: int, accumulates: float, timesteps: int, multiplies: bool = False
) -> EnergyRatio:
    """Eq. 18 for operations per sample: a = ``macs``, c = ``first_layer`` (at one step), b - c = ``accumulates``.

    Where messages carry payloads, every operation ``multiplies``, and beta is alpha.
    """
    each = MULTIPLY_ACCUMULATE_PICOJOULES if multiplies else ACCUMULATE_PICOJOULES

    def ratio(multiplied: int) -> float | None:
        if macs == 0:
            return None
        spent = multiplied * MULTIPLY_ACCUMULATE_PICOJOULES + accumulates * each
        return spent / (macs * MULTIPLY_ACCUMULATE_PICOJOULES)

    return EnergyRatio(ratio(first_layer), ratio(timesteps * first_layer), accumulates, first_layer, macs)


def network_macs(network: Network) -> int:
    """Multiply-accumulates per sample of the ANN as given: of its ``Conv`` and ``Dense`` nodes.

    By the usual count, outputs x kernel x channels per group, products with the padding included. Activations,
    batch norm, pooling and sums count nothing.
    """
    total = 0
    for node in network.nodes:
        if isinstance(node.operator, Conv):
            total += math.prod(node.shape) * int(node.operator.weight[0].size)
        elif isinstance(node.operator, Dense):
            total += int(node.operator.weight.size)
    return total


def program_macs(program: Program) -> int:
    """Multiply-accumulates per sample of a network with the program's synapses: each of them once.

    Without padding and weights of 0, and with pooling and residual sums folded: where pooling was folded into the
    kernel behind it this is more than the ANN as given computes, and the ratio smaller.
    """
    return sum(int(reached.sum()) for reached in fan_outs(program).values())


def synaptic_operations(activity: Activity, reached: dict[str, IntArray]) -> dict[str, int]:
    """Synaptic operations that each population's spikes cause, over all samples; ``reached`` from ``fan_outs``."""
    return {name: int((spikes * reached[name]).sum()) for name, spikes in activity.spikes.items()}


def fan_outs(program: Program) -> dict[str, IntArray]:
    """Synapses that leave each neuron of each source (``INPUT`` too), in the source's shape."""
    shapes = {INPUT: program.input.shape, **{p.name: p.shape for p in program.populations}}
    reached = {name: np.zeros(shape, dtype=np.int64) for name, shape in shapes.items()}
    for projection in program.projections:
        reached[projection.source] += fan_out(projection, shapes[projection.source], shapes[projection.target])
    return reached


def fan_out(projection: Projection, source: Shape, target: Shape) -> IntArray:
    """Synapses of ``projection`` with a weight other than 0 that leave each source neuron, in shape ``source``."""
    weight = projection.synapses.weight != 0
    if isinstance(projection.synapses, SparseSynapses):
        return np.bincount(projection.synapses.source, minlength=math.prod(source)).reshape(source)
    if isinstance(projection.synapses, DenseSynapses):
        return np.asarray(weight.sum(axis=0, dtype=np.int64).reshape(source))
    geometry = projection.synapses.geometry
    outputs, inputs, rows, columns = weight.shape
    by_group = weight.reshape(geometry.groups, outputs // geometry.groups, inputs, rows, columns)
    kernel = by_group.sum(axis=1, dtype=np.int64).reshape(source[0], rows, columns)
    seen_rows = _windows_that_see(0, source[1], target[1], rows, geometry)
    seen_columns = _windows_that_see(1, source[2], target[2], columns, geometry)
    return np.asarray(np.einsum("ckl,yk,xl->cyx", kernel, seen_rows, seen_columns, optimize=True), dtype=np.int64)


def _windows_that_see(axis: int, source: int, target: int, kernel: int, geometry: ConvGeometry) -> IntArray:
    """(source, kernel): how many windows along ``axis`` have this kernel position on this source index, 0 or 1."""
    starts = np.arange(target) * geometry.stride[axis] - geometry.padding[axis]
    reads = starts[:, None] + np.arange(kernel) * geometry.dilation[axis]
    inside = (reads >= 0) & (reads < source)
    seen = np.zeros((source, kernel), dtype=np.int64)
    seen[reads[inside], np.nonzero(inside)[1]] = 1
    return seen
