"""Files for netx hold what its Conv, Dense and LIF processes need to give the program's spikes, or are refused."""

from __future__ import annotations

import builtins
import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from spikec.runtime.lava.netx.files import NETWORK, SAMPLES, SCRIPT, STRUCTURE, netx_files
from spikec.runtime.program import (
    INPUT,
    ConvSynapses,
    DenseSynapses,
    InputEncoding,
    IntArray,
    Population,
    Program,
    Projection,
    SparseSynapses,
    Synapses,
)
from spikec.runtime.program.geometry import ConvGeometry
from spikec.runtime.program.rules import problems
from spikec.runtime.reference.network import run_reference
from spikec.targets.diagnostic import UnusableInput

Files = dict[str, bytes]


def sequence(timesteps: int = 1) -> Program:
    """Convolutions of several geometries, synapses with coordinates and without, thresholds per channel."""
    random = np.random.default_rng(5)

    def even(*shape: int) -> IntArray:
        return 2 * random.integers(-12, 17, shape)

    def values(*shape: int) -> IntArray:
        return random.integers(-9, 30, shape)

    scattered = SparseSynapses.of_matrix(even(9, 60) * (random.random((9, 60)) < 0.4))
    links: tuple[tuple[str, Synapses], ...] = (
        ("a", ConvSynapses(even(4, 2, 3, 2), ConvGeometry(padding=(1, 0, 1, 1)))),
        ("b", ConvSynapses(even(4, 2, 3, 3), ConvGeometry((2, 1), (2, -1, 0, 3), groups=2))),
        ("c", scattered),
        ("d", DenseSynapses(values(7, 9))),
        ("out", DenseSynapses(even(3, 7))),
    )
    populations = (
        Population("a", (4, 6, 5), 90 + values(4, 1, 1), values(4, 1, 1), values(4, 1, 1), 1),
        Population("b", (4, 3, 5), np.array(61), values(4, 3, 5), values(4, 1, 1), 2),
        Population("c", (9,), np.array(40), values(9), values(9), 3),
        Population("d", (7,), np.array(30), values(7), values(7), 4),
        Population("out", (3,), None, values(3), values(3), 5),
    )
    sources = (INPUT, *(p.name for p in populations))
    projections = tuple(
        Projection(f"to {target}", source, target, synapses)
        for source, (target, synapses) in zip(sources, links, strict=False)
    )
    encoding = InputEncoding((2, 6, 5), (0, 1, 2), (2, 6, 5), 1.0, -2, 5)
    return Program("net", "free", "pipelined", timesteps, -(1 << 17), (1 << 17) - 1, encoding, populations, projections)


def drawn_samples(program: Program, count: int = 30) -> IntArray:
    encoding = program.input
    return np.random.default_rng(1).integers(encoding.minimum, encoding.maximum + 1, (count, *encoding.shape))


def as_netx_computes(files: Files) -> list[IntArray]:
    """Spikes of each layer and, last, its potentials, by torch from what netx reads."""
    messages: Any
    with np.load(io.BytesIO(files[SAMPLES])) as archive:
        messages = archive["samples"]
    found = []
    with h5py.File(io.BytesIO(files[NETWORK])) as content:
        for index in range(len(content["layer"])):
            layer = content[f"layer/{index}"]
            kind = layer["type"][()].decode()
            if kind in ("input", "flatten"):
                messages = messages.reshape(len(messages), *(layer["shape"][()] if kind == "input" else (-1,)))
                continue
            current = received(kind, layer, messages)
            assert (layer["neuron/type"][()], layer["neuron/iDecay"][()], layer["neuron/vDecay"][()]) == (
                b"CUBA",
                4096,
                4096,
            )
            potential = current + of_each_neuron(layer["bias"][()], current.shape[1:])
            messages = (potential > layer["neuron/vThMant"][()]).astype(np.int64)
            assert current.shape[1:] == tuple(layer["shape"][()])
            found.append(messages.reshape(len(messages), -1))
    return [*found[:-1], potential]


def received(kind: str, layer: Any, messages: Any) -> Any:
    weight = torch.tensor(layer["weight"][()].astype(np.float64))
    given = torch.tensor(messages.astype(np.float64))
    if kind == "dense":
        return (given @ weight.T).numpy().astype(np.int64)
    geometry: dict[str, Any] = {
        name: tuple(int(v) for v in layer[name][()]) for name in ("stride", "padding", "dilation")
    }
    result = torch.nn.functional.conv2d(given, weight, groups=int(layer["groups"][()]), **geometry)
    return result.numpy().astype(np.int64)


