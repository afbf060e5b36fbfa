"""The real kubectl against both: what a person types, and what it prints."""
import copy
import json
import sys

import pytest
import yaml

from kit.samples import FULL, config, job, pod, sample

ALL = [sample("configmaps", "c", {"data": {"a": "1"}}), sample("secrets", "s", {"data": FULL["secrets"]["data"]}), sample("services", "svc", FULL["services"]),
       sample("deployments", "d"), sample("jobs", "j", {"spec": {**job("x")["spec"], "suspend": True}}), pod("p"), sample("pipelines", "pl"),
       sample("pipelineruns", "r"), sample("leases", "l", FULL["leases"]), sample("serviceaccounts", "sa")]
KINDS = "configmap,secret,service,deployment,job,pod,pipeline,pipelinerun,lease,serviceaccount".split(",")


@pytest.mark.parametrize("how", [[], ["--server-side"]], ids=["client", "server"])
def test_apply_again_and_again(api, how):
    first = api.kubectl("apply", *how, "-f", "-", stdin=ALL).ok
    assert first.count("created" if not how else "serverside-applied") == len(ALL)
    second = api.kubectl("apply", *how, "-f", "-", stdin=ALL).ok
    assert second.count("unchanged" if not how else "serverside-applied") == len(ALL)
    changed = copy.deepcopy(ALL)
    changed[0]["data"] = {"b": "2"}
    changed[3]["spec"]["template"]["spec"]["containers"] = [{"name": "b", "image": "other"}]
    changed[3]["spec"]["replicas"] = 2
    changed[6]["spec"]["batchJob"]["outputs"].append({"name": "more", "ftp": {"topic": "u"}})
    changed[7]["spec"]["cancel"] = True
    assert api.kubectl("diff", *how, "-f", "-", stdin=changed).code == 1
    api.transcript.pop()  # names of temporary files
    third = api.kubectl("apply", *how, "-f", "-", stdin=changed)
    api.kubectl("get", "-o", "yaml", "--show-managed-fields", "deployment/d", "configmap/c", "pipeline/pl", "pipelinerun/r")
    assert third.code == 0
    assert api.get("configmaps", "c").ok["data"] == {"b": "2"}
    assert [item["name"] for item in api.get("deployments", "d").ok["spec"]["template"]["spec"]["containers"]] == ["b"]


def test_apply_moves_from_client_to_server_side(api):
    api.kubectl("apply", "-f", "-", stdin=[ALL[0], ALL[3]]).ok
    changed = copy.deepcopy([ALL[0], ALL[3]])
    changed[0]["data"] = {"b": "2"}
    api.kubectl("apply", "--server-side", "-f", "-", stdin=changed)
    api.kubectl("get", "cm", "c", "-o", "yaml", "--show-managed-fields")
    api.kubectl("create", "configmap", "other", "--from-literal=a=1")
    api.kubectl("apply", "-f", "-", stdin=config("other", {"a": "2"}))
    api.kubectl("apply", "--server-side", "-f", "-", stdin=config("other", {"a": "3"}))
    api.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=config("other", {"a": "3"}))


def test_apply_refuses(api):
    api.kubectl("apply", "-f", "-", stdin={**config("a"), "bogus": 1}).refused
    api.kubectl("apply", "--validate=false", "-f", "-", stdin={**config("a"), "bogus": 1}).ok
    api.kubectl("apply", "--validate=warn", "-f", "-", stdin={**config("b"), "bogus": 1}).ok
    api.kubectl("apply", "-f", "-", stdin=sample("pipelines", "a", {"spec": {"batchJobs": {}}})).refused
    api.kubectl("apply", "-f", "-", stdin=sample("pipelines", "a", {"spec": {}})).refused
    api.kubectl("apply", "-f", "-", stdin={"apiVersion": "nonsense/v1", "kind": "X", "metadata": {"name": "a"}}).refused
    api.kubectl("apply", "-f", "-", stdin={"apiVersion": "v1", "kind": "Nonsense", "metadata": {"name": "a"}}).refused
    api.kubectl("apply", "-f", "-", stdin=pod("a", {"containers": [{"name": "a"}]})).refused
    api.kubectl("apply", "-f", "-", stdin=job("a", {"backoffLimit": "x"})).refused
    api.kubectl("apply", "--dry-run=server", "-f", "-", stdin=config("dry")).ok
    api.kubectl("create", "-f", "-", stdin=config("a")).refused
    api.kubectl("replace", "-f", "-", stdin=config("missing")).refused
    api.kubectl("apply", "-n", "is-not-there", "-f", "-", stdin=config("a")).refused


