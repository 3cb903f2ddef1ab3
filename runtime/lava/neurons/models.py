"""How the processes of ``process.py`` run on a CPU, bit for bit as the chip's integers would."""

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
from spikec.runtime.lava.neurons.process import Delay, IntegrateFire, SampleSource
from spikec.runtime.lava.recording import Recorder


@implements(proc=IntegrateFire, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PyIntegrateFire(PyLoihiProcessModel):  # type: ignore[misc]
    """Integrates, compares with >=, subtracts the threshold."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int8)
    v_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int64)
    v: Any = LavaPyType(np.ndarray, np.int64)
    initial_potential: Any = LavaPyType(np.ndarray, np.int64)
    bias: Any = LavaPyType(np.ndarray, np.int64)
    threshold: Any = LavaPyType(np.ndarray, np.int64)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.fires = proc_params["fires"]
        self.bounds = proc_params["state_minimum"], proc_params["state_maximum"]
        self.reset_interval = proc_params["reset_interval"]
        self.reset_offset = proc_params["reset_offset"]
        recording = proc_params["recording"]
        self.recorder = None if recording is None else Recorder(recording)

    def run_spk(self) -> None:
        """One time step."""
        synaptic_input = self.a_in.recv()
        if (self.time_step - 1 - self.reset_offset) % self.reset_interval == 0:
            self.v[:] = self.initial_potential
        self.v += synaptic_input
        self.v += self.bias
        np.clip(self.v, *self.bounds, out=self.v)
        if self.fires:
            spikes = self.v >= self.threshold
            np.subtract(self.v, self.threshold, out=self.v, where=spikes)
        else:
            spikes = np.zeros(self.v.shape, dtype=bool)
        self.s_out.send(spikes)
        self.v_out.send(self.v)
        if self.recorder is not None:
            self.recorder.record(self.time_step, spikes, self.v)


@implements(proc=Delay, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PyDelay(PyLoihiProcessModel):  # type: ignore[misc]
    """A ring of the last messages."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.ring = np.zeros((proc_params["steps"], *proc_params["shape"]), dtype=np.int32)

    def run_spk(self) -> None:
        """One time step."""
        oldest = self.ring[self.time_step % len(self.ring)]
        self.s_out.send(oldest)
        oldest[:] = self.s_in.recv()


@implements(proc=SampleSource, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PySampleSource(PyLoihiProcessModel):  # type: ignore[misc]
    """Reads samples from the mapped file as they are due."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.samples = np.load(proc_params["file"], mmap_mode="r")
        self.timesteps = proc_params["timesteps"]
        self.window = proc_params["window"]
        self.lanes = proc_params["lanes"]
        self.encoding = proc_params["encoding"]
        self.silence = np.zeros(proc_params["shape"], dtype=np.int32)
        self.given = np.zeros(proc_params["shape"], dtype=np.int64)

    def run_spk(self) -> None:
        """One time step."""
        window, step = divmod(self.time_step - 1, self.window)
        if step >= self.timesteps:
            self.s_out.send(self.silence)
            return
        samples = self.samples[window * self.lanes : (window + 1) * self.lanes]
        if samples.ndim == 3:
            self._load(samples[:, step])
            self.s_out.send(self.given.astype(np.int32))
            return
        if step == 0:
            self._load(samples)
        self.s_out.send(self.encoding.messages(self.given, step, self.timesteps).astype(np.int32))

    def _load(self, values: Any) -> None:
        by_lane = self.given.reshape(self.lanes, -1)
        by_lane[: len(values)] = values
        by_lane[len(values) :] = 0
