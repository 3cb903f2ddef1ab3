"""Writes the tables of one run into the documents: ``bash tests/bench/run --document results/bench.json``.

A document has a place for a table between ``<!-- bench NAME -->`` and ``<!-- bench end -->``; it is filled anew.
Each table names what it was measured on.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import click

from .claim import Claim
from .limits import NEAR, PART
from .machine import in_a_line
from .rows import INT8, ONNXRUNTIME, RANDOM, SHIPPED, SPIKEC
from .trained import PRICED

Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
DOCUMENTS = (ROOT / "docs" / "speed.md", ROOT / "README.md")
_PLACE = re.compile(r"(<!-- bench ([a-z]+) -->\n)(.*?)(<!-- bench end -->)", re.DOTALL)
_NAMES = {SHIPPED: "shipped net (28x28)", "resnet20": "ResNet-20 (32x32)", "vgg16": "VGG-16 (32x32)"}
_NAMES[f"vgg16{PRICED}"] = "VGG-16 (32x32), spikes priced"


def filled(document: str, run: Json) -> str:
    """The document with all of its places filled that ``run`` has something for; ValueError for an unknown name."""

    def place(found: re.Match[str]) -> str:
        start, name, before, end = found.groups()
        if name not in BLOCKS:
            raise ValueError(f"there is no table '{name}': {', '.join(BLOCKS)}")
        table = BLOCKS[name](run)
        return f"{start}{_measured_on(run)}\n\n{table}\n{end}" if table else f"{start}{before}{end}"

    return _PLACE.sub(place, document)


def _measured_on(run: Json) -> str:
    rounds = run["settings"]["rounds"]
    return f"Measured on {in_a_line(run['machine'])}; medians of {rounds} alternating rounds."


def _table(head: list[str], lines: list[list[str]]) -> str:
    if not lines:
        return ""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *lines))


def _cells(run: Json, **wanted: Any) -> list[Json]:
    return [row for row in run["rows"] if all(row.get(field) == value for field, value in wanted.items())]


def _time(row: Json | None) -> str:
    if row is None:
        return ""
    mark = "" if row["is_ann"] or row["tool"] == SPIKEC or (row["equality"] or {}).get("equal") else " (results differ)"
    return f"{_digits(1e3 * median(row['values']))}{mark}"


def _both(row: Json | None) -> str:
    if row is None or not row["cpu"]:
        return _time(row)
    return f"{_time(row)} ({_digits(1e3 * median(row['cpu']))})"


def _digits(number: float) -> str:
    return f"{number:.3g}" if number < 100 else f"{number:.0f}"


def _named(net: str) -> str:
    plain = net.replace(f" ({RANDOM})", "")
    return _NAMES.get(plain, plain) + (f", {RANDOM}" if plain != net else "")


def beside(run: Json) -> str:
    """Milliseconds of every tool for a batch of 64 on all threads, at each T, with processor time in brackets."""
    rows = _cells(run, part="simulator", batch=64, threads=max(run["machine"]["threads"]))
    columns = sorted({(row["net"], row["timesteps"]) for row in rows})
    at = {(row["tool"], row["net"], row["timesteps"]): row for row in rows}
    tools = [tool for tool in dict.fromkeys(row["tool"] for row in rows) if not tool.startswith(f"{SPIKEC},")]
    head = ["ms for 64 images (processor time)", *(f"{_named(net)}, T = {steps}" for net, steps in columns)]
    return _table(head, [[tool, *(_both(at.get((tool, *column))) for column in columns)] for tool in tools])


def cells(run: Json) -> str:
    """spikec in every cell, by the clock and in processor time, and the source network's time for the same images."""
    lines = []
    for ours in _cells(run, part="simulator", tool=SPIKEC):
        case = {field: ours[field] for field in ("part", "net", "timesteps", "batch", "threads")}
        others = {row["tool"]: row for row in _cells(run, **case)}
        numbers = [str(ours[field]) for field in ("timesteps", "batch", "threads")]
        spent = f"{_digits(1e3 * median(ours['cpu']))}" if ours["cpu"] else ""
        anns = [_time(others.get(tool)) for tool in (ONNXRUNTIME, f"{ONNXRUNTIME}{INT8}")]
        lines.append([_named(ours["net"]), *numbers, _time(ours), spent, *anns])
    head = [
        "net",
        "T",
        "batch",
        "threads",
        "spikec, ms",
        "its processor time",
        "onnxruntime float32",
        "onnxruntime int8",
    ]
    return _table(head, lines)


def kernels(run: Json) -> str:
    """Every way in which spikec can run the same programs, at T = 4 and a batch of 64 on all threads."""
    rows = _cells(run, part="simulator", timesteps=4, batch=64, threads=max(run["machine"]["threads"]))
    ways = [tool for tool in dict.fromkeys(row["tool"] for row in rows) if tool.startswith(f"{SPIKEC},")]
    nets = list(dict.fromkeys(row["net"] for row in rows if row["tool"] in ways))
    at = {(row["tool"], row["net"]): row for row in rows}
    lines = [[way.removeprefix(f"{SPIKEC}, "), *(_both(at.get((way, net))) for net in nets)] for way in ways]
    return _table(["ms for 64 images (processor time)", *map(_named, nets)], lines)


