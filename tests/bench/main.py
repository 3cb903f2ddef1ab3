"""The benchmark's command; ``bash tests/bench/run`` makes the environments and calls it."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from .claims import claims
from .compare import WIDTH_OF_FILES
from .document import Run, as_json, print_tables
from .machine import BUSY, START, describe, in_a_line
from .must_show import BEFORE, CORE, FULL
from .on_demo import Install
from .rates import Rates
from .rows import SHIPPED, Row, linear_fits

PARTS = (
    *("starting", "simulator", "scaling", "latency", "demo", "limits", "memory", "evaluation", "compile"),
    *("lava", "netx", "placement", "large-placement", "imagenet", "cost"),
)
NETS = (SHIPPED, "resnet20", "vgg16")
OF_CLAIMS = ("simulator", "scaling", "latency", "demo", "limits", "imagenet")
HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run measures: cells, rounds per cell, where trained networks are, and interpreters (or None)."""

    quick: bool
    rounds: int
    threads: tuple[int, ...]
    for_claims: bool = False
    networks: Path | None = None
    core_pythons: tuple[Path, ...] = ()
    full_pythons: tuple[Path, ...] = ()
    before_pythons: tuple[Path, ...] = ()
    netx_python: Path | None = None
    nengo_python: Path | None = None
    sanafe_python: Path | None = None
    chosen_nets: tuple[str, ...] = ()
    chosen_steps: tuple[int, ...] = ()
    chosen_batches: tuple[int, ...] = ()

    @property
    def nets(self) -> tuple[str, ...]:
        """Networks of the parts ``simulator`` and ``scaling``."""
        return self.chosen_nets or ((SHIPPED,) if self.quick else NETS)

    @property
    def pythons_of_demo(self) -> tuple[Install, ...]:
        """Installs of the part ``demo``; which version of Python each has is told by the rows' notes."""
        installs = {
            CORE: self.core_pythons,
            FULL: (Path(sys.executable), *self.full_pythons),
            BEFORE: self.before_pythons,
        }
        return tuple(Install(name, python) for name, pythons in installs.items() for python in pythons)


def _parts(settings: Settings, folder: Path, found_rates: list[Rates]) -> dict[str, Callable[[], Iterator[Row]]]:
    from . import imagenet, latency, limits, on_demo, on_lava, on_sanafe, placing, scaling, simulation, starting
    from .large_nets import PLACED

    quick, rounds, nets, networks = settings.quick, settings.rounds, settings.nets, settings.networks
    steps = settings.chosen_steps or ((1, 4) if quick or settings.for_claims else (1, 4, 16))
    batches = settings.chosen_batches or ((1, 16) if quick else (1, 64))
    full = (4, 64, max(settings.threads)) if settings.for_claims else None
    cells = simulation.Cells(nets, steps, batches, settings.threads, full)
    scaled = nets[:1] if settings.for_claims else nets
    scaled_steps = (1, 2, 4) if quick else (1, 2, 4, 8, 16)
    scaled_batches = (16, 32, 64) if quick else (16, 32, 64, 128, 256)

    def lava() -> Iterator[Row]:
        yield from on_lava.measure_chain(folder, settings.netx_python, 1 if quick else rounds, 250 if quick else 1000)
        if not quick:
            yield from on_lava.measure_stock(folder, "vgg16", rounds, 100, with_stock=True)

    return {
        "starting": lambda: starting.measure_starting(folder, rounds),
        "simulator": lambda: simulation.measure_simulators(folder, cells, rounds, networks, found_rates),
        "scaling": lambda: scaling.measure_scaling(folder, scaled, scaled_steps, scaled_batches, rounds, networks),
        "latency": lambda: latency.measure_latency(folder, rounds),
        "demo": lambda: on_demo.measure_demo(folder, settings.pythons_of_demo, 1 if quick else rounds),
        "limits": lambda: limits.measure_limits(folder, rounds),
        "memory": lambda: scaling.measure_memory(folder, *((SHIPPED, 4, 16) if quick else ("vgg16", 4, 64))),
        "evaluation": lambda: scaling.measure_evaluation(1000 if quick else scaling.TEST_IMAGES),
        "compile": lambda: scaling.measure_compiling(
            folder, "resnet20" if quick else "vgg16", 32 if quick else 256, 1 if quick else 3
        ),
        "lava": lava,
        "netx": lambda: on_lava.measure_netx_file(folder, settings.netx_python, 2 if quick else 20),
        "placement": lambda: placing.measure_placing(folder, nets, settings.nengo_python),
        "large-placement": lambda: placing.measure_placing_large(folder, ("mobilenet",) if quick else PLACED),
        "imagenet": lambda: imagenet.measure_imagenet(
            folder, 16 if quick else 256, 4 if quick else 16, rounds, settings.threads
        ),
        "cost": lambda: on_sanafe.measure_costs(folder, settings.sanafe_python, quick=quick),
    }


