"""Rules of chips where a core computes a whole layer: what a layer can be, and which cores have room for it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...runtime.program import Program
from ...targets import Target
from ...targets.diagnostic import Diagnostic, Place
from ...targets.layer_cores import LayerCores
from ..mapping import Placement
from ..mapping.core_layers import CoreLayer
from ..mapping.place_layers import layers_on_cores


def layers_of_cores(program: Program, target: Target, _: Placement) -> Iterator[Diagnostic]:
    """E325: a core can compute each layer."""
    if target.layer_cores is None:
        return
    thresholds = target.neuron.threshold_configurations
    for found in layers_on_cores(program, target.layer_cores):
        for misfit in found.layer.misfits:
            limit = misfit.limit or target.layer_cores.kernel_maximum
            yield Diagnostic(
                "E325",
                f"no core can compute the layer: {misfit.what}",
                Place(layer=found.layer.name),
                measured=misfit.measured,
                limit=None if misfit.limit is None else misfit.limit.value,
                unit=None if misfit.limit is None else misfit.limit.unit,
                hint=misfit.hint,
                source=limit.source,
                assumed=misfit.limit is not None and misfit.limit.leaves_open(misfit.measured or 0),
            )
        threshold = program.population(found.layer.name).threshold
        distinct = 0 if threshold is None else len(np.unique(threshold))
        if thresholds is not None and distinct > thresholds.value:
            yield Diagnostic(
                "E325",
                "no core can compute the layer: it has more thresholds than a core",
                Place(layer=found.layer.name),
                measured=distinct,
                limit=thresholds.value,
                unit=thresholds.unit,
                hint=f"compile for target {target.name!r}, which gives each layer as many as there are",
                source=thresholds.source,
                assumed=thresholds.leaves_open(distinct),
            )


def memory_of_layers(program: Program, target: Target, _: Placement) -> Iterator[Diagnostic]:
    """E326: some core has room for each layer."""
    if target.layer_cores is None:
        return
    for found in layers_on_cores(program, target.layer_cores):
        if not found.cores and not found.layer.misfits:
            yield _without_room(found.layer, target.layer_cores)


def cores_of_layers(program: Program, target: Target, _: Placement) -> Iterator[Diagnostic]:
    """E327: the layers that have room by themselves have room all at once."""
    if target.layer_cores is None:
        return
    placed = layers_on_cores(program, target.layer_cores)
    with_room = [found for found in placed if found.cores]
    left = [found for found in with_room if found.core is None]
    memory = target.layer_cores.kernel_memory
    if left and len(placed) <= len(memory.values):
        yield Diagnostic(
            "E327",
            "each layer has room on some core, but not all of them at once",
            Place(layers=tuple(found.layer.name for found in left)),
            measured=len(with_room),
            limit=len(with_room) - len(left),
            unit="layers",
            hint="give the layers fewer channels or smaller maps, so that more cores have room for them",
            source=memory.source,
            assumed=memory.assumed,
        )


def _without_room(layer: CoreLayer, cores: LayerCores) -> Diagnostic:
    """Names the memory that no core has; or, where each is there but not together, that for the neurons."""
    kernels, neurons, biases = cores.kernel_memory, cores.neuron_memory, cores.bias_memory
    if layer.kernel_entries > max(kernels.values):
        memory, need, most = kernels, layer.kernel_entries, max(kernels.values)
        what = f"the kernel of {layer.channels} channels, {layer.kernel}x{layer.kernel} each"
        hint = "use fewer channels or a smaller kernel; both are rounded up to powers of two"
    elif layer.biases > max(biases.values):
        memory, need, most, what = biases, layer.biases, max(biases.values), "the biases"
        hint = "use fewer channels, or train without biases"
    else:
        holding = zip(kernels.values, neurons.values, strict=True)
        memory, need = neurons, layer.neuron_entries
        most = max(room for kernel, room in holding if kernel >= layer.kernel_entries)
        what = "the neurons, beside its kernel"
        hint = "use fewer channels or a smaller map; rows and columns are rounded up to powers of two"
    return Diagnostic(
        "E326",
        f"no core has room for {what}",
        Place(layer=layer.name),
        measured=need,
        limit=most,
        unit=memory.unit,
        hint=hint,
        source=memory.source,
        assumed=memory.assumed,
    )
