"""Watches: where they begin, what they show, how they end."""
import base64
import json

import pytest

from kit.api import PARTIAL, TABLE
from kit.samples import config, pod, sample


@pytest.mark.parametrize("plural", ["configmaps", "pipelineruns", "pods"])
def test_events_from_a_version(api, plural):
    start = api.made(plural, sample(plural, "zero"))["metadata"]["resourceVersion"]
    api.made(plural, sample(plural, "a"))
    with api.watching(plural, resourceVersion=start) as watch:
        assert watch.take(1) == [("ADDED", "a")]
        with api.quiet():
            api.patch(plural, "a", {"metadata": {"labels": {"x": "1"}}})
            api.patch(plural, "a", {"metadata": {"labels": {"x": "1"}}})
            api.create(plural, sample(plural, "b"))
            api.delete(plural, "a")
        assert watch.take(2) == [("MODIFIED", "a"), ("ADDED", "b")]
        seen = watch.take(1)
        if seen == [("MODIFIED", "a")] and plural == "pods":  # marked first, also where nobody has to end it
            seen = watch.take(1)
        assert seen == [("DELETED", "a")]


@pytest.mark.parametrize("version", [None, "0"])
def test_state_first(api, version):
    for name in ("a", "b"):
        api.made("pipelines", sample("pipelines", name))
    query = {} if version is None else {"resourceVersion": version}
    api.until(lambda: len(api.list("pipelines", resourceVersion="0").ok["items"]) == 2)
    with api.watching("pipelines", **query) as watch:
        assert sorted(watch.take(2)) == [("ADDED", "a"), ("ADDED", "b")]
        api.made("pipelines", sample("pipelines", "c"))
        assert watch.take(1) == [("ADDED", "c")]


def test_selector_turns_matches_on_and_off(api):
    start = api.made("configmaps", config("a", labels={"on": "no"}))["metadata"]["resourceVersion"]
    with api.watching("configmaps", resourceVersion=start, labelSelector="on=yes") as watch:
        with api.quiet():
            for value in ("yes", "yes2", "yes"):
                api.patch("configmaps", "a", {"metadata": {"labels": {"on": value}}})
            api.patch("configmaps", "a", {"data": {"x": "1"}})
            api.create("configmaps", config("other", labels={"on": "no"}))
            api.delete("configmaps", "other")
            api.delete("configmaps", "a")
        events = [watch.next() for _ in range(5)]
        assert [event["type"] for event in events] == ["ADDED", "DELETED", "ADDED", "MODIFIED", "DELETED"]
        assert events[1]["object"]["metadata"]["labels"] == {"on": "yes"}, "what no longer matches is shown as it last did"


def test_field_selector_on_phase(api):
    start = api.made("pods", pod("a"))["metadata"]["resourceVersion"]
    with api.watching("pods", resourceVersion=start, fieldSelector="status.phase=Running") as watch:
        with api.quiet():
            for phase in ("Running", "Succeeded"):
                api.patch("pods", "a", {"status": {"phase": phase}}, sub="status")
        assert watch.take(2) == [("ADDED", "a"), ("DELETED", "a")]


def test_one_object_by_name(api):
    start = api.made("configmaps", config("a"))["metadata"]["resourceVersion"]
    with api.watching("configmaps", resourceVersion=start, fieldSelector="metadata.name=b") as watch:
        api.made("configmaps", config("c"))
        api.made("configmaps", config("b"))
        assert watch.take(1) == [("ADDED", "b")]
    path = api.path("configmaps", "b")
    with api.quiet():
        answer = api.request("GET", path + "?watch=true&timeoutSeconds=1&resourceVersion=" + start)
        api.note("watch on an object's own address", answer.text.count('"type"'))
    with api.quiet():
        answer = api.request("GET", path.replace("/api/v1/", "/api/v1/watch/") + "?timeoutSeconds=1&resourceVersion=" + start)
    assert answer.status in (200, 404)


def test_timeout_ends_it(api):
    start = api.made("configmaps", config("a"))["metadata"]["resourceVersion"]
    with api.watching("configmaps", resourceVersion=start, timeoutSeconds="1") as watch:
        assert watch.rest() == []


def test_initial_events_end_with_a_bookmark(api):
    for name in ("a", "b"):
        api.made("pipelineruns", sample("pipelineruns", name))
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    with api.watching("pipelineruns", **query) as watch:
        assert sorted(watch.take(2)) == [("ADDED", "a"), ("ADDED", "b")]
        mark = watch.next()
        assert mark["type"] == "BOOKMARK" and mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        api.made("pipelineruns", sample("pipelineruns", "c"))
        assert watch.take(1) == [("ADDED", "c")]
    with api.watching("pipelineruns", resourceVersion="0", **query) as watch:
        assert len(watch.take(3)) == 3


