#!/usr/bin/env python3
"""Adds up JUnit files, one test case each: names what failed and what was skipped and why, and ends with
"N passed, N failed, N skipped". Exit code 1 when anything failed or nothing ran.

usage: tally.py RESULTS_FOLDER [BROKEN_STAGE...]      each broken stage counts as one failure
"""
import pathlib
import sys
import xml.etree.ElementTree


def outcome(case):
    """("passed" | "failed" | "skipped", reason) of one <testcase>, as pytest or ctest writes it."""
    for kind in ("failure", "error"):
        if (found := case.find(kind)) is not None:
            return "failed", found.get("message") or failure_text(case) or found.text or ""
    found = case.find("skipped")
    if found is not None or case.get("status") in ("disabled", "notrun"):
        reason = (found.get("message") if found is not None else "") or case.get("status") or ""
        return "skipped", skip_reason(case) or reason
    return "passed", ""


def failure_text(case):
    """What a C++ test printed from its first failure on: ctest keeps the whole output and no message."""
    lines = (case.findtext("system-out") or "").splitlines()
    first = next((number for number, line in enumerate(lines) if ": Failure" in line or "ERROR: " in line or
                  "WARNING: ThreadSanitizer" in line or "runtime error: " in line), None)
    return "\n".join(lines[first:first + 12] if first is not None else lines[-12:])


def skip_reason(case):
    """GTEST_SKIP's words: ctest itself only says that the output matched."""
    lines = (case.findtext("system-out") or "").splitlines()
    for number, line in enumerate(lines):
        if line.rstrip().endswith(": Skipped") and number + 1 < len(lines):
            return lines[number + 1].strip()
    return ""


def main(folder, *broken):
    count = {"passed": 0, "failed": 0, "skipped": 0}
    notes = {"failed": [f"{stage}: the stage itself failed, see above" for stage in broken], "skipped": []}
    count["failed"] += len(broken)
    for path in sorted(pathlib.Path(folder).glob("*.xml")):
        try:
            cases = xml.etree.ElementTree.parse(path).getroot().iter("testcase")
        except xml.etree.ElementTree.ParseError as error:
            count["failed"] += 1
            notes["failed"].append(f"{path.name}: not readable ({error})")
            continue
        for case in cases:
            kind, reason = outcome(case)
            count[kind] += 1
            if kind != "passed":
                where = case.get("classname", "")
                name = case.get("name", "") if where in ("", case.get("name")) else f"{where}.{case.get('name')}"
                lines = [line.rstrip()[:300] for line in reason.splitlines() if line.strip()] or ["no reason given"]
                shown = lines[:12] if kind == "failed" else lines[:1]
                notes[kind].append(f"{path.stem}: {name}: " + "\n        ".join(shown))
    for kind, title in (("skipped", "SKIPPED"), ("failed", "FAILED")):
        for line in notes[kind]:
            print(f"{title}  {line}")
    if not sum(count.values()):
        count["failed"] = 1
        print("FAILED  nothing ran at all")
    print(", ".join(f"{number} {kind}" for kind, number in count.items()), flush=True)
    return 1 if count["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
