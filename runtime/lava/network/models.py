"""How a compiled network is made of stock synapses and integrate-and-fire neurons."""

from __future__ import annotations

from typing import Any

from lava.magma.core.decorator import implements
from lava.magma.core.model.sub.model import AbstractSubProcessModel
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

# Lava executes this file as a top-level module, where relative imports fail.
from spikec.runtime.lava.graph import connect_populations
from spikec.runtime.lava.layout import Layout
from spikec.runtime.lava.network.process import CompiledNetwork, readout_ports
from spikec.runtime.program import INPUT


@implements(proc=CompiledNetwork, protocol=LoihiProtocol)
class SubCompiledNetwork(AbstractSubProcessModel):  # type: ignore[misc]
    """Stock Conv, Dense and Sparse processes around ``IntegrateFire`` populations."""

    def __init__(self, process: Any) -> None:
        program = process.proc_params["program"]
        layout = Layout.of(program)
        entry = process.in_ports.a_in
        entry = entry.transpose([2, 1, 0]) if layout.is_spatial(INPUT) else entry.flatten()
        graph = connect_populations(program, entry)
        for index, part in enumerate(graph.processes):
            setattr(self, f"part{index:04d}", part)
        for number, readout in enumerate(program.readouts, start=1):
            made = graph.populations[readout.name]
            for inner, name in zip((made.s_out, made.v_out), readout_ports(number), strict=True):
                in_order = inner.transpose([2, 1, 0]) if layout.is_spatial(readout.name) else inner
                in_order.reshape(new_shape=readout.shape).connect(getattr(process.out_ports, name))
