"""Connects Lava processes into the network that a program describes. Needs lava-nc."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.conv.process import Conv
from lava.proc.dense.process import Dense
from lava.utils.weightutils import SignMode

from ..program import INPUT, ConvSynapses, Population, Program, Projection
from .encoding import encode_convolution, encode_dense, message_bits
from .layout import Layout
from .limits import message_bounds
from .neurons.process import Delay, IntegrateFire
from .recording import Recording
from .synapses import PyConvExact, PyDenseExact

LavaPort = Any
LavaProcess = Any


@dataclass(frozen=True, slots=True)
class Graph:
    """All processes of a network and, by name, those that are populations."""

    processes: tuple[LavaProcess, ...]
    populations: dict[str, LavaProcess]


def run_config(*, stock: bool = False) -> Any:
    """Run configuration with the fast exact models of Conv and Dense, or (``stock``) Lava's own."""
    exact = {} if stock else {Conv: PyConvExact, Dense: PyDenseExact}
    return Loihi2SimCfg(select_tag="fixed_pt", exception_proc_model_map=exact)


def connect_populations(
    program: Program, entry: LavaPort, *, recordings: Mapping[str, Recording] | None = None, stock: bool = False
) -> Graph:
    """Build the processes of ``program`` behind ``entry``, a port that sends its input in port order.

    ``recordings``: what each population writes to files, by name. The program must have no ``find_problems``.
    """
    builder = _Builder(program, Layout.of(program), entry, stock)
    for population in program.populations:
        builder.add_population(population, (recordings or {}).get(population.name))
    for projection in program.projections:
        builder.add_projection(projection)
    return Graph(tuple(builder.processes), builder.populations)


class _Builder:
    def __init__(self, program: Program, layout: Layout, entry: LavaPort, stock: bool) -> None:
        self._program = program
        self._layout = layout
        self._entry = entry
        self._stock = stock
        self._delayed: dict[tuple[str, int], LavaPort] = {}
        self.processes: list[LavaProcess] = []
        self.populations: dict[str, LavaProcess] = {}

    def add_population(self, population: Population, recording: Recording | None) -> None:
        program, name = self._program, population.name
        threshold = population.threshold
        process = IntegrateFire(
            name=name,
            shape=self._layout.port_shape(name),
            threshold=None if threshold is None else self._layout.to_port(name, threshold),
            initial_potential=self._layout.to_port(name, population.initial_potential),
            bias=self._layout.to_port(name, population.bias),
            state_minimum=program.state_minimum,
            state_maximum=program.state_maximum,
            reset_interval=program.timesteps,
            reset_offset=population.depth % program.timesteps,
            recording=recording,
        )
        self.populations[name] = process
        self.processes.append(process)

    def add_projection(self, projection: Projection) -> None:
        source = self._source_port(projection)
        target = self.populations[projection.target].a_in
        bounds = message_bounds(self._program, projection.source)
        bits = message_bits(bounds) if projection.source == INPUT else 0
        if isinstance(projection.synapses, ConvSynapses):
            conv = self._conv(projection, projection.synapses, bits)
            _join(source, conv.s_in)
            _join(conv.a_out, target)
            return
        weight = self._layout.dense_to_port(projection.source, projection.target, projection.effective_weight)
        for digit, encoding in enumerate(encode_dense(weight)):
            dense = Dense(
                name=f"{projection.name}.{digit}" if digit else projection.name,
                weights=encoding.weights,
                weight_exp=encoding.weight_exp,
                sign_mode=SignMode.MIXED,
                num_message_bits=bits,
            )
            self.processes.append(dense)
            _join(source, dense.s_in)
            _join(dense.a_out, target)

    def _conv(self, projection: Projection, synapses: ConvSynapses, bits: int) -> LavaProcess:
        encoding = encode_convolution(synapses, projection.effective_weight)
        conv = Conv(
            name=projection.name,
            weight=encoding.weight,
            input_shape=self._layout.port_shape(projection.source),
            padding=encoding.padding,
            stride=encoding.stride,
            dilation=encoding.dilation,
            groups=encoding.groups,
            num_message_bits=bits,
        )
        self.processes.append(conv)
        return conv

    def _source_port(self, projection: Projection) -> LavaPort:
        name, delay = projection.source, projection.delay
        port = self._entry if name == INPUT else self.populations[name].s_out
        if not delay:
            return port
        if (name, delay) not in self._delayed:
            process = Delay(name=f"{name} delayed by {delay}", shape=self._layout.port_shape(name), steps=delay)
            self.processes.append(process)
            _join(port, process.s_in)
            self._delayed[name, delay] = process.s_out
        return self._delayed[name, delay]


def _join(source: LavaPort, destination: LavaPort) -> None:
    if tuple(source.shape) != tuple(destination.shape):
        assert np.prod(source.shape) == np.prod(destination.shape)
        source = source.reshape(new_shape=destination.shape)
    source.connect(destination)
