"""Claims about the simulator's speed beside the source network and beside peers, for trained networks only."""

from __future__ import annotations

from .claim import Claim
from .rows import INT8, ONNXRUNTIME, SPIKEC, Row, ratio, spread
from .trained import PRICED

BOTH_THREADS = 2
CORE, FULL, BEFORE = "core install", "core install, torch and numba", "before"
ONE_IMAGE = "one image, warm"

IMAGENET, COMPILED, SIMULATED = "imagenet", "resnet50", "resnet18"
UNCALIBRATED, RATES, PEAK = "without calibration", "rates", "GB"
"""How the notes of its rows begin, and the unit of memory."""

_ENOUGH_IMAGES = 256
_NOT_TRAINED = "no trained network measured (--networks)"
_NOT_MEASURED = "not measured"


def speed_claims(rows: list[Row]) -> list[Claim]:
    """All of them, with the reason where one was not measured; none where no simulator was."""
    if not any(row.part in ("simulator", "demo", "latency") for row in rows):
        return []
    int8, relu, priced = f"{ONNXRUNTIME}{INT8}", f"{ONNXRUNTIME}, ReLU{INT8}", f"vgg16{PRICED}"
    return [
        _against_ann(rows, "vgg16", 4, ONNXRUNTIME, 0.7),
        _against_ann(rows, "vgg16", 4, int8, 1.0),
        _against_ann(rows, "vgg16", 4, relu, 1.0),
        *(_against_ann(rows, priced, 4, tool, 1.0) for tool in (int8, relu) if _cell(rows, priced, 4)),
        _against_ann(rows, "resnet20", 4, ONNXRUNTIME, 1.0),
        _against_ann(rows, "vgg16", 1, ONNXRUNTIME, 0.4),
        _against_ann(rows, "resnet20", 1, ONNXRUNTIME, 0.4),
        *(_against_peer(rows, peer) for peer in ("SpikingJelly", "snnTorch", "sinabs")),
        *_demos(rows),
        _one_image(rows),
    ]


def _cell(rows: list[Row], net: str, timesteps: int) -> list[Row]:
    wanted = ("simulator", net, timesteps, 64, BOTH_THREADS)
    return [r for r in rows if (r.part, r.net, r.timesteps, r.batch, r.threads) == wanted]


def _against_ann(rows: list[Row], net: str, timesteps: int, tool: str, limit: float) -> Claim:
    text = f"{net}, T = {timesteps}, batch 64, both threads: spikec against {tool}"
    cell = _cell(rows, net, timesteps)
    found = next((s for r in cell if r.tool == tool and (s := ratio(r, rows))), None)
    if found is None:
        return Claim(text, None, limit, "x", False, _why_not(rows, net))
    return Claim(text, 1 / found.median, limit, "x", False)


def _against_peer(rows: list[Row], peer: str) -> Claim:
    text = f"vgg16, T = 4, batch 64, both threads: {peer} against spikec"
    cell = _cell(rows, "vgg16", 4)
    row = next((r for r in cell if r.tool == peer), None)
    found = None if row is None else ratio(row, rows)
    if found is not None:
        return Claim(text, found.median, 8, "x", True)
    reason = _why_not(rows, "vgg16") if row is None else "results are not equal"
    return Claim(text, None, 8, "x", True, reason)


def _why_not(rows: list[Row], net: str) -> str:
    is_trained = any(row.part == "simulator" and row.net == net for row in rows)
    return _NOT_MEASURED if is_trained else _NOT_TRAINED


def _demos(rows: list[Row]) -> list[Claim]:
    """One for each Python; the newest is not less of a claim than the one that the peers are pinned for."""
    pythons = dict.fromkeys(r.note.split(",")[0] for r in rows if r.part == "demo")
    return [_demo(rows, python) for python in pythons or ("every Python",)]


def _demo(rows: list[Row], python: str) -> Claim:
    text = f"the demo's simulator line, {python}: core install against the best with torch and numba"
    seconds = {r.tool: spread(r.values).median for r in rows if r.part == "demo" and r.note.split(",")[0] == python}
    best = [seconds[tool] for tool in (FULL, BEFORE) if tool in seconds]
    if CORE not in seconds or not best:
        return Claim(text, None, 1.5, "x", False, _NOT_MEASURED)
    return Claim(text, seconds[CORE] / min(best), 1.5, "x", False)


def _one_image(rows: list[Row]) -> Claim:
    text = "one image of the shipped net from a warm process"
    found = [spread(r.values).median for r in rows if r.part == "latency" and r.tool == f"{SPIKEC}, {ONE_IMAGE}"]
    return Claim(text, found[0] if found else None, 3, "ms", False, "" if found else _NOT_MEASURED)


def calibrated_with(images: int) -> str:
    """How the note of a row of ``IMAGENET`` with so many calibration images begins."""
    return f"with {images} calibration images"


def imagenet_claims(rows: list[Row]) -> list[Claim]:
    """What is promised of networks for large images; nothing where they were not measured, or with fewer images."""
    calibrated = calibrated_with(_ENOUGH_IMAGES)
    found = [
        _large(rows, f"{COMPILED} at 224, {UNCALIBRATED}: processor time to compile", UNCALIBRATED, "s", 30, cpu=True),
        _large(rows, f"{COMPILED} at 224, {UNCALIBRATED}: memory to compile", UNCALIBRATED, PEAK, 3),
        _large(rows, f"{COMPILED} at 224, {calibrated}: time to compile", calibrated, "s", 15 * 60),
        _large(rows, f"{COMPILED} at 224, {calibrated}: memory to compile", calibrated, PEAK, 4),
        _large(rows, f"{SIMULATED} at 224, T = 4, all threads: an image", RATES, "s", 0.05),
    ]
    return [claim for claim in found if claim is not None]


def _large(rows: list[Row], text: str, note: str, unit: str, limit: float, *, cpu: bool = False) -> Claim | None:
    chosen = [r for r in rows if r.part == IMAGENET and r.note.startswith(note) and r.unit == unit]
    if not chosen:
        return None
    row = max(chosen, key=lambda one: one.threads or 0)
    return Claim(text, spread(row.cpu if cpu else row.values).median, limit, unit, False)
