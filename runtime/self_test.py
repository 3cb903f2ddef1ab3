"""Inputs with expected counts that an artefact carries, so that it can be verified without data.

``selftest.json`` holds a few samples as a user would give them and, for every layer, how many spikes they cause (for a
read-out the sum of its potentials) and the SHA-256 of every spike train (or potential). It names the digest of the
``program.json`` that it is of, and its own; ``program.json`` does not name it, so that readers who know nothing of it
read the artefact all the same.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..targets.diagnostic import UnusableInput, refuse
from ..targets.records import dataclass
from .encoding import encode
from .execution import Execution
from .program import Program
from .program.digest import digest_of, digest_of_file, foreign_file
from .program.storage import PROGRAM_FILE, SELF_TEST_FILE, read_document
from .samples import Samples, checked_samples

FORMAT = "spikec-selftest/1"
MOST_SAMPLES = 4
MOST_BYTES = 1 << 16
"""Of the samples' values, as they are kept."""
MOST_WORK = 2e10
"""Multiplications times steps beyond which nothing is simulated as a model is compiled."""
_EASY_WORK = 2e9
_PATTERN = 4093
"""Values of inputs that are made: a prime, so that no row of an image is like the one above."""
_WIDEST = 1 << 16
_TYPES = ("uint8", "float32")


@dataclass(frozen=True, slots=True)
class ExpectedLayer:
    """What all samples cause in one layer: spikes or, of a read-out, the sum of potentials, and the SHA-256 of all."""

    count: int
    digest: str


@dataclass(frozen=True, slots=True, eq=False)
class SelfTest:
    """``inputs`` (N, *sample shape), or frames, of which ``values`` (any number) repeat until they are filled."""

    values: npt.NDArray[Any]
    shape: tuple[int, ...]
    layers: dict[str, ExpectedLayer]

    @property
    def inputs(self) -> npt.NDArray[Any]:
        """The samples as a user would give them."""
        return np.resize(self.values, self.shape)


@dataclass(frozen=True, slots=True)
class Unexpected:
    """A layer in which a backend gave something else than the artefact expects."""

    backend: str
    layer: str
    expected: int
    found: int


