"""The machine and the tools that a run was measured with."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

TOOLS = (
    *("spikec", "numpy", "torch", "numba", "onnx", "onnxruntime", "lava-nc", "spikingjelly", "snntorch", "sinabs"),
    "matplotlib",
)


LOAD_AT_START = os.getloadavg()[0]
"""Processes that wanted a core in the minute before the benchmark: others make every number larger."""

NETX_TOOLS = ("lava-dl", "lava-nc", "torch", "numpy")


def describe(threads: int, netx_python: Path | None = None) -> dict[str, Any]:
    """CPU, cores, memory, system and the versions of every installed tool.

    ``threads`` is what each tool may use, ``netx_python`` the interpreter of the environment with lava-dl.
    """
    return {
        "cpu": _cpu_model(),
        "load_at_start": round(LOAD_AT_START, 2),
        "cores": len(os.sched_getaffinity(0)),
        "threads_per_tool": threads,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": sys.version.split()[0],
        "versions": versions(),
        "netx_versions": None if netx_python is None else _versions_of(netx_python),
    }


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
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()
