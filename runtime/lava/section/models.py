"""How a section runs on a CPU: all of it in one process."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

# Lava executes this file as a top-level module, where relative imports fail.
from spikec.runtime.lava.fused_section import FusedSection
from spikec.runtime.lava.section.process import FusedPopulations


@implements(proc=FusedPopulations, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PyFusedPopulations(PyLoihiProcessModel):  # type: ignore[misc]
    """Computes while the section before it still does: what it sends at a step depends on earlier ones only."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    readout_spikes: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int8)
    readout_potential: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int64)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        section = proc_params["section"]
        lanes = proc_params["lanes"]
        self.section = FusedSection(proc_params["program"], section, lanes, proc_params["recordings"])
        self.last = self.section.neurons[section.populations[-1]]
        self.sends = bool(section.sends)

    def run_spk(self) -> None:
        """One time step."""
        self.section.compute(self.time_step)
        # Before anything is awaited, so that a network may lead the read-out back to the input.
        self.readout_spikes.send(self.last.spikes.reshape(self.readout_spikes.shape))
        if self.readout_potential.csp_ports:
            self.readout_potential.send(self.last.potential.reshape(self.readout_potential.shape).astype(np.int64))
        self.section.receive(self.time_step, self.s_in.recv())
        if self.sends:
            self.s_out.send(self.section.send())
