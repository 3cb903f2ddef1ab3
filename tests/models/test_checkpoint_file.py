from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from spikec.models.checkpoint import Checkpoint, export_onnx, load_checkpoint, onnx_bytes, save_checkpoint
from spikec.models.networks.activation import Activation
from spikec.models.networks.networks import NetworkSpec
from spikec.targets.diagnostic import UnusableInput

SPEC = NetworkSpec("resnet20", 1, 8, 3, width=2, shortcut="identity")


def trained_looking(spec: NetworkSpec, activation: Activation) -> torch.nn.Module:
    """A network whose batch norms have statistics of their own."""
    torch.manual_seed(0)
    network = spec.build(activation)
    with torch.no_grad():
        for _ in range(3):
            network(torch.rand(16, spec.channels, spec.size, spec.size))
    return network.eval()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "model.pt"
    activation = Activation("round", 4)
    weights = trained_looking(SPEC, activation).state_dict()
    save_checkpoint(path, Checkpoint(SPEC, activation, weights, {"seed": 5}))
    return path


def altered(whole: Path, path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    content = torch.load(whole, weights_only=True)
    change(content)
    torch.save(content, path)
    return path


def code_of(path: Path) -> str:
    with pytest.raises(UnusableInput) as caught:
        load_checkpoint(path)
    (problem,) = caught.value.diagnostics
    assert problem.hint
    assert problem.place.file == str(path)
    return problem.code


def test_what_is_saved_is_what_is_loaded(whole: Path) -> None:
    checkpoint = load_checkpoint(whole)
    assert checkpoint.network == SPEC
    assert checkpoint.activation == Activation("round", 4)
    assert checkpoint.training == {"seed": 5}
    inputs = torch.rand(4, 1, 8, 8)
    with torch.no_grad():
        expected = trained_looking(SPEC, checkpoint.activation)(inputs)
        assert torch.equal(checkpoint.build()(inputs), expected)


def test_missing_file(tmp_path: Path) -> None:
    assert code_of(tmp_path / "none.pt") == "E701"
    assert code_of(tmp_path) == "E701"


@pytest.mark.parametrize("share", [0.0, 0.0005, 0.3, 0.9, 0.999])
def test_truncated_file(whole: Path, tmp_path: Path, share: float) -> None:
    content = whole.read_bytes()
    path = tmp_path / "model.pt"
    path.write_bytes(content[: int(share * len(content))])
    assert code_of(path) == "E703"


def said_of(path: Path, read: Callable[[Path], object] = load_checkpoint) -> str:
    """Message and hint of the E703 with which reading ends."""
    with pytest.raises(UnusableInput) as caught:
        read(path)
    (problem,) = caught.value.diagnostics
    assert problem.code == "E703"
    return f"{problem.message}; {problem.hint}"


def test_foreign_files_are_called_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    trained_here = (
        "give a checkpoint that 'spikec train' wrote; other networks are compiled from .onnx files as they are"
    )
    torch.save(torch.nn.Linear(2, 2), path)
    objects = "the file holds Python objects besides weights and plain values, and those are never loaded"
    assert said_of(path) == f"{objects}; {trained_here}"
    for foreign in (torch.nn.Linear(2, 2).state_dict(), torch.zeros(3), [1, 2]):
        torch.save(foreign, path)
        assert said_of(path) == f"the file is not a spikec-checkpoint written by 'spikec train'; {trained_here}"
    for content in (b"", b"text", b"\x80\x04N.", bytes(1000)):
        path.write_bytes(content)
        assert said_of(path) == f"the file is not a checkpoint: it is no archive as torch writes them; {trained_here}"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", b"")
        archive.writestr("net/constants.pkl", b"")
    assert said_of(path) == f"the file is a TorchScript program, not a checkpoint; {trained_here}"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "mine")
    assert said_of(path) == f"the file is an archive, but holds no checkpoint; {trained_here}"


def test_a_foreign_network_to_compile_has_a_way_out(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "model.pt")
    assert said_of(tmp_path / "model.pt", export_onnx).endswith(
        "; have torch.onnx.export write the network as an .onnx file, and give that"
    )


