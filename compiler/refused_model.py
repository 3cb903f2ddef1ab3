"""A model that does not become a program: everything that is wrong with it, and what can be told of it nevertheless."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

from ..targets import Target
from ..targets.diagnostic import Diagnostic, UnusableInput
from .diagnostics.grouping import grouped
from .frontend.builder import Refused
from .frontend.model import Examined, ModelSource
from .frontend.reading import checkable
from .ir.activations import EXPANDED
from .ir.network import Network, Node
from .ir.operators import ELEMENTWISE, Clip, Conv, Dense, Floor, QuantizeClip, Relu, Round
from .options import CompileOptions
from .passes.calibrate_thresholds import CalibrateThresholds
from .passes.contract import Compilation, Context
from .passes.recognise_activations import recognised
from .report import ReadLayer, Report, ResourceRow, build_report

_NEURONS = (Relu, Clip, Floor, Round, QuantizeClip, *EXPANDED)
"""Operators of which at least one is in every activation."""
_CORES = "cores, at least"


def all_problems(
    examined: Examined, target: Target, options: CompileOptions, file: ModelSource
) -> tuple[Diagnostic, ...]:
    """What reading found, and what is wrong with the activations of the layers that were understood."""
    partial = examined.partial
    further = () if partial is None else tuple(_activation_problems(checkable(partial), target, options))
    return grouped((*examined.found, *(in_file(d, file) for d in further)))


def _activation_problems(network: Network, target: Target, options: CompileOptions) -> Iterator[Diagnostic]:
    try:
        known = recognised(network)
        if options.calibration is None:
            CalibrateThresholds().run(Compilation(known), Context(target, options.timesteps))
    except UnusableInput as refusal:
        # An activation that begins with a refused node is not all there, so only its lack of data can be told.
        cut = _readers_of_refused(network)
        yield from (d for d in refusal.diagnostics if d.code == "E221" or not cut.intersection(d.place.nodes))


def _readers_of_refused(network: Network) -> frozenset[str]:
    refused = {node.name for node in network.nodes if isinstance(node.operator, Refused)}
    readers = (node for node in network.nodes if refused.intersection(node.inputs))
    return frozenset(origin.node for node in readers for origin in node.origins)


def in_file(diagnostic: Diagnostic, file: ModelSource) -> Diagnostic:
    """Return the finding with ``file`` as its place where it names none."""
    return replace(diagnostic, place=replace(diagnostic.place, file=diagnostic.place.file or str(file)))


def report_on_refused(examined: Examined, target: Target, found: Iterable[Diagnostic], strict: bool) -> Report:
    """Report with the layers that were understood and what their neurons take at least."""
    network = examined.partial
    if network is None:
        return build_report(examined.section, target, found, strict=strict)
    bounds = tuple(_bounds(network, target))
    findings = (*found, *_too_many_cores(bounds, target))
    return build_report(examined.section, target, findings, strict=strict, read=_layers(network), bounds=bounds)


def _too_many_cores(bounds: tuple[ResourceRow, ...], target: Target) -> Iterator[Diagnostic]:
    """E305 where the activations that were understood need more cores than there are, whatever their synapses take."""
    limit, room = target.chip.cores, target.core.neurons
    cores = next((row.used for row in bounds if row.name == _CORES), 0)
    if limit is None or room is None or cores <= limit.value:
        return
    yield Diagnostic(
        "E305",
        "the neurons alone need more cores than the chip has, whatever their synapses take",
        measured=cores,
        limit=limit.value,
        unit=limit.unit,
        hint="make the layers with the largest maps smaller, or choose a larger chip",
        source=limit.source,
        assumed=limit.leaves_open(cores) or room.assumed,
    )


def _layers(network: Network) -> Iterator[ReadLayer]:
    for node in network.nodes:
        operator = node.operator
        if not isinstance(operator, Conv | Dense):
            continue
        neurons = math.prod(node.shape)
        fan_in = math.prod(operator.weight.shape[1:])
        parameters = operator.weight.size + operator.bias.size
        yield ReadLayer(node.name, node.origins[0].operator, node.shape, parameters, neurons, neurons * fan_in)


def _bounds(network: Network, target: Target) -> Iterator[ResourceRow]:
    populations = [math.prod(node.shape) for node in network.nodes if _begins_activation(network, node)]
    neurons = sum(populations)
    if not neurons:
        return
    yield ResourceRow(None, "neurons, at least", neurons, None, "neurons", None, None)
    room = target.core.neurons
    if room is None:
        return
    compartments = target.neuron.compartments_per_neuron.value
    cores = sum(-(-size * compartments // room.value) for size in populations)
    limit = target.chip.cores
    facts = (None, None, None) if limit is None else (limit.value, limit.source, limit.status.value)
    most, source, status = facts
    yield ResourceRow(None, _CORES, cores, most, "cores", source, status)


def _begins_activation(network: Network, node: Node) -> bool:
    """Whether ``node`` is the first of its chain of elementwise operators that no linear map computes."""
    if not isinstance(node.operator, _NEURONS):
        return False
    nodes = {each.name: each for each in network.nodes}
    before = nodes.get(node.inputs[0])
    while before is not None and isinstance(before.operator, (*ELEMENTWISE, *EXPANDED)):
        if isinstance(before.operator, _NEURONS):
            return False
        before = nodes.get(before.inputs[0])
    return True
