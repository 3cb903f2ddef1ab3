"""A finding on disk: its files made small, one line that says what is wrong, and how to see it again."""

from __future__ import annotations

import json
from pathlib import Path

from .lanes import NETWORK, Case, Lane
from .mutants import drawn_mutant
from .networks import drawn_network
from .shrinking import Decisions, shrunk
from .verdict import Verdict


def write_finding(folder: Path, lane: Lane, number: int, verdict: Verdict) -> None:
    """Shrink case ``number`` of ``lane``'s kind and write it to ``folder``."""
    if lane.kind == NETWORK:
        decisions = drawn_network(number, lane.settings).decisions
    else:
        decisions = drawn_mutant(number, lane.settings).decisions

    def fails(candidate: Decisions) -> bool:
        return lane.ask(Case(number, candidate)).signature == verdict.signature

    plainest = shrunk(decisions, fails) if fails(decisions) else decisions
    files, command = _files(lane, number, plainest)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    kind = "network" if lane.kind == NETWORK else "mutant"
    again = f"bash tests/fuzz/run --{kind} {number} --seed {lane.settings.seed} --no-shrink"
    text = f"{verdict.kind}: {verdict.finding}\nsmall: spikec {command}\nas drawn: {again}\n"
    (folder / "finding.txt").write_text(text, encoding="utf-8")
    (folder / "decisions.json").write_text(json.dumps(plainest), encoding="utf-8")


def _files(lane: Lane, number: int, decisions: Decisions) -> tuple[dict[str, bytes], str]:
    if lane.kind == NETWORK:
        return {"net.onnx": drawn_network(number, lane.settings, decisions).model}, "check net.onnx"
    mutant = drawn_mutant(number, lane.settings, decisions)
    return mutant.files, " ".join(mutant.arguments)
