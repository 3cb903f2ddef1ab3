"""Integrate-and-fire neurons, axonal delays and the source of graded input, as Lava processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var


class IntegrateFire(AbstractProcess):  # type: ignore[misc]
    """Reset-by-subtraction integrate-and-fire neurons with a saturating state.

        u = saturate(v + a_in + bias);  s_out = u >= threshold;  v = u - threshold * s_out

    ``a_in`` takes synaptic input in weight units, ``s_out`` sends 0 or 1 and ``v_out`` the membrane potential
    after the reset, all of ``shape``. ``initial_potential``, ``bias`` and ``threshold`` broadcast to ``shape``;
    ``threshold`` None is a read-out that never fires. Where (time step - 1 - ``reset_offset``) is a multiple of
    ``reset_interval``, v = ``initial_potential`` before integrating. ``recording`` (a ``Recording``) makes the
    neurons write what they do to files.
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        threshold: npt.ArrayLike | None,
        initial_potential: npt.ArrayLike,
        bias: npt.ArrayLike,
        state_minimum: int,
        state_maximum: int,
        reset_interval: int,
        reset_offset: int,
        recording: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            fires=threshold is not None,
            state_minimum=state_minimum,
            state_maximum=state_maximum,
            reset_interval=reset_interval,
            reset_offset=reset_offset,
            recording=recording,
            name=name,
        )

        def of_each_neuron(value: npt.ArrayLike) -> Var:
            return Var(shape=shape, init=np.broadcast_to(np.asarray(value, dtype=np.int64), shape))

        self.a_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape)
        self.v_out = OutPort(shape=shape)
        self.v = of_each_neuron(initial_potential)
        self.initial_potential = of_each_neuron(initial_potential)
        self.bias = of_each_neuron(bias)
        self.threshold = of_each_neuron(0 if threshold is None else threshold)


class Delay(AbstractProcess):  # type: ignore[misc]
    """Sends at step t what ``s_in`` brought at step t - ``steps``, and zeros before; ``steps`` is at least 1."""

    def __init__(self, *, shape: tuple[int, ...], steps: int, name: str | None = None) -> None:
        super().__init__(shape=shape, steps=steps, name=name)
        self.s_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape)


class SampleSource(AbstractProcess):  # type: ignore[misc]
    """Sends each sample of a file in the first ``timesteps`` of ``window`` steps, zeros in between and after.

    ``encoding`` (an ``InputEncoding``) says what of it at which step; a sample of frames sends each at its step.

    Sample n of the ``.npy`` file, (N, values) or frames (N, T, values), in port order, goes to lane n % ``lanes`` in
    window n // ``lanes``. ``shape`` is any that holds ``lanes`` samples.
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        file: Path,
        timesteps: int,
        window: int,
        encoding: Any,
        lanes: int = 1,
        name: str | None = None,
    ) -> None:
        super().__init__(
            shape=shape, file=file, timesteps=timesteps, window=window, encoding=encoding, lanes=lanes, name=name
        )
        self.s_out = OutPort(shape=shape)
