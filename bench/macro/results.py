"""The results of bench/macro/run: a folder with results.json (every single measurement), tables.md and the plots.

Each part stands for itself, with the build, the machine and the day it was taken: a part that is measured again replaces its own results and no others.
The tables of bench/results are a section of bench/README.md instead."""
import datetime
import json
import os
import platform
import subprocess

import plots
from bench_cluster import ROOT
from measurements import OPTIONS, PART, say

PUBLISHED, PAGE = ROOT / "bench/results", ROOT / "bench/README.md"
BEGIN, END = "<!-- tables: written by scripts/bench -->\n", "<!-- end of the tables -->\n"
TAKEN = ("machine", "build", "date", "repeats", "quick")  # what parts of one heading have in common


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    memory = int(open("/proc/meminfo").readline().split()[1]) / 2**20
    return f"{os.cpu_count()} × {model}, {memory:.0f} GiB, Linux {platform.release().split('-')[0]}"


def build_text():
    def git(*words):
        return subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True).stdout.strip()

    edited = git("status", "--porcelain", "--untracked-files=no", "--", ".", f":!{PUBLISHED.relative_to(ROOT)}", f":!{PAGE.relative_to(ROOT)}")
    return f"release (-O2), {git('rev-parse', '--short=10', 'HEAD') or 'no commit known'}{' and edits' * bool(edited)}"


class Results:
    def __init__(self, folder, names, afresh):
        """`names`: all parts there are, in their order. `afresh`: what the folder has counts no more."""
        self.folder, self.names = folder, names
        self.parts, self.measured = {}, set()  # `measured`: by this process
        self.taken = {"machine": machine(), "build": build_text(), "date": datetime.date.today().isoformat(), "quick": OPTIONS.quick}
        path = folder / "results.json"
        if path.exists() and not afresh:
            self.parts = json.loads(path.read_text())["parts"]

    def put(self, name, minutes, load):
        """What the part under way has measured; `load`: the machine's when it began."""
        self.parts[name] = {**self.taken, "minutes": round(minutes, 1), "load": round(load, 2), **PART}
        self.measured.add(name)
        self.write()

    def ordered(self):
        return {name: self.parts[name] for name in self.names if name in self.parts}

    def of_this_process(self):
        return {name: part for name, part in self.ordered().items() if name in self.measured}

    def tables(self):
        """For bench/README.md."""
        parts, heads = self.ordered(), {}
        for name, part in parts.items():
            heads.setdefault(tuple(part[key] for key in TAKEN), []).append(name)
        lines = [f"Machine: {where}. Build: {build}, {day}. Repeats: {repeats}{', --quick' * quick}. Parts: "
                 + ", ".join(f"{name} ({parts[name]['load']:.1f})" for name in named) + " (load of the machine when each began).\n"
                 for (where, build, day, repeats, quick), named in heads.items()]
        rows = [[name, *row] for name, part in parts.items() for row in part["rows"]]
        if rows:
            lines += ["| part | figure | measured (min / median / max) | target | reached |", "|---|---|---|---|---|"]
            lines += ["| " + " | ".join(row) + " |" for row in rows]
        micro = [row for part in parts.values() for row in part["micro"]]
        if micro:
            lines += ["", "| benchmark | time | objects | bytes | allocations |", "|---|---|---|---|---|"]
            lines += ["| " + " | ".join(row) + " |" for row in micro]
        return "\n".join(lines)

    def write(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        for path, parts in ((self.folder / "results.json", self.ordered()), (OPTIONS.json, self.of_this_process())):
            if path:
                path.write_text(json.dumps({"parts": parts}, indent=1, ensure_ascii=False) + "\n")
        if self.folder.resolve() == PUBLISHED:
            before, rest = PAGE.read_text().split(BEGIN)
            PAGE.write_text(before + BEGIN + self.tables() + "\n" + END + rest.split(END)[1])
        else:
            (self.folder / "tables.md").write_text(self.tables() + "\n")

    def draw(self):
        try:
            plots.draw({"parts": self.ordered()}, self.folder)
        except ImportError:
            say("no plots: matplotlib is missing (bench/requirements.txt; scripts/bench installs it)")
