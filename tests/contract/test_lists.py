"""Lists: selectors, pages, versions, tables, metadata only."""
import pytest

from kit.api import PARTIAL, PARTIAL_LIST, TABLE
from kit.samples import KINDS, config, job, pod, sample


def names(answer):
    return [item["metadata"]["name"] for item in answer.ok["items"]]


LABELS = ["app=a", "app==a", "app!=a", "app", "!app", "app in (a,b)", "app notin (a)", "app in (a), tier", "tier=", "app=a,tier=x", " app = a ",
          "app in (a", "app=", "=a", "app=a,,tier", "app = a b", "!", "in in (in)", "a/b/c=d", "app=" + "x" * 64, "app>1", "num>1", "num<2", "num gt 1",
          "app in ()", "App=a", "app=a,app=b", "app=a, ", "-app", "example.com/x", "example.com/x=1", "app=!a", "app!=a,!tier", "", "app in (a,)"]


@pytest.mark.parametrize("selector", LABELS, ids=range(len(LABELS)))
def test_label_selectors(api, selector):
    for name, labels in (("one", {"app": "a", "tier": "x"}), ("two", {"app": "b", "tier": ""}), ("three", {"num": "2", "in": "in"}),
                         ("four", {"app": "a", "example.com/x": "1"}), ("five", None)):
        api.made("secrets", sample("secrets", name, labels=labels))
    api.list("secrets", labelSelector=selector, fieldSelector="metadata.name!=default")
    api.list("pipelineruns", labelSelector=selector)
    with api.watching("secrets", labelSelector=selector, resourceVersion="0", timeoutSeconds="1") as watch:
        assert watch.status in (200, 400)


FIELDS = ["metadata.name=a", "metadata.name==a", "metadata.name!=a", "metadata.namespace=@", "metadata.namespace!=@", "metadata.name=a,metadata.name=b",
          "metadata.name", "metadata.name=", "bogus=1", "spec.x=1", "status.phase=Running", "status.phase!=Running", "spec.nodeName=n", "spec.nodeName=",
          "status.successful=1", "status.successful!=1", "type=Opaque", "type!=Opaque", "metadata.labels.a=1", "metadata.name>a", "metadata.name in (a)",
          "involvedObject.name=p", "involvedObject.kind=Pod,type=Normal", "reason=x", "spec.restartPolicy=Always", "spec.serviceAccountName=",
          "status.podIP=10.0.0.1", "spec.refPipeline=feed", "metadata.name=a\\,b", "source=x", "reportingComponent=", "spec.hostNetwork=false",
          "spec.schedulerName=default-scheduler", "metadata.uid=x", "involvedObject.uid=", "spec.clusterIP=None", "spec.type=ClusterIP", "=", "a", "a=b=c"]


@pytest.mark.parametrize("selector", FIELDS, ids=range(len(FIELDS)))
def test_field_selectors(api, selector):
    selector = selector.replace("@", api.ns)
    for plural in ("pods", "jobs", "secrets", "pipelineruns", "events", "configmaps", "services"):
        for name in ("a", "b"):
            api.made(plural, sample(plural, name))
        api.list(plural, fieldSelector=selector, labelSelector="!none")
    api.list("namespaces", fieldSelector=f"metadata.name={api.ns}")
    api.list("namespaces", fieldSelector=f"metadata.name={api.ns},status.phase=Terminating")


@pytest.mark.xdist_group("history")
@pytest.mark.parametrize("plural", ["configmaps", "pipelineruns"])
def test_pages_show_one_moment(api, plural):
    for number in range(7):
        api.made(plural, sample(plural, f"n{number}", labels={"mine": "yes"}))
    first = api.list(plural, limit=3, labelSelector="mine")
    assert names(first) == ["n0", "n1", "n2"] and first.ok["metadata"]["continue"]
    with api.quiet():
        api.delete(plural, "n4")
        api.create(plural, sample(plural, "n21", labels={"mine": "yes"}))
        api.patch(plural, "n5", {"metadata": {"labels": {"late": "yes"}}})
    second = api.list(plural, limit=3, labelSelector="mine", **{"continue": first.ok["metadata"]["continue"]})
    assert names(second) == ["n3", "n4", "n5"] and "late" not in second.ok["items"][2]["metadata"]["labels"]
    assert second.ok["metadata"]["resourceVersion"] == first.ok["metadata"]["resourceVersion"]
    last = api.list(plural, limit=3, labelSelector="mine", **{"continue": second.ok["metadata"]["continue"]})
    assert names(last) == ["n6"] and not last.ok["metadata"].get("continue")
    assert names(api.list(plural, labelSelector="mine")) == ["n0", "n1", "n2", "n21", "n3", "n5", "n6"]


