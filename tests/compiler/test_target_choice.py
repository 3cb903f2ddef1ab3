"""One model on several targets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from spikec import CompileOptions, check_model, targets
from spikec.compiler.report import report_dict
from spikec.compiler.report.comparison import Comparison, comparison_json, comparison_markdown, comparison_text
from spikec.compiler.target_choice import compare_targets, targets_of
from spikec.models.shipped import shipped_model
from spikec.targets.diagnostic import UnusableInput

SMALL = """
name = "small"
title = "A chip with {cores} cores of {neurons} neurons"
extends = "lava"
chip.cores = {{ value = {cores}, unit = "cores", source = "this test", status = "published" }}
core.neurons = {{ value = {neurons}, unit = "compartments", source = "this test", status = "published" }}
"""


def chip(folder: Path, name: str, cores: int, neurons: int) -> str:
    file = folder / f"{name}.toml"
    file.write_text(SMALL.format(cores=cores, neurons=neurons).replace('"small"', f'"{name}"'))
    return str(file)


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    folder = tmp_path_factory.mktemp("chips")
    chips = (chip(folder, "ample", 64, 8192), chip(folder, "enough", 64, 1024), chip(folder, "tiny", 2, 1024))
    return compare_targets(shipped_model(), ("lava", *chips), CompileOptions(timesteps=2))


def test_smaller_chips_come_first_and_simulators_last(compared: Comparison) -> None:
    assert [each.target.name for each in compared.reports] == ["tiny", "enough", "ample", "lava"]
    assert [each.verdict for each in compared.reports] == ["does-not-fit", "fits", "fits", "fits"]
    assert compared.smallest is compared.reports[1]


def test_each_report_is_that_of_a_check(compared: Comparison) -> None:
    alone = check_model(shipped_model(), CompileOptions(timesteps=2, target="lava"))
    assert report_dict(compared.reports[-1]) == report_dict(alone)


def test_what_is_told(compared: Comparison, golden: Any) -> None:
    golden("comparison.txt", comparison_text(compared, 80))
    golden("comparison.md", comparison_markdown(compared))
    told = json.loads(comparison_json(compared))
    assert told["smallest"] == "enough"
    assert [each["target"]["name"] for each in told["reports"]] == ["tiny", "enough", "ample", "lava"]


def test_none_fits(compared: Comparison) -> None:
    none = Comparison(compared.reports[:1])
    assert none.smallest is None
    assert comparison_text(none, 80).startswith("fashion_mnist fits none of 1 targets for certain\n")
    assert json.loads(comparison_json(none))["smallest"] is None


def test_unknown_targets_are_told_all_at_once() -> None:
    with pytest.raises(UnusableInput) as refusal:
        compare_targets(shipped_model(), ("lava", "lohi", "x"))
    assert [d.code for d in refusal.value.diagnostics] == ["E801", "E801"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("lava", ("lava",)),
        ("lava, loihi1,lava,", ("lava", "loihi1")),
        ("all", targets.names()),
        ("smallest", targets.names()),
        (",", (",",)),
        ("", ("",)),
    ],
)
def test_targets_of_an_option(text: str, named: tuple[str, ...]) -> None:
    assert targets_of(text) == named


def test_a_file_with_a_comma_in_its_name_is_one_target(tmp_path: Path) -> None:
    assert targets_of(str(tmp_path / "no,file.toml")) == (f"{tmp_path}/no", "file.toml")
    assert targets_of(chip(tmp_path, "a,b", 1, 1)) == (f"{tmp_path}/a,b.toml",)
