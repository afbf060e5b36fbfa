"""Batch runs (pipeline-operator items PO-1 to PO-17 but for schedules and streams) on simulated pods, under both Job controllers."""
import json

import pytest

from harness.kube import GC_TIME, condition_of
from harness.objects import (attempts, container_names, owner, parse_time, pipeline, pod_containers, run, self_as_owner,
                             step_states)

FOREIGN_FINALIZER = "finalizer.ljchen.net"


@pytest.fixture
def operator(kube, start_operator, job_controller):
    """The operator with the Job controller of this round."""
    return start_operator(kube, config={"jobController": job_controller})


def of_run(name):
    return f"pipeline-run={name}"


def jobs_of(kube, name):
    """The Jobs of a run, first attempt first."""
    return sorted(kube.list("job", of_run(name)), key=lambda job: int(job["metadata"]["labels"]["millrace.dev/attempt"]))


def wait_job(kube, name, timeout=30.0):
    """The Job of the only attempt of a run."""
    [job] = kube.wait_list("job", of_run(name), lambda found: len(found) == 1, "one Job", timeout)
    return job


def wait_reason(kube, name, reason, timeout=30.0):
    """The run while it waits for that reason."""
    return kube.wait_condition("pipelinerun", name, "Succeeded", "Unknown", reason, timeout)


def message_of(item):
    return condition_of(item, "Succeeded")["message"]


def test_PO_1_run_has_its_steps_in_order_and_succeeds(kube, operator):
    kube.apply([pipeline(processors=["clean", "sort"], outputs=["out", "copy"]), run()])
    done = kube.wait_run("r")
    names = ["input", "clean", "sort", "output--out", "output--copy"]
    assert [step["name"] for step in done["status"]["stepStates"]] == names
    assert set(step_states(done).values()) == {"Succeeded"}
    assert done["status"]["steps"] == "5/5"
    [pod] = kube.list("pod", of_run("r"))
    assert container_names(pod) == [f"build-step-{name}" for name in names]
    assert [each["name"] for each in pod["spec"]["containers"]] == ["build-step-output--copy"], "all but the last are init containers"
    assert pod["spec"]["restartPolicy"] == "Never"
    for container in pod_containers(pod):
        mounts = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
        assert mounts["/workspace"] == "workspace" and mounts["/builder/home"] == "home"
        assert container["workingDir"] == "/workspace"
        assert {"name": "HOME", "value": "/builder/home"} in container["env"]
    kube.wait_condition("job", done["status"]["cluster"]["buildName"], "Complete")


def test_PO_2_adapters_get_sorted_arguments_and_the_configured_images(kube, start_operator):
    kinds = ("inputElasticSearch", "inputApiServer", "outputApi", "outputFtp", "outputAs2", "outputKafka", "outputEmail")
    start_operator(kube, config={"adapterImages": {kind: f"registry.test/{kind.lower()}:1" for kind in kinds}})
    settings = {"topic": "raw", "address": "http://there:1", "index": "a b"}
    want = ["--address=http://there:1", "--index=a b", "--topic=raw"]
    outputs = [{"name": kind, kind: settings} for kind in ("api", "ftp", "as2", "kafka", "email")]
    outputs.append({"name": "own", "custom": {"image": "mine:2", **settings}})
    kube.apply([pipeline("p", [], outputs, input={"elasticSearch": settings}), run("r", "p"),
                pipeline("q", [], ["out"], input={"apiServer": {"z": "", "a": "="}}), run("r2", "q")])
    containers = pod_containers(wait_job(kube, "r"))
    assert [each["name"].removeprefix("build-step-") for each in containers] == [
        "input", "output--api", "output--ftp", "output--as2", "output--kafka", "output--email", "output--own"]
    assert [each["image"] for each in containers] == [
        *(f"registry.test/{kind}:1" for kind in ("inputelasticsearch", "outputapi", "outputftp", "outputas2", "outputkafka", "outputemail")),
        "mine:2"]
    for each in containers:
        assert each["args"] == want, each["name"]  # for custom: without its key image
        assert each["imagePullPolicy"] == "Always" and "command" not in each
    [other, _] = pod_containers(wait_job(kube, "r2"))
    assert other["image"] == "registry.test/inputapiserver:1" and other["args"] == ["--a==", "--z="]


