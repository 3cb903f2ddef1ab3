"""A whole layer in the kernel in C: sums and neurons of all steps at one place after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ...targets.records import dataclass
from ..execution import Way
from .graded import payload_type
from .messages import Messages, Sent, narrowest_unsigned, one_message, sum_over_pool
from .native import Connection, InstructionSet, LayerOfKernel
from .packing import CURRENTS, INT32_SUMS, PackedWeights, in_whole_vectors
from .plan import Connection as Planned
from .plan import Layer
from .reduction import Entries, Identity, MapShape, Matrix

_PASS, _FIRE, _DIVIDE, _INTEGRATE = range(4)
_INT32 = np.iinfo(np.int32)

Ints = npt.NDArray[np.int32]
Ways = tuple[Way, ...]


@dataclass(frozen=True, slots=True, eq=False)
class FusedLayer:
    """A layer as the kernel runs it: on maps of ``map``, which is flat where what it receives is.

    ``bias`` (steps or 1, ...), ``threshold``, ``initial`` and ``offset`` are of each neuron, or of each channel where
    these are ``alike`` at all places, repeated until they fill vectors.
    """

    layer: Layer
    instructions: InstructionSet
    map: MapShape
    incoming: tuple[Planned, ...]
    alike: bool
    bias: Ints
    threshold: Ints
    initial: Ints
    offset: Ints

    def fire(self, sent: Mapping[str, Sent], samples: int) -> tuple[Sent, Ways]:
        """What the population sends, given what its sources do, and how it was computed."""
        layer = self.layer
        if not layer.by_counts:
            trains = np.empty((layer.timesteps, samples, *layer.map), dtype=np.uint8)
            ran = self._run(sent, samples, trains, _FIRE, self.initial)
            return Sent(layer.timesteps, trains=trains, total=ran.spikes), self._ways(ran)
        if layer.population.gated:
            counts = np.empty((samples, *layer.map), dtype=narrowest_unsigned(layer.timesteps))
            ran = self._run(sent, samples, counts, _DIVIDE, self.offset, (0, layer.timesteps))
            return Sent(layer.timesteps, counts=counts), self._ways(ran)
        bounds = layer.population.payloads
        payloads = np.empty((samples, *layer.map), dtype=payload_type(bounds))
        ran = self._run(sent, samples, payloads, _DIVIDE, self.offset, bounds)
        return one_message(payloads), self._ways(ran)

    def integrate(self, sent: Mapping[str, Sent], samples: int) -> tuple[npt.NDArray[np.int64], Ways]:
        """Potential (n, neurons) of a read-out at the end of the window, and how it was computed."""
        layer = self.layer
        v = np.empty((samples, *layer.map), dtype=np.int32)
        ran = self._run(sent, samples, v, _INTEGRATE, self.offset if layer.by_counts else self.initial)
        return v.transpose(0, 3, 1, 2).reshape(samples, -1).astype(np.int64), self._ways(ran)

    def _ways(self, ran: LayerOfKernel) -> Ways:
        return tuple(map(self._way, self.incoming, ran.incoming[: len(self.incoming)]))

    def _way(self, planned: Planned, done: Connection) -> Way:
        in_numpy, packed = done.method == CURRENTS, planned.kernel
        is_fixed = in_numpy or not (isinstance(packed, PackedWeights) and packed.has_both_ways)
        kernel = "numpy" if in_numpy else self.instructions.name
        return Way(planned.source, kernel, done.by_rows, done.by_product, is_fixed)

    def _run(
        self,
        sent: Mapping[str, Sent],
        samples: int,
        output: Messages,
        neuron: int,
        initial: Ints,
        bounds: tuple[int, int] = (0, 0),
    ) -> LayerOfKernel:
        layer = self.layer
        steps = 1 if layer.by_counts else layer.timesteps
        # A window's biases are in the offset.
        bias = np.zeros_like(self.bias[:1]) if layer.by_counts else self.bias
        read = [self._connection(c, sent[c.source], samples) for c in self.incoming]
        height, width, channels = self.map
        ran = LayerOfKernel(
            samples=samples,
            steps=steps,
            height=height,
            width=width,
            channels=channels,
            connections=len(read),
            neuron=neuron,
            alike=self.alike,
            period=self.initial.size,
            bias_steps=len(bias),
            lowest=int(max(layer.bounds.lowest, _INT32.min)),
            highest=int(min(layer.bounds.highest, _INT32.max)),
            least=bounds[0],
            most=min(bounds[1], _INT32.max),
            width_of_output=output.itemsize,
            bias=bias.ctypes.data,
            threshold=self.threshold.ctypes.data,
            initial=initial.ctypes.data,
            incoming=(Connection * len(read))(*(connection for connection, _ in read)),
            output=output.ctypes.data,
        )
        self.instructions.run(ran)
        return ran

    def _connection(self, planned: Planned, source: Sent, samples: int) -> tuple[Connection, Messages]:
        """For the kernel, with the array that it reads."""
        layer = self.layer
        messages = source.graded if source.graded is not None else source.messages(layer.by_counts)
        stepped = messages[None] if messages.ndim == 4 else messages
        times = layer.timesteps if source.graded is not None and layer.by_counts else 1
        pool, packed = planned.reduced.pool, planned.kernel
        if isinstance(packed, PackedWeights) and self._reads(planned):
            given = packed.readable(stepped)
            if isinstance(planned.reduced.form, Identity) and self.map != layer.map:
                given = given.reshape(*given.shape[:2], 1, 1, -1)
            return packed.connection(given, pool, times), given
        pooled = sum_over_pool(stepped, pool, planned.largest)
        sums = packed(pooled.reshape(-1, *pooled.shape[2:])).astype(np.int32)
        height, width, channels = self.map
        connection = Connection(
            method=CURRENTS, steps=len(stepped), factor=times, height=height, width=width, channels=channels,
            groups=1, pool=(1, 1), kernel=(1, 1), stride=(1, 1), dilation=(1, 1), messages=sums.ctypes.data,
        )  # fmt: skip
        return connection, sums

    def _reads(self, planned: Planned) -> bool:
        form = planned.reduced.form
        return self.map[:2] == (1, 1) or not isinstance(form, Entries | Matrix)


def fused(layer: Layer) -> FusedLayer | None:
    """``layer`` for the kernel, or None where none of its projections is packed or 32 bits do not hold its sums."""
    packed = [c.kernel for c in layer.incoming if isinstance(c.kernel, PackedWeights)]
    if not packed or layer.bounds.reach >= INT32_SUMS:
        return None
    height, width, channels = layer.map
    neurons, size = layer.neurons, height * width * channels
    shape = (1, 1, size) if _is_flat(layer) else layer.map
    alike = (shape == layer.map and neurons.row < size) or height * width == 1
    is_repeated = alike or shape != layer.map
    length = channels if alike else size

    def ints(values: npt.NDArray[Any] | None) -> Ints:
        if values is None:
            return np.zeros(0, dtype=np.int32)
        own = (np.resize(values, length) if len(values) < length else values[:length]).astype(np.int32)
        return in_whole_vectors(own) if is_repeated else own

    incoming = tuple(_flattened(c, shape) for c in layer.incoming) if shape != layer.map else layer.incoming
    return FusedLayer(
        layer,
        packed[0].instructions,
        shape,
        incoming,
        is_repeated,
        np.stack([ints(bias) for bias in neurons.bias]),
        ints(neurons.threshold),
        ints(neurons.initial),
        ints(neurons.offset),
    )


def _is_flat(layer: Layer) -> bool:
    forms = [c.reduced.form for c in layer.incoming]
    in_place = all(
        isinstance(c.reduced.form, Matrix | Entries)
        or (isinstance(c.reduced.form, Identity) and c.reduced.pool == (1, 1) and isinstance(c.kernel, PackedWeights))
        for c in layer.incoming
    )
    return in_place and any(isinstance(form, Matrix | Entries) for form in forms)


def _flattened(planned: Planned, shape: MapShape) -> Planned:
    """An identity's factors for every place."""
    kernel = planned.kernel
    if not isinstance(planned.reduced.form, Identity) or not isinstance(kernel, PackedWeights):
        return planned
    rows = in_whole_vectors(np.resize(kernel.rows[0, : kernel.outputs], shape[2]))[None]
    return replace(planned, kernel=replace(kernel, rows=rows, outputs=shape[2], block=rows.shape[1]))
