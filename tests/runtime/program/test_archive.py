"""Archives whose members are not what they claim: refused before anything large is allocated, whatever is wrong."""

from __future__ import annotations

import io
import resource
import struct
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spikec.runtime.program.archive import DamagedArchive, array_names, array_type, read_archive, read_array
from spikec.runtime.samples import load_samples
from spikec.targets.diagnostic import UnusableInput

STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED


def npy(values: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(values))
    return buffer.getvalue()


def header(text: str, version: tuple[int, int] = (1, 0), length: int | None = None) -> bytes:
    content = text.encode() + b"\n"
    size = struct.pack("<H" if version == (1, 0) else "<I", len(content) if length is None else length)
    return b"\x93NUMPY" + bytes(version) + size + content


def claim(shape: str, descr: str = "'|u1'") -> bytes:
    return header(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}")


def archive(path: Path, *members: tuple[str, bytes], compression: int = STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members:
            file.writestr(zipfile.ZipInfo(name), content, compress_type=compression)
    return path


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        "inputs": random.integers(0, 256, (3, 4, 5)).astype(np.uint8),
        "fortran": np.asfortranarray(random.normal(size=(3, 4, 5)).astype(np.float32)),
        "scalar": np.array(7),
        "empty": np.zeros((0, 3)),
        "big_endian": np.arange(4, dtype=">i8"),
    }
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "a.npz", **arrays)
        read = read_archive(tmp_path / "a.npz")
        assert list(read) == list(arrays) == sorted(array_names(tmp_path / "a.npz"), key=list(arrays).index)
        for name, values in arrays.items():
            np.testing.assert_array_equal(read[name], values)
            assert read[name].dtype == values.dtype
        assert list(read_archive(tmp_path / "a.npz", ["scalar", "none"])) == ["scalar"]


