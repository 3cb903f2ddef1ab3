"""What a run was measured on: processor, instruction set, threads, memory, versions, and who else ran."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from spikec.runtime.simulator.native import available_instruction_sets, chosen_instruction_set, kernel_in_words

TOOLS = (
    *("spikec", "numpy", "torch", "numba", "onnx", "onnxruntime", "lava-nc", "spikingjelly", "snntorch", "sinabs"),
    "matplotlib",
)
NETX_TOOLS = ("lava-dl", "lava-nc", "torch", "numpy")

BUSY = 0.1
"""Cores that others used on average, from which on a run is called one of a busy machine."""


@dataclass(frozen=True, slots=True)
class Instant:
    """Seconds by the clock, of processor time of this process and its children, and of all cores together.

    ``load`` are the processes that wanted a core in the minute before, ``stolen`` what a hypervisor gave to others.
    """

    clock: float
    own: float
    all: float
    stolen: float
    load: float


def now() -> Instant:
    """This instant, as the kernel of the system counts."""
    own = os.times()
    ticks = [int(number) for number in Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0].split()[1:9]]
    user, nice, system, _idle, _waiting, interrupts, soft, stolen = (n / os.sysconf("SC_CLK_TCK") for n in ticks)
    busy = user + nice + system + interrupts + soft
    return Instant(time.perf_counter(), sum(own[:4]), busy, stolen, os.getloadavg()[0])


START = now()
"""When the benchmark was started."""


def describe(threads: tuple[int, ...], netx_python: Path | None = None) -> dict[str, Any]:
    """Processor, instruction set, cores, memory, system, versions of every installed tool, and load since the start.

    ``threads`` is what each tool was given, ``netx_python`` the interpreter of the environment with lava-dl.
    """
    chosen = chosen_instruction_set()
    return {
        "cpu": _cpu_model(),
        "instruction_set": "none" if chosen is None else chosen.name,
        "instruction_sets": [one.name for one in available_instruction_sets()],
        "kernel": kernel_in_words(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": list(threads),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "caches": _caches(),
        "system": f"{platform.system()} {platform.release()}",
        "python": sys.version.split()[0],
        "versions": versions(),
        "netx_versions": None if netx_python is None else _versions_of(netx_python),
        **load_between(START, now()),
    }


def load_between(start: Instant, end: Instant) -> dict[str, Any]:
    """Load at both ends, and cores that other processes and other guests of the machine used on average between."""
    seconds = max(end.clock - start.clock, 1e-9)
    others = max(0.0, (end.all - start.all) - (end.own - start.own)) / seconds
    stolen = (end.stolen - start.stolen) / seconds
    return {
        "load_at_start": round(start.load, 2),
        "load_at_end": round(end.load, 2),
        "cores_used_by_others": round(others, 2),
        "cores_stolen": round(stolen, 2),
        "busy": others + stolen > BUSY,
        "seconds": round(seconds, 1),
    }


def in_a_line(machine: dict[str, Any]) -> str:
    """The machine for the head of a table; a busy one is called so."""
    threads = " and ".join(str(number) for number in machine["threads"])
    line = (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB; "
        f"kernel {machine['instruction_set']}, threads {threads}; "
        f"load {machine['load_at_start']} at the start, {machine['load_at_end']} at the end"
    )
    if not machine["busy"]:
        return line
    others = f"{machine['cores_used_by_others']} cores used by others, {machine['cores_stolen']} by other guests"
    return f"{line}; BUSY MACHINE: {others}"


def versions() -> dict[str, str]:
    """Versions of those of ``TOOLS`` that are installed in this environment."""
    found = {}
    for tool in TOOLS:
        try:
            found[tool] = metadata.version(tool)
        except metadata.PackageNotFoundError:
            continue
    return found


def _versions_of(python: Path) -> dict[str, str]:
    script = f"import importlib.metadata as m, json; print(json.dumps({{t: m.version(t) for t in {NETX_TOOLS!r}}}))"
    printed = subprocess.run([str(python), "-I", "-c", script], check=True, capture_output=True, text=True).stdout
    found: dict[str, str] = json.loads(printed)
    return found


def _cpu_model() -> str:
    """Name, family and model: a hypervisor often names no more than the maker."""
    fields: dict[str, str] = {}
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n", 1)[0].splitlines():
        name, _, value = line.partition(":")
        fields[name.strip()] = value.strip()
    if "model name" not in fields:
        return platform.machine()
    return f"{fields['model name']} (family {fields.get('cpu family', '?')}, model {fields.get('model', '?')})"


def _caches() -> dict[str, str]:
    """Size of each cache that the first core sees, by level and kind; empty where the system does not tell."""
    found = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((folder / name).read_text(encoding="utf-8").strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            found[f"L{level}"] = size
    return found
