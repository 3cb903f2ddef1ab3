"""The benchmark's command; ``bash tests/bench/run`` makes the environments and calls it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console

from .claims import claims
from .document import as_json, print_tables
from .machine import LOAD_AT_START, describe
from .rows import Row, linear_fits

PARTS = (
    *("starting", "simulator", "scaling", "memory", "evaluation", "compile"),
    *("lava", "netx", "placement", "large-placement", "cost"),
)
NETS = ("convnet", "resnet20", "vgg16")
HERE = Path(__file__).parent

BUSY = 0.7
"""Load above which something else is running."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run measures: cells, rounds per cell, and interpreters with lava-dl, nengo-loihi and SANA-FE (or None)."""

    quick: bool
    rounds: int
    threads: int
    netx_python: Path | None
    nengo_python: Path | None = None
    sanafe_python: Path | None = None
    chosen_nets: tuple[str, ...] = ()
    chosen_steps: tuple[int, ...] = ()
    chosen_batches: tuple[int, ...] = ()

    @property
    def nets(self) -> tuple[str, ...]:
        """Networks of the parts ``simulator`` and ``scaling``."""
        return self.chosen_nets or (("convnet",) if self.quick else NETS)


def _parts(settings: Settings, folder: Path) -> dict[str, Callable[[], Iterator[Row]]]:
    from . import on_lava, on_sanafe, placing, scaling, simulation, starting
    from .large_nets import LARGE_NETS

    quick, rounds, nets = settings.quick, settings.rounds, settings.nets
    steps = settings.chosen_steps or ((1, 4) if quick else (1, 4, 16))
    batches = settings.chosen_batches or ((1, 16) if quick else (1, 64))
    scaled_steps = (1, 2, 4) if quick else (1, 2, 4, 8, 16)
    scaled_batches = (16, 32, 64) if quick else (16, 32, 64, 128, 256)

    def lava() -> Iterator[Row]:
        yield from on_lava.measure_chain(folder, settings.netx_python, 1 if quick else rounds, 250 if quick else 1000)
        if not quick:
            yield from on_lava.measure_stock(folder, "vgg16", rounds, 100, with_stock=True)

    return {
        "starting": lambda: starting.measure_starting(folder, rounds),
        "simulator": lambda: simulation.measure_simulators(folder, nets, steps, batches, rounds, settings.threads),
        "scaling": lambda: scaling.measure_scaling(folder, nets, scaled_steps, scaled_batches, rounds),
        "memory": lambda: scaling.measure_memory(folder, *(("convnet", 4, 16) if quick else ("vgg16", 4, 64))),
        "evaluation": lambda: scaling.measure_evaluation(1000 if quick else scaling.TEST_IMAGES),
        "compile": lambda: scaling.measure_compiling(
            folder, "resnet20" if quick else "vgg16", 32 if quick else 256, 1 if quick else 3
        ),
        "lava": lava,
        "netx": lambda: on_lava.measure_netx_file(folder, settings.netx_python, 2 if quick else 20),
        "placement": lambda: placing.measure_placing(folder, nets, settings.nengo_python),
        "large-placement": lambda: placing.measure_placing_large(
            folder, ("mobilenet",) if quick else tuple(LARGE_NETS)
        ),
        "cost": lambda: on_sanafe.measure_costs(folder, settings.sanafe_python, quick=quick),
    }


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=HERE / "results",
    help="folder for bench.json and the plot",
)
@click.option("--quick", is_flag=True, help="a small subset, in under two minutes")
@click.option("--only", "chosen", type=click.Choice(PARTS), multiple=True, help="measure this part; may be repeated")
@click.option("--net", "nets", type=click.Choice(NETS), multiple=True, help="only this network; may be repeated")
@click.option("--timesteps", type=int, multiple=True, help="of the part simulator; may be repeated")
@click.option("--batch", type=int, multiple=True, help="of the part simulator; may be repeated")
@click.option("--rounds", type=click.IntRange(min=1), default=None, help="alternating runs per cell [5, quick: 3]")
@click.option("--threads", type=click.IntRange(min=1), default=2, show_default=True, help="threads of every tool")
@click.option(
    "--netx-python", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="interpreter with lava-dl"
)
@click.option(
    "--nengo-python", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="interpreter with nengo-loihi"
)
@click.option(
    "--sanafe-python", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="interpreter with SANA-FE"
)
def main(
    output: Path,
    quick: bool,
    chosen: tuple[str, ...],
    nets: tuple[str, ...],
    timesteps: tuple[int, ...],
    batch: tuple[int, ...],
    rounds: int | None,
    threads: int,
    netx_python: Path | None,
    nengo_python: Path | None,
    sanafe_python: Path | None,
) -> None:
    """Measure spikec beside its peers; tables to the terminal, bench.json and a plot to the output folder."""
    _limit_threads(threads)
    settings = Settings(
        quick, rounds or (3 if quick else 5), threads, netx_python, nengo_python, sanafe_python, nets, timesteps, batch
    )
    progress = Console(stderr=True)
    if LOAD_AT_START > BUSY:
        progress.print(
            f"the machine is busy (load {LOAD_AT_START:.1f}): the numbers will say more of that than of tools"
        )
    rows: list[Row] = []
    output.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="spikec-bench-") as folder:
            parts = _parts(settings, Path(folder))
            for part in chosen or PARTS:
                for row in parts[part]():
                    where = f"{part}: {row.net} T={row.timesteps} batch={row.batch} {row.tool}"
                    progress.print(where, highlight=False)
                    rows.append(row)
    finally:
        # What took an hour to measure is not lost with the part that failed.
        for file in _write(output, settings, chosen or PARTS, rows):
            progress.print(f"wrote {file}", highlight=False)


def _write(output: Path, settings: Settings, parts: tuple[str, ...], rows: list[Row]) -> list[Path]:
    from .plot import plot_ratios

    fits = linear_fits(rows)
    held = claims(rows, fits)
    machine = describe(settings.threads, settings.netx_python)
    asked = {"quick": settings.quick, "rounds": settings.rounds, "parts": list(parts)}
    file = output / "bench.json"
    file.write_text(as_json(machine, asked, rows, fits, held), encoding="utf-8")
    print_tables(Console(), rows, fits, held)
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