def growth(run: Json) -> str:
    """Lines through what was measured over T, batch and active synapses."""
    lines = [
        [
            _named(fit["net"]),
            fit["axis"],
            f"{fit['points'][0][0]:,} to {fit['points'][-1][0]:,}",
            f"{1e3 * fit['offset']:.3g} ms",
            f"{1e6 * fit['slope']:.3g} us",
            f"{100 * fit['deviation']:.1f} %",
        ]
        for fit in run["fits"]
    ]
    return _table(["net", "over", "from", "at 0", "for each one more", "largest deviation"], lines)


def rates(run: Json) -> str:
    """How often neurons fire, over all layers and layer by layer."""
    lines = [
        [
            _named(one["net"]),
            str(one["timesteps"]),
            f"{one['weights'] / 1e6:.3g} M",
            f"{100 * one['rate']:.1f} %",
            f"{_active(one) / one['weights']:.2f}",
            " ".join(f"{100 * layer['rate']:.0f}" for layer in one["layers"]),
        ]
        for one in run["rates"]
    ]
    return _table(
        ["net", "T", "synapses", "rate", "active synapses for each synapse", "rate of each layer in %"], lines
    )


def limits(run: Json) -> str:
    """Weights that are added per second on one thread, beside what a loop that only adds can do."""
    most = _cells(run, part=PART, tool=NEAR)
    lines = [[row["tool"], f"{median(row['values']):.3g}", ""] for row in _cells(run, part=PART)]
    for one in run["rates"] if most else []:
        case = {"part": "simulator", "tool": SPIKEC, "net": one["net"], "timesteps": one["timesteps"]}
        for row in _cells(run, **case, batch=64, threads=1):
            reached = (_active(one) + one["graded_synapses"]) * 64 / median(row["cpu"] or row["values"]) / 1e9
            name = f"{_named(one['net'])}, T = {one['timesteps']}"
            lines.append([name, f"{reached:.3g}", f"{100 * reached / median(most[0]['values']):.0f} %"])
    return _table(["10^9 in a second", "measured", f"of '{NEAR}'"], lines)


def latency(run: Json) -> str:
    """One image of the shipped network."""
    lines = [
        [row["tool"], _digits(median(row["values"])), _digits(median(row["cpu"])) if row["cpu"] else ""]
        for row in _cells(run, part="latency")
    ]
    return _table(["ms for one image", "by the clock", "processor time"], lines)


def demo(run: Json) -> str:
    """The simulator's line of the demo, install by install."""
    lines = [[f"{row['tool']} ({row['note']})", f"{median(row['values']):.2f}"] for row in _cells(run, part="demo")]
    return _table(["seconds for 1,000 images", "simulator"], lines)


def imagenet(run: Json) -> str:
    """Networks for large images: seconds and memory."""
    lines = []
    for row in _cells(run, part="imagenet"):
        what = f"{row['note']}, {row['threads']} threads" if row["threads"] else row["note"]
        spent = f"{_digits(median(row['cpu']))}" if row["cpu"] else ""
        lines.append([row["net"], what, f"{_digits(median(row['values']))} {row['unit']}", spent])
    return _table(["net", "what", "measured", "processor time, s"], lines)


def claims(run: Json) -> str:
    """What is promised, what was measured, and whether it holds."""
    lines = []
    for content in run["claims"]:
        claim = Claim(**{field: content[field] for field in Claim.__slots__})
        lines.append([claim.text, claim.found, claim.bound, claim.answer])
    return _table(["claim", "measured", "limit", "holds"], lines)


def _active(rates_of_net: Json) -> float:
    return sum(float(layer["active_synapses"]) for layer in rates_of_net["layers"])


BLOCKS: dict[str, Callable[[Json], str]] = {
    one.__name__: one for one in (beside, cells, kernels, growth, rates, limits, latency, demo, imagenet, claims)
}
"""Tables by name; each is empty where a run has nothing for it."""


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--print", "prints", is_flag=True, help="print all tables and write nothing")
def main(file: Path, prints: bool) -> None:
    """Write the tables of a bench.json into docs/speed.md and, where it has places for them, README.md."""
    run: Json = json.loads(file.read_text(encoding="utf-8"))
    if prints:
        sys.stdout.write("\n".join(f"## {name}\n\n{table(run)}\n" for name, table in BLOCKS.items()))
        return
    for document in DOCUMENTS:
        before = document.read_text(encoding="utf-8")
        after = filled(before, run)
        if after != before:
            document.write_text(after, encoding="utf-8")
            click.echo(f"wrote {document.relative_to(ROOT)}")


if __name__ == "__main__":
    main(prog_name="bash tests/bench/run --document")
