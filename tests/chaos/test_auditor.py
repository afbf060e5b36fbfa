"""The auditor itself: a good history has no complaint, and each promise, once broken, is found."""
import copy
import json
import types

import auditor
from auditor import History, forged
from harness.audit import AuditLog, Call
from load import Expected
from recorder import Version

OWNER = {"apiVersion": "millrace.dev/v1", "kind": "PipelineRun", "name": "r", "uid": "run-1", "controller": True}


def labels(step="a", attempt="1"):
    return {"millrace.dev/run": "r", "millrace.dev/run-uid": "run-1", "millrace.dev/step": step, "millrace.dev/attempt": attempt}


def item(kind, name, uid, *, owner=None, label=None, status=None, spec=None, notes=None):
    return {"kind": kind, "metadata": {"name": name, "uid": uid, "labels": label or {}, "annotations": notes or {},
                                       "ownerReferences": [owner] if owner else []}, "spec": spec or {}, "status": status or {}}


def job(name="j", uid="job-1", end=None, **more):
    conditions = [{"type": end, "status": "True"}] if end else []
    return item("Job", name, uid, owner=OWNER, label=labels(**more), status={"conditions": conditions})


def pod(name="p", uid="pod-1", phase="Running", of=("j", "job-1"), code=None, **more):
    states = [] if code is None else [{"name": "build-step-a", "state": {"terminated": {"exitCode": code}}}]
    return item("Pod", name, uid, owner={"kind": "Job", "name": of[0], "uid": of[1], "controller": True}, label=labels(**more),
                status={"phase": phase, "containerStatuses": states})


def a_run(steps=(), succeeded=None, reason="Succeeded", history=()):
    ended = "True" if succeeded else "False"
    return item("PipelineRun", "r", "run-1", spec={"refPipeline": "g"}, status={
        "stepStates": list(steps), "retryStatus": {"historyBuild": list(history)},
        "conditions": [{"type": "Completed", "status": ended, "reason": reason}, {"type": "Succeeded", "status": succeeded or "Unknown", "reason": reason}],
        **({"completionTime": "2026-01-01T00:00:00Z"} if succeeded else {})})


def step(state="Succeeded", **more):
    return {"name": "a", "state": state, "podName": "p", "attempt": 1, **more}


KINDS = {"PipelineRun": "pipelineruns", "Job": "jobs", "Pod": "pods", "Pipeline": "pipelines", "Deployment": "deployments"}
NOON = 1767268800.0  # 2026-01-01T12:00:00Z


def history(*items):
    """One version after the other; (item, "gone") is its last, which is seen at noon."""
    made = []
    for number, one in enumerate(items, 1):
        what, gone = one if isinstance(one, tuple) else (one, None)
        what = copy.deepcopy(what)
        what["metadata"]["resourceVersion"] = str(number)
        made.append(Version(number, KINDS[what["kind"]], what, bool(gone), NOON))
    return History(made)


def deployment(name="d", uid="deployment-1"):
    return item("Deployment", name, uid, owner=OWNER)


def child(name="c", uid="run-2", succeeded=None):
    """A run that a step of run r has started."""
    made = a_run([], succeeded)
    made["metadata"].update(name=name, uid=uid, ownerReferences=[OWNER])
    return made


GOOD = [a_run(), job(), pod(phase="Pending"), pod(), pod(phase="Succeeded", code=0), job(end="Complete"), a_run([step()], "True")]
ALL = [auditor.children_once, auditor.one_attempt_at_a_time, auditor.runs_ended, auditor.ends_kept, auditor.true_to_the_pods, auditor.ends_follow,
       auditor.nothing_after_deletion, auditor.ticks_kept]


def complaints(*items):
    found = history(*items)
    return {check.__name__: said for check in ALL if (said := check(found))}


def test_a_good_history_has_no_complaint():
    assert complaints(*GOOD) == {}


def test_two_jobs_of_an_attempt_are_found():
    assert list(complaints(*GOOD, job("j2", "job-2", "Failed"))) == ["children_once"]
    assert list(complaints(*GOOD, job("j", "job-2", "Failed"))) == ["children_once"], "of the same name, one after the other"
    assert complaints(*GOOD, job("j2", "job-2", "Failed", attempt="2")) == {}


def test_two_pods_of_a_job_are_found():
    assert "children_once" in complaints(*GOOD, pod("p2", "pod-2", "Succeeded"))
    assert "children_once" in complaints(job(), pod(), (pod(), "gone"), pod(uid="pod-2"), job(end="Failed"))


