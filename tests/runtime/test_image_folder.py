"""Folders of images and .npy files as data, for a command as for a call."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from spikec.runtime.samples import Samples, load_samples
from spikec.targets.diagnostic import UnusableInput

PIXELS = np.random.default_rng(3).integers(0, 256, size=(6, 4, 5, 3)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three classes of two images each; not in the order of their making."""
    for place, pixels in enumerate(PIXELS):
        file = tmp_path / "images" / ("zebra", "ant", "cow")[place % 3] / f"{place}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
    (tmp_path / "images" / "notes.txt").write_text("not an image")
    return tmp_path / "images"


def refused(folder: Path, shape: tuple[int, ...] = (3, 4, 5), classes: int | None = None) -> list[Any]:
    with pytest.raises(UnusableInput) as caught:
        load_samples(folder, shape, classes=classes)
    return list(caught.value.diagnostics)


def test_classes_are_sorted_and_pixels_kept(folder: Path) -> None:
    samples = load_samples(folder, (3, 4, 5), classes=3)
    expected = PIXELS[[1, 4, 2, 5, 0, 3]]
    np.testing.assert_array_equal(samples.inputs, expected.transpose(0, 3, 1, 2))
    assert samples.labels is not None
    assert samples.labels.tolist() == [0, 0, 1, 1, 2, 2]
    np.testing.assert_array_equal(load_samples(folder, (4, 5, 3)).inputs, expected)


def test_one_channel_is_grey(folder: Path) -> None:
    grey = np.stack([np.asarray(Image.fromarray(pixels).convert("L")) for pixels in PIXELS[[1, 4, 2, 5, 0, 3]]])
    for shape in ((1, 4, 5), (4, 5), (4, 5, 1)):
        np.testing.assert_array_equal(load_samples(folder, shape).inputs.reshape(grey.shape), grey)


def test_it_is_what_torchvision_reads(folder: Path) -> None:
    from torchvision.datasets import ImageFolder

    theirs, ours = ImageFolder(str(folder)), load_samples(folder, (3, 4, 5))
    assert ours.labels is not None
    assert theirs.targets == ours.labels.tolist()
    np.testing.assert_array_equal(ours.inputs, [np.asarray(image).transpose(2, 0, 1) for image, _ in theirs])


def test_all_unusable_images_are_told_by_name(folder: Path) -> None:
    whole = (folder / "ant" / "1.png").read_bytes()
    (folder / "ant" / "1.png").write_bytes(whole[: len(whole) // 2])
    (folder / "ant" / "text.jpg").write_text("no image")
    Image.fromarray(PIXELS[0, :3]).save(folder / "cow" / "small.png")
    Image.fromarray(np.ones((4, 5), np.uint16) * 999).save(folder / "cow" / "deep.png")
    found = refused(folder)
    assert {each.code for each in found} == {"E712"}
    told = {Path(each.place.file).name: each.message for each in found}
    assert sorted(told) == ["1.png", "deep.png", "small.png", "text.jpg"]
    assert "3x5 pixels, the model takes 4x5" in told["small.png"]
    assert "8 bits" in told["deep.png"]


def test_of_very_many_the_first_are_told(folder: Path) -> None:
    for place in range(30):
        (folder / "ant" / f"bad{place}.png").write_bytes(b"")
    found = refused(folder)
    assert len(found) == 21
    assert found[-1].message == "10 more images cannot be used"


def test_folders_that_are_no_data(folder: Path, tmp_path: Path) -> None:
    assert refused(tmp_path / "images" / "ant")[0].code == "E712"
    assert "64 per sample" in refused(folder, (64,))[0].message
    assert [each.code for each in refused(folder, classes=2)] == ["E604"]
    (folder / "bee").mkdir()
    assert "classes bee" in refused(folder)[0].message


def test_without_pillow(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    (found,) = refused(folder)
    assert found.code == "E708"
    assert "pillow" in str(found.hint)


def test_an_array_in_a_file_is_inputs_alone(tmp_path: Path) -> None:
    for array in (PIXELS, np.asfortranarray(PIXELS), PIXELS / np.float32(255)):
        np.save(tmp_path / "data.npy", array)
        samples = load_samples(tmp_path / "data.npy", (4, 5, 3))
        np.testing.assert_array_equal(samples.inputs, array)
        assert samples.labels is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-7],
        lambda content: content + b"more",
        lambda content: b"",
        lambda content: content.replace(b"(6,", b"(9,"),
        lambda content: content.replace(b"|u1", b"|O8"),
    ],
)
def test_damaged_arrays(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    np.save(tmp_path / "whole.npy", PIXELS)
    (tmp_path / "data.npy").write_bytes(damage((tmp_path / "whole.npy").read_bytes()))
    (found,) = refused(tmp_path / "data.npy", (4, 5, 3))
    assert found.code == "E601"
    assert "numpy.save" in str(found.hint)
    assert refused(tmp_path / "none.npy")[0].code == "E600"


def test_a_folder_where_a_command_takes_a_file(tmp_path: Path) -> None:
    from spikec.__main__ import run
    from spikec.models.shipped import shipped_model

    random = np.random.default_rng(0)
    for label in range(10):
        (tmp_path / "images" / str(label)).mkdir(parents=True)
        pixels = random.integers(0, 256, size=(28, 28)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / str(label) / "one.png")
    artefact = tmp_path / "artefact"
    assert run(["compile", str(shipped_model()), "-o", str(artefact), "--calibration", str(tmp_path / "images")]) == 0
    assert run(["run", str(artefact), "--data", str(tmp_path / "images"), "--json"]) == 0
    assert isinstance(load_samples(tmp_path / "images", (1, 28, 28)), Samples)
