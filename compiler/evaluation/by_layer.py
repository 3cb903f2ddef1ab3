"""What methods do to each layer of a network: figures of every firing population of every integer program."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Generic, TypeVar

from ...runtime.encoding import encode
from ...runtime.program import INPUT
from ...runtime.program.neuron_models import COS, IF, MSAT, SRP
from ...runtime.progress import Report as Progress
from ...runtime.samples import Samples, checked_samples
from ...targets.diagnostic import Diagnostic, Place, UnusableInput, refuse
from ...targets.records import dataclass
from ..analysis.energy import LayerOperations, network_macs, operations_by_layer
from ..analysis.residuals import Residuals, measure_activity, measure_residuals
from ..analysis.unevenness import COUNTING, Given, Unevenness, measure_unevenness
from ..compilation import usable_target
from ..frontend.model import Model, ModelReader, ModelSource
from ..methods.spike_confidence import Confidence, measure_confidence_curves
from ..methods.table import method_called
from ..options import CompileOptions
from ..shared_results import SharedResults
from .applicability import Chosen, aim_for, chosen_methods, inapplicable, is_compared
from .conversion import Converted, convert
from .model_data import GivenModel, read_given

Figures = TypeVar("Figures", bound=Residuals | Unevenness | Confidence | LayerOperations)


@dataclass(frozen=True, slots=True)
class MethodLayers(Generic[Figures]):
    """``layers`` of the network in the file ``model``, of a kind of ``training``, converted by ``method``.

    ``neurons`` has the size of the input and of every layer that fires, in the program's order; ``layers`` those that
    were measured. ``macs`` are the multiply-accumulates of the network as given, per sample.
    """

    method: str
    model: str
    training: str
    neurons: dict[str, int]
    layers: Mapping[str, Figures]
    macs: int


@dataclass(frozen=True, slots=True)
class ByLayer(Generic[Figures]):
    """Programs of T = ``timesteps`` for ``target``, measured on ``samples``.

    ``remarks`` tell of methods that were left out, and of calibrations that were not kept.
    """

    timesteps: int
    samples: int
    target: str
    rows: tuple[MethodLayers[Figures], ...]
    remarks: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True)
class Measure(Generic[Figures]):
    """``of`` tells something of each layer of a program, whose neurons are of one of the models ``neurons``."""

    of: Callable[[Converted, Samples], Mapping[str, Figures]]
    neurons: tuple[str, ...]


def _confidence(converted: Converted, data: Samples) -> Mapping[str, Confidence]:
    return measure_confidence_curves(converted.built, converted.program, data)


RMPE: Measure[Residuals] = Measure(lambda converted, data: measure_residuals(converted.program, data), (IF,))
"""Final potentials outside [0, threshold) and the wrong counts among them, see ``analysis.residuals``."""

CONFIDENCE: Measure[Confidence] = Measure(_confidence, (IF, SRP, COS, MSAT))
"""Which spikes come from neurons that are active in the ANN, see ``methods.spike_confidence``."""


def _operations(converted: Converted, data: Samples) -> Mapping[str, LayerOperations]:
    encoded, _ = encode(converted.program.input, data.inputs)
    return operations_by_layer(converted.program, measure_activity(converted.program, encoded))


OPERATIONS: Measure[LayerOperations] = Measure(_operations, (IF,))
"""Spikes and the operations that they cause, which eq. 18 counts, see ``analysis.energy``."""


def unevenness_given(given: Given) -> Measure[Unevenness]:
    """Kinds of wrong counts, see ``analysis.unevenness``."""

    def measure(converted: Converted, data: Samples) -> Mapping[str, Unevenness]:
        encoded, _ = encode(converted.program.input, data.inputs)
        return measure_unevenness(converted.program, encoded, given)

    return Measure(measure, COUNTING)


def measure_by_layer(
    models: Sequence[ModelSource | GivenModel],
    data: Samples,
    options: CompileOptions,
    methods: Sequence[str] | str,
    measure: Measure[Figures],
    *,
    readers: Mapping[str, ModelReader] | None = None,
    progress: Progress | None = None,
) -> ByLayer[Figures]:
    """Measure on ``data``, whose labels play no part, the program of every network by every method that applies to it.

    A network that was trained for some T by one of the methods is measured by that one alone.
    ``methods`` are names, or ``ALL`` that apply and have one of the neurons that ``measure`` knows.
    ``progress(done, total)`` counts programs. Raises ``UnusableInput`` with E603 for data that do not fit a network,
    E633 for a method that is not known, E637 for one that applies to no network or has other neurons, E360 for a
    network without a layer to measure.
    """
    target = usable_target(options)
    given = [read_given(model, options, readers) for model in models]
    read = {each.file: each.model for each in given}
    found = tuple(read.values())
    for model in found:
        checked_samples(data.inputs, None, model.network.input_shape, integers=model.network.integers)
    data = data.in_windows(options.timesteps)
    chosen = _chosen(found, options, methods, measure.neurons)
    work = tuple(_work(chosen.names, read, options, every=chosen.every))
    rows, kept, shared = [], list[Diagnostic](), SharedResults()
    for done, (name, file) in enumerate(work, 1):
        method = method_called(name)
        aim = aim_for(method, read[file], found)
        aimed = options if aim is None else replace(options, aim=aim.network)
        converted = convert(read[file], method, target, aimed, shared)
        kept += _remark_on_potentials(name, file, converted)
        layers = measure.of(converted, data)
        _require_layers(file, layers)
        rows.append(_row(name, file, converted, layers))
        if progress is not None:
            progress(done, len(work))
    return ByLayer(options.timesteps, len(data), target.name, tuple(rows), (*chosen.remarks, *kept))


def _chosen(
    models: Sequence[Model], options: CompileOptions, methods: Sequence[str] | str, neurons: Sequence[str]
) -> Chosen:
    """The methods to measure, with a remark for each that is left out where all were asked for."""
    chosen = chosen_methods(methods, models, options, (options.timesteps,))
    others = {name: method_called(name).options(options).neuron for name in chosen.names}
    others = {name: neuron for name, neuron in others.items() if neuron not in neurons}
    reasons = {
        name: f"what is measured says nothing of a neuron of the model '{each}'" for name, each in others.items()
    }
    hint = f"measure methods with the neurons {', '.join(neurons)}"
    if others and not chosen.every:
        raise UnusableInput(
            Diagnostic("E637", f"the method '{name}' does not apply: {reason}", hint=hint)
            for name, reason in reasons.items()
        )
    left_out = (
        Diagnostic("W637", f"the method '{name}' is left out: {reason}", hint=hint) for name, reason in reasons.items()
    )
    return Chosen(tuple(n for n in chosen.names if n not in others), chosen.every, (*chosen.remarks, *left_out))


def _work(
    names: Sequence[str], read: Mapping[str, Model], options: CompileOptions, *, every: bool
) -> Iterator[tuple[str, str]]:
    """Pairs of a method and the file of a network that it applies to.

    A network that was trained for some T by one of the methods is a result of that method, and of no other.
    """
    for name in names:
        for file, model in read.items():
            method = method_called(name)
            applies = inapplicable(method, model, tuple(read.values()), options) is None
            owners = _trained_by(model, names)
            if applies and (is_compared(method, model) or not every) and (not owners or name in owners):
                yield name, file


def _trained_by(model: Model, names: Sequence[str]) -> tuple[str, ...]:
    training = model.training
    if training is None or training.timesteps == 0:
        return ()
    return tuple(name for name in names if method_called(name).trained == training.kind)


def _row(name: str, file: str, converted: Converted, layers: Mapping[str, Figures]) -> MethodLayers[Figures]:
    read, program = converted.built.model, converted.program
    neurons = {INPUT: math.prod(program.input.shape), **{p.name: p.neurons for p in program.firing}}
    kind = "" if read.training is None else read.training.kind
    return MethodLayers(name, file, kind, neurons, layers, network_macs(read.network))


def _remark_on_potentials(method: str, file: str, converted: Converted) -> Iterator[Diagnostic]:
    """Say where a method that calibrates initial potentials left others: its row is then not of that method."""
    pipelined = converted.program.schedule == "pipelined"
    if pipelined and converted.uncalibrated is not None:
        message = f"'{method}' did not keep calibrated initial potentials: {converted.uncalibrated}"
        hint = "give --calibration FILE.npz with a few hundred training inputs, or leave the method out at this T"
        yield Diagnostic("W360", message, Place(file=file), hint=hint)


def _require_layers(file: str, layers: Mapping[str, Figures]) -> None:
    if not set(layers) - {INPUT}:
        message = "no layer of the network fires for an activation, so there is nothing to measure"
        raise refuse("E360", message, file=file, hint="give a network with an activation")
