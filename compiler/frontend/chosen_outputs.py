"""Which values of a file are read as results: what the user names, or the file's first output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import onnx

from ...runtime.program.rules import LONGEST_OUTPUT_NAME
from ...targets.diagnostic import Diagnostic, Place
from ..ir.network import unused_name
from .names import sanitised
from .refusal import listed

Choice = str | Sequence[str] | None
"""Names of values; a text that is no value's name is several, separated by commas. None is the first output."""

_MOST_LISTED = 8


def chosen_outputs(
    graph: onnx.GraphProto, choice: Choice, file: str | None
) -> tuple[tuple[str, ...], tuple[Diagnostic, ...]]:
    """Values of ``graph`` that are read as results, one at least, and what is to be said of the choice.

    Problems: E006 where there is no output, E007 for names that nothing has, E018 for empty ones, E019 for those that
    are given twice; then what can be had of the choice is returned. W007 where there are several outputs and no choice.
    """
    outputs = tuple(str(value.name) for value in graph.output)
    computed = tuple(str(name) for node in graph.node for name in node.output if name)
    last = computed[-1] if computed else ""
    place = Place(file=file)
    if choice is None:
        return (outputs[:1] or (last,)), tuple(_without_choice(outputs, last, place))
    known = frozenset((*outputs, *computed))
    wanted = [name for text in ((choice,) if isinstance(choice, str) else choice) for name in _names(text, known)]
    problems = tuple(_problems(wanted, known, outputs, place))
    chosen = tuple(name for name in dict.fromkeys(wanted) if name in known)
    return (chosen or outputs[:1] or (last,)), problems


def shown_names(outputs: Sequence[str]) -> tuple[str, ...]:
    """Names of outputs as a program has them: the user's own, made safe and short where they cannot be shown."""
    taken = {name for name in outputs if _can_be_shown(name)}
    shown = []
    for name in outputs:
        if not _can_be_shown(name):
            name = unused_name(sanitised(name), taken)
            taken.add(name)
        shown.append(name)
    return tuple(shown)


def _can_be_shown(name: str) -> bool:
    return name.isprintable() and len(name) <= LONGEST_OUTPUT_NAME


def _names(text: str, known: frozenset[str]) -> tuple[str, ...]:
    if text in known:
        return (text,)
    return tuple(part if part in known else part.strip() for part in text.split(","))


def _without_choice(outputs: tuple[str, ...], last: str, place: Place) -> Iterator[Diagnostic]:
    if not outputs:
        hint = f"name the value that holds the scores by --output-name, for example --output-name {last}"
        yield Diagnostic("E006", "the model has no output", place, hint=hint)
    elif len(outputs) > 1:
        several = ",".join(outputs) if len(outputs) <= _MOST_LISTED else f"{outputs[0]},{outputs[1]} and so on"
        yield Diagnostic(
            "W007",
            f"the model has {len(outputs)} outputs ({listed(outputs)}); the first, {outputs[0]}, is compiled",
            place,
            measured=len(outputs),
            limit=1,
            unit="outputs",
            hint=f"choose another by --output-name, for example --output-name {outputs[1]}, or all of them by "
            f"--output-name {several}, or ignore the warning",
        )


def _problems(wanted: list[str], known: frozenset[str], outputs: tuple[str, ...], place: Place) -> Iterator[Diagnostic]:
    hint = f"choose one of: {', '.join(outputs)}; or the name of another value of the graph"
    for name in dict.fromkeys(wanted):
        if name and name not in known:
            yield Diagnostic("E007", f"the model has no output called {name}", place, hint=hint)
        elif name and wanted.count(name) > 1:
            twice = "name each output once; two outputs with the same scores share a read-out by themselves"
            yield Diagnostic("E019", f"output {name} is named twice", place, hint=twice)
    if not all(wanted) or not wanted:
        separate = "separate names by a comma, or repeat --output-name; "
        yield Diagnostic("E018", "an output is asked for without a name", place, hint=separate + hint)
