"""One run on Lava's own processes, inside the guarded worker. Needs lava-nc."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source

from ...program import INPUT
from ..job import Job
from .graph import PyRecordingSink, connect_lava, input_stream, potentials
from .neurons import StockForm


class StockSession:
    """The network of ``job`` behind a source of Lava's with all of its input."""

    def __init__(self, job: Job) -> None:
        assert job.stock_neurons is not None, "a session is for jobs with neurons of Lava's"
        self._job = job
        self.source = Source(data=input_stream(job.program, np.load(job.input_file)))
        self.source.name = INPUT
        form = StockForm(job.program, job.stock_neurons)
        graph = connect_lava(form, self.source.s_out, recordings=job.recordings)
        self._populations = graph.populations

    def run_config(self) -> Any:
        """Lava's own model of every process, but for sinks, which write to files."""
        return Loihi2SimCfg(select_tag="fixed_pt", exception_proc_model_map={Sink: PyRecordingSink})

    def play(self) -> None:
        """Run up to the end of each window of a read-out, and read the potentials there."""
        program, done = self._job.program, 0
        ends = [
            (sample * program.window + readout.depth + program.timesteps, readout.name)
            for sample in range(self._job.samples)
            for readout in program.readouts
        ]
        for step, name in sorted(ends):
            if step > done:
                self.source.run(condition=RunSteps(num_steps=step - done))
                done = step
            file = self._job.recordings[name].potentials
            assert file is not None, "read-outs are recorded by their potentials"
            with open(file, "ab") as recorded:
                recorded.write(np.ascontiguousarray(potentials(self._populations[name].v.get())).tobytes())