def of_each_neuron(bias: Any, shape: tuple[int, ...]) -> Any:
    if len(shape) == 1:
        return bias
    return bias.transpose(2, 1, 0) if bias.ndim == 3 else bias[:, None, None]


def test_what_netx_reads_gives_the_spikes_of_the_reference() -> None:
    program = sequence()
    assert list(problems(program)) == []
    samples = drawn_samples(program)
    files = netx_files(program, samples)
    expected = run_reference(program, samples, record=True)
    assert expected.spike_trains is not None
    *spikes, potentials = as_netx_computes(files)
    for (name, train), found in zip(expected.spike_trains.items(), spikes, strict=True):
        assert train.any(), name
        np.testing.assert_array_equal(found, train[:, 0], err_msg=name)
    np.testing.assert_array_equal(potentials, expected.readout)


def test_the_files_say_what_netx_has_to_be_told() -> None:
    program = sequence()
    files = netx_files(program, drawn_samples(program, 2))
    assert set(files) == {NETWORK, SAMPLES, STRUCTURE, SCRIPT}
    assert files == netx_files(program, drawn_samples(program, 2))
    structure = json.loads(files[STRUCTURE])
    assert structure["input_message_bits"] == 4
    assert [layer["depth"] for layer in structure["layers"]] == [1, 2, 3, 4, 5]
    assert b"import spikec" not in files[SCRIPT]


def test_a_dense_network_reads_a_flat_input() -> None:
    program = sequence()
    *_, out = program.populations
    flat = replace(program.projections[-1], source=INPUT, synapses=DenseSynapses(np.full((3, 60), 2)))
    files = netx_files(
        replace(program, populations=(replace(out, depth=1),), projections=(flat,)), drawn_samples(program)
    )
    with h5py.File(io.BytesIO(files[NETWORK])) as content:
        assert [content[f"layer/{i}/type"][()] for i in range(2)] == [b"input", b"dense"]
        assert content["layer/0/shape"][()].tolist() == [60]


def changed(program: Program, index: int, **changes: Any) -> Program:
    projections = list(program.projections)
    projections[index] = replace(projections[index], **changes)
    return replace(program, projections=tuple(projections))


def with_bias(program: Program) -> Program:
    wide = replace(program.populations[0], bias=np.array([9000, -9000, 0, 0]).reshape(4, 1, 1))
    return replace(program, input=replace(program.input, maximum=200), populations=(wide, *program.populations[1:]))


@pytest.mark.parametrize(
    ("change", "layer", "text"),
    [
        (lambda program: replace(program, timesteps=2), None, "exact at T = 1"),
        (lambda program: changed(program, 4, source="c"), "out", "plain sequence, and the layer reads c"),
        (lambda program: changed(program, 4, synapses=DenseSynapses(np.zeros((3, 7), int))), "out", "netx divides"),
        (lambda program: changed(program, 4, synapses=DenseSynapses(np.full((3, 7), 129))), "out", "beyond the 8 bits"),
        (lambda program: changed(program, 4, exponent=4), "out", "beyond the 8 bits"),
        (lambda program: changed(program, 4, synapses=DenseSynapses(np.full((3, 7), -8))), "out", "clips to 255"),
        (with_bias, "a", "a bias is beyond the 13 bits"),
    ],
)
def test_what_netx_would_compute_wrongly_is_refused(
    change: Callable[[Program], Program], layer: str | None, text: str
) -> None:
    with pytest.raises(UnusableInput, match=text) as refusal:
        netx_files(change(sequence()), drawn_samples(sequence()))
    assert {d.code for d in refusal.value.diagnostics} == {"E349"}
    assert refusal.value.diagnostics[0].place.layer == layer


def test_a_convolution_of_a_row_is_refused() -> None:
    program = sequence()
    image = replace(program.populations[2], shape=(9, 1, 1), initial_potential=np.array(0), bias=np.array(0))
    late = replace(program.populations[3], shape=(7, 1, 1), initial_potential=np.array(0), bias=np.array(0))
    program = replace(program, populations=(*program.populations[:2], image, late, program.populations[4]))
    program = changed(program, 3, synapses=ConvSynapses(np.full((7, 9, 1, 1), 2), ConvGeometry()))
    with pytest.raises(UnusableInput, match="netx makes no map of a row"):
        netx_files(program, drawn_samples(program))


def test_without_h5py_the_command_to_install_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def importing(name: str, *rest: Any) -> Any:
        if name == "h5py":
            raise ModuleNotFoundError("No module named 'h5py'", name="h5py")
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", importing)
    with pytest.raises(UnusableInput, match="E741 h5py is not installed"):
        netx_files(sequence(), drawn_samples(sequence()))