def test_a_child_that_was_made_again_is_found():
    for one, again in ((child(), child(uid="run-3")), (deployment(), deployment(uid="deployment-2"))):
        assert auditor.children_once(history(one, (one, "gone"), again)) != []
    assert auditor.children_once(history(child(), child("c2", "run-3"), deployment(), deployment("d2", "deployment-2"))) == []


def created(resource, name, namespace="n", code=201, verb="create"):
    return Call(verb, resource, namespace, name, code, "millrace/1", "/", "")


def test_what_came_and_went_unseen_is_found():
    """By the audit log, which has no gaps."""
    found = history(*GOOD)
    calls = [created("jobs", "j"), created("pods", "p")]
    assert auditor.made_once(calls, found, "n") == []
    assert "2 times" in auditor.made_once([*calls, created("jobs", "j")], found, "n")[0]
    assert "2 times" in auditor.made_once([*calls, created("pods", "x", "m"), created("pods", "x", "m")], found, "n")[0], "in any namespace"
    assert "never seen" in auditor.made_once([*calls, created("pods", "p2")], found, "n")[0]
    assert auditor.made_once([*calls, created("jobs", "j", code=409), created("events", "e"), created("jobs", "j", verb="patch")], found, "n") == []
    deleted = history(*GOOD, (GOOD[-1], "gone"))
    assert auditor.made_once([*calls, created("jobs", "r-build-1"), created("jobs", "r-build-1")], deleted, "n") == [], "with its run"


def test_what_is_made_after_a_deletion_is_found():
    def at(what, time):
        return {**what, "metadata": {**what["metadata"], "creationTimestamp": f"2026-01-01T{time}Z"}}
    going = a_run()
    going["metadata"]["deletionTimestamp"] = "2026-01-01T11:00:00Z"
    for end, soon, late in (((a_run(), "gone"), "12:00:04", "12:00:06"), (going, "11:00:04", "11:00:06")):
        for what in (job(), pod(), child(), deployment()):
            assert auditor.nothing_after_deletion(history(a_run(), end, at(what, soon))) == [], "was under way"
            assert auditor.nothing_after_deletion(history(a_run(), end, at(what, late)))
    assert auditor.nothing_after_deletion(history(a_run(), at(job(), "12:00:06"))) == []


def test_a_pod_beside_one_of_another_attempt_is_found():
    second = pod("p2", "pod-2", of=("j2", "job-2"), attempt="2")
    assert auditor.one_attempt_at_a_time(history(pod(), second))
    assert not auditor.one_attempt_at_a_time(history(pod(), pod(phase="Failed"), second))
    assert not auditor.one_attempt_at_a_time(history(pod(), (pod(), "gone"), second))
    assert not auditor.one_attempt_at_a_time(history(pod(), pod("p2", "pod-2", of=("j2", "job-2"), step="b")))


def test_a_run_without_an_end_is_found():
    assert list(complaints(*GOOD[:-1])) == ["runs_ended"]
    assert "runs_ended" in complaints(*GOOD[:-1], a_run([step(), {"name": "b", "state": "Running"}], "True"))
    pending = {"name": "b", "state": "Pending"}
    assert "runs_ended" in complaints(*GOOD[:-1], a_run([step(), pending], "True"))
    assert complaints(a_run([pending], "False", "ParamsInvalid")) == {}
    assert "runs_ended" in complaints(a_run([{**pending, "attempt": 1}], "False", "ParamsInvalid"))
    stream = item("Pipeline", "g", "pipeline-1", spec={"streamJob": {}})
    assert complaints(stream, a_run()) == {}


def test_an_end_that_changes_is_found():
    assert "ends_kept" in complaints(*GOOD, a_run([step()], "False", "StepFailed"))
    assert "ends_kept" in complaints(*GOOD, a_run([step(attempt=2)], "True"))
    assert "ends_kept" in complaints(*GOOD[:-1], a_run([step()]), a_run([step("Running")]), GOOD[-1])
    assert "ends_kept" in complaints(*GOOD, job(end="Failed"))


