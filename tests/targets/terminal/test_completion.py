"""What shells are told, and that the names kept for them are those of the compiler."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import get_args

import pytest
from click.shell_completion import BashComplete

from spikec.__main__ import spikec as command_line
from spikec.compiler.analysis.unevenness import Given
from spikec.compiler.commands.by_layer import GIVEN
from spikec.compiler.commands.compile_options import GRANULARITIES, MAXIMA_NAMES, SCHEDULE_NAMES, THRESHOLD_METHODS
from spikec.compiler.commands.measure import ALL, DEFAULT_NAMES, METHOD_NAMES
from spikec.compiler.commands.passes import PASS_NAMES
from spikec.compiler.evaluation import applicability
from spikec.compiler.methods.table import DEFAULT_METHODS, METHODS
from spikec.compiler.options import MAXIMA, SCHEDULES, Granularity, ThresholdMethod
from spikec.compiler.pipeline import PASSES
from spikec.runtime.backends import BACKENDS
from spikec.runtime.commands.run import BACKEND_NAMES


def completed(*words: str) -> list[str]:
    """What bash is offered for the last of ``words``."""
    bash = BashComplete(command_line, {}, "spikec", "_SPIKEC_COMPLETE")
    return [bash.format_completion(each) for each in bash.get_completions(list(words[1:-1]), words[-1])]


def test_names_are_those_of_the_compiler() -> None:
    assert tuple(METHODS) == METHOD_NAMES
    assert (DEFAULT_METHODS, applicability.ALL) == (DEFAULT_NAMES, ALL)
    assert SCHEDULES == SCHEDULE_NAMES
    assert MAXIMA == MAXIMA_NAMES
    assert tuple(BACKENDS) == BACKEND_NAMES
    assert tuple(kind().name for kind in PASSES) == PASS_NAMES
    assert get_args(Granularity) == GRANULARITIES
    assert get_args(Given) == GIVEN
    assert get_args(ThresholdMethod) == THRESHOLD_METHODS


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("spikec", "ch"), ["plain,check"]),
        (("spikec", "check", "--target", "loi"), ["plain,loihi1", "plain,loihi2"]),
        (("spikec", "check", "--target", "my/chip"), ["file,my/chip"]),
        (("spikec", "compile", "--schedule", "e"), ["plain,exact"]),
        (("spikec", "compile", "--neuron", "m"), ["plain,msat"]),
        (("spikec", "run", "d", "--backend", "la"), ["plain,lava", "plain,lava-stock"]),
        (("spikec", "verify", "d", "--backends", "lava,si"), ["plain,lava,simulator", "plain,lava,sinabs"]),
        (("spikec", "evaluate", "--methods", "lmpc,lm"), ["plain,lmpc,lmpc-paper", "plain,lmpc,lmpc-lwc"]),
        (("spikec", "explain", "E64"), ["plain,E640", "plain,E641", "plain,E642", "plain,E644", "plain,E646"]),
        (("spikec", "targets", "p"), ["plain,programmable"]),
        (("spikec", "passes", "quan"), ["plain,quantize-weights"]),
        (("spikec", "check", "net"), ["file,net"]),
    ],
)
def test_bash_is_offered(words: tuple[str, ...], offered: list[str]) -> None:
    assert completed(*words) == offered


def shell(instruction: str, **environment: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-m", "spikec"],
        capture_output=True,
        text=True,
        env={**os.environ, "_SPIKEC_COMPLETE": instruction, **environment},
        check=True,
        timeout=60,
    )
    assert ended.stderr == ""
    return ended.stdout


def test_shells_ask_the_script() -> None:
    assert "#compdef spikec" in shell("zsh_source")
    assert shell("bash_complete", COMP_WORDS="spikec explain E301", COMP_CWORD="2") == "plain,E301\n"
