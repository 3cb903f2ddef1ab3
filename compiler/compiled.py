"""What compiling gives: a program with its report, and what is done with them next."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..runtime.program import Program
from ..runtime.program.artefact import write_artefact
from ..runtime.program.digest import digest_of
from ..runtime.program.storage import PROGRAM_FILE, REPORT_FILE, SELF_TEST_FILE, program_files
from ..runtime.progress import Report as Progress
from ..runtime.progress import untold, within
from ..runtime.self_test import SelfTest, self_test_file
from ..targets.diagnostic import Diagnostic, DiagnosticWarning
from ..targets.records import dataclass
from .report import AgreementSection, FirstDifference, Report

if TYPE_CHECKING:
    from ..runtime.agreement import Agreement
    from ..runtime.given_data import Data
    from ..runtime.running import Run

COMPARED = ("reference", "simulator", "lava")
"""Backends that are compared where none are named."""


_PARTS, _PACKED = 100, 30
"""Of writing, and how many are done when the files are in memory."""


class Measured(Protocol):
    """An evaluation or a tradeoff, as it prints itself with ``--json``."""

    def document(self) -> dict[str, Any]:
        """Figures with the digests of the models that they were measured on."""


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """Result of ``compile_model``: the program, its report, and seconds per pass (never part of an artefact).

    ``self_test`` are inputs with what they cause, for an artefact to be verified with; None where that takes too long.
    """

    program: Program
    report: Report
    seconds: dict[str, float]
    self_test: SelfTest | None = None

    def files(self) -> dict[str, bytes]:
        """The artefact's files by name; the same model and options give the same bytes."""
        return self._files(untold)

    def _files(self, progress: Progress) -> dict[str, bytes]:
        from .report import report_html, report_json

        files = program_files(self.program, progress)
        report = replace(self.report, program_digest=digest_of(files[PROGRAM_FILE]))
        if self.self_test is not None:
            files[SELF_TEST_FILE] = self_test_file(self.self_test, files[PROGRAM_FILE])
        return {
            **files,
            REPORT_FILE: report_json(report).encode(),
            "report.html": report_html(report).encode(),
        }

    def save(self, directory: str | Path, progress: Progress | None = None) -> None:
        """Write the artefact into ``directory`` in one move, as ``spikec compile -o`` does; E614, E615 if it cannot.

        ``progress(done, total)`` is told shares of the work.
        """
        report = progress or untold
        files = self._files(within(report, 0, _PACKED, _PARTS))
        write_artefact(directory, files, within(report, _PACKED, _PARTS, _PARTS))

    def run(self, data: Data, *, backend: str = "simulator", limit: int | None = None, record: bool = False) -> Run:
        """Run the program on at most ``limit`` samples, as ``spikec run`` does; ``record`` keeps every spike train.

        ``data`` are inputs (N, *input shape), uint8 (scaled by 1/255) or float, as an array or a tensor, or a pair of
        them and labels (N,), or a data file. Raises ``UnusableInput`` for data and backends that cannot be used, and
        warns of values that are clipped.
        """
        from ..runtime.running import run_program

        done = run_program(self.program, data, backend=backend, limit=limit, record=record)
        _warn_of(done.remarks)
        return done

    def verify(self, data: Data, *, backends: Sequence[str] = COMPARED, limit: int | None = None) -> Agreement:
        """Compare every spike of ``backends`` on at most ``limit`` samples, as ``spikec verify`` does.

        ``data`` and errors as for ``run``; E641 for fewer than two backends.
        """
        from ..runtime.running import compare_backends, given_samples

        given = given_samples(self.program, data, limit)
        _warn_of(given.remarks)
        return compare_backends(self.program, given.encoded, backends)

    def with_agreement(self, agreement: Agreement) -> Compiled:
        """The same with what comparing backends gave in its report."""
        difference = agreement.first_difference
        first = None if difference is None else FirstDifference(**difference.document())
        section = AgreementSection(agreement.backends, agreement.samples, agreement.equal, first)
        return replace(self, report=replace(self.report, agreement=section))

    def with_accuracies(self, measured: Measured) -> Compiled:
        """The same with the accuracies of an evaluation in its report, as ``spikec report --accuracy`` shows them.

        E638 where none of them was measured on this model.
        """
        from .report.accuracy_file import accuracies_in

        points = accuracies_in(measured.document(), self.report.model.digest)
        return replace(self, report=replace(self.report, accuracies=(*self.report.accuracies, *points)))


def _warn_of(remarks: Sequence[Diagnostic]) -> None:
    for remark in remarks:
        warnings.warn(DiagnosticWarning(remark), stacklevel=3)