def test_PO_3_labels_annotations_and_owners(kube, operator):
    kube.apply([pipeline("feed", labels={"team": "retail", "pipeline": "not-mine"}, annotations={"note": "copied"}),
                run("feed-1", "feed")])
    done = kube.wait_run("feed-1")
    [job], [pod] = kube.list("job", of_run("feed-1")), kube.list("pod", of_run("feed-1"))
    want = {"team": "retail", "pipeline": "feed", "pipeline-run": "feed-1", "k8s-app": job["metadata"]["name"],
            "millrace.dev/run": "feed-1", "millrace.dev/step": "batch", "millrace.dev/attempt": "1"}
    for item in (job, pod):
        assert want.items() <= item["metadata"]["labels"].items(), item["kind"]
        assert item["metadata"]["annotations"]["note"] == "copied"
        assert "kubectl.kubernetes.io/last-applied-configuration" not in item["metadata"]["annotations"]
    assert owner(done) == self_as_owner(kube.get("pipeline", "feed"))
    assert owner(job) == self_as_owner(done)
    assert owner(pod) == self_as_owner(job)
    assert done["status"]["cluster"] == {"namespace": kube.namespace, "buildName": job["metadata"]["name"]}
    assert job["metadata"]["name"].startswith("feed-1-build-")
    assert job["spec"]["backoffLimit"] == 0


def test_PO_3_deletion_goes_down_from_the_pipeline_to_the_pods(kube, operator):
    kube.apply([pipeline(outcome="hang"), run()])
    kube.wait_list("pod", of_run("r"), lambda found: len(found) == 1)
    kube.wait("pipelinerun", "r", owner, "having its owner")
    kube.delete("pipeline", "p", "--wait=false")
    kube.wait_gone("pipelinerun", "r", GC_TIME)
    for kind in ("job", "pod"):
        kube.wait_list(kind, of_run("r"), lambda found: not found, "nothing left", GC_TIME)
    kube.wait_list("controllerrevision", "", lambda found: not found, "no revision left", GC_TIME)


def test_PO_3_the_inherited_finalizer_is_accepted_and_never_in_the_way(kube, operator):
    items = [pipeline(), run(), run("hanging", "q"), pipeline("q", outcome="hang")]
    for item in items:
        item["metadata"]["finalizers"] = [FOREIGN_FINALIZER]
    kube.apply(items)
    kube.wait_run("r")
    kube.wait_list("pod", of_run("hanging"), lambda found: len(found) == 1)
    for name in ("p", "q"):
        kube.delete("pipeline", name, "--wait=false")
    for kind, name in (("pipeline", "p"), ("pipeline", "q"), ("pipelinerun", "r"), ("pipelinerun", "hanging")):
        kube.wait_gone(kind, name, GC_TIME)


def test_PO_6_a_run_of_an_expired_pipeline_is_cancelled(kube, operator):
    kube.apply([pipeline(strategy={"expire": "2001-01-01 00:00:00"}), run(maxRetryCount=2)])
    ended = kube.wait_completed("r", "PipelineExpired")
    for kind, status in (("Cancelled", "True"), ("Succeeded", "False")):
        found = condition_of(ended, kind)
        assert (found["status"], found["reason"]) == (status, "PipelineExpired")
        assert "Pipeline is expired" in found["message"]
    assert ended["status"]["completionTime"]
    assert not kube.list("job")


def test_PO_7_a_run_that_always_fails_is_tried_one_and_maxRetryCount_times(kube, operator):
    kube.apply([pipeline(outcome="fail:3@build-step-clean"), run(maxRetryCount=2)])
    ended = kube.wait_completed("r", "Fail")
    status = ended["status"]
    assert status["retryStatus"]["retryCount"] == 2
    history = status["retryStatus"]["historyBuild"]
    jobs = jobs_of(kube, "r")
    assert [each["buildName"] for each in history] == [job["metadata"]["name"] for job in jobs]
    assert len(jobs) == 3 and len(kube.list("pod", of_run("r"))) == 3
    assert [each["attempt"] for each in history] == [1, 2, 3]
    for each in history:  # each attempt keeps its cause and its times
        assert each["reason"] == "Fail" and "clean" in each["message"] and "code 3" in each["message"]
        assert parse_time(each["startTime"]) <= parse_time(each["completionTime"])
    assert "step clean exited with code 3" in message_of(ended), "the cause is kept at the end"
    assert status["cluster"]["buildName"] == history[-1]["buildName"]
    for job in jobs:
        kube.wait_condition("job", job["metadata"]["name"], "Failed")


