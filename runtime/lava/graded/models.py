"""How ``GradedNeurons`` run on a CPU, bit for bit as the program says."""

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
from spikec.runtime.lava.graded.process import GradedNeurons
from spikec.runtime.lava.recording import Recorder


@implements(proc=GradedNeurons, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyGradedNeurons(PyLoihiProcessModel):  # type: ignore[misc]
    """Adds, divides by the threshold, rounds down and clips."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    v_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int64)
    initial_potential: Any = LavaPyType(np.ndarray, np.int64)
    bias: Any = LavaPyType(np.ndarray, np.int64)
    threshold: Any = LavaPyType(np.ndarray, np.int64)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.payloads = proc_params["payloads"]
        self.bounds = proc_params["state_minimum"], proc_params["state_maximum"]
        recording = proc_params["recording"]
        self.recorder = None if recording is None else Recorder(recording)

    def run_spk(self) -> None:
        """One time step."""
        u = np.clip(self.initial_potential + self.a_in.recv() + self.bias, *self.bounds)
        sent = np.clip(u // self.threshold, *self.payloads).astype(np.int32)
        self.s_out.send(sent)
        self.v_out.send(u)
        if self.recorder is not None:
            self.recorder.record(self.time_step, sent, u)
