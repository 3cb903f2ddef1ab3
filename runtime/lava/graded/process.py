"""Neurons that send the sum of one step in one message, as a Lava process."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var


class GradedNeurons(AbstractProcess):  # type: ignore[misc]
    """Neurons without a state that outlives the step.

        u = saturate(initial_potential + a_in + bias);  s_out = clip(floor(u / threshold), *payloads)

    ``a_in`` takes synaptic input in weight units, ``s_out`` sends payloads, 0 where there is no message, and ``v_out``
    u, all of ``shape``. ``initial_potential``, ``bias`` and ``threshold`` broadcast to ``shape``; ``payloads`` are the
    least and the largest. ``recording`` (a ``Recording``) makes the neurons write what they send to files.
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        threshold: npt.ArrayLike,
        initial_potential: npt.ArrayLike,
        bias: npt.ArrayLike,
        payloads: tuple[int, int],
        state_minimum: int,
        state_maximum: int,
        recording: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            payloads=payloads,
            state_minimum=state_minimum,
            state_maximum=state_maximum,
            recording=recording,
            name=name,
        )

        def of_each_neuron(value: npt.ArrayLike) -> Var:
            return Var(shape=shape, init=np.broadcast_to(np.asarray(value, dtype=np.int64), shape))

        self.a_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape)
        self.v_out = OutPort(shape=shape)
        self.initial_potential = of_each_neuron(initial_potential)
        self.bias = of_each_neuron(bias)
        self.threshold = of_each_neuron(threshold)