@pytest.mark.parametrize("name", ["0.weight", "1.running_var", "2.threshold"])
def test_altered_weights(whole: Path, tmp_path: Path, name: str) -> None:
    content = bytearray(whole.read_bytes())
    weights = load_checkpoint(whole).weights[name].numpy().tobytes()
    content[content.index(weights)] ^= 0x40
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    assert code_of(path) == "E703"


def test_code_in_a_file_is_not_executed(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
            return (Path.touch, (tmp_path / "sprung",))  # type: ignore[return-value]

    torch.save({"format": "spikec-checkpoint", "version": 1, "trap": Trap()}, tmp_path / "model.pt")
    assert code_of(tmp_path / "model.pt") == "E703"
    assert not (tmp_path / "sprung").exists()


def test_other_version(whole: Path, tmp_path: Path) -> None:
    assert code_of(altered(whole, tmp_path / "model.pt", lambda content: content.update(version=2))) == "E704"


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("weights"),
        lambda content: content.update(weights=None),
        lambda content: content["weights"].popitem(),
        lambda content: content["weights"].update({"0.weight": torch.zeros(1)}),
        lambda content: content["weights"]["0.weight"].fill_(float("nan")),
        lambda content: content["network"].update(name="alexnet"),
        lambda content: content["network"].update(depth=3),
        lambda content: content["network"].update(size="8"),
        lambda content: content["activation"].update(shift=0.25),
        lambda content: content["activation"].update(kind="ceil"),
        lambda content: content["activation"].update(levels=0),
        lambda content: content.update(activation=None),
    ],
)
def test_inconsistent_content(whole: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    assert code_of(altered(whole, tmp_path / "model.pt", change)) == "E703"


def test_place_that_cannot_be_written(whole: Path) -> None:
    with pytest.raises(UnusableInput, match="E615"):
        save_checkpoint(whole / "model.pt", load_checkpoint(whole))


@pytest.mark.parametrize("kind", ["relu", "floor", "round"])
@pytest.mark.parametrize(
    "spec", [SPEC, NetworkSpec("resnet20", 3, 9, 3, width=2), NetworkSpec("vgg16", 1, 28, 3, width=2)]
)
def test_export_equals_the_network_in_onnxruntime(spec: NetworkSpec, kind: Any) -> None:
    network = trained_looking(spec, Activation(kind, 4))
    content = onnx_bytes(network, spec)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    inputs = torch.rand(64, spec.channels, spec.size, spec.size)
    (result,) = session.run(["logits"], {"input": inputs.numpy()})
    with torch.no_grad():
        expected = network(inputs).numpy()
    # Sums in another order move a value next to a step of the floor to the other level, so a few samples may differ.
    equal = np.isclose(result, expected, atol=1e-4).all(axis=1)
    assert equal.mean() >= (1.0 if kind == "relu" else 0.9)
    model = onnx.load_from_string(content)
    assert "BatchNormalization" in {node.op_type for node in model.graph.node}
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_export_gives_the_same_bytes_and_names_no_place(whole: Path) -> None:
    content = export_onnx(whole)
    assert content == export_onnx(whole)
    for place in (str(Path(torch.__file__).parent), str(Path(__file__).parents[2])):
        assert place.encode() not in content


@pytest.mark.filterwarnings("ignore")
def test_torchs_newer_exporter_agrees(tmp_path: Path) -> None:
    spec = NetworkSpec("convnet", 1, 8, 3, width=2)
    network = trained_looking(spec, Activation("round", 4))
    inputs = torch.rand(16, 1, 8, 8)
    program = torch.onnx.export(network, (inputs,), dynamo=True, verbose=False)
    assert program is not None
    results = []
    for content in (program.model_proto.SerializeToString(), onnx_bytes(network, spec)):
        session = onnxruntime.InferenceSession(io.BytesIO(content).getvalue(), providers=["CPUExecutionProvider"])
        results.append(session.run(None, {session.get_inputs()[0].name: inputs.numpy()})[0])
    newer, older = results
    equal = np.isclose(newer, older, atol=1e-4).all(axis=1)
    assert equal.mean() >= 0.9  # the newer exporter folds batch norm, which moves values next to a step