def test_PO_8_a_retry_resumes_at_the_first_step_that_has_not_exited_0(kube, operator):
    cases = {"input": ["input", "clean", "output--out"], "clean": ["clean", "output--out"], "output--out": ["output--out"]}
    for step in cases:
        kube.apply([pipeline(step, outcomes={1: f"fail:1@build-step-{step}"}), run(f"r-{step}", step, maxRetryCount=1)])
    for step, again in cases.items():
        done = kube.wait_run(f"r-{step}")
        first, second = jobs_of(kube, f"r-{step}")
        assert container_names(first) == [f"build-step-{each}" for each in ("input", "clean", "output--out")]
        assert container_names(second) == [f"build-step-{each}" for each in again], step
        assert done["status"]["retryStatus"]["retryCount"] == 1 and len(attempts(done)) == 1
        assert done["status"]["steps"] == "3/3"


def test_PO_8_resumption_counts_over_all_attempts(kube, operator):
    kube.apply([pipeline(processors=["a", "b", "c"], outcomes={1: "fail:1@build-step-a", 2: "fail:1@build-step-c"}),
                run(maxRetryCount=5)])
    done = kube.wait_run("r")
    assert [container_names(job) for job in jobs_of(kube, "r")] == [
        [f"build-step-{each}" for each in steps]
        for steps in (["input", "a", "b", "c", "output--out"], ["a", "b", "c", "output--out"], ["c", "output--out"])]
    assert [each["stepsSucceeded"] for each in done["status"]["retryStatus"]["historyBuild"]] == [["input"], ["a", "b"]]


def test_PO_9_an_attempt_that_takes_too_long_times_out_and_all_steps_run_again(kube, operator):
    kube.apply([pipeline(outcomes={1: "hang@build-step-clean"}), run(maxRetryCount=1, timeout="2s"),
                pipeline("slow", outcome="hang"), run("never", "slow", timeout="1500ms"),
                run("unlimited", "slow", timeout="0s"), run("as-usual", "slow")])
    done = kube.wait_run("r")
    assert attempts(done) == ["BuildTimeout"]
    first, second = jobs_of(kube, "r")
    assert container_names(second) == container_names(first), "after a timeout all steps run again"
    assert "clean" in done["status"]["retryStatus"]["historyBuild"][0]["message"], "says what was running"
    ended = kube.wait_completed("never", "BuildTimeout")
    begun, over = (parse_time(ended["status"][key]) for key in ("startTime", "completionTime"))
    assert 1 <= (over - begun).total_seconds() < 20
    assert [pod for pod in kube.list("pod", of_run("never")) if pod["status"].get("phase") in ("Pending", "Running")] == [], \
        "when the run has ended its pod has too"
    assert "1.5s" in message_of(ended)
    for name in ("unlimited", "as-usual"):  # neither 0s nor none is an immediate timeout
        assert condition_of(kube.get("pipelinerun", name), "Succeeded")["status"] == "Unknown"


def test_PO_9_more_than_a_day_is_refused(crds):
    for timeout in ("24h1s", "25h", "1441m"):
        assert "spec.timeout" in crds.refused(run(timeout=timeout))
    assert "24h" in crds.refused(run(timeout="24h0m0.001s"))
    crds.apply(run(timeout="24h"))


def test_PO_10_step_states_are_those_of_the_attempt(kube, operator):
    kube.apply([pipeline(processors=["a", "b"], outcome="fail:9@build-step-b"), run(maxRetryCount=1)])
    ended = kube.wait_completed("r", "Fail")
    assert [step["name"] for step in ended["status"]["stepStates"]] == ["b", "output--out"], "the second attempt has two steps"
    assert step_states(ended) == {"b": "Failed", "output--out": "Skipped"}
    assert ended["status"]["stepsCompleted"] == ["build-step-b"], "steps that ended, failed ones included"
    failed = ended["status"]["stepStates"][0]
    assert failed["exitCode"] == 9 and failed["attempt"] == 2
    assert failed["jobName"] == ended["status"]["cluster"]["buildName"]
    assert failed["podName"] in [pod["metadata"]["name"] for pod in kube.list("pod", of_run("r"))]
    assert parse_time(failed["startedAt"]) <= parse_time(failed["finishedAt"])
    kube.apply([pipeline("good"), run("g", "good")])
    assert kube.wait_run("g")["status"]["stepsCompleted"] == [f"build-step-{each}" for each in ("input", "clean", "output--out")]


