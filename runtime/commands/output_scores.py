"""What ``spikec run`` tells of scores: those of the first output, and of each by its name where there are several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..execution import predicted
from ..scores import FloatScores, float_scores

if TYPE_CHECKING:
    import numpy.typing as npt

    from ..execution import Execution
    from ..program import Program

_LISTED_SCORES = 10

ScoresByName = dict[str, FloatScores]


def scores_by_name(program: Program, execution: Execution) -> ScoresByName:
    """Scores of each output in the network's own units, the first one first; E630 where the units are not known."""
    return {each.name: float_scores(program, execution, each.name) for each in program.named_outputs}


def score_arrays(program: Program, execution: Execution, scores: ScoresByName) -> dict[str, npt.NDArray[Any]]:
    """What ``--output`` writes: ``predictions``, ``readout``, ``scores`` and ``score_bound``.

    Those of the first output have just these names, those of each of several outputs ``/NAME`` behind them.
    """
    arrays = {"predictions": execution.predictions, "readout": execution.readout, **_first(scores)}
    for name, entry in _by_output(program, execution, scores).items():
        arrays |= {f"{key}/{name}": values for key, values in entry.items()}
    return arrays


def score_document(program: Program, execution: Execution, scores: ScoresByName) -> dict[str, Any]:
    """What ``--json`` adds: ``scores`` and ``score_bound`` of the first output; ``outputs`` where there are several.

    An entry of ``outputs`` has the layer that is read out, its shape, ``predictions``, ``readout`` and its scores.
    """
    document: dict[str, Any] = {key: values.tolist() for key, values in _first(scores).items()}
    if program.outputs:
        found = _by_output(program, execution, scores)
        document["outputs"] = {
            each.name: {
                "layer": each.readout,
                "shape": list(program.population(each.readout).shape),
                **{key: values.tolist() for key, values in found[each.name].items()},
            }
            for each in program.outputs
        }
    return document


def score_lines(program: Program, execution: Execution, scores: ScoresByName) -> list[str]:
    """A line for each of several outputs, and lines for the scores where ``scores`` has them."""
    lines: list[str] = []
    for each in program.named_outputs:
        of = f" of {each.name}" if program.outputs else ""
        if program.outputs:
            lines.append(_output_line(program, execution, each.name, each.readout))
        if each.name in scores:
            lines += _listed(scores[each.name], of)
    return lines


def _first(scores: ScoresByName) -> dict[str, npt.NDArray[Any]]:
    return _in_units(next(iter(scores.values()), None))


def _by_output(program: Program, execution: Execution, scores: ScoresByName) -> dict[str, dict[str, npt.NDArray[Any]]]:
    found = {}
    for each in program.outputs:
        potentials = execution.readouts[each.readout]
        in_units = _in_units(scores.get(each.name))
        found[each.name] = {"predictions": predicted(potentials), "readout": potentials, **in_units}
    return found


def _in_units(scores: FloatScores | None) -> dict[str, npt.NDArray[Any]]:
    if scores is None:
        return {}
    return {"scores": scores.values, **({} if scores.bound is None else {"score_bound": scores.bound})}


def _output_line(program: Program, execution: Execution, name: str, readout: str) -> str:
    population, potentials = program.population(readout), execution.readouts[readout]
    shape = "x".join(map(str, population.shape))
    return f"output {name}: shape {shape}, layer '{readout}', potentials {potentials.min()} to {potentials.max()}"


def _listed(scores: FloatScores, of: str) -> list[str]:
    low, high = scores.values.min(axis=0), scores.values.max(axis=0)
    bounds = (
        [""] * len(low) if scores.bound is None else [f", spikes put it off by {b:.4g} at most" for b in scores.bound]
    )
    listed = zip(low, high, bounds, strict=True)
    lines = [f"score {place}{of}: {a:.6g} to {b:.6g}{bound}" for place, (a, b, bound) in enumerate(listed)]
    rest = len(lines) - _LISTED_SCORES
    return lines[:_LISTED_SCORES] + ([f"and {rest} more, see --output"] if rest > 0 else [])
