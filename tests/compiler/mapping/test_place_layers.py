"""Layers on cores that each take a whole one: what they need by the chip's rounding, and which cores they get."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from spikec import targets
from spikec.compiler.checks import check_program
from spikec.compiler.mapping import place
from spikec.compiler.mapping.core_layers import core_layers
from spikec.compiler.mapping.place_layers import layers_on_cores
from spikec.runtime.program import (
    INPUT,
    ConvSynapses,
    DenseSynapses,
    InputEncoding,
    Population,
    Program,
    Projection,
    Pulse,
    SparseSynapses,
    Synapses,
)
from spikec.runtime.program.entries import entries_of
from spikec.runtime.program.geometry import ConvGeometry
from spikec.targets import Target
from spikec.targets.layer_cores import LayerCores

SPECK = targets.load("speck2f")
NONE = np.zeros(1, dtype=np.int64)


def _conv(channels: int, sources: int, kernel: tuple[int, int] = (3, 3), **geometry: Any) -> ConvSynapses:
    weight = np.arange(1, channels * sources * kernel[0] * kernel[1] + 1) % 100 + 1
    return ConvSynapses(weight.reshape(channels, sources, *kernel), ConvGeometry(**geometry))


def _program(shape: tuple[int, ...], *layers: tuple[tuple[int, ...], Synapses], **changes: Any) -> Program:
    """A chain of layers behind an input of ``shape``."""
    names = [INPUT, *(f"layer{n}" for n in range(len(layers)))]
    program = Program(
        "net",
        "speck2f",
        "pipelined",
        2,
        -(2**15),
        2**15 - 1,
        InputEncoding(shape, tuple(range(len(shape))), shape, 1.0, 0, 1),
        tuple(
            Population(name, of, np.array(9) if n < len(layers) else None, NONE, NONE, n)
            for n, (name, (of, _)) in enumerate(zip(names[1:], layers, strict=True), 1)
        ),
        tuple(
            Projection(f"{a}->{b}", a, b, synapses)
            for a, b, (_, synapses) in zip(names, names[1:], layers, strict=False)
        ),
    )
    return replace(program, **changes)


def _cores(target: Target = SPECK) -> LayerCores:
    assert target.layer_cores is not None
    return target.layer_cores


PADDED: dict[str, Any] = {"padding": (1, 1, 1, 1)}


@pytest.mark.parametrize(
    ("shape", "layer", "needs"),
    [
        # sinabs' own example: 16 to 32 channels of 3x3 on 64x64 take 8 Ki of kernel and 128 Ki of neurons.
        ((16, 64, 64), ((32, 64, 64), _conv(32, 16, **PADDED)), (8 << 10, 128 << 10)),
        ((1, 28, 28), ((5, 28, 28), _conv(5, 1, **PADDED)), (16 * 8, 5 * 32 * 32)),
        ((3, 9, 17), ((4, 9, 17), _conv(4, 3, (1, 1))), (3 * 4, 4 * 16 * 32)),
        ((2, 5, 5), ((6, 1, 1), DenseSynapses(np.arange(300).reshape(6, 50) % 90 + 1)), (2 * 32 * 8, 6)),
        ((7,), ((3,), DenseSynapses(np.ones((3, 7), dtype=np.int64))), (7 * 4, 3)),
    ],
)
def test_memory_in_powers_of_two(
    shape: tuple[int, ...], layer: tuple[tuple[int, ...], Synapses], needs: tuple[int, int]
) -> None:
    (found,) = core_layers(_program(shape, layer), _cores())
    assert (found.kernel_entries, found.neuron_entries) == needs
    assert found.biases == 0


def test_pools_that_the_chip_sums_over_take_no_kernel() -> None:
    """A folded pool of 2x2 before a kernel of 3x3 is one of 6x6; 3x3 is none of the chip's squares."""
    kernel = np.arange(1, 10).reshape(1, 1, 3, 3)
    twice = ConvSynapses(np.kron(kernel, np.ones((2, 2), dtype=np.int64)), ConvGeometry((2, 2), (2, 2, 2, 2)))
    thrice = ConvSynapses(np.kron(kernel, np.ones((3, 3), dtype=np.int64)), ConvGeometry((3, 3), (3, 3, 3, 3)))
    found = [
        core_layers(_program((1, 12, 12), ((1, 12 // p, 12 // p), synapses)), _cores())[0]
        for p, synapses in ((2, twice), (3, thrice))
    ]
    assert [(each.kernel, each.pools) for each in found] == [(3, (2,)), (9, (1,))]
    assert found[0].misfits == ()
    assert [each.what for each in found[1].misfits] == ["its stride of 3 is none of 1, 2, 4, 8"]


def _with_shortcut(stride: int) -> Program:
    """A 3x3 layer and a 1x1 path from the input into one layer."""
    program = _program(
        (2, 8, 8),
        ((3, 8, 8), _conv(3, 2, **PADDED)),
        ((4, 8 // stride, 8 // stride), _conv(4, 3, **PADDED, stride=(stride, stride))),
    )
    skip = Projection("skip", INPUT, "layer1", _conv(4, 2, (1, 1), stride=(stride, stride)))
    return replace(program, projections=(*program.projections, skip))


def test_a_shortcut_shares_the_kernel() -> None:
    """Both sources' channels side by side, the single weight in the middle of the square."""
    _, joined = core_layers(_with_shortcut(1), _cores())
    assert (joined.channels, joined.kernel, joined.misfits) == (5, 3, ())


Broken = dict[str, tuple[Program, int | None]]

BROKEN: Broken = {
    "its kernel is too large": (_program((1, 20, 20), ((1, 4, 4), _conv(1, 1, (17, 17)))), 17),
    "its stride of 3 is none": (_program((1, 9, 9), ((1, 3, 3), _conv(1, 1, stride=(3, 3)))), None),
    "its padding is too wide": (_program((1, 9, 9), ((1, 23, 23), _conv(1, 1, padding=(8, 8, 8, 8)))), 8),
    "no padding, the same on both sides": (_program((1, 9, 9), ((1, 9, 9), _conv(1, 1, padding=(0, 0, 2, 2)))), None),
    "it reads a map that is too large": (
        _program((1, 129, 64), ((1, 33, 16), _conv(1, 1, (1, 1), stride=(4, 4)))),
        129,
    ),
    "its map is too large": (_program((1, 65, 9), ((1, 65, 9), _conv(1, 1, (1, 1)))), 65),
    "it has too many channels": (_program((1025,), ((2,), DenseSynapses(np.ones((2, 1025), dtype=np.int64)))), 1025),
    "connects every neuron of a map": (
        _program((4,), ((1, 2, 2), DenseSynapses(np.ones((4, 4), dtype=np.int64)))),
        None,
    ),
    "is no convolution": (
        _program((4,), ((4,), SparseSynapses(np.arange(4), np.arange(4), np.ones(4, dtype=np.int64)))),
        None,
    ),
    "its gate's pulse is no event": (
        _program((1, 3, 3), ((1, 3, 3), _conv(1, 1, (1, 1))), pulses=(Pulse("gate", "layer0", 3, np.array(4)),)),
        None,
    ),
    "it has more thresholds than a core": (
        _program(
            (1, 2, 2),
            ((2, 2, 2), _conv(2, 1, (1, 1))),
            populations=(Population("layer0", (2, 2, 2), np.array([8, 9]).reshape(2, 1, 1), NONE, NONE, 1),),
        ),
        2,
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_layers_that_no_core_can_compute(what: str) -> None:
    program, measured = BROKEN[what]
    found = [d for d in check_program(program, SPECK, place(program, SPECK)) if d.code == "E325"]
    assert [d.place.layer for d in found] == ["layer0"]
    assert what in found[0].message
    assert found[0].measured == measured
    assert found[0].hint
    assert (found[0].limit is None) == (measured is None)


def test_paths_of_other_strides_share_no_kernel() -> None:
    program = _with_shortcut(2)
    shortcut = replace(program.projections[2], synapses=_conv(4, 2, (1, 1), stride=(2, 2)))
    first = replace(program.projections[1], synapses=_conv(4, 3, padding=(1, 1, 1, 1), stride=(1, 1)))
    whole = replace(program.populations[1], shape=(4, 8, 8))
    other = replace(
        program,
        populations=(program.populations[0], whole),
        projections=(program.projections[0], first, shortcut),
    )
    found = core_layers(other, _cores())[1].misfits
    assert [each.what[:33] for each in found] == ["its sources have maps or strides "]


def test_spikes_go_to_two_layers_at_most() -> None:
    one = (1, 3, 3)
    layers = [(one, _conv(1, 1, (1, 1)))] * 4
    program = _program(one, *layers)
    fan = [Projection(f"to{n}", "layer0", f"layer{n}", _conv(1, 1, (1, 1))) for n in (1, 2, 3)]
    wide = replace(program, projections=(program.projections[0], *fan))
    assert [len(each.misfits) for each in core_layers(wide, _cores())] == [1, 0, 0, 0]
    assert [len(each.misfits) for each in core_layers(replace(wide, projections=wide.projections[:3]), _cores())] == [
        0
    ] * 4


def _large_kernel(channels: int) -> tuple[tuple[int, ...], Synapses]:
    return (channels, 8, 8), _conv(channels, 64, **PADDED)


@pytest.mark.parametrize("order", tuple(permutations((16, 32, 64))))
def test_layers_take_cores_that_others_do_not_need(order: tuple[int, ...]) -> None:
    """64 channels behind 64 fill a core of 64 Ki, 32 one of 32 Ki, 16 any; the order of the layers does not matter."""
    layers = [_large_kernel(channels) for channels in (*order, *order)]
    program = _program((64, 8, 8), *layers)
    projections = tuple(replace(p, source=INPUT) for p in program.projections)
    found = layers_on_cores(replace(program, projections=projections), _cores())
    for each in found:
        assert each.core is not None
        assert each.layer.kernel_entries <= _cores().kernel_memory.values[each.core]
        assert each.layer.neuron_entries <= _cores().neuron_memory.values[each.core]
    assert len({each.core for each in found}) == len(found)


def _codes(program: Program) -> list[tuple[str, float | None, float | None]]:
    found = check_program(program, SPECK, place(program, SPECK))
    return [(d.code, d.measured, d.limit) for d in found if d.code not in ("W328", "E325")]


def test_more_layers_than_large_cores() -> None:
    program = _program((64, 8, 8), *(_large_kernel(64) for _ in range(3)))
    assert _codes(program) == [("E327", 3, 2)]
    assert place(program, SPECK).cores == 3


def test_more_layers_than_cores() -> None:
    program = _program((1, 3, 3), *[((1, 3, 3), _conv(1, 1, (1, 1)))] * 10)
    assert _codes(program) == [("E305", 10, 9)]


@pytest.mark.parametrize(
    ("layer", "found"),
    [
        (((65, 8, 8), _conv(65, 64, **PADDED)), (64 * 16 * 128, 65536)),
        # A kernel of 32 Ki has cores with 32 Ki of neurons beside it, at most.
        (((32, 34, 34), _conv(32, 64, padding=(14, 14, 14, 14))), (32 * 64 * 64, 32768)),
    ],
)
def test_no_core_has_room(layer: tuple[tuple[int, ...], Synapses], found: tuple[int, int]) -> None:
    program = _program((64, 8, 8), layer)
    roomy = replace(SPECK, layer_cores=replace(_cores(), padding_maximum=replace(_cores().padding_maximum, value=99)))
    told = [d for d in check_program(program, roomy, place(program, roomy)) if d.code == "E326"]
    assert [(d.measured, d.limit) for d in told] == [found]


def test_biases_have_room_and_a_clock_of_their_own() -> None:
    program = _program((1, 3, 3), ((2, 3, 3), _conv(2, 1, (1, 1))))
    (layer,) = program.populations
    biased = replace(program, populations=(replace(layer, bias=np.array(3)),))
    assert [d.code for d in check_program(program, SPECK, place(program, SPECK))] == ["W328"]
    found = check_program(biased, SPECK, place(biased, SPECK))
    assert [(d.code, d.assumed) for d in found] == [("W328", True), ("W329", True)]
    assert place(biased, SPECK).layers[0].use("bias memory").used == 2
    small = replace(_cores(), bias_memory=replace(_cores().bias_memory, values=(1,) * 9))
    tight = replace(SPECK, layer_cores=small)
    assert next(d.code for d in check_program(biased, tight, place(biased, tight))) == "E326"


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_synapse_is_a_weight_of_the_kernel_that_was_found(data: st.DataObject) -> None:
    """Some padding puts what each neuron reads, in cells of the pool, into the kernel; a cell has one weight."""
    draw = data.draw
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride, padding, dilation = (
        draw(st.sampled_from((1, 2, 4))),
        draw(st.integers(0, 2)),
        draw(st.sampled_from((1, 1, 2))),
    )
    pool = draw(st.sampled_from((1, 2, 4))) if dilation == 1 else 1
    source = (2, pool * draw(st.integers(4, 7)), pool * draw(st.integers(4, 7)))
    weight = np.arange(1, 6 * kernel[0] * kernel[1] + 1).reshape(3, 2, *kernel)
    geometry = ConvGeometry((stride * pool,) * 2, (padding * pool,) * 4, (dilation, dilation))
    synapses = ConvSynapses(np.kron(weight, np.ones((pool, pool), dtype=np.int64)), geometry)
    rows, columns = geometry.output_size(source[1:], (kernel[0] * pool, kernel[1] * pool))
    assume(rows > 0 and columns > 0)
    program = _program(source, ((3, rows, columns), synapses))
    (layer,) = core_layers(program, _cores())
    assume(not layer.misfits)
    entries = entries_of(program, program.projections[0])
    reads = np.unravel_index(entries.source, source)[1:]
    neurons = np.unravel_index(entries.target, (3, rows, columns))[1:]
    own = layer.pools[0]
    for axis, length in enumerate((rows, columns)):
        step = stride * pool // own
        taps = reads[axis] // own - neurons[axis] * step
        assert any(
            (source[axis + 1] // own + 2 * before - layer.kernel) // step + 1 == length
            and -before <= taps.min()
            and taps.max() + before < layer.kernel
            for before in range(8)
        )
    cell = (entries.source // (source[1] * source[2]) * source[1] + reads[0] // own * own) * source[2] + reads[
        1
    ] // own * own
    pairs, first, which = np.unique(entries.target * 10**6 + cell, return_index=True, return_inverse=True)
    assert (entries.weight == entries.weight[first][which]).all()
    assert len(entries.weight) == len(pairs) * own**2
