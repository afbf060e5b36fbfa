"""What the built-in kinds refuse: missing and wrong values, and changes to what cannot change."""
import copy

import pytest

from kit.samples import MINIMAL, config, job, pod, sample

C = {"name": "a", "image": "x"}
PODS = {
    "no-containers": {"containers": []}, "no-name": {"containers": [{"image": "x"}]}, "no-image": {"containers": [{"name": "a"}]},
    "blank-image": {"containers": [{"name": "a", "image": " x"}]}, "bad-name": {"containers": [{"name": "A_b", "image": "x"}]},
    "two-names": {"containers": [C, C]}, "init-same-name": {"initContainers": [C]}, "long-name": {"containers": [{"name": "a" * 64, "image": "x"}]},
    "pull-policy": {"containers": [{**C, "imagePullPolicy": "Maybe"}]}, "restart-policy": {"restartPolicy": "Sometimes"},
    "mount-unknown": {"containers": [{**C, "volumeMounts": [{"name": "v", "mountPath": "/x"}]}]},
    "mount-no-path": {"volumes": [{"name": "v"}], "containers": [{**C, "volumeMounts": [{"name": "v"}]}]},
    "mount-twice": {"volumes": [{"name": "v"}], "containers": [{**C, "volumeMounts": [{"name": "v", "mountPath": "/x"}] * 2}]},
    "mount-relative": {"volumes": [{"name": "v"}], "containers": [{**C, "volumeMounts": [{"name": "v", "mountPath": "x", "subPath": "../y"}]}]},
    "volume-two-sources": {"volumes": [{"name": "v", "emptyDir": {}, "configMap": {"name": "c"}}]}, "volume-no-source": {"volumes": [{"name": "v"}]},
    "volume-no-name": {"volumes": [{"emptyDir": {}}]}, "volume-twice": {"volumes": [{"name": "v", "emptyDir": {}}] * 2},
    "volume-upper": {"volumes": [{"name": "V", "emptyDir": {}}]}, "secret-no-name": {"volumes": [{"name": "v", "secret": {}}]},
    "config-no-name": {"volumes": [{"name": "v", "configMap": {}}]}, "config-item-path": {"volumes": [{"name": "v", "configMap": {"name": "c", "items": [{"key": "k", "path": "/a"}]}}]},
    "config-item-dots": {"volumes": [{"name": "v", "configMap": {"name": "c", "items": [{"key": "k", "path": "../a"}]}}]},
    "config-item-no-key": {"volumes": [{"name": "v", "configMap": {"name": "c", "items": [{"path": "a"}]}}]},
    "mode-huge": {"volumes": [{"name": "v", "configMap": {"name": "c", "defaultMode": 9999}}]}, "host-path-dots": {"volumes": [{"name": "v", "hostPath": {"path": "/a/../b"}}]},
    "projected-empty": {"volumes": [{"name": "v", "projected": {}}]}, "projected-none": {"volumes": [{"name": "v", "projected": {"sources": [{}]}}]},
    "projected-conflict": {"volumes": [{"name": "v", "projected": {"sources": [{"secret": {"name": "s", "items": [{"key": "a", "path": "p"}]}},
                                                                              {"configMap": {"name": "c", "items": [{"key": "a", "path": "p"}]}}]}}]},
    "env-name": {"containers": [{**C, "env": [{"name": "", "value": "x"}]}]}, "env-name-odd": {"containers": [{**C, "env": [{"name": "a=b", "value": "x"}]}]},
    "env-both": {"containers": [{**C, "env": [{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}]},
    "env-field": {"containers": [{**C, "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.nonsense"}}}]}]},
    "env-from-none": {"containers": [{**C, "env": [{"name": "A", "valueFrom": {}}]}]},
    "env-secret-no-key": {"containers": [{**C, "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s"}}}]}]},
    "env-from-empty": {"containers": [{**C, "envFrom": [{}]}]}, "env-from-prefix": {"containers": [{**C, "envFrom": [{"prefix": "a=", "secretRef": {"name": "s"}}]}]},
    "port-0": {"containers": [{**C, "ports": [{"containerPort": 0}]}]}, "port-high": {"containers": [{**C, "ports": [{"containerPort": 70000}]}]},
    "port-protocol": {"containers": [{**C, "ports": [{"containerPort": 1, "protocol": "ICMP"}]}]}, "port-name": {"containers": [{**C, "ports": [{"containerPort": 1, "name": "Upper"}]}]},
    "port-name-twice": {"containers": [{**C, "ports": [{"containerPort": 1, "name": "a"}, {"containerPort": 2, "name": "a"}]}]},
    "request-above-limit": {"containers": [{**C, "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}}]},
    "resource-negative": {"containers": [{**C, "resources": {"limits": {"cpu": "-1"}}}]}, "resource-name": {"containers": [{**C, "resources": {"limits": {"nonsense": "1"}}}]},
    "grace-negative": {"terminationGracePeriodSeconds": -5}, "deadline-0": {"activeDeadlineSeconds": 0}, "deadline-negative": {"activeDeadlineSeconds": -1},
    "dns-policy": {"dnsPolicy": "Odd"}, "node-selector-bad": {"nodeSelector": {"a b": "c"}}, "hostname-bad": {"hostname": "A.b"}, "subdomain-bad": {"subdomain": "A"},
    "service-account-bad": {"serviceAccountName": "A_"}, "toleration-bad": {"tolerations": [{"key": "a", "operator": "Odd"}]},
    "toleration-exists-value": {"tolerations": [{"key": "a", "operator": "Exists", "value": "v"}]}, "toleration-effect": {"tolerations": [{"key": "a", "effect": "Odd"}]},
    "probe-none": {"containers": [{**C, "livenessProbe": {}}]}, "probe-two": {"containers": [{**C, "livenessProbe": {"exec": {"command": ["a"]}, "httpGet": {"port": 1}}}]},
    "probe-success": {"containers": [{**C, "livenessProbe": {"exec": {"command": ["a"]}, "successThreshold": 2}}]},
    "probe-negative": {"containers": [{**C, "readinessProbe": {"exec": {"command": ["a"]}, "periodSeconds": -1}}]},
    "pull-secret-empty": {"imagePullSecrets": [{}]}, "termination-policy": {"containers": [{**C, "terminationMessagePolicy": "Odd"}]},
    "container-restart": {"initContainers": [{"name": "i", "image": "x", "restartPolicy": "Always"}]}, "container-restart-bad": {"initContainers": [{"name": "i", "image": "x", "restartPolicy": "Odd"}]},
    "priority-class": {"priorityClassName": "missing"}, "run-as-root": {"securityContext": {"runAsUser": -1}}, "many": {"containers": [{"name": "A"}, {"image": "x"}], "restartPolicy": "x"},
    "empty-dir-size": {"volumes": [{"name": "v", "emptyDir": {"sizeLimit": "-1"}}]}, "affinity-empty": {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}}},
    "host-alias": {"hostAliases": [{"ip": "x"}]}, "scheduler-name": {"schedulerName": "A B"}, "working-dir": {"containers": [{**C, "workingDir": "relative"}]},
    "downward-bad": {"volumes": [{"name": "v", "downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "spec.nonsense"}}]}}]},
}


@pytest.mark.parametrize("case", list(PODS))
def test_pods(api, case):
    api.create("pods", pod("a", PODS[case]))
    api.create("jobs", job("a", {"template": {"spec": {"restartPolicy": "Never", "containers": [C], **PODS[case]}}}))


JOBS = {
    "no-template": {"template": None}, "restart-always": {"template": {"spec": {"restartPolicy": "Always", "containers": [C]}}},
    "restart-missing": {"template": {"spec": {"containers": [C]}}}, "negative-parallelism": {"parallelism": -1}, "negative-completions": {"completions": -1},
    "negative-backoff": {"backoffLimit": -1}, "negative-deadline": {"activeDeadlineSeconds": -1}, "zero-deadline": {"activeDeadlineSeconds": 0},
    "negative-ttl": {"ttlSecondsAfterFinished": -1}, "mode": {"completionMode": "Odd"}, "indexed-without-completions": {"completionMode": "Indexed"},
    "indexed": {"completionMode": "Indexed", "completions": 3}, "selector": {"selector": {"matchLabels": {"a": "b"}}},
    "manual-selector": {"manualSelector": True, "selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"restartPolicy": "Never", "containers": [C]}}},
    "manual-selector-mismatch": {"manualSelector": True, "selector": {"matchLabels": {"a": "c"}}}, "manual-selector-none": {"manualSelector": True},
    "managed-by-bad": {"managedBy": "x"}, "managed-by-long": {"managedBy": "a.b/" + "c" * 70}, "managed-by-builtin": {"managedBy": "kubernetes.io/job-controller"},
    "replacement": {"podReplacementPolicy": "Odd"}, "replacement-failed": {"podReplacementPolicy": "Failed"},
    "backoff-per-index": {"completionMode": "Indexed", "completions": 2, "backoffLimitPerIndex": 1, "maxFailedIndexes": 1},
    "per-index-without-mode": {"backoffLimitPerIndex": 1}, "max-failed-without": {"maxFailedIndexes": 1},
    "policy-empty": {"podFailurePolicy": {"rules": []}}, "policy-no-action": {"podFailurePolicy": {"rules": [{"onExitCodes": {"operator": "In", "values": [1]}}]}},
    "policy-zero": {"podFailurePolicy": {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [0]}}]}},
    "policy-order": {"podFailurePolicy": {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [2, 1]}}]}},
    "policy-both": {"podFailurePolicy": {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1]}, "onPodConditions": [{"type": "A", "status": "True"}]}]}},
    "policy-neither": {"podFailurePolicy": {"rules": [{"action": "Ignore"}]}}, "policy-action": {"podFailurePolicy": {"rules": [{"action": "Odd", "onPodConditions": [{"type": "A"}]}]}},
    "policy-container": {"podFailurePolicy": {"rules": [{"action": "FailJob", "onExitCodes": {"containerName": "zz", "operator": "In", "values": [1]}}]}},
    "policy-on-failure": {"podFailurePolicy": {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "A", "status": "True"}]}]},
                          "template": {"spec": {"restartPolicy": "OnFailure", "containers": [C]}}},
    "success-policy": {"completionMode": "Indexed", "completions": 3, "successPolicy": {"rules": [{"succeededIndexes": "0-1", "succeededCount": 1}]}},
    "success-policy-bad": {"completionMode": "Indexed", "completions": 3, "successPolicy": {"rules": [{"succeededIndexes": "5-9"}]}},
    "success-policy-mode": {"successPolicy": {"rules": [{"succeededCount": 1}]}}, "labels": {"template": {"metadata": {"labels": {"a": "b"}}, "spec": {"restartPolicy": "Never", "containers": [C]}}},
    "own-label": {"template": {"metadata": {"labels": {"job-name": "other"}}, "spec": {"restartPolicy": "Never", "containers": [C]}}},
    "zero-completions": {"completions": 0}, "zero-parallelism": {"parallelism": 0}, "template-name": {"template": {"metadata": {"name": "x", "generateName": "y"}, "spec": {"restartPolicy": "Never", "containers": [C]}}},
}


