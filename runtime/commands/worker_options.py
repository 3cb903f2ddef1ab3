"""The options that say where shards run, for every command that has shards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ...targets.diagnostic import refuse
from ...targets.terminal.help_page import option

if TYPE_CHECKING:
    from ..shards import Workers

_WHERE = "Many processes"

JOBS = option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    section=_WHERE,
    help="Work in N processes of one thread each; the figures are the same.",
)
CLUSTER = option(
    "--cluster",
    metavar="ADDRESS",
    section=_WHERE,
    help="Work on a cluster of dask at this address, as in tcp://host:8786; the figures are the same.",
)


def workers_for(jobs: int | None, cluster: str | None) -> Workers:
    """Workers as these options say; raises E773 where both are given."""
    from ..shards import Workers

    if jobs is not None and cluster is not None:
        hint = "leave one of them out: a cluster has as many processes as it was started with"
        raise refuse("E773", "--jobs and --cluster are both given", hint=hint)
    return Workers(jobs, cluster)