@pytest.mark.parametrize("verb", ["apply", "create", "replace", "delete"])
@pytest.mark.parametrize("version,kind", [("nonsense/v1", "X"), ("v1", "Nonsense"), ("millrace.dev/v1", "Gadget"), ("millrace.dev/v9", "Pipeline")])
def test_kinds_that_are_not_served(api, verb, version, kind):
    said = api.kubectl(verb, "-f", "-", stdin={"apiVersion": version, "kind": kind, "metadata": {"name": "a"}})
    assert said.code == 1 and f'no matches for kind "{kind}" in version "{version}"' in said.err


def test_apply_prune(api):
    labelled = [config(name, labels={"app": "x"}) for name in ("one", "two")]
    api.kubectl("apply", "-l", "app=x", "-f", "-", stdin=labelled).ok
    api.kubectl("apply", "--prune", "-l", "app=x", "--prune-allowlist=core/v1/ConfigMap", "-f", "-", stdin=labelled[:1])
    assert api.get("configmaps", "two").status == 404


GETS = ["all", "cm,secret", "pods -o wide", "pod p -o yaml", "deploy d -o json", "svc -o wide", "jobs -o wide", "pl -o wide", "plr", "plr r -o yaml", "plr -o name", "pods --show-labels",
        "pods -L app", "pods -l app=x", "pods -o jsonpath={.items[*].metadata.name}", "pods -o custom-columns=N:.metadata.name,I:.spec.containers[*].image", "pods --sort-by=.metadata.name",
        "pods --field-selector=status.phase=Pending", "pods missing", "nonsense", "pods/p jobs/j", "pod p missing", "lease l", "secret s -o yaml", "pods --no-headers", "events", "cm c -o go-template={{.data.a}}",
        "pods --output-watch-events=false --ignore-not-found missing", "sa sa", "ns default -o name", "--raw /version?pretty=0", "pods --chunk-size=1", "pl,plr -o wide", "controllerrevisions", "pods -A --field-selector metadata.name=none"]


@pytest.mark.parametrize("part", range(5))
def test_get(api, part):
    with api.quiet():
        api.kubectl("create", "-f", "-", stdin=ALL).ok
    for words in GETS[part::5]:
        done = api.kubectl("get", *words.split())
        if "--raw" in words:
            api.transcript.pop()
        assert (done.code == 0) == ("missing" not in words.replace("--ignore-not-found missing", "") and words != "nonsense"), done.err


def test_describe(api):
    with api.quiet():
        api.kubectl("create", "-f", "-", stdin=ALL).ok
        api.create("events", sample("events", "e", {"involvedObject": {"kind": "Pod", "name": "p", "namespace": "@NS"}, "reason": "Started", "message": "it runs", "type": "Normal",
                                                    "firstTimestamp": "2020-01-01T00:00:00Z", "lastTimestamp": "2020-01-01T00:00:00Z", "source": {"component": "me"}}))
        api.patch("pods", "p", {"status": {"phase": "Running", "podIP": "10.0.0.1", "startTime": "2020-01-01T00:00:00Z", "containerStatuses": [
            {"name": "a", "image": "busybox", "imageID": "", "ready": True, "restartCount": 0, "state": {"running": {"startedAt": "2020-01-01T00:00:00Z"}}}]}}, sub="status")
    for kind, name in zip(KINDS, ("c", "s", "svc", "d", "j", "p", "pl", "r", "l", "sa")):
        api.kubectl("describe", kind, name).ok
    api.kubectl("describe", "pod", "missing").refused
    api.kubectl("describe", "ns", api.ns)
    api.transcript.pop()  # quotas and limits of a whole cluster
    api.kubectl("describe", "pods").ok


