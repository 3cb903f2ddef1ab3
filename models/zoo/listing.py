"""Reads a zoo: the TOML file that lists the networks of a comparison, each with the one it starts from."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from ...targets.diagnostic import Diagnostic, Place, UnusableInput, refuse
from ...targets.records import dataclass

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SHIPPED = Path(__file__).parent
_ABOUT_AN_ENTRY = ("start", "calibrate")


@dataclass(frozen=True, slots=True)
class Entry:
    """A network by its ``name``, which is also its folder's.

    ``options`` are those of ``spikec train``, or with ``calibrate`` those of ``spikec calibrate-weights``; the network
    is trained on from, or is, the one that ``start`` names.
    """

    name: str
    start: str | None
    calibrate: bool
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Zoo:
    """Networks for every one of ``seeds`` on a data set, in an order in which each follows its start."""

    dataset: str
    seeds: tuple[int, ...]
    entries: tuple[Entry, ...]

    def needed_for(self, names: tuple[str, ...]) -> tuple[Entry, ...]:
        """Return entries with these names and all that they start from; E711 for a name that is not there."""
        known = {entry.name: entry for entry in self.entries}
        unknown = [name for name in names if name not in known]
        if unknown:
            hint = f"choose from {', '.join(known)}"
            raise UnusableInput(Diagnostic("E711", f"the zoo has no network '{name}'", hint=hint) for name in unknown)
        needed = set(names)
        for entry in reversed(self.entries):
            if entry.name in needed and entry.start is not None:
                needed.add(entry.start)
        return tuple(entry for entry in self.entries if entry.name in needed)


def shipped_zoos() -> tuple[str, ...]:
    """Names of the zoos that come with the package."""
    return tuple(path.stem for path in sorted(SHIPPED.glob("*.toml")))


def load_zoo(name_or_path: str | Path) -> Zoo:
    """Read a shipped zoo by name, or a path that ends in ``.toml``.

    ``[options]`` hold for every training, ``[networks.NAME]`` adds those of one network, with ``start`` and, for a
    calibration of weights, ``calibrate = true``. Raises ``UnusableInput`` with every problem of the file, as E711.
    """
    path = _located(name_or_path)
    content = _parsed(path)
    problems = tuple(_problems(content))
    if problems:
        hint = "models/zoo/README.md tells what the file holds"
        raise UnusableInput(Diagnostic("E711", problem, Place(file=str(path)), hint=hint) for problem in problems)
    shared = content.get("options", {})
    return Zoo(
        content["dataset"],
        tuple(content["seeds"]),
        tuple(_entry(name, table, shared) for name, table in content["networks"].items()),
    )


def _entry(name: str, table: Mapping[str, Any], shared: Mapping[str, Any]) -> Entry:
    calibrate = bool(table.get("calibrate", False))
    own = {key: value for key, value in table.items() if key not in _ABOUT_AN_ENTRY}
    return Entry(name, table.get("start"), calibrate, own if calibrate else {**shared, **own})


def _located(name_or_path: str | Path) -> Path:
    text = str(name_or_path)
    path = Path(text) if text.endswith(".toml") else SHIPPED / f"{Path(text).name}.toml"
    if not path.is_file():
        hint = f"zoos: {', '.join(shipped_zoos())}; one of your own is given as a path ending in .toml"
        raise refuse("E711", f"there is no zoo '{text}'", hint=hint)
    return path


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise refuse("E711", f"the file is not TOML: {error}", file=path, hint="mend the line") from error


def _problems(content: Mapping[str, Any]) -> Iterator[str]:
    unknown = sorted(set(content) - {"dataset", "seeds", "options", "networks"})
    if unknown:
        yield f"unknown: {', '.join(unknown)}"
    if not isinstance(content.get("dataset"), str):
        yield "dataset is not the name of a data set"
    seeds = content.get("seeds")
    if not isinstance(seeds, list) or not seeds or not all(isinstance(s, int) and s >= 0 for s in seeds):
        yield "seeds is not a list of whole numbers"
    if not isinstance(content.get("options", {}), dict):
        yield "options is not a table"
    networks = content.get("networks")
    if not isinstance(networks, dict) or not networks:
        yield "networks is not a table of networks"
        return
    known: set[str] = set()
    for name, table in networks.items():
        yield from _problems_of(name, table, known)
        known.add(name)


def _problems_of(name: str, table: object, before: set[str]) -> Iterator[str]:
    if not isinstance(table, dict):
        yield f"networks.{name} is not a table"
        return
    if Path(name).name != name or name in (".", ".."):
        yield f"networks.{name} is not the name of a folder"
    start = table.get("start")
    if start is not None and start not in before:
        yield f"networks.{name} starts from '{start}', which no network above it is"
    if not isinstance(table.get("calibrate", False), bool):
        yield f"networks.{name}.calibrate is neither true nor false"
    elif table.get("calibrate") and start is None:
        yield f"networks.{name} calibrates weights and has no start"
    if "seed" in table:
        yield f"networks.{name} has a seed of its own; seeds belong to the zoo"
