"""Connects Lava's own neurons and synapses into the network that a form describes. Needs lava-nc."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.atrlif.process import ATRLIF
from lava.proc.io.reset import Reset
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.lif.process import LIF, LIFReset
from lava.proc.sparse.process import DelaySparse, Sparse
from scipy.sparse import csr_matrix

from ...program import Population, Program, Projection
from ..graph import Graph, GraphBuilder, LavaPort, LavaProcess
from ..layout import Layout
from ..recording import Recorder, Recording
from .neurons import INPUT_SHIFT, Kind, StockForm, StockNeurons

_NO_CURRENT_LEFT = 4095
"""LIF adds one to it: 4096 of 4096 parts of the current decay in a step."""
_ALL_DECAYS = 4096


def connect_lava(form: StockForm, entry: LavaPort, *, recordings: Mapping[str, Recording] | None = None) -> Graph:
    """Build the processes of ``form`` behind ``entry``, which sends its input in port order; all are Lava's own.

    ``recordings``: for each population that fires, a sink of Lava's is added, and what it would write to files by the
    model ``PyRecordingSink``. Read-outs are LIF processes whose ``v`` is to be read, in units of 1/64 of a weight.
    """
    builder = _StockBuilder(form, Layout.of(form.program), entry)
    return builder.build(recordings or {})


class _StockBuilder(GraphBuilder):
    def __init__(self, form: StockForm, layout: Layout, entry: LavaPort) -> None:
        super().__init__(form.program, layout, entry)
        self._neurons = form.neurons

    def add_population(self, population: Population, recording: Recording | None) -> None:
        """A process of Lava's, those that reset it, and the sink that records it."""
        neurons = self._neurons[population.name]
        process = self._neuron_process(population, neurons)
        self.populations[population.name] = process
        self.processes.append(process)
        if neurons.kind is Kind.ATRLIF:
            self._add_reset(population, process.v, neurons.start)
            self._add_reset(population, process.r, 0)
        if recording is not None and population.threshold is not None:
            sink = Sink(shape=process.s_out.shape, buffer=1)
            sink.name = f"sink of {population.name}"
            sink.proc_params["recording"] = recording
            process.s_out.connect(sink.a_in)
            self.processes.append(sink)

    def _neuron_process(self, population: Population, neurons: StockNeurons) -> LavaProcess:
        name = population.name
        mantissa, exponent = (self._layout.to_port(name, part) for part in neurons.bias_mantissa_and_exponent)
        shared = {"shape": self._layout.port_shape(name), "bias_mant": mantissa, "bias_exp": exponent, "name": name}
        if neurons.kind is Kind.ATRLIF:
            return ATRLIF(
                **shared,
                v=neurons.start,
                theta_0=neurons.threshold,
                theta=neurons.threshold,
                theta_step=0,
                # The model multiplies it by 4096 and adds one: nothing is left of the current.
                delta_i=4095 / 4096,
                delta_v=0,
                delta_theta=0,
                delta_r=0,
            )
        if neurons.kind is Kind.LIF:
            return LIF(**shared, vth=neurons.threshold, du=_NO_CURRENT_LEFT, dv=_ALL_DECAYS)
        window = self._program.window
        return LIFReset(
            **shared,
            vth=neurons.threshold,
            du=_NO_CURRENT_LEFT,
            dv=0,
            reset_interval=window,
            reset_offset=(population.depth + 1) % window,
        )

    def _add_reset(self, population: Population, variable: Any, value: int) -> None:
        window = self._program.window
        # It acts at the end of the step before the window's first.
        reset = Reset(reset_value=value, interval=window, offset=(population.depth - 1) % window)
        reset.name = f"reset of {population.name}.{variable.name}"
        reset.connect_var(variable)
        self.processes.append(reset)

    def _source_port(self, projection: Projection) -> LavaPort:
        return self._port_of(projection.source)

    def _sparse(self, projection: Projection, matrix: csr_matrix, options: dict[str, Any]) -> LavaProcess:
        if not projection.delay:
            return Sparse(weights=matrix, **options)
        delays = matrix.copy()
        delays.data = np.full(len(matrix.data), projection.delay, dtype=np.int64)
        return DelaySparse(weights=matrix, delays=delays, **options)


@implements(proc=Sink, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyRecordingSink(PyLoihiProcessModel):  # type: ignore[misc]
    """A sink of Lava's that writes to the files of its recording; Lava's own would be read one value at a time."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    data: Any = LavaPyType(np.ndarray, np.int32)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.recorder = Recorder(proc_params["recording"])

    def run_spk(self) -> None:
        """One time step."""
        spikes = self.a_in.recv() != 0
        self.recorder.record(self.time_step, spikes, spikes)


def potentials(read: Any) -> Any:
    """Membrane potentials in weight units from the state ``read`` of a LIF."""
    return np.asarray(read).astype(np.int64) >> INPUT_SHIFT


def input_stream(program: Program, samples: Any) -> Any:
    """What the input sends at every step of a run, port order with the time last: ``data`` of Lava's RingBuffer.

    ``samples`` are those of a job's file: encoded samples (N, values), or frames (N, T, values).
    """
    steps, encoding, window = program.steps(len(samples)), program.input, program.window
    stream = np.zeros((*Layout.of(program).port_shape("input"), steps), dtype=np.int32)
    by_time = np.moveaxis(stream, -1, 0)
    for step in range(program.timesteps):
        has_frames = samples.ndim == 3
        sent = samples[:, step] if has_frames else encoding.messages(samples.astype(np.int64), step, program.timesteps)
        by_time[step : step + len(samples) * window : window] = sent.reshape(len(samples), *stream.shape[:-1])
    return stream
