"""What the claims about speed are judged by: trained networks, equal results, both threads, and what is missing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from .claim import Claim
from .must_show import BEFORE, CORE, FULL, IMAGENET, ONE_IMAGE, calibrated_with, imagenet_claims, speed_claims
from .rows import Equality, Row

EQUAL, UNEQUAL = Equality(100, 0), Equality(100, 3)


def row(tool: str, seconds: float, net: str = "vgg16", timesteps: int = 4, equality: Equality | None = None) -> Row:
    is_ann = tool.startswith("onnxruntime")
    return Row("simulator", net, tool, "s", (seconds,) * 3, timesteps, 64, equality, is_ann, threads=2)


def claim(rows: list[Row], about: str) -> Claim:
    """The first claim whose text has ``about`` in it."""
    return next(one for one in speed_claims(rows) if about in one.text)


ROWS = [row("spikec", 1.0), row("onnxruntime", 2.0), row("onnxruntime, int8", 0.5), row("sinabs", 9.0, equality=EQUAL)]


def test_ours_is_divided_by_theirs() -> None:
    floats = claim(ROWS, "vgg16, T = 4, batch 64, both threads: spikec against onnxruntime")
    assert (floats.measured, floats.limit, floats.holds, floats.answer) == (0.5, 0.7, True, "yes")
    integers = claim(ROWS, "spikec against onnxruntime, int8")
    assert (integers.measured, integers.limit, integers.holds, integers.answer) == (2.0, 1.0, False, "NO")


def test_a_peer_must_be_slower_and_equal() -> None:
    assert claim(ROWS, "sinabs against spikec").holds
    assert claim([*ROWS[:3], row("sinabs", 7.0, equality=EQUAL)], "sinabs against spikec").holds is False
    unequal = claim([*ROWS[:3], row("sinabs", 9.0, equality=UNEQUAL)], "sinabs against spikec")
    assert (unequal.measured, unequal.reason) == (None, "results are not equal")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"net": "vgg16 (random weights)"}, "no trained network measured (--networks)"),
        ({"threads": 1}, "not measured"),
        ({"batch": 1}, "not measured"),
    ],
)
def test_other_networks_and_cells_do_not_count(change: dict[str, object], reason: str) -> None:
    rows = [replace(one, **change) for one in ROWS]  # type: ignore[arg-type]
    for found in speed_claims(rows):
        assert found.holds is None
        assert found.answer == "not measured"
    assert claim(rows, "sinabs against spikec").found == reason
    assert claim(rows, "spikec against onnxruntime, int8").found == reason


def test_one_step_has_a_limit_of_its_own() -> None:
    rows = [row("spikec", 1.0, "resnet20", 1), row("onnxruntime", 2.4, "resnet20", 1)]
    assert claim(rows, "resnet20, T = 1, batch 64, both threads: spikec against onnxruntime").holds is False
    rows[1] = row("onnxruntime", 2.6, "resnet20", 1)
    assert claim(rows, "resnet20, T = 1, batch 64, both threads: spikec against onnxruntime").holds


def test_the_demo_is_held_against_the_best_install() -> None:
    def seconds(tool: str, value: float, python: str = "Python 3.10") -> Row:
        return Row("demo", "shipped", tool, "s", (value,), note=f"{python}, numpy 2.4")

    rows = [seconds(CORE, 0.3), seconds(FULL, 0.25)]
    assert claim(rows, "the demo").holds
    assert claim([*rows, seconds(BEFORE, 0.1)], "the demo").holds is False
    assert claim(rows[:1], "the demo").holds is None
    newest = [seconds(CORE, 0.4, "Python 3.13"), seconds(FULL, 0.2, "Python 3.13")]
    assert [claim(rows + newest, f"line, Python {one}").holds for one in ("3.10", "3.13")] == [True, False]
    assert claim(rows + newest[:1], "line, Python 3.13").holds is None, "a Python is held against itself"
    assert claim([Row("memory", "s", "spikec", "MiB", (1.0,)), row("spikec", 1.0)], "line, every Python").holds is None


def test_one_image_has_three_milliseconds() -> None:
    def latency(tool: str, value: float) -> Row:
        return Row("latency", "shipped", tool, "ms", (value,), 4, 1, threads=1)

    assert claim([latency(f"spikec, {ONE_IMAGE}", 2.9)], "one image").holds
    assert claim([latency(f"spikec, {ONE_IMAGE}", 3.1), latency("spikec run", 1.0)], "one image").holds is False


def test_without_a_simulator_nothing_is_claimed_of_it() -> None:
    assert speed_claims([Row("memory", "vgg16", "spikec", "MiB", (1.0,))]) == []


def test_a_network_with_a_price_on_spikes_is_judged_where_it_was_measured() -> None:
    priced = [replace(one, net="vgg16-rate-penalty") for one in ROWS]
    assert claim(ROWS + priced, "vgg16-rate-penalty, T = 4").measured == 2.0
    assert not any("rate-penalty" in one.text for one in speed_claims(ROWS))


def test_large_networks_are_judged_by_what_each_figure_was_measured_with() -> None:
    def compiled(note: str, unit: str, value: float, cpu: float = 0.0) -> Row:
        return Row(IMAGENET, "resnet50", "spikec", unit, (value,), 4, note=note, cpu=(cpu,) if cpu else ())

    rows = [
        compiled("without calibration", "s", 99.0, cpu=29.0),
        compiled("without calibration", "GB", 3.1),
        compiled(calibrated_with(256), "s", 800.0, cpu=1500.0),
        compiled(calibrated_with(256), "GB", 3.9),
        *(
            Row(IMAGENET, "resnet18", "spikec", "s", (seconds,), 4, 16, note="rates of 2 to 3 %", threads=threads)
            for threads, seconds in ((1, 0.06), (2, 0.03))
        ),
    ]
    assert [one.holds for one in imagenet_claims(rows)] == [True, False, True, True, True]
    few = [compiled(calibrated_with(16), "s", 9999.0)]
    assert imagenet_claims(few) == [], "a promise about 256 images is judged by 16"
