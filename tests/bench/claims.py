"""What spikec promises about speed and memory, held against what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .claim import Claim
from .must_show import imagenet_claims, speed_claims
from .rows import RANDOM, SHIPPED, SPIKEC, Fit, Row, ratio, spread
from .starting import CHECK, HELP, IMPORTS

ENOUGH_SIZES = 5
"""Sizes over which time must grow linearly for the promise to be judged."""


def claims(rows: list[Row], fits: list[Fit]) -> list[Claim]:
    """Every promise that was measured; of those about speed beside other tools, the others too."""
    found = speed_claims(rows)
    found += _starting(rows)
    for fit in (f for f in fits if len(f.points) >= ENOUGH_SIZES):
        text = f"{fit.net}: deviation from a straight line over {fit.axis}"
        found.append(Claim(text, 100 * fit.deviation, 10, "%", False))
    found += _largest(rows, "memory", "vgg16", SPIKEC, "peak memory of VGG-16, T = 4, batch 64", 1.5e9 / 2**20, "MiB")
    found += _largest(rows, "compile", "vgg16", SPIKEC, "compile VGG-16 without calibration", 5, "s")
    found += _largest(rows, "compile", "vgg16 calibrated", SPIKEC, "compile VGG-16 with calibration", 60, "s")
    found += _largest(rows, "evaluation", SHIPPED, SPIKEC, "10,000 images of the shipped net at T = 4", 60, "s")
    found += imagenet_claims(rows)
    found += _placements(rows)
    found += _estimates(rows)
    found += _lava(rows, "vgg16", lambda r: r.tool.startswith("Lava"), "Lava's own Conv against spikec on Lava", 150)
    found += _lava(rows, "chain20", lambda r: r.tool.startswith("lava-dl"), "lava-dl netx against spikec on Lava", 3)
    return found


def _starting(rows: Iterable[Row]) -> list[Claim]:
    seconds = {r.tool: spread(r.values).minimum for r in rows if r.part == "starting"}
    return [
        Claim(f"processor time of {tool} against {IMPORTS}", seconds[tool] / seconds[IMPORTS], limit, "x", False)
        for tool, limit in ((HELP, 0.6), (CHECK, 2.5))
        if tool in seconds
    ]


def _largest(rows: Iterable[Row], part: str, net: str, tool: str, text: str, limit: float, unit: str) -> list[Claim]:
    return [
        Claim(text, spread(r.values).median, limit, unit, False)
        for r in rows
        if (r.part, _known(r.net), r.tool) == (part, net, tool) and "quick" not in r.note
    ]


def _known(net: str) -> str:
    """The network's name whatever its weights, on which these figures do not depend."""
    return net.replace(f" ({RANDOM})", "")


def _estimates(rows: list[Row]) -> list[Claim]:
    """How far what is counted may be from what SANA-FE simulates: 5 % of the energy, 15 % of the time."""
    return [
        Claim(f"{r.net}, one sample: {name} against SANA-FE's", 100 * abs(1 / found.median - 1), limit, "%", False)
        for r in rows
        for unit, name, limit in (("uJ", "energy", 5), ("us", "time", 15))
        if (r.part, r.unit) == ("cost", unit) and (found := ratio(r, rows))
    ]


def _placements(rows: list[Row]) -> list[Claim]:
    """Cores against what boxes fill at least, and the time of placing: a network for large images has two minutes."""
    cores = [
        Claim(f"{r.net}: cores against the bound", 1 / found.median, 1.15, "x", False)
        for r in rows
        if (r.part, r.tool, r.unit) == ("placement", "bound", "cores") and (found := ratio(r, rows))
    ]
    seconds = [
        Claim(f"{r.net}: time of placing", spread(r.values).median, 120 if "224" in r.net else 10, "s", False)
        for r in rows
        if (r.part, r.unit) == ("placement", "s")
    ]
    return cores + seconds


def _lava(rows: list[Row], net: str, is_peer: Callable[[Row], bool], text: str, limit: float) -> list[Claim]:
    return [
        Claim(f"{net}, time per step: {text}", found.median, limit, "x", True)
        for r in rows
        if r.part == "lava" and _known(r.net) == net and is_peer(r) and (found := ratio(r, rows))
    ]