WATCHES = {
    "match-without-initial": {"resourceVersionMatch": "NotOlderThan"}, "initial-without-match": {"sendInitialEvents": "true"},
    "initial-exact": {"sendInitialEvents": "true", "resourceVersionMatch": "Exact"},
    "initial-false": {"sendInitialEvents": "false", "resourceVersionMatch": "NotOlderThan", "timeoutSeconds": "1", "resourceVersion": "0"},
    "version-text": {"resourceVersion": "abc"}, "version-negative": {"resourceVersion": "-3"},
    "selector-bad": {"labelSelector": "a b"}, "field-bad": {"fieldSelector": "bogus=1"},
    "continue": {"continue": "x", "timeoutSeconds": "1", "resourceVersion": "0"}, "limit": {"limit": "1", "timeoutSeconds": "1", "resourceVersion": "0"},
    "timeout-bad": {"timeoutSeconds": "x"}, "accept-bad": {"timeoutSeconds": "1"},
}


@pytest.mark.parametrize("case", list(WATCHES))
@pytest.mark.parametrize("plural", ["configmaps", "pipelineruns"])
def test_options(api, plural, case):
    api.made(plural, sample(plural, "a", labels={"mine": "yes"}))
    query = {"labelSelector": "mine=yes", **WATCHES[case]}
    with api.watching(plural, accept="text/html" if case == "accept-bad" else "application/json", **query) as watch:
        if watch.status == 200:
            watch.rest()


def test_version_of_the_future(api):
    api.made("configmaps", config("a"))
    with api.watching("configmaps", resourceVersion="99999999999", timeoutSeconds="1") as watch:
        if watch.status == 200:
            with api.quiet():
                event = watch.next()
            api.note("event", event and (event["type"], event["object"].get("code"), event["object"].get("reason")))


def test_tables_and_metadata(api):
    start = api.made("pods", pod("zero"))["metadata"]["resourceVersion"]
    for accept in (TABLE, PARTIAL):
        with api.watching("pods", accept=accept, resourceVersion=start) as watch:
            with api.quiet():
                api.create("pods", pod("a"))
                api.patch("pods", "a", {"metadata": {"labels": {"x": "1"}}})
                api.delete("pods", "a")
            seen = []
            while "DELETED" not in seen:
                seen.append(watch.next()["type"])
            assert seen in (["ADDED", "MODIFIED", "DELETED"], ["ADDED", "MODIFIED", "MODIFIED", "DELETED"])
        with api.quiet():
            start = api.create("pods", pod("mark")).version
            api.delete("pods", "mark")
            start = api.list("pods").ok["metadata"]["resourceVersion"]


def test_all_namespaces(api):
    start = api.made("configmaps", config("zero"))["metadata"]["resourceVersion"]
    with api.watching("configmaps", ns="", resourceVersion=start, fieldSelector=f"metadata.namespace={api.ns}") as watch:
        api.made("configmaps", config("a"))
        assert watch.take(1) == [("ADDED", "a")]


def test_no_bookmarks_unless_asked_for_and_none_at_once(api):
    start = api.made("configmaps", config("zero"))["metadata"]["resourceVersion"]
    with api.watching("configmaps", resourceVersion=start, allowWatchBookmarks="true") as watch:
        api.made("configmaps", config("a"))
        with api.quiet():
            event = watch.next()
            while event["type"] == "BOOKMARK":
                event = watch.next()
        assert event["object"]["metadata"]["name"] == "a"


def test_namespaces(api):
    with api.quiet():
        start = api.list("namespaces").ok["metadata"]["resourceVersion"]
    name = f"{api.ns}-w"
    with api.watching("namespaces", resourceVersion=start, fieldSelector=f"metadata.name={name}") as watch:
        api.made("namespaces", {"metadata": {"name": name}})
        assert watch.take(1) == [("ADDED", name)]
        with api.quiet():
            api.delete("namespaces", name)
            seen = []
            while not seen or seen[-1] != "DELETED":
                seen.append(watch.next()["type"])
        assert seen[0] == "MODIFIED"


def from_the_beginning(token):
    """A continue token as of the server's first version. Both servers write them in the same way."""
    inside = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    return base64.urlsafe_b64encode(json.dumps({**inside, "rv": 1}).encode()).decode().rstrip("=")


@pytest.mark.xdist_group("history")
# Not of a built-in kind: the real server's cache of these may reach back to the beginning.
@pytest.mark.parametrize("plural", ["pipelines", "pipelineruns"])
def test_what_was_forgotten_is_410(api, plural):
    for name in ("a", "b", "c"):
        api.made(plural, sample(plural, name))
    page = api.list(plural, limit=1).ok["metadata"]
    last = api.made(plural, sample(plural, "d"))["metadata"]["resourceVersion"]
    api.server.compact(last)
    old = {"resourceVersion": "1", "resourceVersionMatch": "Exact"}
    api.until(lambda: api.list(plural, **old).status == 410)
    assert api.list(plural, **old).reason == (410, "Expired")
    answer = api.list(plural, limit=1, **{"continue": from_the_beginning(page["continue"])})
    assert answer.reason == (410, "Expired")
    again = api.list(plural, limit=10, **{"continue": answer.json["metadata"]["continue"]})
    assert [item["metadata"]["name"] for item in again.ok["items"]][-1] == "d", "the rest, as it is now"
    with api.watching(plural, resourceVersion="1", timeoutSeconds="2") as watch:
        event = watch.next() if watch.status == 200 else None
    assert watch.status == 410 or event["object"]["code"] == 410
    assert len(api.list(plural).ok["items"]) >= 4