def test_change_one_thing(api):
    with api.quiet():
        api.kubectl("create", "-f", "-", stdin=ALL).ok
    api.kubectl("label", "pod", "p", "a=b").ok
    api.kubectl("label", "pod", "p", "a=c").refused
    api.kubectl("label", "--overwrite", "pod", "p", "a=c").ok
    api.kubectl("label", "pod", "p", "a-").ok
    api.kubectl("label", "pod", "p", "bad label=x").refused
    api.kubectl("annotate", "pl", "pl", "note=hello there").ok
    api.kubectl("annotate", "pl", "pl", "note-").ok
    api.kubectl("scale", "deploy", "d", "--replicas=3").ok
    api.kubectl("scale", "deploy", "d", "--replicas=5", "--current-replicas=9").refused
    api.kubectl("set", "image", "deploy/d", "a=other:1").ok
    api.kubectl("set", "env", "deploy/d", "A=1").ok
    api.kubectl("patch", "plr", "r", "--type=merge", "-p", '{"spec":{"cancel":true}}').ok
    api.kubectl("patch", "deploy", "d", "-p", '{"spec":{"template":{"spec":{"containers":[{"name":"a","image":"third"}]}}}}').ok
    api.kubectl("patch", "cm", "c", "--type=json", "-p", '[{"op":"add","path":"/data/z","value":"1"}]').ok
    api.kubectl("patch", "cm", "c", "--type=json", "-p", '[{"op":"remove","path":"/data/zz"}]').refused
    api.kubectl("patch", "plr", "r", "-p", '{"spec":{"cancel":false}}').refused
    api.kubectl("patch", "plr", "r", "--subresource=status", "--type=merge", "-p", '{"status":{"steps":"1/1"}}').ok
    api.kubectl("patch", "plr", "r", "--type=merge", "-p", '{"spec":{"refPipeline":"other"}}').refused
    api.kubectl("rollout", "pause", "deploy/d").ok
    api.kubectl("rollout", "resume", "deploy/d").ok
    with api.quiet():
        assert api.get("deployments", "d").ok["spec"]["replicas"] == 3


def test_edit(api, tmp_path):
    with api.quiet():
        api.kubectl("create", "-f", "-", stdin=[ALL[0], ALL[7]]).ok
    editor = tmp_path / f"editor-{api.server.kind}"
    editor.write_text(f"#!{sys.executable}\nimport sys\npath = sys.argv[1]\ntext = open(path).read()\n"
                      "open(path, 'w').write(text.replace('a: \"1\"', 'a: \"9\"').replace('refPipeline: feed', 'cancel: true\\n  refPipeline: feed'))\n")
    editor.chmod(0o755)
    assert "edited" in api.kubectl("edit", "cm", "c", env={"KUBE_EDITOR": str(editor)}).ok
    assert "edited" in api.kubectl("edit", "plr", "r", env={"KUBE_EDITOR": str(editor)}).ok
    assert "no changes" in api.kubectl("edit", "cm", "c", env={"KUBE_EDITOR": "true"}).err
    assert api.get("configmaps", "c").ok["data"] == {"a": "9"} and api.get("pipelineruns", "r").ok["spec"]["cancel"] is True


