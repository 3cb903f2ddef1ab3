"""``spikec profile``: what each layer of a compiled program does on data, and the energy estimated from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ...runtime.progress import progress_bar
from ...targets.diagnostic import UnusableInput, refuse
from ...targets.records import dataclass
from ...targets.terminal.help_page import command, json_option, option
from ...targets.terminal.streams import tell, tell_json
from ...targets.terminal.verbosity import verbosity_options
from .compile_options import OUTPUT

if TYPE_CHECKING:
    from ...runtime.program import IntArray, Program
    from ..analysis.energy import EnergyRatio
    from ..analysis.residuals import Residuals
    from ..frontend.model import ModelReader
    from ..report import CostSection

_NOTES = (
    "rate: spikes per neuron and step; operations: synapses that a layer's spikes reach, per sample",
    "naive: share of final potentials outside [0, threshold), resting and clipped neurons included;",
    "over, under: share of neurons with more or fewer spikes than their input adds to",
)
_ESTIMATE = (
    "estimated by eq. 18 of Xiong et al. 2025 from 45 nm CMOS (Horowitz 2014: 4.6 pJ per multiply-accumulate,",
    "0.9 pJ per accumulate), not from any chip; bias additions, neuron updates and memory are ignored",
)
_OF_NETWORK = {
    "model": "the model as given",
    "program": "the program's own synapses, pooling folded; --model counts the model as given",
}


@dataclass(frozen=True, slots=True)
class LayerProfile:
    """One firing population; ``synaptic_operations`` per sample that its spikes cause in the layers behind it."""

    neurons: int
    spikes_per_neuron_and_step: float
    residuals: Residuals
    synaptic_operations: float


@dataclass(frozen=True, slots=True)
class Profile:
    """``layers`` by name; ``macs_of`` says whose multiply-accumulates ``energy`` compares with: model or program.

    ``cost`` is what the chip takes; None for a program of a chip that is not shipped.
    """

    samples: int
    macs_of: str
    layers: dict[str, LayerProfile]
    energy: EnergyRatio
    cost: CostSection | None = None


@command()
@click.argument("directory", metavar="DIR", type=click.Path())
@option("--data", required=True, metavar="FILE.npz", type=click.Path(), help="Inputs; labels are not needed.")
@option("--limit", type=click.IntRange(min=1), help="Use at most this many samples.")
@option(
    "--model",
    metavar="MODEL",
    type=click.Path(),
    help="Compare the energy with this model, which DIR was compiled from.",
)
@OUTPUT
@json_option
@verbosity_options
@click.pass_obj
def profile(
    readers: Mapping[str, ModelReader] | None,
    directory: str,
    data: str,
    limit: int | None,
    model: str | None,
    output: tuple[str, ...] | None,
    as_json: bool,
) -> None:
    """Measure spikes, residual potentials and synaptic operations of each layer, and estimate the energy."""
    from ...runtime.commands.run import load_encoded, read_program
    from ..analysis.energy import energy_ratio, fan_outs, program_macs, synaptic_operations
    from ..analysis.residuals import measure_activity

    program = read_program(directory)
    if output is not None and model is None:
        raise refuse("E630", "--output-name names an output of --model, which is not given", hint="give --model too")
    macs = program_macs(program) if model is None else _macs_of_model(program, model, output, directory, readers)
    _, encoded = load_encoded(program, data, limit)
    with progress_bar("profiling") as progress:
        activity = measure_activity(program, encoded, progress)
    operations = synaptic_operations(activity, fan_outs(program))
    layers = {
        name: LayerProfile(
            spikes.size,
            int(spikes.sum()) / (activity.samples * program.timesteps * spikes.size),
            activity.residuals[name],
            operations[name] / activity.samples,
        )
        for name, spikes in activity.spikes.items()
    }
    energy = energy_ratio(macs, program, activity)
    cost = _cost(program, encoded, macs)
    result = Profile(activity.samples, "program" if model is None else "model", layers, energy, cost)
    tell_json(asdict(result)) if as_json else tell(*profile_text(program, result).split("\n"))


def profile_text(program: Program, result: Profile) -> str:
    """Table of the layers, the input and their sum, and the estimate of energy, for a person."""
    energy = result.energy
    neurons = sum(layer.neurons for layer in result.layers.values())
    spikes = math.fsum(layer.spikes_per_neuron_and_step * layer.neurons for layer in result.layers.values())
    rate = f"{spikes / neurons:.4f}" if neurons else "-"
    rows = [
        ("layer", "neurons", "rate", "naive", "over", "under", "operations"),
        *((name, *_cells(layer)) for name, layer in result.layers.items()),
        ("total", str(neurons), rate, "-", "-", "-", f"{energy.synaptic_operations_per_sample:.1f}"),
    ]
    widths = (max(len(row[0]) for row in rows), 9, 8, 9, 9, 9, 14)
    lines = [
        f"{program.name} on {program.target}: {program.schedule}, T = {program.timesteps}, {result.samples} samples"
    ]
    for name, *cells in rows:
        numbers = "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths[1:], strict=True))
        lines.append(f"{name:{widths[0]}}{numbers}")
    lines += [
        *_NOTES,
        f"first layer: {energy.first_layer_macs} multiply-accumulates of real-valued input",
        f"ANN: {energy.macs_per_sample} multiply-accumulates ({_OF_NETWORK[result.macs_of]})",
        f"energy against the ANN: {_percent(energy.first_layer_once)} with the first layer computed once, "
        f"{_percent(energy.first_layer_every_step)} at every step",
        *_ESTIMATE,
        *_cost_lines(program, result.cost),
    ]
    return "\n".join(lines)


def _cost(program: Program, encoded: IntArray, macs: int) -> CostSection | None:
    from ...targets import load, names
    from ..analysis.cost import measure_cost
    from ..mapping import place

    if program.target not in names():
        return None
    target = load(program.target)
    return measure_cost(program, target, place(program, target), encoded, macs)


def _cost_lines(program: Program, cost: CostSection | None) -> tuple[str, ...]:
    from ..report.summary import energy_figure

    if cost is None:
        return (f"no joules and seconds: '{program.target}' is no shipped target",)
    if cost.estimate is None:
        return (f"no joules and seconds: {cost.reason}",)
    figure = energy_figure(cost.estimate)
    return (
        f"energy of a sample on {program.target}: {figure.value}, {figure.note}",
        f"counted on {cost.samples} samples, by {cost.estimate.source}; not measured, and without static power",
    )


def _cells(layer: LayerProfile) -> tuple[str, ...]:
    shares = (layer.residuals.naive, layer.residuals.over, layer.residuals.under)
    return (
        str(layer.neurons),
        f"{layer.spikes_per_neuron_and_step:.4f}",
        *(f"{share:.2%}" for share in shares),
        f"{layer.synaptic_operations:.1f}",
    )


def _percent(ratio: float | None) -> str:
    return "unknown" if ratio is None else f"{ratio:.2%}"


def _macs_of_model(
    program: Program,
    model: str,
    output: tuple[str, ...] | None,
    directory: str,
    readers: Mapping[str, ModelReader] | None,
) -> int:
    from ..analysis.energy import network_macs
    from ..frontend.model import examine_model
    from ..report.stored import read_report

    examined = examine_model(model, output=output, input_shape=program.input.sample_shape, readers=readers)
    compiled_from = read_report(directory).model.digest
    if examined.section.digest != compiled_from:
        raise refuse(
            "E630",
            f"--model is not what the artefact in {directory} was compiled from",
            file=model,
            hint=f"give the file whose SHA-256 is {compiled_from}, or leave --model out",
        )
    if examined.model is None:
        raise UnusableInput(examined.found)
    return network_macs(examined.model.network)
