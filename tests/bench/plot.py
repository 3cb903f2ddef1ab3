"""The plot: time of every tool relative to spikec, one panel per net and batch."""

from __future__ import annotations

from pathlib import Path

from .rows import SPIKEC, Row, ratio


def plot_ratios(rows: list[Row], folder: Path) -> list[Path]:
    """Write ``ratios.svg`` and ``ratios.png`` of the part ``simulator``, with most threads; nothing without ratios."""
    most = max((row.threads or 0 for row in rows if row.part == "simulator"), default=0)
    shown = [row for row in rows if (row.part, row.threads or 0) == ("simulator", most)]
    compared = [(row, found) for row in shown if not row.tool.startswith(SPIKEC) and (found := ratio(row, rows))]
    if not compared:
        return []
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    nets = list(dict.fromkeys(row.net for row, _ in compared))
    batches = list(dict.fromkeys(row.batch for row, _ in compared))
    tools = list(dict.fromkeys(row.tool for row, _ in compared))
    size = (4.2 * max(len(nets), 2), 3.0 * len(batches))
    figure, axes = pyplot.subplots(len(batches), len(nets), figsize=size, squeeze=False, sharey=True)
    for column, net in enumerate(nets):
        for line, batch in enumerate(batches):
            axis = axes[line][column]
            cell = [(row, found) for row, found in compared if (row.net, row.batch) == (net, batch)]
            steps = sorted({row.timesteps or 0 for row, _ in cell})
            width = 0.8 / len(tools)
            for index, tool in enumerate(tools):
                chosen = [(row, found) for row, found in cell if row.tool == tool]
                places = [steps.index(row.timesteps or 0) + (index - (len(tools) - 1) / 2) * width for row, _ in chosen]
                heights = [found.median for _, found in chosen]
                errors = [
                    [found.median - found.minimum for _, found in chosen],
                    [found.maximum - found.median for _, found in chosen],
                ]
                label = f"{tool} (ANN)" if any(row.is_ann for row, _ in chosen) else tool
                # Points, for a bar on a logarithmic axis begins nowhere.
                axis.errorbar(places, heights, yerr=errors, label=label, fmt="o", markersize=5, capsize=2)
            axis.axhline(1, color="black", linewidth=0.8)
            axis.set_yscale("log")
            axis.set_xticks(range(len(steps)), [f"T = {number}" for number in steps])
            axis.set_title(f"{net}, batch {batch}", fontsize=10)
            if column == 0:
                axis.set_ylabel("time / time of spikec")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=len(tools), fontsize=9, frameon=False)
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    files = [folder / "ratios.svg", folder / "ratios.png"]
    for file in files:
        figure.savefig(file, dpi=130)
    pyplot.close(figure)
    return files
