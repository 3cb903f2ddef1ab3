"""What a report says: frozen data, of which ``report.json`` is the image field by field."""

from __future__ import annotations

from typing import Any

from ...targets.diagnostic import Diagnostic
from ...targets.records import dataclass
from ..frontend.model_section import ModelSection
from .placed import AccuracyPoint, ActivityRow, BesideRow, CoreMap, TrafficSection

SCHEMA = "spikec-report/1"


@dataclass(frozen=True, slots=True)
class TargetSection:
    """The chip compiled for; ``assumed`` are the keys of its numbers that no source states.

    ``rests_on`` are those among them that could as well be worse for a program, so that the verdict rests on them.
    """

    name: str
    title: str
    digest: str
    assumed: tuple[str, ...]
    notes: tuple[str, ...]
    rests_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProgramSection:
    """The compiled program as a whole.

    In time steps: ``window`` from one sample to the next, ``latency`` from a sample's first input to its last read-out,
    ``depth`` from the input to that read-out's window; ``pipelined_latency`` and the window T are what the same
    network takes without gates and first passes. Its layers by themselves fill ``cores_bound``.
    """

    schedule: str
    timesteps: int
    window: int
    depth: int
    latency: int
    pipelined_latency: int
    gated_layers: int
    neurons: int
    synapses: int
    cores: int
    cores_bound: int


@dataclass(frozen=True, slots=True)
class OutputRow:
    """One of several outputs: ``layer`` reads it out, ``latency`` steps after a sample's first input.

    ``score_unit`` times a potential is a score as the float network gives it.
    """

    name: str
    layer: str
    shape: tuple[int, ...]
    latency: int
    score_unit: float | None


@dataclass(frozen=True, slots=True)
class NeuronSection:
    """The neuron model, where it is not the plain one: what each neuron keeps beyond the plain one's state.

    ``first_pass`` are its tau or rho steps, ``first_pass_steps`` all steps that they add to latency and window.
    """

    model: str
    state: tuple[str, ...]
    first_pass: int
    first_pass_steps: int


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One population: ``synapses`` unrolled, ``stored_once`` as the program stores them; ``status`` is its own verdict.

    It lies on ``cores`` cores in boxes of ``tile`` (channels, rows, columns), with ``border`` (rows, columns) more rows
    and columns of neurons that never fire; ``held`` is how a core holds each incoming projection. ``sources`` are the
    layers, or the input, at their other ends.
    """

    name: str
    onnx: tuple[str, ...]
    shape: tuple[int, ...]
    neurons: int
    synapses: int
    stored_once: int
    threshold_configurations: int
    weight_bits: int
    exponents: tuple[int, ...]
    delays: tuple[int, ...]
    depth: int
    gated: bool
    cores: int
    tile: tuple[int, ...]
    border: tuple[int, ...]
    held: tuple[str, ...]
    status: str
    codes: tuple[str, ...]
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResourceRow:
    """Use of one resource by the fullest core of ``layer``, or by the whole program where ``layer`` is None."""

    layer: str | None
    name: str
    used: int
    limit: int | None
    unit: str
    source: str | None
    status: str | None


@dataclass(frozen=True, slots=True)
class Overflow:
    """Whether no potential can leave the state; ``margin`` is the least distance to its bounds in weight units."""

    proven: bool
    margin: float | None


@dataclass(frozen=True, slots=True)
class NumbersRow:
    """What quantisation did to one layer.

    ``bits_gained`` by scales per channel; ``clipped`` weights; ``worst_rounding`` as a fraction of the threshold.
    """

    layer: str
    weight_bits: int
    bits_gained: float
    clipped: int
    worst_rounding: float
    overflow: Overflow


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One stage between the float network and the spikes, on ``samples`` calibration samples.

    ``accuracy`` (0..1) is None without labels. ``agreement`` (0..1) is the share of samples to which the stage gives
    the ANN's class, ``correlation`` (-1..1) that of its scores with the ANN's; None where nothing was measured.
    """

    stage: str
    accuracy: float | None
    samples: int
    note: str
    agreement: float | None = None
    correlation: float | None = None


@dataclass(frozen=True, slots=True)
class FirstDifference:
    """Where two backends first disagree, and the value of each backend there."""

    layer: str
    neuron: int
    step: int
    sample: int
    values: dict[str, int]


@dataclass(frozen=True, slots=True)
class AgreementSection:
    """Comparison of backends, spike by spike."""

    backends: tuple[str, ...]
    samples: int
    equal: bool
    first_difference: FirstDifference | None