def test_create_by_words(api):
    api.kubectl("create", "configmap", "lit", "--from-literal=a=1", "--from-literal=b=2").ok
    api.kubectl("create", "secret", "generic", "sec", "--from-literal=a=1").ok
    api.kubectl("create", "job", "once", "--image=busybox", "--", "sh", "-c", "true").ok
    api.kubectl("create", "deployment", "dep", "--image=busybox", "--replicas=2").ok
    api.kubectl("create", "serviceaccount", "acc").ok
    api.kubectl("create", "service", "clusterip", "svc", "--tcp=80:8080").ok
    api.kubectl("run", "runner", "--image=busybox", "--restart=Never", "--", "true").ok
    api.kubectl("expose", "deploy", "dep", "--port=80").ok
    api.kubectl("create", "namespace", f"{api.ns}-made").ok
    api.kubectl("create", "configmap", "lit").refused
    for kind, name in (("configmaps", "lit"), ("secrets", "sec"), ("jobs", "once"), ("deployments", "dep"), ("pods", "runner"), ("services", "svc")):
        api.get(kind, name)
    api.kubectl("create", "-f", "-", stdin={"apiVersion": "millrace.dev/v1", "kind": "PipelineRun", "metadata": {"generateName": "g-"}, "spec": {"refPipeline": "x"}}).ok
    api.transcript.pop()


def test_wait(api):
    with api.quiet():
        api.kubectl("create", "-f", "-", stdin=ALL).ok
        api.patch("pipelineruns", "r", {"status": {"conditions": [{"type": "Succeeded", "status": "True", "reason": "Done", "message": "",
                                                                   "lastTransitionTime": "2020-01-01T00:00:00Z"}]}}, sub="status")
    api.kubectl("wait", "--for=condition=Succeeded", "plr/r", "--timeout=5s").ok
    api.kubectl("wait", "--for=condition=Nothing", "plr/r", "--timeout=1s").refused
    api.kubectl("wait", "--for=jsonpath={.spec.refPipeline}=feed", "plr/r", "--timeout=5s").ok
    api.kubectl("wait", "--for=delete", "cm/none", "--timeout=5s").ok
    api.kubectl("wait", "--for=create", "cm/c", "--timeout=5s").ok
    api.kubectl("wait", "--for=condition=Ready", "pod/missing", "--timeout=1s").refused
    with api.kubectl_running("wait", "--for=condition=complete", "job/j", "--timeout=20s") as waiting:
        with api.quiet():
            api.patch("jobs", "j", {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}, sub="status")
            answer = api.patch("jobs", "j", {"spec": {"suspend": False}, "status": {}}, "merge")
            api.patch("jobs", "j", {"status": {"succeeded": 1, "startTime": "2020-01-01T00:00:00Z", "completionTime": "2020-01-01T00:00:01Z", "conditions": [
                {"type": "SuccessCriteriaMet", "status": "True", "lastTransitionTime": "2020-01-01T00:00:01Z"},
                {"type": "Complete", "status": "True", "lastTransitionTime": "2020-01-01T00:00:01Z"}]}}, sub="status")
        assert answer.status == 200 and waiting.wait(20) == 0


def test_get_and_watch(api):
    with api.quiet():
        api.kubectl("create", "-f", "-", stdin=[ALL[0], ALL[7]]).ok
    with api.kubectl_running("get", "plr", "-w", "--no-headers", "-o", "custom-columns=N:.metadata.name,S:.status.steps") as watching:
        seen = [watching.stdout.readline().split()]
        with api.quiet():
            api.patch("pipelineruns", "r", {"status": {"steps": "1/2"}}, sub="status")
            seen.append(watching.stdout.readline().split())
            api.create("pipelineruns", sample("pipelineruns", "r2"))
            seen.append(watching.stdout.readline().split())
    assert seen == [["r", "<none>"], ["r", "1/2"], ["r2", "<none>"]]
    with api.kubectl_running("get", "plr", "-w") as watching:
        head = watching.stdout.readline().split()
        rows = [watching.stdout.readline().split()[:2] for _ in range(2)]
        with api.quiet():
            api.patch("pipelineruns", "r", {"status": {"steps": "2/2"}}, sub="status")
        rows.append(watching.stdout.readline().split()[:2])
    api.note("watched", [head, rows])


def test_rollout_status(api):
    with api.quiet():
        api.kubectl("create", "-f", "-", stdin=ALL[3]).ok
    api.kubectl("rollout", "status", "deploy/d", "--timeout=1s").refused
    with api.quiet():
        api.patch("deployments", "d", {"status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1, "conditions": [
            {"type": "Available", "status": "True"}]}}, sub="status")
    api.kubectl("rollout", "status", "deploy/d", "--timeout=5s").ok
    api.kubectl("get", "deploy", "d").ok


