"""Connects the sections of a program, each one Lava process, and lets a run configuration choose them. Needs lava-nc.

The network that is emitted stays the stock graph: ``run_config`` maps ``CompiledNetwork`` to the model made of
sections, and any other configuration finds the one made of stock processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lava.magma.core.decorator import implements
from lava.magma.core.model.sub.model import AbstractSubProcessModel
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.conv.process import Conv
from lava.proc.dense.process import Dense

from ..program import INPUT, Program
from .layout import Layout
from .network.process import CompiledNetwork, readout_ports
from .recording import Recording
from .section.process import FusedPopulations
from .sections import Section, available_cores, cut_at_readouts
from .synapses import PyConvExact, PyDenseExact

LavaPort = Any
LavaProcess = Any


def run_config(*, stock: bool = False, fused: bool = True) -> Any:
    """Run configuration for ``CompiledNetwork`` and its parts.

    ``fused`` runs a network as a few processes. Otherwise, and always with ``stock``, each stock process runs as one
    of its own: with the fast exact models of Conv and Dense, or (``stock``) with those that come with Lava.
    """
    chosen: dict[type, type] = {} if stock else {Conv: PyConvExact, Dense: PyDenseExact}
    if fused and not stock:
        chosen[CompiledNetwork] = SubFusedNetwork
    return Loihi2SimCfg(select_tag="fixed_pt", exception_proc_model_map=chosen)


def connect_sections(
    program: Program,
    sections: tuple[Section, ...],
    entry: LavaPort,
    *,
    lanes: int = 1,
    recordings: Mapping[str, Recording] | None = None,
) -> tuple[LavaProcess, ...]:
    """Build the ``sections`` of ``program`` behind ``entry``, which sends (lanes, input values) in port order."""
    processes: list[LavaProcess] = []
    for section in sections:
        first, last = section.populations[0], section.populations[-1]
        process = FusedPopulations(
            name=first if first == last else f"{first} to {last}",
            program=program,
            section=section,
            lanes=lanes,
            recordings=recordings,
        )
        (processes[-1].s_out if processes else entry).connect(process.s_in)
        processes.append(process)
    return tuple(processes)


@implements(proc=CompiledNetwork, protocol=LoihiProtocol)
class SubFusedNetwork(AbstractSubProcessModel):  # type: ignore[misc]
    """A few processes that compute what the stock graph does."""

    def __init__(self, process: Any) -> None:
        program = process.proc_params["program"]
        layout = Layout.of(program)
        entry = process.in_ports.a_in
        in_order = entry.transpose([2, 1, 0]) if layout.is_spatial(INPUT) else entry
        flat = in_order.reshape(new_shape=(1, layout.neurons(INPUT)))
        sections = connect_sections(program, cut_at_readouts(program, available_cores()), flat)
        for index, section in enumerate(sections):
            setattr(self, f"section{index:04d}", section)
        readouts = program.readouts
        for number, (readout, section) in enumerate(zip(readouts, sections[-len(readouts) :], strict=True), start=1):
            ports = (section.readout_spikes, section.readout_potential)
            for inner, name in zip(ports, readout_ports(number), strict=True):
                shaped = inner.reshape(new_shape=layout.port_shape(readout.name))
                in_order = shaped.transpose([2, 1, 0]) if layout.is_spatial(readout.name) else shaped
                in_order.reshape(new_shape=readout.shape).connect(getattr(process.out_ports, name))
