"""Damaged files by number: a sound file of one kind, what is changed in it, and a command that reads it."""

from __future__ import annotations

import functools
import io
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spikec.compiler.compilation import compile_model
from spikec.compiler.options import CompileOptions
from spikec.models.shipped import shipped_checkpoint
from spikec.targets.diagnostic import UnusableInput

from .choices import Choices
from .mutate_bytes import mutated_bytes
from .mutate_model import mutated_model
from .mutate_values import mutated_archive, mutated_json, mutated_toml
from .networks import NetworkSettings, drawn_network

FAMILIES = ("model", "artefact", "data", "chip", "checkpoint")
SHARES = ("model",) * 11 + ("artefact",) * 4 + ("data",) * 2 + ("chip",) * 2 + ("checkpoint",)
BASES = 120
"""Networks that mutants are made from, by number."""

TARGETS = Path(__file__).parents[2] / "targets"

Files = dict[str, bytes]


@dataclass(frozen=True, slots=True, eq=False)
class Mutant:
    """``files`` by name, and the ``arguments`` of a command in their folder."""

    family: str
    files: Files
    arguments: tuple[str, ...]
    decisions: tuple[int, ...]

    @property
    def needs_torch(self) -> bool:
        """Whether it is read by torch, whose libraries map more memory than others may."""
        return self.family == "checkpoint"


def family_of(number: int) -> str:
    """Kind of file that mutant ``number`` damages; the same under all settings."""
    return SHARES[number * 7 % len(SHARES)]


def drawn_mutant(number: int, settings: NetworkSettings, replayed: Sequence[int] | None = None) -> Mutant:
    """Mutant ``number``; with ``replayed`` decisions the one that these make."""
    choices = Choices(f"mutant {settings.seed} {number}", replayed)
    family = family_of(number)
    files, arguments = _DRAWN[family](choices)
    return Mutant(family, files, arguments, tuple(choices.taken))


def _model(choices: Choices) -> tuple[Files, tuple[str, ...]]:
    content, other = _base_model(choices.whole(0, BASES - 1)), _base_model(choices.whole(0, BASES - 1))
    damaged = mutated_bytes(choices, content, other) if choices.chance(0.25) else mutated_model(choices, content)
    command = choices.pick((("check",), ("check", "--format", "json"), ("compile", "-o", "out"), ("check", "--strict")))
    extras = choices.pick(((), (), ("--target", "loihi1"), ("--schedule", "exact"), ("--timesteps", "1")))
    return {"net.onnx": damaged}, (*command, "net.onnx", *extras)


def _artefact(choices: Choices) -> tuple[Files, tuple[str, ...]]:
    files, data = _base_artefact(choices.whole(0, 11))
    name = choices.pick(("program.json", "program.json", "tensors.npz", "report.json", "selftest.json"))
    content, other = files[name], files["tensors.npz"]
    if choices.chance(0.25):
        damaged = mutated_bytes(choices, content, other)
    elif name == "tensors.npz":
        damaged = mutated_archive(choices, content, other)
    else:
        damaged = mutated_json(choices, content)
    commands = (
        ("verify", "artefact", "--data", "data.npz", "--backends", "reference,simulator"),
        ("run", "artefact", "--data", "data.npz", "--backend", "simulator", "--json"),
        ("report", "artefact", "--format", choices.pick(("text", "json", "html", "markdown"))),
        ("profile", "artefact", "--data", "data.npz"),
    )
    command = commands[2] if name == "report.json" else choices.pick(commands[:2] + commands[3:])
    if name == "selftest.json":
        command = ("verify", "artefact", "--backends", "simulator")
    return {"data.npz": data} | {f"artefact/{n}": c for n, c in {**files, name: damaged}.items()}, command


def _data(choices: Choices) -> tuple[Files, tuple[str, ...]]:
    files, data = _base_artefact(choices.whole(0, 11))
    other = files["tensors.npz"]
    structured = choices.chance(0.75)
    damaged = mutated_archive(choices, data, other) if structured else mutated_bytes(choices, data, other)
    command = choices.pick(
        (
            ("run", "artefact", "--data", "data.npz"),
            ("compile", "net.onnx", "-o", "out", "--calibration", "data.npz"),
            ("verify", "artefact", "--data", "data.npz", "--backends", "reference,simulator"),
        )
    )
    artefact = {f"artefact/{n}": c for n, c in files.items() if n != "net.onnx"}
    return {"data.npz": damaged, "net.onnx": files["net.onnx"], **artefact}, command


def _chip(choices: Choices) -> tuple[Files, tuple[str, ...]]:
    content = (TARGETS / f"{choices.pick(('lava', 'loihi1', 'loihi2', 'programmable'))}.toml").read_bytes()
    damaged = mutated_toml(choices, content) if choices.chance(0.8) else mutated_bytes(choices, content, content)
    commands = (("targets", "chip.toml"), ("check", "net.onnx", "--target", "chip.toml"))
    files = {"chip.toml": damaged, "net.onnx": _base_artefact(choices.whole(0, 11))[0]["net.onnx"]}
    return files, choices.pick(commands)


def _checkpoint(choices: Choices) -> tuple[Files, tuple[str, ...]]:
    content = _shipped()
    structured = choices.chance(0.5)
    damaged = mutated_archive(choices, content, content) if structured else mutated_bytes(choices, content, content)
    return {"net.pt": damaged}, ("check", "net.pt")


_DRAWN: dict[str, Callable[[Choices], tuple[Files, tuple[str, ...]]]] = {
    "model": _model,
    "artefact": _artefact,
    "data": _data,
    "chip": _chip,
    "checkpoint": _checkpoint,
}


@functools.cache
def _shipped() -> bytes:
    return shipped_checkpoint().read_bytes()


@functools.cache
def _base_model(number: int) -> bytes:
    return drawn_network(number, NetworkSettings()).model


@functools.cache
def _base_artefact(number: int) -> tuple[Files, bytes]:
    """Files of a compiled network, the network among them, and a data file for it."""
    wanted = number
    for candidate in range(4000):
        drawn = drawn_network(candidate, NetworkSettings(seed=1, oddities=False))
        options = CompileOptions(
            timesteps=1 + number % 4,
            schedule=("pipelined", "exact")[number % 2],
            target=("lava", "loihi2")[number % 2],
            output=drawn.outputs or None,
        )
        if drawn.relu or drawn.samples.dtype != np.float32:
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "net.onnx")
            path.write_bytes(drawn.model)
            try:
                compiled = compile_model(path, options)
            except UnusableInput:
                continue
            except AssertionError:
                continue
        wanted -= 1
        if wanted < 0:
            buffer = io.BytesIO()
            labels = np.zeros(len(drawn.samples), np.int64)
            np.savez(buffer, inputs=drawn.samples, labels=labels)
            return {**compiled.files(), "net.onnx": drawn.model}, buffer.getvalue()
    raise LookupError("no network for an artefact was drawn")
