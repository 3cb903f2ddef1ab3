"""Every budget of every core of three networks on Loihi, counted again, and how near the fewest cores they come."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from spikec import CompileOptions, compile_model
from spikec.compiler.mapping import place
from spikec.models.shipped import shipped_model
from spikec.runtime.program import INPUT, ConvSynapses, DenseSynapses, IntArray, Program, Projection, Shape, Synapses
from spikec.runtime.program.geometry import ConvGeometry
from spikec.targets import Number, Status, Target

from .programs import LOIHI, program_of
from .recount import recount

Layer = tuple[Shape, IntArray | None, str, Synapses]


def _one_compartment() -> Target:
    one = Number(1, "compartments", "this test", Status.MEASURED)
    return replace(LOIHI, neuron=replace(LOIHI.neuron, compartments_per_neuron=one))


def _even(random: np.random.Generator, *shape: int) -> IntArray:
    return 2 * random.integers(1, 100, shape)


def _kernel(random: np.random.Generator, inputs: int, outputs: int, pooled: bool) -> ConvSynapses:
    """3x3; behind a folded 2x2 pool 6x6 with equal cells."""
    weight = _even(random, outputs, inputs, 3, 3)
    if pooled:
        weight = np.repeat(np.repeat(weight, 2, axis=2), 2, axis=3)
    padding = 2 if pooled else 1
    stride = 2 if pooled else 1
    return ConvSynapses(weight, ConvGeometry((stride, stride), (padding,) * 4))


def _vgg16() -> Program:
    random = np.random.default_rng(0)
    layers: list[Layer] = []
    source, inputs, size = INPUT, 3, 32
    for n, outputs in enumerate((64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)):
        pooled = n in (2, 4, 7, 10)
        size //= 2 if pooled else 1
        layers.append(((outputs, size, size), np.array(99), source, _kernel(random, inputs, outputs, pooled)))
        source, inputs = f"layer{n}", outputs
    head = np.repeat(_even(random, 10, 512), 4, axis=1)
    return program_of((3, 32, 32), [*layers, ((10,), None, source, DenseSynapses(head))])


def _resnet20() -> Program:
    random = np.random.default_rng(1)
    layers: list[Layer] = [((16, 32, 32), np.array(99), INPUT, _kernel(random, 3, 16, pooled=False))]
    skips: list[tuple[str, str, ConvSynapses]] = []
    inputs, size = 16, 32
    for block in range(9):
        outputs = 16 << block // 3
        stride = 2 if outputs > inputs else 1
        size //= stride
        first = ConvSynapses(_even(random, outputs, inputs, 3, 3), ConvGeometry((stride, stride), (1, 1, 1, 1)))
        before = f"layer{len(layers) - 1}"
        layers.append(((outputs, size, size), np.array(99), before, first))
        second = _kernel(random, outputs, outputs, pooled=False)
        layers.append(((outputs, size, size), np.array(99), f"layer{len(layers) - 1}", second))
        identity = 98 * np.eye(outputs, inputs, dtype=np.int64)[:, :, None, None]
        skips.append((before, f"layer{len(layers) - 1}", ConvSynapses(identity, ConvGeometry((stride, stride)))))
        inputs = outputs
    head = np.repeat(_even(random, 10, 64), 64, axis=1)
    layers.append(((10,), None, f"layer{len(layers) - 1}", DenseSynapses(head)))
    program = program_of((3, 32, 32), layers)
    extra = tuple(Projection(f"{s}-past-{t}", s, t, synapses, delay=1) for s, t, synapses in skips)
    return replace(program, projections=(*program.projections, *extra))


def _check(program: Program, target: Target) -> int:
    began = time.process_time()
    placement = place(program, target)
    # A second or two; neuron by neuron it would take an hour.
    assert time.process_time() - began < 20
    cores, _ = recount(program, target, placement, decode=False)
    assert set(cores) == set(range(placement.cores))
    limits = {use.name: use.limit for use in placement.layers[0].uses}
    for count in cores.values():
        assert len(count.first_boxes) <= 1
        assert all(limit is None or count.amounts()[name] <= limit.value for name, limit in limits.items())
    assert placement.bound <= placement.cores <= 1.15 * placement.bound
    return placement.cores


def test_the_shipped_network() -> None:
    program = compile_model(shipped_model(), CompileOptions(target="loihi1", timesteps=4)).program
    assert _check(program, LOIHI) <= 77
    # What nengo-loihi's own blocks take.
    assert _check(program, _one_compartment()) <= 49


def test_resnet20() -> None:
    program = _resnet20()
    assert _check(program, LOIHI) <= 369
    _check(program, _one_compartment())


def test_vgg16() -> None:
    # All weights take 8 bits; those that the compiler fits to the state take 4 to 8, and 700 cores.
    assert _check(_vgg16(), LOIHI) <= 724
