from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spikec.models.datasets import packed_jpeg
from spikec.models.datasets.images import ImageSet, split
from spikec.models.datasets.library import load_dataset
from spikec.models.datasets.sample_file import draw, sample_file
from spikec.targets.diagnostic import UnusableInput


def idx(array: np.ndarray) -> bytes:  # type: ignore[type-arg]
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


@pytest.fixture
def fashion(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for stem, count in (("train", 20), ("t10k", 10)):
        (tmp_path / f"{stem}-images-idx3-ubyte").write_bytes(idx(random.integers(0, 256, (count, 28, 28))))
        (tmp_path / f"{stem}-labels-idx1-ubyte").write_bytes(idx(random.integers(0, 10, count)))
    return tmp_path


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "packed"
    folder.mkdir()
    for part, count in (("train", 12), ("test", 5)):
        write_packed(folder / f"{part}.npz", [jpeg(shade * 10) for shade in range(count)], np.arange(count) % 10)
    return folder


def jpeg(shade: int, size: int = 32) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((size, size, 3), shade, np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


def write_packed(path: Path, files: list[bytes], labels: np.ndarray) -> None:  # type: ignore[type-arg]
    offsets = np.cumsum([0, *map(len, files)])
    np.savez(
        path,
        jpeg=np.frombuffer(b"".join(files), np.uint8),
        offsets=offsets.astype(np.int64),
        labels=labels.astype("u1"),
    )


def code_of(read: Callable[[], object]) -> str:
    with pytest.raises(UnusableInput) as caught:
        read()
    (problem,) = caught.value.diagnostics
    assert problem.hint
    return problem.code


def test_digits_are_bytes_with_one_fixed_test_set() -> None:
    data = load_dataset("digits")
    assert data.train.images.shape == (1437, 1, 8, 8)
    assert data.test.images.shape == (360, 1, 8, 8)
    assert data.train.images[:].dtype == np.uint8
    assert data.train.images[:].max() == 255
    np.testing.assert_array_equal(data.test.images[:], load_dataset("digits").test.images[:])


def test_split_is_a_partition_that_the_seed_fixes() -> None:
    images = ImageSet(np.arange(50, dtype=np.uint8).reshape(50, 1, 1, 1), np.arange(50))
    rest, held_out = split(images, 10, seed=3)
    assert sorted([*rest.labels, *held_out.labels]) == list(range(50))
    np.testing.assert_array_equal(rest.images[:].flatten(), rest.labels)
    np.testing.assert_array_equal(held_out.labels, split(images, 10, seed=3)[1].labels)
    assert set(held_out.labels) != set(split(images, 10, seed=4)[1].labels)


def test_sample_files_are_reproducible(tmp_path: Path) -> None:
    images = ImageSet(np.arange(50, dtype=np.uint8).reshape(50, 1, 1, 1), np.arange(50))
    drawn = draw(images, 7, seed=1)
    assert len(set(drawn.labels)) == 7
    assert sample_file(drawn) == sample_file(draw(images, 7, seed=1))
    with np.load(io.BytesIO(sample_file(drawn))) as file:
        assert set(file) == {"inputs", "labels"}
        assert file["inputs"].dtype == np.uint8
    assert len(draw(images, 99, seed=1)) == 50


def test_idx_files_plain_zipped_and_in_torchvisions_layout(fashion: Path) -> None:
    plain = load_dataset("fashion-mnist", fashion)
    assert plain.train.images.shape == (20, 1, 28, 28)
    raw = fashion / "deep" / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for path in list(fashion.glob("*ubyte")):
        (raw / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    zipped = load_dataset("fashion-mnist", fashion / "deep")
    np.testing.assert_array_equal(zipped.test.images[:], plain.test.images[:])
    np.testing.assert_array_equal(zipped.test.labels, plain.test.labels)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: content[:9],
        lambda content: b"",
        lambda content: b"<html>" + content,
        lambda content: content[:3] + b"\1" + content[4:],
        lambda content: content[:2] + b"\x0d" + content[3:],
        lambda content: idx(np.zeros((20, 28, 27))),
        lambda content: idx(np.zeros((19, 28, 28))),
        lambda content: idx(np.zeros((0, 28, 28))),
    ],
)
def test_damaged_idx_images_are_refused(fashion: Path, damage: Callable[[bytes], bytes]) -> None:
    path = fashion / "train-images-idx3-ubyte"
    path.write_bytes(damage(path.read_bytes()))
    assert code_of(lambda: load_dataset("fashion-mnist", fashion)) == "E702"


@pytest.mark.parametrize("cut", [0, 5, 100, -1])
def test_truncated_gzip_is_refused(fashion: Path, cut: int) -> None:
    path = fashion / "t10k-images-idx3-ubyte"
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes())[:cut])
    path.unlink()
    assert code_of(lambda: load_dataset("fashion-mnist", fashion)) == "E702"


