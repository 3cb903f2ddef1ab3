from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from click.testing import CliRunner

from spikec import targets
from spikec.targets.commands import targets as command
from spikec.targets.diagnostic import UnusableInput


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_list_names_every_target() -> None:
    lines = _run().splitlines()
    for name in targets.names():
        assert any(f" {name} " in line for line in lines)


def test_table_of_one_target(golden: Callable[[str, str], None]) -> None:
    golden("loihi2.txt", _run("loihi2"))


def test_json_holds_every_number() -> None:
    content = json.loads(_run("loihi1", "--json"))
    assert content["numbers"]["core.neurons"]["value"] == 1024
    assert content["numbers"]["core.neurons"]["unit"] == "compartments"
    assert content["assumed"] == ["neuron.compartments_per_neuron", "chip.host_messages", "graded_input"]
    assert content["digest"] == targets.load("loihi1").digest


def test_json_list() -> None:
    content = json.loads(_run("--json"))
    assert [each["name"] for each in content["targets"]] == list(targets.names())


def test_unknown_target_is_a_diagnostic() -> None:
    with pytest.raises(UnusableInput, match="E801"):
        CliRunner().invoke(command, ["nochip"], catch_exceptions=False)
