"""Feed-forward NIR graphs become models whose programs spike as the graph's neurons; all else is refused at once."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner

import spikec
from spikec.compiler.commands.import_nir import import_command
from spikec.compiler.frontend.nir_model import nir_to_onnx
from spikec.targets.diagnostic import UnusableInput

Floats = npt.NDArray[np.float64]
RANDOM = np.random.default_rng(8)
T = 4


def graph(**changed: Any) -> nir.NIRGraph:
    """Maps, a sum of two branches, pooling, a dense end; weights on a grid of 1/16."""

    def weights(*shape: int) -> npt.NDArray[np.float32]:
        return (np.random.default_rng(len(shape)).integers(-8, 9, shape) / 16).astype(np.float32)

    def neurons(*shape: int) -> nir.IF:
        return nir.IF(r=np.ones(shape, np.float32), v_threshold=np.ones(shape, np.float32))

    def conv(outputs: int, inputs: int, size: int) -> nir.Conv2d:
        weight, bias = weights(outputs, inputs, size, size), np.zeros(outputs, np.float32)
        return nir.Conv2d((6, 6), weight, (1, 1), (size // 2, size // 2), (1, 1), 1, bias)

    nodes: dict[str, Any] = {
        "input": nir.Input({"input": np.array([2, 6, 6])}),
        "conv": conv(3, 2, 3),
        "if0": neurons(3, 6, 6),
        "branch": conv(3, 3, 3),
        "short": conv(3, 3, 1),
        "if1": neurons(3, 6, 6),
        "pool": nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        "flat": nir.Flatten({"input": np.array([3, 3, 3])}, 0, -1),
        "dense": nir.Affine(weights(5, 27), np.zeros(5, np.float32)),
        "output": nir.Output({"output": np.array([5])}),
    } | changed
    edges = [
        *(("input", "conv"), ("conv", "if0"), ("if0", "branch"), ("if0", "short"), ("branch", "if1")),
        *(("short", "if1"), ("if1", "pool"), ("pool", "flat"), ("flat", "dense"), ("dense", "output")),
    ]
    return nir.NIRGraph(nodes, edges)


def written(folder: Path, given: nir.NIRGraph) -> Path:
    nir.write(folder / "net.nir", given)
    return folder / "net.nir"


def refused(path: Path, timesteps: int = T, reset: str | None = "subtract") -> list[tuple[str, str | None]]:
    with pytest.raises(UnusableInput) as refusal:
        nir_to_onnx(path, timesteps, reset)
    return [(each.code, each.place.layer) for each in refusal.value.diagnostics]


def convolved(weight: Floats, maps: Floats) -> Floats:
    reach = weight.shape[2] // 2
    padded = np.pad(maps, ((0, 0), (reach, reach), (reach, reach)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, weight.shape[2:], axis=(1, 2))  # type: ignore[call-overload]
    return np.asarray(np.einsum("oirc,ihwrc->ohw", weight, windows))


def fired(currents: list[Floats]) -> list[Floats]:
    """Trains of neurons that fire at 1 and subtract it."""
    v, trains = np.zeros_like(currents[0]), []
    for current in currents:
        v = v + current
        trains.append((v >= 1).astype(np.float64))
        v = v - trains[-1]
    return trains


def test_the_program_fires_as_the_graphs_neurons(tmp_path: Path) -> None:
    given = graph()
    path = written(tmp_path, given)
    done = CliRunner().invoke(
        import_command, [str(path), "--timesteps", str(T), "--reset", "subtract", "-o", str(tmp_path / "net.onnx")]
    )
    assert done.exit_code == 0, done.output
    compiled = spikec.compile_model(tmp_path / "net.onnx", spikec.CompileOptions(timesteps=T))
    images = RANDOM.integers(0, 256, (6, 2, 6, 6), dtype=np.uint8)
    execution = spikec.simulate(compiled.program, images, record=True)
    assert execution.spike_trains is not None
    weight = {name: node.weight.astype(np.float64) for name, node in given.nodes.items() if hasattr(node, "weight")}
    for sample, image in enumerate(images / 255):
        first = fired([convolved(weight["conv"], image)] * T)
        second = fired([convolved(weight["branch"], s) + convolved(weight["short"], s) for s in first])
        for trains, found in zip((first, second), execution.spike_trains.values(), strict=True):
            assert np.array_equal(np.stack(trains).reshape(T, -1), found[sample])


def dense(neurons: nir.NIRNode, shape: tuple[int, ...] = (16,)) -> nir.NIRGraph:
    """As tools write a small network: dense layers, and ``neurons`` between them."""
    weights = np.random.default_rng(4).integers(-8, 9, (13, 16)).astype(np.float32) / 16
    nodes: dict[str, Any] = {
        "input": nir.Input({"input": np.array([16])}),
        "0": nir.Affine(weights[:8], np.zeros(8, np.float32)),
        "1": neurons,
        "2": nir.Affine(np.ascontiguousarray(weights[8:, :8]), np.zeros(5, np.float32)),
        "output": nir.Output({"output": np.array([5])}),
    }
    given = nir.NIRGraph(nodes, [("input", "0"), ("0", "1"), ("1", "2"), ("2", "output")])
    nodes["input"].input_type["input"] = np.array(shape)
    return given


ONE = np.ones(8, np.float32)
ENDLESS = np.full(8, np.inf, np.float32)


def test_neurons_that_do_not_leak_are_read_whoever_wrote_them(tmp_path: Path) -> None:
    plain = nir_to_onnx(written(tmp_path, dense(nir.IF(r=ONE, v_threshold=ONE))), T, "subtract")
    # snnTorch's Leaky with beta 1, whose time constant dt / (1 - beta) has no end
    leaky = nir.LIF(tau=ENDLESS, r=ENDLESS, v_leak=0 * ONE, v_threshold=ONE)
    assert nir_to_onnx(written(tmp_path, dense(leaky)), T, "subtract") == plain
    for tau, r, leak in (
        (ONE, ENDLESS, 0 * ONE),
        (ENDLESS, ONE, 0 * ONE),
        (ENDLESS, ENDLESS, ONE),
        (-ENDLESS, ENDLESS, ONE),
    ):
        other = nir.LIF(tau=tau, r=r, v_leak=leak, v_threshold=ONE)
        assert refused(written(tmp_path, dense(other))) == [("E767", "1")]


def test_the_axis_of_a_sample_in_front_is_left_out(tmp_path: Path) -> None:
    neurons = nir.IF(r=ONE, v_threshold=ONE)
    plain = nir_to_onnx(written(tmp_path, dense(neurons)), T, "subtract")
    assert nir_to_onnx(written(tmp_path, dense(neurons, (1, 16))), T, "subtract") == plain
    assert refused(written(tmp_path, dense(neurons, (2, 16)))) == [("E767", "0")]
    maps = graph()
    plain = nir_to_onnx(written(tmp_path, maps), T, "subtract")
    maps.nodes["input"].input_type["input"] = np.array([1, 2, 6, 6])
    assert nir_to_onnx(written(tmp_path, maps), T, "subtract") == plain


def test_the_reset_has_to_be_stated(tmp_path: Path) -> None:
    path = written(tmp_path, graph())
    assert refused(path, reset=None) == [("E768", None)]
    assert refused(path, reset="zero") == [("E768", None)]
    assert nir_to_onnx(path, 1, "zero") == nir_to_onnx(path, 1, "subtract") == nir_to_onnx(path, 1, None)
    said = graph()
    said.metadata = {"spikec": '{"reset": "subtract"}', "states": {}}
    path = written(tmp_path, said)
    nir_to_onnx(path, T, None)
    assert refused(path, reset="zero") == [("E768", None)]


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    one = np.ones(5, np.float32)
    leaky = nir.LI(tau=one, r=one, v_leak=one)
    wrong = graph(leaky=leaky, lonely=nir.Linear(np.ones((5, 5), np.float32) * np.nan))
    wrong.edges += [("if1", "branch"), ("dense", "gone")]
    found = refused(written(tmp_path, wrong))
    assert {code for code, _ in found} == {"E767"}
    assert {layer for _, layer in found if layer} == {"leaky", "lonely"}
    assert len(found) == 6, "a kind, a number, an edge to nothing, a circle, two that nothing reaches"


@pytest.mark.parametrize(
    ("name", "node"),
    [
        ("dense", nir.Affine(np.ones((5, 26), np.float32), np.ones(5, np.float32))),
        ("branch", nir.Conv2d((6, 6), np.ones((2, 3, 3, 3), np.float32), 1, (1, 1), 1, 1, np.ones(2, np.float32))),
        ("conv", nir.Conv2d((6, 6), np.ones((3, 2, 3, 3), np.float32), 1, (-1, 1), 1, 1, np.ones(3, np.float32))),
        ("if1", nir.IF(r=np.ones((3, 6, 6)), v_threshold=np.zeros((3, 6, 6)))),
        ("if0", nir.IF(r=np.ones((3, 6, 5)), v_threshold=np.ones((3, 6, 5)))),
        ("pool", nir.SumPool2d(np.array([9, 9]), np.array([1, 1]), np.array([0, 0]))),
        ("input", nir.Input({"input": np.array([2, 0, 6])})),
    ],
)
def test_shapes_and_numbers_that_do_not_fit(tmp_path: Path, name: str, node: Any) -> None:
    ((code, layer),) = refused(written(tmp_path, graph(**{name: node})))
    assert (code, layer) == ("E767", "if1" if name == "branch" else name)


def test_damaged_files(tmp_path: Path) -> None:
    content = written(tmp_path, graph()).read_bytes()
    path = tmp_path / "cut.nir"
    for length in (0, 7, 100, 2000, len(content) // 2, len(content) - 100):
        path.write_bytes(content[:length])
        assert refused(path) == [("E766", None)], length
    assert refused(tmp_path / "absent.nir") == [("E766", None)]
    assert refused(tmp_path) == [("E766", None)]


def test_a_file_that_leads_elsewhere(tmp_path: Path) -> None:
    path = written(tmp_path, graph())
    (tmp_path / "secret").write_bytes(b"\0" * 64)
    with h5py.File(path, "a") as file:
        del file["node/nodes/dense/bias"]
        file["node/nodes/dense"].create_dataset("bias", (5,), "f4", external=[(str(tmp_path / "secret"), 0, 20)])
    assert refused(path) == [("E766", None)]
    with h5py.File(path, "a") as file:
        del file["node/nodes/dense/bias"]
        file["node/nodes/dense/bias"] = h5py.ExternalLink("other.h5", "/bias")
    assert refused(path) == [("E766", None)]
    with h5py.File(path, "a") as file:
        del file["node/nodes/dense/bias"]
        file["node/nodes/dense"].create_dataset("bias", (1 << 40,), "f4")
    assert refused(path) == [("E766", None)]


def test_h5py_that_is_not_there_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert refused(tmp_path / "net.nir") == [("E764", None)]
