"""One golden file per pass: what the network looks like right after it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from spikec.compiler.ir.network import Network
from spikec.compiler.ir.text import print_network, print_program, print_spiking
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes.contract import Compilation, Context
from spikec.compiler.pipeline import PASSES, passes_for, run_passes

NAMES = tuple(kind().name for kind in PASSES)


def printed(state: Compilation) -> str:
    if state.program is not None:
        return print_program(state.program)
    return print_network(state.network) if state.spiking is None else print_spiking(state.spiking)


@pytest.mark.parametrize("name", NAMES)
def test_result_and_effect(
    relu_network: Network, context: Context, golden: Callable[[str, str], None], name: str
) -> None:
    pipeline = run_passes(relu_network, context, passes_for(CompileOptions()))
    effect = next(record.effect for record in pipeline.records if record.name == name)
    golden("after.txt", printed(pipeline.stages[name]) + json.dumps(effect, indent=1, sort_keys=True) + "\n")


def test_pass_names_are_unique_and_in_order_of_the_levels() -> None:
    assert len(set(NAMES)) == len(NAMES)
    levels = ["compose-linear-maps", "fold-integers"]
    assert [NAMES.index(name) for name in levels] == sorted(NAMES.index(name) for name in levels)
