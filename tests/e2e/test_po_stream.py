"""Stream runs (pipeline-operator item PO-12) on simulated pods, which keep running until they are told otherwise."""
import json
import time

import pytest

from harness.kube import GC_TIME, condition_of
from harness.objects import now, owner, parse_time, run, self_as_owner, service, stream


@pytest.fixture
def operator(kube, start_operator):
    return start_operator(kube)


def wait_available(kube, name, timeout=40.0):
    return kube.wait_condition("pipelinerun", name, "Succeeded", "True", "Available", timeout)


def wait_reason(kube, name, reason, timeout=40.0):
    return kube.wait_condition("pipelinerun", name, "Succeeded", "Unknown", reason, timeout)


def children(kube):
    """(kind, name) → object, of all Deployments and Services."""
    return {(kind, item["metadata"]["name"]): item for kind in ("deployment", "service") for item in kube.list(kind)}


def set_ready(kube, pod, status):
    kube.kubectl("patch", "pod", pod["metadata"]["name"], "--subresource=status", "--type=strategic", "-p", json.dumps(
        {"status": {"conditions": [{"type": each, "status": status} for each in ("Ready", "ContainersReady")]}}))


def test_PO_12_deployments_and_headless_services(kube, operator):
    kube.apply([stream("live", [service("reader", replicas=2, ports=[9000, 9001]), service("writer", ports=[])],
                       labels={"team": "retail"}, annotations={"note": "copied"},
                       strategy={"cronExpression": "@every 1s", "expire": "2001-01-01 00:00:00"}),  # no effect on a stream
                run("live-1", "live", timeout="1s", maxRetryCount=1)])  # neither
    up = wait_available(kube, "live-1")
    assert up["status"]["cluster"] == {"namespace": kube.namespace, "deploymentNames": ["live-deploy-reader", "live-deploy-writer"],
                                       "serviceNames": ["reader", "writer"]}
    assert condition_of(up, "Completed")["status"] == "False" and "completionTime" not in up["status"]
    assert up["status"]["startTime"]
    made = children(kube)
    assert set(made) == {("deployment", "live-deploy-reader"), ("deployment", "live-deploy-writer"), ("service", "reader"), ("service", "writer")}
    for name, replicas, ports in (("reader", 2, [9000, 9001]), ("writer", 1, [])):
        deployment, net = made["deployment", f"live-deploy-{name}"], made["service", name]
        labels = {"team": "retail", "pipeline": "live", "pipeline-run": "live-1", "k8s-app": f"live-deploy-{name}"}
        assert deployment["spec"]["selector"]["matchLabels"] == net["spec"]["selector"] == labels
        assert labels.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
        assert deployment["spec"]["replicas"] == replicas
        assert net["spec"]["clusterIP"] == "None" and net["spec"]["type"] == "ClusterIP"
        assert [each["port"] for each in net["spec"].get("ports", [])] == ports
        for item in (deployment, net):
            assert labels.items() <= item["metadata"]["labels"].items()
            assert item["metadata"]["annotations"]["note"] == "copied"
            assert owner(item) == self_as_owner(up)
    assert len(kube.list("pod", "k8s-app=live-deploy-reader")) == 2
    assert owner(up) == self_as_owner(kube.get("pipeline", "live"))
    kube.delete("pipelinerun", "live-1", "--wait=false")
    for kind, name in made:
        kube.wait_gone(kind, name, GC_TIME)
    kube.wait_list("pod", "pipeline=live", lambda found: not found, "its pods gone", GC_TIME)


def test_PO_12_deleting_the_pipeline_removes_everything(kube, operator):
    item = stream()
    item["metadata"]["finalizers"] = ["finalizer.ljchen.net"]
    kube.apply([item, run(of="s")])
    wait_available(kube, "r")
    kube.delete("pipeline", "s", "--wait=false")
    for kind, name in (("pipeline", "s"), ("pipelinerun", "r"), ("deployment", "s-deploy-web"), ("service", "web")):
        kube.wait_gone(kind, name, GC_TIME)


