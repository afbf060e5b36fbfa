"""The options of bench/macro/run, and what the part under way has measured."""
import argparse
import os
import statistics
import sys
import time

OPTIONS = argparse.Namespace()  # filled when the command line is read
PART = {}  # of the part under way: see begin


def begin():
    """A new part."""
    PART.update(repeats=1,  # how often its figures are taken
                rows=[],  # [figure, measured, target, reached]
                micro=[],  # [benchmark, time, items, bytes, allocations]
                points={},  # plot → series → [(x, y)]
                measured=[])  # every single measurement


def say(text):
    print(f"bench: {text} (load {os.getloadavg()[0]:.1f})", file=sys.stderr, flush=True)


def keep(measurement):
    PART["measured"].append({"load": round(os.getloadavg()[0], 2), **measurement})


def point(plot, series, x, y):
    PART["points"].setdefault(plot, {}).setdefault(series, []).append((x, y))


def repeats(most=None):
    """For what a part measures again and again; the tables then say how often."""
    PART["repeats"] = min(OPTIONS.repeats, most or OPTIONS.repeats)
    return range(PART["repeats"])


def quick(few, many):
    """How many, by --quick."""
    return few if OPTIONS.quick else many


def spread(values, unit, digits=0):
    """min / median / max; of one value, that."""
    values = list(values)
    shown = [values[0]] if len(values) == 1 else [min(values), statistics.median(values), max(values)]
    return " / ".join(f"{value:,.{digits}f}" for value in shown) + (f" {unit}" if unit else "")


def row(what, text, value=None, below=None, target=None):
    reached = "" if below is None else "yes" if value <= below else "**no**"
    PART["rows"].append([what, text, target or "", reached])
    say(f"{what}: {text} {reached}")


def figure(what, values, unit, digits=0, below=None, note=""):
    """A row of the median of some values, which should be below a target."""
    target = None if below is None else f"< {below:g} {unit}".rstrip()
    row(what, spread(values, unit, digits) + (f" ({note})" if note else ""), statistics.median(values), below, target)


def latency(found, key, what, below=None, below_p99=None):
    """Rows of the p50 and p99 of one latency in some reports of load [ms]."""
    have = [each["latency_ms"][key] for each in found if key in each["latency_ms"]]
    if not have:
        return row(what, f"not measured: load saw no {key}")
    figure(f"{what}, p50", [each["p50"] for each in have], "ms", 1, below, f"p90 {spread([each['p90'] for each in have], '', 1)}")
    figure(f"{what}, p99", [each["p99"] for each in have], "ms", 1, below_p99)


def quiet():
    """Waits, for a while, until the machine has nothing else to do."""
    deadline = time.monotonic() + OPTIONS.wait
    while os.getloadavg()[0] > 1.5 and time.monotonic() < deadline:
        time.sleep(2)
