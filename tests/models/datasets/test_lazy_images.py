from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, Resize

from spikec.models.checkpoint import load_checkpoint
from spikec.models.commands.train import train
from spikec.models.datasets.device_images import StreamedImages, affordable, read_batches, tensors
from spikec.models.datasets.images import DataSet, ImageSet, split
from spikec.models.datasets.lazy_images import LazyImages
from spikec.models.datasets.library import load_dataset
from spikec.models.datasets.sample_file import draw, sample_file, written_test_set
from spikec.models.training import training
from spikec.models.training.augmentation import augment
from spikec.models.training.evaluation import accuracy
from spikec.models.training.options import TrainingOptions
from spikec.targets.diagnostic import UnusableInput

CLASSES = ("n01440764", "n02102040", "n03888257")
SIZES = (
    (300, 260),
    (260, 300),
    (640, 97),
    (61, 500),
    (256, 256),
    (224, 224),
    (40, 33),
    (257, 400),
    (400, 257),
    (301, 299),
)
"""Columns and rows: upright and lying, far too long, exact, small, and odd remainders around the middle."""
MODES = ("RGB", "L", "CMYK")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ImageNet's folders: 3 classes of 10 JPEG files to train on, and 3 to test on."""
    root, random = tmp_path_factory.mktemp("imagenet"), np.random.default_rng(0)
    for part, count in (("train", 10), ("val", 3)):
        for shade, name in enumerate(CLASSES):
            folder = root / part / name
            folder.mkdir(parents=True)
            for index, size in enumerate(SIZES[:count]):
                # Coarse noise around a shade of the class: pictures that differ, and that a network can tell apart.
                coarse = random.integers(0, 90, (7, 5, 3), np.uint8) + np.uint8(80 * shade)
                picture = Image.fromarray(coarse).resize(size).convert(MODES[index % 3])
                picture.save(folder / f"{name}_{index}.JPEG", "JPEG")
    return root


@pytest.fixture
def copied(pictures: Path, tmp_path: Path) -> Path:
    for path in pictures.rglob("*.JPEG"):
        target = tmp_path / path.relative_to(pictures)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    return tmp_path


def lazy(images: ImageSet) -> LazyImages:
    assert isinstance(images.images, LazyImages)
    return images.images


def told(read: Callable[[], object]) -> list[str]:
    with pytest.raises(UnusableInput) as caught:
        read()
    assert all(problem.hint for problem in caught.value.diagnostics)
    return [f"{problem.code} {problem.message} ({problem.place.file})" for problem in caught.value.diagnostics]


def test_folders_give_classes_and_labels(pictures: Path) -> None:
    data = load_dataset("imagenet", pictures)
    assert data.classes == CLASSES
    assert (data.shape, data.shift, data.flip) == ((3, 224, 224), 16, True)
    assert data.train.images.shape == (30, 3, 224, 224)
    np.testing.assert_array_equal(data.train.labels, np.repeat([0, 1, 2], 10))
    np.testing.assert_array_equal(data.test.labels, np.repeat([0, 1, 2], 3))
    for file, label in zip(lazy(data.train).files, data.train.labels, strict=True):
        assert file.startswith(CLASSES[label])


def test_pixels_are_those_of_torchvisions_usual_transform(pictures: Path) -> None:
    images = lazy(load_dataset("imagenet", pictures).train)
    wanted = Compose([Resize(256), CenterCrop(224)])
    for file, image in zip(images.files, images[:], strict=True):
        with Image.open(images.root / file) as picture:
            np.testing.assert_array_equal(image.transpose(1, 2, 0), np.asarray(wanted(picture.convert("RGB"))))


def test_margin_is_the_picture_around(pictures: Path) -> None:
    images = lazy(load_dataset("imagenet", pictures).train)
    wide, chosen = images.read(slice(10), 16), images[:10]
    assert wide.shape == (10, 3, 256, 256)
    np.testing.assert_array_equal(wide[:, :, 16:-16, 16:-16], chosen)
    assert wide[:, :, :16].any()


