"""What the scores of a network are whose end was left out, in words."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...targets.diagnostic import Diagnostic, Place
from ..ir.network import Origin
from .operators.heads import ScoreHead
from .refusal import listed
from .score_ends import WEAK, Ended

_SOFTMAX = ("Softmax", "LogSoftmax")


def notes_on(ended: Ended, output: str | None, file: str | None) -> Iterator[Diagnostic]:
    """Yield I013 per softmax, then I014 or I015 on the rest that was left out, and W032 on parts of the result.

    ``output`` is which of several it is; None where there is one.
    """
    end = "at the end" if output is None else f"at the end of output {output}"
    weak = {origin for node in ended.dropped if isinstance(node.operator, WEAK) for origin in node.origins}
    origins = tuple(dict.fromkeys(origin for node in reversed(ended.dropped) for origin in node.origins))
    for origin in origins:
        if origin.operator in _SOFTMAX:
            yield Diagnostic(
                "I013",
                f"the softmax {origin.node} {end} is dropped: it does not change which class wins",
                Place(file=file, nodes=(origin.node,)),
                hint="nothing to do; scores are compared before the softmax",
            )
    others = tuple(origin for origin in origins if origin.operator not in _SOFTMAX)
    if others and not weak:
        yield _note("I014", others, end, f"higher scores stay higher{_zero(ended)}", file)
    if weak:
        kept = "no score overtakes another, but scores that were made equal still differ"
        yield _note("I015", others, end, f"{kept}{_zero(ended)}", file)
    if ended.parts:
        yield _parts(ended.parts, "the result" if output is None else f"output {output}", file)


def _note(code: str, origins: tuple[Origin, ...], end: str, kept: str, file: str | None) -> Diagnostic:
    names = tuple(origin.node for origin in origins)
    operators = listed(tuple(dict.fromkeys(origin.operator for origin in origins)))
    return Diagnostic(
        code,
        f"{operators} {end} {'is' if len(origins) == 1 else 'are'} dropped: {kept}",
        Place(file=file, nodes=names),
        hint="nothing to do for class labels; the scores are the numbers before it",
    )


def _zero(ended: Ended) -> str:
    """What a score of zero was before, where each score became another number by itself."""
    if any(isinstance(node.operator, ScoreHead) for node in ended.dropped) or ended.joined:
        return ""
    value = np.zeros((1, 1))
    for node in reversed(ended.dropped):
        value = np.asarray(node.operator.evaluate((value,)))
    return f", and a score of 0 is what was {value.item():.4g}"


def _parts(sizes: tuple[int, ...], result: str, file: str | None) -> Diagnostic:
    return Diagnostic(
        "W032",
        f"{result} joins {len(sizes)} heads of {listed(tuple(map(str, sizes)))} scores, whose ends are dropped: "
        "scores of one head can be compared, those of different heads cannot",
        Place(file=file),
        measured=len(sizes),
        unit="heads",
        hint="compare within each head; for labels of one, compile it alone by --output-name",
    )
