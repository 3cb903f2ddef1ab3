"""What a pass is: a frozen dataclass whose fields are its options and whose ``run`` is a pure function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any, Protocol

from ...runtime.program import Program
from ...runtime.program.neuron_models import GRADED, IF
from ...runtime.progress import Report as Progress
from ...runtime.progress import untold
from ...runtime.samples import Samples
from ...targets import Target
from ...targets.diagnostic import Diagnostic
from ...targets.records import dataclass
from ..ir.network import Network
from ..ir.operators import AnyFloat, FloatArray, Operator
from ..ir.spiking import SpikingNetwork
from ..shared_results import NOTHING_SHARED, SharedResults

DEFAULT_LEVELS = 31
"""Five bits of payload: a ReLU ResNet-20 loses half a point to them, and 2.7 points to four bits (docs/graded.md)."""

LEDGER_SAMPLES = 256
"""Calibration samples that the ledger is measured on, at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Compilation:
    """The three levels as far as they exist; a later level leaves the earlier ones in place for measuring."""

    network: Network
    spiking: SpikingNetwork | None = None
    program: Program | None = None
    measured: Mapping[str, Operator] = field(default_factory=dict)
    """What each activation was to which ``calibrate-thresholds`` gave a threshold from data, by name."""
    activity: dict[str, FloatArray] | None = None
    """Mean square of what each source of level 2 sends, by name, once ``encode-input`` has measured it."""


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """What every pass may read: the chip, the length of the window and unlabelled calibration data."""

    target: Target
    timesteps: int
    calibration: Samples | None = None
    weight_bits: int | None = None
    """Upper limit that the user sets, below the target's own."""
    schedule: str = "pipelined"
    exact_layers: frozenset[str] = frozenset()
    """Populations that the schedule ``mixed`` gates."""
    neuron: str = IF
    """Model of the firing neurons that the program will be given."""
    aim: Network | None = None
    """Network of the same form whose activations and scores the initial potentials aim at; None: the one compiled."""
    payload_levels: int = DEFAULT_LEVELS
    """Levels that graded neurons give to an activation without any."""
    frames: bool = False
    """Whether samples have a frame for every step."""
    potentials: dict[str, FloatArray] | None = None
    """Largest potential of each channel (C,) on calibration data, in the units of its population; None: to be proven.
    """
    ledger: bool = False
    """Whether a ledger is made of the stages: those that are not kept for it are measured as they pass."""
    progress: Progress = untold
    """Called with (done, total) by a pass that takes long, which reads nothing by it."""
    shared: SharedResults = NOTHING_SHARED
    """What others computed from the same data, and what is left for them."""

    @property
    def graded(self) -> bool:
        """Whether neurons send payloads; of passes that ask only this, all neurons that spike have the outcome."""
        return self.neuron == GRADED

    @property
    def levels(self) -> int:
        """Levels that an activation without any is given: as a window counts, or as graded neurons are to send."""
        return self.payload_levels if self.neuron == GRADED else self.timesteps

    @property
    def most_levels(self) -> int:
        """Levels that a neuron can tell apart in a window."""
        return self.target.largest_payload if self.neuron == GRADED else self.timesteps


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """Result of a pass: the new state (the same object where nothing changed), figures, and remarks.

    ``scores`` (N, classes) are what the state's float network gave to the N calibration samples as its first result,
    of a pass that ran it on all of them.
    """

    state: Compilation
    effect: dict[str, Any]
    diagnostics: tuple[Diagnostic, ...] = ()
    scores: AnyFloat | None = None


class Pass(Protocol):
    """A step of the compiler. ``name`` is its file's name with dashes."""

    @property
    def name(self) -> str:
        """Name as printed and as listed by ``spikec passes``."""

    @property
    def preserves(self) -> bool:
        """Whether the float network computes the same function afterwards; the runner checks it."""

    def __hash__(self) -> int:
        """Equal for passes of one kind with the same options, which are equal."""

    def run(self, state: Compilation, context: Context) -> Outcome:
        """Transform the state; raise ``UnusableInput`` with every reason why it cannot be done."""


def spiking_level(state: Compilation) -> SpikingNetwork:
    """Return level 2; AssertionError if the pass runs before ``compose-linear-maps``."""
    assert state.spiking is not None, "this pass needs the spiking network"
    return state.spiking


def float_network(state: Compilation) -> Network:
    """Return level 1 with the activations that it had before thresholds were chosen on data."""
    known = state.measured
    if not known:
        return state.network
    return state.network.with_nodes(
        tuple(replace(n, operator=known[n.name]) if n.name in known else n for n in state.network.nodes)
    )


def program_level(state: Compilation) -> Program:
    """Return level 3; AssertionError if the pass runs before ``fold-integers``."""
    assert state.program is not None, "this pass needs the program"
    return state.program