def test_wrong_labels_are_refused(fashion: Path) -> None:
    (fashion / "train-labels-idx1-ubyte").write_bytes(idx(np.full(20, 10)))
    assert code_of(lambda: load_dataset("fashion-mnist", fashion)) == "E702"


def test_missing_files_and_folders_are_named(fashion: Path) -> None:
    (fashion / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(UnusableInput, match="E701 t10k-labels-idx1-ubyte was not found"):
        load_dataset("fashion-mnist", fashion)
    with pytest.raises(UnusableInput, match="E701 the data folder does not exist"):
        load_dataset("cifar10", fashion / "nowhere")
    with pytest.raises(UnusableInput, match="E701 CIFAR-10 was not found"):
        load_dataset("cifar10", fashion)
    with pytest.raises(UnusableInput, match="E701 CIFAR-100 was not found"):
        load_dataset("cifar100", fashion)
    with pytest.raises(UnusableInput, match="E705 there is no data set 'mnist'"):
        load_dataset("mnist")


def test_fashion_mnist_nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("spikec.models.datasets.library.DEBIAN_FASHION_MNIST", tmp_path / "none")
    assert code_of(lambda: load_dataset("fashion-mnist")) == "E701"


def test_packed_jpeg_is_decoded_once(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = load_dataset("cifar10", packed)
    assert data.name == "cifar10-jpeg"
    assert data.train.images.shape == (12, 3, 32, 32)
    for index, image in enumerate(data.train.images[:]):
        assert abs(int(image.mean()) - index * 10) <= 1  # JPEG rounds a flat image by at most one
    monkeypatch.setattr(packed_jpeg, "_decode", None)
    np.testing.assert_array_equal(load_dataset("cifar10", packed).test.images[:], data.test.images[:])


def test_damaged_cache_is_decoded_again(packed: Path, tmp_path: Path) -> None:
    expected = load_dataset("cifar10", packed).train.images[:]
    for cached in (tmp_path / "cache" / "spikec").iterdir():
        cached.write_bytes(cached.read_bytes()[:50])
    np.testing.assert_array_equal(load_dataset("cifar10", packed).train.images[:], expected)


def test_cache_that_cannot_be_written_is_told(packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert code_of(lambda: load_dataset("cifar10", packed)) == "E615"


@pytest.mark.parametrize(
    ("files", "labels"),
    [
        ([jpeg(0), b"no jpeg"], [0, 1]),
        ([jpeg(0), jpeg(1)[:200]], [0, 1]),
        ([jpeg(0), jpeg(1, size=28)], [0, 1]),
        ([jpeg(0), jpeg(1)], [0, 10]),
        ([jpeg(0), jpeg(1)], [0, 1, 2]),
        ([jpeg(0), b""], [0, 1]),
    ],
)
def test_damaged_packed_images_are_refused(packed: Path, files: list[bytes], labels: list[int]) -> None:
    write_packed(packed / "train.npz", files, np.array(labels))
    assert code_of(lambda: load_dataset("cifar10", packed)) == "E702"


@pytest.mark.parametrize("cut", [0, 10, 2000])
def test_truncated_packed_files_are_refused(packed: Path, cut: int) -> None:
    path = packed / "train.npz"
    path.write_bytes(path.read_bytes()[:cut])
    assert code_of(lambda: load_dataset("cifar10", packed)) == "E702"


def test_packed_files_of_another_kind_are_refused(packed: Path) -> None:
    np.savez(packed / "train.npz", inputs=np.zeros(3))
    assert code_of(lambda: load_dataset("cifar10", packed)) == "E702"
    np.save(packed / "train.npy", np.zeros(3))
    (packed / "train.npy").rename(packed / "train.npz")
    assert code_of(lambda: load_dataset("cifar10", packed)) == "E702"


def test_packed_test_set_missing(packed: Path) -> None:
    (packed / "test.npz").unlink()
    assert code_of(lambda: load_dataset("cifar10", packed)) == "E701"


def test_foreign_pickles_in_torchvisions_layout_are_not_loaded(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in ("data_batch_1", "test_batch", "batches.meta"):
        (folder / name).write_bytes(pickle.dumps({"data": [], "labels": []}))
    assert code_of(lambda: load_dataset("cifar10", tmp_path)) == "E702"


@pytest.fixture
def cifar100(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Torchvision's layout with other images, and torchvision's list of checksums changed to go with them."""
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    random, names = np.random.default_rng(0), [f"class {index}" for index in range(100)]
    contents = {
        "train": {"data": random.integers(0, 256, (200, 3072), np.uint8), "fine_labels": [*range(100)] * 2},
        "test": {"data": random.integers(0, 256, (9, 3072), np.uint8), "fine_labels": [*range(91, 100)]},
        "meta": {"fine_label_names": names},
    }
    checksums = {}
    for name, content in contents.items():
        (folder / name).write_bytes(pickle.dumps(content))
        checksums[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()
    reader = "torchvision.datasets.CIFAR100"
    monkeypatch.setattr(f"{reader}.train_list", [["train", checksums["train"]]])
    monkeypatch.setattr(f"{reader}.test_list", [["test", checksums["test"]]])
    meta = {"filename": "meta", "key": "fine_label_names", "md5": checksums["meta"]}
    monkeypatch.setattr(f"{reader}.meta", meta)
    return tmp_path


def test_cifar100_in_torchvisions_layout(cifar100: Path) -> None:
    data = load_dataset("cifar100", cifar100)
    assert (data.name, data.shift, data.flip, data.shape, data.signed) == ("cifar100", 4, True, (3, 32, 32), False)
    assert data.classes == tuple(f"class {index}" for index in range(100))
    assert data.train.images.shape == (200, 3, 32, 32)
    stored = pickle.loads((cifar100 / "cifar-100-python" / "test").read_bytes())
    for image, row in zip(data.test.images[:], stored["data"], strict=True):
        # Red, then green, then blue, each row by row: as the publisher describes the files.
        np.testing.assert_array_equal(image[1, 2], row[1024 + 2 * 32 :][:32])
    np.testing.assert_array_equal(data.test.labels, np.arange(91, 100))


@pytest.mark.parametrize("name", ["train", "test", "meta"])
def test_altered_cifar100_is_refused(cifar100: Path, name: str) -> None:
    path = cifar100 / "cifar-100-python" / name
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert code_of(lambda: load_dataset("cifar100", cifar100)) == "E702"


@pytest.mark.parametrize(("name", "asked"), [("cifar10", "CIFAR10"), ("cifar100", "CIFAR100")])
def test_download_fetches_what_was_asked_for(
    name: str, asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []

    def unreachable(root: str, download: bool) -> None:
        fetched.append(root)
        raise OSError("no route to host")

    monkeypatch.setattr(f"torchvision.datasets.{asked}", unreachable)
    assert code_of(lambda: load_dataset(name, tmp_path / "new", download=True)) == "E709"
    assert fetched == [str(tmp_path / "new")]


def test_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spikec.models.libraries.find_spec", lambda name: None)
    with pytest.raises(UnusableInput, match="E708 scikit-learn is not installed"):
        load_dataset("digits")