def test_PO_10_states_are_seen_while_the_run_goes_on(kube, operator):
    kube.apply([pipeline(outcome="hang@build-step-clean"), run()])
    going = kube.wait("pipelinerun", "r", lambda item: item.get("status", {}).get("stepStates") and step_states(item) == {
        "input": "Succeeded", "clean": "Running", "output--out": "Pending"}, "clean is running")
    assert going["status"]["steps"] == "1/3"
    assert condition_of(going, "Succeeded")["reason"] == "Running"
    assert condition_of(going, "Completed")["status"] == "False"
    assert "completionTime" not in going["status"]


def test_PO_11_every_end_has_its_time(kube, start_operator, job_controller):
    start_operator(kube, config={"jobController": job_controller, "adapterImages": {"inputApiServer": "some/adapter:1"}})
    kube.apply([pipeline("good"), pipeline("bad", outcome="fail:1"), pipeline("slow", outcome="hang"),
                pipeline("old", strategy={"expire": "2001-01-01 00:00:00"}),
                pipeline("imageless", outputs=[{"name": "x", "ftp": {"a": "b"}}])])
    ends = {"good": "Succeeded", "bad": "Fail", "slow": "BuildTimeout", "old": "PipelineExpired", "imageless": "AdapterImageMissing",
            "stopped": "Cancelled"}
    kube.apply([run(f"r-{name}", name, **({"timeout": "1s"} if name == "slow" else {})) for name in ends if name != "stopped"])
    kube.apply(run("r-stopped", "slow"))
    wait_job(kube, "r-stopped")
    kube.patch("pipelinerun", "r-stopped", {"spec": {"cancel": True}})
    for name, reason in ends.items():
        ended = kube.wait_completed(f"r-{name}", reason)
        assert ended["status"]["completionTime"], name
        if "startTime" in ended["status"]:
            assert parse_time(ended["status"]["startTime"]) <= parse_time(ended["status"]["completionTime"])
            assert ended["status"]["duration"]
    assert "adapterImages.outputFtp" in message_of(kube.get("pipelinerun", "r-imageless")), "says what to set"


def test_PO_14_a_run_waits_for_its_pipeline(kube, operator):
    kube.apply(run())
    waiting = wait_reason(kube, "r", "PipelineNotFound")
    assert "p" in message_of(waiting)
    kube.apply(pipeline())
    kube.wait_run("r")


def test_PO_16_what_the_pipeline_asks_of_the_pod_reaches_it(kube, operator):
    kube.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "feeder"}})
    kube.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "other"}})
    own = {"limits": {"memory": "32Mi"}}
    shared = {"requests": {"cpu": "50m", "memory": "8Mi"}, "limits": {"memory": "64Mi"}}
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 1, "preference": {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}}]}}
    kube.apply([
        pipeline(processors=[
            {"name": "clean", "image": "busybox:1", "command": ["/bin/clean"], "args": ["--strict"], "env": [{"name": "MODE", "value": "full"}],
             "volumeMounts": [{"name": "rules", "mountPath": "/rules"}], "resources": own, "imagePullPolicy": "IfNotPresent"}],
            volumes=[{"name": "rules", "emptyDir": {}}], serviceAccountName="feeder", resources=shared,
            nodeSelector={"disk": "ssd"}, affinity=affinity),
        run(), run("r2", serviceAccountName="other")])
    kube.wait_run("r")
    [pod] = kube.list("pod", of_run("r"))
    spec = pod["spec"]
    assert spec["serviceAccountName"] == "feeder"
    assert spec["nodeSelector"] == {"disk": "ssd"} and spec["affinity"] == affinity
    assert {"name": "rules", "emptyDir": {}} in spec["volumes"]
    first, clean, last = pod_containers(pod)
    assert first["resources"] == last["resources"] == shared
    assert clean["resources"]["limits"] == own["limits"], "a processor's own are kept"
    assert (clean["command"], clean["args"]) == (["/bin/clean"], ["--strict"])
    assert {"name": "MODE", "value": "full"} in clean["env"] and clean["imagePullPolicy"] == "IfNotPresent"
    assert "/rules" in [each["mountPath"] for each in clean["volumeMounts"]]
    assert "/rules" not in [each["mountPath"] for each in first["volumeMounts"]]
    kube.wait_run("r2")
    assert kube.list("pod", of_run("r2"))[0]["spec"]["serviceAccountName"] == "other", "the run's own word counts"