def test_delete(api):
    with api.quiet():
        api.kubectl("create", "-f", "-", stdin=ALL).ok
    api.kubectl("delete", "cm", "c").ok
    api.kubectl("delete", "cm", "c").refused
    api.kubectl("delete", "cm", "c", "--ignore-not-found").ok
    api.kubectl("delete", "pod", "p", "--now").ok
    api.kubectl("delete", "deploy,svc", "--all").ok
    api.kubectl("delete", "pl", "-l", "no=one").ok
    api.kubectl("delete", "pl", "pl", "--dry-run=server").ok
    api.kubectl("delete", "pl", "pl", "--cascade=foreground").ok
    api.kubectl("delete", "plr", "r", "--cascade=orphan").ok
    api.kubectl("delete", "job", "j", "--wait=true").ok
    api.kubectl("delete", "-f", "-", stdin=[ALL[1], ALL[8]]).ok
    api.kubectl("delete", "secret", "s", "--grace-period=0", "--force", "--ignore-not-found").ok
    assert api.list("pipelines").ok["items"] == []


def test_delete_waits_for_finalizers(api):
    api.made("configmaps", config("held", finalizers=["example.com/hold"]))
    with api.kubectl_running("delete", "cm", "held", "--timeout=20s") as deleting:
        api.until(lambda: "deletionTimestamp" in api.get("configmaps", "held").ok["metadata"])
        assert deleting.poll() is None
        api.patch("configmaps", "held", {"metadata": {"finalizers": None}})
        assert deleting.wait(20) == 0
    api.made("configmaps", config("stuck", finalizers=["example.com/hold"]))
    api.kubectl("delete", "cm", "stuck", "--timeout=1s").refused
    api.transcript.pop()  # its words depend on which of its timers runs out first
    api.patch("configmaps", "stuck", {"metadata": {"finalizers": None}})


def test_logs_without_any(api):
    with api.quiet():
        api.kubectl("create", "-f", "-", stdin=[pod("p"), pod("two", {"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "x"}]}), ALL[4]]).ok
    api.kubectl("logs", "missing").refused
    api.kubectl("logs", "p", "-c", "zz").refused
    api.kubectl("logs", "two", "-c", "zz").refused
    api.kubectl("logs", "job/j", "--pod-running-timeout=1s").refused


def test_who_may_do_what(api):
    assert api.kubectl("auth", "can-i", "create", "pods").ok.strip() == "yes"
    assert api.kubectl("auth", "can-i", "delete", "pipelineruns.millrace.dev").ok.strip() == "yes"
    api.kubectl("auth", "whoami").ok
    with api.quiet():  # the real one names rules of its own besides
        assert "[*]" in api.kubectl("auth", "can-i", "--list").ok
    api.transcript.pop()


def test_cluster_info(api):
    assert "running at" in api.kubectl("cluster-info").ok
    api.transcript.pop()  # names services of a whole cluster


def test_discovery_of_short_names(api):
    with api.quiet():
        api.kubectl("create", "-f", "-", stdin=ALL).ok
    for words in ("po/p", "deploy/d", "svc/svc", "cm/c", "sa/sa", "pl/pl", "plr/r", "pipelines.millrace.dev/pl", "jobs.v1.batch/j", "Pod/p", "ev", "ns/default"):
        api.kubectl("get", words, "-o", "name").ok


def test_json_and_yaml_agree(api):
    with api.quiet():
        api.kubectl("create", "-f", "-", stdin=ALL).ok
        first = json.loads(api.kubectl("get", "pl", "pl", "-o", "json").ok)
        second = yaml.load(api.kubectl("get", "pl", "pl", "-o", "yaml").ok, yaml.BaseLoader)
    assert second["metadata"]["uid"] == first["metadata"]["uid"] and second["spec"] == first["spec"]