@pytest.mark.cluster_only("a process without a probe is ready once it runs")
def test_success_means_that_all_are_available(kube, operator):
    kube.apply([stream("s", ["web"], outcome="unready"), run(of="s")])
    waiting = wait_reason(kube, "r", "Progressing")
    assert "web" in condition_of(waiting, "Succeeded")["message"]
    [pod] = kube.wait_list("pod", "pipeline=s", lambda found: [each for each in found if each["status"].get("phase") == "Running"])
    set_ready(kube, pod, "True")
    wait_available(kube, "r")
    set_ready(kube, pod, "False")
    degraded = wait_reason(kube, "r", "Degraded")
    assert "web: 0 of 1" in condition_of(degraded, "Succeeded")["message"]
    set_ready(kube, pod, "True")
    wait_available(kube, "r")


def test_deleted_and_changed_children_are_restored(kube, operator):
    kube.apply([stream("s", [service("web", replicas=2)]), run(of="s")])
    wait_available(kube, "r")
    before = children(kube)
    kube.delete("deployment", "s-deploy-web")
    kube.wait("deployment", "s-deploy-web", lambda item: item["metadata"]["uid"] != before["deployment", "s-deploy-web"]["metadata"]["uid"],
              "made anew")
    kube.delete("service", "web")
    kube.wait("service", "web", lambda item: item["metadata"]["uid"] != before["service", "web"]["metadata"]["uid"], "made anew")
    wait_available(kube, "r")
    kube.kubectl("set", "image", "deployment/s-deploy-web", "web=somebody/else:1")
    kube.wait("deployment", "s-deploy-web",
              lambda item: item["spec"]["template"]["spec"]["containers"][0]["image"] == "demo/reader:1", "the image as it should be")
    kube.kubectl("scale", "deployment/s-deploy-web", "--replicas=5")
    kube.wait("deployment", "s-deploy-web", lambda item: item["spec"]["replicas"] == 2, "the number as it should be")
    kube.patch("service", "web", {"spec": {"selector": {"k8s-app": "somebody-else"}}})
    kube.wait("service", "web", lambda item: item["spec"]["selector"] == before["service", "web"]["spec"]["selector"], "the selector restored")
    wait_available(kube, "r")


def test_children_are_restored_after_a_restart_too(kube, operator):
    kube.apply([stream(), run(of="s")])
    wait_available(kube, "r")
    operator.kill()
    kube.delete("service", "web")
    kube.kubectl("set", "image", "deployment/s-deploy-web", "web=somebody/else:1")
    operator.start()
    kube.wait("service", "web", lambda _: True, "made anew")
    kube.wait("deployment", "s-deploy-web",
              lambda item: item["spec"]["template"]["spec"]["containers"][0]["image"] == "demo/reader:1", "the image as it should be")
    wait_available(kube, "r")


def test_an_edit_of_replicas_reaches_the_running_stream_and_no_other_edit_does(kube, operator):
    kube.apply([stream("s", [service("web")]), run(of="s")])
    wait_available(kube, "r")
    kube.apply(stream("s", [service("web", replicas=3, image="demo/writer:2")]))
    scaled = kube.wait("deployment", "s-deploy-web", lambda item: item["spec"]["replicas"] == 3, "three")
    assert scaled["spec"]["template"]["spec"]["containers"][0]["image"] == "demo/reader:1"
    kube.wait("deployment", "s-deploy-web", lambda item: item["status"].get("availableReplicas") == 3, "three at work")
    wait_available(kube, "r")
    kube.apply(stream("s", [service("web", replicas=0)]))
    kube.wait("deployment", "s-deploy-web", lambda item: item["spec"]["replicas"] == 0, "none")
    kube.wait_list("pod", "pipeline=s", lambda found: not found, "no pods")