def test_a_success_that_vanishes_is_found():
    graph, batch = item("Pipeline", "g", "pipeline-1", spec={"steps": []}), item("Pipeline", "g", "pipeline-1", spec={"batchJob": {}})
    for of in (graph, batch):
        assert "ends_kept" in complaints(of, *GOOD[:-1], a_run([step()]), a_run([]), GOOD[-1])
    second = a_run([{"name": "b", "state": "Running", "attempt": 2}])
    assert "ends_kept" in complaints(graph, *GOOD[:-1], a_run([step()]), second, GOOD[-1])
    assert "ends_kept" not in complaints(batch, *GOOD[:-1], a_run([step()]), second, GOOD[-1]), "only what has not succeeded is done again"
    archived = a_run([])
    archived["status"]["archive"] = {"revisions": ["x"]}
    assert "ends_kept" not in complaints(graph, *GOOD[:-1], a_run([step()]), archived)
    assert "ends_kept" in complaints(a_run(history=[{"attempt": 1}]), a_run(history=[{"attempt": 2}]), *GOOD[1:])


def test_a_status_that_is_not_true_is_found():
    assert "true_to_the_pods" in complaints(*GOOD[:4], pod(phase="Failed", code=3), *GOOD[5:]), "success without a pod's"
    assert "true_to_the_pods" in complaints(*GOOD[:4], (pod(), "gone"), *GOOD[5:]), "a pod that was lost"
    assert "true_to_the_pods" in complaints(*GOOD[:-1], a_run([step("Failed", reason="Fail")], "False", "StepFailed"))
    assert "true_to_the_pods" in complaints(*GOOD[:5], job(end="Failed"), GOOD[-1])
    assert complaints(*GOOD[:4], pod(phase="Failed", code=3), job(end="Failed"), a_run([step("Failed", reason="Fail")], "False", "StepFailed")) == {}
    unknown = {"name": "a", "state": "Succeeded", "attempt": 1, "jobName": "j"}
    assert "true_to_the_pods" in complaints(*GOOD[:-1], a_run([unknown], "True")), "in a Job, and in no pod of it"
    relabelled = pod(phase="Succeeded", code=0)
    relabelled["metadata"]["labels"]["millrace.dev/run-uid"] = "run-2"
    assert "true_to_the_pods" not in complaints(*GOOD[:-1], relabelled, a_run([unknown], "True")), "somebody gave the pod to another run"


def test_a_success_that_is_said_too_early_is_found():
    """Though it comes true later."""
    early = a_run([step()])
    assert list(complaints(*GOOD[:4], early, *GOOD[4:])) == ["ends_follow"]
    assert list(complaints(*GOOD[:4], job(end="Complete"), GOOD[4], GOOD[-1])) == ["ends_follow"]
    assert complaints(*GOOD[:4], pod(code=0), early, *GOOD[4:]) == {}, "its container had ended, its pod had not"
    assert auditor.ends_follow(history(*GOOD[:4], early, *GOOD[4:]), {"pods"}) == [], "not all of the pod's versions were seen"
    above = a_run([{"name": "a", "state": "Succeeded", "attempt": 1, "runName": "c"}])
    assert auditor.ends_follow(history(child(), above, child(succeeded="True")))
    assert auditor.ends_follow(history(child(), child(succeeded="True"), above)) == []


def test_an_end_that_was_not_drawn_is_found():
    found = history(*GOOD)
    assert auditor.as_drawn(found, {"r": Expected(("Succeeded",), {"a": ("Succeeded", 1)})}) == []
    for wrong in (Expected(("StepFailed",), {}), Expected(("Succeeded",), {"a": ("Failed", 1)}), Expected(("Succeeded",), {"a": ("Succeeded", 2)})):
        assert auditor.as_drawn(found, {"r": wrong})
    assert auditor.as_drawn(found, {"other": Expected(("Succeeded",), {})})


def ticking(*lines, last=None, paused="Suspended"):
    def at(second):
        return f"2026-01-01T00:00:{second:02}Z"
    ticks = [{"time": at(second), "outcome": outcome, **more} for second, outcome, more in lines]
    return item("Pipeline", "t", "pipeline-1", spec={"batchJob": {}}, status={"schedule": {
        "expression": "@every 1s", "anchor": at(0), "lastTick": at(last if last is not None else lines[-1][0] if lines else 0), "ticks": ticks, "paused": paused}})


def tick_run(second, uid=None):
    made = a_run([], "True")
    made["metadata"].update(name=f"t-{second}-{uid}", uid=uid or f"uid-{second}", labels={"millrace.dev/tick": str(1767225600 + second)},
                            ownerReferences=[{"kind": "Pipeline", "name": "t", "uid": "pipeline-1", "controller": True}])
    return made


