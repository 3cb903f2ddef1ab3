"""Random networks by number: ONNX files of every operator that spikec reads, and inputs for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import onnx.defs

from . import branches, layers, oddities, sparse_layers
from .activations import write_activation, write_end, write_nothing
from .choices import Array, Choices
from .draft import Draft, Value

SHAPES = (
    (1, 2, 2),
    (2, 6, 5),
    (1, 8, 8),
    (3, 5, 5),
    (2, 1, 9),
    (1, 1, 1),
    (4, 3, 7),
    (7,),
    (1,),
    (3, 10),
    (2, 1),
    (5, 2, 2),
)
OPSETS = (17, *range(7, onnx.defs.onnx_opset_version() + 1))
LARGEST = 600
"""Entries of a value, beyond which a network grows no further."""


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """What the networks of a campaign may be; part of a network's identity beside its number."""

    seed: int = 0
    oddities: bool = True
    """Whether some networks hold what no integrate-and-fire network computes."""


@dataclass(frozen=True, slots=True, eq=False)
class DrawnNetwork:
    """A model file, float samples for it, and what is known about it."""

    model: bytes
    samples: Array
    opset: int
    relu: bool
    """Whether thresholds need calibration data."""
    expressible: bool
    """Whether a spiking network computes it, so that a refusal is a fault."""
    decisions: tuple[int, ...]
    outputs: tuple[str, ...] = ()
    """Names of its outputs, where it has several."""


def drawn_network(number: int, settings: NetworkSettings, replayed: Sequence[int] | None = None) -> DrawnNetwork:
    """Network ``number`` of a campaign; with ``replayed`` decisions the network that these make."""
    choices = Choices(f"network {settings.seed} {number}", replayed)
    shape = choices.pick(SHAPES)
    opset = choices.pick(OPSETS)
    batch = choices.pick((None, None, 1, 3))
    last = len(shape) > 1 and choices.chance(0.15)
    draft = Draft(choices, opset, batch, last, np.float64 if choices.chance(0.04) else np.float32)
    source = Value(choices.pick(("x", "input", "input.1", "serving_default_x:0")), shape)
    growth = _Growth(draft, relu=choices.chance(0.15), odd=settings.oddities and choices.chance(0.08))
    result = growth.grown(source)
    results = (result, *_further_results(growth.passed, result, Choices(f"outputs {settings.seed} {number}")))
    model = draft.model(source, results)
    samples = _samples(choices, (batch or 3, *draft.stored_shape(shape)))
    content = model.SerializeToString(deterministic=True)
    return DrawnNetwork(
        content,
        samples.astype(draft.dtype),
        opset,
        growth.relu or draft.compares,
        not growth.strange,
        tuple(choices.taken),
        tuple(each.name for each in results) if len(results) > 1 else (),
    )


def _further_results(passed: Sequence[Value], result: Value, choices: Choices) -> list[Value]:
    """Some of the values that the network ``passed`` on its way, as outputs beside ``result``; mostly none."""
    others = {value.name: value for value in passed if value.name != result.name}
    wanted = choices.pick((0, 0, 0, 0, 1, 1, 2))
    further: list[Value] = []
    while len(further) < wanted and others:
        further.append(others.pop(choices.pick(tuple(others))))
    return further


def _samples(choices: Choices, shape: tuple[int, ...]) -> Array:
    random = choices.array()
    kind = choices.pick(("uniform", "bytes", "normal", "blank"))
    if kind == "bytes":
        return np.asarray(random.integers(0, 256, shape) / 255)
    if kind == "normal":
        return np.asarray(random.normal(size=shape))
    return np.zeros(shape) if kind == "blank" else np.asarray(random.random(shape))


