"""A few consecutive populations computed together, step by step, as the processes of the stock graph would."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ..program import Program, Projection
from .fused_neurons import FusedNeurons
from .fused_synapses import FusedSynapses, Messages, Scratch, fuse_synapses, message_type
from .layout import Layout
from .recording import Recording
from .sections import Section, bus_width

Bus = npt.NDArray[np.int32]


class FusedSection:
    """Populations of ``section`` with the projections into them, ``lanes`` samples side by side.

    At each time step: ``compute``, then ``receive`` what other sections sent in it, then ``send``. A bus is
    (lanes, values), the names of ``section.receives`` or ``section.sends`` one after the other, in port order.
    """

    def __init__(
        self, program: Program, section: Section, lanes: int, recordings: Mapping[str, Recording] | None = None
    ) -> None:
        self._section = section
        self._lanes = lanes
        self._layout = Layout.of(program)
        incoming = {name: program.incoming(name) for name in section.populations}
        self._projections: dict[str, tuple[tuple[Projection, FusedSynapses], ...]] = {
            name: tuple((p, fuse_synapses(program, p, self._layout, lanes)) for p in projections)
            for name, projections in incoming.items()
        }
        self.neurons = {
            name: FusedNeurons(program, program.population(name), self._layout, lanes, (recordings or {}).get(name))
            for name in section.populations
        }
        delays: dict[str, int] = {}
        for projection in (p for projections in incoming.values() for p in projections):
            delays[projection.source] = max(delays.get(projection.source, 0), projection.delay)
        self._history = {
            source: _History(message_type(program, source), (lanes, *self._layout.port_shape(source)), delay)
            for source, delay in delays.items()
        }
        self._scratch = Scratch()
        self._bus: Bus = np.zeros((lanes, bus_width(program, section.receives)), dtype=np.int32)

    def compute(self, time_step: int) -> None:
        """Advance every population by one step; uses messages of earlier steps only."""
        for name, neurons in self.neurons.items():
            neurons.begin(time_step)
            for projection, synapses in self._projections[name]:
                messages = self._history[projection.source].sent_at(time_step - 1 - projection.delay)
                if messages is not None:
                    neurons.potential += synapses.receive(messages, self._scratch)
            neurons.fire(time_step)
        for name, neurons in self.neurons.items():
            if name in self._history:
                self._history[name].keep(time_step, neurons.spikes)

    def receive(self, time_step: int, bus: Bus) -> None:
        """Take what other sections, or the source of the input, send at ``time_step``."""
        self._bus = bus
        first = 0
        for name in self._section.receives:
            values = bus[:, first : first + self._layout.neurons(name)]
            if name in self._history:
                self._history[name].keep(time_step, values.reshape(self._lanes, *self._layout.port_shape(name)))
            first += self._layout.neurons(name)

    def send(self) -> Bus:
        """What this step sends to later sections, forwarded messages included."""
        received, first = {}, 0
        for name in self._section.receives:
            received[name] = self._bus[:, first : first + self._layout.neurons(name)]
            first += self._layout.neurons(name)
        parts = [
            received[name] if name in received else self.neurons[name].spikes.reshape(self._lanes, -1)
            for name in self._section.sends
        ]
        return np.concatenate(parts, axis=1, dtype=np.int32)


class _History:
    """The last messages of one source; silent ones are remembered as such and cost nothing."""

    def __init__(self, kind: npt.DTypeLike, shape: tuple[int, ...], delay: int) -> None:
        self._sent: Messages = np.zeros((1 + delay, *shape), dtype=kind)
        self._spoke = [False] * (1 + delay)

    def keep(self, time_step: int, messages: Messages) -> None:
        slot = time_step % len(self._sent)
        self._spoke[slot] = bool(messages.any())
        if self._spoke[slot]:
            self._sent[slot] = messages

    def sent_at(self, time_step: int) -> Messages | None:
        slot = time_step % len(self._sent)
        return self._sent[slot] if self._spoke[slot] else None
