"""The known differences between the embedded server and the real one: differences.yaml, each with its reason.

    - reason: why, in a sentence
      at: regular expression over `number. request: path.in.the.answer`, or a list of them
      tests: [file::name[parameter], ...]     # each of them must show it; one that no longer does has to go from here too
"""
import dataclasses
import pathlib
import re

import yaml

FILE = pathlib.Path(__file__).resolve().parents[1] / "differences.yaml"


@dataclasses.dataclass(frozen=True)
class Difference:
    tests: tuple
    at: str
    reason: str


def load(path=FILE):
    return [Difference(tuple(item["tests"]), at, item["reason"]) for item in yaml.safe_load(path.read_text()) or []
            for at in (item["at"] if isinstance(item["at"], list) else [item["at"]])]


DIFFERENCES = load()


def judge(name, found):
    """`found`: [(place, embedded, real)]. Returns (differences that nobody knows of, known ones that did not occur)."""
    known = [line for line in DIFFERENCES if name in line.tests]
    unknown = [item for item in found if not any(re.search(line.at, item[0]) for line in known)]
    # A reason with several places is held to show in one of them.
    shown = {line.reason for line in known if any(re.search(line.at, item[0]) for item in found)}
    return unknown, [line for line in known if line.reason not in shown]
