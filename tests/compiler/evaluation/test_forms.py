"""An evaluation as text, Markdown and picture."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from spikec.compiler.evaluation.evaluation import Evaluation, EvaluationRow, Measurement
from spikec.compiler.evaluation.forms import evaluation_markdown, evaluation_plot, evaluation_text

_ANN = {"relu": (0.90, 0.92), "round": (0.80,), "": (0.75,)}


def _row(method: str, training: str, timesteps: int = 4) -> EvaluationRow:
    measurements = tuple(
        Measurement(f"{training}-{seed}.onnx", seed, 0, ann, 0.5, None) for seed, ann in enumerate(_ANN[training])
    )
    return EvaluationRow(method, training, timesteps, 0.5, None, None, None, 9, 4, True, True, measurements)


def _evaluation(rows: Sequence[EvaluationRow]) -> Evaluation:
    return Evaluation({"relu": 0.91, "round": 0.8}, 100, tuple(rows))


_SEVERAL = _evaluation([_row("opi", "relu"), _row("opi", "relu", 8), _row("qcfs", "round"), _row("lmpc", "round")])


def test_float_networks_are_averaged_by_their_training_and_once_each() -> None:
    assert evaluation_text(_SEVERAL).startswith("ANN (float): relu 91.00%, round 80.00%, 100 samples\n")
    markdown = evaluation_markdown(_SEVERAL)
    assert "| relu | 2 | 91.00 ± 1.41 |\n| round | 1 | 80.00 |\n" in markdown


def test_a_network_that_does_not_tell_its_training_has_no_name_before_its_accuracy() -> None:
    assert evaluation_text(_evaluation([_row("opi", "")])).startswith("ANN (float): 75.00%, 100 samples\n")


def test_the_picture_has_a_line_for_the_float_network_where_there_is_one_kind() -> None:
    """The mean over networks of several kinds is no accuracy of anything."""
    assert "ANN (float)" in evaluation_plot(_evaluation([_row("opi", "relu")])).decode()
    assert "ANN (float)" not in evaluation_plot(_SEVERAL).decode()


def test_no_two_of_many_methods_look_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.axes import Axes

    looks = []
    drawn = Axes.errorbar

    def errorbar(self: Axes, *given: object, **style: object) -> object:
        looks.append((style["color"], style["marker"]))
        return drawn(self, *given, **style)  # type: ignore[arg-type]

    monkeypatch.setattr(Axes, "errorbar", errorbar)
    evaluation_plot(_evaluation([_row(f"method {i}", "relu") for i in range(30)]))
    assert len(set(looks)) == len(looks) == 30


def test_the_picture_counts_time_steps_as_they_were_given() -> None:
    picture = evaluation_plot(_evaluation([_row("opi", "relu", steps) for steps in (1, 6, 32)])).decode()
    for steps in (1, 6, 32):
        assert f">{steps}</text>" in picture