@pytest.mark.parametrize("case", list(JOBS))
def test_jobs(api, case):
    api.create("jobs", job("a", JOBS[case]))
    api.made("jobs", job("b", {"suspend": True}))
    api.patch("jobs", "b", {"spec": JOBS[case]})


OTHERS = {
    "deployment-no-selector": ("deployments", {"spec": {"template": MINIMAL["deployments"]["spec"]["template"]}}),
    "deployment-no-template": ("deployments", {"spec": {"selector": {"matchLabels": {"app": "a"}}}}),
    "deployment-mismatch": ("deployments", {"spec": {**MINIMAL["deployments"]["spec"], "selector": {"matchLabels": {"app": "b"}}}}),
    "deployment-empty-selector": ("deployments", {"spec": {**MINIMAL["deployments"]["spec"], "selector": {}}}),
    "deployment-replicas": ("deployments", {"spec": {**MINIMAL["deployments"]["spec"], "replicas": -1}}),
    "deployment-strategy": ("deployments", {"spec": {**MINIMAL["deployments"]["spec"], "strategy": {"type": "Odd"}}}),
    "deployment-recreate-rolling": ("deployments", {"spec": {**MINIMAL["deployments"]["spec"], "strategy": {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}}}),
    "deployment-both-zero": ("deployments", {"spec": {**MINIMAL["deployments"]["spec"], "strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}}}),
    "deployment-percent": ("deployments", {"spec": {**MINIMAL["deployments"]["spec"], "strategy": {"rollingUpdate": {"maxSurge": "50%", "maxUnavailable": "x"}}}}),
    "deployment-never": ("deployments", {"spec": {**MINIMAL["deployments"]["spec"], "template": {"metadata": {"labels": {"app": "a"}}, "spec": {"restartPolicy": "Never", "containers": [C]}}}}),
    "deployment-deadline": ("deployments", {"spec": {**MINIMAL["deployments"]["spec"], "progressDeadlineSeconds": 5, "minReadySeconds": 10}}),
    "deployment-selector-operator": ("deployments", {"spec": {**MINIMAL["deployments"]["spec"], "selector": {"matchExpressions": [{"key": "a", "operator": "Odd"}]}}}),
    "service-no-ports": ("services", {"spec": {}}), "service-headless-no-ports": ("services", {"spec": {"clusterIP": "None"}}),
    "service-port-0": ("services", {"spec": {"ports": [{"port": 0}]}}), "service-unnamed-ports": ("services", {"spec": {"ports": [{"port": 1}, {"port": 2}]}}),
    "service-same-names": ("services", {"spec": {"ports": [{"port": 1, "name": "a"}, {"port": 2, "name": "a"}]}}),
    "service-same-ports": ("services", {"spec": {"ports": [{"port": 1, "name": "a"}, {"port": 1, "name": "b"}]}}),
    "service-type": ("services", {"spec": {"type": "Odd", "ports": [{"port": 1}]}}), "service-external": ("services", {"spec": {"type": "ExternalName", "externalName": "a.example"}}),
    "service-external-none": ("services", {"spec": {"type": "ExternalName"}}), "service-ip": ("services", {"spec": {"clusterIP": "nonsense", "ports": [{"port": 1}]}}),
    "service-affinity": ("services", {"spec": {"sessionAffinity": "Odd", "ports": [{"port": 1}]}}), "service-target": ("services", {"spec": {"ports": [{"port": 1, "targetPort": "UPPER!"}]}}),
    "service-selector": ("services", {"spec": {"ports": [{"port": 1}], "selector": {"a b": "c"}}}), "service-none": ("services", {}),
    "config-key": ("configmaps", {"data": {"a b": "x"}}), "config-key-dots": ("configmaps", {"data": {"..": "x", "...": "y", ".a": "z"}}), "config-key-long": ("configmaps", {"data": {"a" * 254: "x"}}),
    "config-both": ("configmaps", {"data": {"a": "x"}, "binaryData": {"a": "AA=="}}), "config-slash": ("configmaps", {"data": {"a/b": "x"}}),
    "secret-key": ("secrets", {"data": {"a b": "eA=="}}), "secret-type": ("secrets", {"type": "example.com/x", "data": {}}), "secret-tls": ("secrets", {"type": "kubernetes.io/tls", "data": {}}),
    "secret-docker": ("secrets", {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "eA=="}}), "secret-basic": ("secrets", {"type": "kubernetes.io/basic-auth"}),
    "secret-ssh": ("secrets", {"type": "kubernetes.io/ssh-auth"}), "secret-string-bad": ("secrets", {"stringData": {"a b": "c"}}), "secret-immutable": ("secrets", {"immutable": True, "data": {"a": "eA=="}}),
    "lease-duration-0": ("leases", {"spec": {"leaseDurationSeconds": 0}}), "lease-negative": ("leases", {"spec": {"leaseTransitions": -1}}), "lease-holder": ("leases", {"spec": {"holderIdentity": ""}}),
    "lease-preferred": ("leases", {"spec": {"preferredHolder": "x"}}), "lease-strategy": ("leases", {"spec": {"strategy": "x"}}),
    "revision-no-data": ("controllerrevisions", {"revision": 1}), "revision-negative": ("controllerrevisions", {"revision": -1, "data": {}}), "revision-text": ("controllerrevisions", {"revision": 1, "data": "text"}),
    "revision-list": ("controllerrevisions", {"revision": 1, "data": [1]}), "revision-none": ("controllerrevisions", {"data": {"a": 1}}), "revision-null": ("controllerrevisions", {"revision": 1, "data": None}),
    "account-secret": ("serviceaccounts", {"secrets": [{}]}),
}


@pytest.mark.parametrize("case", list(OTHERS))
def test_other_kinds(api, case):
    plural, body = OTHERS[case]
    api.create(plural, sample(plural, "a", body))


CHANGES = {
    "secret-type": ("secrets", {"type": "Opaque"}, {"type": "other"}), "secret-immutable": ("secrets", {"immutable": True, "data": {"a": "eA=="}}, {"data": {"a": "eQ=="}}),
    "secret-mutable-again": ("secrets", {"immutable": True}, {"immutable": False}), "config-immutable": ("configmaps", {"immutable": True, "data": {"a": "1"}}, {"data": {"a": "2"}}),
    "config-immutable-labels": ("configmaps", {"immutable": True, "data": {"a": "1"}}, {"metadata": {"labels": {"a": "b"}}}),
    "deployment-selector": ("deployments", None, {"spec": {"selector": {"matchLabels": {"app": "z"}}, "template": {"metadata": {"labels": {"app": "z"}}}}}),
    "deployment-scale": ("deployments", None, {"spec": {"replicas": 7}}), "revision-data": ("controllerrevisions", None, {"data": {"other": 1}}),
    "service-ip": ("services", None, {"spec": {"clusterIP": "None"}}), "service-type": ("services", None, {"spec": {"type": "ExternalName", "externalName": "a.example"}}),
    "service-node-port": ("services", None, {"spec": {"type": "NodePort"}}), "job-template": ("jobs", None, {"spec": {"template": {"spec": {"hostname": "h"}}}}),
    "job-template-suspended": ("jobs", {"spec": {**MINIMAL["jobs"]["spec"], "suspend": True}}, {"spec": {"template": {"spec": {"nodeSelector": {"a": "b"}}}}}),
    "job-completions": ("jobs", {"spec": {**MINIMAL["jobs"]["spec"], "completionMode": "Indexed", "completions": 2, "parallelism": 2}}, {"spec": {"completions": 3, "parallelism": 3}}),
    "pod-image": ("pods", None, {"spec": {"containers": [{"name": "a", "image": "new"}]}}), "pod-command": ("pods", None, {"spec": {"containers": [{"name": "a", "image": "busybox", "command": ["x"]}]}}),
    "pod-node": ("pods", None, {"spec": {"nodeName": "n"}}), "pod-tolerations": ("pods", None, {"spec": {"tolerations": [{"key": "a", "operator": "Exists"}]}}),
    "pod-deadline": ("pods", None, {"spec": {"activeDeadlineSeconds": 9}}), "pod-grace": ("pods", None, {"spec": {"terminationGracePeriodSeconds": 1}}),
    "pod-gates": ("pods", {"spec": {**MINIMAL["pods"]["spec"], "schedulingGates": [{"name": "example.com/g"}]}}, {"spec": {"schedulingGates": None}}),
    "event-reason": ("events", None, {"reason": "Changed"}), "lease-holder": ("leases", None, {"spec": {"holderIdentity": "me"}}), "account-secrets": ("serviceaccounts", None, {"secrets": [{"name": "s"}]}),
    "run-spec": ("pipelineruns", None, {"spec": {"refPipeline": "other"}}), "run-cancel": ("pipelineruns", None, {"spec": {"cancel": True}}),
}


@pytest.mark.parametrize("case", list(CHANGES))
def test_changes(api, case):
    plural, body, change = CHANGES[case]
    made = api.made(plural, sample(plural, "a", body))
    api.patch(plural, "a", change, "merge")
    replaced = copy.deepcopy(made)
    for key, item in change.items():
        replaced[key] = {**replaced.get(key, {}), **item} if isinstance(item, dict) else item
    del replaced["metadata"]["resourceVersion"]
    api.replace(plural, replaced)


STATUSES = {
    "start": {"startTime": "2020-01-01T00:00:00Z", "active": 1, "ready": 0}, "negative": {"active": -1}, "complete-at-once": {"conditions": [{"type": "Complete", "status": "True"}]},
    "complete-without-start": {"succeeded": 1, "conditions": [{"type": "SuccessCriteriaMet", "status": "True"}, {"type": "Complete", "status": "True"}], "completionTime": "2020-01-01T00:00:00Z"},
    "complete": {"succeeded": 1, "startTime": "2020-01-01T00:00:00Z", "completionTime": "2020-01-01T00:00:05Z",
                 "conditions": [{"type": "SuccessCriteriaMet", "status": "True"}, {"type": "Complete", "status": "True"}]},
    "complete-no-criteria": {"startTime": "2020-01-01T00:00:00Z", "completionTime": "2020-01-01T00:00:05Z", "conditions": [{"type": "Complete", "status": "True"}]},
    "complete-before-start": {"startTime": "2020-01-01T00:00:09Z", "completionTime": "2020-01-01T00:00:05Z", "conditions": [
        {"type": "SuccessCriteriaMet", "status": "True"}, {"type": "Complete", "status": "True"}]},
    "complete-and-active": {"active": 1, "startTime": "2020-01-01T00:00:00Z", "completionTime": "2020-01-01T00:00:05Z", "conditions": [
        {"type": "SuccessCriteriaMet", "status": "True"}, {"type": "Complete", "status": "True"}]},
    "failed": {"failed": 1, "startTime": "2020-01-01T00:00:00Z", "conditions": [{"type": "FailureTarget", "status": "True"}, {"type": "Failed", "status": "True"}]},
    "failed-no-target": {"failed": 1, "startTime": "2020-01-01T00:00:00Z", "conditions": [{"type": "Failed", "status": "True"}]},
    "failed-completion-time": {"startTime": "2020-01-01T00:00:00Z", "completionTime": "2020-01-01T00:00:05Z", "conditions": [
        {"type": "FailureTarget", "status": "True"}, {"type": "Failed", "status": "True"}]},
    "both": {"startTime": "2020-01-01T00:00:00Z", "completionTime": "2020-01-01T00:00:05Z", "conditions": [
        {"type": "SuccessCriteriaMet", "status": "True"}, {"type": "FailureTarget", "status": "True"}, {"type": "Complete", "status": "True"}, {"type": "Failed", "status": "True"}]},
    "indexes": {"completedIndexes": "0-2"}, "indexes-bad": {"completedIndexes": "2-0,x"}, "failed-indexes": {"failedIndexes": "1"}, "terminating": {"active": 1, "terminating": 1},
    "ready-above-active": {"active": 1, "ready": 2}, "uncounted": {"uncountedTerminatedPods": {"succeeded": ["a"], "failed": ["a"]}}, "uncounted-empty": {"uncountedTerminatedPods": {"succeeded": [""]}},
    "condition-twice": {"conditions": [{"type": "Suspended", "status": "True"}, {"type": "Suspended", "status": "False"}]}, "condition-odd": {"conditions": [{"type": "Suspended", "status": "Odd"}]},
    "unknown": {"bogus": 1},
}


@pytest.mark.parametrize("case", list(STATUSES))
def test_job_status(api, case):
    api.made("jobs", job("a", {"managedBy": "millrace.dev/job-controller"}))
    first = api.patch("jobs", "a", {"status": STATUSES[case]}, sub="status")
    if first.status == 200:
        api.patch("jobs", "a", {"status": {"startTime": "2021-01-01T00:00:00Z"}}, sub="status")
        api.patch("jobs", "a", {"status": {"startTime": None}}, sub="status")
        api.patch("jobs", "a", {"status": {"conditions": None}}, sub="status")
        api.patch("jobs", "a", {"status": {"succeeded": 0, "failed": 0, "completionTime": "2022-01-01T00:00:00Z"}}, sub="status")
    api.made("jobs", job("b"))
    api.patch("jobs", "b", {"status": STATUSES[case]}, "strategic", sub="status")


POD_STATUSES = {
    "running": {"phase": "Running", "startTime": "2020-01-01T00:00:00Z", "podIPs": [{"ip": "10.0.0.1"}], "hostIP": "10.0.0.9"}, "phase-odd": {"phase": "Odd"}, "phase-number": {"phase": 3},
    "conditions": {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2020-01-01T00:00:00Z"}, {"type": "example.com/x", "status": "False"}]},
    "condition-odd": {"conditions": [{"type": "Ready", "status": "Odd"}]}, "ip-bad": {"podIP": "nonsense"}, "containers": {"containerStatuses": [
        {"name": "a", "image": "x", "imageID": "", "ready": True, "started": True, "restartCount": 0, "state": {"running": {"startedAt": "2020-01-01T00:00:00Z"}}}]},
    "container-two-states": {"containerStatuses": [{"name": "a", "image": "x", "imageID": "", "ready": True, "restartCount": 0, "state": {"running": {}, "waiting": {}}}]},
    "container-minimal": {"containerStatuses": [{"name": "a"}]}, "nominated": {"nominatedNodeName": "n"}, "qos": {"qosClass": "Guaranteed"}, "reason": {"phase": "Failed", "reason": "DeadlineExceeded", "message": "m"},
}


@pytest.mark.parametrize("case", list(POD_STATUSES))
def test_pod_status(api, case):
    api.made("pods", pod("a"))
    api.patch("pods", "a", {"status": POD_STATUSES[case]}, sub="status")
    api.patch("pods", "a", {"status": POD_STATUSES[case]}, "strategic", sub="status")
    api.patch("pods", "a", {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}, "strategic", sub="status")
    api.patch("pods", "a", {"status": {"phase": "Pending"}}, sub="status")


QOS = {"none": {}, "limits": {"limits": {"cpu": "1", "memory": "1Mi"}}, "cpu-only": {"limits": {"cpu": "1"}}, "requests": {"requests": {"cpu": "1"}},
       "equal": {"limits": {"cpu": "1000m", "memory": "1024Ki"}, "requests": {"cpu": "1", "memory": "1Mi"}}, "other": {"limits": {"ephemeral-storage": "1Gi"}}, "zero": {"limits": {"cpu": "0", "memory": "0"}}}


@pytest.mark.parametrize("case", list(QOS))
def test_quality_of_service(api, case):
    api.create("pods", pod("a", {"containers": [{**C, "resources": QOS[case]}]}))


IMAGES = ["busybox", "busybox:latest", "busybox:1", "reg.example:5000/a/b", "reg.example:5000/a/b:latest", "a@sha256:" + "0" * 64, "a:latest@sha256:" + "0" * 64, "UPPER", "a b", "a:b:c"]


@pytest.mark.parametrize("image", IMAGES, ids=range(len(IMAGES)))
def test_pull_policy_by_image(api, image):
    api.create("pods", pod("a", {"containers": [{"name": "a", "image": image}]}))


def test_revision_data_keeps_its_form(api):
    data = {"big": 9007199254740993, "float": 1.0, "small": 1e-7, "text": "é\u2028", "empty": {}, "list": [[], None]}
    assert api.create("controllerrevisions", sample("controllerrevisions", "a", {"revision": 1, "data": data})).status == 201
    assert api.create("configmaps", config("a", {"x": "é\u2028\u0007"})).status == 201
