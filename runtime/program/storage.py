"""The program on disk: ``program.json`` says what there is, ``tensors.npz`` holds the integers.

The same program gives the same bytes: keys are sorted, the archive carries no dates, and each tensor is kept in
the narrowest signed type that holds it. ``program.json`` carries the digest of ``tensors.npz``, and ``report.json``
that of ``program.json``, so that files of different compilations are not taken for one artefact.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from ...targets.diagnostic import UnusableInput, refuse
from ..progress import Report as Progress
from ..progress import untold
from .archive import DamagedArchive, read_archive
from .description import describe, program_of
from .digest import digest_of, digest_of_file, foreign_file
from .program import Program, Weights
from .rules import problems
from .synapses import narrowest

FORMAT = "spikec-program/3"
PROGRAM_FILE = "program.json"
TENSOR_FILE = "tensors.npz"
REPORT_FILE = "report.json"
SELF_TEST_FILE = "selftest.json"
DIGEST_OF_PROGRAM = "program_digest"
"""Key of ``report.json`` that holds the digest of ``program.json``."""

_LARGEST_DOCUMENT = 32 << 20
_RECOMPILE = "compile the model again with 'spikec compile'"


def program_files(program: Program, progress: Progress = untold) -> dict[str, bytes]:
    """Contents of the program's files by name; ``progress(done, total)`` counts bytes of tensors."""
    tensors: dict[str, Weights] = {}
    document = describe(program, tensors)
    archive = _archive(tensors, progress)
    document |= {"format": FORMAT, "digests": {TENSOR_FILE: digest_of(archive)}}
    text = json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n"
    return {PROGRAM_FILE: text.encode(), TENSOR_FILE: archive}


def content_digest(program: Program) -> str:
    """Digest of all that its files would hold, without making them: equal ones are of equal programs."""
    tensors: dict[str, Weights] = {}
    digest = sha256(json.dumps(describe(program, tensors), sort_keys=True).encode())
    for name, values in sorted(tensors.items()):
        digest.update(f"{name} {values.shape} int64".encode())
        digest.update(np.ascontiguousarray(values, dtype=np.int64).data)
    return digest.hexdigest()


def load_program(directory: str | Path) -> Program:
    """Read an artefact's program and check it; raises ``UnusableInput`` naming file and fault."""
    folder = Path(directory)
    document, tensors = _read_tied(folder)
    _check_stored_report(folder)
    try:
        program = program_of(document, tensors)
    except KeyError as error:
        raise refuse("E611", f"{error} is missing", file=folder / PROGRAM_FILE, hint=_RECOMPILE) from error
    except (TypeError, ValueError, OverflowError) as error:
        raise refuse(
            "E611", f"the description is damaged ({error})", file=folder / PROGRAM_FILE, hint=_RECOMPILE
        ) from error
    found = tuple(problems(program, str(folder / PROGRAM_FILE)))
    if found:
        raise UnusableInput(found)
    return program


def check_artefact(directory: str | Path, digest_of_program: object) -> None:
    """Raise ``UnusableInput`` unless a report that names ``digest_of_program`` is that of the artefact's program.

    The tensors are known by their digest alone and not read.
    """
    folder = Path(directory)
    document = _read_description(folder)
    if not (folder / TENSOR_FILE).is_file():
        raise _missing(folder / TENSOR_FILE)
    try:
        _check_tensors(folder, document)
    except OSError as error:
        raise _unreadable(folder / TENSOR_FILE, error) from error
    if digest_of_program != digest_of_file(folder / PROGRAM_FILE):
        raise foreign_file(folder / PROGRAM_FILE, folder / REPORT_FILE)


def read_document(path: Path) -> dict[str, Any]:
    """Read a JSON object from an artefact; ``UnusableInput`` if it is missing, damaged or not an object."""
    try:
        document = json.loads(read_text(path), object_pairs_hook=_object)
    except FileNotFoundError as error:
        raise _missing(path) from error
    except (OSError, ValueError, RecursionError) as error:
        raise refuse("E611", f"the file cannot be read as JSON ({error})", file=path, hint=_RECOMPILE) from error
    if not isinstance(document, dict):
        raise refuse("E611", "the file does not hold a JSON object", file=path, hint=_RECOMPILE)
    return document