def test_a_second_run_takes_the_stream_over(kube, operator):
    kube.apply([stream("s", [service("old"), service("kept")]), run("first", "s")])
    first = wait_available(kube, "first")
    # The later run is the one with the later creationTimestamp, which has whole seconds only.
    while (now() - parse_time(first["metadata"]["creationTimestamp"])).total_seconds() < 1:
        time.sleep(0.05)
    kube.apply(stream("s", [service("kept", image="demo/writer:2"), service("new")]))
    kube.apply(run("second", "s"))
    second = wait_available(kube, "second")
    ended = kube.wait_completed("first")
    assert condition_of(ended, "Cancelled")["reason"] == "Superseded" and "second" in condition_of(ended, "Cancelled")["message"]
    kube.delete("pipelinerun", "first")
    kube.wait_gone("deployment", "s-deploy-old", GC_TIME)
    kube.wait_gone("service", "old", GC_TIME)
    made = children(kube)
    assert set(made) == {("deployment", "s-deploy-kept"), ("deployment", "s-deploy-new"), ("service", "kept"), ("service", "new")}
    assert {owner(item) for item in made.values()} == {self_as_owner(second)}
    wait_available(kube, "second")


@pytest.mark.parametrize("foreign", [
    {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}},
    {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "s-deploy-web"}, "spec": {
        "replicas": 0, "selector": {"matchLabels": {"mine": "yes"}},
        "template": {"metadata": {"labels": {"mine": "yes"}}, "spec": {"containers": [{"name": "main", "image": "any"}]}}}},
], ids=["service", "deployment"])
def test_what_belongs_to_somebody_else_is_reported_and_left_alone(kube, operator, foreign):
    kind, name = foreign["kind"], foreign["metadata"]["name"]
    kube.apply(foreign)
    theirs = kube.get(kind, name)
    kube.apply([stream("s", ["web"]), run(of="s")])
    waiting = wait_reason(kube, "r", "OwnershipConflict")
    assert f"{kind} {name}" in condition_of(waiting, "Succeeded")["message"]
    assert kube.get(kind, name)["metadata"]["resourceVersion"] == theirs["metadata"]["resourceVersion"] or kind == "Deployment"
    assert owner(kube.get(kind, name)) is None and kube.get(kind, name)["spec"] == theirs["spec"]
    kube.delete(kind, name)
    wait_available(kube, "r")


def test_cancel_ends_the_services(kube, operator):
    kube.apply([stream("s", ["one", "two"]), run(of="s")])
    wait_available(kube, "r")
    kube.patch("pipelinerun", "r", {"spec": {"cancel": True}})
    ended = kube.wait_completed("r", "Cancelled")
    assert condition_of(ended, "Cancelled")["status"] == "True" and ended["status"]["completionTime"]
    assert not children(kube)
    kube.wait_list("pod", "pipeline=s", lambda found: not found, "no pods")


def test_a_pod_spec_that_the_server_refuses_is_told(kube, operator):
    broken = service("web")
    broken["spec"]["containers"][0]["imagePullPolicy"] = "Sometimes"
    kube.apply([stream("s", [broken]), run(of="s"), stream("good", ["fine"]), run("g", "good")])
    told = kube.wait("pipelinerun", "r", lambda item: "imagePullPolicy" in (condition_of(item, "Succeeded") or {}).get("message", ""),
                     "the server's words")
    assert condition_of(told, "Succeeded")["status"] != "True"
    wait_available(kube, "g")


def test_an_idle_stream_costs_no_writes(kube, operator, audit):
    kube.apply([stream(), run(of="s")])
    wait_available(kube, "r")
    kube.wait_condition("pipeline", "s", "Ready")
    operator.stop()
    operator.start()
    kube.apply([stream("t", ["other"]), run("witness", "t")])  # when this one is up, the first one has been looked at
    wait_available(kube, "witness")
    audit.mark()
    kube.apply(run("last", "nowhere"))
    wait_reason(kube, "last", "PipelineNotFound")
    touched = [call for call in audit.calls(namespace=kube.namespace, writes_only=True)
               if call.name in ("r", "s-deploy-web", "web") and call.resource != "events"]
    assert not touched, "\n".join(map(str, touched))
