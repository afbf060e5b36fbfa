"""The part of bench/macro/run that runs the Google Benchmarks of bench/micro."""
import json
import subprocess

from bench_cluster import prefer
from measurements import OPTIONS, PART, keep, quick, quiet, repeats, say

BENCHES = ("cron", "decode", "expression", "patch", "planner", "queue", "store", "sync")


def shown(value, unit):
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:,.2f} {prefix}{unit}"
    return f"{value:,.2f} {unit}".rstrip()


def time_of(bench):
    seconds = bench["cpu_time"] * {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1}[bench["time_unit"]]
    if "real_time" in bench["name"]:
        seconds = bench["real_time"] * {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1}[bench["time_unit"]]
    for factor, unit in ((1, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= factor:
            return f"{seconds / factor:.2f} {unit}"
    return f"{seconds / 1e-9:.1f} ns"


def measure_micro():
    quiet()
    failed, times = [], len(repeats())
    for name in BENCHES:
        words = [OPTIONS.build / f"bin/{name}_bench", "--benchmark_format=json", f"--benchmark_min_time={quick(0.02, 0.5)}"]
        if times > 1:
            words += [f"--benchmark_repetitions={times}", "--benchmark_report_aggregates_only=true"]
        process = subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        prefer(process.pid)
        out, err = process.communicate()
        if process.returncode != 0:
            failed.append(f"{name}_bench: {err[-300:]}")
            continue
        for bench in json.loads(out)["benchmarks"]:
            if bench["run_type"] == "aggregate" and bench["aggregate_name"] != "median":
                continue
            keep(bench)
            rate = [shown(bench[key], unit) if key in bench else "" for key, unit in (("items_per_second", "/s"), ("bytes_per_second", "B/s"))]
            more = ", ".join(f"{bench[key]:,.1f} {key.replace('_', ' ')}" for key in sorted(bench) if key.endswith("_per_object"))
            PART["micro"].append([f"{name}: {bench['run_name']}", time_of(bench), *rate, more])
        say(f"{name}_bench done")
    if failed:
        raise RuntimeError("; ".join(failed))