_PYTHON = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=HERE / "results",
    help="folder for bench.json and the plot",
)
@click.option("--quick", is_flag=True, help="a small subset, in under two minutes")
@click.option("--claims", "for_claims", is_flag=True, help="what the claims of speed need, in about 25 minutes")
@click.option("--only", "chosen", type=click.Choice(PARTS), multiple=True, help="measure this part; may be repeated")
@click.option(
    "--networks",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="folder of trained networks (see trained.py); without it resnet20 and vgg16 have random weights",
)
@click.option("--net", "nets", type=click.Choice(NETS), multiple=True, help="only this network; may be repeated")
@click.option("--timesteps", type=int, multiple=True, help="of the part simulator; may be repeated")
@click.option("--batch", type=int, multiple=True, help="of the part simulator; may be repeated")
@click.option("--rounds", type=click.IntRange(min=1), default=None, help="alternating runs per cell [5, quick: 3]")
@click.option(
    "--threads", type=click.IntRange(min=1), multiple=True, help="threads of every tool; may be repeated [1 and 2]"
)
@click.option("--core-python", "core_pythons", type=_PYTHON, multiple=True, help="interpreter with spikec alone")
@click.option(
    "--full-python",
    "full_pythons",
    type=_PYTHON,
    multiple=True,
    help="interpreter with spikec, torch and numba, beside the one of the peers",
)
@click.option(
    "--before-python",
    "before_pythons",
    type=_PYTHON,
    multiple=True,
    help="interpreter with an older spikec, for the demo",
)
@click.option("--netx-python", type=_PYTHON, help="interpreter with lava-dl")
@click.option("--nengo-python", type=_PYTHON, help="interpreter with nengo-loihi")
@click.option("--sanafe-python", type=_PYTHON, help="interpreter with SANA-FE")
def main(
    output: Path,
    chosen: tuple[str, ...],
    nets: tuple[str, ...],
    timesteps: tuple[int, ...],
    batch: tuple[int, ...],
    rounds: int | None,
    threads: tuple[int, ...],
    quick: bool,
    **options: Any,
) -> None:
    """Measure spikec beside its peers; tables to the terminal, bench.json and a plot to the output folder."""
    settings = Settings(
        quick,
        rounds or (3 if quick else 5),
        threads or ((2,) if quick else (1, 2)),
        chosen_nets=nets,
        chosen_steps=timesteps,
        chosen_batches=batch,
        **options,
    )
    _limit_threads(max(settings.threads))
    progress = Console(stderr=True)
    if START.load > BUSY:
        progress.print(f"the machine is busy (load {START.load:.1f}): the numbers will say more of that than of tools")
    parts = chosen or (OF_CLAIMS if settings.for_claims else PARTS)
    rows: list[Row] = []
    found_rates: list[Rates] = []
    output.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="spikec-bench-") as folder:
            measures = _parts(settings, Path(folder), found_rates)
            for part in parts:
                for row in measures[part]():
                    where = f"{part}: {row.net} T={row.timesteps} batch={row.batch} threads={row.threads} {row.tool}"
                    progress.print(where, highlight=False)
                    rows.append(row)
    finally:
        # What took an hour to measure is not lost with the part that failed.
        for file in _write(output, settings, parts, rows, found_rates):
            progress.print(f"wrote {file}", highlight=False)


def _write(
    output: Path, settings: Settings, parts: tuple[str, ...], rows: list[Row], found_rates: list[Rates]
) -> list[Path]:
    from .plot import plot_ratios

    fits = linear_fits(rows)
    machine = describe(settings.threads, settings.netx_python)
    asked = {"quick": settings.quick, "rounds": settings.rounds, "parts": list(parts)}
    run = Run(machine, asked, rows, found_rates, fits, claims(rows, fits))
    file = output / "bench.json"
    file.write_text(as_json(run), encoding="utf-8")
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH_OF_FILES)
    console.print(in_a_line(machine), highlight=False)
    print_tables(console, run)
    return [file, *plot_ratios(rows, output)]


def _limit_threads(threads: int) -> None:
    # Before numpy's, torch's and numba's thread pools are made. PYTHONPATH was for this process alone.
    os.environ.pop("PYTHONPATH", None)
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    os.environ.update(dict.fromkeys(names, str(threads)))
    import torch

    torch.set_num_threads(threads)


if __name__ == "__main__":
    main(prog_name="bash tests/bench/run")