def test_indices_and_slices_choose_like_those_of_an_array(pictures: Path) -> None:
    images = lazy(load_dataset("imagenet", pictures).train)
    whole, some = images[:], np.array([7, 2, 29, 2])
    np.testing.assert_array_equal(images[some], whole[some])
    np.testing.assert_array_equal(images.take(some)[1:3], whole[some][1:3])
    np.testing.assert_array_equal(images[25:99], whole[25:])
    assert images[30:].shape == (0, 3, 224, 224)


def test_split_and_draw_decode_nothing(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = load_dataset("imagenet", pictures)
    whole = data.train.images[:]
    monkeypatch.setattr(LazyImages, "read", None)
    rest, held_out = split(data.train, 6, seed=1)
    drawn = draw(held_out, 4, seed=0)
    monkeypatch.undo()
    order = {file: index for index, file in enumerate(lazy(data.train).files)}
    assert sorted(order[file] for part in (rest, held_out) for file in lazy(part).files) == list(range(30))
    chosen = np.array([order[file] for file in lazy(drawn).files])
    np.testing.assert_array_equal(drawn.images[:], whole[chosen])
    np.testing.assert_array_equal(drawn.labels, data.train.labels[chosen])


def test_other_files_are_left_out_and_folders_searched(copied: Path) -> None:
    name = load_dataset("imagenet", copied).name
    folder = copied / "train" / CLASSES[0]
    (folder / "README.txt").write_text("no picture")
    (folder / "._n01440764_0.JPEG").write_text("no picture either")
    (copied / "train" / "wnids.txt").write_text("no class")
    (copied / "train" / ".cache").mkdir()
    (copied / "ILSVRC2012_devkit_t12.tar.gz").write_text("not needed")
    assert load_dataset("imagenet", copied).name == name
    (folder / "more").mkdir()
    Image.new("P", (50, 50), 3).save(folder / "more" / "palette.png")
    data = load_dataset("imagenet", copied)
    assert len(data.train) == 31
    assert data.name != name
    assert data.train.images[10:11].shape == (1, 3, 224, 224)


def test_damaged_images_are_all_named(copied: Path) -> None:
    folder = copied / "train" / CLASSES[1]
    whole = (folder / f"{CLASSES[1]}_0.JPEG").read_bytes()
    damaged = {"a_cut.JPEG": whole[: len(whole) // 2], "b_text.JPEG": b"no picture", "c_empty.JPEG": b""}
    for name, content in damaged.items():
        (folder / name).write_bytes(content)
    Image.new("RGB", (1, 101)).save(folder / "d_long.JPEG")
    (folder / "e_gone.JPEG").symlink_to("nowhere")
    images = load_dataset("imagenet", copied).train.images
    problems = told(lambda: images[:])
    assert len(problems) == 5
    for name, problem in zip((*damaged, "d_long.JPEG", "e_gone.JPEG"), problems, strict=True):
        assert problem.startswith("E702 the image cannot be decoded")
        assert problem.endswith(f"({folder / name})")
    assert images[:10].shape == (10, 3, 224, 224)


def test_folders_that_are_not_imagenet(copied: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    empty = tmp_path_factory.mktemp("empty")
    assert told(lambda: load_dataset("imagenet")) == ["E701 no folder was given for ImageNet (None)"]
    (missing,) = told(lambda: load_dataset("imagenet", empty))
    assert missing == f"E701 ImageNet's folder train and val was not found ({empty})"
    for part in ("train", "val"):
        (empty / part).mkdir()
        (empty / part / "ILSVRC2012_val_00000001.JPEG").write_bytes(b"")
    assert [each.partition(" (")[0] for each in told(lambda: load_dataset("imagenet", empty))] == [
        "E702 train holds no class folders",
        "E702 val holds no class folders",
    ]
    (copied / "val" / CLASSES[2]).rename(copied / "val" / "n00000000")
    (copied / "train" / "n00000001").mkdir()
    assert [each.partition(" (")[0] for each in told(lambda: load_dataset("imagenet", copied))] == [
        "E702 train lacks 1 classes of val, such as n00000000",
        "E702 val lacks 2 classes of train, such as n00000001",
        "E702 train/n00000001 holds no pictures",
    ]
    assert told(lambda: load_dataset("imagenet", copied, download=True)) == [
        "E709 ImageNet cannot be downloaded (None)"
    ]


def test_batches_are_decoded_ahead_in_order(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = lazy(load_dataset("imagenet", pictures).train)
    streamed = StreamedImages(images, torch.device("cpu"))
    chosen: list[slice | torch.Tensor] = [torch.tensor([3, 1]), slice(4, 5), torch.tensor([29, 0, 3])]
    whole = torch.from_numpy(images[:])
    for batch, pixels in zip(chosen, read_batches(streamed, chosen), strict=True):
        assert torch.equal(pixels, whole[batch])
        assert torch.equal(streamed[batch], whole[batch])
    assert list(read_batches(streamed, [])) == []

    begun, read = threading.Semaphore(0), LazyImages.read

    def counted(*given: object) -> object:
        begun.release()
        return read(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(LazyImages, "read", counted)
    next(read_batches(streamed, chosen))
    assert all(begun.acquire(timeout=10) for _ in range(2)), "the second batch is begun while the first is in use"
    assert not begun.acquire(blocking=False), "no more than one batch waits"


def test_damage_in_a_batch_ends_the_reading(copied: Path) -> None:
    (copied / "train" / CLASSES[0] / f"{CLASSES[0]}_3.JPEG").write_bytes(b"")
    streamed, _ = tensors(load_dataset("imagenet", copied).train, torch.device("cpu"))
    batches = read_batches(streamed, [slice(0, 2), slice(2, 4), slice(4, 6)])
    next(batches)
    (problem,) = told(lambda: next(batches))
    assert f"{CLASSES[0]}_3.JPEG" in problem


def test_shifts_move_in_the_picture_before_zeros() -> None:
    random = np.random.default_rng(5)
    whole = torch.from_numpy(random.integers(1, 256, (40, 2, 9, 9), np.uint8))
    shifted = augment(whole, 2, True, np.random.default_rng(0), margin=2)
    partly = augment(whole[:, :, 1:-1, 1:-1], 2, True, np.random.default_rng(0), margin=1)
    zeros = augment(whole[:, :, 2:-2, 2:-2], 2, True, np.random.default_rng(0))
    assert shifted.shape == partly.shape == zeros.shape == (40, 2, 5, 5)
    assert shifted.all()
    for less in (partly, zeros):
        assert torch.equal(less[less > 0], shifted[less > 0])
    assert (zeros == 0).sum() > (partly == 0).sum() > 0
    windows = whole.unfold(2, 5, 1).unfold(3, 5, 1).flatten(2, 3)
    for image, choices in zip(shifted, windows.transpose(1, 2), strict=True):
        assert any(torch.equal(image, each) or torch.equal(image, each.flip(2)) for each in choices)


def test_batches_shrink_with_the_pixels() -> None:
    for side, wanted in ((8, 500), (28, 500), (32, 500), (64, 125), (224, 10), (1024, 1)):
        assert affordable(500, torch.empty((1, 3, side, side), device="meta")) == wanted
    assert affordable(512, torch.empty((1, 3, 64, 64), device="meta"), 64) == 512


def test_accuracy_of_streamed_images_is_that_of_the_same_images_in_memory(pictures: Path) -> None:
    data = load_dataset("imagenet", pictures)
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.AvgPool2d(224), torch.nn.Flatten(), torch.nn.Linear(3, 3))
    streamed, labels = tensors(data.train, torch.device("cpu"))
    measured = accuracy(network, streamed, labels)
    assert measured == accuracy(network, torch.from_numpy(data.train.images[:]), labels)
    assert 0 < measured < 1


def test_test_files_of_lazy_sets_hold_a_sample(pictures: Path) -> None:
    test = load_dataset("imagenet", pictures).test
    many = test.take(np.arange(2500) % len(test))
    sample = written_test_set(many)
    assert len(sample) == 1000
    assert len(written_test_set(test)) == len(test)
    assert set(sample.labels) == {0, 1, 2}
    np.testing.assert_array_equal(lazy(written_test_set(many)).files, lazy(sample).files)
    in_memory = ImageSet(np.zeros((1001, 1, 1, 1), np.uint8), np.zeros(1001, np.int64))
    assert len(written_test_set(in_memory)) == 1001
    assert sample_file(test) == sample_file(ImageSet(test.images[:], test.labels))


OPTIONS = TrainingOptions(
    "convnet",
    "round",
    width=2,
    levels=2,
    epochs_relu=1,
    epochs_qc=1,
    epochs_noise=1,
    epochs_deploy=1,
    learning_rate_relu=0.01,
    noise="local",
    noise_timesteps=2,
    deploy_timesteps=2,
    batch_size=8,
    held_out=0.2,
)


def record_of(data: DataSet, folder: Path) -> dict[str, object]:
    return training.train(OPTIONS, data, folder, device="cpu")


def test_all_rounds_train_and_resume_on_pictures(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = load_dataset("imagenet", pictures)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    record = record_of(data, whole)
    assert record["images"] == {"train": 24, "validation": 6, "test": 9, "test_file": 9}
    with np.load(whole / "test.npz") as file:
        assert sorted(file["labels"]) == [0] * 3 + [1] * 3 + [2] * 3
    with np.load(whole / "calibration.npz") as file:
        assert file["inputs"].shape == (24, 3, 224, 224)

    epochs: list[str] = []

    def stop(text: str, began: float) -> None:
        epochs.append(text)
        if len(epochs) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training, "_say", stop)
        with pytest.raises(KeyboardInterrupt):
            record_of(data, parts)
    fewer = replace(data, name="imagenet-00000000")
    with pytest.raises(UnusableInput, match="E706 the unfinished training was started with dataset = imagenet-"):
        training.train(OPTIONS, fewer, parts, resume=True, device="cpu")
    assert training.train(OPTIONS, data, parts, resume=True, device="cpu") == record
    first, second = (load_checkpoint(folder / "model.pt").weights for folder in (whole, parts))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_training_on_pictures_is_training_on_the_same_images_in_memory(pictures: Path, tmp_path: Path) -> None:
    """Without a shift nothing is moved in, so both augment alike."""
    lazily = replace(load_dataset("imagenet", pictures), shift=0)
    train_set, test_set = (ImageSet(part.images[:], part.labels) for part in (lazily.train, lazily.test))
    in_memory = replace(lazily, train=train_set, test=test_set)
    options = replace(OPTIONS, activation="ratenorm", noise="none", deploy_timesteps=0)
    for name, data in (("lazy", lazily), ("memory", in_memory)):
        training.train(options, data, tmp_path / name, device="cpu")
    first, second = (load_checkpoint(tmp_path / name / "model.pt") for name in ("lazy", "memory"))
    assert first.training == second.training
    assert all(torch.equal(first.weights[name], second.weights[name]) for name in first.weights)


def test_command_trains_on_pictures_with_what_is_around_their_middles(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes: set[tuple[int, ...]] = set()

    def seen(images: torch.Tensor, shift: int, flip: bool, random: np.random.Generator, margin: int) -> torch.Tensor:
        shapes.add((*images.shape[1:], margin))
        return augment(images, shift, flip, random, margin)

    monkeypatch.setattr(training, "augment", seen)
    given = ["--dataset", "imagenet", "--data", str(pictures), "--network", "convnet", "--width", "1", "--json"]
    given += ["--activation", "relu", "--epochs-relu", "1", "--batch-size", "8", "--device", "cpu", "-o", str(tmp_path)]
    result = CliRunner().invoke(train, given, catch_exceptions=False)
    assert shapes == {(3, 256, 256, 16)}
    record = json.loads(result.stdout)
    assert record["dataset"].startswith("imagenet-")
    network = load_checkpoint(tmp_path / "model.pt").network
    assert (network.size, network.classes) == (224, 3)
