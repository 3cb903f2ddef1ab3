"""Order of neurons in Lava's ports: stock Conv wants (columns, rows, channels), everything else is flat."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...targets.records import dataclass
from ..program import INPUT, ConvSynapses, Program, Shape, SparseSynapses

Values = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Layout:
    """Port order of the input and of each population.

    What touches a convolution is *spatial*: program order (channels, rows, columns) becomes port order
    (columns, rows, channels). Dense and sparse weights are permuted instead of messages, so no step pays for it.
    """

    shapes: dict[str, Shape]
    spatial: frozenset[str]

    @classmethod
    def of(cls, program: Program) -> Layout:
        """Layout of ``program``."""
        shapes = {INPUT: program.input.shape} | {p.name: p.shape for p in program.populations}
        convolved = [p for p in program.projections if isinstance(p.synapses, ConvSynapses)]
        return cls(shapes, frozenset(name for p in convolved for name in (p.source, p.target)))

    def is_spatial(self, name: str) -> bool:
        """Whether the port order of ``name`` differs from its program order."""
        return name in self.spatial

    def neurons(self, name: str) -> int:
        """Number of neurons (or input values)."""
        return int(np.prod(self.shapes[name]))

    def port_shape(self, name: str) -> Shape:
        """Shape of the Lava port of ``name``."""
        return self.shapes[name][::-1] if self.is_spatial(name) else (self.neurons(name),)

    def to_port(self, name: str, values: Values) -> Values:
        """Values that broadcast to the program shape of ``name``, in its port shape."""
        shaped: Values = np.broadcast_to(values, self.shapes[name])
        return shaped.transpose(2, 1, 0) if self.is_spatial(name) else shaped.reshape(-1)

    def samples_to_port(self, samples: Values) -> Values:
        """Encoded samples (..., *input shape) in port order, one row (..., input values) each."""
        leading = samples.shape[: samples.ndim - len(self.shapes[INPUT])]
        in_order = np.moveaxis(samples, (-1, -3), (-3, -1)) if self.is_spatial(INPUT) else samples
        return in_order.reshape(*leading, -1)

    def from_port(self, name: str, rows: Values) -> Values:
        """Rows (..., neurons) in port order, in program order (C order of the shape)."""
        if not self.is_spatial(name):
            return rows
        in_order: Values = rows.reshape(-1, *self.port_shape(name)).transpose(0, 3, 2, 1).reshape(rows.shape)
        return in_order

    def dense_to_port(self, source: str, target: str, weight: Values) -> Values:
        """Dense ``weight`` (targets, sources) with rows and columns in port order."""
        permuted: Values = weight[np.ix_(self._port_permutation(target), self._port_permutation(source))]
        return permuted

    def sparse_to_port(self, source: str, target: str, synapses: SparseSynapses) -> SparseSynapses:
        """Sparse ``synapses`` with coordinates in port order."""
        from_place, to_place = np.argsort(self._port_permutation(source)), np.argsort(self._port_permutation(target))
        sources, targets = from_place[synapses.source], to_place[synapses.target]
        order = np.lexsort((sources, targets))
        return SparseSynapses(synapses.weight[order], sources[order], targets[order])

    def _port_permutation(self, name: str) -> Values:
        indices = np.arange(self.neurons(name)).reshape(self.shapes[name])
        return self.to_port(name, indices).reshape(-1)
