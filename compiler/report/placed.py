"""Where the cores of a program lie, how full they are, and what passes between its layers: parts of a report."""

from __future__ import annotations

from ...targets.records import dataclass


@dataclass(frozen=True, slots=True)
class Budget:
    """Something that a core has ``limit`` of."""

    name: str
    limit: int


@dataclass(frozen=True, slots=True)
class CoreMap:
    """The cores of a program on its chips; core n is entry n of ``place``, ``fullest`` and ``used``.

    ``place`` counts cores chip by chip, ``chip_cores`` each, and there tile by tile, column by column. ``mesh`` holds
    columns, rows and cores of a tile; empty where no source states it. With ``arranged`` tiles lie where measured
    messages cost least, otherwise in the order of the program. ``layers`` holds the cores of each layer. Core n uses
    ``used[n]`` of ``budgets[fullest[n]]``, of which it has less left, as a share, than of the others.
    """

    chip_cores: int
    mesh: tuple[int, ...]
    arranged: bool
    place: tuple[int, ...]
    layers: dict[str, tuple[int, ...]]
    budgets: tuple[Budget, ...]
    fullest: tuple[int, ...]
    used: tuple[int, ...]

    @property
    def chips(self) -> int:
        """Chips that hold cores of the program."""
        return 1 + max(self.place) // self.chip_cores


@dataclass(frozen=True, slots=True)
class FlowRow:
    """Messages of a sample from ``source`` to ``target``; ``crossings`` pass from chip to chip, None without a mesh.

    A spike is a message to each core that it reaches. Where two targets share a core it is counted for both.
    """

    source: str
    target: str
    messages: float
    crossings: float | None


@dataclass(frozen=True, slots=True)
class ChipFlowRow:
    """Messages of a sample from one chip to another, both counted from 0."""

    source: int
    target: int
    messages: float


@dataclass(frozen=True, slots=True)
class TrafficSection:
    """What passes between layers, and between chips, on ``samples`` calibration samples, per sample."""

    samples: int
    flows: tuple[FlowRow, ...]
    chips: tuple[ChipFlowRow, ...]


@dataclass(frozen=True, slots=True)
class ActivityRow:
    """What the neurons of a firing layer do: shares from 0 to 1.

    ``rate`` is spikes per neuron and step. By their final potential v(T), neurons are ``over`` where they sent more
    spikes than their input adds to, ``under`` where fewer, ``outside`` where v(T) is not in [0, theta), right or not.
    """

    layer: str
    rate: float
    over: float
    under: float
    outside: float


@dataclass(frozen=True, slots=True)
class AccuracyPoint:
    """Accuracy (0..1) of one program of the same model on ``samples`` test samples, measured elsewhere.

    ``method`` made it for ``target``; ``latency`` and ``window`` are in steps. ``gated`` of its layers wait for their
    window where schedules are compared, None where methods are.
    """

    method: str
    gated: int | None
    target: str
    timesteps: int
    latency: int
    window: int
    accuracy: float
    samples: int


@dataclass(frozen=True, slots=True)
class BesideRow:
    """One program of the model for the same target, on calibration data; events are those of one sample.

    ``neurons`` is the neuron model, ``payload_bits`` the widest integer in a message, 0 of spikes. ``steps`` go from a
    sample's first input to its result, ``window`` from one sample to the next. ``operations_ratio`` is the energy
    against the ANN's by eq. 18 of Xiong et al. 2025, where a message with a payload multiplies; None without an ANN's
    products. ``accuracy`` says what held-out samples gave, empty without any.
    """

    neurons: str
    timesteps: int
    steps: int
    window: int
    cores: int
    payload_bits: int
    messages: float
    synaptic_events: float
    operations_ratio: float | None
    accuracy: str
