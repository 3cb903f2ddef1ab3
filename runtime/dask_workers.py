"""Shards on the workers of a dask cluster, which runs again what a worker that is gone was working on."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..targets.diagnostic import UnusableInput, refuse
from ..targets.libraries import broken_library, install_command
from .shards import Agenda, Results, Shard, Work, lost_too_often
from .worker import answered

_SECONDS_TO_CONNECT = 15
_SECONDS_WITHOUT_WORKERS = 60
_SECONDS_BETWEEN_LOOKS = 20

_COMPUTED_AGAIN = ("lost", "pending")
"""States of a result that was there and whose worker is gone: the scheduler has it made once more."""


def run_on_cluster(work: Work, shards: Sequence[Shard], address: str) -> Results:
    """Yield each shard with its result as it is done on the cluster whose scheduler has this ``address``.

    Raises as ``run_shards``: E770 for a shard that cost more workers than the scheduler allows, E771 without a
    cluster or its workers, E772 without dask.distributed, E774 where a worker has another spikec or none.
    """
    client = _connected(address)
    try:
        _require_same_sources(client)
        yield from _results(client, work, Agenda(shards), address)
    finally:
        client.close()


def _connected(address: str) -> Any:
    if importlib.util.find_spec("distributed") is None:
        raise refuse("E772", "dask.distributed is not installed", hint=install_command("distributed"))
    try:
        from distributed import Client
    except Exception as error:  # whatever a broken installation raises
        raise UnusableInput(broken_library("distributed", error)) from error
    try:
        client = Client(address, timeout=_SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        hint = "start one by 'dask scheduler' and 'dask worker ADDRESS --nthreads 1', and give the scheduler's address"
        raise refuse("E771", f"there is no scheduler of dask at '{address}': {_one_line(error)}", hint=hint) from error
    try:
        client.wait_for_workers(1, timeout=_SECONDS_TO_CONNECT)
    except asyncio.TimeoutError as error:
        client.close()
        raise _without_workers(address) from error
    return client


def _results(client: Any, work: Work, agenda: Agenda, address: str) -> Results:
    import dask

    # A task of its own and no scattered data: what the scheduler can make again is not lost with a worker.
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}):
        kept = client.submit(pickle.loads, pickle.dumps(work), pure=False)
    running: dict[Any, Shard] = {}
    while True:
        while (shard := agenda.take("", ())) is not None:
            running[client.submit(answered, kept, shard.given, pure=False)] = shard
        if not running:
            return
        for future in _done(client, running, address):
            status = future.status
            if status in _COMPUTED_AGAIN:
                continue
            shard = running.pop(future)
            if status != "finished":
                raise _failure(future, shard, address)
            yield shard, agenda.finish(shard, future.result())


def _done(client: Any, running: Mapping[Any, Shard], address: str) -> list[Any]:
    from distributed import wait

    alone = 0
    while True:
        try:
            with client.as_current():
                found = wait(list(running), timeout=_SECONDS_BETWEEN_LOOKS, return_when="FIRST_COMPLETED")
            return list(found.done)
        except asyncio.TimeoutError:
            alone = 0 if client.nthreads() else alone + _SECONDS_BETWEEN_LOOKS
            if alone >= _SECONDS_WITHOUT_WORKERS:
                raise _without_workers(address) from None


def _failure(future: Any, shard: Shard, address: str) -> UnusableInput:
    from distributed.scheduler import KilledWorker

    if future.status != "error":
        hint = "start the scheduler again, then the command, which goes on from its journal"
        return refuse("E771", f"the scheduler at '{address}' is gone", hint=hint)
    error = future.exception()
    if isinstance(error, KilledWorker):
        return lost_too_often(shard, "more workers than the scheduler allows were lost", _one_line(error)[:200])
    return _unlike(f"a worker failed on {shard.name}: {_one_line(error)}")


def _require_same_sources(client: Any) -> None:
    own = sources_digest()
    try:
        found: dict[str, str] = client.run(sources_digest)
    except Exception as error:  # whatever a worker without spikec raises
        raise _unlike(f"a worker cannot run spikec: {_one_line(error)}") from error
    unlike = [worker for worker, digest in found.items() if digest != own]
    if unlike:
        raise _unlike(f"{len(unlike)} of {len(found)} workers have another spikec: {', '.join(unlike)}")


def sources_digest() -> str:
    """SHA-256 of the package's Python files: equal ones compute equal figures."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for folder in ("compiler", "models", "runtime", "targets"):
        for path in sorted((root / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _without_workers(address: str) -> UnusableInput:
    hint = f"start some by 'dask worker {address} --nthreads 1', one for each core"
    return refuse("E771", f"the cluster at '{address}' has no worker", hint=hint)


def _unlike(message: str) -> UnusableInput:
    return refuse(
        "E774", message, hint="install the same spikec on every machine of the cluster, then start its workers"
    )


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