@pytest.mark.xdist_group("history")
def test_remaining_items(api):
    for number in range(5):
        api.made("pods", pod(f"n{number}"))
    page = api.list("pods", limit=2)
    assert page.ok["metadata"]["remainingItemCount"] == 3
    page = api.list("pods", limit=2, **{"continue": page.ok["metadata"]["continue"]})
    assert page.ok["metadata"]["remainingItemCount"] == 1
    assert "remainingItemCount" not in api.list("pods", limit=5).ok["metadata"]
    assert "remainingItemCount" not in api.list("pods", limit=2, labelSelector="!x").ok["metadata"]
    api.list("pods", limit=2, fieldSelector="spec.restartPolicy=Always")
    api.list("pods", limit=100)


LIST_OPTIONS = {
    "limit-negative": {"limit": -1}, "limit-text": {"limit": "x"}, "limit-0": {"limit": 0}, "continue-bad": {"continue": "nonsense"},
    "continue-bad-limit": {"continue": "bm9uc2Vuc2U", "limit": 1}, "version-0": {"resourceVersion": "0"}, "version-text": {"resourceVersion": "abc"},
    "version-future": {"resourceVersion": "99999999999"}, "version-negative": {"resourceVersion": "-1"},
    "version-exact-0": {"resourceVersion": "0", "resourceVersionMatch": "Exact"},
    "version-match-without": {"resourceVersionMatch": "Exact"}, "version-match-bad": {"resourceVersion": "1", "resourceVersionMatch": "Odd"},
    "not-older-0": {"resourceVersion": "0", "resourceVersionMatch": "NotOlderThan"}, "exact-1": {"resourceVersion": "1", "resourceVersionMatch": "Exact"},
    "continue-and-version": {"continue": "x", "resourceVersion": "5"}, "continue-and-match": {"continue": "x", "resourceVersionMatch": "Exact"},
    "timeout": {"timeoutSeconds": 5}, "timeout-text": {"timeoutSeconds": "x"}, "watch-false": {"watch": "false"}, "watch-word": {"watch": "maybe", "timeoutSeconds": 1, "resourceVersion": "0"},
    "bookmarks": {"allowWatchBookmarks": "true"}, "send-initial": {"sendInitialEvents": "true"}, "unknown": {"bogus": "1"}, "pretty": {"pretty": "true"},
    "limit-and-version-0": {"limit": 1, "resourceVersion": "0"}, "limit-twice": {"limit": ["1", "2"]},
}


@pytest.mark.parametrize("case", list(LIST_OPTIONS))
@pytest.mark.parametrize("plural", ["pods", "pipelineruns"])
def test_list_options(api, plural, case):
    for name in ("a", "b"):
        api.made(plural, sample(plural, name))
    api.until(lambda: len(api.list(plural, resourceVersion="0").ok["items"]) == 2)  # the real server's cache comes a little later
    api.list(plural, **LIST_OPTIONS[case])


def test_get_options(api):
    made = api.made("configmaps", config("a"))["metadata"]["resourceVersion"]
    assert api.get("configmaps", "a", resourceVersion="0").status in (200, 404)
    assert api.get("configmaps", "a", resourceVersion=made).status == 200
    api.get("configmaps", "a", resourceVersion="abc")
    api.get("configmaps", "a", resourceVersion="99999999999")
    api.get("configmaps", "a", pretty="true")


@pytest.mark.xdist_group("history")
def test_list_at_a_version(api):
    first = api.made("configmaps", config("a", labels={"m": "1"}))["metadata"]["resourceVersion"]
    api.made("configmaps", config("b", labels={"m": "1"}))
    assert names(api.list("configmaps", resourceVersion=first, resourceVersionMatch="Exact", labelSelector="m")) == ["a"]
    assert names(api.list("configmaps", resourceVersion=first, resourceVersionMatch="NotOlderThan", labelSelector="m")) == ["a", "b"]
    assert names(api.list("configmaps", resourceVersion=first, labelSelector="m")) == ["a", "b"]


