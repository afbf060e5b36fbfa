"""The comparison itself: it must see what differs, and only that."""
import datetime

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
    line = differences.Difference(("test_x::test_a",), r"body\.spec\.x$", "because")
    monkeypatch.setattr(differences, "DIFFERENCES", [line])
    assert differences.judge("test_x::test_a", [("1. GET: body.spec.x", 1, 2)]) == ([], [])
    assert differences.judge("test_x::test_a", []) == ([], [line])
    assert differences.judge("test_x::test_b", [("1. GET: body.spec.x", 1, 2)]) == ([("1. GET: body.spec.x", 1, 2)], [])


def test_each_known_difference_names_tests_that_exist_and_a_reason(request):
    names = {f"{item.path.stem}::{item.name.split('@')[0]}" for item in request.session.items}
    files = {name.split("::")[0] for name in names}
    if not {name.split("::")[0] for line in differences.DIFFERENCES for name in line.tests} <= files or request.config.option.keyword:
        pytest.skip("only a part of the suite runs")
    for line in differences.DIFFERENCES:
        assert len(line.reason.split()) > 4 and line.tests
        assert not set(line.tests) - names, f"no such tests: {set(line.tests) - names}"
