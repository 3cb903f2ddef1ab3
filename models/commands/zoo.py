"""The command line of a zoo: ``spikec zoo``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...runtime.commands.worker_options import CLUSTER, JOBS, workers_for
from ...runtime.progress import progress_bar
from ...targets.diagnostic import refuse
from ...targets.terminal.help_page import command, json_option, option
from ...targets.terminal.streams import tell, tell_json
from ...targets.terminal.verbosity import verbosity_options
from ..libraries import require_libraries

if TYPE_CHECKING:
    from ..zoo import Cost


@command()
@click.argument("zoo", metavar="NAME|FILE.toml")
@option("--seeds", help="Some of the zoo's seeds, by commas.")
@option("--only", help="Some of its networks, by commas; those that they start from are trained too.")
@option("--data", "folder", type=click.Path(path_type=Path), help="Folder of the data set's files.")
@option("--download", is_flag=True, help="Let torchvision fetch the data set, into --data or the cache folder.")
@option("--device", type=click.Choice(("auto", "cpu", "cuda")), default="auto", show_default=True)
@option("--costs", "told_costs", is_flag=True, help="Train nothing: tell epochs and seconds of what the folder holds.")
@option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder of all networks.")
@JOBS
@CLUSTER
@json_option
@verbosity_options
def zoo(
    zoo: str,
    seeds: str | None,
    only: str | None,
    folder: Path | None,
    download: bool,
    device: str,
    told_costs: bool,
    output: Path,
    jobs: int | None,
    cluster: str | None,
    as_json: bool,
) -> None:
    """Train the networks of a comparison that a folder does not hold yet; interrupted trainings go on.

    Each is written to seed-N/NAME in the folder, for 'spikec evaluate FOLDER/seed-*/*/model.onnx --methods all'.
    With --jobs those that do not start from each other train side by side.
    """
    require_libraries("torch", "onnx")
    from ...runtime.shards import HERE
    from ..datasets.library import load_dataset
    from ..zoo import costs, load_zoo, train_zoo

    listed = load_zoo(zoo)
    if told_costs:
        _tell_costs(costs(listed, output), as_json)
        return
    workers = workers_for(jobs, cluster)
    data = load_dataset(listed.dataset, folder, download=download)
    names = () if only is None else tuple(name.strip() for name in only.split(","))
    found = []
    with progress_bar("training", of="networks") as progress:
        for trained in train_zoo(
            *(listed, data, output),
            only=names,
            seeds=_whole_numbers(seeds),
            device=device,
            workers=workers,
            # Trainings in this process show the progress of each.
            progress=None if workers == HERE else progress,
        ):
            found.append(trained)
            if not as_json:
                state = "was there" if trained.was_there else "trained"
                tell(f"seed {trained.seed}  {trained.name:<16} {state}: {trained.folder}")
    if as_json:
        rows = [{"seed": t.seed, "network": t.name, "folder": str(t.folder), "was_there": t.was_there} for t in found]
        tell_json({"networks": rows})


def _tell_costs(found: tuple[Cost, ...], as_json: bool) -> None:
    if as_json:
        tell_json({"networks": [asdict(each) for each in found]})
        return
    tell(f"{'network':<20} {'seeds':>5} {'epochs':>7} {'seconds':>8}")
    for each in found:
        seconds = "-" if each.seconds is None else f"{each.seconds:.0f}"
        tell(f"{each.name:<20} {each.seeds:>5} {each.epochs:>7.0f} {seconds:>8}")


def _whole_numbers(text: str | None) -> tuple[int, ...]:
    try:
        return () if text is None else tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise refuse("E711", f"seeds is '{text}'", hint="give whole numbers separated by commas") from error
