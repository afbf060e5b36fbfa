"""The known differences between the embedded server and the real one, each with its reason.

A line belongs to tests (a pattern over `file::name[parameter]`); `at` is a pattern over `request: path.in.the.answer`. Each
test named must show the difference: one that is gone has to go from here too.
"""
import dataclasses
import fnmatch
import re


@dataclasses.dataclass(frozen=True)
class Difference:
    tests: str  # fnmatch
    at: str  # regular expression
    reason: str


DIFFERENCES = [
]


def of_test(name):
    """Those that a test must show."""
    return [item for item in DIFFERENCES if fnmatch.fnmatchcase(name, item.tests.replace("[", "[[]"))]


def judge(name, found):
    """`found`: [(place, embedded, real)]. Returns (differences that nobody knows of, known ones that did not occur)."""
    known = of_test(name)
    unknown = [item for item in found if not any(re.search(line.at, item[0]) for line in known)]
    missing = [line for line in known if not any(re.search(line.at, item[0]) for item in found)]
    return unknown, missing
