from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest

from spikec.models.checkpoint import export_onnx, load_checkpoint
from spikec.models.datasets.library import DEBIAN_FASHION_MNIST, load_dataset
from spikec.models.shipped import shipped_checkpoint, shipped_model, shipped_samples

LIMIT = 750_000


def predictions(images: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    session = onnxruntime.InferenceSession(shipped_model(), providers=["CPUExecutionProvider"])
    batches = np.array_split(images.astype(np.float32) / np.float32(255), max(1, len(images) // 500))
    return np.concatenate([session.run(["logits"], {"input": batch})[0].argmax(1) for batch in batches])


def test_files_are_small_and_licensed() -> None:
    for path in (shipped_model(), shipped_checkpoint(), shipped_samples()):
        assert 0 < path.stat().st_size < LIMIT
    notice = shipped_model().with_name("LICENSE.fashion-mnist").read_text()
    assert "Zalando SE" in notice


def test_sample_file_holds_what_it_promises() -> None:
    with np.load(shipped_samples(), allow_pickle=False) as file:
        assert {name: (file[name].shape, file[name].dtype.name) for name in file} == {
            "test_inputs": ((1000, 1, 28, 28), "uint8"),
            "test_labels": ((1000,), "int64"),
            "calibration_inputs": ((512, 1, 28, 28), "uint8"),
            "calibration_labels": ((512,), "int64"),
        }
        assert set(file["test_labels"]) == set(file["calibration_labels"]) == set(range(10))


def test_accuracy_on_the_shipped_images() -> None:
    with np.load(shipped_samples()) as file:
        assert (predictions(file["test_inputs"]) == file["test_labels"]).mean() >= 0.9


def test_onnx_file_is_the_export_of_the_checkpoint() -> None:
    checkpoint = load_checkpoint(shipped_checkpoint())
    assert (checkpoint.activation.kind, checkpoint.activation.levels) == ("round", 4)
    session = onnxruntime.InferenceSession(export_onnx(shipped_checkpoint()), providers=["CPUExecutionProvider"])
    with np.load(shipped_samples()) as file:
        images = file["test_inputs"][:200]
    (logits,) = session.run(["logits"], {"input": images.astype(np.float32) / np.float32(255)})
    np.testing.assert_array_equal(logits.argmax(1), predictions(images))


def test_readme_says_what_the_training_recorded() -> None:
    readme = shipped_model().with_name("README.md").read_text()
    for done in load_checkpoint(shipped_checkpoint()).training["rounds"]:
        assert f"{100 * done['validation_accuracy']:.2f}" in readme
        assert f"{100 * done['test_accuracy']:.2f}" in readme


@pytest.mark.skipif(not DEBIAN_FASHION_MNIST.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_recorded_accuracy_holds_and_calibration_images_are_training_images() -> None:
    data = load_dataset("fashion-mnist")
    recorded = load_checkpoint(shipped_checkpoint()).training["rounds"][-1]["test_accuracy"]
    measured = (predictions(data.test.images[:]) == data.test.labels).mean()
    assert measured == pytest.approx(recorded, abs=0.001)  # other sums move values next to a step of the floor
    trained = {hashlib.sha256(image.tobytes()).digest() for image in data.train.images[:]}
    with np.load(shipped_samples()) as file:
        np.testing.assert_array_equal(file["test_inputs"], data.test.images[:1000])
        np.testing.assert_array_equal(file["test_labels"], data.test.labels[:1000])
        drawn = {hashlib.sha256(image.tobytes()).digest() for image in file["calibration_inputs"]}
    assert drawn <= trained


def test_neither_package_nor_commands_import_torch() -> None:
    lines = (
        "import sys",
        "import spikec.models, spikec.models.commands, spikec.models.shipped as shipped",
        "shipped.shipped_model(), shipped.shipped_samples()",
        "sys.exit('torch' in sys.modules)",
    )
    assert subprocess.run([sys.executable, "-c", "\n".join(lines)], check=False).returncode == 0