HOSTILE = {
    "no array": (b"abc", "not an array in numpy's format"),
    "nothing": (b"", "not an array"),
    "text": (b"1 2 3\n" * 1000, "not an array"),
    "pickle": (b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x07payload\x94.", "not an array"),
    "objects": (claim("(1,)", "'|O'") + b"\x80\x04N.", "holds Python objects"),
    "nested objects": (claim("(1,)", "[('a', '|O'), ('b', '<i4')]") + b"\0" * 12, "holds Python objects"),
    "short": (npy(np.arange(9))[:-8], "claims 9 of int64, and has 64 bytes"),
    "long": (npy(np.arange(9)) + b"\0", "claims 9 of int64, and has 73 bytes"),
    "huge": (claim("(1000000000000, 1000)"), "claims 1000000000000x1000 of uint8, and has 0 bytes"),
    "beyond 64 bits": (claim("(9223372036854775807, 9223372036854775807, 16)"), "and has 0 bytes"),
    "negative": (claim("(-1,)") + b"\0", "claims to have shape"),
    "no bytes each": (claim("(1000000000000,)", "'|S0'"), "claims to have shape"),
    "no numbers": (claim("('a',)"), ""),
    "no type": (claim("(1,)", "'nothing'"), ""),
    "no dictionary": (header("[1, 2]"), ""),
    "code": (header("__import__('os').abort()"), ""),
    "deep": (header("(" * 5000), ""),
    "endless header": (header("{}", (2, 0), 0xFFFFFFFF), ""),
    "header of 60,000 bytes": (header(" " * 60000), ""),
    "version 3": (header("{'descr': '|u1', 'fortran_order': False, 'shape': (0,), }", (3, 0)), "has version (3, 0)"),
    "version 9": (header("{}", (9, 0)), ""),
}


@pytest.mark.parametrize("compression", [STORED, DEFLATED], ids=["stored", "deflated"])
@pytest.mark.parametrize(("content", "message"), HOSTILE.values(), ids=HOSTILE.keys())
def test_members_that_are_no_sound_array(tmp_path: Path, content: bytes, message: str, compression: int) -> None:
    for name in ("inputs.npy", "inputs", "labels.npy"):
        others = [("inputs.npy", npy(np.zeros((2, 3), np.uint8)))] if name == "labels.npy" else []
        file = archive(tmp_path / "a.npz", *others, (name, content), compression=compression)
        with pytest.raises(DamagedArchive) as caught:
            read_archive(file, ("inputs", "labels"))
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
        with pytest.raises(UnusableInput, match="E601"):
            load_samples(file, (3,))


def test_other_members_are_never_looked_at(tmp_path: Path) -> None:
    good = ("inputs.npy", npy(np.ones((2, 3), np.uint8)))
    odd = [(name, b"abc") for name in ("../../x", "/x", "", "dir/", "a\x1b[31m", "é", "x" * 5000, "inputs.npy.npy")]
    samples = load_samples(archive(tmp_path / "a.npz", good, *odd), (3,))
    assert samples.inputs.shape == (2, 3)
    with pytest.raises(DamagedArchive):
        read_archive(tmp_path / "a.npz")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", ["inputs.npy", "inputs"])
def test_one_name_twice(tmp_path: Path, second: str) -> None:
    file = archive(tmp_path / "a.npz", ("inputs.npy", npy([1])), (second, npy([2])))
    with pytest.raises(DamagedArchive, match="more than once"):
        read_archive(file)


def test_encrypted_and_other_compressions(tmp_path: Path) -> None:
    for method, message in ((zipfile.ZIP_LZMA, "method that numpy does not write"), (zipfile.ZIP_BZIP2, "method")):
        file = archive(tmp_path / "a.npz", ("inputs.npy", npy([1])), compression=method)
        with pytest.raises(DamagedArchive, match=message):
            read_archive(file)
    file = archive(tmp_path / "a.npz", ("inputs.npy", npy([1])))
    content = bytearray(file.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    file.write_bytes(bytes(content))
    with pytest.raises(DamagedArchive, match="encrypted"):
        read_archive(file)


def test_bombs_are_refused_before_they_unpack(tmp_path: Path) -> None:
    zeros = 1 << 28
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", DEFLATED) as file, file.open("inputs.npy", "w") as member:
        member.write(claim(f"({zeros},)"))
        for _ in range(zeros >> 24):
            member.write(bytes(1 << 24))
    assert (tmp_path / "bomb.npz").stat().st_size < 1 << 20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DamagedArchive, match="claim to unpack"):
        read_archive(tmp_path / "bomb.npz")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10  # KiB


def test_sizes_that_the_directory_of_the_archive_claims(tmp_path: Path) -> None:
    file = archive(tmp_path / "a.npz", ("inputs.npy", npy([1])))
    content = bytearray(file.read_bytes())
    place = content.index(b"PK\x01\x02") + 24
    for size, message in ((0xFFFFFFF0, "claim"), (100, "CRC"), (0, "")):
        content[place : place + 4] = struct.pack("<I", size)
        file.write_bytes(bytes(content))
        with pytest.raises(DamagedArchive) as caught:
            read_archive(file)
        assert message in str(caught.value)


def test_a_checksum_that_differs(tmp_path: Path) -> None:
    file = archive(tmp_path / "a.npz", ("inputs.npy", npy(np.arange(1000))))
    content = bytearray(file.read_bytes())
    content[4000] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(DamagedArchive, match="CRC"):
        read_archive(file)


def test_what_is_no_file(tmp_path: Path) -> None:
    for device in ("/dev/zero", "/dev/null"):
        with pytest.raises(DamagedArchive, match="device"):
            read_archive(Path(device))
    with pytest.raises(IsADirectoryError):
        read_archive(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_archive(tmp_path / "none.npz")


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), compression=st.sampled_from([STORED, DEFLATED]))
def test_flipped_bytes_are_refused_or_change_nothing(tmp_path: Path, data: st.DataObject, compression: int) -> None:
    values = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    file = archive(tmp_path / "a.npz", ("inputs.npy", npy(values)), compression=compression)
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(bytes(content))
    try:
        read = read_archive(file, ["inputs"])
    except DamagedArchive:
        return
    assert not read or np.array_equal(read["inputs"], values)


def test_every_byte_that_is_another_is_refused_or_changes_nothing(tmp_path: Path) -> None:
    """Zip's fields hold versions and methods that its reader knows nothing of."""
    file = archive(tmp_path / "a.npz", ("inputs.npy", npy(np.arange(60, dtype=np.int16))))
    sound = file.read_bytes()
    for place in range(len(sound)):
        file.write_bytes(sound[:place] + bytes([sound[place] ^ 255]) + sound[place + 1 :])
        for read in (array_names, read_archive):
            with suppress(DamagedArchive):
                read(file)
    file = tmp_path / "a.npy"
    sound = npy(np.arange(60, dtype=np.int16))
    for place in range(len(sound)):
        file.write_bytes(sound[:place] + bytes([sound[place] ^ 255]) + sound[place + 1 :])
        for read_one in (array_type, read_array):
            with suppress(DamagedArchive):
                read_one(file)
