"""``spikec export``: a compiled program as files that another tool runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...targets import names as target_names
from ...targets.diagnostic import UnusableInput, refuse
from ...targets.terminal.completion import name_or_file
from ...targets.terminal.findings import tell_findings
from ...targets.terminal.help_page import command, option
from ...targets.terminal.streams import tell
from ...targets.terminal.verbosity import verbosity_options

if TYPE_CHECKING:
    from ...runtime.program import IntArray, Program
    from ...targets import Target

RESULTS = ("spikes.npz", "results.json", "log.txt", "results.npz")
"""What a run leaves beside the files; a later export may replace it."""


def _for_sanafe(program: Program, target: Target, encoded: IntArray) -> dict[str, bytes]:
    from ...runtime.sanafe.files import sanafe_files
    from ...runtime.sanafe.limits import find_problems
    from ..analysis.traffic import measure_traffic
    from ..mapping import place
    from ..mapping.cores_of import cores_of
    from ..mapping.mesh import cores_on_mesh, mesh_of

    if problems := find_problems(program):
        raise UnusableInput(problems)
    cores = cores_of(place(program, target))
    mesh = mesh_of(target)
    if mesh is not None:
        cores = cores_on_mesh(cores, mesh, measure_traffic(program, target, cores, encoded).place)
    return sanafe_files(program, target, cores, encoded)


def _for_netx(program: Program, _: Target, encoded: IntArray) -> dict[str, bytes]:
    from ...runtime.lava.netx.files import netx_files

    return netx_files(program, encoded)


def _for_nir(program: Program, _: Target, encoded: IntArray) -> dict[str, bytes]:
    from ...runtime.nir.graph import nir_files
    from ...runtime.nir.layout import Layout
    from ...runtime.nir.limits import find_problems, find_warnings
    from ...runtime.nir.other_readers import find_differences

    if problems := find_problems(program):
        raise UnusableInput(problems)
    files = nir_files(program, encoded)
    tell_findings((*find_warnings(program, Layout.of(program)), *find_differences(program, encoded)))
    return files


FORMATS: dict[str, Callable[[Program, Target, IntArray], dict[str, bytes]]] = {
    "sanafe": _for_sanafe,
    "netx": _for_netx,
    "nir": _for_nir,
}


@command()
@click.argument("directory", metavar="DIR", type=click.Path())
@option("--format", "form", type=click.Choice(tuple(FORMATS)), required=True, help="Which tool it is for.")
@option("--data", required=True, metavar="FILE.npz", type=click.Path(), help="Inputs that the files hold.")
@option("--limit", type=click.IntRange(min=1), default=1, show_default=True, help="Use at most this many samples.")
@option(
    "--target",
    metavar="NAME",
    shell_complete=name_or_file(target_names),
    help="Chip whose cores and costs are written; the program's own where none is given.",
)
@option("-o", "--output", required=True, metavar="FOLDER", type=click.Path(), help="Where the files go.")
@option("--check", is_flag=True, help="Load a NIR file with the readers that are installed, and compare spike counts.")
@verbosity_options
def export(
    directory: str, form: str, data: str, limit: int, target: str | None, output: str, check: bool
) -> int | None:
    """Write the program in DIR, on the cores of its chip, as files for another tool."""
    from ...runtime.commands.run import load_encoded, read_program
    from ...runtime.program.artefact import check_destination, write_file
    from ...targets import load

    if check and form != "nir":
        raise refuse(
            "E630", f"--check does not apply to the format '{form}'", hint="give --format nir, or leave it out"
        )
    program = read_program(directory)
    _, encoded = load_encoded(program, data, limit)
    files = FORMATS[form](program, load(target or program.target), encoded)
    check_destination(output, (*files, *RESULTS))
    for name, content in files.items():
        write_file(Path(output) / name, content)
    tell(f"{output}: {', '.join(sorted(files))}", f"run it: python {Path(output) / 'run.py'}")
    if not check:
        return None
    from ...runtime.nir.checked import check_files

    equal, lines = check_files(Path(output))
    tell(*lines)
    return 0 if equal else 1
