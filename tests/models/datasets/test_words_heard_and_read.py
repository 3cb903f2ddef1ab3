"""Speech Commands and IMDB in the layouts of torchaudio and torchtext, from small made files to a program."""

from __future__ import annotations

import json
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from spikec.__main__ import run
from spikec.models.datasets import imdb
from spikec.models.datasets.library import load_dataset
from spikec.models.datasets.speech_commands import RATE, log_mel
from spikec.models.training.options import TrainingOptions
from spikec.models.training.task import split_training_set
from spikec.targets.diagnostic import UnusableInput

FREQUENCIES = {"go": 300, "stop": 1200, "up": 4000}


def recording(path: Path, samples: np.ndarray[tuple[int, ...], np.dtype[np.float64]], rate: int = RATE) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.rint(samples * 32767).astype("<i2").tobytes())


def sine(hertz: float, seconds: float = 1.0) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.asarray(0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE))


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """Six speakers who say three words each; one tests, one chooses epochs; some recordings are short."""
    root = tmp_path / "SpeechCommands" / "speech_commands_v0.02"
    (root / "_background_noise_").mkdir(parents=True)
    recording(root / "_background_noise_" / "humming.wav", sine(50))
    for word, hertz in FREQUENCIES.items():
        (root / word).mkdir()
        for speaker in range(6):
            samples = sine(hertz + 10 * speaker, 1 - 0.1 * speaker)
            recording(root / word / f"speaker{speaker}_nohash_0.wav", samples)
    for name, speaker in (("testing_list.txt", 4), ("validation_list.txt", 5)):
        (root / name).write_text("".join(f"{word}/speaker{speaker}_nohash_0.wav\n" for word in FREQUENCIES))
    return tmp_path


def refused(name: str, folder: Path) -> list[str]:
    with pytest.raises(UnusableInput) as caught:
        load_dataset(name, folder)
    assert all(problem.hint for problem in caught.value.diagnostics)
    return [problem.code for problem in caught.value.diagnostics]


def test_recordings_become_bands_and_the_publishers_lists_divide_them(speech: Path) -> None:
    data = load_dataset("speech-commands", speech)
    assert (data.classes, data.shape, data.signed) == (("go", "stop", "up"), (40, 1, 98), False)
    assert [len(part) for part in (data.train, data.test)] == [12, 3]
    assert data.validation is not None
    np.testing.assert_array_equal(data.test.labels, [0, 1, 2])
    rest, held_out = split_training_set(TrainingOptions("signalnet", "round"), data)
    assert rest is data.train
    assert held_out is data.validation
    assert data.train.groups is not None
    assert len(set(data.train.groups)) == 4
    direct = load_dataset("speech-commands", speech / "SpeechCommands" / "speech_commands_v0.02")
    np.testing.assert_array_equal(direct.test.images[:], data.test.images[:])