def test_PO_17_a_restart_during_an_attempt_starts_no_second_one(kube, operator):
    kube.apply([pipeline(delay="3s"), run(maxRetryCount=3)])
    [pod] = kube.wait_list("pod", of_run("r"), lambda found: [each for each in found if each["status"].get("phase") == "Running"])
    operator.kill()
    operator.start()
    operator.stop()
    kube.wait("pod", pod["metadata"]["name"], lambda item: item["status"]["phase"] == "Succeeded", "its end while nobody looks")
    operator.start()
    done = kube.wait_run("r")
    assert len(kube.list("job", of_run("r"))) == 1 and len(kube.list("pod", of_run("r"))) == 1
    assert not attempts(done)


# --- what else the issue asks of batch runs ---


def test_the_pipeline_is_frozen_when_the_run_starts(kube, operator):
    kube.apply([pipeline(processors=["before"], outcomes={1: "fail:1@build-step-before"}, delay="1s"), run(maxRetryCount=1), ])
    wait_job(kube, "r")
    kube.apply(pipeline(processors=["after", "more"]))
    done = kube.wait_run("r")
    assert [container_names(job) for job in jobs_of(kube, "r")] == [
        ["build-step-input", "build-step-before", "build-step-output--out"], ["build-step-before", "build-step-output--out"]]
    kube.apply([run("r2"), run("r3")])
    second, third = kube.wait_run("r2"), kube.wait_run("r3")
    assert [step["name"] for step in second["status"]["stepStates"]] == ["input", "after", "more", "output--out"]
    assert second["status"]["pipelineRevision"] == third["status"]["pipelineRevision"] != done["status"]["pipelineRevision"]
    for each in (done, second):
        revision = kube.get("controllerrevision", each["status"]["pipelineRevision"])
        assert owner(revision) == self_as_owner(kube.get("pipeline", "p"))


def test_cancel_stops_the_pod_and_ends_the_run(kube, operator):
    kube.apply([pipeline(outcome="hang@build-step-clean"), run(maxRetryCount=3)])
    [pod] = kube.wait_list("pod", of_run("r"), lambda found: len(found) == 1)
    kube.patch("pipelinerun", "r", {"spec": {"cancel": True}})
    ended = kube.wait_completed("r", "Cancelled")
    assert condition_of(ended, "Cancelled")["status"] == "True"
    assert not attempts(ended) or attempts(ended) == ["Cancelled"], "a cancelled run is not tried again"
    left = kube.get("pod", pod["metadata"]["name"])
    assert left is None or left["status"]["phase"] == "Failed"
    assert len(kube.list("job", of_run("r"))) == 1
    kube.wait_condition("job", ended["status"]["cluster"]["buildName"], "Failed")


def test_cancel_before_the_start_and_after_the_end(kube, operator):
    kube.apply([run("early", "nowhere"), pipeline(), run("late")])
    wait_reason(kube, "early", "PipelineNotFound")
    kube.wait_run("late")
    for name in ("early", "late"):
        kube.patch("pipelinerun", name, {"spec": {"cancel": True}})
    kube.wait_completed("early", "Cancelled")
    assert not kube.list("job", of_run("early"))
    assert condition_of(kube.wait_run("late"), "Succeeded")["status"] == "True", "what has ended stays as it is"


@pytest.mark.parametrize("outcome, reason, words", [
    pytest.param("evict", "Evicted", "low on resource", marks=pytest.mark.cluster_only("nothing evicts pods there")),
    pytest.param("oom@build-step-clean", "Fail", "OOMKilled", marks=pytest.mark.cluster_only("memory is not limited there")),
])
def test_infrastructure_is_told_apart_from_programs(kube, operator, outcome, reason, words):
    kube.apply([pipeline(outcomes={1: outcome}), run(maxRetryCount=1), run("once")])
    done, ended = kube.wait_run("r"), kube.wait_completed("once", reason)
    assert attempts(done) == [reason]
    assert words in message_of(ended)


