"""Strict reader of chip descriptions in TOML: nothing unknown, nothing missing, every number with unit and source."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

from .cost import Cost
from .diagnostic import Diagnostic, Place, UnusableInput, refuse
from .facts import FACTS, NEURON_MODELS, Choices, Flag, Models, Number, PerCore, Status
from .layer_cores import LayerCores
from .schema import Target
from .suggestion import known_names, nearest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SHIPPED = Path(__file__).parent

UNLIMITED = "unlimited"
"""Written instead of a number to drop the limit of the description that is extended."""

_WITHOUT_UNIT = (Flag, Models)
_ABOUT_THE_FILE = ("extends", "abstract")
_STATUSES = tuple(status.value for status in Status)


def names() -> tuple[str, ...]:
    """Names of the shipped targets, sorted; the abstract families that they extend are left out."""
    shipped = sorted(SHIPPED.glob("*.toml"), key=lambda path: path.stem)
    return tuple(path.stem for path in shipped if not tomllib.loads(_text(path)).get("abstract", False))


def load(name_or_path: str | Path) -> Target:
    """Read a shipped target by name, or the user's own description by a path that ends in ``.toml``.

    Raises ``UnusableInput`` with every problem of the file: E801 (no such target) to E808.
    """
    path = _locate(name_or_path, SHIPPED)
    reader = _Reader()
    values = reader.read(path, ())
    target: Target | None = reader.build(Target, values, "", path)
    if reader.problems or target is None:
        raise UnusableInput(reader.problems)
    return target


def _locate(name_or_path: str | Path, folder: Path) -> Path:
    text = str(name_or_path)
    if text.endswith(".toml"):
        path = Path(text)
        return path if path.is_absolute() or folder == SHIPPED else folder / path
    if Path(text).name == text and (SHIPPED / f"{text}.toml").is_file():
        return SHIPPED / f"{text}.toml"
    known = names()
    raise refuse(
        "E801",
        f"there is no target {text!r}",
        hint=f"{known_names(text, known, 'targets:')}; a description of your own is given as a path ending in .toml",
    )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@dataclass
class _Reader:
    problems: list[Diagnostic] = field(default_factory=list)

    def report(self, code: str, message: str, path: Path, hint: str | None = None) -> None:
        self.problems.append(Diagnostic(code, message, Place(file=str(path)), hint=hint))

    def read(self, path: Path, chain: tuple[Path, ...]) -> dict[str, Any]:
        """Parsed values of ``path`` over those of the description it extends."""
        document = _document(path)
        parent = document.pop("extends", None)
        abstract = document.pop("abstract", False)
        if type(abstract) is not bool:
            self.report("E804", f"key 'abstract' is {abstract!r}, not true or false", path)
        if abstract is True and not chain:
            self.report("E808", f"{path.stem!r} describes a family, not a chip", path, "write a target that extends it")
        values = self.table(Target, document, "", path)
        if parent is None:
            return values
        return _merged(self._parent(parent, path, (*chain, path.resolve())), values)

    def _parent(self, parent: Any, path: Path, chain: tuple[Path, ...]) -> dict[str, Any]:
        if not isinstance(parent, str):
            self.report("E804", f"key 'extends' is {parent!r}, not the name or path of a target", path)
            return {}
        try:
            parent_path = _locate(parent, path.parent)
        except UnusableInput as unknown:
            self.problems.extend(unknown.diagnostics)
            return {}
        if parent_path.resolve() in chain:
            self.report("E807", f"{path.name} extends itself by way of {parent!r}", path, "remove one 'extends'")
            return {}
        return self.read(parent_path, chain)

    def table(self, schema: Any, raw: Mapping[str, Any], prefix: str, path: Path) -> dict[str, Any]:
        """Values of the keys of one TOML table that ``schema`` knows; everything else is a problem."""
        hints = _types_of(schema)
        entries = {entry.name: entry for entry in fields(schema)}
        known = [*entries, *(_ABOUT_THE_FILE if not prefix else ())]
        values: dict[str, Any] = {}
        for key, value in raw.items():
            if key not in entries:
                near = nearest(key, known)
                hint = f"did you mean {near!r}?" if near else f"known keys here: {', '.join(known)}"
                self.report("E803", f"unknown key {prefix + key!r}", path, hint)
                continue
            parsed = self.value(_plain_type(hints[key]), entries[key], value, prefix + key, path)
            if parsed is not _BAD:
                values[key] = parsed
        return values

    def value(self, kind: Any, entry: Field[Any], value: Any, key: str, path: Path) -> Any:
        if value == UNLIMITED and entry.default is None:
            return None
        if kind in FACTS:
            return self.fact(kind, entry, value, key, path)
        if is_dataclass(kind):
            if isinstance(value, dict):
                return self.table(kind, value, f"{key}.", path)
            self.report("E804", f"key {key!r} is {value!r}, not a table", path, f"write [{key}] and its keys below")
            return _BAD
        if kind is str:
            # The name goes into programs, where it has to be printable; others are escaped where they are printed.
            if isinstance(value, str) and value and (key != "name" or value.isprintable()):
                return value
            wanted = "a name that can be printed" if key == "name" else "a text"
            self.report("E804", f"key {key!r} is {value!r}, not {wanted}", path)
            return _BAD
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        self.report("E804", f"key {key!r} is {value!r}, not a list of texts", path)
        return _BAD

    def fact(self, kind: type, entry: Field[Any], value: Any, key: str, path: Path) -> Any:
        value_key = "value" if kind in (Number, Flag) else "values"
        unit_key = [] if kind in _WITHOUT_UNIT else ["unit"]
        wanted = [value_key, *unit_key, "source", "status"]
        if not isinstance(value, dict):
            shape = ", ".join(f"{name} = ..." for name in wanted)
            self.report("E804", f"key {key!r} is {value!r} without unit and source", path, f"write {{ {shape} }}")
            return _BAD
        before = len(self.problems)
        bounds = ["least", "most"] if kind is Number else []
        for name in value.keys() - {*wanted, *bounds}:
            near = nearest(name, [*wanted, *bounds])
            self.report("E803", f"unknown key '{key}.{name}'", path, f"did you mean {near!r}?" if near else None)
        for name in wanted:
            if name not in value:
                self.report("E805", f"key {key!r} has no {name!r}", path, "every number states where it was read")
        self._check_fields(kind, entry, value, key, path)
        if len(self.problems) > before:
            return _BAD
        arguments = {**value, "status": Status(value["status"])}
        if kind is Choices:
            arguments["values"] = tuple(sorted(value["values"]))
        if kind is PerCore:
            arguments["values"] = tuple(value["values"])
        if kind is Models:
            arguments["values"] = tuple(name for name in NEURON_MODELS if name in value["values"])
        return kind(**arguments)

    def _check_fields(self, kind: type, entry: Field[Any], value: Mapping[str, Any], key: str, path: Path) -> None:
        least, most = entry.metadata.get("least", 0), entry.metadata.get("most", 0)
        if kind is Flag and "value" in value and type(value["value"]) is not bool:
            self.report("E804", f"'{key}.value' is {value['value']!r}, not true or false", path)
        if kind is Number and "value" in value and not _is_whole(value["value"], least, most):
            self.report("E804", f"'{key}.value' is {value['value']!r}, not a whole number in {least}..{most}", path)
        if kind is Number:
            self._check_bounds(value, key, least, most, path)
        if kind in (Choices, PerCore) and "values" in value and not _are_whole(value["values"], least, most):
            self.report("E804", f"'{key}.values' is {value['values']!r}, not a list of whole numbers", path)
        if kind is Models and "values" in value and not _are_models(value["values"]):
            known = ", ".join(NEURON_MODELS)
            self.report("E804", f"'{key}.values' is {value['values']!r}, not a list of some of {known}", path)
        unit = entry.metadata.get("unit")
        if kind not in _WITHOUT_UNIT and "unit" in value and value["unit"] != unit:
            self.report("E806", f"'{key}.unit' is {value['unit']!r}", path, f"convert the number to {unit!r}")
        if "source" in value and not (isinstance(value["source"], str) and value["source"].strip()):
            self.report("E804", f"'{key}.source' is {value['source']!r}, not a text", path)
        if "status" in value and value["status"] not in _STATUSES:
            self.report("E804", f"'{key}.status' is {value['status']!r}", path, f"one of: {', '.join(_STATUSES)}")

    def _check_bounds(self, value: Mapping[str, Any], key: str, least: int, most: int, path: Path) -> None:
        for name in ("least", "most"):
            if name in value and not _is_whole(value[name], least, most):
                self.report("E804", f"'{key}.{name}' is {value[name]!r}, not a whole number in {least}..{most}", path)
                return
        ascending = [value[name] for name in ("least", "value", "most") if name in value]
        if all(type(number) is int for number in ascending) and ascending != sorted(ascending):
            self.report("E804", f"key {key!r} has a value outside of its bounds", path, "write least <= value <= most")

    def build(self, schema: Any, values: Mapping[str, Any], prefix: str, path: Path) -> Any:
        """Instance of ``schema``, or None when something required is missing."""
        hints = _types_of(schema)
        arguments: dict[str, Any] = {}
        complete = True
        for entry in fields(schema):
            kind = _plain_type(hints[entry.name])
            optional = entry.default is not MISSING
            if entry.default is None and values.get(entry.name) is None:
                arguments[entry.name] = None
            elif is_dataclass(kind) and kind not in FACTS:
                arguments[entry.name] = self.build(kind, values.get(entry.name, {}), f"{prefix}{entry.name}.", path)
                complete = complete and arguments[entry.name] is not None
            elif entry.name in values:
                arguments[entry.name] = values[entry.name]
            elif not optional:
                complete = False
                self._report_missing(f"{prefix}{entry.name}", path)
        if complete and schema is Cost and not _pairs(arguments):
            self.report("E804", "'cost.barrier_tiles' and 'cost.barrier_times' do not go in pairs", path)
            return None
        if complete and schema is LayerCores and not _same_cores(arguments):
            self.report("E804", "the memories in 'layer_cores' are not of the same number of cores", path)
            return None
        return schema(**arguments) if complete else None

    def _report_missing(self, key: str, path: Path) -> None:
        already_named = any(f"'{key}" in problem.message for problem in self.problems)
        if not already_named:
            self.report("E805", f"required key {key!r} is missing", path, "add it, or extend a target that has it")


_BAD: Any = object()


@cache
def _types_of(schema: Any) -> dict[str, Any]:
    return get_type_hints(schema)


def _document(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_text(path))
    except OSError as error:
        raise refuse(
            "E802", f"the description cannot be read: {error.strerror}", file=path, hint="check the path"
        ) from error
    except UnicodeDecodeError as error:
        raise refuse(
            "E802", f"the description is not UTF-8 text: byte {error.start}", file=path, hint="save it as UTF-8"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise refuse(
            "E802", f"the description is not TOML: {error}", file=path, hint="correct that line; see toml.io"
        ) from error


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both_tables = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = {**merged[key], **value} if both_tables else value
    return merged


def _plain_type(hint: Any) -> Any:
    arguments = get_args(hint)
    return next(a for a in arguments if a is not NoneType) if NoneType in arguments else hint


def _pairs(cost: Mapping[str, Any]) -> bool:
    return len(cost["barrier_tiles"].values) == len(cost["barrier_times"].values)


def _same_cores(memories: Mapping[str, Any]) -> bool:
    return len({len(memory.values) for memory in memories.values() if isinstance(memory, PerCore)}) == 1


def _is_whole(value: Any, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most


def _are_whole(values: Any, least: int, most: int) -> bool:
    return isinstance(values, list) and bool(values) and all(_is_whole(value, least, most) for value in values)


def _are_models(values: Any) -> bool:
    return isinstance(values, list) and bool(values) and all(value in NEURON_MODELS for value in values)
