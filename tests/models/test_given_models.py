"""Modules of torch, and loaded models of onnx, in place of files; and what is told of those that cannot be used."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

import spikec
from spikec import CompileOptions
from spikec.models.given_model import given_model
from spikec.targets.diagnostic import DiagnosticWarning

IMAGES = torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(1))
LABELS = torch.arange(40) % 3


Module = TypeVar("Module", bound=nn.Module)


def seeded(module: Module) -> Module:
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.dim() > 1 or name.endswith("bias"):
                parameter.copy_(0.4 * torch.randn(parameter.shape, generator=random))
    return module


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.act = spikec.QuantiseClip(4, 0.5, 2.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.conv(x) + x)  # type: ignore[no-any-return]


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.AvgPool2d(2))
        self.blocks = nn.ModuleList([Block(), Block()])
        self.head = nn.Linear(48, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x.flatten(1))  # type: ignore[no-any-return]


class Forward(nn.Module):
    """A linear layer and a rectifier, with ``change`` applied between them."""

    def __init__(self, change: Any = lambda x: x) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)
        self.scale = nn.Parameter(torch.tensor(2.0))
        self.change = change

    def forward(self, x: Tensor) -> Any:
        return self.change(self.layer(x.relu()))


def refused(module: Any, example: Any, options: CompileOptions | None = None) -> spikec.Diagnostic:
    with pytest.raises(spikec.UnusableInput) as caught:
        given_model(module, options, example)
    (found,) = caught.value.diagnostics
    return found


def layers(module: nn.Module, **options: Any) -> list[str]:
    program = spikec.compile_model(seeded(module), CompileOptions(calibration=IMAGES, **options)).program
    return [population.name for population in program.populations]


def test_layers_have_the_names_of_modules() -> None:
    assert layers(Net()) == ["features.0", "blocks.0.conv", "blocks.1.conv", "head"]
    assert layers(Net(), output="blocks.0.conv") == ["features.0", "blocks.0.conv"]


def test_the_module_is_left_as_it_was() -> None:
    net = seeded(Net()).train()
    net.blocks[1].eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    modes = [each.training for each in net.modules()]
    state = torch.random.get_rng_state()
    given_model(net, example=IMAGES)
    assert [each.training for each in net.modules()] == modes
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert given_model(net, example=IMAGES).content == given_model(net.eval(), example=IMAGES[:1]).content  # type: ignore[union-attr]


def test_a_module_its_file_and_its_loaded_file_give_one_program(tmp_path: Path) -> None:
    source = given_model(seeded(Net()), example=IMAGES)
    (tmp_path / "Net.onnx").write_bytes(source.content)  # type: ignore[union-attr]
    loaded = onnx.load(tmp_path / "Net.onnx")
    loaded.graph.name = "Net"
    options = CompileOptions(calibration=IMAGES)
    files = [spikec.compile_model(model, options).files() for model in (tmp_path / "Net.onnx", loaded)]
    assert files[0]["tensors.npz"] == files[1]["tensors.npz"]
    assert files[0] == spikec.compile_model(seeded(Net()), options).files()


def test_data_in_memory_give_what_data_in_a_file_give(tmp_path: Path) -> None:
    net = seeded(Net())
    np.savez(tmp_path / "data.npz", inputs=IMAGES.numpy(), labels=LABELS.numpy())
    forms = (tmp_path / "data.npz", (IMAGES, LABELS), (IMAGES.double().numpy(), LABELS.numpy()))
    files = [spikec.compile_model(net, CompileOptions(calibration=d), example=IMAGES).files() for d in forms]
    assert files[0] == files[1] == files[2]


def test_from_a_module_to_a_report_without_a_file(tmp_path: Path) -> None:
    net, options = seeded(Net()), CompileOptions(calibration=(IMAGES, LABELS), timesteps=2)
    compiled = spikec.compile_model(net, options)
    agreement = compiled.verify(IMAGES, backends=("reference", "simulator"), limit=2)
    assert str(agreement) == "equal: reference, simulator (2 samples, 4 layers, every neuron and step)"
    run = compiled.run((IMAGES, LABELS))
    evaluation = spikec.evaluate(net, (IMAGES, LABELS), options, timesteps=(2,), methods=("lmpc",))
    assert run.accuracy == evaluation.rows[0].accuracy
    assert "lmpc" in evaluation.text()
    report = compiled.with_agreement(agreement).with_accuracies(evaluation).report
    assert report.agreement is not None
    assert [(p.method, p.accuracy) for p in report.accuracies] == [("lmpc", run.accuracy)]
    assert report._repr_html_().startswith("<iframe ")
    compiled.save(tmp_path / "artefact")
    assert (tmp_path / "artefact" / "report.html").read_text() == compiled.files()["report.html"].decode()
    with pytest.raises(spikec.UnusableInput, match="E638"):
        spikec.compile_model(Net(), options).with_accuracies(evaluation)


def test_values_that_are_clipped_are_told() -> None:
    compiled = spikec.compile_model(seeded(Net()), CompileOptions(calibration=IMAGES))
    with pytest.warns(DiagnosticWarning, match="W620"):
        compiled.run(IMAGES * 100, limit=1)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_floats_are_those_of_the_parameters(kind: torch.dtype) -> None:
    for given in (IMAGES[:, 0, 0, :4], IMAGES[:, 0, 0, :4].double().numpy()):
        assert spikec.check_model(Forward().to(kind), CompileOptions(calibration=IMAGES[:, 0, 0, :4]), example=given)


def test_bytes_are_scaled_where_the_module_takes_floats() -> None:
    images = (IMAGES * 255).to(torch.uint8)
    whole = given_model(seeded(Net()), example=images).content  # type: ignore[union-attr]
    assert whole == given_model(seeded(Net()), example=IMAGES).content  # type: ignore[union-attr]
    own = nn.Sequential(Forward(lambda x: x))
    assert b"int32" not in given_model(own, example=IMAGES[:1, 0, 0, :4]).content  # type: ignore[union-attr]


def test_several_results_are_named() -> None:
    both = Forward(lambda x: {"classes": x, "boxes": (x * 2, [x.relu()])})
    onnx_model = onnx.load_from_string(given_model(both, example=torch.zeros(1, 4)).content)  # type: ignore[union-attr]
    assert [value.name for value in onnx_model.graph.output] == ["classes", "boxes.0", "boxes.1.0"]


def test_choices_by_shapes_and_parameters_are_no_choices(recwarn: pytest.WarningsRecorder) -> None:
    def change(x: Tensor) -> Tensor:
        if x.shape[1] != 3 or float(module.scale) < 0:
            raise ValueError("never")
        return x

    module = Forward(change)
    given_model(module, example=torch.zeros(1, 4))
    assert not [each for each in recwarn if issubclass(each.category, DiagnosticWarning)]


def test_choices_by_values() -> None:
    def checked(x: Tensor) -> Tensor:
        assert not torch.isnan(x).any()
        return x

    def told(x: Tensor) -> Tensor:
        seen.append(x.mean().item())
        return x

    seen: list[float] = []
    for harmless in (checked, told):
        with pytest.warns(DiagnosticWarning, match="W022"):
            given_model(Forward(harmless), example=torch.rand(2, 4))
    by_value = Forward(lambda x: x if x.abs().mean() > 5 else -x)
    outside = Forward(lambda x: torch.from_numpy(x.numpy() * 2))
    for module in (by_value, outside):
        found = refused(seeded(module), torch.rand(2, 4))
        assert found.code == "E025"
        assert "test_given_models.py" in found.message


@pytest.mark.filterwarnings("ignore:.*torch.jit.script. is deprecated")
def test_unusable_modules_are_refused_in_their_own_names() -> None:
    wide = torch.zeros(1, 5)
    found = refused(nn.Sequential(nn.ReLU(), Forward()), wide)
    assert found.code == "E022"
    assert "in 1.layer: RuntimeError" in found.message
    assert "(2, 5) of torch.float32" in str(found.hint)
    lazy = nn.Sequential(nn.LazyLinear(3))
    assert "0.weight" in refused(lazy, wide).message
    damaged = Forward()
    with torch.no_grad():
        damaged.layer.bias[0] = torch.nan
    assert "layer.bias" in refused(damaged, torch.zeros(1, 4)).message
    assert "meta" not in refused(Forward().to("meta"), torch.zeros(1, 4)).message
    assert "TorchScript" in refused(torch.jit.script(nn.ReLU()), wide).message


@pytest.mark.parametrize("example", [None, torch.zeros(4), torch.zeros(0, 4), (torch.zeros(1, 4), torch.zeros(1, 4))])
def test_unusable_examples(example: Any) -> None:
    assert refused(Forward(), example).code == "E022"
    assert given_model(Forward(), CompileOptions(input_shape=(4,)))


@pytest.mark.parametrize(
    "change",
    [lambda x: x.view(1, -1) @ torch.ones(3, 2), lambda x: x.sum(), lambda x: x[:1], lambda x: x.reshape(2, -1)],
)
def test_the_batch_is_that_of_samples(change: Any) -> None:
    assert refused(Forward(change), torch.zeros(2, 4)).code == "E023"


def test_an_axis_of_one_sample_is_not_dropped() -> None:
    squeezed = seeded(nn.Sequential(nn.Unflatten(1, (4, 1)), Forward2d()))
    assert spikec.check_model(squeezed, CompileOptions(calibration=IMAGES[:, 0, 0, :4])).verdict == "fits"


class Forward2d(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv1d(4, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x).squeeze().relu() @ torch.ones(3, 2)  # type: ignore[no-any-return]


def test_what_no_exporter_takes_is_told_by_module() -> None:
    class Inverse(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.fft.fft(x).real  # type: ignore[no-any-return]

    class Stubborn(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if torch.onnx.is_in_onnx_export():
                raise RuntimeError("operator 'aten::nothing' is not for export")
            return x

    report = spikec.check_model(nn.Sequential(Forward(), Inverse()), example=torch.zeros(1, 4))
    assert report.verdict == "unsupported"
    assert {node for d in report.diagnostics if d.code == "E101" for node in d.place.nodes} == {"1/fft_fft", "1/real"}
    found = refused(nn.Sequential(Stubborn()), torch.zeros(1, 4))
    assert found.code == "E024"
    assert "in 0: operator" in found.message


@pytest.mark.parametrize("model", [Net, 3, None, {"weights": 1}])
def test_what_is_no_model(model: Any) -> None:
    assert refused(model, None).code == "E026"


def test_an_example_beside_a_file() -> None:
    assert refused("net.onnx", torch.zeros(1, 4)).code == "E022"


def test_arrays_that_are_none() -> None:
    for wrong in ("none.npz", object(), ["a"], [[1.0], [1.0, 2.0]]):
        with pytest.raises(spikec.UnusableInput, match=r"E60[03]"):
            spikec.compile_model(seeded(Net()), CompileOptions(calibration=wrong), example=IMAGES)


def test_importing_loads_no_torch() -> None:
    code = "import sys, spikec; spikec.compile_model; spikec.Compiled; spikec.Run; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_model_of_onnx_that_cannot_be_written() -> None:
    class Broken:
        graph = io

        def SerializeToString(self) -> bytes:  # noqa: N802
            raise ValueError("too large")

    assert refused(Broken(), None).code == "E026"
