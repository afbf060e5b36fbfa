#!/usr/bin/env python3
"""Draws the plots of a results file as SVG beside it: plots.py bench/results/results.json"""
import json
import pathlib
import sys

# plot → (title, x axis, y axis, x is logarithmic)
PLOTS = {
    "latency": ("Runs of three container steps, all at once", "runs", "seconds", True),
    "memory": ("The operator's memory, runs of three container steps at once", "runs", "MiB", True),
    "rest": ("The operator's memory with finished runs", "finished runs", "MiB", False),
    "restart": ("Start of the operator with finished runs", "finished runs", "seconds", False),
    "steady": ("The operator's memory at a steady rate", "seconds", "MiB", False),
}


def draw(results, folder):
    """The files that were written."""
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "millrace", "font.size": 9})
    from matplotlib import pyplot
    written, drawn = [], {}
    for part in results["parts"].values():
        for name, lines in part["points"].items():
            for series, points in lines.items():
                drawn.setdefault(name, {}).setdefault(series, []).extend(points)
    for name, (title, x, y, logarithmic) in PLOTS.items():
        if name not in drawn:
            continue
        figure, axes = pyplot.subplots(figsize=(6.4, 3.6))
        for series, points in drawn[name].items():
            median = {at: sorted(b for a, b in points if a == at) for at in sorted({a for a, _ in points})}
            axes.plot(list(median), [values[len(values) // 2] for values in median.values()], marker="" if name == "steady" else "o",
                      markersize=3, linewidth=1.2, label=series)
        if logarithmic:
            axes.set_xscale("log")
        axes.set(title=title, xlabel=x, ylabel=y, ylim=(0, None))
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
        figure.tight_layout()
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
        pyplot.close(figure)
        written.append(folder / f"{name}.svg")
    return written


if __name__ == "__main__":
    source = pathlib.Path(sys.argv[1])
    print(*draw(json.loads(source.read_text()), source.parent), sep="\n")