def test_an_image_that_cannot_be_pulled_is_said_and_ends_the_attempt_with_its_time(kube, operator):
    kube.apply([pipeline(outcome="pull@build-step-clean"), run(timeout="3s")])
    waiting = wait_reason(kube, "r", "ImagePullBackOff")
    step = next(each for each in waiting["status"]["stepStates"] if each["name"] == "clean")
    assert step["state"] == "Pending" and step["waiting"]["reason"] == "ImagePullBackOff"
    assert "no such image" in step["waiting"]["message"]
    kube.wait_completed("r", "ImagePullFailed")


@pytest.mark.cluster_only("there is one node, this machine")
def test_a_pod_that_no_node_takes_is_said_and_starts_when_one_does(kube, operator):
    kube.apply([pipeline(nodeSelector={"millrace.test/node": kube.namespace}), run(), run("brief", timeout="3s")])
    waiting = wait_reason(kube, "r", "Unschedulable")
    assert "node" in message_of(waiting)
    assert kube.wait_completed("brief", "Unschedulable")
    kube.kubectl("label", "node", "kwok-0", f"millrace.test/node={kube.namespace}", "--overwrite")
    try:
        kube.wait_run("r")
    finally:
        kube.kubectl("label", "node", "kwok-0", "millrace.test/node-")


def test_a_pod_deleted_by_force_is_an_infrastructure_failure(kube, start_operator):
    # With the built-in Job controller only on the real node (test_real_node.py): the simulated one also removes that controller's own
    # finalizer, and with it all trace of the pod, which no kubelet does.
    start_operator(kube)
    kube.apply([pipeline(outcomes={1: "hang"}), run(maxRetryCount=1)])
    [pod] = kube.wait_list("pod", of_run("r"), lambda found: [each for each in found if each["status"].get("phase") == "Running"])
    kube.delete("pod", pod["metadata"]["name"], "--force", "--grace-period=0")
    done = kube.wait_run("r")
    assert attempts(done)[0] in ("PodLost", "PodDeleted")
    assert done["status"]["retryStatus"]["retryCount"] == 1
    assert len(kube.list("job", of_run("r"))) == 2


def test_a_pod_whose_node_is_gone_is_an_infrastructure_failure(kube, operator):
    kube.apply([pipeline(outcome="hang"), run()])
    [pod] = kube.wait_list("pod", of_run("r"), lambda found: [each for each in found if each["status"].get("phase") == "Running"])
    # What the garbage collector of pods does when a node is gone (kube-controller-manager, pkg/controller/podgc).
    kube.kubectl("patch", "pod", pod["metadata"]["name"], "--subresource=status", "--type=strategic", "-p", json.dumps({"status": {
        "phase": "Failed", "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC",
                                           "message": "PodGC: node no longer exists"}]}}))
    assert "node" in message_of(kube.wait_completed("r", "NodeLost"))


@pytest.mark.cluster_only("there is one node, this machine")
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_node_that_is_deleted_takes_its_pods_along(kube, operator):
    node = kube.namespace
    kube.apply([{"apiVersion": "v1", "kind": "Node", "metadata": {
        "name": node, "labels": {"millrace.test/node": node}, "annotations": {"kwok.x-k8s.io/node": "fake"}}},
        pipeline(outcomes={1: "hang"}, nodeSelector={"millrace.test/node": node}), run(maxRetryCount=1)])
    kube.wait_list("pod", of_run("r"), lambda found: [each for each in found if each["status"].get("phase") == "Running"])
    kube.delete("node", node)
    retried = kube.wait("pipelinerun", "r", attempts, "a failed attempt", timeout=240)
    assert attempts(retried) == ["NodeLost"]
    wait_reason(kube, "r", "Unschedulable")


def test_a_job_that_somebody_deleted_is_not_made_again_for_the_same_attempt(kube, operator):
    kube.apply([pipeline(outcomes={1: "hang"}), run(maxRetryCount=1)])
    going = kube.wait("pipelinerun", "r", lambda item: item.get("status", {}).get("cluster", {}).get("buildName"), "its Job recorded")
    kube.delete("job", going["status"]["cluster"]["buildName"])
    # A first process of a container takes no TERM before it has said how: then the pod has its grace period of 30 s.
    done = kube.wait_run("r", timeout=75)
    [first] = done["status"]["retryStatus"]["historyBuild"]
    assert first["reason"] in ("JobLost", "PodDeleted", "PodLost")
    assert first["buildName"] == going["status"]["cluster"]["buildName"] != done["status"]["cluster"]["buildName"]


