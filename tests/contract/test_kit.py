"""The comparison itself: it must see what differs, and only that."""
import dataclasses
import datetime
import fnmatch

import pytest

from kit import differences, normal, servers

SERVER = servers.Server("embedded", "127.0.0.1", 1, "t", "ca", "kc", "kubectl", "cache")


def plain(value):
    return normal.Symbols(SERVER).value(value)


def now(fraction=""):
    return datetime.datetime.now(datetime.timezone.utc).strftime(f"%Y-%m-%dT%H:%M:%S{fraction}Z")


@pytest.mark.parametrize("left,right", [
    ({"metadata": {"name": "a", "uid": "8c9fb7a2-0000-4000-8000-000000000001", "resourceVersion": "5", "creationTimestamp": now()}},
     {"metadata": {"name": "a", "uid": "8c9fb7a2-0000-4000-8000-000000000002", "resourceVersion": "777", "creationTimestamp": now()}}),
    ({"a": f"since {now()}"}, {"a": f"since {now()}"}),
    ({"metadata": {"continue": "abc"}}, {"metadata": {"continue": "def"}}),
    ({"spec": {"clusterIP": "10.96.0.4", "clusterIPs": ["10.96.0.4"]}}, {"spec": {"clusterIP": "10.96.0.77", "clusterIPs": ["10.96.0.77"]}}),
])
def test_differs_by_nature(left, right):
    assert normal.differences(plain(left), plain(right)) == []


@pytest.mark.parametrize("left,right", [
    ({"a": 1}, {"a": 2}), ({"a": 1}, {"a": "1"}), ({"a": 1}, {"a": True}), ({"a": 1}, {"a": 1.0}), ({"a": None}, {}), ({}, {"a": []}), ([1], [1, 2]), ({"a": {}}, {"a": []}),
    ({"time": now()}, {"time": now(".000000")}), ({"time": "2020-01-01T00:00:00Z"}, {"time": "2020-01-01T00:00:01Z"}), ({"time": now()}, {"time": "2020-01-01T00:00:01Z"}),
    ({"clusterIP": "None"}, {"clusterIP": "10.96.0.1"}), ({"metadata": {"continue": ""}}, {"metadata": {"continue": "x"}}), ({"resourceVersion": "0"}, {"resourceVersion": "5"}),
    # the second write changed something on one side only
    ([{"metadata": {"name": "a", "resourceVersion": "5"}}, {"metadata": {"name": "a", "resourceVersion": "5"}}],
     [{"metadata": {"name": "a", "resourceVersion": "7"}}, {"metadata": {"name": "a", "resourceVersion": "9"}}]),
])
def test_differs(left, right):
    assert normal.differences(plain(left), plain(right)) != []


def test_output_of_kubectl():
    symbols = normal.Symbols(SERVER)
    one = symbols.output("NAME   AGE\na      5s\n")
    assert one == normal.Symbols(SERVER).output("NAME   AGE\na      2m5s\n") != normal.Symbols(SERVER).output("NAME   AGE\nb      5s\n")


def test_known_differences_are_held_to_occur(monkeypatch):
    line = differences.Difference("test_x::test_a", r"body\.spec\.x$", "because")
    monkeypatch.setattr(differences, "DIFFERENCES", [line])
    assert differences.judge("test_x::test_a", [("1. GET: body.spec.x", 1, 2)]) == ([], [])
    assert differences.judge("test_x::test_a", []) == ([], [line])
    assert differences.judge("test_x::test_b", [("1. GET: body.spec.x", 1, 2)]) == ([("1. GET: body.spec.x", 1, 2)], [])


@pytest.mark.parametrize("line", differences.DIFFERENCES, ids=lambda line: line.at[:40])
def test_each_known_difference_names_a_test_and_a_reason(request, line):
    names = [f"{item.path.stem}::{item.name}" for item in request.session.items]
    files = {name.split("::")[0] for name in names}
    wanted = line.tests.split("::")[0]
    if not any(fnmatch.fnmatchcase(file, wanted) for file in files):
        pytest.skip(f"{wanted} is not part of this session")
    assert len(line.reason.split()) > 4 and dataclasses.asdict(line)
    if len(files) > 5:  # a choice of tests may leave out what the line is about
        assert any(fnmatch.fnmatchcase(name, line.tests.replace("[", "[[]")) for name in names), f"no test matches {line.tests}"
