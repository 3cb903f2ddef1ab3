"""Put together a report from a program, its placement and what the passes recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...runtime.program import Output, Population, Program, latency_with_gates
from ...runtime.program.neuron_models import PLAIN_IF
from ...targets import Number, Target
from ...targets.diagnostic import Diagnostic
from ..analysis.host import host_messages
from ..diagnostics.grouping import grouped
from ..frontend.model_section import ModelSection
from ..mapping import LayerPlacement, Placement
from .content import (
    SCHEMA,
    AgreementSection,
    LayerRow,
    LedgerRow,
    NeuronSection,
    NumbersRow,
    OutputRow,
    PassRow,
    ProgramSection,
    ReadLayer,
    Report,
    ResourceRow,
    TargetSection,
)
from .core_map import core_map
from .measured import OnChip
from .placed import BesideRow
from .verdict import verdict


def build_report(
    model: ModelSection,
    target: Target,
    diagnostics: Iterable[Diagnostic],
    *,
    program: Program | None = None,
    placement: Placement | None = None,
    strict: bool = False,
    origins: Mapping[str, tuple[str, ...]] | None = None,
    numbers: Iterable[NumbersRow] = (),
    ledger: Iterable[LedgerRow] = (),
    agreement: AgreementSection | None = None,
    passes: Iterable[PassRow] = (),
    read: Iterable[ReadLayer] = (),
    bounds: Iterable[ResourceRow] = (),
    on_chip: OnChip | None = None,
    beside: Iterable[BesideRow] = (),
) -> Report:
    """Report on ``program`` as placed on ``target``; without both, on a model that did not become a program.

    ``origins`` maps layers to the ONNX nodes they came from. ``read`` and ``bounds`` tell of a model without a program
    which layers were understood and what they take at least. ``on_chip`` is what samples did there, ``beside`` what
    other neurons would. Equal findings are told once.
    """
    found = tuple(diagnostics)
    return Report(
        schema=SCHEMA,
        strict=strict,
        verdict=verdict(found, strict, target.unbounded()),
        model=model,
        target=TargetSection(
            target.name, target.title, target.digest, target.assumed(), target.notes, target.unbounded()
        ),
        program=_program_section(program, placement) if program and placement else None,
        layers=_layer_rows(program, placement, found, strict, origins or {}) if program and placement else (),
        resources=_resource_rows(program, placement, target) if program and placement else tuple(bounds),
        numbers=tuple(numbers),
        ledger=tuple(ledger),
        agreement=agreement,
        passes=tuple(passes),
        diagnostics=grouped(found),
        read=tuple(read),
        neuron=_neuron_section(program) if program and program.neuron != PLAIN_IF else None,
        outputs=tuple(_output_row(program, output) for output in program.outputs) if program else (),
        cost=None if on_chip is None else on_chip.cost,
        core_map=core_map(placement, target, None if on_chip is None else on_chip.place) if placement else None,
        traffic=None if on_chip is None else on_chip.traffic,
        activity=() if on_chip is None else on_chip.activity,
        beside=tuple(beside),
    )


def _program_section(program: Program, placement: Placement) -> ProgramSection:
    return ProgramSection(
        schedule=program.schedule,
        timesteps=program.timesteps,
        window=program.window,
        depth=program.depth,
        latency=program.latency,
        pipelined_latency=latency_with_gates(program, frozenset()),
        gated_layers=sum(population.gated for population in program.populations),
        neurons=sum(population.neurons for population in program.populations),
        synapses=placement.synapses,
        cores=placement.cores,
        cores_bound=placement.bound,
    )


def _output_row(program: Program, output: Output) -> OutputRow:
    readout = program.population(output.readout)
    latency = readout.depth + program.first_pass_steps + program.timesteps
    return OutputRow(output.name, readout.name, readout.shape, latency, output.score_unit)


def _neuron_section(program: Program) -> NeuronSection:
    model = program.neuron
    return NeuronSection(model.name, model.extra_state, model.first_pass, program.first_pass_steps)


def _layer_rows(
    program: Program,
    placement: Placement,
    diagnostics: tuple[Diagnostic, ...],
    strict: bool,
    origins: Mapping[str, tuple[str, ...]],
) -> tuple[LayerRow, ...]:
    return tuple(
        _layer_row(
            program,
            population,
            placement.layer(population.name),
            tuple(d for d in diagnostics if population.name in (d.place.layer, *d.place.layers)),
            strict,
            origins.get(population.name, ()),
        )
        for population in program.populations
    )


def _layer_row(
    program: Program,
    population: Population,
    placed: LayerPlacement,
    own: tuple[Diagnostic, ...],
    strict: bool,
    onnx: tuple[str, ...],
) -> LayerRow:
    incoming = program.incoming(population.name)
    return LayerRow(
        name=population.name,
        onnx=tuple(onnx),
        shape=tuple(population.shape),
        neurons=population.neurons,
        synapses=placed.synapses,
        stored_once=placed.stored_once,
        threshold_configurations=placed.threshold_configurations,
        weight_bits=placed.weight_bits,
        exponents=tuple(projection.exponent for projection in incoming),
        delays=tuple(projection.delay for projection in incoming),
        depth=population.depth,
        gated=population.gated,
        cores=placed.cores,
        tile=placed.tile,
        border=(sum(placed.border.rows), sum(placed.border.columns)),
        held=tuple(each.form for each in placed.held),
        status=verdict(own, strict),
        codes=tuple(sorted({d.code for d in own})),
        sources=tuple(projection.source for projection in incoming),
    )


def _resource_rows(program: Program, placement: Placement, target: Target) -> tuple[ResourceRow, ...]:
    per_core = tuple(
        ResourceRow(
            layer=layer.name,
            name=use.name,
            used=use.used,
            limit=None if use.limit is None else use.limit.value,
            unit=use.unit,
            source=None if use.limit is None else use.limit.source,
            status=None if use.limit is None else use.limit.status.value,
        )
        for layer in placement.layers
        for use in layer.uses
    )
    chip: list[tuple[str, int, Number | None, str]] = [("cores", placement.cores, target.chip.cores, "cores")]
    host = host_messages(program, target, placement)
    chip.append(("host messages in a step, at most", host.sent, target.chip.host_messages, "messages"))
    chip.append(("host reads per sample", host.read, None, "values"))
    if target.chip.synapses is not None:
        chip += [
            ("synapses", placement.synapses, target.chip.synapses, "synapses"),
            ("synapses, kernels stored once", placement.stored_once, target.chip.synapses, "synapses"),
        ]
    return per_core + tuple(_chip_row(*row) for row in chip)


def _chip_row(name: str, used: int, limit: Number | None, unit: str) -> ResourceRow:
    if limit is None:
        return ResourceRow(None, name, used, None, unit, None, None)
    return ResourceRow(None, name, used, limit.value, unit, limit.source, limit.status.value)