@pytest.mark.cluster_only("there are no quotas")
def test_a_quota_is_waited_for(kube, operator):
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    kube.apply(quota)
    kube.wait("resourcequota", "none", lambda item: item.get("status", {}).get("hard") == {"pods": "0"}, "in force")
    kube.apply([pipeline(), run()])
    waiting = kube.wait("pipelinerun", "r", lambda item: condition_of(item, "Succeeded"), "a condition")
    assert condition_of(waiting, "Succeeded")["status"] == "Unknown"
    if operator_runs_jobs(kube):
        assert "exceeded quota" in message_of(wait_reason(kube, "r", "QuotaExceeded"))
    kube.delete("resourcequota", "none")
    kube.wait_run("r", timeout=60)
    assert len(kube.list("job", of_run("r"))) == 1


def operator_runs_jobs(kube):
    """Whether the Jobs of this namespace are run by the operator: only then it learns at once why a pod is refused."""
    [job] = kube.wait_list("job", "", lambda found: len(found) == 1, "one Job")
    return job["spec"].get("managedBy", "").startswith("millrace.dev/")


@pytest.mark.cluster_only("pods need no service account there")
def test_a_missing_service_account_is_waited_for(kube, operator):
    kube.apply([pipeline(serviceAccountName="later"), run()])
    if operator_runs_jobs(kube):
        assert "later" in message_of(wait_reason(kube, "r", "ServiceAccountNotFound"))
    kube.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "later"}})
    kube.wait_run("r", timeout=90)


