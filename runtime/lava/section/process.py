"""Consecutive populations of a program as one Lava process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess

from ..sections import bus_width


class FusedPopulations(AbstractProcess):  # type: ignore[misc]
    """Populations of a ``section`` and the projections into them, ``lanes`` samples side by side.

    ``s_in`` (lanes, values) brings the messages of ``section.receives`` one after the other, each flat in port
    order, ``s_out`` those of ``section.sends``. ``readout_spikes`` and ``readout_potential`` (lanes, neurons) are
    those of the section's last population, in port order. Every projection takes its one step, as in Lava's own
    synapses. ``recordings`` by population make them write what they do to files.
    """

    def __init__(
        self, *, program: Any, section: Any, lanes: int = 1, recordings: Mapping[str, Any] | None = None, name: str
    ) -> None:
        super().__init__(program=program, section=section, lanes=lanes, recordings=recordings, name=name)
        self.s_in = InPort(shape=(lanes, bus_width(program, section.receives)))
        # A port cannot be empty; nothing is sent through it where nobody listens.
        self.s_out = OutPort(shape=(lanes, max(1, bus_width(program, section.sends))))
        last = program.population(section.populations[-1]).neurons
        self.readout_spikes = OutPort(shape=(lanes, last))
        self.readout_potential = OutPort(shape=(lanes, last))
