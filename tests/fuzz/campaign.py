"""A run over many cases: what is still to do, what was found, and the table at the end."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import click

from .finding import write_finding
from .lanes import CHECKPOINT, MUTANT, NETWORK, Lane, judged
from .mutants import family_of
from .networks import NetworkSettings
from .verdict import Verdict

SHRUNK_PER_FAULT = 2
"""Cases of findings with the same signature that are made small and written."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to judge, in how many processes, until when (monotonic clock)."""

    settings: NetworkSettings
    networks: tuple[int, ...]
    mutants: tuple[int, ...]
    jobs: int
    until: float
    shrink: bool

    def numbers(self, kind: str) -> tuple[int, ...]:
        """Cases for one kind of lane."""
        if kind == NETWORK:
            return self.networks
        return tuple(n for n in self.mutants if (family_of(n) == "checkpoint") == (kind == CHECKPOINT))


def _no_results() -> dict[tuple[str, int], Verdict]:
    return {}


@dataclass(slots=True)
class Campaign:
    """Results so far in ``folder``; a later run of the same plan goes on from them."""

    folder: Path
    plan: Plan
    results: dict[tuple[str, int], Verdict] = field(default_factory=_no_results)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._log.exists():
            for line in self._log.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                if row["seed"] == self.plan.settings.seed:
                    self.results[row["case"], row["number"]] = Verdict(row["kind"], row["finding"])

    @property
    def _log(self) -> Path:
        return self.folder / "results.jsonl"

    @property
    def findings(self) -> dict[tuple[str, int], Verdict]:
        """Everything that is wrong, by kind of case and number."""
        return {case: verdict for case, verdict in sorted(self.results.items()) if verdict.finding}

    def run(self) -> None:
        """Judge what has no verdict yet; then make findings small."""
        started = time.monotonic()
        for kind in (NETWORK, MUTANT, CHECKPOINT):
            self._run(kind)
        self.seconds = time.monotonic() - started
        if self.plan.shrink:
            self._write_findings()

    def _run(self, kind: str) -> None:
        case = NETWORK if kind == NETWORK else MUTANT
        numbers = [n for n in self.plan.numbers(kind) if (case, n) not in self.results]
        if not numbers:
            return
        bar = click.progressbar(length=len(numbers), label=f"{kind:10}", file=sys.stderr)
        with self._log.open("a", encoding="utf-8") as log, bar as progress:
            for number, verdict in judged(kind, numbers, self.plan.settings, self.plan.jobs, self.plan.until):
                self.results[case, number] = verdict
                row = {"case": case, "number": number, "seed": self.plan.settings.seed}
                log.write(json.dumps({**row, "kind": verdict.kind, "finding": verdict.finding}) + "\n")
                log.flush()
                progress.update(1)

    def _write_findings(self) -> None:
        written: Counter[str] = Counter()
        for (case, number), verdict in self.findings.items():
            written[verdict.signature] += 1
            if written[verdict.signature] > SHRUNK_PER_FAULT or time.monotonic() > self.plan.until:
                continue
            folder = self.folder / "findings" / f"{case}-{number}"
            if folder.exists():
                continue
            kind = CHECKPOINT if case == MUTANT and family_of(number) == "checkpoint" else case
            lane = Lane(kind, self.plan.settings)
            try:
                write_finding(folder, lane, number, verdict)
            finally:
                lane.close()

    def table(self) -> str:
        """Counts by kind of case and verdict, and every fault once."""
        counts = Counter((case, verdict.kind) for (case, _), verdict in self.results.items())
        lines = [f"{case:8} {count:6}  {kind}" for (case, kind), count in sorted(counts.items())]
        totals = Counter(case for case, _ in self.results)
        lines += [f"{count} {case}s" for case, count in sorted(totals.items())]
        faults: dict[str, list[str]] = {}
        for (case, number), verdict in self.findings.items():
            faults.setdefault(verdict.signature, []).append(f"{case} {number}: {verdict.finding}")
        for signature, cases in sorted(faults.items(), key=lambda item: -len(item[1])):
            lines.append(f"FINDING {signature.split(':')[0]}, {len(cases)} times, such as {cases[0][:300]}")
        lines.append(f"{len(self.findings)} findings of {len(faults)} kinds; {self.seconds:.0f} s; {self.folder}")
        return "\n".join(lines)