class _Growth:
    """Lets a network grow value by value."""

    def __init__(self, draft: Draft, *, relu: bool, odd: bool) -> None:
        self.draft = draft
        self.relu = relu
        self.strange = False
        self.passed: list[Value] = []
        """What each part of the network gives."""
        self._odd = odd

    def activate(self, draft: Draft, value: Value) -> Value:
        """Write an activation, or in an odd network something else."""
        if self._odd and draft.choices.chance(0.3):
            self.strange = True
            return oddities.write_oddity(draft, value)
        rectified = self.relu and draft.choices.chance(0.7)
        return write_activation(draft, value, relu=rectified)

    def grown(self, source: Value) -> Value:
        draft, choices = self.draft, self.draft.choices
        value = source
        for _ in range(choices.whole(1, 6)):
            before = len(draft.nodes)
            value = self._part(value)
            if choices.chance(0.04) and len(draft.nodes) > before:
                value = Value(write_nothing(draft, value.name), value.shape)
            if len(draft.nodes) > before:
                self.passed.append(value)
        value = self._headed(value)
        if value.name == source.name:
            value = layers.dense(draft, layers.flat(draft, value), 3)
        if choices.chance(0.05):
            layers.affine(draft, value)
        return value

    def _part(self, value: Value) -> Value:
        if np.prod(value.shape) > LARGEST:
            return layers.average_pool(self.draft, value) if len(value.shape) > 1 else value
        return self.draft.choices.pick(self._parts(value))(value)

    def _parts(self, value: Value) -> list[Callable[[Value], Value]]:
        draft = self.draft
        anywhere: list[Callable[[Value], Value]] = [
            lambda v: self.activate(draft, v),
            lambda v: layers.affine(draft, v),
            lambda v: branches.cut(draft, v),
            lambda v: branches.doubled(draft, v),
            lambda v: layers.norm(draft, v),
        ]
        if len(value.shape) == 1:
            return [self._dense, self._dense, self._dense, *anywhere, lambda v: branches.lifted(draft, v)]
        return [
            *(self._convolution,) * 5,
            *anywhere,
            lambda v: layers.average_pool(draft, v),
            *(lambda v: layers.max_pool(draft, v),) * 2,
            lambda v: branches.pad(draft, v),
            lambda v: branches.moved(draft, v),
            *(lambda v: sparse_layers.write_sparse(draft, v),) * 5,
            *(lambda v: branches.residual(draft, v, self.activate),) * 3,
            lambda v: branches.parallel(draft, v, self.activate),
            lambda v: branches.dense_layer(draft, v, self.activate),
            lambda v: branches.shuffled(draft, v),
        ]

    def _convolution(self, value: Value) -> Value:
        """Convolution with batch norm in front, behind, twice or not at all, and an activation."""
        choices = self.draft.choices
        if choices.chance(0.1):
            value = layers.norm(self.draft, value)
        value = layers.conv(self.draft, value)
        for _ in range(choices.pick((0, 1, 1, 2))):
            value = layers.norm(self.draft, value)
        if choices.chance(0.8):
            value = self.activate(self.draft, value)
        return layers.norm(self.draft, value) if choices.chance(0.1) else value

    def _dense(self, value: Value) -> Value:
        value = layers.dense(self.draft, value, self.draft.choices.whole(1, 6))
        return self.activate(self.draft, value) if self.draft.choices.chance(0.8) else value

    def _headed(self, value: Value) -> Value:
        """Scores of a few classes, or what is there."""
        draft, choices = self.draft, self.draft.choices
        if len(value.shape) > 1:
            value = choices.pick((layers.flat, layers.flat, layers.global_mean, layers.global_max, _as_it_is))(
                draft, value
            )
        if len(value.shape) > 1 or choices.chance(0.15):
            # A map with channels last has another order than the neurons, which no weights behind it put right.
            self.strange = self.strange or draft.last
            return value
        value = layers.dense(draft, value, choices.pick((3, 1, 2)))
        return write_end(draft, value) if choices.chance(0.15) else value


def _as_it_is(draft: Draft, value: Value) -> Value:
    return value


def parsed(network: DrawnNetwork) -> onnx.ModelProto:
    """The model as a message."""
    return onnx.load_model_from_string(network.model)
