"""Everything a user can get wrong ends with exit code 2 and lines that name file, fault and remedy."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikec.models.shipped import shipped_model

Refused = Callable[..., list[str]]
Model = Callable[..., bytes]
Saved = Callable[..., bytes]

IMAGES = np.zeros((4, 1, 8, 8), np.uint8)
QUICK = 10.0
"""Seconds within which a refusal must come, on a loaded machine."""


@pytest.fixture(autouse=True)
def in_good_time() -> Any:
    started = time.perf_counter()
    yield
    assert time.perf_counter() - started < QUICK


def codes(lines: list[str]) -> list[str]:
    return [line.split()[1].rstrip(":") for line in lines]


def placeless(lines: list[str], *folders: Path) -> str:
    text = "\n".join(lines) + "\n"
    for folder in folders:
        text = text.replace(f"{folder}/", "").replace(str(folder), "FOLDER")
    return text


@pytest.fixture
def compile_file(refused: Refused, tmp_path: Path) -> Callable[..., list[str]]:
    def compile_content(content: bytes, name: str = "net.onnx") -> list[str]:
        (tmp_path / name).write_bytes(content)
        lines = refused("compile", tmp_path / name, "-o", tmp_path / "out")
        assert not (tmp_path / "out").exists()
        assert all(name in line for line in lines)
        return lines

    return compile_content


def test_model_files(
    refused: Refused, compile_file: Callable[..., list[str]], model: Model, tmp_path: Path, golden: Any
) -> None:
    whole = model()
    lines = [
        *refused("check", tmp_path / "missing.onnx"),
        *refused("check", tmp_path),
        *compile_file(b""),
        *compile_file(b"these are words, not a model\n" * 9),
        *compile_file(whole[:200]),
        *compile_file(b"", "net.h5"),
        *compile_file(b"PK\x03\x04 no longer whole", "net.pt"),
        *compile_file(model(w1=np.full((4, 1, 3, 3), np.nan))),
        *compile_file(model(unit=0.0)),
        *compile_file(model(w2=np.zeros((3, 60)))),
    ]
    assert set(codes(lines)) == {"E001", "E002", "E004", "E012", "E111", "E632", "E703"}
    golden("lines.txt", placeless(lines, tmp_path))


def test_every_unsupported_operator_is_named(compile_file: Callable[..., list[str]], model: Model) -> None:
    lines = compile_file(
        model(pool="LpPool <kernel_shape = [2, 2], strides = [2, 2]> (m)", after="q = Sin (p)", flat="q")
    )
    assert codes(lines) == ["E101", "E101"]
    assert "LpPool" in lines[0]
    assert "Sin" in lines[1]


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.8, 0.95, 0.999])
def test_truncated_models(compile_file: Callable[..., list[str]], model: Model, share: float) -> None:
    whole = model()
    (code,) = set(codes(compile_file(whole[: int(share * len(whole))])))
    assert code[:2] == "E0"


def test_truncated_checkpoint(compile_file: Callable[..., list[str]]) -> None:
    from spikec.models.shipped import shipped_checkpoint

    whole = shipped_checkpoint().read_bytes()
    for size in (0, 100, len(whole) // 2, len(whole) - 1):
        assert all(code[:2] == "E7" for code in codes(compile_file(whole[:size], "net.pt")))


@pytest.mark.parametrize(
    ("arrays", "code"),
    [
        ({"inputs": IMAGES, "labels": np.zeros(3, int)}, "E604"),
        ({"inputs": IMAGES, "labels": np.full(4, 3)}, "E604"),
        ({"inputs": IMAGES, "labels": np.full(4, -1)}, "E604"),
        ({"inputs": IMAGES, "labels": np.zeros(4)}, "E604"),
        ({"inputs": IMAGES, "labels": np.zeros((4, 3), int)}, "E604"),
        ({"inputs": IMAGES, "labels": np.array(1)}, "E604"),
        ({"inputs": IMAGES[:, :, :7]}, "E603"),
        ({"inputs": IMAGES[0]}, "E603"),
        ({"inputs": np.uint8(3)}, "E603"),
        ({"inputs": IMAGES[:0]}, "E603"),
        ({"inputs": IMAGES.astype(np.int32)}, "E603"),
        ({"inputs": IMAGES.astype(complex)}, "E603"),
        ({"inputs": IMAGES.astype(str)}, "E603"),
        ({"inputs": np.full(IMAGES.shape, np.nan, np.float32)}, "E603"),
        ({"inputs": np.full(IMAGES.shape, np.inf, np.float32)}, "E603"),
        ({"inputs": np.full(IMAGES.shape, 1e300)}, "E603"),
        ({"inputs": IMAGES.astype(object)}, "E601"),
        ({"images": IMAGES}, "E602"),
        ({}, "E602"),
    ],
)
def test_data_that_does_not_fit(
    refused: Refused, bench: Path, saved: Saved, tmp_path: Path, arrays: dict[str, Any], code: str
) -> None:
    data = tmp_path / "data.npz"
    data.write_bytes(saved(**arrays))
    for command in (
        ("run", bench / "artefact", "--data", data),
        ("verify", bench / "artefact", "--data", data),
        ("compile", bench / "net.onnx", "-o", tmp_path / "out", "--calibration", data),
        ("evaluate", bench / "net.onnx", "--data", data),
    ):
        lines = refused(*command)
        assert codes(lines) == [code]
        assert str(data) in lines[0]


def test_inputs_and_labels_are_both_reported(refused: Refused, bench: Path, saved: Saved, tmp_path: Path) -> None:
    (tmp_path / "data.npz").write_bytes(saved(inputs=IMAGES[:, :, :7], labels=np.zeros(9, int)))
    assert codes(refused("run", bench / "artefact", "--data", tmp_path / "data.npz")) == ["E603", "E604"]


def test_data_files(refused: Refused, bench: Path, saved: Saved, tmp_path: Path, golden: Any) -> None:
    whole = saved(inputs=IMAGES, labels=np.zeros(4, int))
    (tmp_path / "text.npz").write_text("no archive at all\n")
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "cut.npz").write_bytes(whole[:300])
    with (tmp_path / "single.npz").open("wb") as stream:
        np.save(stream, IMAGES)
    names = ("missing.npz", ".", "text.npz", "empty.npz", "cut.npz", "single.npz")
    lines = [line for name in names for line in refused("run", bench / "artefact", "--data", tmp_path / name)]
    assert set(codes(lines)) == {"E600", "E601", "E712"}
    golden("lines.txt", placeless(lines, tmp_path))


def test_options(refused: Refused, bench: Path, tmp_path: Path, golden: Any) -> None:
    compile_to = ("compile", bench / "net.onnx", "-o", tmp_path / "out")
    calibrated = ("--calibration", bench / "data.npz")
    run_data = ("run", bench / "artefact", "--data", bench / "data.npz")
    (tmp_path / "chip.toml").write_text("this is = = no TOML")
    (tmp_path / "other.onnx").write_bytes(shipped_model().read_bytes())
    lines = [
        *refused(*compile_to, "--timesteps", "0"),
        *refused(*compile_to, "--timesteps", "-1"),
        *refused(*compile_to, "--timesteps", 10**9),
        *refused(*compile_to, "--timesteps", "four"),
        *refused(*compile_to, "--timesteps", "0", "--weight-bits", "1", "--schedule", "fast", "--percentile", "nan"),
        *refused(*compile_to, "--target", "loihi3"),
        *refused(*compile_to, "--target", tmp_path / "chip.toml"),
        *refused(*compile_to, "--target", tmp_path / "none.toml"),
        *refused(*compile_to, "--calibration", ""),
        *refused(*compile_to, "--output-name", "scores"),
        *refused(*run_data, "--backend", "loihi"),
        *refused(*run_data, "--limit", "0"),
        *refused("verify", *run_data[1:], "--backends", "simulator,loihi"),
        *refused("verify", *run_data[1:], "--backends", "simulator"),
        *refused("evaluate", bench / "net.onnx", "--data", bench / "data.npz", "--timesteps", "1,x"),
        *refused("evaluate", bench / "net.onnx", "--data", bench / "data.npz", "--timesteps", "0,1"),
        *refused("evaluate", bench / "net.onnx", "--data", bench / "data.npz", "--methods", "magic"),
        *refused(*compile_to, "--aim", tmp_path / "other.onnx"),
        *refused(*compile_to, *calibrated, "--aim", tmp_path / "other.onnx", "--no-calibrate"),
        *refused(*compile_to, *calibrated, "--aim", tmp_path / "other.onnx", "--neuron", "srp"),
        *refused(*compile_to, *calibrated, "--aim", tmp_path / "chip.toml"),
        *refused(*compile_to, *calibrated, "--aim", tmp_path / "other.onnx"),
        *refused("compile", bench / "net.onnx"),
        *refused("compile", bench / "net.onnx", "-o", tmp_path / "out", "--timestep", "4"),
        *refused("complie"),
        *refused("explain", "E999"),
        *refused("report", tmp_path / "nowhere"),
    ]
    expected = {"E007", "E600", "E610", "E630", "E631", "E632", "E633", "E640", "E641", "E642", "E801", "E802"}
    assert set(codes(lines)) == expected
    golden("lines.txt", placeless(lines, tmp_path, bench))


def test_data_without_labels_has_no_accuracy(refused: Refused, bench: Path, saved: Saved, tmp_path: Path) -> None:
    (tmp_path / "data.npz").write_bytes(saved(inputs=IMAGES))
    assert codes(refused("evaluate", bench / "net.onnx", "--data", tmp_path / "data.npz")) == ["E605"]


def test_loihi2_says_what_was_looked_for(refused: Refused, bench: Path) -> None:
    (line,) = refused("run", bench / "artefact", "--data", bench / "data.npz", "--backend", "loihi2")
    assert line.startswith(("error E501", "error E508"))
    assert "lava" in line


def test_destinations(refused: Refused, bench: Path, tmp_path: Path, golden: Any) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").write_text("mine")
    lines = [
        *refused("compile", bench / "net.onnx", "-o", tmp_path / "file"),
        *refused("compile", bench / "net.onnx", "-o", tmp_path / "folder"),
        *refused("compile", bench / "net.onnx", "-o", tmp_path / "file" / "below"),
        *refused("compile", bench / "net.onnx", "-o", "/proc/out"),
        *refused("report", bench / "artefact", "-o", tmp_path / "folder"),
        *refused("run", bench / "artefact", "--data", bench / "data.npz", "--output", tmp_path / "folder"),
    ]
    golden("lines.txt", placeless(lines, tmp_path, bench))
    assert (tmp_path / "file").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["notes.txt"]