@dataclass(frozen=True, slots=True)
class PassRow:
    """What one pass did: ``effect`` in a sentence, ``figures`` as data."""

    name: str
    changed: bool
    effect: str
    figures: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ReadLayer:
    """One layer of a model that did not become a program, as far as it was understood.

    ``neurons`` are the values of its result, each of which takes a neuron where an activation follows; ``macs`` the
    multiply-accumulates of one sample, the synapses of an unrolled projection at most.
    """

    name: str
    operator: str
    shape: tuple[int, ...]
    parameters: int
    neurons: int
    macs: int


@dataclass(frozen=True, slots=True)
class CostRow:
    """Events of one layer per sample: the spikes that it sends, as messages and hops, and what reaches it.

    ``hops`` is None where the chip has no mesh of tiles, ``joules`` without figures per event.
    """

    layer: str
    spikes: float
    messages: float
    hops: float | None
    synaptic_events: float
    updates: float
    joules: float | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """Joules and seconds, estimated from figures per event that ``source`` states, known as ``status``.

    Of one sample alone on the chip: ``joules`` between ``joules_least`` and ``joules_most`` by the bounds of the
    figures, ``joules_by_part`` (synapse, soma, network), and ``seconds``; ``seconds_streamed`` from one sample to the
    next where they follow each other without gaps. ``input_joules`` is what the synaptic events of the host's messages
    would add; sending them has no figure.
    """

    source: str
    status: str
    joules: float
    joules_least: float
    joules_most: float
    joules_by_part: dict[str, float]
    input_joules: float
    seconds: float
    seconds_streamed: float


@dataclass(frozen=True, slots=True)
class CostSection:
    """What the program's spikes cause on the chip, counted on ``samples`` calibration samples, and what it costs.

    ``estimate`` is None where the target has no figures per event; ``reason`` then says so. ``host_messages`` go in
    and ``host_values`` come out, per sample; ``host_most`` go in at the busiest step. ``crossings`` of the messages
    pass from chip to chip, None without a mesh. ``neurobench`` has the names of NeuroBench's metrics;
    ``synaptic_operations`` are those per sample: Effective_MACs, Effective_ACs, Dense. ``ratio_once`` and
    ``ratio_every_step`` are the energy against the ANN's by eq. 18, the first layer counted once or at every step.
    """

    samples: int
    steps: int
    host_messages: float
    host_values: int
    crossings: float | None
    rows: tuple[CostRow, ...]
    estimate: Estimate | None
    reason: str
    neurobench: dict[str, float]
    synaptic_operations: dict[str, float]
    ratio_once: float | None
    ratio_every_step: float | None
    host_most: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a compilation or check found. Lists are empty and sections None where nothing is known."""

    schema: str
    strict: bool
    verdict: str
    model: ModelSection
    target: TargetSection
    program: ProgramSection | None
    layers: tuple[LayerRow, ...]
    resources: tuple[ResourceRow, ...]
    numbers: tuple[NumbersRow, ...]
    ledger: tuple[LedgerRow, ...]
    agreement: AgreementSection | None
    passes: tuple[PassRow, ...]
    diagnostics: tuple[Diagnostic, ...]
    neuron: NeuronSection | None = None
    """Absent, in JSON too, for plain neurons."""
    program_digest: str | None = None
    """SHA-256 of the artefact's program.json; absent, in JSON too, where the report is not part of an artefact."""
    read: tuple[ReadLayer, ...] = ()
    """Layers of a model without a program; absent, in JSON too, with one."""
    outputs: tuple[OutputRow, ...] = ()
    """Absent, in JSON too, where there is one."""
    cost: CostSection | None = None
    """Absent, in JSON too, where no activity was measured: without calibration data, or for other neurons."""
    core_map: CoreMap | None = None
    """Absent, in JSON too, where the target states no budget of a core, or tens of thousands of cores are in use."""
    traffic: TrafficSection | None = None
    """Absent, in JSON too, as ``cost`` is."""
    activity: tuple[ActivityRow, ...] = ()
    """Absent, in JSON too, as ``cost`` is."""
    beside: tuple[BesideRow, ...] = ()
    """Absent, in JSON too, for other than graded neurons, and as ``cost`` is."""
    accuracies: tuple[AccuracyPoint, ...] = ()
    """Absent, in JSON too, where no measurement was given."""

    def text(self, width: int | None = None) -> str:
        """As ``spikec report`` prints it, as wide as ``width`` characters."""
        from .text import report_text

        return report_text(self) if width is None else report_text(self, width=width)

    def markdown(self) -> str:
        """As ``spikec report --format markdown`` prints it."""
        from .markdown import report_markdown

        return report_markdown(self)

    def json(self) -> str:
        """As the artefact keeps it."""
        from .json_form import report_json

        return report_json(self)

    def html(self) -> str:
        """One self-contained page, as the artefact keeps it."""
        from .html import report_html

        return report_html(self)

    def _repr_html_(self) -> str:
        """The page in a frame of its own, so that its style stays out of the notebook that shows it."""
        from .html import report_frame

        return report_frame(self)
