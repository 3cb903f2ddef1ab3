"""Speech Commands (Warden 2018) in torchaudio's layout: a folder per word, a recording of one second per file.

A recording becomes 40 mel bands over 98 frames, (40, 1, 98) uint8: 25 ms under a Hann window every 10 ms, power by band
on a logarithmic scale. Recordings that testing_list.txt names test, those of validation_list.txt choose epochs, and the
others train; the lists never divide a speaker.
"""

from __future__ import annotations

import wave
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...runtime.progress import progress_bar
from ...targets.diagnostic import Diagnostic, Place, UnusableInput, refuse
from .images import DataSet, ImageSet
from .lazy_images import ByteImages

RATE = 16_000
"""Samples of a recording, and a second."""
FRAME, HOP, BINS = 400, 160, 512
BANDS = 40
LOWEST, HIGHEST = 20.0, 8000.0
"""Of the bands, in Hz."""
QUIETEST, LOUDEST = -60.0, 40.0
"""Power in dB that 0 and 255 stand for; a full scale sine has about 40."""
LISTS = ("testing_list.txt", "validation_list.txt")
LAYOUTS = (".", "speech_commands_v0.02", "SpeechCommands/speech_commands_v0.02", "SpeechCommands/speech_commands_v0.01")
HINT = f"the folder must hold a folder of .wav files per word, {LISTS[0]} and {LISTS[1]}"


def read_speech_commands(folder: Path | None) -> DataSet:
    """Read all recordings in ``folder``, or where torchaudio keeps them in it.

    Words are the names of folders, sorted; folders that begin with ``_`` (background noise) are left out.
    Errors: E701 a list or the words are missing, E702 recordings that cannot be read or that only a list names.
    """
    root = None if folder is None else _root(folder)
    if root is None:
        raise refuse("E701", "Speech Commands was not found", file=folder, hint=f"give its folder as --data: {HINT}")
    words, files = _found(root)
    testing, validation = (_listed(root / name, frozenset(files)) for name in LISTS)
    parts = {
        "training": [name for name in files if name not in testing and name not in validation],
        "validation": [name for name in files if name in validation],
        "testing": [name for name in files if name in testing],
    }
    empty = [part for part, chosen in parts.items() if not chosen]
    if empty:
        raise refuse("E702", f"there are no recordings for {empty[0]}", file=root, hint=HINT)
    train, held_out, test = (_image_set(root, chosen, words) for chosen in parts.values())
    return DataSet("speech-commands", train, test, tuple(words), shift=0, flip=False, validation=held_out)


def log_mel(samples: npt.NDArray[np.float64]) -> ByteImages:
    """Return the bands (40, 98) of a recording of RATE samples in -1..1."""
    starts = HOP * np.arange((RATE - FRAME) // HOP + 1)
    frames = samples[starts[:, None] + np.arange(FRAME)] * np.hanning(FRAME)
    power = np.abs(np.fft.rfft(frames, BINS)) ** 2
    decibels = 10 * np.log10(np.maximum(power @ _mel_bands(), 1e-12))
    scaled = (decibels - QUIETEST) * (255 / (LOUDEST - QUIETEST))
    return np.ascontiguousarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8).T)


def _mel_bands() -> npt.NDArray[np.float64]:
    """Triangles (bins, bands) that overlap by half, equally wide in mel, with weights that add up to one."""
    low, high = (2595 * np.log10(1 + hertz / 700) for hertz in (LOWEST, HIGHEST))
    edges = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    bins = np.arange(BINS // 2 + 1)[:, None] * (RATE / BINS)
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    triangles = np.maximum(0, np.minimum(rising, falling))
    return np.asarray(triangles / np.maximum(triangles.sum(0), 1e-12))


def _root(folder: Path) -> Path | None:
    return next((folder / layout for layout in LAYOUTS if (folder / layout / LISTS[0]).is_file()), None)


def _found(root: Path) -> tuple[list[str], list[str]]:
    """Words, and recordings as WORD/FILE."""
    try:
        words = sorted(path.name for path in root.iterdir() if path.is_dir() and path.name[0] not in "._")
    except OSError as error:
        raise refuse("E702", f"the folder cannot be read: {error}", file=root, hint="check its permissions") from error
    return words, [f"{word}/{path.name}" for word in words for path in sorted((root / word).glob("*.wav"))]


def _listed(path: Path, files: frozenset[str]) -> frozenset[str]:
    try:
        listed = frozenset(path.read_text(encoding="utf-8").split())
    except FileNotFoundError as error:
        raise refuse("E701", f"{path.name} was not found", file=path.parent, hint=HINT) from error
    except (OSError, UnicodeDecodeError) as error:
        hint = "take the file as its publisher offers it"
        raise refuse("E702", f"the list cannot be read: {error}", file=path, hint=hint) from error
    lacking = sorted(listed - files)
    if lacking:
        message = f"{len(lacking)} recordings of the list are not there, such as {lacking[0]}"
        raise refuse("E702", message, file=path, hint="unpack the archive again")
    return listed


def _image_set(root: Path, names: Iterable[str], words: list[str]) -> ImageSet:
    chosen = list(names)
    bands = np.empty((len(chosen), BANDS, 1, (RATE - FRAME) // HOP + 1), np.uint8)
    problems = []
    with progress_bar(f"read {root.name}") as progress:
        for index, name in enumerate(chosen):
            try:
                bands[index, :, 0] = log_mel(_samples(root / name))
            except (OSError, EOFError, ValueError, wave.Error) as error:
                hint = "it must be 16-bit PCM, one channel, 16 kHz: unpack the archive again"
                message = f"the recording cannot be read: {error}"
                problems.append(Diagnostic("E702", message, Place(file=str(root / name)), hint=hint))
            progress(index + 1, len(chosen))
    if problems:
        raise UnusableInput(problems)
    labels = np.array([words.index(name.partition("/")[0]) for name in chosen], np.int64)
    speakers = [name.rpartition("/")[2].partition("_nohash_")[0] for name in chosen]
    return ImageSet(bands, labels, np.unique(speakers, return_inverse=True)[1].astype(np.int64))


def _samples(path: Path) -> npt.NDArray[np.float64]:
    """RATE samples in -1..1: the first ones, with silence after a shorter recording."""
    with wave.open(str(path), "rb") as file:
        form = (file.getnchannels(), file.getsampwidth(), file.getframerate())
        if form != (1, 2, RATE):
            raise ValueError(f"it has {form[0]} channels of {8 * form[1]} bits at {form[2]} Hz")
        raw = file.readframes(RATE)
    if not raw or len(raw) % 2:
        raise ValueError("it holds no samples, or half of one")
    heard = np.frombuffer(raw, "<i2") / 32768
    return np.concatenate([heard, np.zeros(RATE - len(heard))])