@pytest.mark.cluster_only("an operator of its own runs only its own Jobs, and nobody else is there")
def test_a_job_that_only_looks_like_ours_is_left_alone(kube, operator):
    kube.apply([pipeline(), run()])
    kube.wait_run("r")
    [ours] = kube.list("job", of_run("r"))
    kube.apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "bystander", "labels": {"pipeline-run": "r"}}, "spec": {
        "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "any"}]}}}})
    kube.wait_condition("job", "bystander", "Complete")
    kube.delete("pipelinerun", "r")
    kube.wait_gone("job", ours["metadata"]["name"], GC_TIME)
    assert kube.get("job", "bystander"), "what the run does not own survives it"


@pytest.mark.cluster_only("nobody else is there who would run that Job")
@pytest.mark.parametrize("labelled", [False, True], ids=["plain", "labelled"])
@pytest.mark.parametrize("body", ["batch", "graph"])
def test_a_job_of_that_name_which_is_not_the_runs_is_never_taken_for_it(kube, start_operator, fault_proxy, job_controller, body, labelled):
    """It comes just before the run's own, with its template (and its labels), and succeeds: the run has no part in that, and says what is in its way."""
    foreign = {}

    def before(request):
        if request.method == "POST" and request.write and request.path.partition("?")[0].endswith("/jobs") and not foreign:
            asked = json.loads(request.body)
            meta, template = {"name": asked["metadata"]["name"]}, asked["spec"]["template"]
            if labelled:
                meta["labels"] = asked["metadata"]["labels"]
            else:
                del template["metadata"]["labels"]
            kube.create({"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": {"backoffLimit": 0, "template": template}})
            foreign.update(kube.get("job", meta["name"]))

    fault_proxy.before = before
    start_operator(kube, kubeconfig=fault_proxy.kubeconfig, config={"jobController": job_controller})
    container = {"image": "busybox:1", "command": ["true"]}
    kube.apply([pipeline() if body == "batch" else {"apiVersion": "millrace.dev/v1", "kind": "Pipeline", "metadata": {"name": "p"}, "spec": {
        "steps": [{"name": "one", "container": container}, {"name": "two", "dependsOn": ["one"], "container": container}]}}, run()])
    ended = kube.wait_completed("r", "NameConflict" if body == "batch" else "StepFailed")
    assert f"{foreign['metadata']['name']} exists already and belongs to somebody else" in json.dumps(ended["status"])
    kube.wait_condition("job", foreign["metadata"]["name"], "Complete")
    [there] = kube.list("job")
    assert there["metadata"]["uid"] == foreign["metadata"]["uid"] and there["spec"] == foreign["spec"]
    assert not there["metadata"].get("ownerReferences") and there["metadata"].get("labels") == foreign["metadata"].get("labels")
    assert [owner(pod)[2] for pod in kube.list("pod")] == [foreign["metadata"]["uid"]]
    after = kube.get("pipelinerun", "r")
    assert "Succeeded" not in step_states(after).values() and condition_of(after, "Succeeded") == condition_of(ended, "Succeeded")
    kube.delete("pipelinerun", "r")
    kube.wait_gone("pipelinerun", "r")
    assert kube.get("job", foreign["metadata"]["name"])["metadata"]["uid"] == foreign["metadata"]["uid"]


def test_the_end_of_a_step_is_seen_from_its_pod(kube, start_operator, fault_proxy, job_controller, hold):
    """Not from its Job, whose controller says it up to a second later: here the operator hears nothing of Jobs at all."""
    start_operator(kube, kubeconfig=fault_proxy.kubeconfig, config={"jobController": job_controller})
    kept = set()

    def pace(request):
        if request.path.partition("?")[0].endswith("/jobs") and "watch=" in request.path:
            kept.add(request.number)
            hold.wait(60)

    fault_proxy.pace = pace
    container = {"image": "busybox:1", "command": ["true"]}
    kube.apply([{"apiVersion": "millrace.dev/v1", "kind": "Pipeline", "metadata": {"name": "g"}, "spec": {
        "steps": [{"name": "one", "container": container}, {"name": "two", "dependsOn": ["one"], "container": container}]}}, run("r-graph", "g"),
        pipeline(), run("r-batch")])
    for name in ("r-graph", "r-batch"):
        kube.wait_run(name, timeout=20)
    assert kept and not hold.is_set(), "the operator was to hear nothing of Jobs"
    hold.set()
    kube.wait_list("job", "", lambda jobs: len(jobs) == 3 and all(condition_of(job, "Complete") for job in jobs), "three Jobs, ended")


def test_jobs_look_ordinary_to_kubectl(kube, operator):
    kube.apply([pipeline(), run(), pipeline("bad", outcome="fail:1"), run("b", "bad")])
    name = kube.wait_run("r")["status"]["cluster"]["buildName"]
    kube.kubectl("wait", f"job/{name}", "--for=condition=complete", "--timeout=20s")
    assert "1/1" in kube.kubectl("get", "job", name)
    failed = kube.wait_completed("b", "Fail")["status"]["cluster"]["buildName"]
    kube.kubectl("wait", f"job/{failed}", "--for=condition=failed", "--timeout=20s")
    columns = kube.kubectl("get", "pipelineruns").splitlines()
    assert columns[0].split()[:5] == ["NAME", "PIPELINE", "STATUS", "STEPS", "RETRIES"]
    assert "Succeeded" in next(line for line in columns if line.startswith("r "))
    events = kube.wait_list("event", "", lambda found: {"Succeeded", "Fail"} <= {each["reason"] for each in found}, "events of both ends")
    assert {each["regarding"]["name"] for each in events if each["reason"] == "Fail"} == {"b"}


def test_a_finished_run_costs_no_more_writes(kube, operator, audit):
    kube.apply([pipeline(), run()])
    name = kube.wait_run("r")["status"]["cluster"]["buildName"]
    kube.wait_condition("job", name, "Complete")
    kube.wait_completed("r")
    operator.stop()
    ended = [kube.get(*each)["metadata"]["resourceVersion"] for each in (("pipelinerun", "r"), ("job", name))]
    operator.start()
    # A second run proves that the operator has looked at everything by now.
    kube.apply(run("r2"))
    kube.wait_run("r2")
    kube.wait_condition("job", kube.get("pipelinerun", "r2")["status"]["cluster"]["buildName"], "Complete")
    assert [kube.get(*each)["metadata"]["resourceVersion"] for each in (("pipelinerun", "r"), ("job", name))] == ended
    touched = [call for call in audit.calls(namespace=kube.namespace, writes_only=True) if call.resource == "pipelineruns/status"]
    assert {call.name: sum(each.name == call.name for each in touched) for call in touched}.keys() == {"r", "r2"}
    assert sum(call.name == "r" for call in touched) <= 3, "\n".join(map(str, touched))