def read_text(path: Path) -> str:
    """Text of a file of an artefact; OSError or ValueError where it is none, a pipe say, or far too large for one."""
    if path.exists() and not path.is_dir() and (not path.is_file() or path.stat().st_size > _LARGEST_DOCUMENT):
        raise ValueError(f"it is no file of at most {_LARGEST_DOCUMENT >> 20} MiB")
    return path.read_text(encoding="utf-8")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        twice = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        raise ValueError(f"{twice!r:.40} stands twice in an object")
    return content


def _read_tied(folder: Path) -> tuple[dict[str, Any], dict[str, Weights]]:
    """Description and tensors of an artefact, each the file that the other was written with."""
    document = _read_description(folder)
    tensors = _read_tensors(folder / TENSOR_FILE)
    _check_tensors(folder, document)
    return document, tensors


def _read_description(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise refuse("E610", f"there is no compiled artefact at '{folder}'", file=folder, hint=_RECOMPILE)
    document = read_document(folder / PROGRAM_FILE)
    if document.get("format") != FORMAT:
        raise refuse(
            "E612",
            f"format is {document.get('format')!r:.40}, this version of spikec reads {FORMAT!r}",
            file=folder / PROGRAM_FILE,
            hint=_RECOMPILE,
        )
    return document


def _check_tensors(folder: Path, document: dict[str, Any]) -> None:
    """Refuse tensors whose digest does not stand in ``document``; ``OSError`` where they cannot be read."""
    if "digests" not in document:
        raise refuse("E611", "'digests' is missing", file=folder / PROGRAM_FILE, hint=_RECOMPILE)
    if document["digests"] != {TENSOR_FILE: digest_of_file(folder / TENSOR_FILE)}:
        raise foreign_file(folder / TENSOR_FILE, folder / PROGRAM_FILE)


def _missing(path: Path) -> UnusableInput:
    return refuse("E610", "the file is missing from the artefact", file=path, hint=_RECOMPILE)


def _unreadable(path: Path, error: Exception) -> UnusableInput:
    return refuse("E611", f"the tensors cannot be read ({error})", file=path, hint=_RECOMPILE)


def _check_stored_report(folder: Path) -> None:
    """A report of another program beside it; one that is missing or damaged matters only to those who read it."""
    try:
        report = read_document(folder / REPORT_FILE)
    except UnusableInput:
        return
    named = report.get(DIGEST_OF_PROGRAM)
    if named is not None and named != digest_of_file(folder / PROGRAM_FILE):
        raise foreign_file(folder / PROGRAM_FILE, folder / REPORT_FILE)


def _archive(tensors: dict[str, Weights], progress: Progress) -> bytes:
    buffer = io.BytesIO()
    done, total = 0, sum(values.nbytes for values in tensors.values())
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for key in sorted(tensors):
            member = io.BytesIO()
            np.save(member, np.ascontiguousarray(narrowest(tensors[key])), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(key + ".npy"), member.getbuffer())
            done += tensors[key].nbytes
            progress(done, total)
    return buffer.getvalue()


def _read_tensors(path: Path) -> dict[str, Weights]:
    try:
        return {key: _as_integers(key, values) for key, values in read_archive(path).items()}
    except FileNotFoundError as error:
        raise _missing(path) from error
    except (OSError, ValueError, DamagedArchive) as error:
        raise _unreadable(path, error) from error


def _as_integers(key: str, values: np.ndarray[Any, np.dtype[Any]]) -> Weights:
    if values.dtype.kind != "i":
        raise ValueError(f"tensor {key} has type {values.dtype}, not a signed integer type")
    return values.astype(values.dtype.newbyteorder("="), copy=False)
