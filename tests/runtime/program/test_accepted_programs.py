"""Artefacts changed at random: each is refused, or all backends run it and give the same."""

from __future__ import annotations

import copy
import io
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikec.runtime.agreement import compare
from spikec.runtime.encoding import encode
from spikec.runtime.program.storage import load_program
from spikec.runtime.reference.network import run_reference
from spikec.runtime.simulator import simulate
from spikec.targets.diagnostic import UnusableInput

Edit = Callable[[dict[str, Any]], None]
Place = tuple[str | int, ...]
MUTANTS = 240


def places(value: Any, before: Place = ()) -> Iterator[Place]:
    """Paths to all values of a description but its format and digests."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        if key not in ("format", "digests"):
            yield (*before, key)
            yield from places(inner, (*before, key))


def value_at(document: Any, place: Place) -> Any:
    for key in place:
        document = document[key]
    return document


def changed(draw: random.Random, old: Any, texts: list[str]) -> Any:
    """Another value in the place of ``old``: near it, in another order, twice, missing, or something else's."""
    if isinstance(old, bool):
        return not old
    if isinstance(old, int):
        return draw.choice([old + 1, old - 1, 0, 1, -1, 2 * old, -old, draw.randrange(-5, 300)])
    if isinstance(old, str):
        return draw.choice([*texts, "", "x", "0x1p-1060", "inf", "nul\0"])
    if isinstance(old, list) and old:
        new = copy.deepcopy(old)
        act = draw.choice(["twice", "missing", "swapped", "reversed"])
        if act == "twice":
            new.insert(draw.randrange(len(new) + 1), copy.deepcopy(draw.choice(new)))
        elif act == "missing":
            new.pop(draw.randrange(len(new)))
        elif act == "swapped":
            one, two = draw.randrange(len(new)), draw.randrange(len(new))
            new[one], new[two] = new[two], new[one]
        else:
            new.reverse()
        return new
    return {"stride": [1, 1], "padding": [0] * 4, "dilation": [1, 1], "groups": 1} if old is None else None


def changed_tensors(draw: random.Random, stored: bytes) -> bytes:
    with np.load(io.BytesIO(stored)) as archive:
        tensors = {name: values.astype(np.int64) for name, values in archive.items()}
    name = draw.choice(sorted(tensors))
    factor = draw.choice([-1, 0, 1000, 1 << 40])
    if draw.random() < 0.5:
        tensors[name] = tensors[name] * factor
    else:
        tensors[name].flat[draw.randrange(tensors[name].size)] = draw.choice([0, -1, 1, 1 << 20, -(1 << 20), 1 << 31])
    buffer = io.BytesIO()
    np.savez(buffer, **tensors)
    return buffer.getvalue()


def mutate(draw: random.Random, folder: Path, whole: dict[str, bytes], edit: Edit) -> None:
    document = json.loads(whole["program.json"])
    (folder / "tensors.npz").write_bytes(whole["tensors.npz"])
    for _ in range(draw.choice([1, 1, 1, 2])):
        if draw.random() < 0.25:
            (folder / "tensors.npz").write_bytes(changed_tensors(draw, (folder / "tensors.npz").read_bytes()))
            continue
        everywhere = list(places(document))
        texts = [text for place in everywhere if isinstance(text := value_at(document, place), str)]
        place = draw.choice(everywhere)
        value_at(document, place[:-1])[place[-1]] = changed(draw, value_at(document, place), texts)
    edit(document)


@pytest.mark.parametrize("part", range(4))
def test_refused_or_run_alike(folder: Path, edit: Edit, part: int) -> None:
    whole = {name: (folder / name).read_bytes() for name in ("program.json", "tensors.npz")}
    accepted = 0
    for number in range(part * MUTANTS // 4, (part + 1) * MUTANTS // 4):
        mutate(random.Random(number), folder, whole, edit)
        try:
            program = load_program(folder)
        except UnusableInput:
            continue
        accepted += 1
        if program.timesteps > 40:
            continue
        images = np.random.default_rng(number).integers(0, 256, size=(2, *program.input.sample_shape))
        encoded, _ = encode(program.input, images.astype(np.uint8))
        runs = [run_reference(program, encoded, record=True), simulate(program, encoded, record=True)]
        assert compare(program, runs).first_difference is None, number
        assert runs[0].spike_counts == runs[1].spike_counts, number
    assert accepted > 10