def make_self_test(program: Program, calibration: Samples | None, work: int) -> SelfTest | None:
    """Keep the first samples of ``calibration``, or made ones, with what the simulator gives for them.

    ``work`` is the multiplications of one pass of the float network; None where they would take too long.
    """
    from .simulator import simulate

    total = max(1, work) * program.timesteps
    if total > MOST_WORK:
        return None
    count = int(np.clip(_EASY_WORK // total, 1, MOST_SAMPLES))
    values, shape = _kept(program, calibration, count)
    encoded, _ = encode(program.input, np.resize(values, shape))
    execution = simulate(program, encoded, record=True)
    return SelfTest(values, shape, expected_layers(program, execution))


def _kept(program: Program, calibration: Samples | None, count: int) -> tuple[npt.NDArray[Any], tuple[int, ...]]:
    """Values and shape of at most ``count`` samples that are within ``MOST_BYTES``; made where not one of data is."""
    if calibration is not None:
        of_one = calibration.inputs[:1].nbytes
        fitting = calibration.first(min(count, MOST_BYTES // of_one)).inputs
        if len(fitting):
            return np.ascontiguousarray(fitting).ravel(), fitting.shape
    frames = (program.timesteps,) if program.input.frames else ()
    shape = (min(count, 2), *frames, *program.input.sample_shape)
    return _made(program, min(_PATTERN, int(np.prod(shape)))), shape


def _made(program: Program, size: int) -> npt.NDArray[Any]:
    """Values that are the same everywhere, over the range of the input."""
    blocks = [hashlib.sha256(str(k).encode()).digest() for k in range(-(-2 * size // 32))]
    drawn = np.frombuffer(b"".join(blocks), dtype="<u2")[:size].astype(np.int64)
    integers = program.input.integers
    if integers is None and program.input.minimum < 0:
        span = program.input.maximum - program.input.minimum + 1
        return ((program.input.minimum + drawn % span) * program.input.step).astype(np.float32)
    low, high = integers or (0, 255)
    numbers = low + drawn % min(high - low + 1, _WIDEST)
    return numbers.astype(np.uint8) if low >= 0 and high <= 255 else numbers.astype(np.float32)


def expected_layers(program: Program, execution: Execution) -> dict[str, ExpectedLayer]:
    """What a recorded ``execution`` gave, layer by layer."""
    assert execution.spike_trains is not None, "the trains were recorded"
    layers = {}
    for population in program.populations:
        name = population.name
        if population.threshold is None:
            values, count = execution.readouts[name], int(execution.readouts[name].sum())
        else:
            values, count = execution.spike_trains[name], execution.spike_counts[name]
        layers[name] = ExpectedLayer(count, digest_of(np.ascontiguousarray(values, dtype="<i8").tobytes()))
    return layers


def first_unexpected(program: Program, expected: SelfTest, execution: Execution) -> Unexpected | None:
    """The first layer in which a recorded ``execution`` of the samples is not as ``expected``."""
    found = expected_layers(program, execution)
    for name, layer in expected.layers.items():
        if found[name] != layer:
            return Unexpected(execution.backend, name, layer.count, found[name].count)
    return None


def self_test_file(kept: SelfTest, program_file: bytes) -> bytes:
    """Content of ``selftest.json`` beside ``program_file``, the content of ``program.json``."""
    content = {
        "inputs": {
            "type": kept.values.dtype.name,
            "shape": list(kept.shape),
            "values": base64.b64encode(kept.values.astype(kept.values.dtype.newbyteorder("<")).tobytes()).decode(),
        },
        "layers": [{"name": n, "count": layer.count, "digest": layer.digest} for n, layer in kept.layers.items()],
    }
    document = {
        "format": FORMAT,
        "program_digest": digest_of(program_file),
        "content": content,
        "digest": _digest(content),
    }
    return (json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def load_self_test(directory: str | Path, program: Program) -> SelfTest:
    """Read what the artefact in ``directory`` expects of its ``program``.

    Raises ``UnusableInput``: E037 where it carries none, E616 for one of another program or that was edited, E611 for a
    damaged one, E612 for a form that this version does not know.
    """
    folder = Path(directory)
    file = folder / SELF_TEST_FILE
    if not file.exists():
        raise refuse(
            "E037",
            "the artefact carries no inputs of its own to be verified with",
            file=folder,
            hint="give --data FILE.npz, or compile the model again with this version of spikec",
        )
    document = read_document(file)
    if document.get("format") != FORMAT:
        message = f"format is {document.get('format')!r:.40}, this version of spikec reads {FORMAT!r}"
        raise refuse("E612", message, file=file, hint="give --data FILE.npz")
    if document.get("program_digest") != digest_of_file(folder / PROGRAM_FILE):
        raise foreign_file(folder / PROGRAM_FILE, file)
    content = document.get("content")
    if document.get("digest") != _digest(content):
        hint = "give --data FILE.npz, or compile the model again with 'spikec compile'"
        raise refuse("E616", "the self-test was edited: its digest is another", file=file, hint=hint)
    try:
        return _read(content, program)
    except (KeyError, TypeError, ValueError, UnusableInput) as error:
        hint = "compile the model again with 'spikec compile'"
        raise refuse("E611", f"the self-test is damaged ({error})", file=file, hint=hint) from error


def _digest(content: Any) -> str:
    return digest_of(json.dumps(content, sort_keys=True).encode())


def _read(content: Any, program: Program) -> SelfTest:
    given = content["inputs"]
    if given["type"] not in _TYPES:
        raise ValueError(f"inputs are of type {given['type']!r:.40}")
    raw = base64.b64decode(given["values"], validate=True)
    values = np.frombuffer(raw, dtype=np.dtype(given["type"]).newbyteorder("<")).astype(given["type"])
    shape = tuple(int(extent) for extent in given["shape"])
    frames = shape[1:] == (program.timesteps, *program.input.sample_shape)
    if not frames and shape[1:] != program.input.sample_shape:
        raise ValueError(f"inputs of shape {shape} are not the program's")
    if not (0 < shape[0] <= MOST_SAMPLES and values.size):
        raise ValueError(f"{shape[0]} samples of {values.size} values are kept")
    layers = {str(each["name"]): ExpectedLayer(int(each["count"]), str(each["digest"])) for each in content["layers"]}
    if list(layers) != [population.name for population in program.populations]:
        raise ValueError("its layers are not the program's")
    kept = SelfTest(values, shape, layers)
    checked_samples(kept.inputs, None, program.input.sample_shape, integers=program.input.integers)
    return kept
