"""Connects Lava's stock processes into the network that a program describes. Needs lava-nc."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from lava.proc.conv.process import Conv
from lava.proc.dense.process import Dense
from lava.proc.io.source import RingBuffer
from lava.proc.sparse.process import Sparse
from lava.utils.weightutils import SignMode
from scipy.sparse import csr_matrix

from ...targets.records import dataclass
from ..program import INPUT, SPIKES, ConvSynapses, Population, Program, Projection, Pulse, SparseSynapses
from ..program.neuron_models import GRADED
from ..program.synapses import message_range
from .encoding import Digit, encode_convolution, encode_digits, message_bits
from .graded.process import GradedNeurons
from .layout import Layout
from .neurons.process import Delay, IntegrateFire
from .recording import Recording

LavaPort = Any
LavaProcess = Any


@dataclass(frozen=True, slots=True)
class Graph:
    """All processes of a network and, by name, those that are populations."""

    processes: tuple[LavaProcess, ...]
    populations: dict[str, LavaProcess]


def connect_populations(
    program: Program, entry: LavaPort, *, recordings: Mapping[str, Recording] | None = None
) -> Graph:
    """Build the processes of ``program`` behind ``entry``, a port that sends its input in port order.

    ``recordings``: what each population writes to files, by name. The program must have no ``find_problems``.
    """
    builder = GraphBuilder(program, Layout.of(program), entry)
    return builder.build(recordings or {})


class GraphBuilder:
    """Makes the processes of a program one by one: populations of our own between Lava's own synapses.

    They are ``IntegrateFire``, or ``GradedNeurons`` with an ``IntegrateFire`` as the read-out.
    """

    def __init__(self, program: Program, layout: Layout, entry: LavaPort) -> None:
        self._program = program
        self._layout = layout
        self._entry = entry
        self._delayed: dict[tuple[str, int], LavaPort] = {}
        self._axons: dict[tuple[int, int], LavaPort] = {}
        self.processes: list[LavaProcess] = []
        self.populations: dict[str, LavaProcess] = {}

    def build(self, recordings: Mapping[str, Recording]) -> Graph:
        """Add all that the program has; ``recordings`` by population."""
        for population in self._program.populations:
            self.add_population(population, recordings.get(population.name))
        for projection in self._program.projections:
            self.add_projection(projection)
        for pulse in self._program.pulses:
            self.add_pulse(pulse)
        return Graph(tuple(self.processes), self.populations)

    def add_population(self, population: Population, recording: Recording | None) -> None:
        """Neurons that write what ``recording`` names."""
        is_graded = self._program.neuron.name == GRADED and population.threshold is not None
        process = (self._graded if is_graded else self._integrate_fire)(population, recording)
        self.populations[population.name] = process
        self.processes.append(process)

    def _graded(self, population: Population, recording: Recording | None) -> LavaProcess:
        name, threshold = population.name, population.threshold
        assert threshold is not None, "a read-out is no graded neuron"
        return GradedNeurons(
            name=name,
            shape=self._layout.port_shape(name),
            threshold=self._layout.to_port(name, threshold),
            initial_potential=self._layout.to_port(name, population.initial_potential),
            bias=self._layout.to_port(name, population.bias),
            payloads=population.payloads,
            state_minimum=self._program.state_minimum,
            state_maximum=self._program.state_maximum,
            recording=recording,
        )

    def _integrate_fire(self, population: Population, recording: Recording | None) -> LavaProcess:
        program, name = self._program, population.name
        threshold = population.threshold
        return IntegrateFire(
            name=name,
            shape=self._layout.port_shape(name),
            threshold=None if threshold is None else self._layout.to_port(name, threshold),
            initial_potential=self._layout.to_port(name, population.initial_potential),
            bias=self._layout.to_port(name, population.bias),
            state_minimum=program.state_minimum,
            state_maximum=program.state_maximum,
            reset_interval=program.window,
            reset_offset=population.depth % program.window,
            recording=recording,
        )

    def add_projection(self, projection: Projection) -> None:
        """Synapses, and what delays them."""
        source = self._source_port(projection)
        bounds = message_range(self._program, projection.source)
        bits = 0 if projection.source != INPUT and bounds == SPIKES else message_bits(bounds)
        if isinstance(projection.synapses, ConvSynapses):
            conv = self._conv(projection, projection.synapses, bits)
            self._join_synapses(source, conv, projection.target)
            return
        if isinstance(projection.synapses, SparseSynapses):
            self._add_sparse(projection, projection.synapses, source, bits)
            return
        weight = self._layout.dense_to_port(projection.source, projection.target, projection.effective_weight)
        self._add_dense(projection.name, source, projection.target, weight, bits)

    def add_pulse(self, pulse: Pulse) -> None:
        """Axons that fire together; a bias set for one step is the same arithmetic as one axon."""
        program = self._program
        axons = max(1, pulse.axons)
        # Synapses take one step; the ring's first column is sent at time step 1.
        column = (program.population(pulse.target).depth + pulse.step - 2) % program.window
        weight = self._layout.to_port(pulse.target, pulse.weight << pulse.exponent).reshape(-1, 1)
        self._add_dense(pulse.name, self._axons_firing_at(column, axons), pulse.target, np.repeat(weight, axons, 1), 0)

    def _axons_firing_at(self, column: int, axons: int) -> LavaPort:
        if (column, axons) not in self._axons:
            data = np.zeros((axons, self._program.window), dtype=np.int32)
            data[:, column] = 1
            ring = RingBuffer(data=data)
            ring.name = f"axons of pulses {len(self._axons)}"
            self.processes.append(ring)
            self._axons[column, axons] = ring.s_out
        return self._axons[column, axons]

    def _add_dense(self, name: str, source: LavaPort, target: str, weight: Any, bits: int) -> None:
        for number, digit in enumerate(encode_digits(weight)):
            options = _digit_options(name, number, digit, bits)
            self._join_synapses(source, self._added(Dense(weights=digit.weights, **options)), target)

    def _add_sparse(self, projection: Projection, synapses: SparseSynapses, source: LavaPort, bits: int) -> None:
        layout, target = self._layout, projection.target
        in_order = layout.sparse_to_port(projection.source, target, synapses)
        shape = layout.neurons(target), layout.neurons(projection.source)
        for number, digit in enumerate(encode_digits(in_order.weight << projection.exponent)):
            matrix = csr_matrix((digit.weights, (in_order.target, in_order.source)), shape=shape)
            # What a digit does not need is no synapse of its process.
            matrix.eliminate_zeros()
            options = _digit_options(projection.name, number, digit, bits)
            self._join_synapses(source, self._added(self._sparse(projection, matrix, options)), target)

    def _sparse(self, projection: Projection, matrix: csr_matrix, options: dict[str, Any]) -> LavaProcess:
        return Sparse(weights=matrix, **options)

    def _added(self, process: LavaProcess) -> LavaProcess:
        self.processes.append(process)
        return process

    def _join_synapses(self, source: LavaPort, synapses: LavaProcess, target: str) -> None:
        _join(source, synapses.s_in)
        _join(synapses.a_out, self.populations[target].a_in)

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

    def _port_of(self, name: str) -> LavaPort:
        return self._entry if name == INPUT else self.populations[name].s_out

    def _source_port(self, projection: Projection) -> LavaPort:
        name, delay = projection.source, projection.delay
        port = self._port_of(name)
        if not delay:
            return port
        if (name, delay) not in self._delayed:
            process = Delay(name=f"{name} delayed by {delay}", shape=self._layout.port_shape(name), steps=delay)
            self.processes.append(process)
            _join(port, process.s_in)
            self._delayed[name, delay] = process.s_out
        return self._delayed[name, delay]


def _digit_options(name: str, number: int, digit: Digit, bits: int) -> dict[str, Any]:
    return {
        "name": f"{name}.{number}" if number else name,
        "weight_exp": digit.weight_exp,
        "sign_mode": SignMode.MIXED,
        "num_message_bits": bits,
    }


def _join(source: LavaPort, destination: LavaPort) -> None:
    if tuple(source.shape) != tuple(destination.shape):
        assert np.prod(source.shape) == np.prod(destination.shape)
        source = source.reshape(new_shape=destination.shape)
    source.connect(destination)
