"""Published networks that the accuracy bench knows, and data of the range that each was trained on.

The folder has ``mlperf_tiny`` (the reference networks of MLPerf Tiny, as ONNX), ``pretrained`` (a ResNet-20 with plain
ReLUs) and ``cifar10_jpeg`` (see ``models/datasets/packed_jpeg.py``). Networks whose own data is not there get smooth
random features of its mean and spread, or images of the size that they read.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spikec.runtime.samples import Samples

Array = npt.NDArray[Any]

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_PATTERNS = 6
_NOISE = 0.5


@dataclass(frozen=True, slots=True)
class Part:
    """Samples to take: ``count`` of those called ``split``, drawn with ``seed``."""

    split: str
    count: int
    seed: int


CALIBRATION_SEED, TEST_SEED = 1, 2


@dataclass(frozen=True, slots=True)
class Published:
    """A network's ``file`` within the folder, where it is to be measured, and its data.

    ``cases`` are pairs of target and T; ``samples`` makes those of a part from the folder; ``tests`` is how many are
    measured.
    """

    file: str
    cases: tuple[tuple[str, int], ...]
    samples: Callable[[Path, Part], Samples]
    tests: int = 100


def smooth(part: Part, shape: tuple[int, ...]) -> Array:
    """Features of unit size (count, *shape), mixed of a few patterns that all parts share, and of noise."""
    random, size = np.random.default_rng(part.seed), int(np.prod(shape))
    patterns = np.random.default_rng(99).normal(size=(_PATTERNS, size)) / np.sqrt(_PATTERNS)
    mixed = 0.7 * (random.normal(size=(part.count, _PATTERNS)) @ patterns)
    return np.asarray((mixed + _NOISE * random.normal(size=(part.count, size))).reshape(part.count, *shape))


def images(folder: Path, part: Part) -> tuple[Array, Array]:
    """Images (count, 32, 32, 3) uint8 and their classes (count,)."""
    from PIL import Image

    with np.load(folder / "cifar10_jpeg" / f"{part.split}.npz") as packed:
        jpeg, offsets, labels = packed["jpeg"], packed["offsets"], packed["labels"]
    chosen = np.random.default_rng(part.seed).permutation(len(labels))[: part.count]
    files = [io.BytesIO(jpeg[offsets[i] : offsets[i + 1]].tobytes()) for i in chosen]
    return np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files]), labels[chosen].astype(np.int64)


def _machine_sound(folder: Path, part: Part) -> Samples:
    return Samples((-15 + 8 * smooth(part, (640,))).astype(np.float32), None)


def _keyword(folder: Path, part: Part) -> Samples:
    return Samples(np.clip(-30 + 30 * smooth(part, (49, 10, 1)), -123, 25).astype(np.float32), None)


def _quantised_keyword(folder: Path, part: Part) -> Samples:
    steps = np.rint((-30 + 30 * smooth(part, (49, 10, 1))) / 0.5847 + 83)
    return Samples(np.clip(steps, -128, 127).astype(np.int8), None)


def _wake_word(folder: Path, part: Part) -> Samples:
    return Samples(np.clip(0.5 + 0.25 * smooth(part, (30, 1, 40)), 0, 1).astype(np.float32), None)


def _person(folder: Path, part: Part) -> Samples:
    from PIL import Image

    small, _ = images(folder, part)
    large = [np.asarray(Image.fromarray(image).resize((96, 96), Image.Resampling.BILINEAR)) for image in small]
    return Samples(np.stack(large).astype(np.float32) / np.float32(255), None)


def _pixels(folder: Path, part: Part) -> Samples:
    pixels, labels = images(folder, part)
    return Samples(pixels.astype(np.float32), labels)


def _quantised_pixels(folder: Path, part: Part) -> Samples:
    pixels, labels = images(folder, part)
    return Samples((pixels.astype(np.int16) - 128).astype(np.int8), labels)


def _normalised(folder: Path, part: Part) -> Samples:
    pixels, labels = images(folder, part)
    scaled = (pixels.astype(np.float32) / np.float32(255) - np.array(_MEAN, np.float32)) / np.array(
        _DEVIATION, np.float32
    )
    return Samples(np.ascontiguousarray(scaled.transpose(0, 3, 1, 2)), labels)


_BOTH = (("lava", 16), ("loihi2", 32))
_GROWING = tuple(("loihi2", timesteps) for timesteps in (4, 8, 16, 32, 64))

NETWORKS = (
    Published("mlperf_tiny/ad01.onnx", _BOTH, _machine_sound),
    Published("mlperf_tiny/kws_ref_model_float32.onnx", _BOTH, _keyword),
    Published("mlperf_tiny/kws_ref_model.onnx", _BOTH, _quantised_keyword),
    Published("mlperf_tiny/str_ww_ref_model.onnx", _BOTH, _wake_word),
    Published("mlperf_tiny/vww_96.onnx", _BOTH, _person),
    Published("mlperf_tiny/pretrainedResnet_quant.onnx", _BOTH, _quantised_pixels),
    Published("mlperf_tiny/pretrainedResnet.onnx", (("lava", 16), *_GROWING), _pixels, tests=1000),
    Published(
        "pretrained/resnet20_relu_cifar10.onnx",
        tuple(("loihi2", timesteps) for timesteps in (8, 16, 32)),
        _normalised,
        tests=500,
    ),
)