# --- other forms ---


@pytest.mark.parametrize("plural", KINDS)
def test_tables(api, plural):
    api.made(plural, sample(plural, "a", labels={"l": "1"}))
    listed = api.list(plural, accept=TABLE, fieldSelector="metadata.name=a").ok
    assert listed["kind"] == "Table" and len(listed["rows"]) == 1
    one = api.get(plural, "a", accept=TABLE).ok
    assert one["columnDefinitions"] == listed["columnDefinitions"]
    api.list(plural, accept=TABLE, includeObject="None", limit=1)
    whole = api.get(plural, "a", accept=TABLE, includeObject="Object").ok
    assert whole["rows"][0]["object"]["metadata"]["name"] == "a" and whole["rows"][0]["object"]["kind"] != "PartialObjectMetadata"
    api.get(plural, "a", accept=TABLE, includeObject="Odd")
    assert api.get(plural, "missing", accept=TABLE).status == 404
    assert api.list(plural, accept=TABLE, labelSelector="no=one").ok["rows"] == []


POD_STATES = {
    "pending": {}, "running": {"phase": "Running", "podIP": "10.0.0.1", "containerStatuses": [
        {"name": "a", "ready": True, "restartCount": 2, "image": "i", "imageID": "", "state": {"running": {"startedAt": "2020-01-01T00:00:00Z"}},
         "lastState": {"terminated": {"exitCode": 1, "finishedAt": "2020-01-01T00:00:00Z"}}}], "conditions": [{"type": "Ready", "status": "True"}]},
    "completed": {"phase": "Succeeded", "containerStatuses": [{"name": "a", "ready": False, "restartCount": 0, "image": "i", "imageID": "",
                                                              "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}]},
    "failed": {"phase": "Failed", "containerStatuses": [{"name": "a", "ready": False, "restartCount": 0, "image": "i", "imageID": "",
                                                        "state": {"terminated": {"exitCode": 3}}}]},
    "signal": {"phase": "Failed", "containerStatuses": [{"name": "a", "ready": False, "restartCount": 0, "image": "i", "imageID": "",
                                                        "state": {"terminated": {"exitCode": 137, "signal": 9}}}]},
    "waiting": {"phase": "Pending", "containerStatuses": [{"name": "a", "ready": False, "restartCount": 0, "image": "i", "imageID": "",
                                                          "state": {"waiting": {"reason": "ErrImagePull"}}}]},
    "init": {"phase": "Pending", "initContainerStatuses": [{"name": "i", "ready": False, "restartCount": 1, "image": "i", "imageID": "", "state": {"running": {}}}]},
    "init-waiting": {"phase": "Pending", "initContainerStatuses": [{"name": "i", "ready": False, "restartCount": 0, "image": "i", "imageID": "",
                                                                   "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]},
    "init-failed": {"phase": "Failed", "initContainerStatuses": [{"name": "i", "ready": False, "restartCount": 0, "image": "i", "imageID": "",
                                                                 "state": {"terminated": {"exitCode": 4, "reason": "Error"}}}]},
    "reason": {"phase": "Failed", "reason": "Evicted", "message": "m"}, "node-lost": {"phase": "Running", "reason": "NodeLost"},
    "unready": {"phase": "Running", "containerStatuses": [{"name": "a", "ready": False, "restartCount": 0, "image": "i", "imageID": "", "state": {"running": {}}}]},
}


@pytest.mark.parametrize("case", list(POD_STATES))
def test_pod_rows(api, case):
    spec = {"initContainers": [{"name": "i", "image": "x"}]} if case.startswith("init") else {}
    api.made("pods", pod("a", {**spec, "nodeName": "node-1"}))
    with api.quiet():
        assert api.patch("pods", "a", {"status": POD_STATES[case]}, sub="status").status == 200
    api.get("pods", "a", accept=TABLE)
    api.delete("pods", "a")
    api.get("pods", "a", accept=TABLE)


JOB_STATES = {
    "running": {"active": 1, "startTime": "2020-01-01T00:00:00Z", "ready": 1},
    "complete": {"succeeded": 1, "startTime": "2020-01-01T00:00:00Z", "completionTime": "2020-01-01T00:01:10Z", "conditions": [
        {"type": "SuccessCriteriaMet", "status": "True"}, {"type": "Complete", "status": "True"}]},
    "failed": {"failed": 1, "startTime": "2020-01-01T00:00:00Z", "conditions": [{"type": "FailureTarget", "status": "True"},
                                                                              {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]},
    "failing": {"active": 1, "startTime": "2020-01-01T00:00:00Z", "conditions": [{"type": "FailureTarget", "status": "True"}]},
    "criteria": {"active": 1, "startTime": "2020-01-01T00:00:00Z", "conditions": [{"type": "SuccessCriteriaMet", "status": "True"}]},
    "suspended": {"conditions": [{"type": "Suspended", "status": "True"}]},
}


@pytest.mark.parametrize("case", list(JOB_STATES))
def test_job_rows(api, case):
    api.made("jobs", job("a", {"managedBy": "example.com/me"}))
    api.patch("jobs", "a", {"status": JOB_STATES[case]}, sub="status")
    api.get("jobs", "a", accept=TABLE)


def test_rows_of_our_kinds(api):
    api.made("pipelines", sample("pipelines", "p"))
    api.made("pipelineruns", sample("pipelineruns", "r"))
    with api.quiet():
        api.patch("pipelineruns", "r", {"status": {"steps": "1/3", "duration": "12s", "startTime": "2020-01-01T00:00:00Z", "retryStatus": {"retryCount": 2},
                                                   "pipelineRevision": "p-1", "conditions": [
            {"type": "Completed", "status": "False", "reason": "Running", "message": "", "lastTransitionTime": "2020-01-01T00:00:00Z"},
            {"type": "Succeeded", "status": "Unknown", "reason": "Running", "message": "clean runs", "lastTransitionTime": "2020-01-01T00:00:00Z"}]}}, sub="status")
    api.list("pipelines", accept=TABLE)
    api.list("pipelineruns", accept=TABLE)
    with api.watching("pipelineruns", accept=TABLE, resourceVersion="0", timeoutSeconds="1") as watch:
        assert watch.next()["object"]["kind"] == "Table"


@pytest.mark.parametrize("plural", ["pods", "pipelineruns", "configmaps", "namespaces"])
def test_metadata_only(api, plural):
    name = api.ns if plural == "namespaces" else "a"
    if plural != "namespaces":
        api.made(plural, sample(plural, "a", labels={"x": "y"}))
    one = api.get(plural, name, accept=PARTIAL).ok
    assert one["kind"] == "PartialObjectMetadata" and "spec" not in one and one["metadata"]["name"] == name
    listed = api.list(plural, accept=PARTIAL_LIST, fieldSelector=f"metadata.name={name}").ok
    assert listed["kind"] == "PartialObjectMetadataList" and len(listed["items"]) == 1


ACCEPTS = ["*/*", "application/*", "text/plain", "application/xml, application/json;q=0.5", "text/html", "application/json;as=Table;v=v2;g=meta.k8s.io",
           "application/json;as=Table;v=v1;g=other", "application/json;as=Nonsense;v=v1;g=meta.k8s.io", "application/json;as=Table;v=v1beta1;g=meta.k8s.io",
           "application/json;pretty=1", "application/json;charset=utf-8", "nonsense", "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
           "application/vnd.kubernetes.protobuf;q=0,application/json", "application/json;stream=watch", "application/json;q=0",
           "application/json;as=Table;v=v9;g=meta.k8s.io,application/json;as=Table;v=v1;g=meta.k8s.io,application/json"]


@pytest.mark.parametrize("accept", ACCEPTS, ids=range(len(ACCEPTS)))
def test_accept(api, accept):
    api.made("configmaps", config("a"))
    api.made("pipelineruns", sample("pipelineruns", "a"))
    for plural in ("configmaps", "pipelineruns"):
        api.get(plural, "a", accept=accept)
        api.list(plural, accept=accept, fieldSelector="metadata.name=a")
        api.get(plural, "missing", accept=accept)
