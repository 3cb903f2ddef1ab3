"""``report.json``: written with sorted keys and nothing that changes between runs, read back strictly."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from ...targets.diagnostic import Diagnostic, Place, UnusableInput, refuse
from ..diagnostics import diagnostic_json, entry_of
from .consistency import contradictions
from .content import SCHEMA, CostSection, LayerRow, LedgerRow, Report, TargetSection
from .verdict import verdict

_HINT = "compile again; report.json is not meant to be edited"
_MAY_BE_ABSENT = (
    *("neuron", "program_digest", "read", "outputs", "cost"),
    *("core_map", "traffic", "activity", "beside", "accuracies"),
)
_ADDED = {
    (TargetSection, "rests_on"),
    (Place, "layers"),
    (LedgerRow, "agreement"),
    (LedgerRow, "correlation"),
    (CostSection, "host_most"),
    (LayerRow, "sources"),
}
"""What reports of earlier versions lack."""


class _Misfit(Exception):  # noqa: N818 - private, and always turned into a diagnostic
    pass


def report_dict(report: Report) -> dict[str, Any]:
    """JSON object of a report."""
    content = {**asdict(report), "diagnostics": [diagnostic_json(each) for each in report.diagnostics]}
    return {key: value for key, value in content.items() if value or key not in _MAY_BE_ABSENT}


def report_json(report: Report) -> str:
    """Text of ``report.json``: the same report, the same bytes."""
    return json.dumps(report_dict(report), indent=2, sort_keys=True, allow_nan=False) + "\n"


def report_from_json(text: str, file: object = None) -> Report:
    """Read the text of a ``report.json``; ``UnusableInput`` (E318) says what is wrong with it."""
    try:
        content = json.loads(text, parse_float=_finite, parse_constant=_finite)
    except _Misfit as misfit:
        raise _unreadable(str(misfit), file) from misfit
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise _unreadable(f"the report is not JSON: {error.msg} at {place}", file) from error
    except RecursionError as error:
        raise _unreadable("the report is nested too deeply to be one", file) from error
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA:
        raise _unreadable(f"the report has schema {schema!r}, not {SCHEMA!r}", file)
    try:
        report: Report = _decode(Report, content, "report")
    except _Misfit as misfit:
        raise _unreadable(str(misfit), file) from misfit
    if report.verdict != verdict(report.diagnostics, report.strict, report.target.rests_on):
        raise _unreadable(f"the verdict {report.verdict!r} contradicts the report's diagnostics", file)
    for contradiction in contradictions(report):
        raise _unreadable(contradiction, file)
    return report


def _finite(literal: str) -> float:
    value = float(literal)
    if not math.isfinite(value):
        raise _Misfit(f"the report holds {literal}, which no report of ours does")
    return value


def _unreadable(message: str, file: object) -> UnusableInput:
    return refuse("E318", message, file=file, hint=_HINT)


def _decode(kind: Any, value: Any, where: str) -> Any:
    if kind is Any:
        return value
    arguments = get_args(kind)
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return None if value is None else _decode(next(a for a in arguments if a is not NoneType), value, where)
    if is_dataclass(kind):
        return _decode_record(kind, value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise _Misfit(f"{where} is not a list")
        return tuple(_decode(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise _Misfit(f"{where} is not an object")
        return {key: _decode(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    accepted = (int, float) if kind is float else (kind,)
    if type(value) not in accepted:
        raise _Misfit(f"{where} is {value!r}, not of type {kind.__name__}")
    return value


def _decode_record(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise _Misfit(f"{where} is not an object")
    hints = get_type_hints(kind)
    names = [entry.name for entry in fields(kind)]
    optional = {(Report, name) for name in _MAY_BE_ABSENT} | _ADDED
    missing = [e.name for e in fields(kind) if e.name not in value and (kind, e.name) not in optional]
    derived = {"severity"} if kind is Diagnostic else set()
    unknown = sorted(set(value) - set(names) - derived)
    if missing or unknown:
        found = f"lacks {missing[0]!r}" if missing else f"has the unknown key {unknown[0]!r}"
        raise _Misfit(f"{where} {found}")
    record = kind(**{name: _decode(hints[name], value[name], f"{where}.{name}") for name in names if name in value})
    if isinstance(record, Diagnostic) and entry_of(record.code) is None:
        raise _Misfit(f"{where}.code is {record.code!r}, which is no diagnostic of this version")
    return record
