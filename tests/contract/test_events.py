"""Events in both groups: one store, two forms."""
import pytest

from kit.samples import sample

NEW = {"eventTime": "2020-01-01T00:00:00.000000Z", "reportingController": "millrace.dev/operator", "reportingInstance": "i-1", "action": "Running",
       "reason": "Started", "type": "Normal", "note": "it runs", "regarding": {"kind": "Pod", "name": "p", "namespace": "@NS", "apiVersion": "v1"}}
OLD = {"involvedObject": {"kind": "Pod", "name": "p", "namespace": "@NS"}, "reason": "Started", "message": "it runs", "type": "Normal", "count": 2,
       "source": {"component": "c", "host": "h"}, "firstTimestamp": "2020-01-01T00:00:00Z", "lastTimestamp": "2020-01-01T00:00:09Z"}


def test_new_event_in_both_forms(api):
    api.create("events.events.k8s.io", sample("events.events.k8s.io", "a", NEW))
    api.get("events.events.k8s.io", "a")
    api.get("events", "a")
    api.patch("events.events.k8s.io", "a", {"series": {"count": 2, "lastObservedTime": "2020-01-01T00:00:05.000000Z"}})
    api.patch("events.events.k8s.io", "a", {"series": {"count": 3, "lastObservedTime": "2020-01-01T00:00:06.000000Z"}}, "strategic")
    api.get("events", "a")
    assert api.delete("events", "a").status == 200
    assert api.get("events.events.k8s.io", "a").status == 404


def test_old_event_in_both_forms(api):
    api.create("events", sample("events", "a", OLD))
    api.get("events.events.k8s.io", "a")
    api.list("events", fieldSelector="involvedObject.name=p,reason=Started,type=Normal")
    api.list("events.events.k8s.io", fieldSelector="regarding.name=p")
    api.list("events.events.k8s.io", fieldSelector="reason=Started")
    api.patch("events", "a", {"count": 3, "lastTimestamp": "2020-01-01T00:00:10Z"})
    api.delete("events.events.k8s.io", "a")


BAD = {
    "no-time": {**NEW, "eventTime": None}, "no-controller": {**NEW, "reportingController": ""}, "bad-controller": {**NEW, "reportingController": "a b"}, "no-instance": {**NEW, "reportingInstance": ""},
    "no-action": {**NEW, "action": ""}, "no-reason": {**NEW, "reason": ""}, "no-type": {**NEW, "type": ""}, "bad-type": {**NEW, "type": "Odd"}, "long-note": {**NEW, "note": "x" * 1025},
    "long-reason": {**NEW, "reason": "x" * 129}, "long-action": {**NEW, "action": "x" * 129}, "other-namespace": {**NEW, "regarding": {"kind": "Pod", "name": "p", "namespace": "elsewhere"}},
    "no-namespace": {**NEW, "regarding": {"kind": "Pod", "name": "p"}}, "cluster-wide": {**NEW, "regarding": {"kind": "Node", "name": "n"}}, "nothing": {},
    "deprecated": {**NEW, "deprecatedCount": 3, "deprecatedSource": {"component": "x"}}, "series-one": {**NEW, "series": {"count": 1, "lastObservedTime": "2020-01-01T00:00:00.000000Z"}},
    "series-no-time": {**NEW, "series": {"count": 2}}, "related": {**NEW, "related": {"kind": "Job", "name": "j"}},
}


@pytest.mark.parametrize("case", list(BAD))
def test_new_form(api, case):
    api.create("events.events.k8s.io", sample("events.events.k8s.io", "a", BAD[case]))
    api.get("events", "a")


OLD_BAD = {"nothing": {}, "other-namespace": {"involvedObject": {"kind": "Pod", "name": "p", "namespace": "elsewhere"}}, "no-namespace": {"involvedObject": {"kind": "Pod", "name": "p"}},
           "cluster-wide": {"involvedObject": {"kind": "Node", "name": "n"}}, "type": {**OLD, "type": "Odd"}, "long": {**OLD, "message": "x" * 1025}, "event-time": {**OLD, "eventTime": "2020-01-01T00:00:00.000000Z"},
           "reporting": {**OLD, "reportingComponent": "c", "reportingInstance": "i"}, "both": {**OLD, "eventTime": "2020-01-01T00:00:00.000000Z", "reportingComponent": "c/d", "reportingInstance": "i", "action": "a"}}


@pytest.mark.parametrize("case", list(OLD_BAD))
def test_old_form(api, case):
    api.create("events", sample("events", "a", OLD_BAD[case]))


def test_what_cannot_change(api):
    api.made("events.events.k8s.io", sample("events.events.k8s.io", "a", NEW))
    for field, value in (("note", "other"), ("reason", "Other"), ("type", "Warning"), ("action", "Other"), ("eventTime", "2021-01-01T00:00:00.000000Z"),
                         ("regarding", {"name": "q"}), ("reportingInstance", "z")):
        api.patch("events.events.k8s.io", "a", {field: value})
        api.patch("events", "a", {field: value})


def test_watch_sees_both(api):
    with api.quiet():
        start = api.list("events").ok["metadata"]["resourceVersion"]
    with api.watching("events", resourceVersion=start) as old, api.watching("events.events.k8s.io", resourceVersion=start) as new:
        api.made("events", sample("events", "o", OLD))
        api.made("events.events.k8s.io", sample("events.events.k8s.io", "n", NEW))
        assert old.take(2) == new.take(2) == [("ADDED", "o"), ("ADDED", "n")]