def test_lost_and_doubled_ticks_are_found():
    lines = [(second, "Created", {"uid": f"uid-{second}"}) for second in (1, 2)]
    good = [ticking(*lines), tick_run(1), tick_run(2)]
    assert auditor.ticks_kept(history(*good)) == []
    assert "lost" in auditor.ticks_kept(history(ticking(*lines), tick_run(1)))[0]
    assert "lost" in auditor.ticks_kept(history(ticking(*lines, last=3), *good[1:]))[0]
    assert "2 runs" in auditor.ticks_kept(history(*good, tick_run(2, "uid-9")))[0]
    assert "none of its ticks" in auditor.ticks_kept(history(*good, tick_run(7)))[0]
    assert "claimed" in auditor.ticks_kept(history(ticking(lines[0], (2, "Claimed", {})), *good[1:]))[0]
    assert "on record with" in auditor.ticks_kept(history(good[0], tick_run(1), tick_run(2, "uid-9")))[0]
    skipped = ticking(lines[0], (4, "Skipped", {"count": 3, "reason": "Suspended"}))
    assert auditor.ticks_kept(history(skipped, tick_run(1))) == []
    assert auditor.ticks_kept(history(ticking(lines[0], (4, "Skipped", {"count": 2, "reason": "Suspended"})), tick_run(1)))
    assert auditor.ticks_kept(history(good[0], good[1], good[2], ticking(last=2, *[])) ) == [], "lines that were cut off later count"
    dropped = [ticking(lines[0], (2, "Claimed", {})), tick_run(1), tick_run(2), ticking(lines[0], (2, "Skipped", {"reason": "Suspended"}))]
    assert "skipped and has a run" in auditor.ticks_kept(history(*dropped))[0]


def test_orphans_are_found():
    items = [item("PipelineRun", "r", "run-1"), job(), pod()]
    assert auditor.no_orphans(items) == []
    assert auditor.no_orphans(items[1:]) and auditor.no_orphans([items[0], items[2]])
    assert auditor.no_orphans([item("Job", "j", "job-1", label=labels())])
    made_up = item("Pod", "f", "pod-9", label=labels(), notes={auditor.FORGED: "true"})
    assert forged(made_up) and auditor.no_orphans([made_up]) == []


def test_repeated_calls_are_found():
    once = [("/r/a", "k1"), ("/r/a", "k2")]
    assert auditor.calls_once(once, lambda _: 2, False) == []
    assert auditor.calls_once(once, lambda _: 1, True), "a key too many"
    assert auditor.calls_once([*once, ("/r/a", "k1")], lambda _: 2, False), "sent again, though nobody died"
    assert auditor.calls_once([*once, ("/r/a", "k1")], lambda _: 2, True) == []


def test_words_of_a_broken_operator_are_found():
    good = [{"level": "warn", "message": "watch interrupted", "code": "Expired"}, {"level": "info", "message": "started"}]
    assert auditor.log_clean(good) == []
    for bad in ({"level": "error", "message": "reconcile crashed", "code": "Bug"}, {"raw": "terminate called after throwing"},
                {"level": "warn", "message": "x", "code": "Bug"}, {"level": "error", "message": "the lease is lost"}):
        assert auditor.log_clean([*good, bad])
    assert auditor.log_clean([{"level": "error", "message": "the lease is lost"}], ["lease is lost"]) == []


def test_writes_at_rest_are_found():
    def call(verb, resource):
        return Call(verb, resource, "n", "x", 200, "millrace/1", "/", "")
    assert auditor.quiet([call("get", "pods"), call("update", "leases"), call("watch", "jobs")]) == []
    assert auditor.quiet([call("patch", "pipelineruns/status")]) and auditor.quiet([call("create", "events")])


# --- what it reads ---


def test_a_line_of_the_audit_log_that_is_being_written_counts_as_later(tmp_path):
    """The log is marked while the API server writes to it: what follows is read from the beginning of a line."""
    def line(name):
        return json.dumps({"verb": "create", "objectRef": {"resource": "jobs", "namespace": "n", "name": name}, "userAgent": "millrace/1", "requestURI": "/",
                           "stage": "ResponseComplete", "stageTimestamp": ""}) + "\n"
    path = tmp_path / "audit.log"
    log = AuditLog(types.SimpleNamespace(audit_log=path))
    assert log.offset == 0, "there is no log yet"
    for first in ("", line("before"), line("before" * 20000)):
        path.write_text(first + line("half")[:40])
        log.mark()
        path.write_text(first + line("half") + line("after") + line("last")[:40])
        assert [call.name for call in log.calls()] == ["half", "after"]