def test_a_tone_is_in_its_band_and_silence_is_nothing() -> None:
    loudest = [int(log_mel(sine(hertz)).astype(int).sum(1).argmax()) for hertz in (100, 300, 1000, 3000, 7000)]
    assert loudest == sorted(set(loudest))
    mel = 2595 * np.log10(1 + np.array([20.0, 8000.0, 1000.0]) / 700)
    assert loudest[2] == pytest.approx((mel[2] - mel[0]) / (mel[1] - mel[0]) * 41 - 1, abs=1)
    assert not log_mel(np.zeros(RATE)).any()
    bands = log_mel(np.concatenate([np.zeros(RATE // 2), sine(1000, 0.5)])).astype(int)
    assert bands[:, :40].max() == 0
    assert bands[:, 60:].max() > 150
    twice = log_mel(sine(1000)).astype(int), log_mel(0.5 * sine(1000)).astype(int)
    peak = twice[0].max()
    assert peak - twice[1].max() == pytest.approx(20 * np.log10(2) * 2.55, abs=1.5)


@pytest.mark.parametrize(
    ("damage", "codes"),
    [
        (lambda root: (root / "testing_list.txt").unlink(), ["E701"]),
        (lambda root: (root / "validation_list.txt").unlink(), ["E701"]),
        (lambda root: (root / "validation_list.txt").write_text(""), ["E702"]),
        (lambda root: (root / "testing_list.txt").write_text("go/nobody.wav\n"), ["E702"]),
        (lambda root: (root / "testing_list.txt").write_bytes(b"\xff\xfe"), ["E702"]),
        (lambda root: recording(root / "go" / "speaker0_nohash_0.wav", sine(300), 8000), ["E702"]),
        (
            lambda root: [path.write_bytes(path.read_bytes()[:30]) for path in (root / "go").glob("*[01]_n*")],
            ["E702"] * 2,
        ),
        (lambda root: (root / "up" / "speaker1_nohash_0.wav").write_bytes(b""), ["E702"]),
        (lambda root: (root / "up" / "speaker1_nohash_0.wav").write_bytes(b"RIFF" + 2000 * b"\xff"), ["E702"]),
    ],
)
def test_damaged_recordings_and_lists_are_refused(
    speech: Path, damage: Callable[[Path], object], codes: list[str]
) -> None:
    damage(speech / "SpeechCommands" / "speech_commands_v0.02")
    assert refused("speech-commands", speech) == codes


def test_recordings_cut_anywhere_are_refused_or_shorter(speech: Path) -> None:
    path = speech / "SpeechCommands" / "speech_commands_v0.02" / "go" / "speaker1_nohash_0.wav"
    whole = path.read_bytes()
    for length in (*range(0, 60, 3), 1001, 1002):
        path.write_bytes(whole[:length])
        is_refused = False
        try:
            load_dataset("speech-commands", speech)
        except UnusableInput:
            is_refused = True
        assert is_refused == (length <= 44 or length % 2 == 1)


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    """Reviews of few words, half of which tell the opinion."""
    random = np.random.default_rng(0)
    words = {"neg": ["awful", "dull", "don't"], "pos": ["great", "fine", "moving"]}
    for part, count in (("train", 60), ("test", 20)):
        for opinion, own in words.items():
            folder = tmp_path / "aclImdb" / part / opinion
            folder.mkdir(parents=True)
            for number in range(count):
                chosen = [*random.choice(own, 2), *random.choice(["The", "film,", "was<br />", "Plot"], 6)]
                (folder / f"{number}_7.txt").write_text(" ".join(chosen) + f" seldom{number}" * (part == "test"))
    return tmp_path


def test_a_review_is_the_set_of_its_frequent_words(reviews: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = load_dataset("imdb", reviews)
    assert (data.classes, data.shape) == (("neg", "pos"), (10, 1, 1))
    assert [len(part) for part in (data.train, data.test)] == [120, 40]
    assert set(np.unique(data.train.images[:])) == {0, 255}
    one = reviews / "aclImdb" / "train" / "neg" / "0_7.txt"
    one.write_text("Dull DULL dull<br />awful: don't!")
    assert int((load_dataset("imdb", reviews).train.images[:1] > 0).sum()) == 3
    monkeypatch.setattr(imdb, "WORDS", 4)
    shorter = load_dataset("imdb", reviews / "aclImdb").train.images[:]
    assert shorter.shape[1] == 4
    assert (shorter > 0).mean() > 0.5, "the most frequent words are kept"


def test_missing_and_unreadable_reviews_are_refused(reviews: Path, tmp_path: Path) -> None:
    folder = reviews / "aclImdb" / "test" / "pos"
    for path in list(folder.glob("[01]_*")):
        path.write_bytes(b"\xff\xff")
    assert refused("imdb", reviews) == ["E702", "E702"]
    for path in folder.iterdir():
        path.unlink()
    assert refused("imdb", reviews) == ["E702"]
    folder.rmdir()
    assert refused("imdb", reviews) == ["E701"]
    (tmp_path / "empty").mkdir()
    for name in ("imdb", "speech-commands"):
        assert refused(name, tmp_path / "empty") == ["E701"]
        with pytest.raises(UnusableInput, match=r"E701 .* (was|were) not found"):
            load_dataset(name)
        with pytest.raises(UnusableInput, match="E709"):
            load_dataset(name, tmp_path, download=True)


@pytest.mark.parametrize(("name", "network"), [("speech-commands", "signalnet"), ("imdb", "bagnet")])
def test_from_made_files_to_equal_spikes(
    name: str, network: str, request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder: Path = request.getfixturevalue("speech" if network == "signalnet" else "reviews")
    trained, artefact = tmp_path / "run", tmp_path / "artefact"
    options = ["--width", "4", "--epochs-relu", "6", "--epochs-qc", "1", "--batch-size", "8", "--device", "cpu"]
    command = ["train", "--network", network, "--dataset", name, "--data", str(folder), *options]
    assert run([*command, "-o", str(trained), "-q"]) == 0
    record = json.loads((trained / "train.json").read_text())
    assert record["rounds"][-1]["test_accuracy"] > 0.6
    data = str(trained / "calibration.npz")
    compile_command = ["compile", str(trained / "model.onnx"), "-o", str(artefact), "--timesteps", "4"]
    assert run([*compile_command, "--calibration", data, "-q"]) == 0
    verify = ["verify", str(artefact), "--data", str(trained / "test.npz"), "--backends", "reference,simulator"]
    capsys.readouterr()
    assert run([*verify, "--limit", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["equal"]
