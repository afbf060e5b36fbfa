"""Each test that docs/guarantees.md names exists, and each promise names one."""
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/guarantees.md"
NAMED = sorted(set(re.findall(r"`([\w./-]+\.(?:py|cc))::([\w.]+)`", PAGE.read_text())))


def exists(path, name):
    """Whether the file has that test: a function, or `Suite.Name` of GoogleTest."""
    file = ROOT / path
    if not file.is_file():
        return False
    if path.endswith(".py"):
        return re.search(rf"^def {re.escape(name)}\(", file.read_text(), re.MULTILINE) is not None
    suite, _, test = name.partition(".")
    return re.search(rf"^TEST(_F|_P)?\({suite},\s*{test}\)", file.read_text(), re.MULTILINE) is not None


@pytest.mark.parametrize("path, name", NAMED, ids=[name for _, name in NAMED])
def test_a_test_that_is_named_exists(path, name):
    assert exists(path, name), f"docs/guarantees.md names {path}::{name}"


def test_each_promise_names_a_test():
    rows = [line for line in PAGE.read_text().splitlines() if re.match(r"\| (?!Promise|---)", line) and not line.startswith("|---")]
    assert len(rows) > 30
    without = [row for row in rows if not re.search(r"`[\w./-]+\.(?:py|cc)::[\w.]+`", row.split("|")[2])]
    assert not without, without


def test_what_does_not_exist_is_seen():
    assert not exists("tests/repo/test_guarantees.py", "test_nothing_of_the_kind") and not exists("tests/none.py", "test_x")
    assert not exists("tests/unit/logic/graph_test.cc", "Graph.Nothing")
